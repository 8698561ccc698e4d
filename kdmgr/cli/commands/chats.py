"""`kdmgr chats [list|search|show|export|rename|rm]`: what was said is kept, and can be found again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_json, add_yes

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services

_ID = "the chat's number, or `last`"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `chats`; without an action the list."""
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="all chats, the newest first (the default)")
    search = actions.add_parser("search", help="chats in which all these words stand")
    search.add_argument("words", nargs="+", metavar="WORD")
    show = actions.add_parser("show", help="read a chat")
    show.add_argument("chat", metavar="ID", help=_ID)
    export = actions.add_parser("export", help="a chat as Markdown or JSON")
    export.add_argument("chat", metavar="ID", help=_ID)
    export.add_argument("--format", choices=("md", "json"), help="default: by the file's name, else md")
    export.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    export.add_argument("--force", action="store_true", help="take the place of a file that is there")
    rename = actions.add_parser("rename", help="give a chat another title")
    rename.add_argument("chat", metavar="ID", help=_ID)
    rename.add_argument("title", nargs="+", metavar="TITLE")
    remove = actions.add_parser("rm", help="remove chats")
    remove.add_argument("chats", nargs="+", metavar="ID", help=_ID)
    add_yes(remove)
    for action in (listing, search, show):
        add_json(action)


def run(args: argparse.Namespace, console: Console) -> int:
    """Do one of the actions."""
    from kdmgr.services.app import Services

    services = Services.create()
    actions = {"search": _search, "show": _show, "export": _export, "rename": _rename, "rm": _remove}
    code = actions.get(args.action or "list", _list)(args, services, console)
    for note in services.history_notes:
        console.note(f"note: {note}")
    return code


def _list(args: argparse.Namespace, services: Services, console: Console) -> int:
    from kdmgr.cli.chats_text import print_chats

    print_chats(services.saved_chats.search(), console, as_json=args.json)
    return 0


def _search(args: argparse.Namespace, services: Services, console: Console) -> int:
    from kdmgr.cli.chats_text import print_chats

    found = services.saved_chats.search(" ".join(args.words))
    print_chats(found, console, as_json=args.json, searched=True)
    return 0 if found else 1


def _show(args: argparse.Namespace, services: Services, console: Console) -> int:
    from kdmgr.cli.chats_text import print_turns
    from kdmgr.services.chat_export import export

    chat = services.saved_chats.require(args.chat)
    turns = services.saved_chats.turns(chat)
    if args.json:
        console.print(export(chat, turns, "json"))
    else:
        print_turns(chat, turns, console)
    return 0


def _export(args: argparse.Namespace, services: Services, console: Console) -> int:
    from pathlib import Path

    from kdmgr.services.chat_export import export, format_of, write_export
    from kdmgr.units import printable

    chat = services.saved_chats.require(args.chat)
    path = Path(args.output) if args.output else None
    named = format_of(path) if path is not None else "md"
    text = export(chat, services.saved_chats.turns(chat, replaced=args.format == "json"), args.format or named)
    if path is None:
        # A file for a person or a program to read: what a terminal would obey has no place in it.
        console.print(printable(text), end="" if text.endswith("\n") else "\n")
        return 0
    write_export(path, text, force=args.force)
    console.note(f"wrote {path}")
    return 0


def _rename(args: argparse.Namespace, services: Services, console: Console) -> int:
    chat = services.saved_chats.rename(services.saved_chats.require(args.chat), " ".join(args.title))
    console.note(f"chat {chat.id} is now {chat.title!r}")
    return 0


def _remove(args: argparse.Namespace, services: Services, console: Console) -> int:
    from kdmgr.cli.asking import confirm

    chats = [services.saved_chats.require(name) for name in dict.fromkeys(args.chats)]
    for chat in chats:
        console.note(f"  {chat.id}  {chat.title}  ({chat.n_turns} turns with {chat.model})")
    what = "this chat" if len(chats) == 1 else f"these {len(chats)} chats"
    if not confirm(f"remove {what}? There is no way back.", console, yes=args.yes):
        console.note("nothing was removed")
        return 1
    services.saved_chats.remove(chats)
    console.note(f"removed {len(chats)} chat{'s' if len(chats) > 1 else ''}")
    return 0
