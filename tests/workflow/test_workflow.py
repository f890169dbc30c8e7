"""The workflow as a user runs it: the demo from end to end, a kill and a resume, and input that is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from refer import files
from refer.plan import load_plan
from workflow_fixtures import SNAKEMAKE, copy_of, environment, small, snakemake

pytestmark = pytest.mark.workflow
DATA = ("fer2013", "viri", "nvie", "rafdb", "ckplus", "bu3dfe")


@pytest.fixture(scope="module")
def demo(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, run to its end."""
    clone = copy_of(root, tmp_path_factory.mktemp("demo"))
    done = snakemake(clone, "--cores", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    return clone


@pytest.mark.slow
def test_the_demo_leaves_what_the_readme_promises(demo: Path) -> None:
    results = demo / "results/demo"
    for name in (
        "report.html",
        "results.parquet",
        *(f"tables/khalid2025.fer2013-standin{suffix}" for suffix in (".csv", ".md", ".tex", ".html")),
        "tables/runs.csv",
        "tables/audit.fer2013-standin.md",
        "tables/ambiguities.khalid2025.fer2013-standin.md",
        "figures/forest/khalid2025.fer2013-standin.svg",
        "figures/classes/fer2013-standin.png",
        *(f"figures/sheets/{data}-standin.png" for data in DATA),
        *(f"figures/copies/{data}-standin.png" for data in DATA),
        *(f"tables/audit.{data}-standin.csv" for data in DATA),
        "tables/naseem2025.viri-standin.tex",
        "tables/tran2023.rafdb-standin.tex",
        "tables/feratt2019.bu3dfe-standin.tex",
        "tables/realtime.csv",
        "figures/attention/feratt2019.bu3dfe-standin/feratt2019.bu3dfe-standin.audited.rep-synthetic.png",
        "figures/representations/feratt2019.bu3dfe-standin/feratt2019.bu3dfe-standin.audited.png",
    ):
        assert (results / name).stat().st_size > 0, name
    plan = load_plan(yaml.safe_load((demo / "config.yaml").read_text(encoding="utf-8")), base=demo)
    runs = {str(path.parent.relative_to(results / "runs")) for path in results.glob("runs/*/*/*/*/*/run.json")}
    assert runs == {run.path for run in plan.runs()}
    assert {run.paper for run in plan.runs()} == {"feratt2019", "khalid2025", "naseem2025", "tran2023"}


@pytest.mark.slow
def test_the_demo_sends_all_six_data_sets_through_every_reader(demo: Path) -> None:
    for data in DATA:
        receipt = files.read_json(demo / f"data/raw/{data}-standin/receipt.json")
        prepared = files.read_json(demo / f"data/prepared/{data}-standin/prepare.json")
        audit = files.read_json(demo / f"data/audit/{data}-standin/audit.json")
        assert receipt["stand_in"] is True
        assert receipt["layout"] == prepared["layout"]
        assert 0 < prepared["images"] == audit["images"]
        splits = list((demo / f"data/splits/{data}-standin").glob("*.audited.parquet"))
        assert splits, data
        for path in splits:
            rows = pd.read_parquet(path)
            assert rows["kept"].any()
            assert {"train", "val"} <= set(rows["part"].dropna()) or data == "fer2013"


@pytest.mark.slow
def test_the_demo_has_a_cell_for_every_number_that_the_papers_report(demo: Path) -> None:
    plan = load_plan(yaml.safe_load((demo / "config.yaml").read_text(encoding="utf-8")), base=demo)
    tables = demo / "results/demo/tables"
    missing = []
    for name, paper in plan.papers.items():
        for number in paper.reported:
            rows = pd.read_csv(tables / f"{name}.{number.dataset}-standin.csv")
            rows = rows[(rows["method"] == number.method) & rows["metric"].str.contains(number.metric)]
            if not (rows["reported"].sub(number.value).abs().lt(1e-9) & rows["mean"].notna() & rows["stand_in"]).any():
                missing.append((name, number.dataset, number.method, number.metric, number.value))
    assert sum(len(paper.reported) for paper in plan.papers.values()) > 60, "or the loop saw nothing"
    assert not missing


@pytest.mark.slow
def test_every_method_of_the_demo_learns(demo: Path) -> None:
    """Asked so that no processor's bits decide: a few epochs on 18 test images may end at chance."""
    results = demo / "results/demo"
    scores = pd.read_parquet(results / "results.parquet")
    assert scores[(scores["scope"] == "run") & (scores["metric"] == "accuracy")]["value"].max() < 97
    papers: dict[str, list[tuple[int, int, float]]] = {}
    for path in sorted(results.glob("runs/*/*/*/*/*/predictions.parquet")):
        curve = pd.read_csv(path.with_name("training.csv"))
        if "train_loss" in curve:
            # By 15 % at least when this was written, in two epochs or more.
            assert curve["train_loss"].iloc[-1] < 0.95 * curve["train_loss"].iloc[0], path.parent
        answers = pd.read_parquet(path)
        answers = answers[answers["kept"] & answers["part"].isin(["test", "private"])]
        right = answers.filter(like="p_").to_numpy().argmax(axis=1) == answers["label"]
        commonest = answers["label"].value_counts(normalize=True).max()
        papers.setdefault(path.parts[-6], []).append((right.sum(), len(right), commonest * len(right)))
    assert set(papers) == {"feratt2019", "khalid2025", "naseem2025", "tran2023"}
    for paper, found in papers.items():
        right, count, commonest = (sum(column) for column in zip(*found, strict=True))
        # Who always names the commonest class is 0.14 to 0.29 below the methods of a paper, taken together.
        assert right / count > commonest / count + 0.08, paper


@pytest.mark.slow
def test_the_demo_can_be_released_and_every_kind_of_its_tables_traced(demo: Path) -> None:
    from refer.release.trace import KEYS, read_table, trace

    refer = SNAKEMAKE.with_name("refer")
    for arguments in (["--preset", "demo"], ["--check", "releases/refer-demo.zip"]):
        done = subprocess.run(
            [refer, "release", *arguments], cwd=demo, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    kinds = {path.name.split(".")[0]: path for path in sorted((demo / "results/demo/tables").glob("*.csv"))}
    assert len(kinds) >= 8
    for path in kinds.values():
        table = read_table(path)
        row = table.rows[-1]
        column = next(name for name in reversed(table.columns) if row[name] and name not in KEYS)
        assert trace(path, [f"{name}={row[name]}" for name in table.naming], column)["agrees"], path.name


@pytest.mark.slow
def test_drawn_data_is_called_drawn_everywhere(demo: Path) -> None:
    results = demo / "results/demo"
    pages = [
        results / "report.html",
        *(page for kind in ("html", "md", "tex") for page in results.glob(f"tables/*.{kind}")),
    ]
    for page in pages:
        text = page.read_text(encoding="utf-8").lower()
        # How long a face takes does not depend on what is in it, and the table says so. What a paper's own numbers can
        # tell is asked of no data.
        own = page.name.startswith(("ambiguities", "claims"))
        assert own or "stand-in" in text or "drawn and for real" in text, page.name
    assert pd.read_parquet(results / "results.parquet")["stand_in"].dropna().all()


@pytest.mark.slow
def test_the_audit_finds_what_was_drawn_into_the_stand_in(demo: Path) -> None:
    found = files.read_json(demo / "data/audit/fer2013-standin/audit.json")
    assert found["groups"] > 0
    assert found["also_in"]["PrivateTest"]["Training"] > 0
    assert found["conflicting_groups"] > 0
    split = pd.read_parquet(demo / "data/splits/fer2013-standin/khalid2025.audited.parquet")
    removed = int((~split["kept"] & (split["part"] == "private")).sum())
    assert removed >= found["also_in"]["PrivateTest"]["Training"]


@pytest.mark.slow
def test_nothing_is_left_to_do_afterwards(demo: Path) -> None:
    done = snakemake(demo, "--cores", "all", "-n")
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.slow
def test_snakemakes_report_needs_nothing_else(demo: Path) -> None:
    done = snakemake(demo, "--report", "report.html")
    assert done.returncode == 0, done.stderr
    page = (demo / "report.html").read_text(encoding="utf-8")
    for caption in (
        "Confusion matrices of khalid2025",
        "What the paper reports beside what was reproduced",
        "Audit of fer2013-standin",
    ):
        assert caption in page
    held = re.findall(r'"(results/demo/[^"]+)": \{\s*"name"', page)
    results = Path("results/demo")
    made = [
        path.relative_to(demo) for path in (demo / results).rglob("*.*") if path.suffix in (".html", ".svg", ".png")
    ]
    drawn = {path for path in made if path.suffix == ".svg"}
    once = {path for path in made if path.suffix != ".png" or path.with_suffix(".svg") not in drawn}
    once -= {path for path in once if path.parts[2] not in ("tables", "figures")}
    assert sorted(held) == sorted(map(str, once)), "each table and each figure, once"
    assert (demo / "report.html").stat().st_size < 12e6
    assert (demo / results / "report.html").stat().st_size < 5e6
    assert "<image" in (demo / results / "report.html").read_text(encoding="utf-8"), "faces, or the page lost them"


@pytest.mark.slow
def test_a_changed_recipe_retrains_and_a_changed_caption_does_not(demo: Path) -> None:
    config = yaml.safe_load((demo / "config.yaml").read_text(encoding="utf-8"))
    runs = 4 * len(config["reproduce"]["khalid2025"]["protocols"]) * len(config["reproduce"]["khalid2025"]["seeds"])
    planned = snakemake(demo, "-n", "--quiet", "rules", "--config", "ambiguity__khalid2025__heads=8")
    assert f"train {runs}" in " ".join((planned.stdout + planned.stderr).split())
    caption = demo / "workflow/captions/table.rst"
    caption.write_text(caption.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    done = snakemake(demo, "-n")
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.repeats  # tests/test_repeatability.py kills Snakemake and its jobs too
def test_snakemake_killed_outright_goes_on_to_the_same_bits(root: Path, tmp_path: Path) -> None:
    whole, killed = copy_of(root, tmp_path / "whole"), copy_of(root, tmp_path / "killed")
    path = "results/small/runs/khalid2025/fer2013-standin/audited/backbone/seed0"
    for clone in (whole, killed):
        # 64 images an epoch and many epochs: time enough to be killed in the middle of them.
        name = small(clone)
        text = (clone / name).read_text(encoding="utf-8")
        (clone / name).write_text(text.replace("recipe.epochs: 2", "recipe.epochs: 12"), encoding="utf-8")
    target = (f"{path}/predictions.parquet", "--cores", "2", "--configfile", "small.yaml")
    assert snakemake(whole, *target).returncode == 0

    process = subprocess.Popen(
        [SNAKEMAKE, *target], cwd=killed, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    state = killed / path / "resume.safetensors"
    deadline = time.monotonic() + 300
    while not state.exists():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)  # polling for the first saved epoch
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / path / "checkpoint.safetensors").exists()

    assert snakemake(killed, "--unlock", "--configfile", "small.yaml").returncode == 0
    done = snakemake(killed, *target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((killed / path / "run.json").read_text())["resumed"] == 1
    for name in ("checkpoint.safetensors", "predictions.parquet"):
        assert files.sha256(killed / path / name) == files.sha256(whole / path / name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "reproduce__khalid2025__sedes=3"], ["config.yaml: reproduce.khalid2025.sedes", "'seeds'"]),
        (["--config", "fer2013=../nothing.zip"], ["there is no ../nothing.zip", "Kaggle"]),
        # What is said of these is tested without Snakemake, too.
        pytest.param(
            ["--config", "ambiguity__khalid2025__backbone=resnet"],
            ["'resnet'", "Did you mean 'resnet18'?"],
            marks=pytest.mark.repeats,
        ),
        pytest.param(
            ["--config", "presset=x"], ["no key 'presset'", "Did you mean 'preset'?"], marks=pytest.mark.repeats
        ),
        pytest.param(
            ["--config", "fer2013=http://example.org/x.zip#sha256=" + 64 * "0"], ["https"], marks=pytest.mark.repeats
        ),
        pytest.param(["--config", "fer2013=https://example.org/x.zip"], ["#sha256="], marks=pytest.mark.repeats),
    ],
)
def test_what_is_wrong_is_said_in_a_line_before_any_job(
    root: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    clone = copy_of(root, tmp_path)
    done = snakemake(clone, "--cores", "1", *arguments)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert all(word in output for word in words), output
    assert "Traceback" not in output
    assert not (clone / "data").exists()
    assert not (clone / "results").exists()


def test_a_damaged_archive_is_named_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    clone = copy_of(root, tmp_path)
    (clone / "broken.zip").write_bytes(b"PK\x03\x04 and then nothing")
    done = snakemake(clone, "--cores", "1", "--configfile", small(clone), "--config", "fer2013=broken.zip")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "broken.zip" in output
    assert "Traceback" not in output
    assert not (clone / "data/raw/fer2013/files.zip").exists()


@pytest.mark.slow
@pytest.mark.real
def test_a_few_steps_on_real_faces(root: Path, tmp_path: Path, real_fer2013: Path) -> None:
    clone = copy_of(root, tmp_path)
    preset = yaml.safe_load((clone / "presets/fer2013-cpu.yaml").read_text(encoding="utf-8"))
    preset["reproduce"]["khalid2025"] |= {"methods": ["full"], "seeds": [0]}
    # A step is 4,096 images: seven of them are one epoch.
    preset["reproduce"]["khalid2025"]["override"] |= {
        "recipe.epochs": 1, "recipe.batch_size": 4096, "recipe.image_size": 24
    }  # fmt: skip
    preset["preset"] = "steps"
    (clone / "steps.yaml").write_text(yaml.safe_dump(preset), encoding="utf-8")
    done = snakemake(clone, "--cores", "2", "--configfile", "steps.yaml", "--config", f"fer2013={real_fer2013}")
    assert done.returncode == 0, done.stdout + done.stderr
    curve = pd.read_csv(clone / "results/steps/runs/khalid2025/fer2013/audited/full/seed0/training.csv")
    assert curve["train_loss"].iloc[0] < 2.2
    table = (clone / "results/steps/tables/khalid2025.fer2013.md").read_text(encoding="utf-8")
    assert "stand-in" not in table.lower()
    assert "83.0" in table
    receipt = files.read_json(clone / "data/raw/fer2013/receipt.json")
    assert str(real_fer2013.parent) not in json.dumps(receipt), "no path of this machine"
