"""The data sets that this project knows. One more data set is one more module and one more line here."""

from __future__ import annotations

from refer.datasets.model import Dataset
from refer.datasets.readers.bu3dfe import BU3DFE
from refer.datasets.readers.ckplus import CKPLUS
from refer.datasets.readers.fer2013 import FER2013
from refer.datasets.readers.ferplus import FERPLUS
from refer.datasets.readers.nvie import NVIE
from refer.datasets.readers.rafdb import RAFDB
from refer.datasets.readers.viri import VIRI
from refer.errors import UserError

DATASETS: dict[str, Dataset] = {known.name: known for known in (FER2013, VIRI, NVIE, RAFDB, CKPLUS, BU3DFE, FERPLUS)}


def dataset(name: str) -> Dataset:
    """Return the data set called `name`.

    Raises:
        UserError: no data set has this name; the message lists those that exist.
    """
    if name not in DATASETS:
        raise UserError(f"There is no data set {name!r}. Known: {', '.join(sorted(DATASETS))}.")
    return DATASETS[name]
