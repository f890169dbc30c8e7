"""What an output's name asks for, and how counts and long names are written in a figure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from refer.errors import UserError

if TYPE_CHECKING:
    from refer.spec import Paper

NETWORKS = ("network.backbone", "network.first", "network.second", "network.encoder")
"""Keys of a paper's file that name a network."""
LONG = 48
"""Letters of a name that a figure has room for."""


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


def as_run(paper: Paper, method: str) -> str:
    """Return a method's name, with the networks that ran where a configuration puts others in their place.

    "ResNet18" becomes "compact-resnet8 in place of ResNet18" where `paper.departures` says that this backbone
    was replaced. Where the name does not name the network, both follow it in brackets.
    """
    label = paper.methods[method].label
    swaps: dict[str, str] = {}
    for key, told in paper.departures.items():
        place = key.removeprefix(f"methods.{method}.")
        new, was, old = told.partition(" (was: ")
        if was and place in NETWORKS:
            swaps[old.removesuffix(")")] = new
    named: list[str] = []
    for old, new in swaps.items():
        if found := _named(old, label) or _named(old.partition("-")[0], label):
            named.append(found.group())
            label = label[: found.start()] + new + label[found.end() :]
    if named:
        return f"{label} in place of {' + '.join(named)}"
    return f"{label} ({' + '.join(swaps.values())} in place of {' + '.join(swaps)})" if swaps else label


def brief(label: str) -> str:
    """Return a name of `as_run` for a figure: the network that ran, without the one in whose place it stands."""
    name = re.sub(r" in place of [^)]*", "", label)
    return re.sub(r"(\(\w+)\S* \+ [^)]*\)$", r"\1 …)", name) if len(name) > LONG else name


def in_figures(paper: Paper, method: str) -> str:
    """Return a method's name for a figure, by the network that ran."""
    return brief(as_run(paper, method))


def _named(network: str, label: str) -> re.Match[str] | None:
    """Find a network's name in a method's, whatever its case and hyphens: resnet18 in ResNet-18."""
    letters = "[- ]?".join(map(re.escape, network.replace("-", "")))
    return re.search(rf"(?<!\w){letters}(?!\w)", label, re.IGNORECASE)
