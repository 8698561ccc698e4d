"""The option sets that plans are compared with the engine under."""

from __future__ import annotations

from kdmgr.fit.options import RunOptions

OPTION_SETS: dict[str, RunOptions] = {
    "4k": RunOptions(n_ctx=4096),
    "2k": RunOptions(n_ctx=2048),
    "32k": RunOptions(n_ctx=32768),
    "128k": RunOptions(n_ctx=131072),
    "16k-q8_0": RunOptions(n_ctx=16384, type_k="q8_0", type_v="q8_0"),
    "8k-q4_0": RunOptions(n_ctx=8192, type_k="q4_0", type_v="q4_0", n_ubatch=1024, n_batch=2048),
    "4k-ubatch-2048": RunOptions(n_ctx=4096, n_ubatch=2048, n_batch=2048),
    "4k-no-fa": RunOptions(n_ctx=4096, flash_attn=False),
    "16k-no-fa": RunOptions(n_ctx=16384, flash_attn=False),
    "4k-4-slots": RunOptions(n_ctx=4096, n_parallel=4),
    "2k-4-slots-no-fa": RunOptions(n_ctx=2048, n_parallel=4, flash_attn=False, n_ubatch=1024, n_batch=2048),
}
