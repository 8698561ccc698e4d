"""A Modelfile made of a model's parts, and two of them compared."""

from __future__ import annotations

import random

import pytest

from kdmgr.modelfile.commands import Command, ModelfileError
from kdmgr.modelfile.compose import ModelParts, compose
from kdmgr.modelfile.difference import compare
from kdmgr.modelfile.parse import parse
from kdmgr.modelfile.render import render_command

BITS = (
    "a", " ", '"', '"""', "\n", "\t", "#", "\\", "{", "é", "日", "😀", "x y", "  ", "FROM z\n", "'", "`", "\n\n",
    "PARAMETER top_k 1\n", "%s", "<|im_end|>", "\r\n", "\u00a0", "\u200b",
)  # fmt: skip
NUMBERS = {
    "temperature": (0.1, 0.7, 1.0, 2, 1e-7, 0.30000001, 5e-324),
    "num_ctx": (4096, 1048576, 1e6, 10**7),
    "seed": (-1, 0, 123456789, 1e15),
    "use_mmap": (True, False),
    "num_predict": (-1, 1_000_000),
}


def random_text(chance: random.Random) -> str:
    return "".join(chance.choice(BITS) for _ in range(chance.randint(1, 9)))


def random_parts(chance: random.Random) -> ModelParts:
    parameters = {name: chance.choice(values) for name, values in NUMBERS.items() if chance.random() < 0.5}
    stops = tuple(random_text(chance) for _ in range(chance.randint(0, 3)))
    return ModelParts(
        sources=("./a b.gguf", "/blobs/sha256-0")[: chance.randint(1, 2)],
        adapters=("./l.gguf",)[: chance.randint(0, 1)],
        template=chance.choice([None, "{{ .Prompt }}", '"{{ .Prompt }}"\n\n']),
        system=chance.choice([None, random_text(chance)]),
        parameters={**parameters, **({"stop": stops} if stops else {})},
        licenses=tuple(random_text(chance) for _ in range(chance.randint(0, 2))),
        messages=tuple(
            (chance.choice(["user", "assistant"]), random_text(chance)) for _ in range(chance.randint(0, 3))
        ),
        renderer=chance.choice([None, "qwen3"]),
        requires=chance.choice([None, "0.14.0"]),
    )


def can_be_held(name: str, value: str, argument: str | None = None) -> bool:
    try:
        render_command(Command(name, value, argument))
    except ModelfileError:
        return False
    return True


@pytest.mark.parametrize("seed", range(300))
def test_what_is_composed_is_read_back_as_the_same_or_said_to_be_lost(seed: int) -> None:
    parts = random_parts(random.Random(seed))
    composed = compose(parts)
    again = parse(composed.text)
    stops = parts.parameters.get("stop", ())
    assert isinstance(stops, tuple)
    kept_stops = tuple(stop for stop in stops if can_be_held("parameter", stop, "stop"))
    numbers = {name: value for name, value in parts.parameters.items() if name != "stop"}
    assert again.sources == parts.sources
    assert again.values("adapter") == parts.adapters
    assert (again.template, again.last("renderer"), again.last("requires")) == (
        parts.template, parts.renderer, parts.requires,
    )  # fmt: skip
    assert {name: value for name, value in again.parameters.items() if name != "stop"} == numbers
    assert again.parameters.get("stop", ()) == kept_stops
    assert again.licenses == tuple(text for text in parts.licenses if can_be_held("license", text))
    assert again.messages == tuple(turn for turn in parts.messages if can_be_held("message", turn[1], turn[0]))
    texts = [*parts.licenses, *(text for _, text in parts.messages), *stops, *([parts.system] if parts.system else [])]
    assert len(composed.lost) == sum(not can_be_held("system", text) for text in texts)
    assert compare(composed.modelfile, again).is_empty


def test_numbers_are_written_as_ollama_reads_them() -> None:
    parameters = {"num_ctx": 1e6, "temperature": 1.0, "top_p": 0.95, "use_mmap": True, "min_p": 1e-7}
    assert compose(ModelParts(("x",), parameters=parameters)).text == (
        "FROM x\nPARAMETER min_p 1e-07\nPARAMETER num_ctx 1000000\nPARAMETER temperature 1\nPARAMETER top_p 0.95\n"
        "PARAMETER use_mmap true\n"
    )


def test_what_no_modelfile_may_say_is_left_out_and_told() -> None:
    parts = ModelParts(("x",), parameters={"mirostat": 1, "top_k": 3}, messages=(("tool", "42"),))
    composed = compose(parts)
    assert composed.text == "FROM x\nPARAMETER top_k 3\n"
    assert ["mirostat" in composed.lost[0], "tool" in composed.lost[1]] == [True, True]


def test_a_difference_is_one_of_meaning() -> None:
    before = parse('FROM x\n# a comment\nPARAMETER top_k 3\nPARAMETER stop a\nPARAMETER stop b\nSYSTEM "hi"')
    same = parse("SYSTEM hi\nPARAMETER stop b\nPARAMETER stop a\nPARAMETER top_k 03\nFROM x")
    assert compare(before, same).is_empty
    after = parse("FROM y\nPARAMETER top_k 4\nPARAMETER seed 1\nPARAMETER stop a\nMESSAGE user hello")
    sentences = [change.sentence for change in compare(before, after).changes]
    assert sentences == [
        "FROM: x → y",
        "PARAMETER seed: added, 1",
        "PARAMETER stop: 'a', 'b' → 'a'",
        "PARAMETER top_k: 3 → 4",
        "SYSTEM: removed, it was hi",
        "MESSAGE: added, user: hello",
    ]
    assert "-FROM x" in compare(before, after).lines


def test_a_change_of_the_template_family_is_named() -> None:
    from kdmgr.modelfile.templates import families

    one, other = (Command("template", family.template) for family in families()[:2])
    texts = [f"FROM x\n{render_command(command)}" for command in (one, other)]
    difference = compare(parse(texts[0]), parse(texts[1]))
    assert [change.what for change in difference.changes] == ["TEMPLATE", "template family"]
