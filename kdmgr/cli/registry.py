"""The commands by name: what `--help` shows without importing any of them."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A command's module below `kdmgr.cli.commands`, its one-line summary and its other names."""

    module: str
    summary: str
    aliases: tuple[str, ...] = ()


COMMANDS: dict[str, Command] = {
    "tui": Command("tui", "open the terminal app (the same as no command)"),
    "fit": Command("fit", "does it fit this machine, how fast will it run, and why"),
    "chat": Command("chat", "talk to a model, with live tok/s", ("run",)),
    "chats": Command("chats", "saved chats: list, search, show, export, rename, remove"),
    "duel": Command("duel", "the same question to two models: where they part, how they agree", ("compare",)),
    "list": Command("list", "installed models", ("ls",)),
    "show": Command("show", "everything known of an installed model, or of a student of the catalog"),
    "pull": Command("pull", "get models, through Ollama or into kdmgr's store; go on with interrupted pulls"),
    "transfers": Command("transfers", "what was pulled and imported, with its receipts", ("history",)),
    "search": Command("search", "students on the Hugging Face Hub, and what suggests that they are some"),
    "import": Command("import_", "make a model of a GGUF, shards, a projector, an adapter or safetensors", ("create",)),
    "cp": Command("cp", "give a model a second name"),
    "mv": Command("mv", "rename a model"),
    "rm": Command("rm", "remove models, from kdmgr's store or a server", ("remove",)),
    "push": Command("push", "have a server send a model to a registry"),
    "ps": Command("ps", "models that a server holds in memory"),
    "stop": Command("stop", "free the memory of models", ("unload",)),
    "keep-alive": Command("keep_alive", "how long a server keeps a model in memory"),
    "df": Command("df", "what the disk is used for: models, shared, left over"),
    "prune": Command("prune", "remove what no model needs: orphans and cut transfers"),
    "hosts": Command("hosts", "the Ollama servers you have, and which one is meant"),
    "students": Command("students", "the catalog of distilled students"),
    "ladder": Command("ladder", "all students of a teacher by size, and the highest that runs here"),
    "recommend": Command("recommend", "which student to take for a task on a machine, and why"),
    "gpus": Command("gpus", "devices and host memory, and how they were found"),
    "modelfile": Command("modelfile", "Modelfiles: new, lint, show, edit, diff, apply; those that come with kdmgr"),
    "config": Command("config", "settings and keys: see, set, unset"),
    "doctor": Command("doctor", "what works here, and what to do about what does not"),
    "completion": Command("completion", "shell completion for bash, zsh and fish"),
}
PARTS: dict[str, dict[str, Command]] = {
    "students": {
        "add": Command("students_add", "keep a model as a student of your own"),
        "remove": Command("students_remove", "forget a student of your own", ("rm",)),
    },
}
"""Words that make another command of one which takes free text: `students add` is no search for "add"."""
ALIASES: dict[str, str] = {alias: name for name, command in COMMANDS.items() for alias in command.aliases}


def find_part(name: str, word: str) -> tuple[str, Command] | None:
    """The command that `name` and `word` make together; None where `word` is an argument."""
    for part, command in PARTS.get(name, {}).items():
        if word in (part, *command.aliases):
            return f"{name} {part}", command
    return None


def describe_parts(name: str) -> str | None:
    """What other commands begin with `name`, for its help; None for none."""
    parts = (f"kdmgr {name} {part}: {command.summary}" for part, command in PARTS.get(name, {}).items())
    return "; ".join(parts) or None


def overview() -> str:
    """The text of `kdmgr --help`."""
    lines = [
        "kdmgr: the model manager for distilled students",
        "",
        "usage: kdmgr [COMMAND] [ARGUMENTS]      without a command, the terminal app opens",
        "",
        "commands:",
    ]
    for name, command in COMMANDS.items():
        names = ", ".join((name, *command.aliases))
        lines.append(f"  {names:<16} {command.summary}")
    lines += [
        "",
        "  -h, --help       this text; `kdmgr COMMAND --help` tells more",
        "  -v, --version    the version",
        "",
        "exit codes: 0 yes or done, 1 does not fit or failed, 2 usage, 3 server unreachable,",
        "            4 not found or unreadable, 130 interrupted",
    ]
    return "\n".join(lines)
