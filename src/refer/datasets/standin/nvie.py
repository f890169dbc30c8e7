"""A drawn stand-in for NVIE as VIRI's owner publishes it, as the owner's archives or in class folders.

USTC-NVIE: photographs and grey thermal pictures of more than 100 people before a wall, lit from the front, the
left or the right (Wang et al., IEEE Trans. Multimedia 12(7), 2010). Here it has three classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from refer.datasets.readers.nvie import NVIE
from refer.datasets.standin.cameras import Rig
from refer.datasets.standin.common import Progress
from refer.datasets.standin.pairsets import PairSet, draw_pairs

Layout = Literal["owner's archives", "class folders"]

KIND = PairSet(
    known=NVIE,
    word="NVIE",
    weights=(1, 1, 1),
    proportions="the classes are of one size, since nobody states NVIE's own numbers.",
    rig=Rig(photo=(240, 216), thermogram=(200, 180), places=False, distance=0.28),
    coloured=False,
    radiometric=0,
)


def draw(
    out: Path,
    *,
    images: Mapping[str, int],
    subjects: int,
    seed: int = 0,
    layout: Layout = "owner's archives",
    mess: bool = True,
    progress: Progress | None = None,
) -> None:
    """Draw a stand-in for NVIE and write it to `out`, whole or not at all.

    As `viri.draw`, with `images` at least {"all": 12}, classes of one size, photographs of 216x240 pixels
    before a wall, grey thermal pictures of 180x200 pixels, and no radiometric ones. Among the owner's archives
    two hold disgusted and two happy photographs, one of them a 7z.

    Raises UserError for counts, a layout or a place that will not do.
    """
    draw_pairs(KIND, out, images=images, subjects=subjects, seed=seed, layout=layout, mess=mess, progress=progress)
