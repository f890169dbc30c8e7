"""Near duplicates: images of one photograph that differ pixel by pixel.

One of the two was compressed again, brightened, turned, cropped or mirrored. Every image becomes a disc of 24 pixels
across with its local contrast normalised, and a short vector that a linear discriminant analysis makes of it: the
directions in which the images of the set differ much, and an image differs little from itself moved, turned or zoomed
a little. Pairs whose vectors agree in one of VIEWS are candidates. Each candidate is aligned by an affine map (Lucas
and Kanade, 1981, in the inverse compositional form of Baker and Matthews, 2004), and is a near duplicate where the
vectors of the aligned discs still agree. Precision and recall are measured in docs/near-duplicates.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Which = Literal["above the diagonal", "off the diagonal", "all"]

SIDE = 48  # pixels: every image is resized to this first
GRID = 24  # points: side of the square around the disc, half the pixels, so that compression matters little
DISC = 0.94  # half sides: the radius; nearer the edge it is seen what a turn brought in from outside
FINE, WIDE = 1.0, 6.0  # pixels of SIDE: noise is finer than the one, light and shade are wider than the other
FLAT = 0.02  # of the range of grey: less contrast than this is not amplified to the full
TEXTURES = 200  # drawn images that the analysis sees beside a set's own, of which there may be only a few
LEARNT_FROM = 2000  # images: of a larger set, evenly spaced ones
JITTERS = 16  # small changes under which a vector should stay the same

COARSE = (64, 5.0, 0.08)  # numbers of the vector; it bears turns of so many degrees, zooms and moves of such shares
EXACT = (128, 2.0, 0.02)  # the same of the vector by which aligned discs are compared

CANDIDATE_ABOVE = 0.60  # cosine of the vectors in the nearest view
WORTH_FITTING = 0.70  # correlation of the discs after the first step of the alignment
STEPS = 3  # of the alignment
WORKERS = 2  # threads
NEAR_ABOVE = 0.85  # cosine of the vectors of the aligned discs: a near duplicate

VIEWS = ("as it is", "turned", "cropped", "mirrored")
"""What was done to one image of a pair: the last that applies."""
TURNED, CROPPED = 6.0, 0.95  # degrees and more, of the scale and less


class Pairs(NamedTuple):
    """Pairs of rows, sorted, each once with first < second. All fields have one entry a pair.

    `view` is an index into VIEWS, `distance` one minus the cosine of the vectors before the alignment, and
    `correlation` the cosine after it.
    """

    first: Rows
    second: Rows
    view: NDArray[np.int8]
    distance: Floats
    correlation: Floats


def _affine(turn: float = 0.0, scale: float = 1.0, right: float = 0.0, down: float = 0.0, mirror: int = 1) -> Floats:
    """Return a map (2, 3) from points of one disc to points of another image, both in half sides from the middle."""
    cos, sin = np.cos(np.deg2rad(turn)) * scale, np.sin(np.deg2rad(turn)) * scale
    return np.array([[cos * mirror, -sin, right], [sin * mirror, cos, down]], np.float32)


# The vector bears 7 degrees, a tenth of the scale and 0.05 of a half side each way, so that these cover 30 degrees to
# either side and windows of four fifths of the side and more, wherever they lie.
_TURNS = (12.0, -12.0, 24.0, -24.0)
_WINDOWS = [(0.9, x, y) for x in (-0.05, 0.05) for y in (-0.05, 0.05)]
_WINDOWS += [(0.8, x, y) for x in (-0.15, -0.05, 0.05, 0.15) for y in (-0.15, -0.05, 0.05, 0.15)]
_ONE_WAY = [_affine(turn, mirror=mirror) for mirror in (1, -1) for turn in (0.0, *_TURNS)]
_BOTH_WAYS = [_affine(0, *window) for window in _WINDOWS]
"""The maps from a second image's disc into a first image from which alignments begin. Those of `_ONE_WAY` have their
opposites among them."""

_AXIS = ((np.arange(GRID) + 0.5) / GRID * 2 - 1).astype(np.float32)
_IN_DISC = (_AXIS[:, None] ** 2 + _AXIS**2 <= DISC**2).ravel()
_POINTS = np.stack([np.tile(_AXIS, GRID), np.repeat(_AXIS, GRID), np.ones(GRID**2, np.float32)])[:, _IN_DISC]


def near_duplicates(images: NDArray[np.uint8], rows: Sequence[int] | Rows, above: float = NEAR_ABOVE) -> Pairs:
    """Find the near duplicates among some images: of one modality, each distinct image once, none blank.

    Its time grows with the square of their number, its memory with the number.

    Args:
        images: all images of the set, (N, H, W, C) uint8.
        rows: those to be compared.
        above: the cosine of the aligned discs that makes a near duplicate.
    """
    wanted = np.unique(np.asarray(rows, dtype=np.int64))
    discs = normalised(thumbnails(images, wanted))
    spaces = _Spaces(_learnt(discs, *COARSE), _learnt(discs, *EXACT))
    found = [
        *_search(spaces, discs, discs, _ONE_WAY, "above the diagonal", above),
        *_search(spaces, discs, discs, _BOTH_WAYS, "off the diagonal", above),
    ]
    pairs = _joined(found)
    ends = np.sort([pairs.first, pairs.second], axis=0)
    return _best(pairs._replace(first=ends[0], second=ends[1]), wanted, wanted)


def near_between(
    images: NDArray[np.uint8],
    rows: Sequence[int] | Rows,
    others: NDArray[np.uint8],
    other_rows: Sequence[int] | Rows,
    *,
    views: bool = False,
    above: float = NEAR_ABOVE,
) -> Pairs:
    """Find the images of one set that are near duplicates of another set's.

    `first` is a row of `images`, `second` one of `others`; the space is learnt from `images`.

    Args:
        images: all images of the one set, (N, H, W, C) uint8.
        rows: those to be compared.
        others: all images of the other set.
        other_rows: those to be compared.
        views: whether turned, cropped and mirrored ones are looked for, too.
        above: the cosine of the aligned discs that makes a near duplicate.
    """
    wanted, other_wanted = (np.unique(np.asarray(some, dtype=np.int64)) for some in (rows, other_rows))
    discs, other_discs = normalised(thumbnails(images, wanted)), normalised(thumbnails(others, other_wanted))
    spaces = _Spaces(_learnt(discs, *COARSE), _learnt(discs, *EXACT))
    found = _search(spaces, discs, other_discs, _ONE_WAY + _BOTH_WAYS if views else _ONE_WAY[:1], "all", above)
    if views:
        turned_round = _search(spaces, other_discs, discs, _BOTH_WAYS, "all", above)
        found += [pairs._replace(first=pairs.second, second=pairs.first) for pairs in turned_round]
    return _best(_joined(found), wanted, other_wanted)


def thumbnails(images: NDArray[np.uint8], rows: Rows) -> NDArray[np.uint8]:
    """Return the images (N, H, W, C) of these rows as (len(rows), SIDE, SIDE), grey (luma of BT.601)."""
    if images.shape[1:] == (SIDE, SIDE, 1):
        return np.asarray(images[rows])[..., 0]
    small = np.empty((len(rows), SIDE, SIDE), np.uint8)
    for at, row in enumerate(rows):
        pixels = np.asarray(images[row])
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("L")
        small[at] = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))
    return small


def normalised(small: NDArray[np.uint8]) -> Floats:
    """Return thumbnails (N, SIDE, SIDE) without noise, light and shade, their local contrast made equal."""
    from scipy.ndimage import gaussian_filter

    result = np.empty(small.shape, np.float32)
    for start in range(0, len(small), 1024):
        part = small[start : start + 1024].astype(np.float32) / 255
        part = gaussian_filter(part, (0, FINE, FINE), mode="nearest")
        part -= gaussian_filter(part, (0, WIDE, WIDE), mode="nearest")
        contrast = np.sqrt(gaussian_filter(part**2, (0, WIDE, WIDE), mode="nearest"))
        result[start : start + 1024] = part / (contrast + FLAT)
    return result


class _Space(NamedTuple):
    """The vectors' space: what is taken away from a disc (points), and what projects it (points, dimensions)."""

    mean: Floats
    axes: Floats

    def of(self, discs: Floats) -> Floats:
        """Return the vectors (N, dimensions), each of length one, of discs (N, points)."""
        return _unit(((discs - self.mean) @ self.axes).astype(np.float32, copy=False))

    def vectors(self, images: Floats, chart: Floats) -> Floats:
        """Return the vectors of normalised images (N, SIDE, SIDE) seen through a map."""
        # Seeing and projecting are both linear: one matrix (SIDE², dimensions) does both.
        sampled = (_sampler(chart).T @ self.axes).astype(np.float32)
        return _unit(images.reshape(-1, SIDE * SIDE) @ sampled - self.mean @ self.axes)


