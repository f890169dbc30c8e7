"""What the audit's search for near duplicates finds and what it mistakes for them: docs/near-duplicates.md.

    python benchmarks/near_duplicates.py PREPARED... [--sample 1500]

PREPARED are folders of prepared data sets, e.g. data/prepared/fer2013. Of each are printed: how many of the copies
made here of a sample are found, by kind; how many pairs of the whole set are found at other thresholds; and what a
hash of 64 bits would make of it. No picture is shown or written.
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
from scipy.fft import dctn

from refer.datasets import near
from refer.datasets.audit import BLANK_BELOW

Pixels = NDArray[np.uint8]  # (SIDE, SIDE), grey
SIDE = near.SIDE
THRESHOLDS = (0.76, 0.80, 0.82, 0.84, 0.85, 0.86, 0.88, 0.90)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Return what JPEG leaves of it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def cropped(pixels: Pixels, left: int, top: int, right: int, bottom: int) -> Pixels:
    """Cut off the edges, and make what is left as large as before."""
    box = (left, top, SIDE - right, SIDE - bottom)
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box))


def moved(pixels: Pixels, across: int, down: int) -> Pixels:
    """Move it, and continue its edges."""
    wide = np.pad(pixels, 4, mode="edge")
    return np.roll(wide, (down, across), (0, 1))[4:-4, 4:-4]


def brightened(pixels: Pixels, by: float, gain: float = 1.0) -> Pixels:
    """Multiply and add, as far as 0..255 allows."""
    return np.clip(gain * pixels.astype(float) + by, 0, 255).astype(np.uint8)


def scaled(pixels: Pixels) -> Pixels:
    """Make it half as large, and large again."""
    small = Image.fromarray(pixels).resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def mirrored(pixels: Pixels) -> Pixels:
    """Swap left and right."""
    return np.ascontiguousarray(pixels[:, ::-1])


KINDS: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG, quality 50": lambda p: compressed(p, 50),
    "JPEG, quality 10": lambda p: compressed(p, 10),
    "half as large, and large again": scaled,
    "brighter by 20": lambda p: brightened(p, 20),
    "darker by 40": lambda p: brightened(p, -40),
    "1.6 times the contrast": lambda p: brightened(p, -60, 1.6),
    "moved by 1 px": lambda p: moved(p, 1, 0),
    "moved by 2 and 1 px": lambda p: moved(p, 2, -1),
    "moved by 3 and 2 px": lambda p: moved(p, 3, 2),
    "cropped by 1 px at each edge": lambda p: cropped(p, 1, 1, 1, 1),
    "cropped by 2 px at each edge": lambda p: cropped(p, 2, 2, 2, 2),
    "cropped by 3 px at each edge": lambda p: cropped(p, 3, 3, 3, 3),
    "cropped by 3 px at one edge": lambda p: cropped(p, 3, 0, 0, 0),
    "cropped by 3 px at two edges": lambda p: cropped(p, 3, 3, 0, 0),
    "turned by 3 degrees": lambda p: np.asarray(Image.fromarray(p).rotate(3, Image.Resampling.BICUBIC)),
    "mirrored": mirrored,
    "mirrored, JPEG, quality 30": lambda p: compressed(mirrored(p), 30),
}


def found(sample: NDArray[np.uint8]) -> dict[str, float]:
    """Return for each kind of copy the share that is found among the sample (N, SIDE, SIDE) and its copies."""
    shares = {}
    for kind, change in KINDS.items():
        both = np.concatenate([sample, np.stack([change(one) for one in sample])])[..., None]
        pairs = near.near_duplicates(both, range(len(both)))
        shares[kind] = float((pairs.second - pairs.first == len(sample)).sum() / len(sample))
    return shares


def at_thresholds(images: NDArray[np.uint8], rows: NDArray[np.int64], subjects: list[str]) -> None:
    """Print how many pairs of the whole set are found, and how many of them show two people (where known)."""
    began = time.perf_counter()
    pairs = near.near_duplicates(images, rows, above=THRESHOLDS[0])
    took = time.perf_counter() - began
    who = np.array(subjects)
    two = (who[pairs.first] != who[pairs.second]) if all(who) else np.zeros(len(pairs.first), bool)
    total = len(rows) * (len(rows) - 1) // 2
    print(f"\n{len(rows):,} pictures, {total:,} pairs, {took:.1f} s\n")
    print("| above | as it is | cropped | mirrored | of two people |\n|---|---:|---:|---:|---:|")
    for above in THRESHOLDS:
        over = pairs.correlation > above
        of = {view: int((over & (pairs.view == number)).sum()) for number, view in enumerate(near.VIEWS)}
        people = f"{int((over & two).sum()):,}" if all(who) else "not known"
        print(f"| {above:.2f} | {of['as it is']:,} | {of['cropped']:,} | {of['mirrored']:,} | {people} |")


def as_bits(sample: NDArray[np.uint8], copies: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the Hamming distances (N, N) of the usual hash: 64 signs against the median. And those to the copies."""

    def bits(small: NDArray[np.uint8]) -> NDArray[np.uint64]:
        low = dctn(small.astype(np.float32), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(small), -1)
        return np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1).view(np.uint64)[:, 0]

    own = bits(sample)
    return np.bitwise_count(own[:, None] ^ own), np.bitwise_count(own ^ bits(copies))


def main() -> None:
    """Measure each folder and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, nargs="+")
    parser.add_argument("--sample", type=int, default=1500)
    given = parser.parse_args()
    for folder in given.prepared:
        print(f"\n## {folder}")
        images = np.load(folder / "images.npy", mmap_mode="r")
        index = pd.read_parquet(folder / "index.parquet", columns=["sha256", "subject", "modality"])
        for modality in index["modality"].unique():
            mine = np.flatnonzero((index["modality"] == modality) & ~index["sha256"].duplicated())
            rows = mine[[images[row].std() >= BLANK_BELOW for row in mine]]
            print(f"\n### {modality}")
            at_thresholds(images, rows, index["subject"].fillna("").tolist())
            chosen = np.random.default_rng(0).permutation(rows)[: given.sample]
            sample = near.thumbnails(images, np.sort(chosen))
            print("\n| copy | found |\n|---|---:|")
            for kind, share in found(sample).items():
                print(f"| {kind} | {100 * share:.1f} % |")
            for kind in ("moved by 2 and 1 px", "cropped by 2 px at each edge"):
                compare_hashes(sample, kind)


def compare_hashes(sample: NDArray[np.uint8], kind: str) -> None:
    """Print how many pairs pass a hash that lets as many copies of a kind pass as the one used here."""
    copies = np.stack([KINDS[kind](one) for one in sample])
    usual = near._usual(sample)
    signed = near._signatures(sample, usual), near._signatures(copies, usual)
    alike = signed[0].hashes @ signed[0].hashes.T
    passing = float(((signed[0].hashes * signed[1].hashes).sum(axis=1) > near.HASH_ABOVE).mean())
    between, own = as_bits(sample, copies)
    distance = int(np.quantile(own, passing, method="higher"))
    upper = np.triu_indices(len(sample), 1)
    here, there = (1e6 * (alike[upper] > near.HASH_ABOVE).mean(), 1e6 * (between[upper] <= distance).mean())
    print(
        f"\n{kind}: {100 * passing:.1f} % of the copies are candidates, and {here:,.0f} of a million other pairs; "
        f"with 64 bits, of which {distance} may differ, {there:,.0f}"
    )


if __name__ == "__main__":
    main()
