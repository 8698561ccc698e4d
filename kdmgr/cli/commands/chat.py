"""`kdmgr chat MODEL [PROMPT]`: stream an answer; without a prompt, a conversation."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_context, add_engine, add_host
from kdmgr.errors import KdmgrError, UsageError
from kdmgr.units import parse_count, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdmgr.cli.console import Console
    from kdmgr.engines.protocol import ChatStats
    from kdmgr.history.chat_records import ChatRecord, ImageRecord
    from kdmgr.services.app import Services
    from kdmgr.services.chatting import ChatSession, ChatSettings

INTERRUPTED = 130
_HELP = "/new starts over, /bye leaves; Ctrl-C stops an answer"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `chat`."""
    parser.add_argument("model", metavar="MODEL", help="an installed model or a GGUF file")
    parser.add_argument("prompt", nargs="*", metavar="PROMPT", help="what to ask; `-` reads it from stdin")
    add_context(parser)
    add_engine(parser)
    add_host(parser)
    parser.add_argument("--cache-type", metavar="TYPE", help="KV cache type: f16, q8_0, q4_0 …")
    parser.add_argument("--system", metavar="TEXT", help="a system prompt instead of the model's own")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 always takes the likeliest token")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same answer")
    parser.add_argument("-n", "--predict", type=int, metavar="N", help="stop after this many tokens")
    parser.add_argument("--think", action=argparse.BooleanOptionalAction, help="let a thinking model think, or not")
    parser.add_argument(
        "--resume", metavar="ID|last", help="go on with a saved chat: by its number, or the last with this model"
    )
    parser.add_argument("--no-save", action="store_true", help="do not keep this chat")
    parser.add_argument("--image", action="append", metavar="FILE", help="a picture to send along with PROMPT")
    parser.add_argument("--quiet", action="store_true", help="only the answer")


def run(args: argparse.Namespace, console: Console) -> int:
    """Open the chat; the loop lives as long as the process needs it."""
    from kdmgr.services.app import Services

    prompt = _read_prompt(args.prompt)
    return asyncio.run(_chat(Services.create(host=args.host), args, prompt, console))


def _read_prompt(words: list[str]) -> str | None:
    if words == ["-"]:
        return sys.stdin.read()
    if words:
        return " ".join(words)
    if not sys.stdin.isatty():
        raise UsageError("no prompt", hint="give one, or `-` to read it from stdin")
    return None


async def _chat(services: Services, args: argparse.Namespace, prompt: str | None, console: Console) -> int:
    resume = None if args.resume is None else services.saved_chats.require(args.resume, model=args.model)
    session = await services.open_chat(
        args.model,
        engine=args.engine,
        n_ctx=_read_context(args, resume),
        cache_type=args.cache_type or (resume.cache_type if resume else None),
        settings=_read_settings(args, resume),
        keep=not args.no_save,
        resume=resume,
    )
    if not args.quiet:
        console.note(f"{session.model_name} on {session.engine_name}: {session.reason}")
        for warning in session.warnings:
            console.note(f"warning: {warning}")
        if resume is not None:
            console.note(f"going on with chat {resume.id}, {resume.title!r}: {len(session.turns)} turns so far")
    try:
        if prompt is not None:
            return await _answer(session, prompt, console, quiet=args.quiet, images=_read_images(args))
        return await _converse(session, console, quiet=args.quiet)
    finally:
        await session.close()
        _tell_of_saving(services, session, console)


def _read_images(args: argparse.Namespace) -> tuple[ImageRecord, ...]:
    from kdmgr.history.chat_records import ImageRecord
    from kdmgr.paths import expand_home

    return tuple(ImageRecord(str(expand_home(path).absolute())) for path in args.image or ())


def _read_context(args: argparse.Namespace, resume: ChatRecord | None) -> int | None:
    if args.ctx_size is not None:
        return parse_count(args.ctx_size)
    return resume.n_ctx if resume else None


def _read_settings(args: argparse.Namespace, resume: ChatRecord | None) -> ChatSettings:
    """What was asked for now wins over what the saved chat had."""
    from kdmgr.services.chatting import ChatSettings

    asked = {"temperature": args.temperature, "seed": args.seed, "num_predict": args.predict}
    parameters = {name: value for name, value in asked.items() if value is not None}
    if resume is None:
        return ChatSettings(args.system, args.think, parameters)
    return ChatSettings(
        resume.system if args.system is None else args.system,
        resume.think if args.think is None else args.think,
        {**resume.parameters, **parameters},
    )


