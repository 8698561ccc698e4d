"""How the screens look: each scene in two sizes and two themes, against what was looked at and found good.

`KDMGR_UPDATE_LOOKS=1` writes the files in `looks/` anew: look at the pictures before you keep them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdmgr.tui.themes import DARK, LIGHT
from tests.tui.looking import Look, settled_look, write_looks
from tests.tui.scenes import SCENES, play

LOOKS = Path(__file__).parent / "looks"
SIZES = (120, 36), (80, 24)
UPDATE = bool(os.environ.get("KDMGR_UPDATE_LOOKS"))


@pytest.mark.parametrize("name", SCENES)
async def test_looks_as_it_did(name: str) -> None:
    looks: dict[tuple[int, str], Look] = {}
    async with play(SCENES[name], SIZES[0], DARK) as on:
        for size in SIZES:
            await on.resize(*size)
            for theme in (DARK, LIGHT):
                await on.wear(theme)
                looks[size[0], theme] = await settled_look(on.pilot)
    path = LOOKS / f"{name}.txt"
    text = write_looks(looks)
    if UPDATE:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_look_has_its_scene() -> None:
    assert {path.stem for path in LOOKS.glob("*.txt")} == set(SCENES)
