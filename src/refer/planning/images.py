"""How many images each part of a run has, from what owners and papers state of the data sets."""

from __future__ import annotations

from refer.datasets.catalog import DATASETS
from refer.datasets.model import Dataset
from refer.plan import Plan, Run

COPIES = 26
"""Of each training image of naseem2025; `refer.training.augment` has the same number, and torch."""


def total(dataset: str, levels: list[int] | None = None) -> int:
    """How many samples there are: images, or pairs of them, of the levels that are used."""
    known = DATASETS[dataset]
    return known.images if known.frames == 1 else known.images * (known.frames if levels is None else len(levels))


def _of_split(dataset: Dataset, split: str) -> int:
    if split not in dataset.counts:  # nobody states them: as many in each split
        return dataset.images // len(dataset.splits)
    return sum(number or 0 for number in dataset.counts[split])


def parts(plan: Plan, run: Run) -> dict[str, int]:
    """Samples of each part before an audit removes any: it removes few, and none that are learnt from."""
    scheme = plan.division(run.paper, run.dataset, run.protocol)["scheme"]
    everything = total(run.dataset, scheme["levels"])
    if scheme["shares"] is not None:
        return {part: round(share * everything) for part, share in scheme["shares"].items()}
    if scheme["folds"] is not None:
        fold = everything // scheme["folds"]
        held = {scheme["validation"]: fold} if scheme["validation"] else {}
        return {"train": everything - fold - sum(held.values()), **held, "test": fold}
    known = DATASETS[run.dataset]
    found = {part: _of_split(known, split) for part, split in scheme["parts"].items()}
    if scheme["validation"]:
        found[scheme["validation"]] = round(scheme["share"] * found["train"])
        found["train"] -= found[scheme["validation"]]
    return found


def epoch(run: Run, sizes: dict[str, int]) -> int:
    """Images that one epoch of a run learns from."""
    if run.recipe.compose is not None and run.recipe.compose_train and run.recipe.draws:
        return run.recipe.draws
    return sizes["train"] * (COPIES if run.recipe.augmentation.copies != "none" else 1)


def prepared_bytes(dataset: str) -> int:
    """Size of images.npy: all cameras and levels."""
    known = DATASETS[dataset]
    height, width, channels = known.shape
    return total(dataset) * len(known.modalities) * height * width * channels
