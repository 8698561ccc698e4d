"""Modelfiles as text, such that reading them again gives the same: Ollama's own output does not always."""

from __future__ import annotations

from kdmgr.modelfile.commands import Command, Modelfile, ModelfileError
from kdmgr.modelfile.parse import parse


def render(modelfile: Modelfile) -> str:
    """One command a line, quoted as far as it must be; `ModelfileError` for a value no Modelfile can hold."""
    return "".join(f"{render_command(command)}\n" for command in modelfile.commands)


def render_command(command: Command) -> str:
    """One command. Bare values stay bare; others take the fewest quotes that keep them as they are."""
    head = command.name.upper()
    if command.argument is not None:
        head += f" {command.argument}"
    for quote in ('"""', '"', "") if "\n" in command.value else ("", '"', '"""'):
        text = f"{head} {quote}{command.value}{quote}"
        if _reads_back(text, command):
            return text
    raise ModelfileError(
        f"no Modelfile can hold this {command.name} as it is",
        hint='Ollama drops unprintable characters, and ends a value at a line that ends with """',
    )


def _reads_back(text: str, command: Command) -> bool:
    """Whether `text`, followed by another command, is read as `command` and nothing else."""
    try:
        first, second = parse(f"{text}\nFROM next\n").commands
    except (ModelfileError, ValueError):
        return False
    kept = (first.name, first.argument, first.value) == (command.name, command.argument, command.value)
    return kept and (second.name, second.value) == ("from", "next")
