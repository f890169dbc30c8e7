"""Training in bf16: when it is taken, what stays in fp32, and that a run keeps its precision."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conftest import Prepared
from refer import files, processor, yaml
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.errors import UserError
from refer.evaluation.inference import infer
from refer.evaluation.trained import load_trained
from refer.networks import catalog
from refer.networks.attention import RegionAttention, RegionSelfAttention
from refer.networks.fusion_attention import attend
from refer.plan import Run, load_plan
from refer.training import checkpoint
from refer.training.precision import choose_precision
from refer.training.run_folder import RESUME
from refer.training.stopping import StoppedError
from refer.training.train import train

CPU = torch.device("cpu")
PLAIN = {"name": "cnn", "backbone": "compact-16", "weights": "none", "channels": 1}


@pytest.fixture
def run(root: Path) -> Run:
    plan = load_plan(yaml.read(root / "config.yaml"), base=root)
    found = plan.run("khalid2025", "fer2013", "audited", "full", 0)
    return dataclasses.replace(found, recipe=found.recipe.model_copy(update={"epochs": 3, "batch_size": 16}))


def learning_in(run: Run, precision: str | None) -> Run:
    return dataclasses.replace(run, recipe=run.recipe.model_copy(update={"precision": precision}))


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this machine's processor one with the given flags, in a file as Linux writes it."""

    def become(*names: str) -> None:
        text = f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu sse2 {' '.join(names)}\n\nprocessor\t: 1\n"
        (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        processor._cpuinfo.cache_clear()

    yield become
    processor._cpuinfo.cache_clear()


# --- when ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("has", "taken", "why"),
    [
        (["avx512f", "avx512_bf16"], "bf16", "the processor has avx512_bf16"),
        (["amx_bf16", "avx512_bf16"], "bf16", "the processor has amx_bf16"),
        (["avx2", "avx512f"], "fp32", "the processor has no amx_bf16 or avx512_bf16"),
    ],
)
def test_auto_looks_at_the_processor(flags: Any, has: list[str], taken: str, why: str) -> None:
    flags(*has)
    found = choose_precision("auto", catalog.build(PLAIN, 7), CPU)
    assert (found.name, found.why) == (taken, f"auto: {why}")
    assert processor.processor_name() == "Some CPU"
    for asked in ("fp32", "bf16"):
        assert choose_precision(asked, catalog.build(PLAIN, 7), CPU).name == asked, "who asks for one gets it"


@pytest.mark.usefixtures("flags")
def test_a_system_without_such_a_file_trains_in_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "absent")
    processor._cpuinfo.cache_clear()
    assert choose_precision("auto", nn.Conv2d(3, 4, 3), CPU).name == "fp32"


def test_auto_looks_at_the_network(flags: Any) -> None:
    flags("avx512_bf16")
    depthwise = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=2))
    found = choose_precision("auto", depthwise, CPU)
    assert (found.name, found.why) == ("fp32", "auto: depthwise convolutions (1), slower in bf16 on a CPU")
    assert choose_precision("auto", nn.Conv2d(1, 1, 3), CPU).name == "bf16", "one channel is no depthwise convolution"
    assert choose_precision("auto", nn.Conv2d(3, 4, 3), CPU, on_features=True).name == "fp32"
    apple = torch.device("mps")  # only its name is looked at
    assert choose_precision("auto", nn.Conv2d(3, 4, 3), apple).name == "fp32"
    with pytest.raises(UserError, match="bf16 is not offered on mps; set precision to fp32 or auto"):
        choose_precision("bf16", nn.Conv2d(3, 4, 3), apple)


def test_a_recipe_names_its_precision_and_else_the_configuration_does(root: Path) -> None:
    config = yaml.read(root / "config.yaml")
    for wanted in ("fp32", "bf16", "auto"):
        runs = list(load_plan(config | {"precision": wanted}, base=root).runs())
        assert {run.recipe.precision for run in runs} == {wanted}
        assert {run.as_dict()["recipe"].get("precision", "fp32") for run in runs} == {wanted}
        assert all(Run.from_dict(json.loads(json.dumps(run.as_dict()))).as_dict() == run.as_dict() for run in runs)
    config["reproduce"]["khalid2025"]["override"]["methods.region.recipe.precision"] = "bf16"
    plan = load_plan(config | {"precision": "fp32"}, base=root)
    taken = {run.method: run.recipe.precision for run in plan.runs("khalid2025")}
    assert taken == {"full": "fp32", "region": "bf16", "self": "fp32", "backbone": "fp32"}


