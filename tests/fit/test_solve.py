"""Questions asked backwards, each answer checked by planning it."""

from __future__ import annotations

from dataclasses import replace

from kdmgr.fit.machine import Machine
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Verdict
from kdmgr.fit.solve import fewest_devices, finest_cache, least_to_unload, smallest_device, try_options, whole_on
from tests.support.machines import GIB, gpu, machine
from tests.support.shapes import shape

LLAMA = "llama-3.1-8b"
BIG = "llama-3.3-70b"


def test_the_finest_cache_type_that_does_it_is_named() -> None:
    """At 32k the f16 cache of 4 GiB is too much for 8.5 GiB; q8_0 is enough, so that nothing coarser is named."""
    on, options = machine(gpu(8.5)), RunOptions(n_ctx=32768)
    assert try_options(shape(LLAMA), on, options).verdict is Verdict.PARTIAL
    found = finest_cache(shape(LLAMA), on, options, Verdict.FITS)
    assert found is not None
    name, judgement = found
    assert name == "q8_0"
    assert judgement.verdict is Verdict.FITS
    tighter = finest_cache(shape(LLAMA), machine(gpu(8)), options, Verdict.FITS)
    assert tighter is not None
    assert tighter[0] == "q5_1"
    assert finest_cache(shape(LLAMA), machine(gpu(4)), options, Verdict.FITS) is None
    assert finest_cache(shape(LLAMA), on, replace(options, type_k="q8_0"), Verdict.FITS) is None


def test_the_smallest_card_that_holds_it_is_found() -> None:
    cards = [replace(gpu(size), name=f"{size} GiB") for size in (24, 6, 8, 80, 12)]
    card = smallest_device(shape(LLAMA), machine(), RunOptions(n_ctx=8192), cards)
    assert card is not None
    assert card.name == "8 GiB"
    for smaller in (each for each in cards if each.free_bytes < card.free_bytes):
        alone = Machine((smaller,), machine().host)
        assert try_options(shape(LLAMA), alone, RunOptions(n_ctx=8192)).verdict is not Verdict.FITS
    assert smallest_device(shape("llama-3.3-70b"), machine(), RunOptions(n_ctx=8192), cards[:3]) is None


def test_as_little_as_possible_is_unloaded() -> None:
    on = machine(gpu(3, total_gib=12))
    loaded = [("large", 6 * GIB), ("small", 1 * GIB), ("enough", 4 * GIB)]
    chosen = least_to_unload(shape(LLAMA), on, RunOptions(n_ctx=4096), loaded)
    assert chosen == (("enough", 4 * GIB),)
    two = least_to_unload(shape(LLAMA), on, RunOptions(n_ctx=4096), [("a", 2 * GIB), ("b", 2 * GIB), ("c", GIB)])
    assert two == (("a", 2 * GIB), ("b", 2 * GIB))
    assert least_to_unload(shape("llama-3.3-70b"), on, RunOptions(n_ctx=4096), loaded) is None
    assert least_to_unload(shape(LLAMA), machine(), RunOptions(n_ctx=4096), loaded) is None


def test_the_fewest_cards_that_hold_a_large_model_are_counted() -> None:
    card, options = gpu(24), RunOptions(n_ctx=8192)
    whole = whole_on(shape(BIG), machine(), options, card)
    count = fewest_devices(shape(BIG), options, card, whole)
    assert count == 2
    for cards, fits in ((count, True), (count - 1, False)):
        together = machine(*(replace(card, index=index) for index in range(cards)))
        judged = try_options(shape(BIG), together, replace(options, n_gpu_layers=shape(BIG).n_layer + 1))
        assert (judged.verdict is Verdict.FITS) is fits
    assert fewest_devices(shape(BIG), options, card, whole, most=1) is None


def test_a_card_too_small_for_the_scratch_memory_alone_never_does() -> None:
    card, options = gpu(1.1), RunOptions(n_ctx=8192)
    assert fewest_devices(shape(BIG), options, card, whole_on(shape(BIG), machine(), options, card)) is None
