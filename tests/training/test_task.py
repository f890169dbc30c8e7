"""What runs learn from: pairs, the weights of other runs, cached features, copies, composed faces."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from refer import files
from refer.errors import UserError
from refer.evaluation.batch_tokens import Grid, measure_batch_tokens
from refer.evaluation.inference import infer
from refer.evaluation.trained import load_trained
from refer.papers import load_paper
from refer.plan import Run, load_plan
from refer.training import checkpoint, task
from refer.training.composition import Composition
from refer.training.data import SMALL, Reader, load_index, load_part, memory_format
from refer.training.loader import CleanLoader, ComposedLoader, FeatureLoader, Loader
from refer.training.losses import objective
from refer.training.optimisation import learning_rate
from refer.training.testing import plain_view
from refer.training.train import called, train
from task_fixtures import BOTH, CPU, FUSED, SINGLE, TWO, Paired, cell, recipe, trained


@pytest.fixture
def paired(tmp_path: Path) -> Paired:
    return Paired(tmp_path)


def predicted(paired: Paired, folder: Path, **more: Any) -> pd.DataFrame:
    infer(folder / "checkpoint.safetensors", paired.path, paired.split, folder / "p.parquet", **more)
    return pd.read_parquet(folder / "p.parquet")


def test_a_part_of_two_modalities_holds_pairs_in_step(paired: Paired) -> None:
    index, _ = load_index(paired.path, paired.split)
    pairs = load_part(paired.path, index, "train", CPU, kept_only=True, inputs=BOTH)
    assert len(pairs) == 59, "the moment that one camera missed is no pair"
    seen = index["id"].to_numpy()[pairs.rows]
    assert [one.split("/")[1] for one in seen[:, 0]] == [one.split("/")[1] for one in seen[:, 1]]
    assert set(pairs.ids) == {f"pair{moment:03d}" for moment in range(60) if moment != 5}
    alone = load_part(paired.path, index, "train", CPU, kept_only=True, inputs=("visible",))
    assert len(alone) == 60
    assert set(pairs.ids) < set(alone.ids), "a sample has one name, whoever looks at it"


def test_images_are_made_smaller_once_if_the_network_wants_less(paired: Paired) -> None:
    index, _ = load_index(paired.path, paired.split)
    small = load_part(paired.path, index, "test", CPU, kept_only=True, inputs=("visible",), size=16)
    whole = load_part(paired.path, index, "test", CPU, kept_only=True, inputs=("visible",), size=64)
    assert small.inputs[0].shape[1:] == (3, 16, 16)
    assert whole.inputs[0].shape[1:] == (3, 32, 32)
    assert small.inputs[0].dtype == torch.uint8


def test_a_fused_network_starts_from_the_runs_of_its_branches(paired: Paired, tmp_path: Path) -> None:
    trained(paired, cell("visible", {**SINGLE, "modality": "visible"}, recipe()), tmp_path / "v")
    trained(paired, cell("infrared", {**SINGLE, "modality": "infrared"}, recipe(), ("infrared",)), tmp_path / "i")
    parents = {"infrared": tmp_path / "i/checkpoint.safetensors", "visible": tmp_path / "v/checkpoint.safetensors"}
    run = cell("fused", FUSED, recipe(), BOTH, starts_from={"infrared": "infrared", "visible": "visible"})
    index, _ = load_index(paired.path, paired.split)
    built = task.build_task(run, paired.path, index, 3, CPU, parents, None)
    alone = checkpoint.load(parents["infrared"])[0]["network"]
    mine = built.network.state_dict()
    assert torch.equal(mine["infrared.attention.gate.weight"], alone["trunk.attention.gate.weight"])
    about = trained(paired, run, tmp_path / "f", parents=parents)
    assert about["starts_from"] == {"infrared": "infrared", "visible": "visible"}
    table = predicted(paired, tmp_path / "f")
    assert set(table["id"]) == {f"pair{moment:03d}" for moment in range(60, 90)}
    with pytest.raises(UserError, match="no checkpoint of infrared for the branch 'infrared'"):
        train(run, paired.path, paired.split, tmp_path / "g")


def parents_of(paired: Paired, folder: Path) -> dict[str, Path]:
    network = {"name": "cnn", "backbone": "compact", "weights": "none"}
    paths = {}
    for number, branch in enumerate(("first", "second")):
        run = dataclasses.replace(cell(branch, network, recipe()), seed=number)
        trained(paired, run, folder / branch)
        paths[branch] = folder / branch / "checkpoint.safetensors"
    return paths


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("cpu", 48, torch.channels_last),
        ("cpu", SMALL, torch.channels_last),
        ("cpu", 224, torch.contiguous_format),
        ("cuda", 48, torch.channels_last),
        ("cuda", 224, torch.channels_last),
    ],
)
def test_large_images_lie_as_pytorch_has_them_on_a_cpu(kind: str, size: int, expected: torch.memory_format) -> None:
    assert memory_format(torch.device(kind), size) is expected


@pytest.mark.parametrize("size", [32, 128])
def test_weights_and_images_lie_in_one_order_while_training_and_testing(
    paired: Paired, tmp_path: Path, size: int
) -> None:
    how = recipe(image_size=size, epochs=1)
    run = cell("visible", {"name": "cnn", "backbone": "compact", "weights": "none"}, how)
    trained(paired, run, tmp_path)
    index, _ = load_index(paired.path, paired.split)
    learning = task.build_task(run, paired.path, index, 3, CPU, {}, None)
    tested = load_trained(tmp_path / "checkpoint.safetensors", CPU)
    orders = {torch.channels_last, torch.contiguous_format}
    wanted = memory_format(CPU, size)
    (other,) = orders - {wanted}
    assert learning.train is not None
    drawn = learning.train.train_batch(torch.arange(4), 0).inputs[0]
    looked_at = learning.validation.test_batch(0, 4, plain_view(how)).inputs[0]
    assert drawn.shape == looked_at.shape == (4, 3, size, size)
    kernels = [each for net in (learning.network, tested.network) for each in net.parameters() if each.dim() == 4]
    for tensor in (drawn, looked_at, *kernels):
        assert tensor.is_contiguous(memory_format=wanted)
        assert not tensor.is_contiguous(memory_format=other)


def test_frozen_branches_are_looked_through_once(paired: Paired, tmp_path: Path) -> None:
    parents = parents_of(paired, tmp_path)
    run = cell("early", {"name": "early_fusion", **TWO}, recipe(), starts_from={"first": "a", "second": "b"})
    index, _ = load_index(paired.path, paired.split)
    built = task.build_task(run, paired.path, index, 3, CPU, parents, None)
    assert isinstance(built.train, FeatureLoader)
    before = {name: value.clone() for name, value in built.network.first.state_dict().items()}  # type: ignore[union-attr, operator]
    trained(paired, run, tmp_path / "e", parents=parents)
    after = checkpoint.load(tmp_path / "e/checkpoint.safetensors")[0]["network"]
    assert all(torch.equal(value, after[f"first.{name}"]) for name, value in before.items()), "frozen is frozen"
    curve = pd.read_csv(tmp_path / "e/training.csv")
    table = predicted(paired, tmp_path / "e")
    scores = table[[name for name in table if name.startswith("p_")]].to_numpy()
    right = (scores.argmax(1) == table["label"])[table["part"] == "val"].mean()
    assert right == pytest.approx(curve["val_accuracy"].max()), "what was learnt on features holds for images"


def test_late_fusion_has_nothing_to_learn(paired: Paired, tmp_path: Path) -> None:
    parents = parents_of(paired, tmp_path)
    run = cell("late", {"name": "late_fusion", **TWO}, recipe(), starts_from={"first": "a", "second": "b"})
    about = trained(paired, run, tmp_path / "l", parents=parents)
    assert (about["epochs"], about["selection"]) == (0, "nothing to train")
    both = []
    for branch in ("first", "second"):
        table = predicted(paired, tmp_path / branch)
        both.append(table[[name for name in table if name.startswith("p_")]].to_numpy())
    table = predicted(paired, tmp_path / "l")
    mine = table[[name for name in table if name.startswith("p_")]].to_numpy()
    np.testing.assert_allclose(mine, np.mean(both, axis=0), atol=1e-5)


def test_a_trained_network_may_be_tested_on_other_images_without_being_trained_again(
    paired: Paired, tmp_path: Path
) -> None:
    network = {"name": "cnn", "backbone": "compact", "weights": "none", "pixels": "unit"}
    synthetic = cell("synthetic", network, recipe(compose={"size": 32}))
    trained(paired, synthetic, tmp_path / "s", backgrounds=paired.backgrounds)
    parents = {"network": tmp_path / "s/checkpoint.safetensors"}
    # Its other seed would be another start, and its other epochs another training: there is none.
    real = dataclasses.replace(
        cell("real", network, recipe(compose={"size": 32}, compose_test=False, epochs=7), tests="synthetic"), seed=9
    )
    about = trained(paired, real, tmp_path / "r", parents=parents, backgrounds=paired.backgrounds)
    assert (about["tests"], about["epochs"], about["selection"]) == ("synthetic", 0, "nothing to train")
    assert about["parents_sha256"] == {"network": files.sha256(parents["network"])}
    mine, theirs = (checkpoint.load(tmp_path / name / "checkpoint.safetensors")[0]["network"] for name in "rs")
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    table = predicted(paired, tmp_path / "r", backgrounds=paired.backgrounds)
    assert not table.equals(predicted(paired, tmp_path / "s", backgrounds=paired.backgrounds))
    scores = table[[name for name in table if name.startswith("p_")]].to_numpy()
    curve = pd.read_csv(tmp_path / "r/training.csv")
    right = (scores.argmax(1) == table["label"])[table["part"] == "val"].mean()
    assert curve["val_accuracy"].tolist() == [pytest.approx(right)]
    with pytest.raises(UserError, match="no checkpoint of synthetic for the network"):
        train(real, paired.path, paired.split, tmp_path / "n", backgrounds=paired.backgrounds)
    wider = cell("wider", {**network, "channels": 1}, real.recipe, tests="synthetic")
    with pytest.raises(UserError, match="the trained network of synthetic does not fit"):
        train(wider, paired.path, paired.split, tmp_path / "w", parents=parents, backgrounds=paired.backgrounds)


def test_feratts_authors_test_one_network_on_composed_and_on_real_images(root: Path) -> None:
    path = root / "papers/feratt2019.yaml"
    config = {"preset": "t", "title": "t", "standin": {"bu3dfe": {"subjects": 20}},
              "reproduce": {"feratt2019": {"data": ["bu3dfe"], "methods": ["rep-real"], "folds": [3]}}}  # fmt: skip
    runs = list(load_plan(config, base=root).runs())
    assert [run.method for run in runs] == 2 * ["rep-synthetic", "rep-real"], "what is tested is trained before"
    assert runs[1].parents == {"network": "rep-synthetic"}
    assert "tests" not in runs[0].as_dict(), "a run that trains is what it was before there was such a key"
    alone = load_paper(path, {"real": "real"}).methods["rep-real"]
    assert (alone.tests, alone.parents, alone.recipe["compose_train"]) == (None, {}, False)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tests", "rep-sintetic", "methods.rep-real tests the method 'rep-sintetic'. Did you mean 'rep-synthetic'?"),
        ("tests", "rep-real", "methods.rep-real needs itself: rep-real needs rep-real"),
        ("tests", "cls-synthetic", "methods.rep-real tests the network of cls-synthetic, .*network.dim is 64 and None"),
        ("network.filters", 8, "it must be the same: network.filters is 8 and None"),
        ("starts_from", {"trunk": "cls-real"}, "methods.rep-real: .* leave out tests or starts_from"),
    ],
)
def test_what_is_tested_must_be_there_and_the_same(root: Path, key: str, value: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_paper(root / "papers/feratt2019.yaml", None, {f"methods.rep-real.{key}": value})
    with pytest.raises(UserError, match="rep-synthetic needs itself: rep-synthetic needs rep-real needs"):
        load_paper(root / "papers/feratt2019.yaml", None, {"methods.rep-synthetic.tests": "rep-real"})


def test_an_epoch_of_copies_sees_all_26_of_each_image_and_fixed_ones_stay(paired: Paired) -> None:
    index, _ = load_index(paired.path, paired.split)
    part = load_part(paired.path, index, "train", CPU, kept_only=True, inputs=BOTH)
    for kind, same in (("fixed", True), ("sampled", False)):
        how = recipe(augmentation={"copies": kind})
        loader = Loader(part, Reader(torch.nn.Identity(), "none", 32), how, seed=3)
        assert len(loader) == 26 * 59
        first, later = (loader.train_batch(torch.tensor([1, 27, 60]), epoch) for epoch in (0, 1))
        assert torch.equal(first.inputs[0], later.inputs[0]) is same
        assert torch.equal(first.labels, part.labels[[0, 1, 2]])
        assert not torch.equal(first.inputs[0][0], first.inputs[1][0]), "each camera's picture is changed by itself"


def test_faces_are_composed_for_training_and_always_alike_for_tests(paired: Paired, tmp_path: Path) -> None:
    how = recipe(compose={"size": 32}, loss="logits")
    network = {"name": "cnn", "backbone": "compact", "weights": "none", "pixels": "unit"}
    run = cell("composed", network, how)
    index, _ = load_index(paired.path, paired.split)
    built = task.build_task(run, paired.path, index, 3, CPU, {}, paired.backgrounds)
    assert isinstance(built.train, ComposedLoader)
    one, two = (built.train.train_batch(torch.arange(4), epoch) for epoch in (0, 1))
    assert not torch.equal(one.inputs[0], two.inputs[0])
    assert one.inputs[0].shape == (4, 3, 32, 32)
    again = task.build_task(dataclasses.replace(run, seed=7), paired.path, index, 3, CPU, {}, paired.backgrounds)
    assert torch.equal(built.validation.part.inputs[0], again.validation.part.inputs[0])
    trained(paired, run, tmp_path / "c", backgrounds=paired.backgrounds)
    with pytest.raises(UserError, match="no folder of backgrounds"):
        train(run, paired.path, paired.split, tmp_path / "d")


@pytest.mark.parametrize("composed", [True, False])
def test_a_balanced_epoch_shows_the_classes_by_turns(paired: Paired, composed: bool) -> None:
    frame = pd.read_parquet(paired.split)
    index = pd.read_parquet(paired.path / "index.parquet")
    rare = (index["label"] == 2) & (index["id"] > "visible/010")  # of the last class three faces are left
    frame.loc[rare & (frame["part"] == "train"), "part"] = "unused"
    frame.to_parquet(paired.split)
    more: dict[str, Any] = {"compose": {"size": 32}, "draws": 600} if composed else {}
    how = recipe(balanced=True, **more)
    run = cell("balanced", {"name": "cnn", "backbone": "compact", "weights": "none", "pixels": "unit"}, how)
    loaded, _ = load_index(paired.path, paired.split)
    loader = task.build_task(run, paired.path, loaded, 3, CPU, {}, paired.backgrounds).train
    assert loader is not None
    counts = np.bincount(loader.part.labels.numpy())
    assert counts.tolist() == [20, 20, 3]
    items = torch.arange(600 if composed else len(loader))
    rows = [loader.rows(items, epoch) for epoch in range(2)]
    assert not torch.equal(*rows), "an epoch draws anew"
    for each in rows:
        labels = loader.part.labels[each]
        assert torch.equal(labels, items % 3), "as in the authors' code, item n is of class n modulo the classes"
    if composed:
        seen = np.bincount(rows[0].numpy(), minlength=43)
        # 200 draws with replacement from 20 faces, and from 3: binomial, of standard deviations 3.1 and 6.7.
        expected = 200 / counts[loader.part.labels.numpy()]
        assert (np.abs(seen - expected) < 5 * np.sqrt(expected)).all()
        assert seen[loader.part.labels.numpy() == 0].std() > 1, "not by turns within a class"
    batch = loader.train_batch(torch.arange(6), 1)
    assert batch.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_what_is_balanced_is_the_same_whatever_else_is_in_the_batch(paired: Paired) -> None:
    index, _ = load_index(paired.path, paired.split)
    part = load_part(paired.path, index, "train", CPU, kept_only=True)
    loader = Loader(part, Reader(torch.nn.Identity(), "none", 32), recipe(balanced=True), seed=3)
    whole = loader.rows(torch.arange(60), 4)
    assert torch.equal(loader.rows(torch.tensor([50, 7]), 4), whole[[50, 7]])
    other = Loader(part, Reader(torch.nn.Identity(), "none", 32), recipe(balanced=True), seed=4)
    assert not torch.equal(other.rows(torch.arange(60), 4), whole)


def test_a_network_trained_on_composed_faces_may_be_tested_on_real_ones(paired: Paired) -> None:
    run = cell("real", {"name": "cnn", "backbone": "compact", "weights": "none"}, recipe(compose={"size": 32}))
    real = dataclasses.replace(run, recipe=recipe(compose={"size": 32}, compose_test=False))
    index, _ = load_index(paired.path, paired.split)
    plain = load_part(paired.path, index, "test", CPU, kept_only=False)
    composed, asis = (
        task.evaluated_part(each, paired.path, index, "test", CPU, paired.backgrounds, kept_only=False)
        for each in (run, real)
    )
    assert torch.equal(asis.inputs[0], plain.inputs[0])
    assert composed.inputs[0].shape == (15, 1, 32, 32)
    assert composed.ids == plain.ids


def test_feratt_learns_from_the_clean_face_and_the_structure_of_its_representation(
    paired: Paired, tmp_path: Path
) -> None:
    network = {"name": "ferattention", "encoder": "compact", "filters": 2, "maps": 2, "backbone": "compact",
               "dim": 8, "weights": "none"}  # fmt: skip
    plain = cell("rep", network, recipe(structure=True, mixed_labels="agreeing", epochs=1))
    index, _ = load_index(paired.path, paired.split)
    built = task.build_task(plain, paired.path, index, 3, CPU, {}, None)
    assert isinstance(built.train, CleanLoader)
    batch = built.train.train_batch(torch.arange(8), 0)
    assert batch.clean is not None
    assert float(batch.clean[:, :, 0, 0].abs().max()) == 0, "outside the outline all is black"
    torch.testing.assert_close(batch.clean[:, :, 16, 16], batch.inputs[0][:, :, 16, 16])
    built.network.train()
    output = called(built.network, built.train)(*batch.inputs)
    with_structure = objective(output, batch, plain.recipe, 3)
    without = objective(output, batch, recipe(), 3)
    assert with_structure > without > 0
    composed = dataclasses.replace(
        plain, recipe=recipe(structure=True, mixed_labels="agreeing", epochs=1, compose=Composition(size=32))
    )
    about = trained(paired, composed, tmp_path / "r", backgrounds=paired.backgrounds)
    assert about["recipe"]["compose"]["size"] == 32
    assert len(predicted(paired, tmp_path / "r", backgrounds=paired.backgrounds)) == 30


def test_the_softmax_may_be_taken_twice(paired: Paired, tmp_path: Path) -> None:
    twice = trained(paired, cell("v", SINGLE, recipe(loss="softmax")), tmp_path / "t")
    curve = pd.read_csv(tmp_path / "t/training.csv")
    assert twice["recipe"]["loss"] == "softmax"
    assert curve["train_loss"].min() > np.log(np.e + 2) - 1, "the least that it can be for three classes"


def test_the_rate_swings_with_the_epochs() -> None:
    epochs = recipe(schedule="cosine-epochs", lr=1e-3)
    rates = [learning_rate(epochs, 0, 10, epoch=epoch) for epoch in range(7)]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
    expected = []
    for _ in range(7):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    np.testing.assert_allclose(rates, expected, atol=1e-12)


def neighbours(**changes: Any) -> Run:
    """Fusion attention over a batch, tested in batches of 4 that are sorted by class, unless told otherwise."""
    network = {"name": "fusion_attention", **TWO, "tokens": "batch", "mlp_hidden": 8}
    how = {"epochs": 1, "test_batch": 4, "test_order": "class", **changes}
    return cell("joined", network, recipe(**how), starts_from={"first": "one", "second": "two"})


def test_predictions_are_made_in_the_batches_and_the_order_that_are_asked_for(
    paired: Paired, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parents = parents_of(paired, tmp_path)
    about = trained(paired, neighbours(), tmp_path / "f", parents=parents)
    table = predicted(paired, tmp_path / "f").query("part == 'test'")
    told = "warning: this network predicts an image with the help of the others in its batch"
    told += ", so that its result holds for these batches alone: 4 at a time, sorted by class."
    assert capsys.readouterr().out.count(told) == 2, "in the logs of training and of inference"
    assert about["reads_batch"]
    assert (about["recipe"]["test_batch"], about["recipe"]["test_order"]) == (4, "class")
    index, _ = load_index(paired.path, paired.split)
    part = load_part(paired.path, index, "test", CPU, kept_only=False)
    assert table["id"].tolist() == part.ids, "rows are in the order of the index all the same"
    found = load_trained(tmp_path / "f/checkpoint.safetensors", CPU)
    expected = np.empty((len(part), 3))
    order = sorted(range(len(part)), key=lambda number: (int(part.labels[number]), number))
    for start in range(0, len(part), 4):
        numbers = order[start : start + 4]
        with torch.no_grad():
            expected[numbers] = found.network(found.reader(part.inputs[0][numbers])).softmax(1).numpy()
    got = table.filter(like="p_").to_numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    infer_again = dataclasses.replace(neighbours(test_order="file"))
    trained(paired, infer_again, tmp_path / "g", parents=parents)
    other = predicted(paired, tmp_path / "g").query("part == 'test'").filter(like="p_").to_numpy()
    assert np.abs(other - got).max() > 1e-3, "the neighbours are others"


def test_keys_without_effect_are_said_to_have_none(
    paired: Paired, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parents = parents_of(paired, tmp_path)
    run = neighbours()
    alone = dataclasses.replace(run, network={**run.network, "tokens": "channels"})
    trained(paired, alone, tmp_path / "f", parents=parents)
    assert "test_batch and test_order have no effect" in capsys.readouterr().out


def test_a_fusion_of_frozen_branches_may_learn_from_augmented_images(paired: Paired, tmp_path: Path) -> None:
    parents = parents_of(paired, tmp_path)
    run = neighbours(frozen_features="augmented", augmentation={"flip": True, "rotation": 90.0})
    index, _ = load_index(paired.path, paired.split)
    built = task.build_task(run, paired.path, index, 3, CPU, parents, None)
    assert built.train is not None
    assert not isinstance(built.train, FeatureLoader)
    items = torch.arange(8)
    one, other = (built.train.train_batch(items, epoch).inputs[0] for epoch in (0, 1))
    assert one.shape == (8, 3, 32, 32), "images, which the network takes"
    assert not torch.equal(one, other)
    before = {key: value.clone() for key, value in built.network.state_dict().items()}
    trained(paired, run, tmp_path / "f", parents=parents)
    after = checkpoint.load(tmp_path / "f/checkpoint.safetensors")[0]["network"]
    for key, value in before.items():
        if key.startswith(("first.", "second.")):
            assert torch.equal(value, after[key]), "frozen is frozen, batch statistics too"
    assert not torch.equal(before["head.1.weight"], after["head.1.weight"])


def test_fusion_attention_is_measured_with_each_reading_of_a_token(paired: Paired, tmp_path: Path) -> None:
    parents = parents_of(paired, tmp_path)
    run = neighbours(test_batch=None, test_order="file")
    run = dataclasses.replace(run, network={**run.network, "tokens": "channels", "grid": 2})
    grid = Grid(["batch", "channels", "positions"], [0, 3], ["file", "class"], [1, 4])
    measure_batch_tokens(run, paired.path, paired.split, parents, grid, tmp_path / "m.parquet")
    table = pd.read_parquet(tmp_path / "m.parquet")
    index, _ = load_index(paired.path, paired.split)
    part = load_part(paired.path, index, "test", CPU, kept_only=True)
    assert table["id"].tolist() == part.ids
    assert len(table.columns) == 2 + 3 * 2 * 2 * 2
    # The same network as the ordinary rules train and test, tokens and seed given.
    for seed in (0, 3):
        plain = dataclasses.replace(run, seed=seed, select="last")
        trained(paired, plain, tmp_path / f"s{seed}", parents=parents)
        answers = predicted(paired, tmp_path / f"s{seed}").query("part == 'test'").filter(like="p_").to_numpy()
        for order in grid.orders:
            np.testing.assert_array_equal(table[f"channels.{seed}.{order}.4"], answers.argmax(axis=1))
    thawed = dataclasses.replace(run, network={**run.network, "frozen": False})
    with pytest.raises(UserError, match="needs frozen extractors"):
        measure_batch_tokens(thawed, paired.path, paired.split, parents, grid, tmp_path / "n.parquet")
