"""`kdmgr ladder TEACHER`: all its students by size, what each kept, and the highest that runs here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_cache_type, add_context, add_json, add_machine
from kdmgr.errors import UsageError
from kdmgr.fit.options import RunOptions
from kdmgr.gguf.quantising import QUANTS
from kdmgr.units import format_parameters, parse_count

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services

NOTHING_RUNS = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ladder`."""
    parser.add_argument(
        "teacher",
        nargs="*",
        metavar="TEACHER",
        help="a name, an Ollama name or a Hub repository; a family of students will do; none lists the teachers",
    )
    add_json(parser)
    add_context(parser)
    add_cache_type(parser)
    add_machine(parser)
    parser.add_argument(
        "-q", "--quant", metavar="QUANT", help="size every rung at this quant (default: as installed, else Q4_K_M)"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Show the ladder of one teacher, or the teachers."""
    from contextlib import closing

    from kdmgr.services.app import Services

    with closing(Services.create()) as services:
        if not args.teacher:
            return _list_teachers(services, args, console)
        return _show_ladder(services, args, console)


def _list_teachers(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.services.teacher_ladder import list_teachers

    rows = list_teachers(services.catalog)
    if args.json:
        import json

        from kdmgr.cli.teacher_ladder_text import teacher_row_object

        body = {"schema_version": 1, "teachers": [teacher_row_object(row) for row in rows]}
        console.print(json.dumps(body, indent=2))
        return 0
    weights = {True: "open", False: "closed", None: "?"}
    cells = [
        (row.facts.name, format_parameters(row.facts.parameters), weights[row.facts.is_open], str(row.n_students))
        for row in rows
    ]
    console.table(("TEACHER", "PARAMETERS", "WEIGHTS", "STUDENTS"), cells, right=(1, 3))
    console.note("`kdmgr ladder TEACHER` shows the students of one")
    return 0


def _show_ladder(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.cli.teacher_ladder_text import ladder_object, print_ladder
    from kdmgr.services.teacher_ladder import build_ladder

    services.plan_for(args.gpu or (), args.vram)
    ladder = build_ladder(services, " ".join(args.teacher), _read_options(args), _read_quant(args.quant))
    if args.json:
        import json

        console.print(json.dumps(ladder_object(ladder), indent=2))
    else:
        print_ladder(ladder, console)
    return 0 if ladder.highest else NOTHING_RUNS


def _read_options(args: argparse.Namespace) -> RunOptions:
    return RunOptions(
        n_ctx=None if args.ctx_size is None else parse_count(args.ctx_size),
        type_k=args.cache_type_k or args.cache_type or "f16",
        type_v=args.cache_type_v or args.cache_type or "f16",
    )


def _read_quant(text: str | None) -> str | None:
    if text is None:
        return None
    if text.upper() not in QUANTS:
        raise UsageError(f"no size can be told for the quant {text!r}", hint=f"one of {', '.join(QUANTS)}")
    return text.upper()
