"""Figures of what networks make of images: where they look (drawn faces only), and how classes lie to each other."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from sklearn.decomposition import PCA

from refer.errors import UserError
from refer.files import seal
from refer.reporting.canvas import COLOURS, INK, MARKERS, SOFT, WIDTH, canvas, described
from refer.reporting.evidence import Paper
from refer.reporting.tables import stand_in_notice

CLASS_COLOURS = (*COLOURS, "#8c8c8c")
CLASS_MARKERS = (*MARKERS, "*", "<")
"""One more of each, for data sets of eight classes; beyond that a pair of both still tells classes apart."""
MAP, WEIGHT = "viridis", "Oranges"
MEAN: Mapping[str, Any] = {"markersize": 6.5, "markeredgecolor": INK, "markeredgewidth": 0.9, "zorder": 5}
LEAST = 5
"""Points, for their covariance to be drawn."""
DIGITS = 4
"""Decimals of projected coordinates: what lies beyond differs from one processor to another."""


@dataclass(frozen=True)
class Explained:
    """The content of one explanations.safetensors: `about` is its metadata, `tensors` as `explanations` lists them."""

    path: Path
    about: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]

    @property
    def cell(self) -> tuple[str, str, str]:
        """Data, protocol and method."""
        return self.about["data"], self.about["protocol"], self.about["method"]

    @property
    def has_examples(self) -> bool:
        """Whether it holds drawn faces and what the network made of them."""
        return "examples/input" in self.tensors


@dataclass(frozen=True)
class Plane:
    """A representation seen from where its classes lie furthest apart.

    `points` (n, 2) and `means` (K, 2) are coordinates in units of the representation; `held` is the share (0..1)
    of the variance of the class means, of the points, and of the points along each of the two axes.
    """

    points: NDArray[np.float64]
    means: NDArray[np.float64]
    held_means: float
    held_points: float
    held_axes: tuple[float, float]


def draw_explained(
    paper: Paper, files: Iterable[str | Path], representations: str | Path, attention: str | Path
) -> None:
    """Draw the explanations of one paper on one data set, as .svg and .png, into two folders.

    `representations` gets `<paper>.<data>.<protocol>`, a panel a method; `attention` gets, for each file with
    examples, `<paper>.<data>.<protocol>.<method>`, and stays empty for real data. Of several runs of a method that
    of the lowest seed and fold is drawn.

    Args:
        paper: gives the labels of methods and parts.
        files: explanations.safetensors of the runs; those of other papers are ignored.
        representations: a folder, made if need be.
        attention: another.

    Raises:
        UserError: a file is damaged, or there is none of the paper.
    """
    first: dict[tuple[str, str, str], Explained] = {}
    for each in sorted(map(read_explained, files), key=lambda one: (one.about["seed"], one.about["fold"] or 0)):
        if each.about["paper"] == paper.id:
            first.setdefault(each.cell, each)
    if not first:
        raise UserError(f"{representations}: no explanations of {paper.id} were given; explain at least one run.")
    order = list(paper.methods)
    chosen = sorted(first.values(), key=lambda one: (*one.cell[:2], order.index(one.cell[2])))
    for folder in (representations, attention):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for data, protocol in dict.fromkeys(one.cell[:2] for one in chosen):
        mine = [one for one in chosen if one.cell[:2] == (data, protocol)]
        draw_representations(paper, mine, _both(representations, paper.id, data, protocol))
    for one in chosen:
        if one.has_examples:
            draw_attention(paper, one, _both(attention, paper.id, *one.cell))


def read_explained(path: str | Path) -> Explained:
    """Read one explanations.safetensors.

    Raises:
        UserError: the file is damaged or was not written by this project.
    """
    try:
        with safe_open(path, framework="numpy") as handle:
            about = json.loads(handle.metadata()["refer"])
            tensors = {key: handle.get_tensor(key) for key in sorted(handle.keys())}
        content = ((name, np.ascontiguousarray(value).reshape(-1).view(np.uint8)) for name, value in tensors.items())
        stated, shapes = about.pop("seal", None), {name: list(value.shape) for name, value in tensors.items()}
        if stated is not None and stated != seal(content, {**about, "shapes": shapes}):
            raise ValueError("its content is not what its seal states")
        known = about["classes"], about["part"], tensors["test/features"], tensors["classes/means"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not whole explanations of this project ({error}); explain the run again.") from None
    if not all(np.isfinite(values).all() for values in known[2:]):
        raise UserError(f"{path}: the representation is not finite; the run that it explains is of no use.")
    return Explained(Path(path), about, tensors)


def draw_representations(paper: Paper, runs: Sequence[Explained], outputs: Sequence[str | Path]) -> None:
    """Draw the representation spaces of several methods of one cell, one panel each.

    Args:
        paper: gives the labels.
        runs: on the same data under the same protocol.
        outputs: files to write, .png or .svg.
    """
    about = runs[0].about
    classes = about["classes"]
    columns = {1: 1, 2: 2, 4: 2}.get(len(runs), 3)
    rows = -(-len(runs) // columns)
    shown = {len(run.tensors["test/labels"]) for run in runs}
    total = {run.about["images"] for run in runs}
    n = f"{max(shown):,} of {max(total):,}" if shown != total else f"{max(total):,}"
    subtitle = (
        f"{_cell(paper, about)}, n = {n} images · the plane in which the class means of the training part differ most "
        "(PCA of these means, true to scale) · axes: share of the points' variance · lines: 1σ, dashed 2σ"
    )
    notice = stand_in_notice(about["dataset"]) if about["stand_in"] else ""
    lines = -(-(len(classes) + 1) // 9)
    side = 6.6 / columns if columns > 1 else 3.9
    title = f"{paper.id}: representation space"
    with canvas(rows * (side + 0.55), title, subtitle, notice, list(map(Path, outputs)), 0.19 * lines + 0.05) as (
        figure,
        _,
    ):
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, run in zip(grid, runs, strict=False):
            _space(axes, run, paper.methods[run.about["method"]].label)
        for axes in grid[len(runs) :]:
            axes.set_axis_off()
        _legend(figure, classes, 0.26 if notice else 0.04)


def draw_attention(paper: Paper, run: Explained, outputs: Sequence[str | Path]) -> None:
    """Draw examples of one run: what the network was given, and beside it what it shows of itself.

    Args:
        paper: gives the label.
        run: with examples.
        outputs: files to write, .png or .svg.

    Raises:
        UserError: the faces are not drawn; faces of people do not go into a report.
    """
    about = run.about
    if not about["stand_in"] or not run.has_examples:
        raise UserError(f"{run.path}: attention is shown on drawn faces only, of networks that have something to show.")
    columns = _regions(run) if "examples/regions" in run.tensors else _corrections(run)
    classes, labels = about["classes"], run.tensors["examples/labels"]
    what = "region weights in %" if "examples/regions" in run.tensors else "attention is the mean of its maps"
    title = f"{paper.methods[about['method']].label}: where it looks"
    subtitle = (
        f"{_cell(paper, about)} · the first images of each class, not chosen by result · below each class the one "
        f"that was predicted and its probability · {what}"
    )
    if "attention" in columns:
        subtitle += "; the corrected image is cut off at white"
    likely = run.tensors["examples/probabilities"]
    names = [
        f"{classes[label]}\n→ {classes[chance.argmax()]}\n{100 * chance.max():.0f} %"
        for label, chance in zip(labels, likely, strict=True)
    ]
    _sheet(names, columns, title, subtitle, stand_in_notice(about["dataset"]), list(map(Path, outputs)))


def plane(features: NDArray[Any], means: NDArray[Any], counts: NDArray[Any]) -> Plane:
    """Project a representation onto the two axes along which its class means differ most.

    The axes are found from the means alone, which are of other images than the points: fitted to the points and
    their labels (as LDA would be), many dimensions can be made to tell any labels apart. They are orthonormal,
    so that a Gaussian σ² I stays a circle of radius σ.

    Args:
        features: (n, d), d at least 2.
        means: (K, d).
        counts: (K,), images behind each mean; means of none are left out.
    """
    points, known = features.astype(np.float64), means[counts > 0].astype(np.float64)
    with np.errstate(invalid="ignore"):  # of a network that makes the same of every image
        # Two means differ in one direction only; the points have to tell the other.
        basis = PCA(2, svd_solver="full").fit(known if len(known) > 2 else points)
    placed = basis.transform(points)
    spread = points.var(axis=0).sum()
    held = placed.var(axis=0) / spread if spread else np.zeros(2)
    among = known.var(axis=0).sum()
    return Plane(
        points=placed.round(DIGITS),
        means=basis.transform(means.astype(np.float64)).round(DIGITS),
        held_means=float(basis.transform(known).var(axis=0).sum() / among) if among else 0.0,
        held_points=float(held.sum()),
        held_axes=(float(held[0]), float(held[1])),
    )


def ellipse(covariance: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return width, height and angle in degrees of the 1σ ellipse of a 2x2 covariance."""
    values, vectors = np.linalg.eigh(covariance)
    long = vectors[:, 1]
    angle = float(np.degrees(np.arctan2(long[1], long[0]))) % 180
    width, height = (2 * float(np.sqrt(max(value, 0.0))) for value in values[::-1])
    return width, height, angle