@pytest.mark.parametrize("name", ["fer2013", "fer2013-cpu", "fer2013-gpu"])
def test_no_machine_chooses_for_a_preset_of_real_data(root: Path, name: str) -> None:
    runs = load_plan(yaml.read(root / f"presets/{name}.yaml"), base=root).runs()
    assert {run.recipe.precision for run in runs} <= {"fp32", "bf16"}


# --- what stays in fp32 -------------------------------------------------------------------------------------------


def test_the_softmax_over_tokens_is_computed_in_fp32() -> None:
    rng = np.random.default_rng(3)
    q, k, v = (rng.normal(0, 3, (5, 16)) for _ in range(3))
    scores = q @ k.T / 4
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = (weights / weights.sum(axis=1, keepdims=True)) @ v * v
    given = [torch.tensor(each, dtype=torch.float32) for each in (q, k, v)]
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(*given, 4.0)
        rough = (given[0] @ given[1].T / 4).softmax(-1)
    assert rough.dtype == torch.bfloat16, "or there was nothing to protect"
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", [RegionAttention(32), RegionAttention(32, "sigmoid"), RegionSelfAttention(32, 9, 4)])
def test_attention_over_regions_is_computed_in_fp32(module: nn.Module) -> None:
    tokens = torch.randn(4, 9, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = module(tokens)
        with torch.autocast("cpu", torch.bfloat16):
            found = module(tokens)
            rough = module.score(tokens) if isinstance(module, RegionAttention) else module.attend.out_proj(tokens)
    assert rough.dtype == torch.bfloat16
    assert torch.equal(plain, found)


def test_batch_statistics_are_kept_in_fp32() -> None:
    norm = nn.BatchNorm2d(4, momentum=1.0)
    images = (100 + torch.randn(64, 4, 12, 12, generator=torch.Generator().manual_seed(1))).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        norm(images)
    exact = images.double().numpy().transpose(1, 0, 2, 3).reshape(4, -1)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.dtype == norm.running_var.dtype == torch.float32
    # bf16 has eight bits: at 100 its numbers lie half a unit apart.
    np.testing.assert_allclose(norm.running_mean.numpy(), exact.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), exact.var(axis=1, ddof=1), rtol=1e-3)


def test_a_run_in_bf16_learns_and_leaves_fp32_and_says_so(
    prepared: Prepared, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[torch.dtype] = []
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, _, made: steps.append(made.dtype) if module.training and isinstance(module, nn.Conv2d) else None
    )
    try:
        asked = dataclasses.replace(learning_in(run, "bf16"), recipe=learning_in(run, "bf16").recipe.model_copy(
            update={"ema": 0.9}))  # fmt: skip
        train(asked, prepared.path, prepared.split, tmp_path, keep_state=True)
    finally:
        hook.remove()
    assert set(steps) == {torch.bfloat16}, "or nothing was learnt in bf16"
    assert "precision: bf16 (as asked for" in capsys.readouterr().out
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["precision"], record["recipe"]["precision"]) == ("bf16", "bf16")
    tensors, about = checkpoint.load(tmp_path / "checkpoint.safetensors")
    assert about["precision"] == "bf16"
    state, saved = checkpoint.load(tmp_path / RESUME)
    assert saved["identity"]["precision"] == "bf16"
    kept = {**tensors["network"], **{f"{group}/{key}": value for group in ("optimizer", "average", "network")
                                     for key, value in state[group].items()}}  # fmt: skip
    assert {value.dtype for value in kept.values() if value.is_floating_point()} == {torch.float32}
    curve = pd.read_csv(tmp_path / "training.csv")
    assert curve["public_accuracy"].max() > 0.6, "a bright bar in one of three places"


