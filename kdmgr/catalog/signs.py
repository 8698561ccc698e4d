"""What suggests that a repository's model was distilled: its name, its tags, what it was made from. No proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kdmgr.catalog.names import split_words
from kdmgr.units import printable

_NAME_WORDS = frozenset({"student", "minitron", "minillm", "tinybert", "minilm"})
_TAGS = {
    "gkd": "TRL's trainer for generalised knowledge distillation",
    "minillm": "TRL's trainer for on-policy distillation",
    "student-model": "its publisher calls it a student",
}
"""Tags that mean distillation, beside those that say so themselves."""
_TRAINING = frozenset({"sft", "dpo", "orpo", "kto"})
"""Of TRL's trainers, those that distil where a teacher wrote the data, and else do not."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One suggestion. `sentence` is safe to print."""

    kind: str
    """"name", "base", "tag", "dataset" or "trainer"."""
    sentence: str
    is_weak: bool = False
    """Whether most models that show it are no students."""


def find_signs(repo: str, tags: Iterable[str], bases: Iterable[str] = ()) -> tuple[Sign, ...]:
    """The signs of a repository ("owner/name") with these tags, made from `bases`, the strongest first."""
    known = tuple(tags)
    found = [*_in_names(repo, bases), *_in_tags(known), *_in_training(known)]
    return tuple(sorted(found, key=lambda sign: sign.is_weak))


def _in_names(repo: str, bases: Iterable[str]) -> Iterator[Sign]:
    name = repo.partition("/")[2]
    if word := _find_word(name):
        yield Sign("name", f'"{word}" in its name')
    for base in bases:
        # A quantisation bears the name of what it was made from, which says nothing twice.
        is_other = split_words(base.partition("/")[2]) != split_words(name)
        if is_other and (word := _find_word(base.partition("/")[2])):
            yield Sign("base", f'made from {printable(base)}, with "{word}" in its name')


def _in_tags(tags: tuple[str, ...]) -> Iterator[Sign]:
    for tag in tags:
        kind, colon, value = tag.partition(":")
        if colon:
            if kind == "dataset" and _find_word(value):
                yield Sign("dataset", f"trained on the dataset {printable(value)}")
        elif meaning := _TAGS.get(tag.lower()):
            yield Sign("tag", f'its tag "{printable(tag)}": {meaning}')
        elif _find_word(tag):
            yield Sign("tag", f'its tag "{printable(tag)}"')


def _in_training(tags: tuple[str, ...]) -> Iterator[Sign]:
    """Fine-tuned with TRL: distilled if a teacher wrote the texts, which the tags do not tell."""
    lowered = [tag.lower() for tag in tags]
    trainers = sorted(_TRAINING.intersection(lowered))
    if "trl" in lowered and trainers:
        yield Sign("trainer", f"fine-tuned with TRL ({', '.join(trainers)}), maybe on a teacher's texts", True)


def _find_word(name: str) -> str | None:
    """The word that speaks of distillation, as it is written there."""
    for word in split_words(name.replace("_", "-")):
        if word in _NAME_WORDS or word.startswith("distil"):
            at = name.lower().find(word)
            return printable(name[at : at + len(word)]) if at >= 0 else word
    return None
