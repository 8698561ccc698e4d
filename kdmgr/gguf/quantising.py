"""Which tensor type a quantiser gives to a tensor: the rules behind names such as Q4_K_M.

Source: llama.cpp, src/llama-quant.cpp (`llama_tensor_get_type`), for the mixes that are published most.
"""

from __future__ import annotations

from kdmgr.gguf.types import TENSOR_TYPES_BY_NAME, TensorType

# The type of most tensors, and the finer one of those that count most.
_MIXES = {
    "Q4_0": ("Q4_0", "Q4_0", "Q6_K"),
    "Q4_K_S": ("Q4_K", "Q4_K", "Q6_K"),
    "Q4_K_M": ("Q4_K", "Q6_K", "Q6_K"),
    "Q5_K_S": ("Q5_K", "Q5_K", "Q6_K"),
    "Q5_K_M": ("Q5_K", "Q6_K", "Q6_K"),
    "Q6_K": ("Q6_K", "Q6_K", "Q6_K"),
    "Q8_0": ("Q8_0", "Q8_0", "Q8_0"),
    "F16": ("F16", "F16", "F16"),
    "BF16": ("BF16", "BF16", "BF16"),
}
QUANTS = tuple(_MIXES)
"""The quants whose files can be planned without one at hand."""

# Where a row is no whole number of blocks.
_FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "Q4_0": "F16", "Q8_0": "F16"}
_FINER = ("attn_v.weight", "ffn_down.weight", "ffn_down_exps.weight", "ffn_down_shexp.weight")


def bits_per_weight(quant: str) -> float:
    """About how many bits a weight takes in a file of this quant, from its mix: for estimates alone."""
    most, finer, _ = (TENSOR_TYPES_BY_NAME[name].bits_per_element for name in _MIXES[quant])
    # Half of the finer tensors, themselves some two fifths of a model, are finer.
    return 0.8 * most + 0.2 * finer


def tensor_type(
    quant: str, name: str, shape: tuple[int, ...], layer: int, n_layer: int, *, is_head: bool
) -> TensorType:
    """The type of one tensor. `is_head`: whether it makes the logits, as a tied token table does too."""
    if len(shape) < 2 or name.endswith((".bias", "_norm.weight", "ffn_gate_inp.weight")):
        return TENSOR_TYPES_BY_NAME["F32"]
    most, finer, head = _MIXES[quant]
    if is_head:
        wanted = head
    elif name in _FINER and counts_more(layer, n_layer):
        wanted = finer
    elif name == "attn_qkv.weight" and quant in ("Q4_K_M", "Q5_K_M"):
        wanted = {"Q4_K_M": "Q5_K", "Q5_K_M": "Q6_K"}[quant]
    else:
        wanted = most
    found = TENSOR_TYPES_BY_NAME[wanted]
    return found if shape[0] % found.block_size == 0 else TENSOR_TYPES_BY_NAME[_FALLBACKS[wanted]]


def counts_more(layer: int, n_layer: int) -> bool:
    """Whether the layer's tensors are kept finer (llama.cpp, `use_more_bits`)."""
    eighth = n_layer // 8
    return layer < eighth or layer >= 7 * n_layer // 8 or (layer - eighth) % 3 == 2
