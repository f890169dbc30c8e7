"""What a network does not learn from: twins of test images, or as many other images of each class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from refer.errors import UserError
from refer.training.data import without

LABELS = [0] * 50 + [1] * 30
TWINS = [*range(8), *range(50, 53)]


@pytest.fixture
def index() -> pd.DataFrame:
    """Eighty training images of two classes, 8 and 3 of them twins, one of these removed before; ten tested ones."""
    frame = pd.DataFrame({"id": [f"{number}.png" for number in range(90)], "label": [*LABELS, *[0] * 10]})
    frame["part"] = ["train"] * 80 + ["private"] * 10
    frame["kept"] = [number != 7 for number in range(90)]
    frame["twin"] = [number in TWINS for number in range(90)]
    return frame


def left(index: pd.DataFrame, leave_out: str, seed: int = 0) -> set[str]:
    learnt = without(index, leave_out, seed)
    assert learnt.loc[index["part"] == "private", "kept"].all()
    return set(learnt.loc[(learnt["part"] == "train") & learnt["kept"], "id"])


def test_without_twins_every_other_image_is_learnt(index: pd.DataFrame) -> None:
    assert left(index, "none") == {f"{number}.png" for number in range(80) if number != 7}
    assert left(index, "twins") == {f"{number}.png" for number in range(80) if number not in TWINS}


def test_as_many_others_of_each_class_are_left_out_and_no_twin(index: pd.DataFrame) -> None:
    learnt = left(index, "as-many-others")
    assert {f"{number}.png" for number in TWINS if number != 7} <= learnt
    label = dict(zip(index["id"], index["label"], strict=True))
    assert np.bincount([label[name] for name in learnt]).tolist() == [42, 27]
    assert np.bincount([label[name] for name in left(index, "twins")]).tolist() == [42, 27]


def test_what_is_drawn_follows_the_seed_alone(index: pd.DataFrame) -> None:
    learnt = left(index, "as-many-others", seed=1)
    assert left(index.sample(frac=1.0, random_state=3).reset_index(drop=True), "as-many-others", seed=1) == learnt
    assert left(index, "as-many-others", seed=2) != learnt


def test_a_split_without_twins_and_a_class_of_twins_are_refused(index: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="The split says nothing of twins"):
        without(index.drop(columns="twin"), "twins", 0)
    with pytest.raises(UserError, match=r"Of class 1 20 training images are twins and 10 are not"):
        without(index.assign(twin=index["twin"] | (index.index >= 50) & (index.index < 70)), "as-many-others", 0)
