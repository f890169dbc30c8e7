"""Precision and recall of the audit's search for near duplicates, for docs/near-duplicates.md.

    python benchmarks/near_duplicates.py PREPARED... [--sample 1000]

PREPARED are folders of prepared data sets, e.g. data/prepared/fer2013. A sample of images that have no near duplicate
in their set is changed in each of the ways below, and every changed image is searched for among all images of the set.
It should find its original, and no other image. The whole set's search is timed, and its pairs are counted at other
thresholds. No picture is shown or written.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from refer.datasets import near
from refer.datasets.audit import BLANK_BELOW

Pixels = NDArray[np.uint8]  # (SIDE, SIDE), grey
SIDE = near.SIDE
LENIENT = 0.6  # an image with a pair above this has, for all that is known, a near duplicate
THRESHOLDS = (0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
RNG = np.random.default_rng(0)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Return what JPEG leaves of it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def turned(pixels: Pixels, most: float, border: str = "black") -> Pixels:
    """Turn it by up to so many degrees; what comes in from outside is black, or the edge or the mirror image."""
    if border == "black":
        return np.asarray(Image.fromarray(pixels).rotate(RNG.uniform(-most, most), Image.Resampling.BICUBIC))
    wide = np.pad(pixels, SIDE // 2, mode=border)  # type: ignore[call-overload]
    inner = slice(SIDE // 2, -(SIDE // 2))
    return np.asarray(Image.fromarray(wide).rotate(RNG.uniform(-most, most), Image.Resampling.BICUBIC))[inner, inner]


def cropped(pixels: Pixels, width: float, height: float) -> Pixels:
    """Cut out a window of these shares of the sides, anywhere, and make it as large as before."""
    left, top = RNG.uniform(0, 1 - width), RNG.uniform(0, 1 - height)
    box = (left * SIDE, top * SIDE, (left + width) * SIDE, (top + height) * SIDE)
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box))


def brightened(pixels: Pixels, by: float, gain: float = 1.0) -> Pixels:
    """Add to it and stretch its contrast, as far as 0..255 allows."""
    return np.clip(128 + gain * (pixels.astype(float) - 128) + by, 0, 255).astype(np.uint8)


def scaled(pixels: Pixels) -> Pixels:
    """Make it half as large, and large again."""
    small = Image.fromarray(pixels).resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def mirrored(pixels: Pixels) -> Pixels:
    """Swap left and right."""
    return np.ascontiguousarray(pixels[:, ::-1])


def square(pixels: Pixels, least: float) -> Pixels:
    """Cut out a square window of at least this share of the side."""
    side = RNG.uniform(least, 1)
    return cropped(pixels, side, side)


KINDS: dict[str, Callable[[Pixels], Pixels]] = {
    "turned by up to 10°": lambda p: turned(p, 10),
    "turned by up to 30°": lambda p: turned(p, 30),
    "turned by up to 30°, edges continued": lambda p: turned(p, 30, "edge"),
    "turned by up to 30°, edges mirrored": lambda p: turned(p, 30, "reflect"),
    "cropped by up to 10 %": lambda p: square(p, 0.9),
    "cropped by up to 20 %": lambda p: square(p, 0.8),
    "cropped by 20 %": lambda p: cropped(p, 0.8, 0.8),
    "cropped by up to 20 %, other in width than in height": lambda p: cropped(p, *RNG.uniform(0.8, 1, 2)),
    "cropped by 30 %": lambda p: cropped(p, 0.7, 0.7),
    "mirrored": mirrored,
    "brighter or darker by up to 50": lambda p: brightened(p, RNG.uniform(-50, 50)),
    "contrast of 0.5 to 1.6": lambda p: brightened(p, 0, RNG.uniform(0.5, 1.6)),
    "JPEG, quality 30": lambda p: compressed(p, 30),
    "JPEG, quality 10": lambda p: compressed(p, 10),
    "half as large, and large again": scaled,
    "mirrored and turned by up to 30°": lambda p: turned(mirrored(p), 30),
    "mirrored and cropped by up to 20 %": lambda p: square(mirrored(p), 0.8),
    "turned by up to 15° and cropped by up to 20 %": lambda p: square(turned(p, 15, "edge"), 0.8),
    "turned by up to 30°, brighter by 20, JPEG 30": lambda p: compressed(brightened(turned(p, 30), 20), 30),
}


def whole(images: NDArray[np.uint8], rows: NDArray[np.int64], subjects: list[str]) -> near.Pairs:
    """Print how many pairs of the whole set are found, and how many of them show two people (where known)."""
    began, processor = time.perf_counter(), time.process_time()
    pairs = near.near_duplicates(images, rows, above=LENIENT)
    took, processor = time.perf_counter() - began, time.process_time() - processor
    who = np.array(subjects)
    two = (who[pairs.first] != who[pairs.second]) if all(who) else np.zeros(len(pairs.first), bool)
    total = len(rows) * (len(rows) - 1) // 2
    print(f"\n{len(rows):,} images, {total:,} pairs, {took:.0f} s, of the processor {processor:.0f} s\n")
    print(f"| above | {' | '.join(near.VIEWS)} | of two people |\n|---|{'---:|' * (len(near.VIEWS) + 1)}")
    for above in THRESHOLDS:
        over = pairs.correlation > above
        of = [f"{(over & (pairs.view == number)).sum():,}" for number in range(len(near.VIEWS))]
        people = f"{(over & two).sum():,}" if all(who) else "not known"
        print(f"| {above:.2f} | {' | '.join(of)} | {people} |")
    return pairs


def searched(images: NDArray[np.uint8], rows: NDArray[np.int64], chosen: NDArray[np.int64]) -> None:
    """Print for each kind of change how many originals are found, and how many other images."""
    sample = near.thumbnails(images, chosen)
    print(f"\n{len(chosen):,} images changed, each searched for among {len(rows):,}\n")
    print("| change | " + " | ".join(f"recall, {t:.2f}" for t in THRESHOLDS) + " | wrong | precision |")
    print(f"|---|{'---:|' * (len(THRESHOLDS) + 2)}")
    for kind, change in KINDS.items():
        copies = np.stack([change(one) for one in sample])[..., None]
        pairs = near.near_between(images, rows, copies, range(len(copies)), views=True, above=THRESHOLDS[0])
        right = pairs.first == chosen[pairs.second]
        recall = [(right & (pairs.correlation > above)).sum() / len(chosen) for above in THRESHOLDS]
        wrong = (~right & (pairs.correlation > near.NEAR_ABOVE)).sum()
        found = (right & (pairs.correlation > near.NEAR_ABOVE)).sum()
        shares = " | ".join(f"{100 * share:.1f} %" for share in recall)
        print(f"| {kind} | {shares} | {wrong} | {100 * found / max(found + wrong, 1):.2f} % |", flush=True)


def main() -> None:
    """Measure each folder and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, nargs="+")
    parser.add_argument("--sample", type=int, default=1000)
    given = parser.parse_args()
    for folder in given.prepared:
        print(f"\n## {folder}")
        images = np.load(folder / "images.npy", mmap_mode="r")
        index = pd.read_parquet(folder / "index.parquet", columns=["sha256", "subject", "modality"])
        for modality in index["modality"].unique():
            mine = np.flatnonzero((index["modality"] == modality) & ~index["sha256"].duplicated())
            rows = mine[[images[row].std() >= BLANK_BELOW for row in mine]]
            print(f"\n### {modality}")
            pairs = whole(images, rows, index["subject"].fillna("").tolist())
            alone = np.setdiff1d(rows, [pairs.first, pairs.second])
            searched(images, rows, np.sort(RNG.permutation(alone)[: given.sample]))


if __name__ == "__main__":
    main()
