"""naseem2025's training: its schedule, the last batch, the choice of the epoch, pairs by order, copies as JPEG."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.fft import dctn

from benchmark_fixtures import benchmark
from refer.errors import UserError
from refer.papers import load_paper
from refer.plan import Run, load_plan
from refer.training import task, train
from refer.training.augment import recoded
from refer.training.data import load_index, load_part
from refer.training.optimisation import learning_rate
from refer.training.train import Training, batches_of, images_of
from task_fixtures import BOTH, CPU, SINGLE, Paired, cell, recipe, trained


@pytest.fixture
def paired(tmp_path: Path) -> Paired:
    return Paired(tmp_path)


def planned(root: Path, method: str, protocol: str = "published", **ambiguity: str) -> Run:
    config = {"preset": "t", "title": "t", "reproduce": {"naseem2025": {"data": ["viri"]}},
              "standin": {"viri": {"subjects": 9}}, "ambiguity": {"naseem2025": ambiguity}}  # fmt: skip
    return load_plan(config, base=root).run("naseem2025", "viri", protocol, method, 0)


def notebook(accuracies: list[float]) -> list[float]:
    """The rates of epochs that end with these accuracies: PyTorch's scheduler, stepped as the notebooks step it."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
    rates = []
    for accuracy in accuracies:
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an epoch is no longer meant to be given
            scheduler.step(accuracy)
    return rates


def test_an_epoch_trains_at_place_one_plus_the_accuracy_of_the_one_before() -> None:
    how = recipe(schedule="cosine-accuracy", lr=1e-3)
    accuracies = [0.0, 0.31, 0.675, 0.759, 0.807, 1.0, 0.5]
    mine = [learning_rate(how, 3, 10, number, before) for number, before in enumerate([0.0, *accuracies])]
    np.testing.assert_allclose(mine, notebook([*accuracies, 0.0]), rtol=1e-9)
    assert max(mine) == pytest.approx(0.75e-3), "the ceiling, and what the first epoch trains at"


def test_the_rates_of_the_authors_log_are_those_of_their_accuracies() -> None:
    # The visible network's log has .409, .366 and .342e-3 in epochs 2 to 4, and .807 after the third, of 83 images.
    how = recipe(schedule="cosine-accuracy", lr=1e-3)
    of_all = {round(1e6 * learning_rate(how, 0, 1, 1, right / 83)): right for right in range(84)}
    assert {409, 366, 342} <= of_all.keys()
    assert round(of_all[342] / 83, 3) == 0.807