def _space(axes: Axes, run: Explained, label: str) -> None:
    """Draw one representation: points, class means, 1σ and 2σ."""
    features, labels = run.tensors["test/features"], run.tensors["test/labels"]
    counts, sigma = run.tensors["classes/counts"], run.about["sigma"]
    seen = plane(features, run.tensors["classes/means"], counts)
    size = 3.8 if len(labels) < 500 else 2.4
    for place in range(len(run.about["classes"])):
        mine = seen.points[labels == place]
        axes.plot(*mine.T, linestyle="none", markersize=size, markeredgewidth=0, alpha=0.6, **_sign(place))
        if sigma and counts[place]:
            _rings(axes, seen.means[place], (2 * sigma, 2 * sigma, 0.0), place)
        elif not sigma and len(mine) >= LEAST:
            _rings(axes, mine.mean(axis=0), ellipse(np.cov(mine.T)), place)
        if counts[place]:
            axes.plot(*seen.means[place], **_sign(place), **MEAN)
    axes.set_aspect("equal", adjustable="datalim")
    axes.locator_params(nbins=5)
    first, second = (100 * share for share in seen.held_axes)
    axes.set_xlabel(f"1st axis ({first:.0f} %)")
    axes.set_ylabel(f"2nd axis ({second:.0f} %)")
    rings = f"lines: the loss's Gaussians, σ = {sigma:g}" if sigma else "lines: σ of the points"
    held = f"plane: {100 * seen.held_means:.0f} % of the means' variance"
    heading = textwrap.fill(f"{label}, {features.shape[1]}-d", 38)  # a third of the figure
    axes.set_title(f"{heading}\n{held}\n{rings}", fontsize=7.5)


