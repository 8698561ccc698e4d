"""The argument parser, and the options that several commands share."""

from __future__ import annotations

import argparse
from typing import NoReturn

from kdmgr.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints go through kdmgr's own error boundary."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and exiting."""
        raise UsageError(message, hint=f"`{self.prog} --help` shows what it takes")


def new_parser(name: str, summary: str) -> Parser:
    """A parser for one command, with the flags that all commands have."""
    parser = Parser(prog=f"kdmgr {name}", description=summary, allow_abbrev=False)
    parser.add_argument("--no-color", action="store_true", help="plain text (so does NO_COLOR in the environment)")
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def add_yes(parser: argparse.ArgumentParser) -> None:
    """`--yes`."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def add_host(parser: argparse.ArgumentParser) -> None:
    """`--host`."""
    parser.add_argument(
        "--host",
        metavar="NAME|URL",
        help="the Ollama server, by address or as `kdmgr hosts` names it (default: OLLAMA_HOST, else the current one)",
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    """`--store`: one of the two places that models are in."""
    parser.add_argument(
        "--store", choices=("kdmgr", "server"), help="only kdmgr's own store, or only the Ollama server (default: both)"
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """`--engine`."""
    parser.add_argument(
        "--engine", choices=("auto", "ollama", "llamacpp"), default="auto", help="what runs the model (default: auto)"
    )


def add_machine(parser: argparse._ActionsContainer) -> None:
    """`--gpu` and `--vram`: a declared machine instead of this one."""
    parser.add_argument(
        "--gpu", action="append", metavar="NAME", help='plan for this GPU instead: "RTX 3060 12GB", "2x RTX 3090"'
    )
    parser.add_argument("--vram", metavar="SIZE", help="plan for a GPU with this much memory: 8GiB")


def add_context(parser: argparse._ActionsContainer) -> None:
    """`--ctx-size`."""
    parser.add_argument("-c", "--ctx-size", metavar="N", help="context length per slot: 8192 or 8k")


def add_cache_type(parser: argparse._ActionsContainer) -> None:
    """`--cache-type`, for K and V together or apart."""
    parser.add_argument("--cache-type", metavar="TYPE", help="KV cache type: f16, q8_0, q4_0 …")
    parser.add_argument("--cache-type-k", metavar="TYPE", help="of the K cache alone")
    parser.add_argument("--cache-type-v", metavar="TYPE", help="of the V cache alone")
