"""A drawn stand-in for NVIE as VIRI's owner publishes it, as the owner's archives or in class folders.

USTC-NVIE: photographs and grey thermal pictures of more than 100 people before a wall, lit from the front, the left or
the right (Wang et al., IEEE Trans. Multimedia 12(7), 2010). Here it has three classes.
"""

from __future__ import annotations

from refer.datasets.readers.nvie import NVIE
from refer.datasets.standin.pairsets import PairSet

KIND = PairSet(
    known=NVIE,
    weights=(1, 1, 1),  # nobody states NVIE's own numbers
    photo=(240, 216),
    thermogram=(200, 180),
    places=False,
    distance=0.28,
    coloured=False,
    radiometric=0,
)
draw = KIND.drawer()
