"""Entry point: find the command, import only its module, run it, and turn failures into exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from kdmgr.cli.registry import ALIASES, COMMANDS, describe_parts, find_part, overview
from kdmgr.errors import KdmgrError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from kdmgr.cli.console import Console

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in ("-v", "--version"):
        from kdmgr import __version__

        print(f"kdmgr {__version__}")
        return 0
    if arguments and arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    from kdmgr.cli.console import Console

    return _guard(arguments, Console.for_terminal(arguments))


def _guard(arguments: list[str], console: Console) -> int:
    """The one error boundary of the command line."""
    try:
        return _run(arguments, console)
    except KdmgrError as error:
        console.error(error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        console.error("interrupted", None)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone; keep the interpreter from complaining at exit.
        sys.stdout = None
        return 0


def _run(arguments: list[str], console: Console) -> int:
    name, rest = _find_command(arguments)
    found = COMMANDS[name]
    if rest and (part := find_part(name, rest[0])):
        (name, found), rest = part, rest[1:]
    command = import_module(f"kdmgr.cli.commands.{found.module}")
    from kdmgr.cli.arguments import new_parser

    parser = new_parser(name, found.summary)
    parser.epilog = describe_parts(name)
    command.configure(parser)
    return int(command.run(_parse(parser, rest), console))


def _parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Options may stand anywhere, also before the last positional: `chat NAME -n 24 PROMPT`."""
    try:
        return parser.parse_intermixed_args(arguments)
    except TypeError:
        # Commands that have commands of their own, which argparse cannot mix.
        return parser.parse_args(arguments)


def _find_command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command's canonical name, and what follows it. No command at all opens the terminal app."""
    if not arguments or arguments[0].startswith("-"):
        return "tui", arguments
    name = ALIASES.get(arguments[0], arguments[0])
    if name in COMMANDS:
        return name, arguments[1:]
    import difflib

    close = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], 1)
    hint = f"did you mean `kdmgr {close[0]}`?" if close else "`kdmgr --help` lists the commands"
    raise UsageError(f"no such command: {arguments[0]!r}", hint=hint)
