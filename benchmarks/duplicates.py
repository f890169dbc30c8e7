"""What duplicates between training and test images are worth, for docs/verdicts.md: three measurements.

    python benchmarks/duplicates.py [--released results/fer2013] [--retrained results/duplicates] [--figure FILE]

It needs predictions and the list of images that is released with them, and no data. Of the released networks it prints
by how much duplicates inflate the accuracy, class by class, and how often the label of a training twin is predicted. Of
the networks of presets/duplicates.yaml it prints how accurate they are on test images with and without a twin, trained
without these twins and without as many other images, and draws it (--figure).

A twin is a training image in the same group of near duplicates as a test image; a test image can have several.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refer.datasets.image_list import read_image_list
from refer.errors import UserError
from refer.evaluation.duplicates import standardised_gain, twin_effects
from refer.evaluation.intervals import accuracy_interval
from refer.evaluation.paired import paired_difference
from refer.evaluation.predictions import Predictions, read_all
from refer.reporting.figures.canvas import COLOURS, INK, MARKERS, canvas, heading, key
from refer.reporting.figures.intervals import LINE_HEIGHT, column, dots, limits, lines, title_of_column
from refer.reporting.tables.table import several

WITH, WITHOUT = "compact-without-others", "compact-without-twins"
ARMS = {WITH: "with twins in training", WITHOUT: "without twins in training"}
GROUPS = ("twin of the same label", "twin of another label", "no twin", "all test images")
RELEASED = (
    ("peers", "compact-ten-crop", "peers, small CNN, ten crops"),
    ("peers", "wide-ten-crop", "peers, small CNN, 40 wide, ten crops"),
    ("khalid2025", "full", "khalid2025, both attentions"),
    ("naseem2025", "visible", "naseem2025, visible light"),
    ("tran2023", "attention-r18-r34", "tran2023, fusion attention, ResNet18 + ResNet34"),
)


def twins_of(results: Path) -> dict[str, frozenset[int]]:
    """Return, for each of FER2013's images, the labels of its twins."""
    listed = read_image_list(results / "data/fer2013/images.parquet")
    return dict(zip(listed.id.tolist(), listed.twins, strict=True))


def runs_of(results: Path, paper: str, method: str, protocol: str) -> list[Predictions]:
    """Read all seeds of a method."""
    found = sorted(results.glob(f"runs/{paper}/*/{protocol}/{method}/seed*/predictions.parquet"))
    if not found:
        raise UserError(f"{results}: found no predictions of {paper}'s {method} under the {protocol} protocol.")
    return read_all(found)


def answers(
    runs: Sequence[Predictions], parts: Sequence[str]
) -> tuple[NDArray[np.int64], Predictions, NDArray[np.bool_]]:
    """Return predicted classes (seeds, images) on some splits, a run for the images' facts, and which of its rows."""
    rows = np.isin(runs[0].part, parts)
    return np.array([run.probabilities.argmax(axis=1)[rows] for run in runs]), runs[0], rows


def of_released(results: Path, twins: dict[str, frozenset[int]]) -> None:
    """Print what is known of networks that were trained with the twins."""
    gains, effects = [], []
    for paper, method, name in RELEASED:
        runs = runs_of(results, paper, method, "audited")
        predicted, one, rows = answers(runs, ["private"])
        kept, label = np.array([not twins[each] for each in one.ids[rows]]), one.label[rows]
        hits = predicted == label
        gain = standardised_gain(hits, label, kept)
        plain = 100 * (hits.mean() - hits[:, kept].mean())
        gains.append(f"| {name} | {len(runs)} | {signed(plain, 2)} | {points(gain)} |")
        predicted, one, rows = answers(runs, ["public", "private"])
        found = twin_effects(predicted, one.label[rows], [twins[each] for each in one.ids[rows]])
        share = f"{100 * found.misled.value:.0f} % ({100 * found.misled.low:.0f} to {100 * found.misled.high:.0f})"
        told = [name, len(runs), points(found.same), points(found.other), share, f"{100 * found.expected:.0f} %"]
        effects.append(f"| {' | '.join(map(str, told))} |")
    print(f"PrivateTest: {kept.sum():,} of {len(kept):,} images have no twin in training.\n")
    print("| | seeds | plain difference | standardised |\n|---|---|---|---|", *gains, sep="\n")
    same, other = found.same.n, found.other.n
    print(f"\nPublicTest and PrivateTest: {same:,} images with a twin of the same label, {other:,} of another.")
    print("\n| | seeds | same label | another label | twin's label predicted | without a twin |")
    print("|---|---|---|---|---|---|", *effects, sep="\n")


def points(found: Sequence[float]) -> str:
    """Return an estimate and its interval, which are fractions, in points."""
    value, low, high = (signed(100 * each) for each in found[:3])
    return f"{value} ({low} to {high})"


