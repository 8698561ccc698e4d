"""`kdmgr recommend [TASK]`: which student to take for a task on a machine, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_context, add_json, add_machine
from kdmgr.units import parse_count

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.recommending import Need, Recommendation

NOTHING = 1
"""Exit code where no student is left."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `recommend`."""
    from kdmgr.cli.recommend_text import rule_text

    parser.add_argument(
        "task", nargs="?", default="chat", metavar="TASK", help="chat (the default), reasoning, maths, code, vision …"
    )
    add_context(parser)
    add_machine(parser)
    parser.add_argument("--open-licence", "--open-license", action="store_true", help="only with an open licence")
    parser.add_argument("--partial", action="store_true", help="also those of which only a part fits the GPU")
    parser.add_argument("--installed", action="store_true", help="only those that are installed")
    parser.add_argument("--max-parameters", metavar="N", help="at most so many parameters: 8B")
    parser.add_argument("--benchmark", metavar="NAME", help="to compare on (default: the task's that most share)")
    parser.add_argument(
        "--read-headers", action="store_true", help="plan those that are named from their headers, over the network"
    )
    parser.add_argument("--limit", type=int, default=5, metavar="N", help="how many (default: 5)")
    parser.add_argument("--explain", action="store_true", help="the rule, every reason, and all that was left out")
    add_json(parser)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = rule_text()


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the ranked list; 1 when nothing is left."""
    from contextlib import closing

    from kdmgr.cli.student_list import tell_broken
    from kdmgr.services.app import Services
    from kdmgr.services.recommending import recommend_students

    with closing(Services.create()) as services:
        machine = services.machine(args.gpu or (), args.vram)
        found = recommend_students(services, _read_need(args, services), machine)
        _show(found, args, console)
        tell_broken(services, console)
    return 0 if found.students else NOTHING


def _read_need(args: argparse.Namespace, services: Services) -> Need:
    from kdmgr.cli.student_list import parse_parameters
    from kdmgr.services.choosing import USUAL_CONTEXT
    from kdmgr.services.recommending import Need

    return Need(
        task=args.task,
        n_ctx=parse_count(args.ctx_size) if args.ctx_size else services.settings.n_ctx or USUAL_CONTEXT,
        open_licence=args.open_licence,
        partial=args.partial,
        installed=args.installed,
        most_parameters=parse_parameters(args.max_parameters) if args.max_parameters else None,
        benchmark=args.benchmark,
        read_headers=args.limit if args.read_headers else 0,
    )


def _show(found: Recommendation, args: argparse.Namespace, console: Console) -> None:
    from kdmgr.cli.recommend_text import print_recommendation, recommendation_object

    if args.json:
        import json

        console.print(json.dumps(recommendation_object(found, args.limit), indent=2))
    else:
        print_recommendation(found, console, limit=args.limit, explain=args.explain)
