"""A drawn stand-in for VIRI, as the owner's archives or in class folders.

VIRI: 566 pairs of a photograph and a false-colour thermal picture of about 110 people, each with five expressions,
taken wherever they were met. The stand-in repeats its class proportions.
"""

from __future__ import annotations

from refer.datasets.readers.viri import VIRI
from refer.datasets.standin.common import stated
from refer.datasets.standin.pairsets import PairSet

KIND = PairSet(
    known=VIRI,
    weights=stated(VIRI.counts["all"]),
    photo=(240, 256),
    thermogram=(240, 256),
    places=True,
    distance=0.27,
    coloured=True,
    radiometric=3,
)
draw = KIND.drawer()
