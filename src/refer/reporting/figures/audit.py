"""Figures of what an audit found: class balance, and copies within and across splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from refer.reporting.audit import Audit, read_audit
from refer.reporting.figures.canvas import COLOURS, canvas, described
from refer.reporting.tables.table import stand_in_notice


def draw_classes(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw how the classes are distributed in each official split, from audit.json."""
    _classes(read_audit(audit), [Path(path) for path in outputs])


def draw_audit(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw what stands where it should not: images that cross splits, copies, conflicting labels, blanks."""
    _audit(read_audit(audit), [Path(path) for path in outputs])


def _classes(audit: Audit, outputs: Sequence[Path]) -> None:
    names = list(next(iter(audit.classes.values())))
    title = f"Class balance of {described(audit.dataset, audit.stand_in)}"
    divided = "official splits" if audit.pairs else "the owner made no splits"
    subtitle = f"{divided} · n = {audit.images:,} images in all"
    notice = stand_in_notice(audit.dataset) if audit.stand_in else ""
    with canvas(0.21 * len(names) + 0.65, title, subtitle, notice, outputs) as (figure, _):
        grid = figure.subplots(1, len(audit.splits), sharey=True, sharex=True, squeeze=False)[0]
        for axes, split in zip(grid, audit.splits, strict=True):
            counts = np.array([audit.classes[split][name] for name in names])
            share = 100 * counts / max(counts.sum(), 1)
            axes.barh(range(len(names)), share, color=COLOURS[0], height=0.68)
            for place, (count, percent) in enumerate(zip(counts, share, strict=True)):
                axes.annotate(
                    f"{count:,} ({percent:.1f} %)", (percent, place), xytext=(3, 0), textcoords="offset points",
                    va="center", fontsize=6.5,
                )  # fmt: skip
            axes.set_title(f"{split}, n = {counts.sum():,}" if audit.pairs else "All images", zorder=0)
            axes.set_xlabel("share of the split (%)" if audit.pairs else "share (%)")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        grid[0].set_yticks(range(len(names)), names)
        grid[0].invert_yaxis()
        grid[0].set_xlim(0, 1.5 * grid[0].get_xlim()[1])


def _audit(audit: Audit, outputs: Sequence[Path]) -> None:
    title = f"What the audit of {described(audit.dataset, audit.stand_in)} found"
    near = " · near duplicates: one photograph, changed a little" if audit.near else ""
    subtitle = f"n = {audit.images:,} images · identical: every pixel is the same{near}"
    notice = stand_in_notice(audit.dataset) if audit.stand_in else ""
    bars = _findings(audit)
    with canvas(0.19 * len(bars) + 0.62, title, subtitle, notice, outputs) as (figure, _):
        if audit.pairs:
            left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
            _crossings(left, audit)
        else:
            right = figure.subplots()
        _bars(right, bars)


def _crossings(axes: Axes, audit: Audit) -> None:
    """Draw, as a small matrix, which images of a split also stand in an earlier one."""
    earlier, later = audit.splits[:-1], audit.splits[1:]
    axes.set_title("Images that also stand in another split", zorder=0)
    axes.set_xlim(-0.5, len(earlier) - 0.5)
    axes.set_ylim(len(later) - 0.5, -0.5)
    shares = {(a, b): audit.also_in[b][a] / max(audit.size(b), 1) for a, b in audit.pairs}
    top = max([*shares.values(), 0.05])  # a few images are no alarm, however few splits there are
    for (a, b), share in shares.items():
        x, y = earlier.index(a), later.index(b)
        shade = matplotlib.colormaps["Oranges"](0.08 + 0.42 * share / top)
        box = matplotlib.patches.Rectangle((x - 0.49, y - 0.48), 0.98, 0.96, facecolor=shade, edgecolor="none")
        axes.add_patch(box)
        axes.text(x, y - 0.2, f"{audit.also_in[b][a]:,}", ha="center", va="center", fontsize=10, fontweight="bold")
        told = f"{100 * share:.1f} % of {b}"
        if audit.near:
            more = audit.near.also_in[b][a]
            told += f"\nwith near duplicates\n{more:,} ({100 * more / max(audit.size(b), 1):.1f} %)"
        axes.text(x, y - 0.05, told, ha="center", va="top", fontsize=6.5, linespacing=1.3)
    axes.set_xticks(range(len(earlier)), [f"… are in {split}" for split in earlier])
    axes.set_yticks(range(len(later)), [f"images of\n{split}" for split in later])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _findings(audit: Audit) -> dict[str, int]:
    """Return the counts of the whole data set."""
    bars = {
        "images in groups of identical ones": audit.images_in_groups,
        "surplus copies": audit.surplus,
        "groups of identical images": audit.groups,
        "groups that cross splits": audit.groups_across_splits,
        "groups with conflicting labels": audit.conflicting_groups,
    }
    if audit.near:
        bars["images in groups with near duplicates"] = audit.near.images
        bars["groups with near duplicates"] = audit.near.groups
        bars["near groups that cross splits"] = audit.near.groups_across_splits
        bars["near groups with different labels"] = audit.near.conflicting_groups
    bars["blank images"] = sum(audit.blanks.values())
    return {name: count for name, count in bars.items() if audit.pairs or "cross" not in name}


def _bars(axes: Axes, bars: Mapping[str, int]) -> None:
    """Draw counts as bars with their numbers."""
    axes.set_title("In the whole data set", zorder=0)
    colours = [COLOURS[1] if "near" in name else COLOURS[0] for name in bars]
    axes.barh(list(bars), list(bars.values()), color=colours, height=0.66)
    for place, count in enumerate(bars.values()):
        axes.annotate(f"{count:,}", (count, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(*bars.values(), 1))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("count")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
