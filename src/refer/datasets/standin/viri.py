"""A drawn stand-in for VIRI, as the owner's archives or in class folders.

VIRI: 566 pairs of a photograph and a false-colour thermal picture of about 110 people, each with five
expressions, taken wherever they were met. The stand-in repeats its class proportions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from refer.datasets.readers.viri import VIRI
from refer.datasets.standin.cameras import Rig
from refer.datasets.standin.common import Progress, stated
from refer.datasets.standin.pairsets import PairSet, draw_pairs

Layout = Literal["owner's archives", "class folders"]

KIND = PairSet(
    known=VIRI,
    word="VIRI",
    weights=stated(VIRI.counts["all"]),
    proportions="the classes have VIRI's proportions.",
    rig=Rig(photo=(240, 256), thermogram=(240, 256), places=True, distance=0.27),
    coloured=True,
    radiometric=3,
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
    """Draw a stand-in for VIRI and write it to `out`, whole or not at all.

    `out` is an archive (.tar.gz, .tgz or .zip) or, with no suffix, a new directory. `images` gives the number
    of moments ({"all": n}, n at least 20), each taken by two cameras; classes come in the real proportions.
    `subjects` (at least 2) drawn persons show each expression in turn. Layout "owner's archives" holds one zip
    a class and modality under the owner's names, "class folders" the images themselves; the images are JPEGs
    (*.JPG) of 256x240 pixels, thermal ones in false colours. With `mess` a few moments lack one of their
    pictures, one in a hundred is a copy of another, some pairs share the numbers in their names alone, and
    three thermal pictures are radiometric JPEGs, one of them with the only photograph inside. README.txt says
    how many. `progress` is called with (drawn, all) moments.

    Equal arguments give equal bytes with equal versions of NumPy, SciPy, Pillow, Matplotlib and zlib. A moment
    depends on the seed, its person, its class and its number there alone, not on what is drawn beside it.

    Raises UserError for counts, a layout or a place that will not do.
    """
    draw_pairs(KIND, out, images=images, subjects=subjects, seed=seed, layout=layout, mess=mess, progress=progress)
