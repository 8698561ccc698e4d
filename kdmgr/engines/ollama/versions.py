"""What a server's version says about how it runs models."""

from __future__ import annotations

_ERAS = (
    ((0, 30, 0), "C", "models run in llama-server"),
    ((0, 11, 11), "B2", "models run in its own engine"),
    ((0, 11, 5), "B1", "models run in its own engine"),
    ((0, 0, 1), "A", "memory is estimated, not measured"),
)


def era(version: str | None) -> str | None:
    """ "A" up to 0.11.4, "B1" up to 0.11.10, "B2" up to 0.24, "C" from 0.30; None for a build without a version."""
    found = _find(version)
    return found[0] if found else None


def describe(version: str | None) -> str:
    """`0.24.0 (era B2: models run in its own engine)`."""
    found = _find(version)
    if not version or version == "0.0.0":
        return "a build without a version, of an unknown era"
    return f"{version} (era {found[0]}: {found[1]})" if found else version


def _find(version: str | None) -> tuple[str, str] | None:
    numbers = _numbers(version or "")
    return next(((name, words) for since, name, words in _ERAS if numbers and numbers >= since), None)


def _numbers(version: str) -> tuple[int, ...] | None:
    """The three numbers in front; a release candidate counts as its release."""
    parts = version.lstrip("v").partition("-")[0].partition("+")[0].split(".")
    if len(parts) < 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return None
    return tuple(int(part) for part in parts[:3])
