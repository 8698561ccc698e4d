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
    "list": Command("list", "installed models", ("ls",)),
    "show": Command("show", "everything known of an installed model"),
    "pull": Command("pull", "get models, through Ollama or into kdmgr's store; go on with interrupted pulls"),
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
    "gpus": Command("gpus", "devices and host memory, and how they were found"),
    "modelfile": Command("modelfile", "Modelfiles: new, lint, show, edit, diff, apply; those that come with kdmgr"),
    "config": Command("config", "settings and keys: see, set, unset"),
    "doctor": Command("doctor", "what works here, and what to do about what does not"),
    "completion": Command("completion", "shell completion for bash, zsh and fish"),
}
ALIASES: dict[str, str] = {alias: name for name, command in COMMANDS.items() for alias in command.aliases}


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
