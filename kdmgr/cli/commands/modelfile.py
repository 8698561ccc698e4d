"""`kdmgr modelfile new|lint|show|edit|diff|apply|list`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json, add_yes
from kdmgr.errors import KdmgrError, UsageError
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.services.app import Services
    from kdmgr.services.model_parts import ShownModelfile
    from kdmgr.services.modelfile_edit import Edited


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `modelfile`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="propose one for a model, with the reasons as comments")
    new.add_argument("model", metavar="MODEL", help="a .gguf file, a model, or a student's id")
    new.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there, which must not exist yet")
    lint = actions.add_parser("lint", aliases=["check"], help="all that is wrong with Modelfiles, and mend it")
    lint.add_argument("files", type=Path, nargs="+", metavar="FILE")
    lint.add_argument("--fix", action="store_true", help="mend what can be mended without losing anything")
    for action in (new, lint):
        action.add_argument("--for", dest="version", metavar="VERSION", help="of the Ollama that shall take it")
    show = actions.add_parser("show", help="the Modelfile of an installed model, or one that comes with kdmgr")
    show.add_argument("name", metavar="NAME")
    edit = actions.add_parser("edit", help="edit an installed model's in $EDITOR, look at the changes, apply them")
    edit.add_argument("model", metavar="MODEL")
    edit.add_argument("--tag", metavar="NAME", help="apply as a new model instead of in place")
    diff = actions.add_parser("diff", help="compare two: files or installed models")
    diff.add_argument("before", metavar="A")
    diff.add_argument("after", metavar="B")
    apply = actions.add_parser("apply", help="make a model from a Modelfile")
    apply.add_argument("file", type=Path, metavar="FILE")
    apply.add_argument("name", metavar="NAME")
    for action in (edit, apply):
        action.add_argument("--to", choices=("server", "own"), help="where to: the Ollama server, or kdmgr's store")
        add_yes(action)
    for action in (show, edit, diff, apply):
        add_host(action)
    for action in (lint, diff):
        add_json(action)
    actions.add_parser("list", help="the student families that kdmgr has one for")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do one of the actions."""
    from kdmgr.services.app import Services

    actions = {"new": _new, "lint": _lint, "check": _lint, "show": _show, "edit": _edit, "diff": _diff}
    actions |= {"apply": _apply, "list": _list}
    services = Services.create(host=getattr(args, "host", None))
    try:
        return actions[args.action](services, args, console)
    finally:
        services.close()


