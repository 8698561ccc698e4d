"""The pictures of one conversation: read once, and sent again with every question after theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.services.images import read_picture

if TYPE_CHECKING:
    from kdmgr.history.chat_records import ImageRecord


class PictureBook:
    """Contents by digest: a file that changes after it was sent is another picture."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    async def add(self, image: ImageRecord) -> ImageRecord:
        """One that goes along with a new question, as it is now; raises where it cannot be read."""
        if image.digest in self._contents:
            return image
        picture = await asyncio.to_thread(read_picture, image.path)
        self._contents[picture.record.digest or ""] = picture.content
        return picture.record

    async def fetch(self, images: Iterable[ImageRecord], *, seen: bool) -> tuple[str, ...]:
        """Those of earlier questions. What cannot be sent again is left out, and said."""
        left_out: dict[str, None] = {}
        for image in images:
            if image.digest not in self._contents and (why := await self._why_not(image, seen=seen)) is not None:
                left_out[f"{Path(image.path).name} of an earlier question is left out: {why}"] = None
        return tuple(left_out)

    def contents(self, images: Iterable[ImageRecord]) -> tuple[bytes, ...]:
        """The bytes of those that were read."""
        return tuple(self._contents[image.digest] for image in images if image.digest in self._contents)

    async def _why_not(self, image: ImageRecord, *, seen: bool) -> str | None:
        """Read it, if that can be; the reason if not."""
        if not seen:
            return "this model sees no pictures here"
        try:
            now = await self.add(image)
        except KdmgrError as error:
            return error.message
        return None if image.digest == now.digest else "the file is not the same any more"
