"""`kdmgr import SOURCE… [NAME]`: make a model of files, in an Ollama server or in kdmgr's store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json, add_yes
from kdmgr.errors import UsageError
from kdmgr.paths import expand_home

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.import_plan import ImportRequest
    from kdmgr.services.receipts import ImportReceipt

OWN, OLLAMA = "own", "ollama"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `import`."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="SOURCE… [NAME]",
        help="GGUF files (a model, its shards or projector, an adapter) or a folder of safetensors; then a name",
    )
    parser.add_argument("-f", "--file", dest="modelfile", type=Path, metavar="MODELFILE", help="a Modelfile")
    parser.add_argument("-q", "--quantize", metavar="QUANT", help="have the server quantise an F16, BF16 or F32 model")
    parser.add_argument("--to", choices=(OLLAMA, OWN), help="where to (default: the server if one answers, else own)")
    parser.add_argument("--base", metavar="MODEL", help="the server's model that an adapter sits on")
    parser.add_argument("--teacher", metavar="NAME", help="for the receipt: who taught it")
    parser.add_argument(
        "--method", metavar="METHOD", help="for the receipt: how, as in the catalog: sequence-level, on-policy …"
    )
    parser.add_argument("--no-smoke", action="store_true", help="do not try the model afterwards")
    parser.add_argument("--replace", action="store_true", help="take the place of a model of this name")
    parser.add_argument("--dry-run", action="store_true", help="only check, and say what would be done")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the name")
    add_host(parser)
    add_yes(parser)
    add_json(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Import; Ctrl-C cancels, and what was hashed or sent is not lost."""
    from contextlib import closing

    from kdmgr.services.app import Services

    sources, name = split_words(args.words, has_modelfile=args.modelfile is not None)
    with closing(Services.create(host=args.host)) as services:
        if _choose_store(args, services) == OWN:
            from kdmgr.cli.commands.import_own import import_into_store

            receipt = import_into_store(args, services, sources, name, console)
        else:
            from kdmgr.cli.commands.import_server import import_into_server

            receipt = import_into_server(args, services, sources, name, console)
    if receipt is not None:
        _print(receipt, args, console)
    return 0


def split_words(words: list[str], *, has_modelfile: bool) -> tuple[list[Path], str | None]:
    """The sources, and the name where the last word is one: a path is written as a path."""
    if not words and not has_modelfile:
        raise UsageError("nothing to import", hint="kdmgr import model.gguf NAME")
    last = words[-1] if words else ""
    named = bool(words) and not _is_path(last) and (len(words) > 1 or has_modelfile)
    sources = words[:-1] if named else words
    return [expand_home(word) for word in sources], last if named else None


def confirm(question: str, console: Console) -> bool:
    """Whether the user says yes; `UsageError` where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", hint="add --replace, or choose another name")
    console.stderr.write(question)
    console.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _is_path(word: str) -> bool:
    written = word.startswith(("./", "../", "/", "~", ".\\", "..\\")) or word.endswith(("/", "\\"))
    return written or word in (".", "..") or word.lower().endswith((".gguf", ".safetensors"))


def _choose_store(args: argparse.Namespace, services: Services) -> str:
    """As asked; else the server, if one answers."""
    if args.to is not None:
        return str(args.to)
    needs_server = next((flag for flag in ("quantize", "base", "host") if getattr(args, flag)), None)
    if needs_server:
        return OLLAMA
    import asyncio

    return OLLAMA if asyncio.run(_server_answers(services)) else OWN


async def _server_answers(services: Services) -> bool:
    engine = services.ollama_engine()
    try:
        return (await engine.status()).usable
    finally:
        await engine.close()


def _print(receipt: ImportReceipt, args: argparse.Namespace, console: Console) -> None:
    if args.json:
        import json

        from kdmgr.services.receipts import receipt_object

        console.print(json.dumps(receipt_object(receipt), indent=2))
    elif args.quiet:
        console.print(receipt.name)
    else:
        from kdmgr.cli.receipt_text import print_receipt

        print_receipt(receipt, console)
        if args.to is None and receipt.server is None:
            console.note("it is in kdmgr's own store, for no Ollama server answers")


def build_request(args: argparse.Namespace, sources: list[Path], name: str | None, services: Services) -> ImportRequest:
    """What was asked for; a name is made where none was given."""
    from kdmgr.refs import parse_ollama_name
    from kdmgr.services.import_plan import ImportRequest
    from kdmgr.services.written_lineage import require_method

    require_method(args.method)
    return ImportRequest(
        sources=tuple(sources),
        ref=parse_ollama_name(name) if name else services.suggest_import_name(tuple(sources), args.modelfile),
        modelfile=args.modelfile,
        base=args.base,
        quantize=args.quantize,
        replace=args.replace,
        smoke=not args.no_smoke,
        teacher=args.teacher,
        method=args.method,
    )
