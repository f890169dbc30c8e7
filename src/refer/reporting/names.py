"""What an output's name asks for, and how counts and long names are written in a figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from refer.errors import UserError


def by_stem(outputs: Iterable[str | Path], fields: int, paper: str) -> Iterator[tuple[list[str], list[Path]]]:
    """Group output paths that differ only in their suffix; yield the fields of the name with the paths."""
    stems: dict[str, list[Path]] = {}
    for path in map(Path, outputs):
        stems.setdefault(path.stem, []).append(path)
    for stem, paths in stems.items():
        names = stem.split(".")
        if len(names) != fields or names[0] != paper:
            raise UserError(
                f"{paths[0]}: cannot tell from this name what to draw; expected {fields} names joined by dots, "
                f"beginning with {paper}."
            )
        yield names, paths


def span(counts: Iterable[int]) -> str:
    """Return a count that all share, or the least and the most; nothing of no counts."""
    found = sorted(set(counts))
    return " to ".join(f"{count:,}" for count in dict.fromkeys(found[:1] + found[-1:]))


def short(names: Sequence[str]) -> list[str]:
    """Return class names cut to what has room beside a matrix."""
    return [name if len(name) <= 14 else f"{name[:13]}…" for name in names]


def measure(metric: str) -> str:
    """Return what a metric is called, e.g. `Macro F1 of means` for macro_f1_of_means."""
    words = metric.replace("_", " ").replace("f1", "F1")
    return words[0].upper() + words[1:]


def listing(words: Iterable[str]) -> str:
    """Return words as a sentence lists them: a, b and c."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last
