"""What a loaded model was loaded with. A request that needs other settings needs another load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kdmgr.engines.conversation import merge_parameters, read_count
from kdmgr.engines.llamacpp.threads import choose_threads
from kdmgr.engines.protocol import ChatRequest
from kdmgr.errors import KdmgrError, NotFound
from kdmgr.fit.options import DEFAULT_CONTEXT, cache_type

# A name of one of llama.cpp's built-in templates; Jinja text always holds a brace.
_TEMPLATE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """One load, in llama.cpp's names. None leaves the choice to llama.cpp."""

    path: str
    n_ctx: int
    """As asked for; the load stops at what the model was trained for."""
    cache_type: str
    chat_template: str
    """"" is the file's own."""
    use_jinja: bool
    """False for the name of a built-in template, which the Jinja engine would take for a text."""
    n_threads: int | None
    n_threads_batch: int | None
    n_batch: int | None
    n_gpu_layers: int | None
    main_gpu: int | None
    use_mmap: bool


def plan_load(request: ChatRequest, n_cores: int | None) -> LoadSettings:
    """The settings that a request needs.

    `NotFound` without the model's file; `UsageError` for a parameter of the wrong type.
    """
    parameters = merge_parameters(request)
    template = request.model.chat_template or ""
    n_threads, n_threads_batch = choose_threads(n_cores, read_count(parameters, "num_thread"))
    n_gpu_layers = read_count(parameters, "num_gpu")
    return LoadSettings(
        path=_find_file(request),
        n_ctx=max(1, request.n_ctx or read_count(parameters, "num_ctx") or DEFAULT_CONTEXT),
        cache_type=cache_type(request.cache_type or "f16").name.upper(),
        chat_template=template,
        use_jinja=not _TEMPLATE_NAME.fullmatch(template),
        n_threads=n_threads,
        n_threads_batch=n_threads_batch,
        n_batch=read_count(parameters, "num_batch"),
        n_gpu_layers=None if n_gpu_layers is None or n_gpu_layers < 0 else n_gpu_layers,
        main_gpu=read_count(parameters, "main_gpu"),
        use_mmap=parameters.get("use_mmap") is not False,
    )


def _find_file(request: ChatRequest) -> str:
    name, path = request.model.name, request.model.path
    if path is None:
        raise NotFound(
            f"the embedded engine has no file of {name}", hint=f"import its GGUF: kdmgr import FILE.gguf {name}"
        )
    if not path.is_file():
        raise NotFound(f"no file at {path}", hint="`kdmgr ls` shows what is installed")
    return str(path.absolute())


def read_trained_context(path: str) -> int | None:
    """The context length that a model was trained for; None when its header does not tell.

    llama.cpp caps a slot at it, but allocates for what was asked: for an absurd figure that takes minutes.
    """
    from kdmgr.gguf.reader import read_header
    from kdmgr.gguf.shape import read_shape
    from kdmgr.gguf.source import FileSource

    try:
        with Path(path).open("rb") as file:
            return read_shape(read_header(FileSource(file))).n_ctx_train
    except (OSError, KdmgrError):
        # llama.cpp will say what is wrong with the file.
        return None
