"""VIRI: faces of about 110 people in visible light and infrared, five posed expressions each, in pairs.

Siddiqui and Javaid, A Multimodal Facial Emotion Recognition Framework through the Fusion of Speech with Visible and
Infrared Images, 2020, doi 10.3390/mti4030046. Here in the form in which the authors of naseem2025 published it.
"""

from __future__ import annotations

from refer.datasets.model import Dataset
from refer.datasets.readers.pairs import INFRARED, VISIBLE
from refer.datasets.readers.twocameras import CHOICES, COMMIT, LAYOUTS, REPOSITORY, TwoCameras, owners_files

CAMERAS = TwoCameras("VIRI", ("angry", "happy", "neutral", "sad", "surprise"))

BLOBS = {
    "VIRI-Angry-Ir.zip": "f265496b2285576475a6cd55c1304447e01d69e4",
    "VIRI-Angry-Vis.zip": "f91542fdb1f3506d869947cb817d3c64523c5cb8",
    "VIRI-Happy-Ir.zip": "398f1355ef7667894b56c083eba4bd4ca92466cc",
    "VIRI-Happy-Vis.zip": "d0653c28f88a2d86283aa9791468df5cc51c4b1e",
    "VIRI-Neutral-Ir.zip": "c0d848366b0b5ba844981bdf3c9ebf678a7d6248",
    "VIRI-Neutral-Vis.zip": "a8ce692f1f59fb270f4299e13207e5601c5c334b",
    "VIRI-Sad-Ir.zip": "d39e54a970c9b72cfbe99667f02bceb3cbd22864",
    "VIRI-Sad-Vis.zip": "34eac837e42f29f794ac2dade9ddf232d2e3e572",
    "VIRI-Surprise-Ir.zip": "c0fdea04ec60b57eb7ec5c53fd964ea03d62a266",
    "VIRI-Surprise-Vis.zip": "c4f6f7215971c277259a0567d65ad718c6b51bf4",
}


VIRI = Dataset(
    name="viri",
    title=CAMERAS.word,
    classes=CAMERAS.classes,
    splits=("all",),
    modalities=(VISIBLE, INFRARED),
    size=(224, 224),
    channels=3,
    counts={"all": (111, 114, 114, 114, 113)},  # of the 566 pairs in the notebooks of naseem2025
    counts_are="reported",
    licence="No licence is known to come with it: the README that accompanies the archives states none. Use it for "
    "research, cite Siddiqui and Javaid (2020), and do not pass the images on.",
    home=f"https://github.com/{REPOSITORY}",
    how_to_get=f"Write `viri: download` into the configuration: ten archives of commit {COMMIT[:12]} are fetched and "
    "verified. Or fetch them yourself from `home`, put VIRI-<class>-Vis.zip and VIRI-<class>-Ir.zip into one folder "
    "and write its path.",
    recognise=CAMERAS.recognise,
    read=CAMERAS.read,
    fit="squash",
    names_subjects=False,
    files=owners_files(BLOBS),
    layouts=LAYOUTS,
    choices=CHOICES,
    stand_in="viri",
)
