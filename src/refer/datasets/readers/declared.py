"""What the readers of declared data sets share: what a configuration says of the files, and pairs of two cameras."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from refer.datasets.codings import Coding
from refer.datasets.model import ImageRow, some
from refer.errors import UserError

WHOLE = "all"
"""The one split of a data set whose files have none."""


@dataclass(frozen=True)
class Own:
    """A declaration as its reader needs it; words and patterns are in small letters (see `key_of`)."""

    title: str
    coding: Coding
    splits: Mapping[str, str]  # what stands in the files → split
    modalities: Mapping[str, Sequence[str]]  # modality → names or patterns; none: all pictures are visible
    class_pattern: str | None
    pair: str | None
    columns: Mapping[str, str | None]
    tables: Sequence[str]

    @property
    def divided(self) -> bool:
        """Whether the files say which split an image is in."""
        return set(self.splits.values()) != {WHOLE}

    def cameras(self, names: Sequence[str]) -> list[str]:
        """Return the modalities of which one of these names, of folders and a file or of a cell, is."""
        keys = [key_of(name) for name in names]
        return [
            modality
            for modality, patterns in self.modalities.items()
            if any(fnmatchcase(key, pattern) for key in keys for pattern in patterns)
        ]

    def classes_told(self) -> str:
        """Name the classes, with what they are called in the files."""
        return ", ".join(dict.fromkeys([*self.coding.classes, *self.coding.labels]))


def key_of(word: object) -> str:
    """Return a word as it is compared: in small letters, its accents composed, without blanks around it."""
    return unicodedata.normalize("NFC", str(word)).strip().casefold()


def check_pairs(title: str, rows: Sequence[ImageRow]) -> dict[str, int]:
    """Return how many pairs there are, and images without a partner; none where there is one camera.

    Raises:
        UserError: a pair has two images of one camera.
    """
    modalities = {row.modality for row in rows}
    paired: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.pair is not None:
            paired[row.pair][row.modality] += 1
    double = sorted(pair for pair, found in paired.items() if max(found.values()) > 1)
    if double:
        one = next(row for row in rows if row.pair == double[0] and paired[row.pair][row.modality] > 1)
        raise UserError(
            f"{title}: the rule of pairs finds {paired[double[0]][one.modality]} {one.modality} images for one moment, "
            f"{some(double, 2)}: correct it, so that each moment has one image of each camera."
        )
    if len(modalities) < 2:
        return {}
    whole = {pair for pair, found in paired.items() if len(found) > 1}
    alone = Counter(row.modality for row in rows if row.pair not in whole)
    return {"pairs": len(whole)} | {f"{modality} images without a partner": n for modality, n in sorted(alone.items())}
