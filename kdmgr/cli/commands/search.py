"""`kdmgr search WORDS`: students on the Hugging Face Hub, with what suggests them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_cache_type, add_context, add_json, add_machine
from kdmgr.errors import UsageError

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.fit.options import RunOptions
    from kdmgr.services.discovery import SearchResult

NOT_FOUND = 4
MAX_LIMIT = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `search`."""
    parser.add_argument("words", nargs="*", metavar="WORD", help='in the name of the repository (default: "distill")')
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="show so many (default: 10)")
    parser.add_argument(
        "--sort",
        choices=("downloads", "likes", "updated"),
        default="downloads",
        help="which come first (default: downloads)",
    )
    parser.add_argument(
        "--all", action="store_true", help="also those that nothing suggests to be distilled, or that may not load"
    )
    parser.add_argument(
        "--evidence", action="store_true", help="read the model cards, and quote the sentence that claims distillation"
    )
    add_json(parser)
    group = parser.add_argument_group("fit")
    group.add_argument("--fit", action="store_true", help="plan every quant of each find, by its header")
    add_context(group)
    add_cache_type(group)
    add_machine(group)


def run(args: argparse.Namespace, console: Console) -> int:
    """Search; the exit code is 4 when nothing is found."""
    from contextlib import closing

    from kdmgr.services.app import Services
    from kdmgr.services.discovery import DEFAULT_WORDS, Search, search_hub

    if not 1 <= args.limit <= MAX_LIMIT:
        raise UsageError(f"cannot show {args.limit} finds", hint=f"--limit takes a number from 1 to {MAX_LIMIT}")
    search = Search(
        words=" ".join(args.words) or DEFAULT_WORDS,
        sort=args.sort,
        limit=args.limit,
        everything=args.all,
        evidence=args.evidence,
        fit=_read_options(args) if args.fit else None,
    )
    with closing(Services.create()) as services:
        services.plan_for(args.gpu or (), args.vram)
        result = search_hub(services, search, console.note)
    _print(result, search.words, args, console)
    return 0 if result.finds else NOT_FOUND


def _read_options(args: argparse.Namespace) -> RunOptions:
    from kdmgr.fit.options import RunOptions
    from kdmgr.units import parse_count

    return RunOptions(
        n_ctx=None if args.ctx_size is None else parse_count(args.ctx_size),
        type_k=args.cache_type_k or args.cache_type or "f16",
        type_v=args.cache_type_v or args.cache_type or "f16",
    )


def _print(result: SearchResult, words: str, args: argparse.Namespace, console: Console) -> None:
    from kdmgr.cli.search_text import print_result, result_object

    if args.json:
        import json

        console.print(json.dumps(result_object(result, words, args.sort), indent=2))
    else:
        print_result(result, console)
    for note in result.notes:
        console.note(f"note: {note}")
    console.note(_describe_count(result, words))
    if result.left_out and not args.all:
        console.note(f"{result.left_out} left out, which nothing suggests to be distilled or loadable: --all shows all")
    if result.finds and not args.evidence and not args.json:
        console.note("these are suggestions; --evidence quotes what the model cards claim")


def _describe_count(result: SearchResult, words: str) -> str:
    if not result.looked_at:
        return f"the Hub has no repository with GGUF files and {words!r} in its name"
    noun = "repository" if result.looked_at == 1 else "repositories"
    return f"{len(result.finds)} shown, of {result.looked_at} {noun} looked at"
