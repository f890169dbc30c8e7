"""Near duplicates: pictures that are one photograph, though not pixel by pixel.

They were compressed again, brightened, scaled, shifted or cropped by a few pixels, or mirrored. Two steps
find them among all pairs of a data set: a perceptual hash picks candidates (the lowest frequencies of the cosine
transform, as numbers: their signs alone, the usual 64 bits, let more than ten times as many pairs of faces pass),
and a comparison of details, laid over each other as well as they go, decides. What the thresholds catch and let pass,
on photographs and on drawn faces, is measured in docs/near-duplicates.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 48  # pixels: every image is made this small first
COEFFICIENTS = 8  # per axis, of the discrete cosine transform; the first of all is the brightness and left out
DETAIL = 24  # pixels: side of the picture of details, small enough that compression leaves it alone
BLUR = 1.5  # of its pixels: what is smoother than this is light and shade, not detail
FEW = 20  # pictures: with fewer, their mean says more of each than of what all have in common
MARGIN = 1  # of its pixels: how far one picture is moved over the other, to each side
SHIFTS = (2 * MARGIN + 1) ** 2
ZOOMED = 2.25  # pixels of SIDE cut off at each edge, between crops of 1 (found without) and of 3

HASH_ABOVE = 0.82  # correlation of the coefficients that makes a candidate
WORTH_FITTING = 0.5  # correlation of the details, moved by whole pixels
DETAIL_ABOVE = 0.85  # correlation of the details, fitted: a near duplicate

VIEWS = ("as it is", "mirrored", "cropped")
"""How the second picture of a pair is looked at; `cropped` means that either of the two is."""

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class Pairs(NamedTuple):
    """Pairs of rows, sorted, each once with first < second. All fields have one entry a pair.

    `view` is an index into VIEWS, `distance` one minus the correlation of the hashes, `correlation` that of the
    fitted details; of several views it is the one with the highest.
    """

    first: Rows
    second: Rows
    view: NDArray[np.int8]
    distance: Floats
    correlation: Floats


class _Signatures(NamedTuple):
    hashes: Floats  # (N, COEFFICIENTS² - 1), each of length one
    details: Floats  # (N, DETAIL, DETAIL)


def near_duplicates(images: NDArray[np.uint8], rows: Sequence[int] | Rows, above: float = DETAIL_ABOVE) -> Pairs:
    """Find the near duplicates among some images: of one modality, each distinct picture once, none blank.

    Its time grows with the square of their number, its memory with the number (FER2013's 34,033 pictures: 11 s on
    one core, 0.6 GB).

    Args:
        images: all images of the set, (N, H, W, C) uint8.
        rows: those to be compared.
        above: the correlation of the fitted details that makes a near duplicate.
    """
    wanted = np.unique(np.asarray(rows, dtype=np.int64))
    found = [_none()]
    if len(wanted) > 1:
        small = thumbnails(images, wanted)
        usual = _usual(small)
        plain = _signatures(small, usual)
        found.append(_compared(plain, plain, usual, 0, above))
        found.append(_compared(plain, _signatures(small[:, :, ::-1], usual), usual, 1, above))
        found.append(_compared(plain, _signatures(small, usual, cut=ZOOMED), usual, 2, above))
    return _best_views(Pairs(*(np.concatenate(column) for column in zip(*found, strict=True))), wanted)


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


def _usual(small: NDArray[np.uint8]) -> Floats:
    """Return what pictures have in common (SIDE, SIDE): their mean, or of few pictures a part of it.

    It is taken away from all of them, for it says nothing about two: where every face fills the same place before
    the same wall, it would make all of them alike.
    """
    usual: Floats = (small.sum(axis=0, dtype=np.float64) / (len(small) + FEW)).astype(np.float32)
    return usual


def _signatures(small: NDArray[np.uint8], usual: Floats, cut: float = 0.0) -> _Signatures:
    """Return the signatures of thumbnails, with `cut` pixels cropped at each edge and the rest made large again."""
    # Resizing is linear: what it makes of the identity is the matrix that does the same to any picture, much faster.
    box = (0, cut, SIDE, SIDE - cut)
    identity = Image.fromarray(np.eye(SIDE, dtype=np.float32))
    zoom = np.asarray(identity.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box))
    moves = np.linalg.qr(_low(_slopes(usual[None])[0]).T)[0].T  # what moving and stretching the usual adds to a hash
    hashes = np.empty((len(small), COEFFICIENTS**2 - 1), np.float32)
    details = np.empty((len(small), DETAIL, DETAIL), np.float32)
    for start in range(0, len(small), 2048):
        part = small[start : start + 2048].astype(np.float32)
        part = (zoom @ part @ zoom.T if cut else part) - usual
        low = _low(part)
        low -= (low @ moves.T) @ moves
        hashes[start : start + 2048] = low / np.maximum(np.linalg.norm(low, axis=1, keepdims=True), 1e-6)
        details[start : start + 2048] = _details(part)
    return _Signatures(hashes, details)


def _low(pictures: Floats) -> Floats:
    """Return the lowest coefficients of the cosine transform, (N, COEFFICIENTS² - 1), without the first of all."""
    from scipy.fft import dct

    waves: Floats = dct(np.eye(SIDE, dtype=np.float32), axis=0, norm="ortho")[:COEFFICIENTS]
    low: Floats = (waves @ pictures @ waves.T).astype(np.float32, copy=False)
    return low.reshape(len(pictures), -1)[:, 1:]


def _details(pictures: Floats) -> Floats:
    from scipy.ndimage import gaussian_filter

    step = SIDE // DETAIL
    coarse = pictures.reshape(len(pictures), DETAIL, step, DETAIL, step).mean(axis=(2, 4))
    details: Floats = coarse - gaussian_filter(coarse, (0, BLUR, BLUR), mode="nearest")
    return details


def _slopes(pictures: Floats) -> Floats:
    """Return what moving and stretching pictures a little adds to them, (N, 4, side, side).

    To the first order it is a multiple of the slopes, across and down, and of these times the distance from the
    middle (Simard's tangent vectors, 1993).
    """
    side = pictures.shape[1]
    x = ((np.arange(side) - (side - 1) / 2) / side).astype(np.float32)
    across, down = np.gradient(pictures, axis=2), np.gradient(pictures, axis=1)
    slopes: Floats = np.stack([across, down, across * x, down * x[:, None]], axis=1).astype(np.float32, copy=False)
    return slopes


def _compared(one: _Signatures, other: _Signatures, usual: Floats, view: int, above: float) -> Pairs:
    """Return the near duplicates between `one` and another view of the same pictures."""
    found = [_none()]
    common = _details(usual[None])[0]
    lengths = np.stack([_lengths(other.details, common, shift) for shift in range(SHIFTS)])
    for first, second, alike in _candidates(one.hashes, other.hashes, both_ways=VIEWS[view] == "cropped"):
        match = _match(one.details, other.details, common, lengths, first, second)
        near = match > above
        views = np.full(near.sum(), view, np.int8)
        found.append(Pairs(first[near], second[near], views, 1 - alike[near], match[near]))
    return Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _candidates(one: Floats, other: Floats, *, both_ways: bool) -> Iterator[tuple[Rows, Rows, Floats]]:
    """Yield pairs whose hashes correlate, with the correlation: each pair of two rows once, or in both orders."""
    block = max(1, min(1024, 20_000_000 // len(one)))  # 80 MB of correlations at a time
    for start in range(0, len(one), block):
        after = 0 if both_ways else start
        alike = one[start : start + block] @ other[after:].T
        at = np.flatnonzero(alike > HASH_ABOVE)
        first, second = np.divmod(at, alike.shape[1])
        first, second = first + start, second + after
        proper = first != second if both_ways else second > first
        yield first[proper], second[proper], alike.ravel()[at[proper]]


def _match(one: Floats, other: Floats, common: Floats, lengths: Floats, first: Rows, second: Rows) -> Floats:
    """Return the correlation of the details of pairs, (P,): fitted where it is worth it, else 0.

    `lengths` (SHIFTS, N) are those of the other pictures after each shift.
    """
    match = np.zeros(len(first), np.float32)
    for start in range(0, len(first), 512):  # few enough to stay in the processor's cache
        some = slice(start, start + 512)
        a, b = one[first[some]], other[second[some]]
        best, shifts = _moved(a, b, common, lengths[:, second[some]])
        for shift in np.unique(shifts[best > WORTH_FITTING]):
            at = np.flatnonzero((shifts == shift) & (best > WORTH_FITTING))
            match[start + at] = _fitted(a[at], b[at], common, int(shift))
    return match


def _moved(a: Floats, b: Floats, common: Floats, lengths: Floats) -> tuple[Floats, Rows]:
    """Return the highest correlation of a with b, moved by whole pixels, and the number of that shift."""
    middle = np.ascontiguousarray(_window(a, MARGIN, MARGIN))
    products = np.stack([np.einsum("nij,nij->n", middle, _window(b, *_corner(shift))) for shift in range(SHIFTS)])
    products += np.stack([_flat(_off(common, shift)) for shift in range(SHIFTS)]) @ _flat(middle).T
    found = products / np.maximum(lengths * np.linalg.norm(_flat(middle), axis=1), 1e-6)
    return found.max(axis=0), found.argmax(axis=0)


def _fitted(a: Floats, b: Floats, common: Floats, shift: int) -> Floats:
    """Return the correlation of a with b, moved by a shift and further by parts of a pixel, and stretched.

    That is the multiple correlation of a with b and the slopes of b, after what moving and stretching the common
    picture makes was taken away from all of them: of two faces in the same place that would be most.
    """
    nuisance = np.linalg.qr(_flat(_window(_slopes(common[None])[0], MARGIN, MARGIN)).T)[0]
    given = np.concatenate([_shifted(b, common, shift)[:, None], _window(_slopes(b), *_corner(shift))], axis=1)
    aim, basis = (
        _flat(pictures) - (_flat(pictures) @ nuisance) @ nuisance.T for pictures in (_window(a, MARGIN, MARGIN), given)
    )
    shared = np.einsum("nkj,nj->nk", basis, aim).astype(np.float64)
    gram = np.einsum("nkj,nlj->nkl", basis, basis).astype(np.float64)
    gram += 1e-6 * (1 + np.trace(gram, axis1=1, axis2=2))[:, None, None] * np.eye(5)  # stripes have no slope along
    explained = np.einsum("nk,nk->n", np.linalg.solve(gram, shared[..., None])[..., 0], shared)
    power = np.maximum(np.einsum("nj,nj->n", aim, aim), 1e-6)
    correlation: Floats = np.sqrt(np.clip(explained / power, 0, 1)).astype(np.float32)
    return correlation


def _shifted(b: Floats, common: Floats, shift: int) -> Floats:
    """Move pictures, from which the common one was taken away, and take it away where they come to lie."""
    return _window(b, *_corner(shift)) + _off(common, shift)


def _lengths(b: Floats, common: Floats, shift: int) -> Floats:
    """Return the lengths (N) of what `_shifted` makes, without making it."""
    window, off = _window(b, *_corner(shift)), _off(common, shift)
    squared = np.einsum("nij,nij->n", window, window) + 2 * np.einsum("nij,ij->n", window, off) + (off**2).sum()
    return np.sqrt(np.maximum(squared, 0)).astype(np.float32, copy=False)


def _off(common: Floats, shift: int) -> Floats:
    return _window(common, *_corner(shift)) - _window(common, MARGIN, MARGIN)


def _corner(shift: int) -> tuple[int, int]:
    return divmod(shift, 2 * MARGIN + 1)


def _flat(pictures: Floats) -> Floats:
    return pictures.reshape(*pictures.shape[:-2], -1)


def _window(details: Floats, top: int, left: int) -> Floats:
    side = DETAIL - 2 * MARGIN
    return details[..., top : top + side, left : left + side]


def _best_views(pairs: Pairs, rows: Rows) -> Pairs:
    """Name the pairs by the rows of the set, and keep the best view of each."""
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    order = np.lexsort((pairs.view, -pairs.correlation, high, low))
    low, high = low[order], high[order]
    new = np.ones(len(low), bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    best = order[new]
    return Pairs(rows[low[new]], rows[high[new]], pairs.view[best], pairs.distance[best], pairs.correlation[best])


def _none() -> Pairs:
    rows, real = np.empty(0, np.int64), np.empty(0, np.float32)
    return Pairs(rows, rows, np.empty(0, np.int8), real, real)
