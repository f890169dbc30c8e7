"""Test images that see one another: formula (1) over a batch leaks, in NumPy's words and in the project's own."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from refer import yaml
from refer.errors import UserError
from refer.evaluation.batch_tokens import answers_in_batches
from refer.networks import catalog
from refer.networks.fusion_attention import FusionAttention
from refer.networks.two_branches import classifier_head
from refer.papers import resolved_paper
from refer.plan import load_plan
from refer.reporting.figures.batch_tokens import draw_batch_tokens
from refer.reporting.run_set import in_batches
from refer.reporting.tables.batch_tokens import write_batch_tokens
from refer.spec import Paper
from refer.training.data import Part
from refer.training.testing import arranged, order_of
from report_fixtures import written_in

CLASSES, WIDTH, TRAINED, TESTED = 4, 16, 800, 400
Array = NDArray[np.float64]
Decide = Callable[[Array, Array], Array]


def drawn(count: int, seed: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """Two noisy features (count, WIDTH), none negative, of each of `count` images; their labels, in mixed order."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(2, CLASSES, WIDTH))
    labels = random.integers(CLASSES, size=count)
    a, b = (np.maximum(centres[k][labels] + 1.6 * random.normal(size=(count, WIDTH)), 0) for k in range(2))
    return a, b, labels