def _rings(axes: Axes, middle: NDArray[np.float64], shape: tuple[float, float, float], place: int) -> None:
    width, height, angle = (round(value, DIGITS) for value in shape)
    for times, style in ((1, "-"), (2, "--")):
        ring = Ellipse(
            (float(middle[0]), float(middle[1])),
            times * width,
            times * height,
            angle=angle,
            fill=False,
            edgecolor=_sign(place)["color"],
            linewidth=1.1 if times == 1 else 0.7,
            linestyle=style,
            zorder=3,
        )
        axes.add_patch(ring)


def _legend(figure: Figure, classes: Sequence[str], foot: float) -> None:
    handles = [
        matplotlib.lines.Line2D([], [], linestyle="none", markersize=5, label=name, **_sign(place))
        for place, name in enumerate(classes)
    ]
    large = {"color": "white", "marker": "o", **MEAN}
    handles.append(matplotlib.lines.Line2D([], [], linestyle="none", label="mean of a class in training", **large))
    columns = -(-len(handles) // (-(-len(handles) // 9)))
    place = (0.5, foot / figure.get_figheight())
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=place, ncols=columns, columnspacing=1.1, handletextpad=0.2
    )


def _sign(place: int) -> dict[str, Any]:
    """Colour and marker of a class."""
    return {
        "color": CLASS_COLOURS[place % len(CLASS_COLOURS)],
        "marker": CLASS_MARKERS[place % len(CLASS_MARKERS)],
    }


def _corrections(run: Explained) -> dict[str, list[Any]]:
    """Return heading → pictures, of feratt2019's network."""
    given = {name: run.tensors[f"examples/{name}"] for name in ("input", "attention", "corrected")}
    columns: dict[str, list[Any]] = {
        "input": list(map(_picture, given["input"])),
        "attention": list(given["attention"].astype(np.float64).mean(axis=1).round(DIGITS)),
        "corrected": [_picture(255 * np.clip(each.astype(np.float64), 0, 1)) for each in given["corrected"]],
    }
    if "examples/target" in run.tensors:
        columns["target"] = list(map(_picture, run.tensors["examples/target"]))
    return columns


def _regions(run: Explained) -> dict[str, list[Any]]:
    """Return heading → pictures, of khalid2025's network; weights are drawn on the face."""
    faces = list(map(_picture, run.tensors["examples/input"]))
    weights = run.tensors["examples/regions"].astype(np.float64).round(DIGITS)
    # Equal weights lie in the middle of the colours, whatever the number of regions.
    top = max(weights.max(), 2 / weights[0].size)
    return {"input": faces, "region weights": [(face, own, top) for face, own in zip(faces, weights, strict=True)]}