def test_the_schedule_takes_the_validation_accuracy_although_the_test_part_chooses(
    paired: Paired, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = recipe(schedule="cosine-accuracy", lr=1e-3, epochs=4)
    run = cell("visible", {**SINGLE, "modality": "visible"}, how)
    of_parts = {"val": [0.2, 0.8, 0.6, 0.7], "test": [0.5, 0.9, 0.9, 0.1]}
    looked_at: list[str] = []

    def known(training: Training, loader: task.Loader) -> tuple[float, float]:
        part = "test" if loader is training.task.validation else "val"
        assert loader.part.ids[0] == {"val": "pair060", "test": "pair075"}[part]
        looked_at.append(part)
        return 1.0, of_parts[part][looked_at.count(part) - 1]

    with monkeypatch.context() as patched:
        patched.setattr(Training, "validate", known)
        about = trained(paired, Run(**{**run.__dict__, "select": "test", "rate_by": "val"}), tmp_path / "out")
    curve = pd.read_csv(tmp_path / "out/training.csv")
    assert {part: curve[f"{part}_accuracy"].tolist() for part in of_parts} == of_parts
    np.testing.assert_allclose(curve["lr"], notebook(of_parts["val"]), rtol=1e-9)
    assert (about["selection"], about["selected_epoch"]) == ("best accuracy on test", 3), "ties: the later"
    assert about["rate_by"] == "val"
    plain = trained(paired, run, tmp_path / "plain")
    curve = pd.read_csv(tmp_path / "plain/training.csv")
    assert "rate_by" not in plain
    assert "test_accuracy" not in curve
    np.testing.assert_allclose(curve["lr"], notebook(curve["val_accuracy"].tolist()), rtol=1e-9)


def test_the_paper_chooses_on_the_test_part_and_goes_by_validation(root: Path) -> None:
    for method in ("visible", "infrared"):
        run = planned(root, method)
        assert (run.select, run.rate_by, run.recipe.schedule) == ("test", "val", "cosine-accuracy")
    assert planned(root, "fused").rate_by is None, "its schedule knows no accuracy"
    run = planned(root, "visible", selection="best-on-validation")
    assert (run.select, run.rate_by) == ("val", None)
    assert (planned(root, "visible", "audited").select, planned(root, "visible", "audited").rate_by) == ("val", None)
    assert planned(root, "visible", selection="last").rate_by is None, "validation is the part that is watched"
    with pytest.raises(UserError, match=r"protocols\.published\.rate_by names the part 'vall'\. Did you mean 'val'"):
        load_paper(root / "papers/naseem2025.yaml", None, {"protocols.published.rate_by": "vall"})


def test_10218_images_make_160_steps(root: Path) -> None:
    how = planned(root, "visible").recipe
    steps = batches_of(torch.arange(10_218), how)
    assert (len(steps), len(steps[-1])) == (160, 10_218 - 159 * 64)
    assert torch.equal(torch.cat(steps), torch.arange(10_218))
    dropped = how.model_copy(update={"last_batch": "dropped"})
    assert len(batches_of(torch.arange(10_218), dropped)) == 159
    assert images_of(10_218, dropped) == 159 * 64


@pytest.mark.parametrize(
    ("items", "kind", "sizes"),
    [
        (60, "trained", [16, 16, 16, 12]),
        (60, "dropped", [16, 16, 16]),
        (64, "trained", [16] * 4),
        (65, "trained", [16] * 4),  # batch normalisation has no variance of a single image
        (17, "dropped", [16]),
        (9, "dropped", [9]),
        (9, "trained", [9]),
    ],
)
def test_what_becomes_of_the_last_batch(items: int, kind: str, sizes: list[int]) -> None:
    how = recipe(last_batch=kind)
    assert [len(batch) for batch in batches_of(torch.arange(items), how)] == sizes
    assert images_of(items, how) == sum(sizes)


def test_the_last_batch_is_trained(paired: Paired, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    objective = train.objective

    def seen(output: object, batch: train.Batch, *more: object) -> torch.Tensor:
        sizes.append(len(batch.labels))
        return objective(output, batch, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "objective", seen)
    # 59 pictures of the infrared camera: one is left over at 29, and its head has batch normalisation.
    for size, expected in ((16, [16, 16, 16, 11]), (29, [29, 29])):
        sizes.clear()
        run = cell("i", {**SINGLE, "modality": "infrared"}, recipe(epochs=1, batch_size=size, last_batch="trained"),
                   ("infrared",))  # fmt: skip
        trained(paired, run, tmp_path / str(size))
        assert sizes == expected


def test_pairs_by_the_order_of_two_folders(paired: Paired, tmp_path: Path) -> None:
    index, _ = load_index(paired.path, paired.split)
    pairs = load_part(paired.path, index, "train", CPU, kept_only=True, inputs=BOTH, pairing="order")
    seen = [[one.split("/")[1] for one in row] for row in index["id"].to_numpy()[pairs.rows]]
    # Moment 5, of class 2, has no infrared picture: from there on its class is one too late.
    late = list(range(2, 60, 3))
    shifted = dict(zip(late, [2, *late[2:]], strict=False))
    expected = [[one, shifted.get(one, one)] for one in range(60) if one % 3 < 2 or one in shifted]
    assert seen == [[f"{a:03d}", f"{b:03d}"] for a, b in expected]
    assert len(expected) == 59
    names = load_part(paired.path, index, "train", CPU, kept_only=True, inputs=BOTH)
    assert all(a.rsplit("/")[1] == b.rsplit("/")[1] for a, b in index["id"].to_numpy()[names.rows])
    alone = load_part(paired.path, index, "train", CPU, kept_only=True, pairing="order")
    assert len(alone) == 60, "one camera has no pairs"
    run = cell("f", {"name": "interleaved_fusion", "backbone": "compact", "weights": "none"},
               recipe(epochs=1, pairing="order"), BOTH)  # fmt: skip
    assert trained(paired, run, tmp_path / "out")["recipe"]["pairing"] == "order"


def test_copies_as_jpeg_hold_the_frequencies_of_its_quality() -> None:
    # The luminance table of the standard (ITU-T T.81, annex K), first row and first column, at quality 75: half of it.
    first_row, first_column = [16, 11, 10, 16, 24, 40, 51, 61], [16, 12, 14, 14, 18, 24, 49, 72]
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(60, 190, (2, 1, 32, 32)).astype(np.float32))
    made = recoded(images, np.array([0, 7]), 75)
    assert torch.equal(made[0], images[0]), "the image itself is not saved again"
    blocks = (made[1, 0].numpy() - 128).reshape(4, 8, 4, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    frequencies = dctn(blocks, axes=(1, 2), norm="ortho")
    before = dctn((images[1, 0].numpy() - 128).reshape(4, 8, 4, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8), axes=(1, 2),
                  norm="ortho")  # fmt: skip
    for table, mine, theirs in (
        (first_row, frequencies[:, 0], before[:, 0]),
        (first_column, frequencies[:, :, 0], before[:, :, 0]),
    ):
        steps = (np.array(table) * 50 + 50) // 100
        off, was = (np.abs(each / steps - np.round(each / steps)) * steps for each in (mine, theirs))
        assert off.mean() < 0.4, "multiples of the table, but for the rounding of pixels"
        assert was.mean() > 3 * off.mean()


def test_colours_keep_half_their_resolution_and_the_paper_has_no_jpeg_unless_chosen(root: Path) -> None:
    stripes = torch.zeros(1, 3, 16, 16)
    stripes[:, 0, :, ::2] = 200
    stripes[:, 2, :, 1::2] = 200
    made = recoded(stripes, np.array([1]), 75)
    file = io.BytesIO()
    Image.fromarray(stripes[0].permute(1, 2, 0).to(torch.uint8).numpy()).save(file, "JPEG")  # Pillow's own choice
    assert torch.equal(made[0], torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float())
    red_less_blue = made[0, 0] - made[0, 2]
    assert red_less_blue[:, ::2].mean() - red_less_blue[:, 1::2].mean() < 100, "it was 400"
    assert "jpeg" not in planned(root, "visible").recipe.as_dict()["augmentation"]
    assert planned(root, "visible", jpeg="quality-75").recipe.augmentation.jpeg == 75
    with pytest.raises(ValueError, match="jpeg is about the copies"):
        recipe(augmentation={"jpeg": 75})


@pytest.mark.parametrize(
    "change", [{"gate": "features"}, {"jpeg": "quality-75"}, {"selection": "last"}, {"pairing": "order"}]
)
def test_each_new_option_trains(paired: Paired, tmp_path: Path, root: Path, change: dict[str, str]) -> None:
    run = planned(root, "fused" if "pairing" in change or "gate" in change else "infrared", **change)
    small = run.recipe.model_copy(update={"epochs": 1, "image_size": 32})
    network = {**run.network, "backbone": "compact-16", "weights": "none"}
    run = Run(**{**run.__dict__, "recipe": small, "network": network, "starts_from": {}})
    assert trained(paired, run, tmp_path / "out")["epochs"] == 1


def test_what_the_best_of_many_epochs_gains_by_chance(root: Path) -> None:
    selection = benchmark("selection")
    rng = np.random.default_rng(1)
    text = " ".join((root / "docs/verdicts.md").read_text(encoding="utf-8").split())
    for right in (37, 74, 76):
        row = []
        for epochs in (5, 20, 50, 150):
            drawn = 100 * (rng.binomial(90, right / 90, (20_000, epochs)).max(axis=1).mean() - right) / 90
            row.append(selection.inflation(90, right / 90, epochs))
            assert row[-1] == pytest.approx(drawn, abs=0.15)
        assert f"| {100 * right / 90:.1f} % | {' | '.join(f'{each:+.1f}' for each in row)} |" in text
    curve = pd.DataFrame({"val_accuracy": [0.5, 0.7, 0.7, 0.6], "test_accuracy": [0.9, 0.8, 0.4, 0.95]})
    assert selection.gained(curve) == (95.0, 40.0), "ties on validation go to the later epoch"
