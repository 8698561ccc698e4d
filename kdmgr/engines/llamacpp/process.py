"""The parent's end of a worker: start it, talk to it, notice its death."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kdmgr.engines.llamacpp.death import describe_death
from kdmgr.engines.llamacpp.log import LoadLog, LoadReport
from kdmgr.errors import EngineFailed

Message = dict[str, object]
_LOG_LINES = 80
_LINE_LIMIT = 16 << 20
# Seconds. The log is written by a thread of llama.cpp's own, a moment behind the protocol.
_LOG_LIMIT = 0.5
_EXIT_LIMIT = 5.0


def worker_command() -> list[str]:
    """This Python and the worker's script, which needs no package around it (-P: nor anything beside it)."""
    return [sys.executable, "-P", str(Path(__file__).with_name("worker.py"))]


class WorkerProcess:
    """A running worker. One request at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._log = LoadLog()
        self._log_settled = asyncio.Event()
        self._last_lines: deque[str] = deque(maxlen=_LOG_LINES)
        self._last_id = 0
        self._hung_up = False
        self._stopped = False
        self._readers = (asyncio.create_task(self._read_log()), asyncio.create_task(self._read_messages()))

    @classmethod
    async def start(cls, command: Sequence[str], env: Mapping[str, str]) -> WorkerProcess:
        """Start one, out of reach of the terminal's Ctrl-C: llama.cpp would take it for its own."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(env),
                limit=_LINE_LIMIT,
                start_new_session=sys.platform != "win32",
                creationflags=_new_group_flags(),
            )
        except OSError as error:
            raise EngineFailed(f"cannot start a llama.cpp worker: {error}") from error
        return cls(process)

    @property
    def alive(self) -> bool:
        """Whether it runs and can be talked to, as far as is known."""
        return self._process.returncode is None and not self._hung_up

    async def load(self, settings: Mapping[str, object]) -> LoadReport:
        """Load a model. Raises `EngineFailed` with llama.cpp's own first error."""
        await self._send({"op": "load", **settings})
        message = await self._receive()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._log_settled.wait(), _LOG_LIMIT)
        report = self._log.report()
        if message.get("event") == "loaded":
            return report
        raise _load_failure(report.error or str(message.get("error")))

    async def ask(self, op: str, body: Mapping[str, object]) -> AsyncGenerator[Message, None]:
        """The chunks of an answer. Closing the iterator cancels the request, and returns at once.

        To be called on a worker that has settled.
        """
        self._last_id += 1
        number = self._last_id
        finished = False
        try:
            await self._send({"op": op, "id": number, "body": body})
            while not finished:
                message = await self._receive()
                if "error" in message:
                    raise EngineFailed(f"llama.cpp refused: {message['error']}")
                finished = "done" in message
                chunk = message.get("chunk")
                if isinstance(chunk, dict):
                    yield chunk
        finally:
            if not finished:
                self._write({"op": "cancel", "id": number})

    async def settle(self) -> None:
        """Wait until a cancelled request has ended: requests are worked off in order, and this one is the last.

        Raises `EngineFailed` when the worker has died meanwhile.
        """
        await self._send({"op": "ping"})
        while "pong" not in await self._receive():
            pass

    async def stop(self) -> None:
        """Kill it. It has no state worth saving, and killing frees the memory at once."""
        self._stopped = True
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _EXIT_LIMIT)
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _send(self, message: Message) -> None:
        self._write(message)
        assert self._process.stdin is not None
        # The reader of its output tells of a death; a broken pipe only hints at it.
        with suppress(OSError):
            await self._process.stdin.drain()

    def _write(self, message: Message) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _receive(self) -> Message:
        message = await self._messages.get()
        if message is not None:
            return message
        # For whoever asks next.
        self._messages.put_nowait(None)
        raise await self._death()

    async def _death(self) -> EngineFailed:
        if self._stopped:
            return EngineFailed("the model was unloaded while it was at work", hint="ask again")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _EXIT_LIMIT)
        await asyncio.wait(self._readers[:1], timeout=_LOG_LIMIT)
        return describe_death(self._process.returncode, self._last_lines)

    async def _read_messages(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                self._messages.put_nowait(json.loads(line))
        except ValueError:
            # Cut off in the middle of a line: the process is going down.
            pass
        finally:
            self._hung_up = True
            self._messages.put_nowait(None)

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        try:
            async for line in self._process.stderr:
                self._take_log(line.decode("utf-8", "replace").rstrip("\r\n"))
        finally:
            self._log_settled.set()

    def _take_log(self, line: str) -> None:
        self._last_lines.append(line)
        if not self._log.settled:
            self._log.feed(line)
            if self._log.settled:
                self._log_settled.set()


def _new_group_flags() -> int:
    """Windows' way of keeping the terminal's Ctrl-C away, and of opening no window."""
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return 0


def _load_failure(reason: str) -> EngineFailed:
    hint = None
    if "memory" in reason or "allocate" in reason:
        hint = "a smaller context (--ctx-size), a q8_0 KV cache (--cache-type) or a smaller quant needs less"
    elif "template" in reason:
        hint = "name a built-in chat template, like chatml or llama3, or mend the Jinja text"
    elif "corrupted or incomplete" in reason or "magic" in reason or "failed to read" in reason:
        hint = "the file is no whole GGUF: get it again, or check it with `kdmgr fit FILE`"
    return EngineFailed(f"llama.cpp cannot load the model: {reason}", hint=hint)
