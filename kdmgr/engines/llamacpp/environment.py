"""What the worker gets to know of the environment: what finds libraries and devices, and nothing secret."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV",
    "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE",
    "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
)  # fmt: skip
_PREFIXES = (
    "PYTHON", "LC_", "GGML_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "ROCM_", "HSA_", "GPU_", "AMD_",
    "VK_", "MTL_", "METAL_", "ONEAPI_", "SYCL_", "ZES_", "ZE_", "OMP_", "GOMP_", "KMP_",
)  # fmt: skip


def worker_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that may pass: a list of what is needed, since nobody can list all that is secret."""
    return {name: value for name, value in env.items() if name.upper() in _NAMES or name.upper().startswith(_PREFIXES)}
