"""What networks make of images: what is stored, that no person's picture ever is, and the figures drawn from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file

from conftest import Prepared
from figure_fixtures import caught
from refer import files
from refer.errors import UserError
from refer.evaluation import explanations
from refer.evaluation.explanations import by_turns, class_means, explain
from refer.evaluation.inference import infer
from refer.reporting.figures import attention, explained, representation
from refer.reporting.figures import explanation_file as read
from refer.reporting.figures.attention import draw_attention
from refer.reporting.figures.explained import draw_explained
from refer.reporting.figures.explanation_file import read_explained
from refer.reporting.figures.representation import draw_representations, ellipse, plane
from refer.training import checkpoint
from refer.training.composer import composed_set, load_composer
from refer.training.composition import Composition
from refer.training.task import COMPOSED_SEED
from report_fixtures import StubMethod, written_in
from test_realtime import NAMES, REGIONS, a_run, untrained

FERATT = {
    "name": "ferattention",
    "encoder": "compact",
    "filters": 1,
    "backbone": "compact",
    "dim": 6,
    "weights": "none",
}
CPU = torch.device("cpu")


@pytest.fixture
def small(tmp_path: Path) -> Prepared:
    return Prepared(tmp_path, images=40)


def explained_run(small: Prepared, network: dict[str, Any], name: str = "e", **options: Any) -> Path:
    """Explain a network that has learnt nothing; `run` holds changes of the run."""
    run = a_run(network, **options.pop("run", {}))
    folder = small.path.parent
    untrained(folder / "c.safetensors", run)
    out = folder / f"{name}.safetensors"
    explain(folder / "c.safetensors", small.path, small.split, out, device="cpu", **options)
    return out


def composing(small: Prepared, drawn: bool) -> dict[str, Any]:
    """What a run that composes needs: a recipe, and a few backgrounds."""
    folder = small.path.parent / ("scenes" if drawn else "photographs")
    folder.mkdir()
    noise = np.random.default_rng(3).integers(0, 256, (4, 150, 150, 3), dtype=np.uint8)
    np.save(folder / "backgrounds.npy", noise)
    files.write_json(folder / "backgrounds.json", {"drawn": drawn})
    recipe = a_run(FERATT).recipe.model_copy(update={"compose": Composition(size=32), "structure": True})
    return {"backgrounds": folder, "run": {"recipe": recipe}}


def test_ferattention_shows_attention_and_correction_of_drawn_faces(small: Prepared) -> None:
    found = read_explained(explained_run(small, FERATT, count=5))
    tensors, about = found.tensors, found.about
    shapes = {name: values.shape for name, values in tensors.items()}
    assert shapes == {
        "test/features": (9, 6),
        "test/labels": (9,),
        "classes/means": (3, 6),
        "classes/counts": (3,),
        "examples/input": (5, 1, 24, 24),
        "examples/labels": (5,),
        "examples/probabilities": (5, 3),
        "examples/attention": (5, 3, 24, 24),
        "examples/corrected": (5, 3, 24, 24),
    }
    assert (about["part"], about["images"], about["classes"], about["sigma"]) == ("private", 9, NAMES, None)
    assert about["composed"] is False
    assert tensors["examples/attention"].min() > 0
    assert tensors["examples/attention"].max() < 1
    assert tensors["examples/corrected"].min() >= 0
    np.testing.assert_allclose(tensors["examples/probabilities"].sum(axis=1), 1, atol=1e-5)
    assert (np.diff(tensors["examples/labels"]) >= 0).all()
    assert tensors["examples/input"].dtype == np.uint8
    assert tensors["examples/input"].max() > 100


def test_features_are_what_the_classifier_sees_and_means_are_of_training(small: Prepared) -> None:
    tensors = read_explained(explained_run(small, FERATT)).tensors
    network = untrained(small.path.parent / "again.safetensors", a_run(FERATT))
    with torch.no_grad():
        chances = network.head(torch.from_numpy(tensors["test/features"])).softmax(1).numpy()
        infer(small.path.parent / "c.safetensors", small.path, small.split, small.path.parent / "p.parquet")
        table = pd.read_parquet(small.path.parent / "p.parquet")
        table = table[(table["part"] == "private") & table["kept"]]
        np.testing.assert_allclose(chances, table[[f"p_{name}" for name in NAMES]], atol=1e-4)
        images = torch.from_numpy(np.load(small.path / "images.npy")).permute(0, 3, 1, 2)[:20].float()
        seen = torch.nn.functional.interpolate(images, 24, mode="bilinear", antialias=True) / 255
        features = network.features(seen.expand(-1, 3, -1, -1)).numpy()
    expected = [features[np.arange(20) % 3 == label].mean(axis=0) for label in range(3)]
    np.testing.assert_allclose(tensors["classes/means"], expected, atol=1e-3)
    assert tensors["classes/counts"].tolist() == [7, 7, 6]


def test_of_people_no_picture_is_written(small: Prepared) -> None:
    for network in (FERATT, REGIONS):
        found = read_explained(explained_run(small, network, run={"stand_in": False, "data": "fer2013"}))
        assert not found.has_examples
        assert set(found.tensors) == {"test/features", "test/labels", "classes/means", "classes/counts"}
        assert all(values.ndim <= 2 for values in found.tensors.values())


def test_neither_is_one_where_the_data_say_that_they_are_real(small: Prepared) -> None:
    about = files.read_json(small.path / "prepare.json")
    files.write_json(small.path / "prepare.json", about | {"stand_in": False})
    assert not read_explained(explained_run(small, FERATT)).has_examples


def test_nor_of_drawn_faces_on_photographs_that_may_show_people(small: Prepared) -> None:
    assert not read_explained(explained_run(small, FERATT, **composing(small, drawn=False))).has_examples


def test_composed_faces_come_with_their_targets(small: Prepared) -> None:
    options = composing(small, drawn=True)
    found = read_explained(explained_run(small, FERATT, count=4, **options))
    assert found.about["composed"] is True
    assert found.about["sigma"] == 0.5
    rows = np.arange(30, 39)  # the private part, without the one that was removed
    how = options["run"]["recipe"].compose
    composed, _ = composed_set(load_composer(small.path, options["backgrounds"], rows, how, CPU), 9, COMPOSED_SEED)
    chosen = by_turns(rows % 3, 4)
    assert found.tensors["examples/labels"].tolist() == (rows[chosen] % 3).tolist()
    for name, pixels in (("input", composed.image), ("target", composed.target)):
        wanted = torch.nn.functional.interpolate(pixels[chosen].float(), 24, mode="bilinear", antialias=True)
        assert np.abs(found.tensors[f"examples/{name}"] - wanted.numpy()).max() <= 1.01, name
    assert found.tensors["examples/target"].min() == 0, "black where there is no face"


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_regions_have_the_weights_that_the_network_gives_them(small: Prepared, gate: str) -> None:
    found = read_explained(explained_run(small, {**REGIONS, "grid": 2, "gate": gate}, count=3)).tensors
    weights = found["examples/regions"]
    assert weights.shape == (3, 2, 2)
    network = untrained(small.path.parent / "again.safetensors", a_run({**REGIONS, "grid": 2, "gate": gate}))
    caught: list[torch.Tensor] = []
    network.region.score.register_forward_hook(lambda *call: caught.append(call[2]))
    with torch.no_grad():
        network((torch.from_numpy(found["examples/input"]).float() - 127.5) / 63.75)
    scores = caught[0].squeeze(-1)
    expected = scores.softmax(1) if gate == "softmax" else scores.sigmoid()
    np.testing.assert_allclose(weights.reshape(3, 4), expected, atol=0.02)  # the input was rounded to be stored
    assert (gate == "softmax") == bool(np.allclose(weights.sum((1, 2)), 1))


def test_a_network_with_nothing_to_show_still_has_a_representation(small: Prepared) -> None:
    for name, network in (
        ("cnn", {"name": "cnn", "backbone": "compact"}),
        ("mean", {**REGIONS, "region_attention": False}),
    ):
        found = read_explained(explained_run(small, network, name))
        assert not found.has_examples
        assert found.tensors["test/features"].shape == (9, 128)


def test_a_pair_is_one_point(small: Prepared) -> None:
    index = pd.read_parquet(small.path / "index.parquet")
    number = np.arange(len(index))
    index["modality"] = np.where(number % 2, "infrared", "visible")
    index["pair"] = [f"pair{n // 2:02d}" for n in number]
    index["label"] = (number // 2 % 3).astype(np.int8)
    index.to_parquet(small.path / "index.parquet")
    network = {"name": "interleaved_fusion", "backbone": "compact"}
    found = read_explained(explained_run(small, network, run={"inputs": ("visible", "infrared")})).tensors
    assert found["test/features"].shape == (4, 256), "of five pairs one lost an image to the audit"


def test_no_more_images_than_asked_for_and_always_the_same(small: Prepared) -> None:
    first, second = (explained_run(small, FERATT, name, most=5, count=2) for name in "ab")
    found = read_explained(first)
    assert found.tensors["test/features"].shape == (5, 6)
    assert found.tensors["classes/counts"].sum() == 5
    assert found.about["images"] == 9
    assert len(found.tensors["examples/input"]) == 2
    assert first.read_bytes() == second.read_bytes()


def test_a_network_of_other_data_is_refused(small: Prepared, tmp_path: Path) -> None:
    about = files.read_json(small.path / "prepare.json")
    files.write_json(small.path / "prepare.json", about | {"fingerprint": "1" * 64})
    with pytest.raises(UserError, match="trained on other data"):
        explained_run(small, FERATT)
    assert not (tmp_path / "e.safetensors").exists()


def test_sigma_is_that_of_the_recipe(small: Prepared) -> None:
    recipe = a_run(FERATT).recipe.model_copy(update={"structure": True, "sigma": 1.0})
    assert read_explained(explained_run(small, FERATT, run={"recipe": recipe})).about["sigma"] == 1.0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 50))
def test_examples_go_by_turns(labels: list[int], count: int) -> None:
    chosen = by_turns(np.array(labels), count)
    taken = [labels[place] for place in chosen]
    assert len(set(chosen.tolist())) == len(taken) == min(count, len(labels))
    assert taken == sorted(taken)
    for label in set(labels):
        places = [place for place, each in enumerate(labels) if each == label]
        assert [place for place in chosen if labels[place] == label] == places[: taken.count(label)], "the first ones"
    left = [label for label in set(labels) if taken.count(label) < labels.count(label)]
    assert all(taken.count(label) >= max(map(taken.count, taken)) - 1 for label in left), "no class is passed over"


def test_class_means_are_means_and_a_class_without_images_has_none() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    means, counts = class_means(features, torch.tensor([2, 2, 0]), 4)
    assert counts.tolist() == [1, 0, 2, 0]
    assert means.tolist() == [[5, 7], [0, 0], [2, 3], [0, 0]]


# Figures


@dataclass
class Paper:
    id: str = "feratt2019"
    methods: dict[str, StubMethod] = field(
        default_factory=lambda: {"cnn": StubMethod("PreActResNet18"), "rep": StubMethod("FERAtt+Rep+Cls")}
    )
    parts: dict[str, dict[str, str]] = field(default_factory=lambda: {"ckplus": {"train": "train", "test": "test"}})
    departures: dict[str, str] = field(default_factory=dict)


CLASSES = ["neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"]


def store(path: Path, method: str = "rep", *, examples: str = "", **changes: Any) -> Path:
    """Write made-up explanations: eight Gaussians in six dimensions, and noise for pictures."""
    rng = np.random.default_rng(5)
    labels = np.arange(160) % 8
    means = rng.normal(0, 2, (8, 6)).astype(np.float32)
    features = means[labels] + rng.normal(0, 0.5, (160, 6)).astype(np.float32)
    tensors: dict[str, NDArray[Any]] = {
        "test/features": features,
        "test/labels": labels,
        "classes/means": means,
        "classes/counts": np.full(8, 10),
    }
    if examples:
        tensors |= {
            "examples/input": rng.integers(0, 256, (8, 1, 16, 16), dtype=np.uint8),
            "examples/labels": np.arange(8),
            "examples/probabilities": rng.dirichlet(np.ones(8), 8).astype(np.float32),
        }
    if examples == "attention":
        tensors["examples/attention"] = rng.random((8, 8, 16, 16)).astype(np.float16)
        tensors["examples/corrected"] = (2 * rng.random((8, 3, 16, 16))).astype(np.float16)
        tensors["examples/target"] = tensors["examples/input"] // 2
    if examples == "regions":
        tensors["examples/regions"] = rng.dirichlet(np.ones(9), 8).astype(np.float32).reshape(8, 3, 3)
    about = {
        "paper": "feratt2019", "dataset": "ckplus", "data": "ckplus-standin", "protocol": "audited", "method": method,
        "seed": 0, "fold": None, "stand_in": True, "classes": CLASSES, "part": "test", "images": 160,
        "composed": examples == "attention", "sigma": 0.5 if method == "rep" else None, **changes,
    }  # fmt: skip
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for key, values in tensors.items():
        group, name = key.split("/")
        groups.setdefault(group, {})[name] = torch.from_numpy(np.ascontiguousarray(values))
    checkpoint.save(path, groups, about)
    return path


def test_a_plane_of_means_keeps_lengths_and_angles() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(7, 7)))[0][:, :2]
    flat = rng.normal(0, 3, (5, 2))
    means, points = flat @ basis.T, rng.normal(0, 3, (30, 2)) @ basis.T
    found = plane(points, means, np.ones(5))
    assert found.held_means == pytest.approx(1)
    assert found.held_points == pytest.approx(1)
    assert sum(found.held_axes) == pytest.approx(1)

    def distances(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        return np.linalg.norm(a[:, None] - b, axis=2)

    np.testing.assert_allclose(distances(found.points, found.means), distances(points, means), atol=1e-3)
    assert found.means.var(axis=0)[0] >= found.means.var(axis=0)[1]


def test_a_plane_holds_what_is_left_of_the_variance_and_passes_over_unseen_classes() -> None:
    means = np.array([[3.0, 0, 0, 0], [-3, 0, 0, 0], [0, 2, 0, 0], [0, -2, 0, 0], [0, 0, 1, 0], [9, 9, 9, 9]])
    points = np.eye(4)[np.arange(8) % 4] * np.where(np.arange(8) < 4, 1, -1)[:, None]
    found = plane(points, means, np.array([1, 1, 1, 1, 1, 0]))
    variance = means[:5].var(axis=0)
    assert found.held_means == pytest.approx(variance[:2].sum() / variance.sum())
    assert found.held_points == pytest.approx(0.5)
    assert np.isfinite(plane(points, means[:2], np.ones(2)).points).all(), "two means leave the second axis open"
    assert plane(np.zeros((3, 4)), np.zeros((3, 4)), np.ones(3)).held_points == 0


def test_an_ellipse_has_the_axes_of_its_covariance() -> None:
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    width, height, angle = ellipse(turn @ np.diag([9.0, 4.0]) @ turn.T)
    assert (width, height) == pytest.approx((6, 4))
    assert angle == pytest.approx(np.degrees(0.5))
    assert ellipse(np.zeros((2, 2)))[:2] == (0, 0)


def test_no_two_classes_look_alike() -> None:
    signs = [tuple(representation._sign(place).values()) for place in range(20)]
    assert len(set(signs)) == 20
    assert len({colour for colour, _ in signs[:8]}) == len({marker for _, marker in signs[:8]}) == 8


def test_figures_are_drawn_alike_each_time(tmp_path: Path) -> None:
    given = [store(tmp_path / "a", examples="attention"), store(tmp_path / "b", "cnn", examples="regions")]
    for out in ("first", "second"):
        draw_explained(Paper(), given, tmp_path / out / "spaces", tmp_path / out / "attention")
    stem = "feratt2019.ckplus-standin.audited"
    names = [f"spaces/{stem}", f"attention/{stem}.rep", f"attention/{stem}.cnn"]
    expected = sorted(f"{name}{suffix}" for name in names for suffix in (".png", ".svg"))
    drawn = sorted(str(path.relative_to(tmp_path / "first")) for path in (tmp_path / "first").rglob("*.*g"))
    assert drawn == expected
    for name in expected:
        content = (tmp_path / "first" / name).read_bytes()
        assert content == (tmp_path / "second" / name).read_bytes(), name
        assert len(content) > 5_000
        if name.endswith(".svg"):
            assert written_in(tmp_path / "first" / name)


def test_figures_say_what_they_show(tmp_path: Path) -> None:
    runs = [read_explained(store(tmp_path / method, method, examples="attention")) for method in ("cnn", "rep")]
    draw_representations(Paper(), runs, [tmp_path / "space.svg"])
    draw_attention(Paper(), runs[1], [tmp_path / "looks.svg"])
    read = [written_in(tmp_path / f"{name}.svg") for name in ("space", "looks")]
    axis = next(place for place, line in enumerate(read[0]) if line.startswith("1st axis"))
    assert read[0].index("PreActResNet18, 6-d") < axis, "a panel's title is read before its axes"
    predicted = next(place for place, line in enumerate(read[1]) if line.startswith("→ "))
    assert read[1].index("input") < predicted
    space, looks = map(" ".join, read)
    assert "n = 160 images" in space
    assert "PCA of these means" in space
    assert "PreActResNet18, 6-d" in space
    assert "lines: σ of the points" in space
    assert "the loss's Gaussians, σ = 0.5" in space
    assert all(name in space and name in looks for name in CLASSES)
    assert "not chosen by result" in looks
    assert all(looks.count(heading) >= 2 for heading in ("input", "attention", "corrected", "target")), "in two blocks"
    for text in (space, looks):
        assert "drawn stand-in for CK+" in text
        assert "these numbers say nothing about CK+" in text


def test_of_real_data_only_the_space_is_drawn(tmp_path: Path) -> None:
    changes = {"data": "ckplus", "stand_in": False, "fold": 2, "images": 500}
    given = store(tmp_path / "a", **changes)
    with caught() as found:
        draw_explained(Paper(), [given], tmp_path / "s", tmp_path / "l")
    (text,) = found
    assert "rawn" not in text
    assert "fold 2" in text
    assert "n = 160 of 500 images" in text
    assert list((tmp_path / "l").iterdir()) == []
    forged = read_explained(store(tmp_path / "b", examples="regions", **changes))
    with pytest.raises(UserError, match="drawn faces only"):
        draw_attention(Paper(), forged, [tmp_path / "l" / "x.png"])
    assert list((tmp_path / "l").iterdir()) == []


def test_of_several_runs_of_a_method_the_first_is_drawn(tmp_path: Path) -> None:
    given = [store(tmp_path / f"{seed}{fold}", seed=seed, fold=fold) for seed, fold in ((1, 0), (0, 3), (0, 1))]
    given.append(store(tmp_path / "other", paper="khalid2025"))
    with caught() as text:
        draw_explained(Paper(), given, tmp_path / "s", tmp_path / "l")
    assert len(text) == 1
    assert "seed 0, fold 1" in text[0]
    with pytest.raises(UserError, match="no explanations of feratt2019"):
        draw_explained(Paper(), given[-1:], tmp_path / "s", tmp_path / "l")


def test_what_is_no_explanation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(b"half")
    with pytest.raises(UserError, match="explain the run again"):
        read_explained(tmp_path / "half")
    save_file({"x": torch.zeros(1)}, tmp_path / "other", {"refer": "{}"})
    with pytest.raises(UserError, match="explain the run again"):
        read_explained(tmp_path / "other")
    broken = store(tmp_path / "nan")
    tensors = {"features": torch.full((2, 3), torch.nan), "labels": torch.zeros(2)}
    groups, about = checkpoint.load(broken)
    checkpoint.save(broken, {**groups, "test": tensors}, about)
    with pytest.raises(UserError, match="not finite"):
        read_explained(broken)


def test_drawing_needs_no_torch() -> None:
    for module in (explained, read, attention, representation):
        assert "torch" not in Path(module.__file__).read_text(encoding="utf-8")
    assert "pickle" not in Path(explanations.__file__).read_text(encoding="utf-8")
