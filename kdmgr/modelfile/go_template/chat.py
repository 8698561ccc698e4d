"""A chat as Ollama puts it through a TEMPLATE (template/template.go, Execute): what the model is given to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kdmgr.modelfile.go_template.nodes import Action, Branch, Call, Include, Node, Operand, Path, Pipe, Template
from kdmgr.modelfile.go_template.parse import parse_template
from kdmgr.modelfile.go_template.run import run_template
from kdmgr.modelfile.go_template.values import JsonList, JsonMap, NilList, Record

Turn = tuple[str, str]
"""Role and content."""
_RESPONSE = Action(Pipe((Path(None, ("Response",)),), (), False, 1))


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A parsed TEMPLATE and the values it asks for, in lower case (`messages`, `system`, `tools` …)."""

    template: Template
    variables: frozenset[str]

    @property
    def takes_messages(self) -> bool:
        """Whether it goes over the messages itself; others are run once for each turn."""
        return "messages" in self.variables

    @property
    def can_think(self) -> bool:
        """Whether it has a place for thoughts, which is how Ollama knows a model that thinks."""
        return self.takes_messages and "thinking" in self.variables


def read_chat_template(source: str) -> ChatTemplate:
    """Parse a TEMPLATE as Ollama does; `TemplateError` for what it refuses."""
    template = parse_template(source)
    variables = frozenset(_names(template))
    if not variables & {"messages", "response"}:
        template = replace(template, nodes=(*template.nodes, _RESPONSE))
    return ChatTemplate(template, variables)


def render_chat(
    chat: ChatTemplate, turns: Sequence[Turn], *, think: bool | None = None, tools: Sequence[dict[str, Any]] = ()
) -> str:
    """The prompt for `turns`, up to where the model goes on."""
    system, merged = _merge(turns)
    mode = {"Think": bool(think), "ThinkLevel": "", "IsThinkSet": think is not None}
    if chat.takes_messages:
        messages = [_message(role, content) for role, content in merged]
        listed = JsonList(_tool(tool) for tool in tools)
        data = {"System": system, "Messages": messages, "Tools": listed, "Response": "", **mode}
        return run_template(chat.template, data)
    return _render_by_turns(chat.template, merged, mode)


def _render_by_turns(template: Template, turns: Iterable[Turn], mode: dict[str, Any]) -> str:
    """Old templates know one prompt and one response: run for each pair, the last one cut at the response."""
    printed: list[str] = []
    values = {"System": "", "Prompt": "", "Response": ""}

    def flush() -> None:
        printed.append(run_template(template, {**values, **mode}))
        values.update(System="", Prompt="", Response="")

    for role, content in turns:
        if role == "system":
            if values["Prompt"] or values["Response"]:
                flush()
            values["System"] = content
        elif role == "user":
            if values["Response"]:
                flush()
            values["Prompt"] = content
        elif role == "assistant":
            values["Response"] = content
    # The last run is of a copy, which knows neither Ollama's own functions nor what the template defines.
    cut = Template(_cut(template.nodes)[0], {})
    return "".join(printed) + run_template(cut, {**values, **mode}, is_copy=True)


def _cut(nodes: Sequence[Node]) -> tuple[tuple[Node, ...], bool]:
    """The nodes without what comes after the response, and whether there was one."""
    kept: list[Node] = []
    for node in nodes:
        if isinstance(node, Branch):
            body, found = _cut(node.body)
            otherwise, found_too = ((), True) if found else _cut(node.otherwise)
            kept.append(replace(node, body=body, otherwise=otherwise))
            if found or found_too:
                return tuple(kept), True
            continue
        kept.append(node)
        if isinstance(node, Action) and any(name == "response" for name in _names_of_pipe(node.pipe)):
            return tuple(kept), True
    return tuple(kept), False


def _merge(turns: Sequence[Turn]) -> tuple[str, list[Turn]]:
    """All system texts joined, and the turns with neighbours of one role joined."""
    merged: list[Turn] = []
    for role, content in turns:
        if merged and merged[-1][0] == role and role != "tool":
            merged[-1] = (role, f"{merged[-1][1]}\n\n{content}")
        else:
            merged.append((role, content))
    return "\n\n".join(content for role, content in turns if role == "system"), merged


def _message(role: str, content: str) -> Record:
    return Record(
        Role=role, Content=content, Thinking="", Images=NilList(), ToolCalls=NilList(), ToolName="", ToolCallID=""
    )


def _tool(tool: dict[str, Any]) -> Record:
    function = tool.get("function", {})
    parameters = function.get("parameters", {})
    return Record(
        Type=tool.get("type", "function"),
        Function=Record(
            Name=function.get("name", ""),
            Description=function.get("description", ""),
            Parameters=Record(
                Type=parameters.get("type", "object"),
                Required=parameters.get("required", []),
                Properties=JsonMap(parameters.get("properties", {})),
            ),
        ),
    )


def _names(template: Template) -> Iterator[str]:
    for nodes in (template.nodes, *template.defined.values()):
        for node in nodes:
            yield from _names_of_node(node)


def _names_of_node(node: Node) -> Iterator[str]:
    """Every field that is asked for, as Ollama collects them: at any depth, in lower case."""
    match node:
        case Action(pipe):
            yield from _names_of_pipe(pipe)
        case Branch():
            yield from _names_of_pipe(node.pipe)
            for inner in (*node.body, *node.otherwise):
                yield from _names_of_node(inner)
        case Include(_, pipe) if pipe is not None:
            yield from _names_of_pipe(pipe)


def _names_of_pipe(pipe: Pipe) -> Iterator[str]:
    for operand in pipe.commands:
        yield from _names_of_operand(operand)


def _names_of_operand(operand: Operand) -> Iterator[str]:
    match operand:
        case Path(start, fields):
            if not isinstance(start, Pipe):
                yield from (field.lower() for field in fields)
            elif not fields:
                yield from _names_of_pipe(start)
        case Call(_, arguments):
            for argument in arguments:
                yield from _names_of_operand(argument)