def _tell_of_saving(services: Services, session: ChatSession, console: Console) -> None:
    for note in services.history_notes:
        console.note(f"note: {note}")
    problem = session.keeper.problem if session.keeper else None
    if problem is not None:
        console.note(f"warning: this chat is not saved: {problem.message}")


async def _converse(session: ChatSession, console: Console, *, quiet: bool) -> int:
    if not quiet:
        console.note(_HELP)
    while True:
        try:
            text = (await _ask(console)).strip()
        except EOFError:
            console.print()
            return 0
        if text in ("/bye", "/exit", "/quit"):
            return 0
        if text == "/new":
            session.reset()
            console.note("a new conversation")
        elif text.startswith("/"):
            console.note(_HELP)
        elif text:
            try:
                await _answer(session, text, console, quiet=quiet)
            except KdmgrError as error:
                console.error(error.message, error.hint)


async def _ask(console: Console) -> str:
    """One line from the terminal, with the editing that readline gives where there is one."""
    with suppress(ImportError):
        import readline  # noqa: F401  (importing it is what turns it on)
    import signal

    # asyncio's own handler would only mark the loop as cancelled, and the next answer would not begin.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Nothing else happens while the prompt waits: no answer streams, so the loop may stand still.
        return input(console.style(">>> ", "bold", "green"))  # noqa: ASYNC250
    except KeyboardInterrupt:
        console.print()
        console.note("/bye or Ctrl-D leaves")
        return ""
    finally:
        signal.signal(signal.SIGINT, previous)


async def _answer(
    session: ChatSession, prompt: str, console: Console, *, quiet: bool, images: tuple[ImageRecord, ...] = ()
) -> int:
    """Stream one answer. Ctrl-C stops it, prints what is known by then and gives the prompt back."""
    printer = _AnswerPrinter(console, quiet=quiet)
    stream = asyncio.create_task(_stream(session, prompt, printer, images))
    restore = _stop_on_interrupt(stream)
    try:
        stats = await stream
    except asyncio.CancelledError:
        printer.end()
        console.note("stopped")
        return INTERRUPTED
    finally:
        restore()
        printer.end()
    for left_out in session.left_out:
        console.note(f"warning: {left_out}")
    if stats is not None and not quiet:
        from kdmgr.services.answer_words import describe_stats

        console.note(describe_stats(stats, context=True))
    return 0


async def _stream(
    session: ChatSession, prompt: str, printer: _AnswerPrinter, images: tuple[ImageRecord, ...]
) -> ChatStats | None:
    from contextlib import aclosing

    from kdmgr.engines.protocol import ChatDelta, ChatStats, ModelLoading

    stats = None
    async with aclosing(session.send(prompt, images)) as events:
        async for event in events:
            if isinstance(event, ModelLoading):
                printer.loading()
            elif isinstance(event, ChatDelta):
                printer.add(event)
            elif isinstance(event, ChatStats):
                stats = event
    return stats


def _stop_on_interrupt(stream: asyncio.Task[ChatStats | None]) -> Callable[[], object]:
    """Make Ctrl-C cancel `stream` alone; the returned function undoes it."""
    import signal

    previous = signal.getsignal(signal.SIGINT)
    loop = asyncio.get_running_loop()

    def stop(_signal: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stream.cancel)

    signal.signal(signal.SIGINT, stop)
    return lambda: signal.signal(signal.SIGINT, previous)


class _AnswerPrinter:
    """Writes pieces as they come: thinking dimmed, nothing that a terminal obeys."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._thinking = False
        self._open_line = False

    def loading(self) -> None:
        """The engine has to load the model first."""
        if not self._quiet:
            self._console.note("loading the model …")

    def add(self, delta: object) -> None:
        """Write one piece."""
        from kdmgr.engines.protocol import ChatDelta

        assert isinstance(delta, ChatDelta)
        if delta.thinking and not self._quiet:
            self._thinking = True
            self._write(self._console.style(printable(delta.thinking), "dim"))
        if delta.text:
            if self._thinking:
                self._thinking = False
                self._write("\n\n")
            self._write(printable(delta.text))

    def end(self) -> None:
        """Finish the line, once."""
        if self._open_line:
            self._open_line = False
            self._console.print()

    def _write(self, text: str) -> None:
        self._open_line = True
        self._console.print(text, end="")
        self._console.stdout.flush()
