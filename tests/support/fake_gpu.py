"""GPUs that are not there: devices that llama.cpp plans for, but that never compute anything.

Run in a child process before a model is loaded. The devices answer the engine's questions (memory, alignment,
which operations they take) as its CUDA backend does, so that its own dry run fits a model to them and prints
what it would put where. Struct layouts: ggml/src/ggml-backend-impl.h, GGML_BACKEND_API_VERSION 3.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from typing import Any

_POINTER = c.c_void_p
# GGML_BACKEND_DEVICE_TYPE_GPU
_GPU = 1
# The largest quantised matrix rows are padded to (ggml-cuda.cu, MATRIX_ROW_PADDING).
_ROW_PADDING = 512
_ALIGNMENT = 128
# GGML_TYPE_F16
_F16 = 1
# Batches from here on are worth copying weights to the device for (ggml-cuda.cu, op_offload_min_batch_size).
_LEAST_BATCH = 32


class _Tensor(c.Structure):
    _fields_ = [
        ("type", c.c_int),
        ("buffer", _POINTER),
        ("ne", c.c_int64 * 4),
        ("nb", c.c_size_t * 4),
        ("op", c.c_int),
        ("op_params", c.c_int32 * 16),
        ("flags", c.c_int32),
        ("src", _POINTER * 10),
        ("view_src", _POINTER),
    ]


class _Caps(c.Structure):
    _fields_ = [(name, c.c_bool) for name in ("async_", "host_buffer", "from_host_ptr", "events", "mmap_support")]


class _Props(c.Structure):
    _fields_ = [
        ("name", c.c_char_p),
        ("description", c.c_char_p),
        ("memory_free", c.c_size_t),
        ("memory_total", c.c_size_t),
        ("type", c.c_int),
        ("device_id", c.c_char_p),
        ("caps", _Caps),
    ]


class FakeGpus:
    """Registers one device per entry of `free_bytes` with the engine library at `path`, and keeps them alive."""

    def __init__(self, path: str, free_bytes: Sequence[int]) -> None:
        self._lib = c.CDLL(path)
        self._kept: list[Any] = []
        self._free = list(free_bytes)
        for name in ("ggml_backend_cpu_buffer_type", "ggml_backend_buft_alloc_buffer"):
            getattr(self._lib, name).restype = _POINTER
        self._lib.ggml_backend_buft_alloc_buffer.argtypes = [_POINTER, c.c_size_t]
        self._lib.ggml_op_name.restype = c.c_char_p
        self._lib.ggml_op_name.argtypes = [c.c_int]
        self._lib.ggml_nbytes.restype = c.c_size_t
        self._lib.ggml_row_size.restype = c.c_size_t
        self._lib.ggml_row_size.argtypes = [c.c_int, c.c_int64]
        self._lib.ggml_is_quantized.restype = c.c_bool
        self._host = self._buffer_type(b"CUDA_Host", host=True)
        self._devices = [self._device(index) for index in range(len(self._free))]
        self._register()

    def _fn(self, result: Any, *arguments: Any, body: Any) -> int:
        function = c.CFUNCTYPE(result, *arguments)(body)
        self._kept.append(function)
        return c.cast(function, _POINTER).value or 0

    def _struct(self, *words: int) -> int:
        table = (c.c_size_t * len(words))(*words)
        self._kept.append(table)
        return c.addressof(table)

    def _text(self, text: bytes) -> c.c_char_p:
        kept = c.c_char_p(text)
        self._kept.append(kept)
        return kept

    def _buffer_type(self, name: bytes, *, host: bool) -> int:
        kept = self._text(name)
        address = c.cast(kept, _POINTER).value

        def allocate(buft: int, size: int) -> int:
            cpu = self._lib.ggml_backend_cpu_buffer_type()
            # The host aligns less strictly, so there must be room to round up.
            buffer: int = self._lib.ggml_backend_buft_alloc_buffer(cpu, size + 128 if size else 0)
            if buffer:
                # The buffer's type follows its eleven functions.
                c.c_size_t.from_address(buffer + 88).value = buft
            return buffer

        return self._struct(
            self._fn(_POINTER, _POINTER, body=lambda buft: address),
            self._fn(_POINTER, _POINTER, c.c_size_t, body=allocate),
            0,
            self._fn(c.c_size_t, _POINTER, body=lambda buft: 32 if host else _ALIGNMENT),
            0,
            0 if host else self._fn(c.c_size_t, _POINTER, _POINTER, body=lambda buft, tensor: self._alloc_size(tensor)),
            0,
            self._fn(c.c_bool, _POINTER, body=lambda buft: host),
            0,
            0,
        )

    def _alloc_size(self, address: int) -> int:
        tensor = _Tensor.from_address(address)
        size: int = self._lib.ggml_nbytes(c.c_void_p(address))
        if self._lib.ggml_op_name(tensor.op) == b"FLASH_ATTN_EXT":
            size = self._with_f16_copies(tensor, size)
        if self._lib.ggml_is_quantized(tensor.type) and tensor.ne[0] % _ROW_PADDING:
            size += self._lib.ggml_row_size(tensor.type, _ROW_PADDING - tensor.ne[0] % _ROW_PADDING)
        return size

    def _with_f16_copies(self, tensor: _Tensor, size: int) -> int:
        """As `ggml_cuda_flash_attn_ext_get_alloc_size`, with tensor cores: K and V in f16, unless V is a part of K."""
        queries, keys, values = (_Tensor.from_address(tensor.src[index]) for index in range(3))
        if queries.ne[1] == 1:
            return size
        shared = values.view_src and values.view_src in (tensor.src[1], keys.view_src)
        for copied in (keys,) if shared else (keys, values):
            if copied.type != _F16:
                elements = copied.ne[0] * copied.ne[1] * copied.ne[2] * copied.ne[3]
                size = -(-size // _ALIGNMENT) * _ALIGNMENT + 2 * elements
        return size

    def _device(self, index: int) -> int:
        name, what = self._text(f"CUDA{index}".encode()), self._text(b"a GPU that is not there")
        free = self._free[index]
        buft = self._buffer_type(f"CUDA{index}".encode(), host=False)
        address, description = c.cast(name, _POINTER).value, c.cast(what, _POINTER).value

        def memory(device: int, free_out: Any, total_out: Any) -> None:
            free_out[0] = total_out[0] = free

        def properties(device: int, out: Any) -> None:
            several = len(self._free) > 1
            out[0] = _Props(name, what, free, free, _GPU, None, _Caps(several, True, False, several, True))

        size = c.POINTER(c.c_size_t)
        device = self._struct(
            self._fn(_POINTER, _POINTER, body=lambda device: address),
            self._fn(_POINTER, _POINTER, body=lambda device: description),
            self._fn(None, _POINTER, size, size, body=memory),
            self._fn(c.c_int, _POINTER, body=lambda device: _GPU),
            self._fn(None, _POINTER, c.POINTER(_Props), body=properties),
            self._fn(_POINTER, _POINTER, _POINTER, body=lambda device, params: self._backend(device, address)),
            self._fn(_POINTER, _POINTER, body=lambda device: buft),
            self._fn(_POINTER, _POINTER, body=lambda device: self._host),
            0,
            self._fn(c.c_bool, _POINTER, _POINTER, body=lambda device, op: True),
            self._fn(c.c_bool, _POINTER, _POINTER, body=lambda device, other: other == buft),
            self._fn(c.c_bool, _POINTER, _POINTER, body=lambda device, op: self._is_worth_copying(op)),
            self._fn(_POINTER, _POINTER, body=lambda device: self._struct(device, 0)),
            self._fn(None, _POINTER, _POINTER, body=lambda device, event: None),
            self._fn(None, _POINTER, _POINTER, body=lambda device, event: None),
            0,
            0,
        )
        # A buffer type knows its device: the word after its functions.
        c.c_size_t.from_address(buft + 64).value = device
        return device

    def _is_worth_copying(self, address: int) -> bool:
        tensor = _Tensor.from_address(address)
        op = self._lib.ggml_op_name(tensor.op)
        if op == b"GET_ROWS":
            return False
        if op == b"MUL_MAT":
            batch = tensor.ne[1]
        elif op in (b"MUL_MAT_ID", b"ROPE", b"ROPE_BACK"):
            batch = tensor.ne[2]
        else:
            batch = tensor.ne[1] * tensor.ne[2] * tensor.ne[3]
        return bool(batch >= _LEAST_BATCH)

    def _backend(self, device: int, name: int | None) -> int:
        guid = self._struct(0x6B646D67722D6661, 0x6B652D6770757300)
        nothing = self._fn(None, _POINTER, body=lambda backend: None)
        return self._struct(
            guid,
            self._fn(_POINTER, _POINTER, body=lambda backend: name),
            nothing,
            *(0,) * 5,
            nothing,
            *(0,) * 4,
            self._fn(c.c_int, _POINTER, _POINTER, body=lambda backend, graph: 1),
            *(0,) * 3,
            device,
            0,
        )

    def _register(self) -> None:
        name = c.cast(self._text(b"CUDA"), _POINTER).value
        reg = self._struct(
            3,
            self._fn(_POINTER, _POINTER, body=lambda reg: name),
            self._fn(c.c_size_t, _POINTER, body=lambda reg: len(self._devices)),
            self._fn(_POINTER, _POINTER, c.c_size_t, body=lambda reg, index: self._devices[index]),
            self._fn(_POINTER, _POINTER, c.c_char_p, body=lambda reg, name: 0),
            0,
        )
        for device in self._devices:
            c.c_size_t.from_address(device + 15 * 8).value = reg
        self._lib.ggml_backend_register(c.c_void_p(reg))