def test_predictions_of_a_run_in_bf16_are_made_in_fp32(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    asked = learning_in(run, "bf16")
    # At the size of the images, for smaller ones are rounded to whole grey levels.
    asked = dataclasses.replace(asked, recipe=asked.recipe.model_copy(update={"image_size": 48}))
    train(asked, prepared.path, prepared.split, tmp_path)
    infer(tmp_path / "checkpoint.safetensors", prepared.path, prepared.split, tmp_path / "predictions.parquet")
    found = pd.read_parquet(tmp_path / "predictions.parquet")
    found = found[found.part == "private"]
    _, network, reader, _ = load_trained(tmp_path / "checkpoint.safetensors", CPU)
    images = np.load(prepared.path / "images.npy")
    index = pd.read_parquet(prepared.path / "index.parquet").set_index("id")
    rows = index.index.get_indexer(found.id)
    with torch.no_grad():
        ready = reader(torch.from_numpy(images[rows]).permute(0, 3, 1, 2)).double()
        exact = network.double()(ready).softmax(1).numpy()
    np.testing.assert_allclose(found.filter(like="p_").to_numpy(), exact, atol=2e-6)


# --- a run keeps its precision ------------------------------------------------------------------------------------


def interrupted(run: Run, prepared: Prepared, out: Path) -> None:
    def report(_done: int, _total: int, note: str) -> None:
        if note.startswith("epoch 2/"):
            raise StoppedError("told to end")

    with pytest.raises(StoppedError):
        train(run, prepared.path, prepared.split, out, report=report)


@pytest.mark.parametrize(("first", "second"), [("bf16", "fp32"), (None, "bf16"), ("fp32", "bf16")])
def test_a_run_does_not_go_on_in_another_precision(
    prepared: Prepared, run: Run, tmp_path: Path, first: str | None, second: str
) -> None:
    interrupted(learning_in(run, first), prepared, tmp_path)
    before = files.sha256(tmp_path / RESUME)
    with pytest.raises(UserError) as refused:
        train(learning_in(run, second), prepared.path, prepared.split, tmp_path)
    was = first or "fp32"
    assert f"began in {was} and would go on in {second}. Set precision to {was}, or delete" in str(refused.value)
    assert files.sha256(tmp_path / RESUME) == before, "what was trained is still there"
    train(learning_in(run, was), prepared.path, prepared.split, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["resumed"] == 1


def test_auto_goes_on_where_the_same_precision_was_asked_for(
    prepared: Prepared, run: Run, tmp_path: Path, flags: Any
) -> None:
    flags("avx512_bf16")
    interrupted(learning_in(run, "auto"), prepared, tmp_path)
    flags("avx2")
    with pytest.raises(UserError, match="began in bf16 and would go on in fp32"):
        train(learning_in(run, "auto"), prepared.path, prepared.split, tmp_path)


def test_another_run_in_another_precision_starts_anew(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    interrupted(learning_in(run, "bf16"), prepared, tmp_path)
    other = learning_in(dataclasses.replace(run, seed=1), "fp32")
    train(other, prepared.path, prepared.split, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["resumed"] == 0


# --- on real faces ------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.slow
def test_on_real_faces_both_end_within_the_noise_of_seeds(real_fer2013: Path, root: Path, tmp_path: Path) -> None:
    """Three seeds of one recipe in both precisions; docs/performance.md has a longer run with its interval."""
    obtain("fer2013", str(real_fer2013), tmp_path / "raw")
    prepare("fer2013", tmp_path / "raw", tmp_path / "prepared")
    index = pd.read_parquet(tmp_path / "prepared/index.parquet")
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(index["split"] == "Training"))[:3000]
    part = np.where((index["split"] == "PublicTest") & (np.arange(len(index)) % 2 == 0), "public", None)
    part[chosen] = "train"
    pd.DataFrame({"id": index["id"], "fold": 0, "part": part, "kept": True, "reason": ""}).to_parquet(
        tmp_path / "split.parquet"
    )
    plan = load_plan(yaml.read(root / "config.yaml"), base=root)
    example = plan.run("khalid2025", "fer2013", "audited", "full", 0)
    recipe = example.recipe.model_copy(update={"epochs": 4, "batch_size": 64, "image_size": 48, "lr": 0.05})
    accuracy: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for seed in range(3):
        for precision, found in accuracy.items():
            one = dataclasses.replace(example, network=PLAIN, seed=seed, evaluated=("public",), select="last",
                                      recipe=recipe.model_copy(update={"precision": precision}))  # fmt: skip
            out = tmp_path / f"{precision}{seed}"
            train(one, tmp_path / "prepared", tmp_path / "split.parquet", out)
            found.append(100 * pd.read_csv(out / "training.csv")["public_accuracy"].iloc[-1])
    one, other = np.array(accuracy["fp32"]), np.array(accuracy["bf16"])
    assert min(one.min(), other.min()) > 33, f"the commonest class has 25 %: {accuracy}"
    noise = np.concatenate([one - one.mean(), other - other.mean()]).std(ddof=2)
    # Two means of three seeds differ by more than this in one of a thousand cases (normal, known spread of 1 at least).
    assert abs(one.mean() - other.mean()) < 3.3 * max(noise, 1.0) * np.sqrt(2 / 3), accuracy
