"""What was done to images before they came here, as far as their pixels tell: equalised histograms, and JPEG.

Many copies of a data set go about. Networks trained on one do worse on another, and nothing in the files says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE = 2000  # images of 48 pixels that are looked at, evenly spaced; of larger ones as many pixels
AT_ONCE = 100  # of these images are held as floating-point numbers
EQUALISED_BELOW = 0.03  # of the range: mean distance of sorted grey levels from evenly spread ones
MOSTLY = 0.5  # of the images: more than this, and the set is said to be so
STEPS = range(2, 65)  # of JPEG's quantisation that are looked for, in grey levels
COMB_ABOVE = 0.35  # mean cosine of coefficients over a step: 1 where all are multiples of it, about 0 by chance
FEWEST = 100  # coefficients: fewer tell nothing
COEFFICIENTS = ((2, 2), (1, 3), (3, 1), (2, 3), (3, 2), (3, 3))  # of the cosine transform of 8×8 pixels


def traces(images: NDArray[np.uint8], *, resized: bool) -> dict[str, Any]:
    """Return what the pixels of prepared images (N, H, W, C) tell, for prepare.json.

    `equalised_share` is the share of images whose grey levels are spread evenly from 0 to 255, as histogram
    equalisation leaves them and hardly any photograph is. `jpeg_steps` are the quantisation steps that show in the
    cosine transform of blocks of 8×8 pixels, for each of COEFFICIENTS, None where none shows; of images that were
    resized here it is None, for resizing removes them. `said` puts it in words, "" where there is nothing to say.
    """
    height, width = images.shape[1:3]
    wanted = max(1, SAMPLE * 48**2 // (height * width))
    chosen = np.arange(0, len(images), max(1, -(-len(images) // wanted)))
    uneven, coefficients = [], []
    for some in np.array_split(chosen, -(-len(chosen) // max(1, AT_ONCE * 48**2 // (height * width)))):
        grey = images[some].mean(axis=3)
        uneven.append(_unevenness(grey))
        if not resized:
            coefficients.append(_coefficients(grey))
    share = float((np.concatenate(uneven) < EQUALISED_BELOW).mean())
    steps = None if resized else _jpeg_steps(np.concatenate(coefficients, axis=1))
    said = []
    if share > MOSTLY:
        said.append("histogram-equalised")
    if steps and sum(step is not None for step in steps) > len(steps) / 2:
        said.append("decoded from JPEG")
    return {"equalised_share": round(share, 3), "jpeg_steps": steps, "said": " and ".join(said)}


def _unevenness(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean distance of each image's grey levels from evenly spread ones (Wasserstein's), as shares."""
    levels = np.sort(grey.reshape(len(grey), -1), axis=1)
    even = (np.arange(levels.shape[1]) + 0.5) / levels.shape[1] * 255
    distance: NDArray[np.float64] = np.abs(levels - even).mean(axis=1) / 255
    return distance


def _coefficients(grey: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return COEFFICIENTS of all whole blocks of 8×8 pixels of images (N, H, W): (6, blocks)."""
    from scipy.fft import dctn

    height, width = (side // 8 for side in grey.shape[1:])
    if not height or not width:
        return np.empty((len(COEFFICIENTS), 0), np.float32)
    blocks = grey[:, : height * 8, : width * 8].reshape(len(grey), height, 8, width, 8)
    found = dctn(blocks, axes=(2, 4), norm="ortho")
    return np.stack([found[:, :, down, :, right].ravel() for down, right in COEFFICIENTS]).astype(np.float32)


def _jpeg_steps(coefficients: NDArray[np.float32]) -> list[int | None]:
    """Return the step of which the coefficients (6, blocks) are multiples, for each of COEFFICIENTS."""
    steps = []
    for values in coefficients:
        combs = [_comb(values, step) for step in STEPS]
        best = int(np.argmax(combs))
        steps.append(STEPS[best] if combs[best] > COMB_ABOVE else None)
    return steps


def _comb(values: NDArray[np.float32], step: int) -> float:
    """Return how near coefficients that are not zero come to multiples of a step: from -1 to 1."""
    some = values[np.abs(values) > step / 2]
    return float(np.cos(2 * np.pi * some / step).mean()) if len(some) > FEWEST else 0.0
