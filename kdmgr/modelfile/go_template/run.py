"""Running a parsed template over its data, with a limit on the work: templates come from anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kdmgr.modelfile.go_template.functions import CallFailed, call
from kdmgr.modelfile.go_template.nodes import (
    Action,
    Branch,
    Broken,
    Call,
    Include,
    Leave,
    Literal,
    Node,
    Operand,
    Path,
    Pipe,
    Template,
    TemplateError,
    Text,
    UnsupportedTemplate,
)
from kdmgr.modelfile.go_template.parse import OLLAMA_FUNCTIONS
from kdmgr.modelfile.go_template.values import NOTHING, Nothing, Record, is_true, show

MAX_STEPS = 50_000
MAX_OUTPUT = 1 << 20
MAX_DEPTH = 30


def run_template(template: Template, data: Mapping[str, Any], *, is_copy: bool = False) -> str:
    """What the template prints.

    `is_copy` says that Ollama runs a copy, which has neither its own functions nor its option for missing keys.
    Raises `TemplateError` for what fails in Go too, `UnsupportedTemplate` for what cannot be told here.
    """
    runner = _Runner(template, is_copy)
    runner.run(template.nodes, data)
    return "".join(runner.printed)


class _Number(int):
    """The key of a range over a number."""


class _Left(Exception):
    """A `break` or `continue` on its way to its range."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Runner:
    def __init__(self, template: Template, is_copy: bool) -> None:
        self._is_copy = is_copy
        self._defined = template.defined
        self.printed: list[str] = []
        self._size = 0
        self._steps = 0
        self._depth = 0
        self._variables: list[tuple[str, Any]] = []

    def run(self, nodes: Sequence[Node], dot: Any) -> None:
        self._variables.append(("$", dot))
        self._walk(nodes, dot)

    def _walk(self, nodes: Sequence[Node], dot: Any) -> None:
        for node in nodes:
            self._step(1)
            match node:
                case Text(text):
                    self._print(text)
                case Action(pipe):
                    value = self._value(pipe, dot)
                    if not pipe.names:
                        self._print(show(value))
                case Branch():
                    self._branch(node, dot)
                case Leave(kind):
                    raise _Left(kind)
                case Include():
                    self._include(node, dot)

    def _branch(self, node: Branch, dot: Any) -> None:
        depth = len(self._variables)
        if node.kind == "range":
            self._range(node, dot)
        else:
            value = self._value(node.pipe, dot)
            if is_true(value):
                self._walk(node.body, value if node.kind == "with" else dot)
            else:
                self._walk(node.otherwise, dot)
        del self._variables[depth:]

    def _range(self, node: Branch, dot: Any) -> None:
        pipe = Pipe(node.pipe.commands, (), False, node.pipe.line)
        items = list(_items(self._value(pipe, dot), node.pipe.line))
        depth = len(self._variables)
        if len(node.pipe.names) > 1 and items and isinstance(items[0][0], _Number):
            raise TemplateError("a range over a number has one variable only", node.pipe.line)
        for key, item in items:
            self._bind_item(node.pipe, key, item)
            try:
                self._walk(node.body, item)
            except _Left as left:
                if left.kind == "break":
                    break
            finally:
                del self._variables[depth:]
        if not items:
            self._walk(node.otherwise, dot)

    def _bind_item(self, pipe: Pipe, key: Any, item: Any) -> None:
        values = (item,) if len(pipe.names) == 1 else (key, item)
        for name, value in zip(pipe.names, values, strict=False):
            self._bind(name, value, pipe.assigns)

    def _include(self, node: Include, dot: Any) -> None:
        nodes = self._defined.get(node.name)
        if nodes is None:
            raise TemplateError(f"no template is named {node.name!r}", node.line)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnsupportedTemplate("templates that call each other without end", node.line)
        value = self._value(node.pipe, dot) if node.pipe else NOTHING
        variables, self._variables = self._variables, []
        self.run(nodes, value)
        self._variables = variables
        self._depth -= 1

    def _value(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = NOTHING
        for at, command in enumerate(pipe.commands):
            value = self._evaluate(command, dot, pipe.line, (value,) if at else ())
        for name in pipe.names:
            self._bind(name, value, pipe.assigns)
        return value

    def _bind(self, name: str, value: Any, assigns: bool) -> None:
        if assigns:
            for at in range(len(self._variables) - 1, -1, -1):
                if self._variables[at][0] == name:
                    self._variables[at] = (name, value)
                    return
            raise TemplateError(f"undefined variable {name!r}", 1)
        self._variables.append((name, value))

    def _evaluate(self, operand: Operand, dot: Any, line: int, piped: tuple[Any, ...] = ()) -> Any:
        self._step(line)
        match operand:
            case Literal(value):
                return value
            case Path(start, fields):
                return _follow(self._start(start, dot, line), fields, line, forgives=self._is_copy)
            case Call(name, arguments):
                return self._call(name, arguments, dot, line, piped)
            case Broken(reason):
                raise TemplateError(reason, line)

    def _start(self, start: str | Pipe | None, dot: Any, line: int) -> Any:
        if start is None:
            return dot
        if isinstance(start, Pipe):
            return self._value(start, dot)
        for name, value in reversed(self._variables):
            if name == start:
                return value
        raise TemplateError(f"undefined variable {start!r}", line)

    def _call(self, name: str, arguments: Sequence[Operand], dot: Any, line: int, piped: tuple[Any, ...]) -> Any:
        if self._is_copy and name in OLLAMA_FUNCTIONS:
            raise TemplateError(f"the function {name} needs a template that goes over .Messages", line)
        if name in ("and", "or") and (arguments or piped):
            value: Any = NOTHING
            for argument in arguments:
                value = self._evaluate(argument, dot, line)
                if is_true(value) is (name == "or"):
                    return value
            return piped[0] if piped else value
        values = [self._evaluate(argument, dot, line) for argument in arguments]
        try:
            return call(name, [*values, *piped])
        except CallFailed as error:
            kind = UnsupportedTemplate if "not known here" in str(error) else TemplateError
            raise kind(str(error), line) from error

    def _print(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise UnsupportedTemplate("it prints without end", 1)
        self.printed.append(text)

    def _step(self, line: int) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise UnsupportedTemplate("it runs without end", line)


def _follow(value: Any, fields: Sequence[str], line: int, *, forgives: bool) -> Any:
    for field in fields:
        if isinstance(value, Record):
            if field not in value:
                raise TemplateError(f"there is no field {field} here", line)
            value = value[field]
        elif isinstance(value, Mapping):
            value = value.get(field, NOTHING)
        elif isinstance(value, Nothing) and forgives:
            continue
        elif isinstance(value, Nothing):
            raise TemplateError(f"the value before .{field} is empty: nothing has that field", line)
        else:
            raise TemplateError(f"{show(value)[:40]!r} has no field {field}", line)
    return value


def _items(value: Any, line: int) -> Iterable[tuple[Any, Any]]:
    if value is None or isinstance(value, Nothing):
        return ()
    if isinstance(value, Mapping) and not isinstance(value, Record):
        return ((key, value[key]) for key in sorted(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return ((_Number(number), number) for number in range(min(value, MAX_STEPS)))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return enumerate(value)
    raise TemplateError(f"range cannot go over {show(value)[:40]!r}", line)
