"""Figures of what an audit found: class balance, and duplicates within and across splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from refer.reporting.audit import Audit, read_audit
from refer.reporting.figures.canvas import COLOURS, INK, canvas, described, heading
from refer.reporting.tables.table import stand_in_notice


def draw_classes(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw how the classes are distributed in each official split, from audit.json."""
    found = read_audit(audit)
    names = list(next(iter(found.classes.values())))
    title = f"Class balance of {described(found.dataset, found.stand_in)}"
    divided = "official splits" if found.pairs else "the owner made no splits"
    subtitle = f"{divided} · n = {found.images:,} images in all"
    with canvas(0.21 * len(names) + 0.65, title, subtitle, _notice(found), outputs) as figure:
        panels = figure.subplots(1, len(found.splits), sharey=True, sharex=True, squeeze=False)[0]
        for axes, split in zip(panels, found.splits, strict=True):
            counts = np.array([found.classes[split][name] for name in names])
            shares = 100 * counts / max(counts.sum(), 1)
            _bars(axes, dict(zip(names, shares, strict=True)),
                  [f"{count:,} ({share:.1f} %)" for count, share in zip(counts, shares, strict=True)])  # fmt: skip
            heading(axes, f"{split}, n = {counts.sum():,}" if found.pairs else "All images")
            axes.set_xlabel("share of the split (%)" if found.pairs else "share (%)")
        panels[0].invert_yaxis()
        panels[0].set_xlim(0, 1.5 * panels[0].get_xlim()[1])


def draw_audit(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw what the audit found: duplicates across splits, duplicates in all, conflicting labels, blanks."""
    found = read_audit(audit)
    title = f"What the audit of {described(found.dataset, found.stand_in)} found"
    near = " · near duplicates: one photograph, changed a little" if found.near else ""
    subtitle = f"n = {found.images:,} images · identical: every pixel is the same{near}"
    counts = _findings(found)
    with canvas(0.19 * len(counts) + 0.6, title, subtitle, _notice(found), outputs) as figure:
        if found.pairs:
            left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
            _crossings(left, found)
        else:
            right = figure.subplots()
        heading(right, "In the whole data set")
        colours = [COLOURS[1] if "near" in name else COLOURS[0] for name in counts]
        _bars(right, counts, [f"{count:,}" for count in counts.values()], colours)
        right.invert_yaxis()
        right.set_xlim(0, 1.15 * max(*counts.values(), 1))
        right.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        right.set_xlabel("count")


def _notice(audit: Audit) -> str:
    return stand_in_notice(audit.dataset) if audit.stand_in else ""


def _bars(axes: Axes, values: Mapping[str, float], texts: list[str], colours: list[str] | None = None) -> None:
    """Draw horizontal bars with what they say at their ends."""
    axes.bar_label(axes.barh(list(values), list(values.values()), height=0.66, color=colours or COLOURS[0]), texts,
                   padding=3, fontsize=6.5)  # fmt: skip
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _crossings(axes: Axes, audit: Audit) -> None:
    """Draw, as a small map, which images of a split also stand in an earlier one."""
    earlier, later = audit.splits[:-1], audit.splits[1:]
    shares, texts = np.full((len(later), len(earlier)), np.nan), np.full((len(later), len(earlier)), "", dtype=object)
    for a, b in audit.pairs:
        at, size = (later.index(b), earlier.index(a)), max(audit.size(b), 1)
        shares[at] = 100 * audit.also_in[b][a] / size
        texts[at] = f"{audit.also_in[b][a]:,} identical\n({shares[at]:.1f} %)"
        if audit.near:
            more = audit.near.also_in[b][a]
            texts[at] += f"\n{more:,} with near\n({100 * more / size:.1f} %)"
    top = 2 * max(np.nanmax(shares), 5.0)  # a few images are no alarm, however few splits there are
    sns.heatmap(shares, ax=axes, mask=np.isnan(shares), cmap="Oranges", vmin=0, vmax=top, cbar=False, annot=texts,
                fmt="", annot_kws={"fontsize": 6.5, "linespacing": 1.3, "color": INK}, linewidths=1,
                xticklabels=False, yticklabels=False)  # fmt: skip
    axes.set_xticks(np.arange(len(earlier)) + 0.5, [f"… are in {split}" for split in earlier])
    axes.set_yticks(np.arange(len(later)) + 0.5, [f"images of\n{split}" for split in later])
    axes.tick_params(length=0)
    heading(axes, "Images that also stand in another split")


def _findings(audit: Audit) -> dict[str, int]:
    """Return the counts of the whole data set."""
    counts = {
        "images in groups of identical ones": audit.images_in_groups,
        "surplus duplicates": audit.surplus,
        "groups of identical images": audit.groups,
        "groups that cross splits": audit.groups_across_splits,
        "groups with conflicting labels": audit.conflicting_groups,
    }
    if audit.near:
        counts |= {
            "images in groups with near duplicates": audit.near.images,
            "groups with near duplicates": audit.near.groups,
            "near groups that cross splits": audit.near.groups_across_splits,
            "near groups with different labels": audit.near.conflicting_groups,
        }
    counts["blank images"] = sum(audit.blanks.values())
    return {name: count for name, count in counts.items() if audit.pairs or "cross" not in name}
