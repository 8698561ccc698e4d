"""Plain text tables, and the statistics that go into them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Pair:
    """One size as planned and as the engine allocates it, in MiB."""

    name: str
    planned: float
    real: float

    @property
    def error(self) -> float:
        """MiB too much; negative for too little."""
        return self.planned - self.real

    @property
    def share(self) -> float:
        """The error as a share of the real size; of 1 MiB where that is smaller."""
        return self.error / max(self.real, 1.0)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A title, and columns as wide as their widest cell: the first to the left, the others to the right."""
    cells = [list(columns), *map(list, rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    print(f"\n{title}\n")
    for number, row in enumerate(cells):
        aligned = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        aligned[0] = row[0].ljust(widths[0])
        print("  ".join(aligned).rstrip())
        if not number:
            print("  ".join("-" * width for width in widths))


SUMMARY = ("component", "compared", "within 1 MiB", "within 1 %", "median error", "90 %", "worst", "in MiB", "where")


def summarise(component: str, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The row of one component under `SUMMARY`: how many, how near, and where it is worst."""
    if not pairs:
        return (component, "0", *["—"] * (len(SUMMARY) - 2))
    shares = sorted(abs(pair.share) for pair in pairs)
    worst = max(pairs, key=lambda pair: abs(pair.share))
    near = sum(abs(pair.error) <= 1 for pair in pairs)
    close = sum(abs(pair.share) <= 0.01 or abs(pair.error) < 0.01 for pair in pairs)
    return (
        component,
        str(len(pairs)),
        f"{near / len(pairs):.1%}",
        f"{close / len(pairs):.1%}",
        f"{statistics.median(shares):.2%}",
        f"{shares[int(0.9 * (len(shares) - 1))]:.2%}",
        f"{worst.share:+.2%}",
        f"{worst.error:+.1f}",
        worst.name,
    )


def beside(pairs: Sequence[Pair]) -> str:
    """The median of planned over real, and the worst of them: "1.000 (0.987)"."""
    ratios = [pair.planned / pair.real for pair in pairs if pair.real >= 1]
    if not ratios:
        return "—"
    worst = max(ratios, key=lambda ratio: abs(ratio - 1))
    return f"{statistics.median(ratios):.3f} ({worst:.3f})"


def mib(size: float | None) -> str:
    """Bytes as MiB; "—" where they are not known."""
    return "—" if size is None else f"{size / MIB:.1f}"