class _Spaces(NamedTuple):
    coarse: _Space
    exact: _Space


def _learnt(images: Floats, dimensions: int, turn: float, shift: float) -> _Space:
    """Return the space of a set of normalised images (N, SIDE, SIDE).

    The axes are those of the linear discriminant analysis in which each image, with its small changes, is a class of
    its own; an axis counts as much as it tells images apart.
    """
    from scipy.linalg import eigh

    rng = np.random.default_rng(0)
    known = images[:: max(1, -(-len(images) // LEARNT_FROM))]
    flat = np.concatenate([known, _textures(rng)]).reshape(-1, SIDE * SIDE)
    discs = (_sampler(_affine()) @ flat.T).T
    mean = discs.mean(axis=0)
    total = np.cov(discs, rowvar=False, bias=True)
    within = np.zeros_like(total)
    for _ in range(JITTERS):
        angle, zoom, right, down = rng.uniform(-1, 1, 4) * (turn, shift, shift, shift)
        change = (_sampler(_affine(angle, 1 + zoom, right, down)) @ flat.T).T - discs
        within += change.T @ change / len(flat) / JITTERS
    within += 0.02 * np.trace(within) / len(within) * np.eye(len(within))
    ratio, axes = eigh(total, within, subset_by_index=(len(within) - dimensions, len(within) - 1))
    between = np.maximum(ratio - 1, 0)
    return _Space(mean, (axes * np.sqrt(between) / (between + 1)).astype(np.float32))


def _textures(rng: np.random.Generator) -> Floats:
    """Return normalised noise whose spectrum falls as that of photographs does."""
    across = np.fft.fftfreq(SIDE)
    frequency = np.maximum(np.hypot(across, across[:, None]), 1 / SIDE)
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(TEXTURES, SIDE, SIDE))) / frequency).real
    noise /= noise.std(axis=(1, 2), keepdims=True)
    return normalised(np.clip(128 + 50 * noise, 0, 255).astype(np.uint8))


