"""How fast a prompt is read: bound by arithmetic, and known as a range only.

    tok/s = η · FP16 FLOP/s / (2 · active parameters)

η varies with the quant, the batch and the generation of the card more than decoding does: on CUDA with GDDR
its median is 0.81, its 10th percentile 0.28 and its 90th 1.11. The other families' medians are known and
their spread is not: theirs is taken to be as wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from kdmgr.fit.families import CUDA_GDDR, find_family
from kdmgr.fit.machine import Device
from kdmgr.fit.plan import DevicePlan, PromptSpeed
from kdmgr.gguf.shape import ModelShape

_MEDIAN, _P10, _P90 = 0.81, 0.28, 1.11


def predict_prompt_speed(shape: ModelShape, used: Sequence[tuple[Device, DevicePlan]]) -> PromptSpeed | None:
    """The range for a model wholly on the devices `used`; None where one device's arithmetic is not known."""
    active = active_parameters(shape)
    total = sum(planned.reads for _, planned in used)
    if active is None or not total:
        return None
    seconds = 0.0
    for device, planned in used:
        family = find_family(device)
        if family is None or family.prompt is None or device.fp16_flops is None:
            return None
        seconds += planned.reads / total * 2 * active / (family.prompt * device.fp16_flops)
    borrowed = "" if all(find_family(device) is CUDA_GDDR for device, _ in used) else ", spread as on CUDA"
    flops = " + ".join(f"{device.fp16_flops / 1e12:.4g}" for device, _ in used if device.fp16_flops)
    basis = f"{flops} FP16 TFLOPS of the GPU table{borrowed}"
    return PromptSpeed(_P10 / _MEDIAN / seconds, _P90 / _MEDIAN / seconds, basis)


def active_parameters(shape: ModelShape) -> int | None:
    """Parameters that one token is multiplied with, by the tensor table: of the experts those that are used.

    None where the output's size is not known.
    """
    if shape.n_vocab is None or shape.n_embd is None:
        return None
    used = shape.experts.n_expert_used / shape.experts.n_expert if shape.experts else 1.0
    kinds = [
        sum(int(prod(size) * (used if "_exps." in name else 1.0)) for name, size in kind.shapes.items())
        for kind in shape.layers.kinds
    ]
    return sum(kinds[kind] for kind in shape.layers.kind_of) + shape.n_vocab * shape.n_embd
