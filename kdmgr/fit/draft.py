"""What a draft model takes beside the model that it drafts for (speculative decoding)."""

from __future__ import annotations

from dataclasses import replace

from kdmgr.fit.graph.builder import Place
from kdmgr.fit.layout import Costs
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape


def draft_bytes(draft: ModelShape, options: ResolvedOptions) -> int:
    """Weights, cache and scratch memory of `draft`, wholly on one device.

    llama.cpp gives it the context and slots of the other model, and a cache of f16 unless told otherwise
    (common/speculative.cpp, `--cache-type-k-draft`).
    """
    own = replace(options, type_k="f16", type_v="f16", extra_bytes=0, projector_bytes=0)
    return Costs(draft, own, 1).shares([Place(0)] * (draft.n_layer + 1))[0].known