def attention_over_a_batch(a: Array, b: Array) -> Array:
    """Formula (1), softmax(Q Kᵀ / √d) V ⊗ V, over the images of one batch, written out."""
    value = (a + b) / 2
    scores = a @ b.T / np.sqrt(a.shape[1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (weights / weights.sum(axis=1, keepdims=True)) @ value * value


def attention_over_channels(a: Array, b: Array) -> Array:
    """The same where the numbers of a feature are the tokens: of one image at a time."""
    value = (a + b) / 2
    rows = []
    for q, k, v in zip(a, b, value, strict=True):
        weights = np.exp(np.outer(q, k) / np.sqrt(len(q)))
        rows.append((weights / weights.sum(axis=1, keepdims=True)) @ v * v)
    return np.array(rows)


def batchwise(attend: Decide, a: Array, b: Array, size: int) -> Array:
    return np.concatenate([attend(a[i : i + size], b[i : i + size]) for i in range(0, len(a), size)])


def least_squares(x: Array, labels: NDArray[np.int64]) -> Array:
    """The weights of a linear classifier by least squares on one-hot labels, with a bias."""
    return np.linalg.lstsq(np.column_stack((x, np.ones(len(x)))), np.eye(CLASSES)[labels], rcond=None)[0]


def accuracy(attend: Decide, order: str, size: int) -> float:
    """Accuracy in percent of a classifier that was fitted on mixed batches of `size`, tested in an order."""
    a, b, labels = drawn(TRAINED, 1)
    weights = least_squares(batchwise(attend, a, b, size), labels)
    a, b, labels = drawn(TESTED, 2)
    numbers = np.argsort(labels, kind="stable") if order == "class" else np.arange(TESTED)
    x = batchwise(attend, a[numbers], b[numbers], size)
    answers = (np.column_stack((x, np.ones(len(x)))) @ weights).argmax(axis=1)
    return 100 * float((answers == labels[numbers]).mean())


def test_formula_1_over_a_batch_reads_the_neighbours_in_plain_numpy() -> None:
    mixed, by_class = (accuracy(attention_over_a_batch, order, 40) for order in ("file", "class"))
    assert by_class > mixed + 12, (mixed, by_class)
    assert accuracy(attention_over_channels, "class", 40) == accuracy(attention_over_channels, "file", 40)
    assert accuracy(attention_over_a_batch, "class", 1) == accuracy(attention_over_a_batch, "file", 1)


def part_of(count: int, seed: int) -> Part:
    a, b, labels = drawn(count, seed)
    inputs = tuple(torch.from_numpy(each).float() for each in (a, b))
    kept, rows = np.ones(count, dtype=bool), np.arange(count)[:, None]
    return Part(inputs, torch.from_numpy(labels), [f"i{number}" for number in range(count)], kept, rows)


def trained(tokens: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The project's own block and classifier, trained in batches of 40 drawn at random."""
    torch.manual_seed(0)
    block = FusionAttention(WIDTH, 16, tokens, "width", True, True, False, True)
    head = classifier_head(WIDTH, 0, 0.0, CLASSES)
    part = part_of(TRAINED, 1)
    optimizer = torch.optim.Adam([*block.parameters(), *head.parameters()], lr=0.01)
    for _ in range(15):
        for items in torch.randperm(TRAINED).split(40):
            loss = torch.nn.functional.cross_entropy(
                head(block(*(each[items] for each in part.inputs))), part.labels[items]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return lambda a, b: head(block(a, b))


@pytest.mark.parametrize("tokens", ["batch", "channels"])
def test_the_project_measures_it_alike(tokens: str) -> None:
    part = part_of(TESTED, 2)
    found = {
        (order, size): 100 * float((answers == part.labels.numpy()).mean())
        for order, size, answers in answers_in_batches(trained(tokens), part, ("shuffled", "class"), (1, 40))
    }
    assert found["shuffled", 1] == found["class", 1]
    if tokens == "batch":
        assert found["class", 40] > found["shuffled", 40] + 6, found
    else:
        assert len(set(found.values())) == 1, found


def test_answers_come_back_in_the_order_of_the_part() -> None:
    part = part_of(30, 3)

    def decide(a: Tensor, _: Tensor) -> Tensor:
        return torch.nn.functional.one_hot((a[:, 0] > 0).long(), CLASSES).float()

    expected = (part.inputs[0][:, 0] > 0).long().numpy()
    for _, _, answers in answers_in_batches(decide, part, ("file", "shuffled", "class"), (1, 7, 64)):
        np.testing.assert_array_equal(answers, expected)


def test_orders_are_what_they_are_called() -> None:
    labels = np.array([2, 0, 1, 0, 2, 1, 0])
    assert order_of(labels, "file").tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert order_of(labels, "class").tolist() == [1, 3, 6, 2, 5, 0, 4]
    mixed = order_of(labels, "shuffled").tolist()
    assert sorted(mixed) == [0, 1, 2, 3, 4, 5, 6] != mixed
    assert mixed == order_of(labels, "shuffled").tolist(), "the same for every method"


def write_measured(path: Path, answers: dict[str, list[int]], label: list[int], **about: object) -> None:
    tokens, seeds, orders, batches = ([*dict.fromkeys(key.split(".")[k] for key in answers)] for k in range(4))
    told = {
        "preset": "p", "paper": "tran2023", "method": "m", "dataset": "rafdb", "data": "rafdb", "protocol": "audited",
        "part": "test", "stand_in": False, "network": {"first": "x", "second": "y"}, "recipe": {"batch_size": 48},
        "grid": {
            "tokens": tokens, "seeds": [*map(int, seeds)], "orders": orders, "batches": [*map(int, batches)],
        },
        **about,
    }  # fmt: skip
    columns = {key: pa.array(values, pa.int8()) for key, values in answers.items()}
    table = pa.table({"id": [str(n) for n in range(len(label))], "label": pa.array(label, pa.int8()), **columns})
    pq.write_table(table.replace_schema_metadata({"refer": json.dumps(told)}), path)


def test_the_table_says_what_was_measured(tmp_path: Path) -> None:
    label = [0, 0, 1, 1, 2, 2, 0, 1, 2, 0]
    wrong = [(each + 1) % 3 for each in label]

    def right(count: int) -> list[int]:
        return label[:count] + wrong[count:]

    answers = {
        "channels.0.shuffled.8": right(7), "channels.1.shuffled.8": right(7),
        "channels.0.class.8": right(7), "channels.1.class.8": right(7),
        "batch.0.shuffled.8": right(6), "batch.1.shuffled.8": right(4),
        "batch.0.class.8": right(9), "batch.1.class.8": right(8),
    }  # fmt: skip
    files = []
    for tokens in ("channels", "batch"):
        files.append(tmp_path / f"{tokens}.parquet")
        write_measured(files[-1], {key: each for key, each in answers.items() if key.startswith(tokens)}, label)
    made = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    write_batch_tokens(files, made)
    with made[0].open(encoding="utf-8", newline="") as handle:
        rows = {(row["tokens"], row["order"]): row for row in csv.DictReader(handle)}
    leak = rows["batch", "class"]
    assert float(leak["mean"]) == pytest.approx(85)
    assert float(leak["sd"]) == pytest.approx(np.std([90, 80], ddof=1))
    assert float(leak["over_mixed"]) == pytest.approx(85 - 50)
    assert float(leak["over_channels"]) == pytest.approx(85 - 70)
    assert float(leak["over_mixed_low"]) < 35 < float(leak["over_mixed_high"])
    assert rows["batch", "shuffled"]["over_mixed"] == ""
    text = made[1].read_text(encoding="utf-8")
    assert "85.0 ± 7.1" in text
    assert "+35.0" in text
    assert "drawn at random" in text
    draw_batch_tokens(made[0], [tmp_path / "f.svg", tmp_path / "f.png"])
    assert (tmp_path / "f.png").stat().st_size > 10_000
    read = written_in(tmp_path / "f.svg")
    panel = next(place for place, line in enumerate(read) if ", n = " in line)
    assert panel < read.index("test images in a batch"), "a panel's title is read before its axes"


def test_a_file_of_another_rule_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(UserError, match="says nothing of itself"):
        write_batch_tokens([tmp_path / "x.parquet"], [tmp_path / "t.csv"])


@pytest.mark.parametrize("reads", [True, False])
def test_an_order_acts_on_networks_that_read_their_batch_alone(reads: bool) -> None:
    from refer.recipe import Recipe

    network = torch.nn.Identity()
    network.reads_batch = reads  # type: ignore[assignment]
    recipe = Recipe(epochs=1, batch_size=2, image_size=48, optimizer="sgd", lr=0.1, test_batch=3, test_order="class")
    part = part_of(12, 4)
    moved, order = arranged(network, part, recipe)
    expected = np.argsort(part.labels.numpy(), kind="stable") if reads else np.arange(12)
    np.testing.assert_array_equal(order, expected)
    assert moved.ids == [part.ids[number] for number in expected]
    np.testing.assert_array_equal(moved.labels.numpy(), part.labels.numpy()[expected])


def paper_with(root: Path, tmp_path: Path, changes: dict[str, object]) -> Paper:
    return resolved_paper(yaml.read(root / "papers/tran2023.yaml"), tmp_path / "tran2023.yaml", {}, changes)


def test_the_keys_are_refused_where_no_network_asks_for_them(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"methods\.resnet18\.recipe\.test_batch: cnn predicts each image by itself"):
        paper_with(root, tmp_path, {"methods.resnet18.recipe": {"test_batch": 48}})
    with pytest.raises(UserError, match=r"methods\.late-r18-r34\.recipe\.test_order: late_fusion predicts"):
        paper_with(root, tmp_path, {"methods.late-r18-r34.recipe": {"test_order": "class"}})
    raw = yaml.read(root / "papers/khalid2025.yaml")
    with pytest.raises(UserError, match=r"recipe\.test_batch: every network of this paper predicts each image"):
        resolved_paper(raw, tmp_path / "khalid2025.yaml", {}, {"recipe.test_batch": 2})
    with pytest.raises(
        UserError, match=r"recipe\.test_batch = 7 changes nothing"
    ):  # those that read theirs set their own
        paper_with(root, tmp_path, {"recipe.test_batch": 7})
    allowed = paper_with(root, tmp_path, {"methods.attention-*.recipe.test_batch": 7})
    assert allowed.methods["attention-plain"].recipe["test_batch"] == 7


def test_a_run_has_the_keys_only_where_they_act(root: Path) -> None:
    asked = {"test_batch": 7, "test_order": "class"}
    override = {"methods.attention-*.recipe": asked}
    standin = {"rafdb": {"images": {"train": 8, "test": 8}, "subjects": 4}}
    config = {"preset": "p", "title": "t", "standin": standin, "reproduce": {"tran2023": {"override": override}}}
    plan = load_plan(config, base=root)
    for protocol, method, acts in (
        ("published", "attention-r18-r34", True),
        ("published", "attention-no-self", False),
        ("published", "resnet18", False),
        ("audited", "attention-r18-r34", False),
    ):
        recipe = plan.run("tran2023", "rafdb", protocol, method, 0).as_dict()["recipe"]
        assert {key: recipe[key] for key in asked if key in recipe} == (asked if acts else {}), (protocol, method)


def test_the_catalog_knows_what_the_networks_say(root: Path) -> None:
    for name in catalog.networks():
        assert catalog.can_read_batch(name) is (name == "fusion_attention")
    for tokens, scale, attention in itertools.product(
        ("batch", "channels", "positions"), ("width", "batch"), (True, False)
    ):
        options = {"name": "fusion_attention", "first": "compact", "second": "compact", "channels": 1,
                   "tokens": tokens, "scale": scale, "self_attention": attention}  # fmt: skip
        assert catalog.build(options, 3).reads_batch is catalog.reads_batch(options), options


def test_a_table_says_which_batches_were_taken() -> None:
    recipe = {"image_size": 48}
    assert in_batches({"reads_batch": False, "recipe": recipe}) == ""
    assert in_batches({"reads_batch": True, "recipe": recipe}).endswith(
        "in its batch, 512 at a time, in the order of the data set's index"
    )
    told = in_batches({"reads_batch": True, "recipe": recipe | {"test_batch": 48, "test_order": "class"}})
    assert told.endswith("in its batch, 48 at a time, sorted by class")


def test_the_experiment_is_planned_for_methods_of_the_matrix_alone(root: Path) -> None:
    config = yaml.read(root / "presets/batch-tokens.yaml")
    cells = [(run.data, run.protocol, run.method, run.seed) for run in load_plan(config, base=root).batch_tokens()]
    assert cells == [(data, "audited", "attention-r18-r34", 0) for data in ("fer2013", "rafdb-standin")]
    for change, message in (
        ({"method": "attention-plain"}, "no method 'attention-plain'"),
        ({"method": "resnet18"}, "found resnet18, expected a fusion_attention over frozen extractors"),
        ({"data": ["ckplus"]}, "no data set 'ckplus'"),
    ):
        wrong = {**config, "batch_tokens": {"tran2023": {**config["batch_tokens"]["tran2023"], **change}}}
        with pytest.raises(UserError, match=message):
            load_plan(wrong, base=root)