def _list(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.services.modelfiles import shipped_names

    for name in shipped_names():
        console.print(name)
    return 0


def _new(services: Services, args: argparse.Namespace, console: Console) -> int:
    text = _compose(services, args, console)
    if args.output is None:
        console.print(printable(text), end="")
        return 0
    try:
        with args.output.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{args.output} exists already", hint="choose another name") from error
    except OSError as error:
        raise UsageError(
            f"cannot write {args.output}: {error.strerror or error}", hint="choose another place"
        ) from error
    console.note(f"written to {args.output}")
    return 0


def _compose(services: Services, args: argparse.Namespace, console: Console) -> str:
    """The one that comes with kdmgr for a student of the catalog; else what the model's header asks for."""
    from kdmgr.services.modelfiles import new_modelfile, student_modelfile

    shipped = student_modelfile(services, args.model)
    if shipped is not None:
        return shipped
    proposal = new_modelfile(services, args.model, args.version)
    for problem in proposal.problems:
        console.note(f"warning: {problem}")
    return proposal.text


def _lint(services: Services, args: argparse.Namespace, console: Console) -> int:
    """1 when there are errors, 0 for warnings and notes."""
    from kdmgr.cli.modelfile_text import linted_json, print_linted
    from kdmgr.services.modelfile_lint import lint_file

    every = [lint_file(services, path, fix=args.fix, version=args.version) for path in args.files]
    if args.json:
        import json

        console.print(json.dumps(linted_json(every), indent=2))
    else:
        for linted in every:
            print_linted(linted, console)
    return 1 if any(linted.has_errors for linted in every) else 0


def _show(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.services.modelfiles import read_shipped, shipped_names

    try:
        shown = _find(services, args.name)
    except KdmgrError:
        if args.name not in shipped_names():
            raise
        console.print(printable(read_shipped(args.name)), end="")
        return 0
    _warn_of_losses(shown, console)
    # Exact for a file or a pipe: a carriage return is all it can hold that a terminal would obey.
    text = shown.composed.text
    console.print(printable(text) if console.stdout.isatty() else text, end="")
    return 0


def _warn_of_losses(shown: ShownModelfile, console: Console) -> None:
    for sentence in shown.composed.lost:
        console.note(f"warning: {sentence}")


def _find(services: Services, name: str) -> ShownModelfile:
    import asyncio

    from kdmgr.services.model_parts import show_modelfile

    return asyncio.run(show_modelfile(services, name))


def _diff(services: Services, args: argparse.Namespace, console: Console) -> int:
    """0 when both make the same model, 1 when they differ."""
    from kdmgr.cli.modelfile_text import difference_json, print_difference
    from kdmgr.modelfile.difference import compare

    one, other = (_read_either(services, name, console) for name in (args.before, args.after))
    difference = compare(one, other, (args.before, args.after))
    if args.json:
        import json

        console.print(json.dumps(difference_json(difference), indent=2))
    else:
        print_difference(difference, console)
    return 0 if difference.is_empty else 1


def _read_either(services: Services, name: str, console: Console) -> Modelfile:
    """A file where there is one of that name, else an installed model."""
    from kdmgr.services.importing import read_modelfile

    if Path(name).is_file():
        return read_modelfile(Path(name))
    shown = _find(services, name)
    _warn_of_losses(shown, console)
    return shown.composed.modelfile


def _apply(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.cli.modelfile_text import print_linted
    from kdmgr.refs import parse_ollama_name
    from kdmgr.services.importing import read_modelfile
    from kdmgr.services.modelfile_lint import lint_file

    linted = lint_file(services, args.file)
    if linted.has_errors:
        print_linted(linted, console)
        return 1
    for finding in linted.findings:
        console.note(f"{finding.severity}: line {finding.line}: {finding.message}")
    ref = str(parse_ollama_name(args.name))
    target = args.to or "server"
    if not _may_take(services, ref, target, args, console):
        return 1
    _make(services, read_modelfile(args.file), args.file.parent, ref, target, console)
    return 0


def _may_take(services: Services, name: str, target: str, args: argparse.Namespace, console: Console) -> bool:
    """Whether the name is free, or its model may be replaced."""
    import asyncio

    from kdmgr.cli.asking import confirm
    from kdmgr.services.modelfile_apply import is_taken

    if not asyncio.run(is_taken(services, name, target)):
        return True
    if confirm(f"{name} exists already; replace it?", console, yes=args.yes):
        return True
    console.note("nothing was changed")
    return False


def _make(
    services: Services, modelfile: Modelfile, folder: Path, name: str, target: str, console: Console
) -> None:  # fmt: skip
    import asyncio

    from kdmgr.cli.progress_bar import ProgressBar
    from kdmgr.refs import parse_ollama_name
    from kdmgr.services.modelfile_apply import apply_to_own_store, apply_to_server

    bar = ProgressBar(console, silent=not console.terminal)

    try:
        if target == "own":
            apply_to_own_store(services, modelfile, folder, parse_ollama_name(name), bar.show)
        else:
            asyncio.run(apply_to_server(services, modelfile, folder, parse_ollama_name(name), bar.show))
    finally:
        bar.end()
    console.note(f"made {name} {'in the own store' if target == 'own' else 'on the server'}")


def _edit(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.cli.modelfile_text import print_difference, print_linted
    from kdmgr.services.modelfile_edit import discard_draft, edit_draft, write_draft

    shown = _find(services, args.model)
    _warn_of_losses(shown, console)
    draft = write_draft(services, shown)
    try:
        edited = edit_draft(services, shown, draft)
    except KeyboardInterrupt:
        console.note(f"your draft is kept: {draft}")
        raise
    if edited.linted.findings:
        print_linted(edited.linted, console)
    if edited.modelfile is None or edited.difference is None:
        console.error("the draft has errors, so nothing was applied", f"it is kept: {edited.draft}")
        return 1
    if edited.is_unchanged:
        discard_draft(edited.draft)
        console.note("nothing changed")
        return 0
    print_difference(edited.difference, console)
    return _apply_edit(services, shown, edited, edited.modelfile, args, console)


def _apply_edit(
    services: Services, shown: ShownModelfile, edited: Edited, modelfile: Modelfile, args: argparse.Namespace,
    console: Console,
) -> int:  # fmt: skip
    """Ask, make the model, and only then let go of the draft."""
    from kdmgr.cli.asking import confirm
    from kdmgr.services.modelfile_edit import discard_draft

    target = args.to or ("own" if shown.place == "kdmgr" else "server")
    name = args.tag or shown.name
    question = f"apply as the new model {name}?" if args.tag else f"replace {name} by this?"
    kept = f"your draft is kept: {edited.draft}"
    try:
        if not confirm(question, console, yes=args.yes):
            console.note(f"nothing was changed; {kept}")
            return 1
        if args.tag and not _may_take(services, name, target, args, console):
            console.note(kept)
            return 1
        _make(services, modelfile, edited.draft.parent, name, target, console)
    except (KdmgrError, KeyboardInterrupt):
        console.note(kept)
        raise
    discard_draft(edited.draft)
    return 0
