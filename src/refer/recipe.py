"""How a network is trained and looked at, as typed objects: the section `recipe` of a paper and of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from refer.strict import Strict, later
from refer.training.composition import Composition
from refer.validation import validated

EVALUATION_BATCH = 512
SMALL = 64
"""Side in pixels of the images of which so many are looked at together; of larger ones as many pixels."""
SHUFFLE_SEED = 0
"""Of the order of test images where it is to be mixed: the same for every method and seed."""
ORDERS = {
    "file": "in the order of the data set's index",
    "shuffled": f"in an order drawn from seed {SHUFFLE_SEED}",
    "class": "sorted by class",
}
"""`test_order` → what people read."""
WINDOW = 11 / 12
"""Of a network that was trained on whole images: 44 of 48 pixels, as is usual on FER2013."""

Precision = Literal["fp32", "bf16", "auto"]


class Augmentation(Strict):
    """Random changes of a training image, drawn anew each time it is seen (`refer.training.augment`).

    Order and ranges are those of torchvision's transforms. What is drawn for an image depends on the seed, on its
    number and on the epoch alone. `copies` stands for naseem2025's enumerated set, and takes the place of all others.
    """

    flip: bool = False
    rotation: float = Field(0.0, ge=0, le=180, description="degrees, uniform in ±rotation")
    scale: float = Field(0.0, ge=0, lt=1, description="uniform in 1 ± scale")
    shift: float = Field(0.0, ge=0, lt=1, description="uniform in ± shift of the image's side, per axis")
    erase: float = Field(0.0, ge=0, le=1, description="probability that a random rectangle is blanked")
    desaturate: float = Field(0.0, ge=0, le=1, description="probability that the colours are taken away")
    copies: Literal["none", "sampled", "fixed"] = Field(
        "none", description="naseem2025's 26 copies of each image instead of all others: drawn anew, or a fixed set"
    )
    shear: float = later(0.0, ge=0, lt=90, description="degrees along the rows, uniform in ± shear")
    perspective: float = later(
        0.0, ge=0, le=1, description="corners of half of the images move inwards by up to half this share of a side"
    )
    zoom_out: float = later(1.0, ge=1, le=4, description="half of the images lie on a canvas of up to so many sides")
    pad: float = later(0.0, ge=0, le=0.5, description="share of the side that is added on all sides before `crop`")
    crop: float = later(
        1.0, ge=0.5, le=1, description="share of the side that is seen, at a random place; of test images the middle"
    )
    border: Literal["reflection", "edge", "black"] = later("reflection", description="what lies outside the image")
    brightness: float = later(0.0, ge=0, le=1, description="factor, uniform in 1 ± brightness")
    contrast: float = later(0.0, ge=0, le=1, description="factor of the distance to the mean grey, in 1 ± contrast")
    mixup: float = later(
        0.0, ge=0, description="alpha of the Beta distribution of the share in which an image is mixed with another"
    )
    jpeg: int = later(
        0, ge=0, le=95, description="quality at which changed `copies` are saved as JPEG and read again; 0: never"
    )

    @model_validator(mode="after")
    def _copies_alone(self) -> Augmentation:
        others = self.model_copy(update={"copies": "none", "jpeg": 0})
        if self.copies != "none" and others != Augmentation():
            raise ValueError("copies are instead of all other changes: leave out the other keys of augmentation")
        if self.jpeg and self.copies == "none":
            raise ValueError("jpeg is about the copies: set copies, or leave out jpeg")
        return self


class Recipe(Strict):
    """How a network is trained."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    image_size: int = Field(ge=16, le=512, description="side in pixels that the network sees")
    optimizer: Literal["sgd", "adam", "adamw"]
    amsgrad: bool = later(False, description="Adam's and AdamW's variant that keeps the largest second moment")
    lr: float = Field(gt=0, description="the peak learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD (Nesterov)")
    weight_decay: float = Field(0.0, ge=0)
    decayed: Literal["weights", "all"] = later(
        "weights", description="whether biases and normalisation weights decay too, as they do in PyTorch if not told"
    )
    schedule: Literal["constant", "cosine", "cosine-epochs", "cosine-accuracy"] = Field(
        "constant",
        description="of the rate; cosine-epochs swings with a half period of `period` epochs, cosine-accuracy "
        "takes 1 + the accuracy (0..1) after the epoch before for the epoch",
    )
    period: int = Field(3, ge=1, description="epochs, of the schedules that swing")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps over which the rate rises linearly")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    loss: Literal["logits", "softmax"] = Field(
        "logits", description="what the cross-entropy is given; softmax means that it is applied twice"
    )
    structure: bool = Field(False, description="feratt2019's Gaussian structure loss on the representation")
    mixed_labels: Literal["agreeing", "none", "neighbours", "shares"] = Field(
        "shares",
        description="how the structure loss labels mixed representations; none: none are mixed. No default acts: a "
        "recipe with `structure: true` says it (agreeing and none are in the authors' code, shares is not)",
    )
    sigma: float = later(0.5, gt=0, description="of the Gaussians of the structure loss")
    attention_coefficient: float = later(5.0, ge=0, description="factor of feratt2019's attention loss")
    compose: Composition | None = Field(None, description="train and test on faces composed on backgrounds")
    compose_train: bool = Field(True, description="learn from composed faces, not from the images as they are")
    compose_test: bool = Field(True, description="be tested on composed faces, not on the images as they are")
    draws: int | None = Field(None, ge=1, description="composed images of an epoch; none: one for each image")
    balanced: bool = later(
        False,
        description="an epoch shows the classes by turns, each time a random image of the class (with replacement)",
    )
    augmentation: Augmentation = Augmentation()
    last_batch: Literal["dropped", "trained"] = later(
        "dropped", description="the last, smaller batch of an epoch; one of a single image is never trained"
    )
    freeze_epochs: int = later(
        0, ge=0, description="epochs, from the first, in which the backbone stays as it is and the rest trains"
    )
    head_rate: float = later(
        1.0, gt=0, description="learning rate of all that is not the backbone, in multiples of the backbone's"
    )
    pairing: Literal["names", "order"] = later(
        "names",
        description="which visible and infrared image are a pair: those whose names say so, or of each class and part "
        "the first with the first, the second with the second, in the order of their paths",
    )
    leave_out: Literal["none", "twins", "as-many-others"] = later(
        "none",
        description="images that are not trained on: twins, which an audit finds in another split too, near duplicates "
        "among them; or, to compare with, as many others of each class, drawn by the run's seed",
    )
    ema: float = later(
        0.0, ge=0, lt=1, description="decay a step of the moving average of the weights, which is what is kept; 0: none"
    )
    criterion: Literal["accuracy", "loss"] = later(
        "accuracy",
        description="what makes an epoch the best on the part that the protocol selects by: the highest accuracy, "
        "or the lowest cross-entropy",
    )
    views: Literal["none", "flip", "ten-crop"] = later(
        "none",
        description="predicted is the mean of an image and its mirror image, or of five windows and theirs",
    )
    window: float | None = later(
        None, ge=0.5, lt=1, description="share of the side of ten-crop's windows; none: augmentation.crop, or 11/12"
    )
    test_batch: int | None = later(
        None,
        ge=1,
        description="test images that are predicted together; acts only with networks whose predictions depend on it, "
        "of others it is left out. none: as many as fit",
    )
    test_order: Literal["file", "shuffled", "class"] = later(
        "file",
        description="order of the test images, where predictions depend on it: that of the data set's index, one drawn "
        "from a fixed seed, or class by class, as a loader of folders yields them",
    )
    frozen_features: Literal["once", "augmented"] = later(
        "once",
        description="what a fusion of frozen branches learns from: their features of the images as they are, computed "
        "once, or of augmented images, computed anew in each epoch",
    )

    precision: Precision | None = Field(
        None,
        description="of a training step: fp32, bf16, or auto, which is bf16 where the device is quicker at it; none: "
        "what the configuration says. Predictions are always made in fp32",
    )

    @model_validator(mode="after")
    def _composed_alone(self) -> Recipe:
        if self.compose is not None and self.compose_train and self.augmentation != Augmentation():
            raise ValueError("composed faces are changed by `compose` alone: leave out augmentation, or set it to {}")
        if self.structure and "mixed_labels" not in self.model_fields_set:
            raise ValueError(
                "the structure loss needs mixed_labels: none or agreeing, as in the authors' code, neighbours or shares"
            )
        if self.structure and self.augmentation.mixup:
            raise ValueError("the structure loss mixes representations itself: leave out augmentation.mixup")
        if self.amsgrad and self.optimizer == "sgd":
            raise ValueError("amsgrad is a variant of adam and adamw: leave it out, or choose one of them")
        if self.balanced and self.augmentation.copies != "none":
            raise ValueError("an epoch of copies shows each image 26 times: leave out balanced or augmentation.copies")
        return self

    @property
    def cut(self) -> float:
        """Share of the side that a window of a test image has."""
        whole = self.augmentation.crop
        return self.window or (whole if whole < 1 else WINDOW) if self.views == "ten-crop" else whole

    @property
    def at_once(self) -> int:
        """How many test images are looked at together: those of `test_batch`, or as many as fit into the memory."""
        return self.test_batch or at_once(self.image_size)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, by which runs are compared; keys that came later are left out at their defaults."""
        plain: dict[str, Any] = self.model_dump(mode="json")
        if self.precision in (None, "fp32"):
            del plain["precision"]  # in which all of the first released results were trained
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], where: str) -> Recipe:
        """The inverse of `as_dict`.

        Raises:
            UserError: it is no recipe; `where` says whose.
        """
        return validated(cls, plain, where)


def at_once(size: int) -> int:
    """How many images of so many pixels a side are looked at together, so that their maps do not fill the memory."""
    return EVALUATION_BATCH if size <= SMALL else max(16, EVALUATION_BATCH * SMALL**2 // size**2)


def testing(recipe: Mapping[str, Any]) -> str:
    """Return in which batches and in which order images are tested, in words: what run.json says under `recipe`."""
    many = recipe.get("test_batch") or at_once(recipe["image_size"])
    return f"{many} at a time, {ORDERS[recipe.get('test_order', 'file')]}"
