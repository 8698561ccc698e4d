"""`kdmgr students`: the filters, the table and its notes."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_context, add_json, add_machine
from kdmgr.errors import UsageError
from kdmgr.units import format_bytes, format_count, format_parameters, parse_bytes, parse_count

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.cli.narrowing import Column
    from kdmgr.services.app import Services
    from kdmgr.services.choosing import Chosen, Wish
    from kdmgr.services.size_estimates import SizedStudent

_ESTIMATED = (
    "~ estimated: the listed size, a cache by a rule of thumb and 768 MiB of scratch memory; "
    "`kdmgr fit NAME` reads the header and plans"
)
_SCALES = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}


def add_filters(parser: argparse.ArgumentParser) -> None:
    """What `kdmgr students` chooses by."""
    parser.add_argument("--task", metavar="TASK", help="chat, reasoning, maths, code, tools, vision, embedding …")
    parser.add_argument("--method", metavar="METHOD", help="taught this way: sequence-level, prune+logits …")
    parser.add_argument("--teacher", metavar="TEXT", help="in the teacher's name")
    parser.add_argument("--licence", "--license", metavar="TEXT", help='in the licence\'s name; "open": only open ones')
    parser.add_argument("--modality", metavar="TEXT", help="text, image, audio, embedding …")
    parser.add_argument("--min-size", metavar="SIZE", help="files of at least this size: 2GiB")
    parser.add_argument("--max-size", "--size", metavar="SIZE", help="files of at most this size")
    parser.add_argument("--min-parameters", metavar="N", help="at least so many parameters: 3B")
    parser.add_argument("--max-parameters", metavar="N", help="at most so many: 8B")
    parser.add_argument("--min-context", "--context", metavar="N", help="trained for so many tokens: 32k")
    parser.add_argument("--installed", action="store_true", help="only those that are installed")
    parser.add_argument("--fits", action="store_true", help="only those that fit this machine, or the one named")
    # The orders of services.choosing, which is not imported for --help.
    orders = ("name", "retention", "speed", "size", "context", "released")
    parser.add_argument("--sort", choices=orders, default="name", help="default: name")
    parser.add_argument("--benchmark", metavar="NAME", help="whose retention to sort by (default: the most shared one)")
    parser.add_argument("--limit", type=int, metavar="N", help="no more than so many")
    add_context(parser)
    add_json(parser)
    add_machine(parser)


def read_wish(args: argparse.Namespace) -> Wish:
    """The filters as typed."""
    from kdmgr.services.choosing import Wish

    return Wish(
        search=args.search,
        task=args.task,
        method=args.method,
        teacher=args.teacher,
        licence=args.licence,
        modality=args.modality,
        least_size=parse_bytes(args.min_size) if args.min_size else None,
        most_size=parse_bytes(args.max_size) if args.max_size else None,
        least_parameters=parse_parameters(args.min_parameters) if args.min_parameters else None,
        most_parameters=parse_parameters(args.max_parameters) if args.max_parameters else None,
        least_context=parse_count(args.min_context) if args.min_context else None,
        fits=args.fits,
        installed=args.installed,
        sort=args.sort,
        benchmark=args.benchmark,
    )


def parse_parameters(text: str) -> int:
    """Parameters of `8B`, `270M` or `7000000000`."""
    number, scale = (text[:-1], _SCALES[text[-1].lower()]) if text[-1:].lower() in _SCALES else (text, 1)
    try:
        count = float(number) * scale
        if not 0 < count < 1e16:
            raise ValueError
    except ValueError as error:
        raise UsageError(f"not a number of parameters: {text!r}", hint="give one like 8B or 270M") from error
    return int(count)


def run_list(args: argparse.Namespace, console: Console) -> int:
    """List the students that pass the filters."""
    from kdmgr.services.app import Services
    from kdmgr.services.choosing import USUAL_CONTEXT, choose

    with closing(Services.create()) as services:
        sized = args.fits or args.sort == "speed" or bool(args.gpu or args.vram or args.ctx_size)
        machine = services.machine(args.gpu or (), args.vram) if sized else None
        n_ctx = parse_count(args.ctx_size) if args.ctx_size else services.settings.n_ctx or USUAL_CONTEXT
        chosen = choose(services, read_wish(args), machine, n_ctx)
        if args.json:
            _print_json(chosen, args, console)
        else:
            _print_table(chosen, args.limit, console)
        tell_broken(services, console)
    return 0


def tell_broken(services: Services, console: Console) -> None:
    """A line for each of the user's own entries that cannot be used."""
    for broken in services.catalog.broken:
        console.note(f"warning: {broken}")


