"""The child process that holds a model. It stands alone: nothing but the standard library and xllamacpp.

Requests come as JSON lines on stdin, answers leave as JSON lines on what was stdout; llama.cpp's own
output all goes to stderr, which the parent reads too. The end of stdin is the end of the process.

    {"op": "load", …LoadSettings, "socket": path or null}   → {"event": "loaded"} | {"event": "failed", "error": …}
    {"op": "chat" | "complete", "id": n, "body": {…}}       → {"id": n, "chunk": {…}} …, {"id": n, "done": true}
    {"op": "cancel", "id": n}                               → nothing; request n ends early
    {"op": "ping"}                                          → {"pong": true}, once all before it is done
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

# What stays behind after an answer to continue from if the conversation forks (for sliding windows); RAM.
_N_CHECKPOINTS = 4


class Worker:
    """One model and one request at a time; a second thread reads stdin, so that a cancel gets through."""

    def __init__(self, protocol: BinaryIO) -> None:
        self._protocol = protocol
        self._requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled = 0
        self._server: Any = None

    def run(self) -> None:
        """Serve until stdin ends; never returns."""
        threading.Thread(target=self._read_requests, daemon=True).start()
        while True:
            request = self._requests.get()
            if request["op"] == "load":
                self._load(request)
            elif request["op"] == "ping":
                self._send({"pong": True})
            else:
                self._answer(request)

    def _read_requests(self) -> None:
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if request["op"] == "cancel":
                self._cancelled = request["id"]
            else:
                self._requests.put(request)
        # Destroying a server can deadlock; the system frees everything just as well.
        os._exit(0)

    def _load(self, settings: dict[str, Any]) -> None:
        try:
            import xllamacpp

            self._server = xllamacpp.Server(build_params(xllamacpp, settings))
        except Exception as error:
            self._send({"event": "failed", "error": f"{type(error).__name__}: {error}"})
        else:
            self._send({"event": "loaded"})

    def _answer(self, request: dict[str, Any]) -> None:
        number = request["id"]
        prefix = b'{"id":%d,"chunk":' % number

        def forward(chunk: str) -> bool:
            """Pass one chunk on; true stops the generation."""
            if self._cancelled >= number:
                return True
            self._write(prefix + chunk.encode("utf-8", "replace") + b"}\n")
            return False

        handle: Callable[..., object]
        handle = self._server.handle_chat_completions if request["op"] == "chat" else self._server.handle_completions
        try:
            if self._cancelled < number:
                # A text in, texts out: xllamacpp decodes nothing, and the parent decodes once.
                handle(json.dumps(request["body"]), forward)
        except Exception as error:
            self._send({"id": number, "error": f"{type(error).__name__}: {error}"})
        self._send({"id": number, "done": True})

    def _send(self, message: dict[str, object]) -> None:
        self._write(json.dumps(message).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        self._protocol.write(line)
        self._protocol.flush()


def build_params(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    """llama.cpp's parameters for the settings of a load."""
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.n_ctx = settings["n_ctx"]
    params.n_parallel = 1
    params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{settings['cache_type']}")
    params.chat_template = settings["chat_template"]
    params.use_jinja = settings["use_jinja"]
    # The least that prints buffer sizes.
    params.verbosity = 4
    params.warmup = False
    params.cache_ram_mib = 0
    params.n_ctx_checkpoints = _N_CHECKPOINTS
    _set_placement(xllamacpp, params, settings)
    _close_door(params, settings["socket"])
    return params


def _set_placement(xllamacpp: Any, params: Any, settings: dict[str, Any]) -> None:
    kinds = {str(device["type"]) for device in xllamacpp.get_device_info()}
    has_gpu = any("GPU" in kind for kind in kinds)
    # Without a GPU there is nothing to place, and the trial run would double the time to load.
    params.fit_params = has_gpu
    # A prompt can be cancelled between batches. On a CPU a batch takes long, and a longer one gains nothing.
    params.n_batch = settings["n_batch"] or (params.n_batch if has_gpu else params.n_ubatch)
    params.n_ubatch = min(params.n_ubatch, params.n_batch)
    for name in ("n_gpu_layers", "main_gpu"):
        if settings[name] is not None:
            setattr(params, name, settings[name])
    if settings["n_threads"] is not None:
        params.cpuparams.n_threads = settings["n_threads"]
        params.cpuparams_batch.n_threads = settings["n_threads_batch"]
    if not settings["use_mmap"]:
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE


def _close_door(params: Any, socket: str | None) -> None:
    """The server insists on listening: at a socket in a folder of our own, else on loopback behind a secret."""
    if socket is not None:
        params.hostnames = [socket]
    params.api_keys = [secrets.token_hex(32)]
    params.n_threads_http = 1
    params.ui = False
    params.endpoint_slots = False


def take_stdout() -> BinaryIO:
    """The real stdout for the protocol; whatever prints to it from now on prints to stderr."""
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return protocol


def main() -> None:
    """Run as a script."""
    if hasattr(signal, "SIGPIPE"):
        # While a model loads, Python cannot run to notice that the parent is gone; writing the log can.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    Worker(take_stdout()).run()


if __name__ == "__main__":
    main()
