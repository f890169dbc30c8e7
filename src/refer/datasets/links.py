"""Links between two data sets that hold the same photographs, in other pixels and under other labels.

FER2013's images stand in FER+ too. refer.evaluation.label_agreement says what their labels tell of each other.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refer import parquet
from refer.datasets.audit import blank, read_summary
from refer.datasets.near import near_between, normalised, thumbnails
from refer.datasets.prepare import IMAGES, INDEX
from refer.datasets.prepared import check, open_images
from refer.errors import UserError
from refer.files import whole, write_json

CANDIDATE_ABOVE = 0.6  # cosine of the aligned discs (see near.py): what may be the same image
LINK_ABOVE = 0.7  # correlation of the normalised images as they lie, so that a cropped or turned one is no link
SAME = {"happy": "happiness", "sad": "sadness", "angry": "anger"}
"""Classes that go by two names."""
TOGETHER = 0.05  # of correlation: what a partner in the split of the same name may lack against another one


def link(names: tuple[str, str], prepared: tuple[Path, Path], links: Path, summary: Path) -> None:
    """Find each image of one prepared data set in another.

    Writes `links`, a parquet file with one row for each linked image of the first set (columns id, other, split, class,
    other_class, correlation, and votes where the other set has them), and `summary`, a JSON file that says of which
    data and how many. An image has one partner at most, which has no other: the one that correlates best, where one
    of the split of the same name counts TOGETHER more.

    Raises:
        UserError: a folder is missing or holds another data set, or nothing of one stands in the other.
    """
    about = [read_summary(folder, name) for name, folder in zip(names, prepared, strict=True)]
    for folder in prepared:
        check(folder)
    tables = [parquet.frame(folder / INDEX) for folder in prepared]
    images = [open_images(folder / IMAGES) for folder in prepared]
    first, second, correlation = _partners(images[0], tables[0], images[1], tables[1])
    if not len(first):
        raise UserError(f"No image of {names[0]} stands in {names[1]}: leave the two out of audit.between.")
    one, other = tables[0].iloc[first].reset_index(drop=True), tables[1].iloc[second].reset_index(drop=True)
    found = one[["id", "split", "class"]].assign(
        other=other["id"], other_class=other["class"], correlation=correlation.round(4).astype("float32")
    )
    if "votes" in other:
        found["votes"] = other["votes"]
    report = {
        "datasets": list(names),
        "stand_in": [each["stand_in"] for each in about],
        "data_fingerprints": [each["fingerprint"] for each in about],
        "pixels": [each["pixels"]["said"] for each in about],
        "classes": [each["classes"] for each in about],
        "images": [len(table) for table in tables],
        "linked": len(found),
        "images_of_split": tables[0]["split"].value_counts(sort=False).to_dict(),
    }
    with ExitStack() as outputs:
        listing, text = (outputs.enter_context(whole(path)) for path in (links, summary))
        found.to_parquet(listing, index=False)
        write_json(text, report)


def _partners(
    images: NDArray[np.uint8], index: pd.DataFrame, others: NDArray[np.uint8], other_index: pd.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return rows of the two sets that show one image, each row once, and their correlation."""
    rows, other_rows = (
        np.flatnonzero(~table["sha256"].duplicated() & ~blank(pixels))
        for table, pixels in ((index, images), (other_index, others))
    )
    found = near_between(images, rows, others, other_rows, above=CANDIDATE_ABOVE)
    correlation = _correlated(images, found.first, others, found.second)
    kept = correlation > LINK_ABOVE
    pairs = pd.DataFrame({"one": found.first[kept], "two": found.second[kept], "correlation": correlation[kept]})
    # Identical images were compared once: each of them is linked.
    for column, table in (("one", index), ("two", other_index)):
        twins = pd.DataFrame({"sha256": table["sha256"], column: np.arange(len(table))})
        pairs = pairs.assign(sha256=table["sha256"].to_numpy()[pairs[column]]).drop(columns=column)
        pairs = pairs.merge(twins, on="sha256").drop(columns="sha256")
    together = index["split"].to_numpy()[pairs["one"]] == other_index["split"].to_numpy()[pairs["two"]]
    pairs["worth"] = pairs["correlation"].round(3) + TOGETHER * together
    pairs = pairs.sort_values(["worth", "one", "two"], ascending=[False, True, True])
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for at, (one, two) in enumerate(zip(pairs["one"], pairs["two"], strict=True)):
        if one not in taken[0] and two not in taken[1]:
            taken[0].add(one)
            taken[1].add(two)
            chosen.append(at)
    best = pairs.iloc[chosen].sort_values("one")
    return best["one"].to_numpy(), best["two"].to_numpy(), best["correlation"].to_numpy()


def _correlated(
    images: NDArray[np.uint8], first: NDArray[np.int64], others: NDArray[np.uint8], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the correlation of the normalised images of each pair."""
    result = np.empty(len(first))
    for start in range(0, len(first), 2048):
        some = slice(start, start + 2048)
        a, b = (
            normalised(thumbnails(pixels, rows[some])).reshape(len(rows[some]), -1)
            for pixels, rows in ((images, first), (others, second))
        )
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        result[some] = (a * b).sum(axis=1) / np.maximum(lengths, 1e-6)
    return result
