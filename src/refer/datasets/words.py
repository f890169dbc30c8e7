"""The words that all readers share: classes by any of their names, suffixes of images, names of splits' folders.

Letters count without case. A class has one name here (`angry`), whatever a set's owner calls it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

SYNONYMS = {
    **dict.fromkeys(("angry", "anger", "angriness", "rage"), "angry"),
    **dict.fromkeys(("disgust", "disgusted", "disgusting"), "disgust"),
    **dict.fromkeys(("fear", "fearful", "afraid", "scared"), "fear"),
    **dict.fromkeys(("happy", "happiness", "joy", "joyful"), "happy"),
    **dict.fromkeys(("sad", "sadness"), "sad"),
    **dict.fromkeys(("surprise", "surprised", "surprising", "suprise", "suprised", "surprize"), "surprise"),
    **dict.fromkeys(("neutral", "neutrality"), "neutral"),
    **dict.fromkeys(("contempt", "contemptuous"), "contempt"),
}
"""A name of a class, in small letters → the one that is compared."""

SUFFIXES = ("jpg", "jpeg", "jpe", "jfif", "png", "bmp", "tif", "tiff", "webp", "gif")
"""Of image files, in small letters. What is inside decides (refer.datasets.decode), not the suffix."""

SUFFIX = "(?:jpe?g|jpe|jfif|png|bmp|tiff?|webp|gif)"
"""The same as part of a regular expression."""

FOLDERS = {
    **dict.fromkeys(("train", "training", "train_set", "trainset", "training_set"), "train"),
    **dict.fromkeys(("test", "testing", "test_set", "testset"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "val_set", "valset", "validation_set"), "val"),
}
"""A name of a split's folder, in small letters → train, test or val."""

FOLDER = f"(?:{'|'.join(sorted(FOLDERS, key=len, reverse=True))})"


def is_image(member: str) -> bool:
    """Tell by its suffix whether a file is an image."""
    return member.rpartition(".")[2].lower() in SUFFIXES and "." in member


def canonical(text: str) -> str | None:
    """Return the one name of the class that `text` names, None where it names none, or several.

    Numbers beside a name are ignored ("1_Surprise"): the name says what a folder holds.
    """
    words = re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text).casefold())
    return SYNONYMS.get(words[0]) if len(words) == 1 else None


def class_of(text: str, classes: Sequence[str]) -> int | None:
    """Return the index in `classes` of the class that `text` names, None where it names none of them."""
    name = canonical(text) or text.strip().casefold()
    return next((label for label, each in enumerate(classes) if (canonical(each) or each.casefold()) == name), None)
