"""What can be wrong with a GGUF header, and the one answer that is not an error."""

from __future__ import annotations

from kdmgr.errors import Unreadable


class GgufError(Unreadable):
    """The bytes are not a GGUF header, or one that lies about itself."""


class NeedMoreBytes(Exception):
    """A prefix ended before the header did. `size` is how long the prefix must be, at the least."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the header goes on: {size} bytes are needed at the least")
        self.size = size
