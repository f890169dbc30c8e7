"""Where faces are in a picture: OpenCV's cascade of Haar features, which its package carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.decode import Box, Recipe, cut_out
from refer.errors import UserError
from refer.live import optional

CASCADE = "haarcascade_frontalface_default.xml"
"""FER2013's faces were found by OpenCV's face detector, too (Goodfellow et al. 2013, arXiv 1307.0414)."""
SHRINK, NEIGHBOURS, SMALLEST = 1.1, 5, 48
"""Between two sizes that are looked at; boxes that must agree on a face; side of a face in pixels."""


class Finder:
    """Finds upright faces that look at the camera.

    Viola and Jones 2001 (CVPR); a face that is turned to the side or aside by more than some 15° is missed.

    Raises:
        UserError: OpenCV is not installed, or is one without the detector.
    """

    def __init__(self, smallest: int = SMALLEST) -> None:
        """Take the smallest side of a face in pixels: half of it takes four times as long."""
        cv2 = optional("cv2", "live")
        path = Path(cv2.data.haarcascades) / CASCADE
        if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
            raise UserError(f"OpenCV {cv2.__version__} carries no face detector; install 'opencv-python-headless<5'.")
        self.smallest, self._cascade = smallest, cv2.CascadeClassifier(str(path))

    def __call__(self, picture: Image.Image) -> list[Box]:
        """Return the boxes of the faces, the largest first."""
        grey = np.asarray(picture.convert("L"))
        least = (self.smallest, self.smallest)
        found = self._cascade.detectMultiScale(grey, SHRINK, NEIGHBOURS, minSize=least)
        boxes = [(float(x), float(y), float(x + wide), float(y + high)) for x, y, wide, high in found]
        return sorted(boxes, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))


def cropped(picture: Image.Image, boxes: list[Box] | None, recipe: Recipe, margin: float = 0.0) -> NDArray[np.uint8]:
    """Cut faces out as the images of a data set are prepared.

    Args:
        picture: RGB or grey.
        boxes: of the faces; None: the picture is a face.
        recipe: height, width and channels of a prepared image, and what becomes of other proportions.
        margin: share of a box's side that is added on each side.

    Returns:
        (boxes, H, W, C) uint8; beyond the picture its edge is repeated.
    """
    if boxes is None:
        return cut_out(picture, recipe)[None]
    faces = [cut_out(picture, recipe, _widened(box, margin, recipe.shape[1] / recipe.shape[0])) for box in boxes]
    return np.stack(faces) if faces else np.empty((0, *recipe.shape), np.uint8)


def _widened(box: Box, margin: float, aspect: float) -> Box:
    """Return a box about the same middle, with a margin, in the proportions (width by height) that are wanted."""
    left, top, right, bottom = box
    high = max(bottom - top, (right - left) / aspect) * (1 + 2 * margin)
    x, y, wide = (left + right) / 2, (top + bottom) / 2, high * aspect
    return (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
