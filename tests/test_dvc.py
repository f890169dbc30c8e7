"""DVC around the workflow, as a user runs both: made, changed, compared, pushed, pulled and trusted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from refer import files
from remote_fixtures import REMOTES
from workflow_fixtures import copy_of, environment, small, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

RUN = "results/small/runs/khalid2025/fer2013-standin/audited/backbone/seed0"
NOTHING = "Nothing to be done"


@pytest.fixture(scope="module", autouse=True)
def _without_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp("dvc")))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        yield


def run(folder: Path, *command: str, fails: bool = False) -> str:
    """Run a command of the environment in a repository; returns all that it printed."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False
    )
    output = done.stdout + done.stderr
    assert (done.returncode != 0) is fails, output
    return output


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, "dvc", *arguments)


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", message)


def clone_of(repository: Path, folder: Path) -> Path:
    run(folder, "git", "clone", "--quiet", str(repository), "clone")
    identify(folder / "clone")
    return folder / "clone"


def identify(repository: Path) -> None:
    for key, value in (("user.name", "A. Tester"), ("user.email", "tester@example.org")):
        run(repository, "git", "config", key, value)


def planned(folder: Path, *arguments: str) -> str:
    done = snakemake(folder, "-n", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose small configuration was made by `dvc repro`, committed, and pushed to a folder."""
    folder = tmp_path_factory.mktemp("dvc")
    repository = copy_of(root, folder)
    shutil.move(repository / small(repository), repository / "config.yaml")
    for written in repository.glob("presets/*/dvc.*"):
        written.unlink()
    run(repository, "git", "init", "--quiet")
    identify(repository)
    run(repository, "refer", "dvc")
    commit(repository, "Ask for little")
    dvc(repository, "repro")
    commit(repository, "Make it")
    (folder / "store").mkdir()
    dvc(repository, "remote", "add", "--local", "--default", "store", str(folder / "store"))
    dvc(repository, "push")
    return repository


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Path:
    """A copy of it, times and all."""
    shutil.copytree(made, tmp_path / "a clöne", symlinks=True)
    return tmp_path / "a clöne"


def test_after_dvc_snakemake_has_nothing_to_do(made: Path) -> None:
    assert NOTHING in planned(made)
    assert "up to date" in dvc(made, "status")
    again = dvc(made, "repro")
    assert again.count("didn't change, skipping") == 3
    assert run(made, "git", "status", "--short") == ""


def test_after_snakemake_dvc_has_nothing_to_do(repository: Path) -> None:
    config = (repository / "config.yaml").read_text(encoding="utf-8")
    (repository / "config.yaml").write_text(re.sub("title: .*", "title: Another", config), encoding="utf-8")
    assert "title" in dvc(repository, "params", "diff")
    assert snakemake(repository, "--cores", "2").returncode == 0
    assert "modified" in dvc(repository, "status")
    # Of files above a megabyte Snakemake believes the time: DVC must not put a new file in their place.
    before = {path: path.stat().st_mtime_ns for path in (repository / "data").rglob("*.*")}
    dvc(repository, "commit", "--force")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert NOTHING in planned(repository)
    assert "up to date" in dvc(repository, "status")
    assert dvc(repository, "repro").count("didn't change, skipping") == 3


def test_an_experiment_is_trained_compared_and_cleared_away(repository: Path) -> None:
    before = files.sha256(repository / RUN / "checkpoint.safetensors")
    change = "config.yaml:reproduce.khalid2025.override={recipe.lr:0.1}"
    done = dvc(repository, "exp", "run", "--name", "faster", "--set-param", change)
    assert "finished train" in done
    assert "finished prepare" not in done, "the data is what it was"
    assert files.sha256(repository / RUN / "checkpoint.safetensors") != before
    assert NOTHING in planned(repository)

    assert "recipe.lr" in dvc(repository, "params", "diff")
    cell = "results/small/metrics/khalid2025.fer2013-standin.audited.backbone.json"
    shown = json.loads(dvc(repository, "metrics", "show", "--json"))
    assert shown[""]["data"][cell]["data"] == files.read_json(repository / cell)
    assert cell in dvc(repository, "metrics", "diff", "--all", "HEAD")
    assert "faster" in dvc(repository, "exp", "list")
    dvc(repository, "plots", "diff", "HEAD")
    page = (repository / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert '"rev": "HEAD"' in page
    assert '"rev": "workspace"' in page

    cache = repository / ".dvc/cache/files/md5"
    kept = sum(path.is_file() for path in cache.rglob("*"))
    dvc(repository, "gc", "--workspace", "--force")
    assert 0 < sum(path.is_file() for path in cache.rglob("*")) < kept
    assert "up to date" in dvc(repository, "status")
    # What was thrown away here still lies in the remote.
    run(repository, "git", "checkout", "--force", "HEAD", "--", "config.yaml", "dvc.lock")
    dvc(repository, "pull", "--force")
    assert files.sha256(repository / RUN / "checkpoint.safetensors") == before
    assert NOTHING not in planned(repository), "Snakemake remembers the experiment"
    run(repository, "refer", "trust")
    assert NOTHING in planned(repository)


def test_plots_are_drawn_without_a_network(repository: Path, tmp_path: Path) -> None:
    run(repository, "refer", "dvc", "--plots-without-network")
    dvc(repository, "plots", "show")
    page = repository / "dvc_plots/index.html"
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link)[^>]*\s(src|href)=", text), "nothing is fetched"
    assert "khalid2025.fer2013-standin.audited.csv" in text
    assert run(repository, "git", "status", "--short") == "", "neither template nor page is for git"
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium to draw the page with")
    drawn = run(
        repository, browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
        f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", page.as_uri(),
    )  # fmt: skip
    # One of the learning curves, and one of each part's confusion.
    assert drawn.count("<canvas") == 3


@pytest.mark.parametrize("kind", ["webdav", pytest.param("ssh", marks=pytest.mark.repeats)])
def test_what_is_pushed_over_the_network_is_pulled_again(kind: str, made: Path, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    shutil.copytree(made, tmp_path / "pushing", symlinks=True)
    with REMOTES[kind](tmp_path / "served") as remote:
        clone = clone_of(made, tmp_path)
        for folder in (tmp_path / "pushing", clone):
            dvc(folder, "remote", "add", "--local", "--default", "--force", "server", remote.url)
            dvc(folder, "remote", "modify", "--local", "server", "user", remote.user)
            dvc(folder, "remote", "modify", "--local", "server", "password", remote.password)
        dvc(tmp_path / "pushing", "push")
        assert "in sync" in dvc(tmp_path / "pushing", "status", "--cloud")
        dvc(clone, "pull")
    assert "up to date" in dvc(clone, "status")
    for name in (f"{RUN}/checkpoint.safetensors", "data/prepared/fer2013-standin/images.npy"):
        assert files.sha256(clone / name) == files.sha256(made / name)


def test_a_pulled_clone_is_trusted_if_every_hash_agrees(made: Path, tmp_path: Path) -> None:
    clone = clone_of(made, tmp_path)
    refused = run(clone, "refer", "trust", fails=True)
    assert "data/prepared/fer2013-standin" in refused
    assert "dvc pull" in refused
    dvc(clone, "remote", "add", "--local", "--default", "store", str(made.parent / "store"))
    dvc(clone, "pull")

    predictions, table = clone / RUN / "predictions.parquet", clone / "results/small/tables/runs.csv"
    whole = predictions.read_bytes(), table.read_bytes()
    # A turned bit that leaves size and time as DVC remembers them.
    times, turned = predictions.stat(), bytearray(whole[0])
    turned[len(turned) // 2] ^= 1
    predictions.write_bytes(turned)
    os.utime(predictions, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert f"{RUN}/predictions.parquet: modified" in run(clone, "refer", "trust", fails=True)

    predictions.write_bytes(whole[0] + b"x")
    table.unlink()
    with (clone / "workflow/scripts/train.py").open("a", encoding="utf-8") as script:
        script.write("# Another.\n")
    refused = run(clone, "refer", "trust", fails=True)
    assert f"{RUN}/predictions.parquet: modified" in refused
    assert "results/small/tables/runs.csv: missing" in refused
    assert "workflow/scripts/train.py: modified" in refused
    assert "Traceback" not in refused
    assert "images.npy" not in refused, "what agrees is not named"

    predictions.write_bytes(whole[0])
    table.write_bytes(whole[1])
    run(clone, "git", "checkout", "--", "workflow")
    assert NOTHING not in planned(clone), "a checkout's times tell Snakemake nothing"
    assert "Snakemake has nothing to do" in run(clone, "refer", "trust")
    assert NOTHING in planned(clone)
    assert "up to date" in dvc(clone, "status")
    # It has not become blind.
    later = snakemake(clone, "-n", "--quiet", "rules", "--config", "ambiguity__khalid2025__heads=8")
    assert NOTHING not in later.stdout + later.stderr


def test_a_released_preset_needs_no_remote_for_its_report(repository: Path, tmp_path: Path) -> None:
    with (repository / ".gitignore").open("a", encoding="utf-8") as ignored:
        ignored.write("!/results/small/\n!/results/small/runs/\n/results/small/runs/**/*.safetensors\n")
    shutil.copy(repository / "config.yaml", repository / "presets/small.yaml")
    for name in ("dvc.yaml", "dvc.lock"):
        (repository / name).unlink()
    run(repository, "refer", "dvc", "presets/small.yaml")
    dvc(repository, "commit", "--force", "presets/small/dvc.yaml")
    commit(repository, "Release it")
    assert "up to date" in dvc(repository, "status")
    run(repository, "refer", "trust", "presets/small.yaml")
    assert NOTHING in planned(repository, "--configfile", "presets/small.yaml")
    shown = json.loads(dvc(repository, "metrics", "show", "--json"))[""]["data"]
    assert list(shown) == ["results/small/metrics/khalid2025.fer2013-standin.audited.backbone.json"]
    tracked = run(repository, "git", "ls-files", "results").splitlines()
    assert f"{RUN}/predictions.parquet" in tracked
    assert not [name for name in tracked if name.endswith(".safetensors")]

    clone = clone_of(repository, tmp_path)
    lock = clone / "presets/small/dvc.lock"
    locked = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]["train"]["outs"]
    stated = {out["path"]: out["md5"] for out in locked}
    assert stated[f"{RUN}/predictions.parquet"] == md5(clone / RUN / "predictions.parquet")
    report = ("repro", "--single-item", "presets/small/dvc.yaml:report")
    assert "didn't change, skipping" in dvc(clone, *report)
    shutil.rmtree(clone / "results/small/tables")
    assert "Running stage 'presets/small/dvc.yaml:report'" in dvc(clone, *report)
    assert not (clone / "data").exists()
    assert "tables" not in run(clone, "git", "status", "--short"), "the same bytes"


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
