"""`kdmgr duel A B [PROMPT]`: the same question to two models, and where their answers part."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_context, add_engine, add_host, add_json
from kdmgr.errors import NotFound, UsageError
from kdmgr.units import parse_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.cli.console import Console
    from kdmgr.cli.duel_text import LiveLine
    from kdmgr.services.agreement import Agreement
    from kdmgr.services.app import Services
    from kdmgr.services.duel import Duel, DuelOptions
    from kdmgr.services.duel_rounds import Round


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `duel`."""
    parser.add_argument("left", metavar="A", help="a model: installed, or a GGUF file; a student, say")
    parser.add_argument("right", metavar="B", help="the other: its teacher, its base, another quant")
    parser.add_argument("prompt", nargs="*", metavar="PROMPT", help="what to ask both; `-` reads it from stdin")
    parser.add_argument(
        "--prompts", metavar="FILE", help="ask all of these: one a line, or JSON lines; ends in a table"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of both (default: 0)")
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="of both (default: 0, always the likeliest token)"
    )
    parser.add_argument("--system", metavar="TEXT", help="a system prompt for both instead of the models' own")
    parser.add_argument("-n", "--predict", type=int, metavar="N", help="stop after this many tokens (default: 256)")
    parser.add_argument("--think", action=argparse.BooleanOptionalAction, help="let thinking models think, or not")
    add_context(parser)
    parser.add_argument("--cache-type", metavar="TYPE", help="KV cache type: f16, q8_0, q4_0 …")
    add_engine(parser)
    add_host(parser)
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--in-turn", action="store_true", help="one after the other, so that speeds are those alone")
    order.add_argument("--at-once", action="store_true", help="both at once, where memory holds both")
    parser.add_argument(
        "--forced", action="store_true", help="also have B read A's answer: what would it have written at each token?"
    )
    parser.add_argument("--same", action="store_true", help="end with 1 unless all answers are the same")
    parser.add_argument("--quiet", action="store_true", help="no answers, only what came of them")
    add_json(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """0 when both answered, 1 when one did not (or, with --same, when they differ)."""
    from kdmgr.services.app import Services

    prompts = _read_prompts(args)
    services = Services.create(host=args.host)
    rounds = asyncio.run(_run(services, args, prompts, console))
    differ = any(one.outcome is None or not one.outcome.difference.identical for one in rounds)
    return 1 if any(one.failed for one in rounds) or (args.same and differ) else 0


def _read_prompts(args: argparse.Namespace) -> list[str]:
    if args.prompts is not None:
        if args.prompt:
            raise UsageError("both a prompt and --prompts", hint="give one of them")
        from kdmgr.services.duel_rounds import read_prompts

        return read_prompts(_read_file(args.prompts))
    if args.prompt == ["-"] or not (args.prompt or sys.stdin.isatty()):
        text = sys.stdin.read().strip()
    else:
        text = " ".join(args.prompt)
    if not text:
        raise UsageError("no prompt", hint="give one, `-` to read it from stdin, or --prompts FILE")
    return [text]


def _read_file(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(
            f"{name} cannot be read: {error}", hint="--prompts wants a text file, one prompt a line"
        ) from error


def _options(args: argparse.Namespace) -> DuelOptions:
    from kdmgr.services.duel import N_PREDICT, DuelOptions
    from kdmgr.services.duel_schedule import Order

    return DuelOptions(
        seed=args.seed,
        temperature=args.temperature,
        system=args.system,
        n_predict=N_PREDICT if args.predict is None else args.predict,
        n_ctx=None if args.ctx_size is None else parse_count(args.ctx_size),
        cache_type=args.cache_type,
        engine=args.engine,
        think=args.think,
        order=Order.IN_TURN if args.in_turn else Order.AT_ONCE if args.at_once else Order.AUTO,
    )


async def _run(services: Services, args: argparse.Namespace, prompts: Sequence[str], console: Console) -> list[Round]:
    from kdmgr.cli.duel_text import LiveLine, print_opening, print_round, print_table
    from kdmgr.services.duel_opening import open_duel

    options = _options(args)
    duel = await open_duel(services, args.left, args.right, options)
    line = LiveLine(console, duel)
    rounds: list[Round] = []
    try:
        if not args.json:
            print_opening(duel, console)
        for number, prompt in enumerate(prompts, 1):
            line.label = f"{number}/{len(prompts)} " if len(prompts) > 1 else ""
            one = await _ask(duel, prompt, options, line, forced=args.forced)
            rounds.append(one)
            if not args.json:
                print_round(duel, one, console, asked=len(prompts) > 1, quiet=args.quiet)
    finally:
        line.end()
        await duel.close()
    if args.json:
        import json

        from kdmgr.cli.duel_json import duel_object

        console.print(json.dumps(duel_object(duel, options, rounds), indent=2))
    elif len(rounds) > 1:
        print_table(rounds, console)
    return rounds


async def _ask(duel: Duel, prompt: str, options: DuelOptions, line: LiveLine, *, forced: bool) -> Round:
    """One question to both, the terminal told how it goes."""
    from kdmgr.services.duel import Side
    from kdmgr.services.duel_rounds import Round

    try:
        async with aclosing(duel.ask(prompt, options)) as events:
            async for _ in events:
                line.show()
        reading = await _force(duel, prompt, line) if forced else None
    finally:
        line.end()
    return Round(prompt, duel.answers[Side.LEFT], duel.answers[Side.RIGHT], duel.outcome(), reading)


async def _force(duel: Duel, prompt: str, line: LiveLine) -> Agreement | str | None:
    last: Agreement | str | None = None
    async with aclosing(duel.force(prompt)) as steps:
        async for step in steps:
            last = step
            line.show_forced(step)
    return last