def _sampler(chart: Floats) -> sparse.csr_array:
    """Return the matrix (points, SIDE²) that samples a flat image at the mapped points of the disc."""
    corner, share = _corners(chart[None])
    points = np.arange(len(_POINTS.T))
    parts = [(weight[0], (points, corner[0] + step)) for step, weight in _neighbours(share)]
    return sum(sparse.csr_array(part, shape=(len(points), SIDE * SIDE)) for part in parts)


def _corners(charts: Floats) -> tuple[Rows, Floats]:
    """Return where maps (P, 2, 3) take the disc's points; beyond an edge they stay on it.

    That is the upper left (P, points) of the four pixels around each point, and how far right of and below it the
    point lies (2, P, points), in pixels.
    """
    at = np.clip((charts @ _POINTS + 1) * (SIDE / 2) - 0.5, 0, SIDE - 1.001)
    whole = at.astype(np.int64)
    return whole[:, 1] * SIDE + whole[:, 0], (at - whole).transpose(1, 0, 2).astype(np.float32)


def _neighbours(share: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield the four pixels around a point, as steps from the upper left one, with their bilinear weights."""
    right, down = share
    yield 0, (1 - right) * (1 - down)
    yield 1, right * (1 - down)
    yield SIDE, (1 - right) * down
    yield SIDE + 1, right * down


def _sampled(images: Floats, rows: Rows, charts: Floats) -> Floats:
    """Return the discs (P, points) of some images, each seen through its own map (P, 2, 3)."""
    corner, share = _corners(charts)
    corner += rows[:, None] * (SIDE * SIDE)
    flat = images.reshape(-1)
    discs = np.zeros(corner.shape, np.float32)
    for step, weight in _neighbours(share):
        discs += weight * flat[corner + step]
    return discs


def _search(
    spaces: _Spaces, images: Floats, others: Floats, charts: Sequence[Floats], which: Which, above: float
) -> list[Pairs]:
    """Return the near duplicates that alignments from these maps find; a pair may come several times."""
    plain = spaces.coarse.vectors(others, _affine())

    def of(chart: Floats) -> list[Pairs]:
        found = []
        for first, second, alike in _candidates(spaces.coarse.vectors(images, chart), plain, which):
            agreement, view = np.zeros(len(first), np.float32), np.zeros(len(first), np.int8)
            for start in range(0, len(first), 256):  # few enough to stay in the processor's cache
                some = slice(start, start + 256)
                agreement[some], fitted = _aligned(spaces.exact, images, others, first[some], second[some], chart)
                view[some] = _view(fitted)
            near = agreement > above
            found.append(Pairs(first[near], second[near], view[near], 1 - alike[near], agreement[near]))
        return found

    # Threads do, for NumPy lets others work while it multiplies and looks up.
    with ThreadPoolExecutor(WORKERS) as pool:
        return [pairs for found in pool.map(of, charts) for pairs in found]


def _candidates(one: Floats, other: Floats, which: Which) -> Iterator[tuple[Rows, Rows, Floats]]:
    """Yield the pairs whose vectors agree, with the cosine."""
    block = max(1, min(1024, 20_000_000 // max(1, len(other))))  # 80 MB of cosines at a time
    for start in range(0, len(one), block):
        after = start if which == "above the diagonal" else 0
        alike = one[start : start + block] @ other[after:].T
        at = np.flatnonzero(alike > CANDIDATE_ABOVE)
        first, second = np.divmod(at, alike.shape[1])
        first, second = first + start, second + after
        proper = {"above the diagonal": first < second, "off the diagonal": first != second, "all": first >= 0}[which]
        yield first[proper], second[proper], alike.ravel()[at[proper]]


def _view(charts: Floats) -> NDArray[np.int8]:
    """Return what the maps (P, 2, 3) do, as an index into VIEWS."""
    size = np.linalg.det(charts[:, :, :2])
    turn = np.abs(np.rad2deg(np.arctan2(-charts[:, 0, 1], charts[:, 1, 1])))
    scale = np.sqrt(np.abs(size))
    done = [np.ones(len(charts), bool), turn > TURNED, np.minimum(scale, 1 / scale) < CROPPED, size < 0]
    return (len(VIEWS) - 1 - np.argmax(done[::-1], axis=0)).astype(np.int8)


def _aligned(
    space: _Space, images: Floats, others: Floats, first: Rows, second: Rows, chart: Floats
) -> tuple[Floats, Floats]:
    """Return the cosines (P) of pairs, after the first images were aligned with the second, and the maps (P, 2, 3).

    Where it is not worth going on after one step, the cosine is 0.
    """
    grid = others[second].reshape(-1, GRID, 2, GRID, 2).mean(axis=(2, 4))
    target = grid.reshape(len(grid), -1)[:, _IN_DISC]
    aim, length = _unit(target - target.mean(axis=1, keepdims=True)), _length(target)
    # What a small affine change would add to the target (Simard's tangent vectors, 1993), six for each pair.
    slopes = [np.gradient(grid, 2 / GRID, axis=axis).reshape(len(grid), -1)[:, _IN_DISC] / length for axis in (2, 1)]
    tangents = np.stack([slope * point for slope in slopes for point in _POINTS], axis=1)
    tangents -= tangents.mean(axis=2, keepdims=True)
    tangents -= (tangents @ aim[..., None]) * aim[:, None]
    gram = tangents @ tangents.transpose(0, 2, 1)
    gram += (1e-6 + 1e-3 * np.trace(gram, axis1=1, axis2=2) / 6)[:, None, None] * np.eye(6, dtype=np.float32)
    charts = np.repeat(chart[None], len(first), axis=0)
    going = np.arange(len(first))
    for step in range(STEPS):
        seen = _sampled(images, first[going], charts[going])
        seen = _unit(seen - seen.mean(axis=1, keepdims=True))
        match = (seen * aim[going]).sum(axis=1)
        if step == 1:
            worth = match > WORTH_FITTING
            going, seen, match = going[worth], seen[worth], match[worth]
        off = (tangents[going] @ seen[..., None])[..., 0] / np.maximum(match, 0.2)[:, None]
        change = np.clip(np.linalg.solve(gram[going], off[..., None])[..., 0], -0.15, 0.15).reshape(-1, 2, 3)
        charts[going] -= charts[going][:, :, :2] @ change
    result = np.zeros(len(first), np.float32)
    result[going] = (space.of(_sampled(images, first[going], charts[going])) * space.of(target[going])).sum(axis=1)
    return result, charts


def _length(discs: Floats) -> Floats:
    return np.maximum(np.linalg.norm(discs - discs.mean(axis=1, keepdims=True), axis=1, keepdims=True), 1e-6)


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def _joined(found: Sequence[Pairs]) -> Pairs:
    rows, real = np.empty(0, np.int64), np.empty(0, np.float32)
    parts = [Pairs(rows, rows, np.empty(0, np.int8), real, real), *found]
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _best(pairs: Pairs, rows: Rows, others: Rows) -> Pairs:
    """Name pairs by the rows of the sets, and keep the best alignment of each."""
    order = np.lexsort((pairs.view, -pairs.correlation, pairs.second, pairs.first))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(pairs.first[order]) != 0) | (np.diff(pairs.second[order]) != 0)
    best = order[new]
    first, second = rows[pairs.first[best]], others[pairs.second[best]]
    return Pairs(first, second, pairs.view[best], pairs.distance[best], pairs.correlation[best])