def _print_json(chosen: Chosen, args: argparse.Namespace, console: Console) -> None:
    import json

    from kdmgr.cli.student_json import sized_object
    from kdmgr.services.modelfiles import index_students

    modelfiles = index_students()
    body = {
        "schema_version": 1,
        "students": [sized_object(one, modelfiles) for one in chosen.students[: args.limit]],
        "n_all": chosen.n_all,
        "sorted_by": args.sort,
        "benchmark": chosen.benchmark,
        "notes": list(chosen.notes),
    }
    console.print(json.dumps(body, indent=2))


def _print_table(chosen: Chosen, limit: int | None, console: Console) -> None:
    from kdmgr.cli.narrowing import print_narrow

    shown = chosen.students[:limit]
    if shown:
        cells = [_cells(one, chosen) for one in shown]
        print_narrow(console, [column for column, _ in cells[0]], [[text for _, text in row] for row in cells])
    part = f", the first {len(shown)} shown" if len(shown) < len(chosen.students) else ""
    console.note(f"{len(chosen.students)} of {chosen.n_all} students{part}")
    for note in (*chosen.notes, *_legend(shown)):
        console.note(note)


def _cells(one: SizedStudent, chosen: Chosen) -> list[tuple[Column, str]]:
    """One row, each cell with its column."""
    from kdmgr.cli.narrowing import Column
    from kdmgr.services.choosing import kept

    student, lineage = one.student, one.student.lineage
    cells = [(Column("STUDENT", least=28), f"{student.id}{' *' if one.installed else ''}")]
    if chosen.benchmark is not None:
        share = kept(student, chosen.benchmark)
        cells.append((Column("KEPT", right=True), "" if share is None else f"{share:.0%}"))
    cells.append((Column("PARAMS", right=True, drop=4), format_parameters(student.parameters)))
    cells += _fit_cells(one) if one.n_ctx is not None else _file_cells(one)
    return [
        *cells,
        (Column("TEACHER", least=10), lineage.teacher.name),
        (Column("METHOD", drop=2), lineage.method),
        (Column("EVIDENCE", drop=3), lineage.standing),
        (Column("RELEASED", drop=1), student.released or "?"),
    ]


def _file_cells(one: SizedStudent) -> list[tuple[Column, str]]:
    from kdmgr.cli.narrowing import Column

    return [
        (Column("SIZE", right=True), f"{_about(one)}{format_bytes(one.size_bytes)}"),
        (Column("CONTEXT", right=True), format_count(one.student.context_length)),
    ]


def _fit_cells(one: SizedStudent) -> list[tuple[Column, str]]:
    from kdmgr.cli.narrowing import Column
    from kdmgr.services.wording import MARKS, short_speed

    about = "" if one.planned else "~"
    return [
        (Column("FIT"), f"{MARKS[one.verdict]} {about}{one.verdict.value}"),
        (Column("MEMORY", right=True), f"{about}{format_bytes(one.memory_bytes)}"),
        (Column("CTX", right=True), format_count(one.n_ctx)),
        (Column("TOK/S", right=True), short_speed(one.speed)),
    ]


def _about(one: SizedStudent) -> str:
    return "~" if one.basis.value == "assumed" else ""


def _planned_from(shown: tuple[SizedStudent, ...]) -> list[str]:
    read = sum(one.read for one in shown)
    published = sum(one.planned for one in shown) - read
    parts = [f"{read} planned from their headers"] if read else []
    parts += [f"{published} planned from published shapes, at the quant listed or Q4_K_M"] if published else []
    return [", ".join(parts)] if parts else []


def _legend(shown: tuple[SizedStudent, ...]) -> list[str]:
    """What the marks in the table mean, of those that are there."""
    notes = []
    if any(one.installed for one in shown):
        notes.append("* installed")
    if any(one.n_ctx is not None for one in shown):
        notes += _planned_from(shown)
        notes += [_ESTIMATED] if any(not one.planned for one in shown) else []
    elif any(_about(one) for one in shown):
        notes.append("~ no listed size: about what a Q4_K_M would take")
    if any(one.speed and one.speed.grade == "bound" for one in shown):
        notes.append("≤ no faster than memory can be read")
    return notes