def signed(value: float, decimals: int = 1) -> str:
    """Return a number with its sign."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def of_retrained(results: Path, twins: dict[str, frozenset[int]]) -> pd.DataFrame:
    """Return both networks' accuracies on each group of PrivateTest, and their differences, in percent and points."""
    arms = {arm: answers(runs_of(results, "peers", arm, "published"), ["private"]) for arm in (WITH, WITHOUT)}
    _, one, rows = arms[WITH]
    label = one.label[rows]
    mine = [twins[each] for each in one.ids[rows]]
    same = np.array([each == {own} for each, own in zip(mine, label.tolist(), strict=True)])
    other = np.array([bool(each) and own not in each for each, own in zip(mine, label.tolist(), strict=True)])
    alone = np.array([not each for each in mine])
    table = []
    for group, which in zip(GROUPS, (same, other, alone, np.ones_like(alone)), strict=True):
        hits = {arm: (predicted == label)[:, which] for arm, (predicted, *_) in arms.items()}
        for arm, each in hits.items():
            low, high, _ = accuracy_interval(each)
            table.append({"group": group, "arm": arm, "n": which.sum(), "mean": each.mean(), "low": low, "high": high})
        found = paired_difference(hits[WITHOUT], hits[WITH])
        table.append({"group": group, "arm": "difference", "n": which.sum(),
                      "mean": found.difference, "low": found.low, "high": found.high})  # fmt: skip
    frame = pd.DataFrame(table).assign(seeds=len(arms[WITH][0]))
    return frame.assign(**{name: 100 * frame[name] for name in ("mean", "low", "high")})


def as_text(found: pd.DataFrame) -> str:
    """Return the table in Markdown."""
    rows = ["| images of PrivateTest | n | with twins | without twins | difference |", "|---|---|---|---|---|"]
    for group, mine in found.groupby("group", sort=False):
        told = mine.set_index("arm")
        cells = [f"{told['mean'][arm]:.1f} ({told['low'][arm]:.1f} to {told['high'][arm]:.1f})" for arm in ARMS]
        gain = told.loc["difference", ["mean", "low", "high"]] / 100
        rows.append(f"| {group} | {mine['n'].iloc[0]:,} | {' | '.join(cells)} | {points(tuple(gain))} |")
    return "\n".join(rows)


def draw(found: pd.DataFrame, outputs: Sequence[Path]) -> None:
    """Draw the accuracies of both networks on each group, and beside them their differences."""
    title = "What duplicates are worth: one small network, with and without twins"
    told = " · ".join([
        f"FER2013, PrivateTest · means over {several(found['seeds'].iloc[0], 'seed')}, one crop",
        "bars: 95 % intervals over images and seeds",
        "all images as released, the epoch chosen on PublicTest",
        "both learn from equally many images of each class",
        "images with twins of several labels are in the last line alone",
    ])  # fmt: skip
    groups = list(dict.fromkeys(found["group"]))
    labels = {3.0 * at + 0.5: f"{group} (n = {found.loc[found['group'] == group, 'n'].iloc[0]:,})"
              for at, group in enumerate(groups)}  # fmt: skip
    count = 3 * len(groups) - 1
    with canvas(LINE_HEIGHT * count + 0.8, title, told, "", outputs) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        accuracies, gains = found[found["arm"] != "difference"], found[found["arm"] == "difference"]
        left.set_xlim(limits(accuracies))
        right.set_xlim(limits(gains, 0.0))
        for shift, (arm, colour, marker) in enumerate(zip(ARMS, COLOURS, MARKERS, strict=False)):
            dots(left, 3.0 * np.arange(len(groups)) + shift, found[found["arm"] == arm], colour, marker)
        dots(right, list(labels), gains, INK)
        lines(left, labels, count)
        lines(right, labels, count)
        right.tick_params(axis="y", labelleft=False)
        right.axvline(0, color=INK, linewidth=0.8)
        texts = [
            points((mean / 100, low / 100, high / 100)) for mean, low, high in gains[["mean", "low", "high"]].values
        ]
        column(right, 6, dict(zip(labels, texts, strict=True)))
        title_of_column(right, 6, -0.6, "points (95 %)")
        heading(left, "Accuracy")
        heading(right, "Gain from twins in training")
        left.set_xlabel("accuracy (%)")
        right.set_xlabel("difference (points)")
        signs = [left.plot([], [], color=colour, marker=marker, label=ARMS[arm])[0]
                 for arm, colour, marker in zip(ARMS, COLOURS, MARKERS, strict=False)]  # fmt: skip
        key(figure, signs)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", type=Path, help="folder of results whose networks were trained with the twins")
    parser.add_argument("--retrained", type=Path, help="folder of results of presets/duplicates.yaml")
    parser.add_argument("--figure", type=Path, action="append", default=[], help=".png or .svg of the second")
    told = parser.parse_args()
    if told.released:
        of_released(told.released, twins_of(told.released))
    if told.retrained:
        found = of_retrained(told.retrained, twins_of(told.retrained))
        print("", as_text(found), sep="\n")
        if told.figure:
            draw(found, told.figure)


if __name__ == "__main__":
    main()