def _picture(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(1 or 3, H, W) of 0..255 → (H, W, 3) uint8."""
    return np.broadcast_to(pixels.round().astype(np.uint8), (3, *pixels.shape[1:])).transpose(1, 2, 0)


def _sheet(
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    title: str,
    subtitle: str,
    notice: str,
    outputs: Sequence[Path],
) -> None:
    """Draw examples in rows, a picture a column, in as many blocks side by side as the width holds."""
    blocks = min(3 if len(columns) == 2 else 2, len(names))
    rows = -(-len(names) // blocks)
    margin, gap, top_line, key = 0.8, 0.04, 0.2, 0.4 if "attention" in columns else 0.0  # inches
    span = (WIDTH - 0.16) / blocks
    side = min(span - margin, 1.15 * len(columns)) / len(columns)
    bounds = _range(columns.get("attention", []))
    height = rows * side + top_line + key + 0.08
    # Composed into one, the small images would be resampled for an SVG.
    with (
        matplotlib.rc_context({"image.composite_image": False}),
        canvas(height, title, subtitle, notice, outputs) as (figure, head),
    ):
        figure.set_layout_engine(None)
        total = figure.get_figheight()
        axes = figure.add_axes(
            (0, 0, 1, 1)
        )  # one for all pictures, in inches: an axes a picture takes a second a figure
        axes.set_axis_off()
        for number, name in enumerate(names):
            block, row = divmod(number, rows)
            left, top = 0.08 + block * span + margin, total - head - top_line - row * side
            axes.text(left - 0.09, top - side / 2, name, ha="right", va="center", multialignment="right", fontsize=7)
            for column, (heading, pictures) in enumerate(columns.items()):
                start = left + column * side
                _show(axes, heading, pictures[number], (start, start + side - gap, top - side + gap, top), bounds)
                if row == 0:
                    middle = start + (side - gap) / 2
                    axes.text(middle, top + 0.05, heading, ha="center", va="bottom", fontsize=7, color=SOFT)
        axes.set(xlim=(0, WIDTH), ylim=(0, total))
        if key:
            _key(figure, *bounds, (0.3 if notice else 0.08) + 0.2)


def _show(
    axes: Axes, heading: str, picture: Any, place: tuple[float, float, float, float], bounds: tuple[float, float]
) -> None:
    """Draw one picture at `place`: left, right, bottom, top in inches; `bounds` are those of the attention."""
    low, high = bounds
    if heading == "attention":
        axes.imshow(picture, cmap=MAP, vmin=low, vmax=high, interpolation="nearest", extent=place, aspect="auto")
        return
    if heading != "region weights":
        axes.imshow(picture, interpolation="nearest", extent=place, aspect="auto")
        return
    face, weights, top = picture
    side = weights.shape[0]
    axes.imshow(face, interpolation="nearest", extent=place, aspect="auto")
    across, down = np.linspace(place[0], place[1], side + 1), np.linspace(place[3], place[2], side + 1)
    mesh: dict[str, Any] = {"edgecolors": "white", "linewidth": 0.6, "alpha": 0.6}
    axes.pcolormesh(across, down, weights, cmap=WEIGHT, vmin=0, vmax=top, **mesh)
    for (row, column), weight in np.ndenumerate(weights) if side <= 4 else ():
        x, y = float(across[column : column + 2].mean()), float(down[row : row + 2].mean())
        colour = "white" if weight > 0.7 * top else INK
        axes.text(x, y, f"{100 * weight:.0f}", ha="center", va="center", fontsize=6.5, color=colour, fontweight="bold")


def _key(figure: Figure, low: float, high: float, bottom: float) -> None:
    """Draw the colour scale of attention along the foot."""
    total = figure.get_figheight()
    axes = figure.add_axes((0.35, bottom / total, 0.3, 0.07 / total))
    bar = figure.colorbar(
        ScalarMappable(matplotlib.colors.Normalize(low, high), MAP), cax=axes, orientation="horizontal"
    )
    bar.outline.set_visible(False)
    bar.set_ticks([low, high], labels=[f"{low:.2f}", f"{high:.2f}"])
    axes.set_title("attention", loc="center", fontsize=7, color=SOFT, pad=2)
    axes.tick_params(length=0, pad=2)


def _range(maps: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the least and the greatest attention shown, a little apart at least."""
    if not maps:
        return 0.0, 1.0
    low, high = min(float(each.min()) for each in maps), max(float(each.max()) for each in maps)
    return (low, high) if high - low > 0.01 else (low - 0.005, low + 0.005)


def _cell(paper: Paper, about: Mapping[str, Any]) -> str:
    """Return whose images are shown, and under which protocol the network was trained."""
    split = paper.parts[about["dataset"]][about["part"]]
    fold = "" if about["fold"] is None else f", fold {about['fold']}"
    composed = ", composed on backgrounds" if about["composed"] else ""
    return (
        f"{described(about['dataset'], about['stand_in'])}{composed} · {paper.id}, {about['protocol']} protocol, seed "
        f"{about['seed']}{fold} · {split}"
    )


def _both(folder: str | Path, *names: str) -> list[Path]:
    return [Path(folder, ".".join(names) + suffix) for suffix in (".svg", ".png")]
