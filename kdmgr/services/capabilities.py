"""What a model can be asked for, found as Ollama finds it (server/images.go, Capabilities)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader


def find_capabilities(header: GgufHeader, template: str | None, *, has_projector: bool) -> tuple[str, ...]:
    """In Ollama's words and order. Those that a template gives are guessed from the names it uses."""
    architecture = header.text("general.architecture") or ""
    template = template or ""
    embeds = f"{architecture}.pooling_type" in header.metadata
    tests = {
        "embedding": embeds,
        "completion": not embeds,
        "vision": has_projector or f"{architecture}.vision.block_count" in header.metadata,
        "audio": f"{architecture}.audio.block_count" in header.metadata,
        "tools": ".Tools" in template or "tools" in template,
        "insert": ".Suffix" in template,
        "thinking": ".Thinking" in template or "<think>" in template or "reasoning_content" in template,
    }
    return tuple(name for name, has_it in tests.items() if has_it)
