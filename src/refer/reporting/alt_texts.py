"""What is seen in a figure, in words, for those who cannot see it: its signs, and the numbers that it is drawn for."""

from __future__ import annotations

from collections.abc import Sequence

from refer.reporting.audit import Audit
from refer.reporting.comparison import Comparison
from refer.reporting.names import in_figures
from refer.reporting.results import Row
from refer.reporting.tables.table import dataset_name, several, signed, stated, thousands

INTERVALS = "Dots on bars, the 95 % intervals"


def of_comparison(kind: str, comparison: Comparison, stem: str) -> str:
    """Return what a figure of one paper on one data set shows.

    Args:
        kind: of figure, as in `refer.reporting.page.KINDS`.
        comparison: what is known of the paper on the data set.
        stem: of the figure's file, `<paper>.<data>[.<protocol>[.<method>[.<part>]]]`.
    """
    paper, protocol, method, part = comparison.paper, *_told(comparison, stem)
    of = f"{paper.id} on {_data(comparison)}" + (f", {protocol} protocol" if protocol else "")
    if kind == "forest":
        return f"{INTERVALS}: accuracy of each method of {of}. {_accuracies(comparison)}"
    if kind == "pairs":
        return f"A grid of all pairs of methods of {of}: points of accuracy between them. {_accuracies(comparison)}"
    if kind == "curves":
        return (
            f"Lines, one a method: loss and accuracy by epoch, training beside validation, {of}. {_epochs(comparison)}"
        )
    if kind == "confusion" and method and part:
        name = f"{in_figures(paper, method)} on {comparison.splits.get(part, part)}"
        return f"Grids of true by predicted class: {name}, {of}. {_recalls(comparison, protocol, method, part)}"
    if kind == "composed":
        return f"Drawn faces, their masks, and the pictures that {of} is trained on: faces put on backgrounds."
    if kind == "representations":
        return f"Points, one a test image, coloured by class: how the networks of {of} arrange the images on a plane."
    if kind == "attention":
        return f"Test images beside maps of where the networks of {of} look: the lighter, the more weight."
    return f"Figure of {of}."


def of_audit(kind: str, audit: Audit) -> str:
    """Return what a figure of a data set's audit shows; `kind` as in `of_comparison`."""
    of = f"{'a drawn stand-in for ' if audit.stand_in else ''}{dataset_name(audit.dataset)}"
    if kind == "audit":
        near = f"; {thousands(audit.near.pairs)} pairs of near duplicates" if audit.near else ""
        what = "the audit found to be duplicates, with conflicting labels, or blank"
        return f"Bars: how many of {several(audit.images, 'image')} of {of} {what}{near}."
    if kind == "classes":
        return f"Bars: how many images of each class the splits of {of} have, and which share that is."
    if kind == "sheets":
        return f"A sheet of images of {of}: a row a class."
    return f"Pairs of images of {of} that the audit takes for duplicates or near duplicates, side by side."


def of_verdicts(found: Sequence[Row]) -> str:
    """Return what the overview shows, from the rows of the table of verdicts."""
    run = [row for row in found if row["mean"] is not None]
    text = "Diamonds, the reported numbers, beside dots on bars, what came out with its 95 % interval"
    if not run:
        return f"{text}: nothing was run."
    told = [
        f"{row['paper']} on {dataset_name(row['dataset'])}, {row['label']}, {row['protocol']}: reported "
        f"{stated(row['reported'])}, here {row['mean']:.1f}"
        for row in run[:3]
    ]
    more = f"; and {several(len(run) - 3, 'other row')}" if len(run) > 3 else ""
    return f"{text}. {'; '.join(told)}{more}."


def of_ranking(ranked: Sequence[Row]) -> str:
    """Return what the ranking shows, from the rows of its table, the best first."""
    ends = [f"{row['label']} ({row['paper']}) with {row['mean']:.1f} %" for row in (*ranked[:1], *ranked[-1:])]
    text = f"{INTERVALS}: accuracy of {several(len(ranked), 'method')}"
    return f"{text}, from {ends[0]} to {ends[1]}." if ends else f"{text}."


def of_options(rows: Sequence[Row]) -> str:
    """Return what the figure of sensitivity shows, from the rows of its table."""
    run = [row for row in rows if row.get("difference") is not None]
    text = f"{INTERVALS}: by how many points of accuracy {several(len(run), 'option')} differ from the paper's choice"
    if not run:
        return f"{text}."
    largest = max(run, key=lambda row: abs(row["difference"]))
    return f"{text}; the largest difference is {signed(largest['difference'])}."


def _told(comparison: Comparison, stem: str) -> list[str]:
    """Return protocol, method and part as a file's name has them, each empty where it has none."""
    names = stem.removeprefix(f"{comparison.paper.id}.{comparison.data}").strip(".").split(".")
    return [*names, "", "", ""][:3]


def _data(comparison: Comparison) -> str:
    name = dataset_name(comparison.dataset)
    return f"a drawn stand-in for {name}" if comparison.banner else name


def _accuracies(comparison: Comparison) -> str:
    """Return the highest and the lowest accuracy on the test set, under each protocol, and what is reported."""
    said = []
    for protocol in comparison.protocols:
        rows = [
            row
            for row in comparison.accuracies
            if row["protocol"] == protocol and row["part"] == comparison.test and row["mean"] is not None
        ]
        if rows:
            low, high = (pick(rows, key=lambda row: row["mean"]) for pick in (min, max))
            ends = f"{high['mean']:.1f} % ({high['label']})"
            ends += f" down to {low['mean']:.1f} % ({low['label']})" if low is not high else ""
            said.append(f"{protocol}: {ends}")
    split = comparison.paper.parts[comparison.dataset].get(comparison.test, comparison.test)
    return f"On {split}, {'; '.join(said)}." if said else ""


def _epochs(comparison: Comparison) -> str:
    counts = sorted({record["epochs"] for record in comparison.records_of() if record["epochs"]})
    ends = " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]]))) if counts else "0"
    return f"{ends} epochs."


def _recalls(comparison: Comparison, protocol: str, method: str, part: str) -> str:
    """Return which class is recognised most often and which least."""
    rows = comparison.of("method", "mean", protocol=protocol, method=method, part=part)
    found = {
        row["metric"].partition(":")[2]: row["value"]
        for row in rows
        if row["metric"].startswith("recall:") and row["value"] is not None
    }
    if not found:
        return ""
    best, worst = max(found, key=lambda name: found[name]), min(found, key=lambda name: found[name])
    return f"Most often recognised: {best} ({found[best]:.1f} %); least often: {worst} ({found[worst]:.1f} %)."
