"""A release: all that was asked for, of one piece, nothing else, in equal bytes, and checked by who receives it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refer import files
from refer.cli import main
from refer.errors import UserError
from refer.papers import load_paper
from refer.release import archive, contents
from refer.release.bundle import Release, release
from refer.release.crate import About
from refer.release.description import zenodo
from refer.release.manifest import read_manifest
from refer.release.runs import Finished, Preset, find_preset
from refer.spec import NO_DOI
from release_fixtures import make_project
from report_fixtures import rewrite

RUN = "runs/khalid2025/fer2013-standin/audited/full/seed0"


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a preset that can be released; not to be changed."""
    return make_project(root, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def project(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "project")


def released(project: Path, *, checkpoints: bool = False) -> Release:
    return release(find_preset("small", project), checkpoints=checkpoints)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name.split("/", 1)[1]: opened.read(name) for name in opened.namelist()}


def test_the_archive_holds_every_result_and_what_explains_it(project: Path) -> None:
    made = released(project)
    found = members(made.path)
    manifest = read_manifest(project / "results/small")
    assert {f"results/small/{name}" for name in manifest["files"]} == {
        name for name in found if name.startswith("results/") and not name.endswith("release.json")
    }
    assert {entry["role"] for entry in manifest["files"].values()} >= {
        "prediction", "record", "curve", "audit", "split", "results", "table", "figure", "page"
    }  # fmt: skip
    for name in (
        "README.md", "LICENSE", "CITATION.cff", "zenodo.json", "ro-crate-metadata.json", "presets/small.yaml",
        "Snakefile", "workflow/Snakefile", "papers/khalid2025.yaml", "envs/requirements.lock", "envs/refer.yaml",
        "pyproject.toml", "workflow/rules/train.smk", "cards/khalid2025/fer2013-standin/audited/full/seed1.md",
    ):  # fmt: skip
        assert found[name], name
    assert not [name for name in found if name.endswith(".safetensors")], "weights only when they are asked for"
    assert manifest["created"] == "2025-01-01T10:10:00+00:00", "of the newest run, not of now"
    assert json.loads(found["zenodo.json"])["related_identifiers"][0]["identifier"] == "10.59461/ijdiic.v4i2.166"
    assert "DRAWN" in found["README.md"].decode()
    assert any("Drawn" in remark for remark in made.remarks)


def test_what_has_no_doi_is_not_cited_by_one(root: Path) -> None:
    peers, tran = (load_paper(root / f"papers/{name}.yaml") for name in ("peers", "tran2023"))
    assert peers.doi == NO_DOI
    assert "doi" not in peers.citation
    assert tran.citation.endswith(f"doi:{tran.doi}")
    plan = SimpleNamespace(papers={each.id: each for each in (peers, tran)}, origin=lambda name: name)
    runs = [cast(Finished, SimpleNamespace(run=SimpleNamespace(paper=name))) for name in plan.papers]
    about = SimpleNamespace(
        title="", created="2026-01-01", description="", creators=[], licence="MIT", keywords=[], version="1"
    )
    preset = cast(Preset, SimpleNamespace(plan=plan))
    found = json.loads(zenodo(preset, runs, cast(About, about)))["related_identifiers"]
    assert [each["identifier"] for each in found] == [tran.doi]


def test_sha256sum_finds_all_as_listed(project: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(released(project, checkpoints=True).path) as opened:
        opened.extractall(tmp_path / "unpacked")
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=tmp_path / "unpacked/refer-small",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    listed = len(done.stdout.splitlines())
    assert listed == sum(path.is_file() for path in (tmp_path / "unpacked").rglob("*")) - 1


def test_equal_content_gives_equal_bytes_whenever_it_is_bundled(project: Path) -> None:
    first = released(project)
    before = first.path.read_bytes()
    for path in project.rglob("*"):
        os.utime(path, (10**9, 10**9))
        if path.is_file():
            path.chmod(0o600)
    assert released(project).path.read_bytes() == before
    assert files.sha256(first.path) == first.sha256


def test_weights_are_released_as_run_json_names_them(project: Path) -> None:
    name = f"results/small/{RUN}/checkpoint.safetensors"
    found = members(released(project, checkpoints=True).path)
    assert len([each for each in found if each.endswith(".safetensors")]) == 4
    record = json.loads(found[f"results/small/{RUN}/run.json"])
    assert archive.digest(found[name]) == record["checkpoint_sha256"]
    (project / name).write_bytes(b"other weights")
    with pytest.raises(UserError, match=r"seed0/checkpoint\.safetensors: found SHA-256 .*, but run\.json"):
        released(project, checkpoints=True)
    (project / name).unlink()
    with pytest.raises(UserError, match="--checkpoints none"):
        released(project, checkpoints=True)


def test_explanations_hold_faces_and_never_go_out(project: Path) -> None:
    (project / f"results/small/{RUN}/explanations.safetensors").write_bytes(b"faces")
    assert not [name for name in members(released(project, checkpoints=True).path) if "explanations" in name]


def changed(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(results: Path) -> None:
        record = files.read_json(results / name)
        change(record)
        files.write_json(results / name, record)

    return apply


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a run is missing": (lambda r: shutil.rmtree(r / RUN), r"1 of 4 runs .* not finished.*full/seed0: no predictions"),
    "a run is incomplete": (lambda r: (r / RUN / "training.csv").unlink(), r"full/seed0: no training\.csv.*snakemake"),
    "a run that nobody asked for": (
        lambda r: shutil.copytree(r / RUN, r / RUN.replace("seed0", "seed7")), r"full/seed7 is no run that presets/"
    ),
    "predictions of another checkpoint": (
        lambda r: rewrite(r / RUN / "predictions.parquet", lambda c, m: m.update(checkpoint_sha256="f" * 64)),
        r"checkpoint_sha256 is ffffffffffff, but [0-9a-f]{12} in run\.json",
    ),
    "real predictions among drawn ones": (
        lambda r: [rewrite(path, lambda c, m: m.update(stand_in=False)) for path in r.rglob("predictions.parquet")],
        r"predictions\.parquet: stand_in is False, expected True: .*never mixed",
    ),
    "one real run among drawn ones": (changed(f"{RUN}/run.json", lambda r: r.update(stand_in=False)), "never mixed"),
    "of another preset": (changed(f"{RUN}/run.json", lambda r: r.update(preset="other")), "expected 'small'"),
    "trained otherwise than the preset says": (
        changed(f"{RUN}/run.json", lambda r: r["recipe"].update(lr=0.5)), r"recipe\.lr is 0\.5, expected"
    ),
    "results of other predictions": (
        lambda r: rewrite(r / RUN / "predictions.parquet", lambda c, m: c.update(p_sad=c["p_fear"], p_fear=c["p_sad"])),
        "the results table is not of these predictions",
    ),
    "one image with two labels": (
        lambda r: rewrite(r / RUN / "predictions.parquet", lambda c, m: c.update(label=c["label"][::-1])),
        "another 'label'",
    ),
    "no page": (lambda r: (r / "report.html").unlink(), "no page there"),
    "a picture of nobody knows whom": (lambda r: (r / "face.png").write_bytes(b"x"), r"face\.png: nothing that a rel"),
    "pixels": (lambda r: (r / RUN / "images.npy").write_bytes(b"x"), r"images\.npy: nothing that a release may hold"),
    "a link": (
        lambda r: ((r / "tables/a.csv").write_text("x"), (r / "tables/b.csv").symlink_to(r / "tables/a.csv")),
        r"b\.csv: a link",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_whole_or_not_of_one_piece_is_refused_in_a_line(project: Path, case: str) -> None:
    spoil, words = REFUSED[case]
    spoil(project / "results/small")
    with pytest.raises(UserError, match=words):
        released(project)
    assert not (project / "releases").exists()
    assert not (project / "results/small/release.json").exists()


@pytest.mark.parametrize("kind", contents.FACES)
def test_figures_with_faces_are_released_of_drawn_data_alone(kind: str) -> None:
    for stem in ("fer2013", "khalid2025.fer2013/khalid2025.fer2013.audited.full"):
        with pytest.raises(UserError, match="show faces"):
            contents.role_of(f"figures/{kind}/{stem}.png")
    assert contents.role_of(f"figures/{kind}/fer2013-standin.png") == "figure"
    assert contents.role_of(f"figures/{kind}/khalid2025.fer2013-standin/x.svg") == "figure"


def test_every_kind_of_figure_that_the_workflow_draws_is_known(root: Path) -> None:
    import re

    rules = "".join(path.read_text(encoding="utf-8") for path in root.glob("workflow/**/*.smk"))
    kinds = set(re.findall(r"figures/([a-z_]+)", rules))
    assert kinds
    assert kinds <= {*contents.FIGURES, *contents.FACES}, "say in contents.py whether it shows faces"


def test_what_an_interrupted_training_leaves_behind_is_left_out() -> None:
    for name in ("resume.safetensors", "resume.stale", "explanations.safetensors", ".lock"):
        assert contents.role_of(f"runs/khalid2025/fer2013/audited/full/seed0/{name}") is None


def test_who_receives_it_checks_it_with_one_command(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["release", "--preset", "small"]) == 0
    assert "releases/refer-small.zip" in capsys.readouterr().out
    assert main(["release", "--check", "releases/refer-small.zip"]) == 0
    assert "all as released" in capsys.readouterr().out
    assert main(["release", "--preset", "smal"]) == 1
    assert "Did you mean 'small'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.update({"a/one.txt": b"altered"}), r"one\.txt is altered: found"),
        (lambda m: m.pop("a/one.txt"), r"one\.txt is missing"),
        (lambda m: m.update({"a/new.txt": b""}), r"new\.txt is not in SHA256SUMS"),
        (lambda m: m.pop("a/SHA256SUMS"), "no archive of a release"),
    ],
)
def test_an_altered_archive_is_found_out(tmp_path: Path, spoil: Callable[[dict], object], words: str) -> None:
    given_ = {"one.txt": b"one", "two.txt": b"two"}
    archive.write(tmp_path / "a.zip", "a", given_, {n: archive.digest(c) for n, c in given_.items()}, "2026-01-01")
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        content = {name: opened.read(name) for name in opened.namelist()}
    spoil(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        for name, value in content.items():
            opened.writestr(name, value)
    with pytest.raises(UserError, match=words):
        archive.check(tmp_path / "a.zip")


@settings(deadline=None, max_examples=30)
@given(
    content=st.dictionaries(st.text("abc/é ", min_size=1, max_size=8).map(lambda t: f"x{t}"), st.binary(), min_size=1)
)
def test_any_content_comes_back_and_its_order_is_no_matter(
    content: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    sums = {name: archive.digest(value) for name, value in content.items()}
    archive.write(folder / "a.zip", "a", content, sums, "2026-01-01T00:00:00+00:00")
    archive.write(folder / "b.zip", "a", dict(reversed(content.items())), sums, "2026-01-01T00:00:00+00:00")
    assert (folder / "a.zip").read_bytes() == (folder / "b.zip").read_bytes()
    assert archive.check(folder / "a.zip").files == len(content)
    assert {name: value for name, value in members(folder / "a.zip").items() if name != archive.SUMS} == content


def test_a_card_says_what_a_reader_must_know(project: Path) -> None:
    found = members(released(project).path)
    card = found["cards/khalid2025/fer2013-standin/audited/full/seed0.md"].decode()
    record = json.loads(found[f"results/small/{RUN}/run.json"])
    headings = [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "Model details", "Intended use", "Factors", "Metrics", "Training data", "Evaluation data",
        "Quantitative analyses", "Ethical considerations", "Caveats and recommendations", "How to load it",
    ]  # fmt: skip
    assert "TRAINED ON DRAWN STAND-IN DATA" in card
    assert record["checkpoint_sha256"] in card
    assert record["data_fingerprint"] in card
    row = next(line for line in card.splitlines() if line.startswith("| PrivateTest | "))
    _, _, accuracy, interval, right, n, removed, *_ = (cell.strip() for cell in row.split("|"))
    assert (n, removed) == ("108", "12")
    assert accuracy == f"{100 * int(right) / 108:.1f}"
    assert float(interval.split("–")[0]) < float(accuracy) < float(interval.split("–")[1])
    assert "All 2 seeds of this method, PrivateTest" in card
    assert "must not be used" in card
    assert "83" in card, "what the paper reports"
    assert "recipe.epochs` = 3 (was: 50)" in card


def test_a_card_of_real_data_states_its_licence(root: Path, tmp_path: Path) -> None:
    project = make_project(root, tmp_path, stand_in=False)
    made = released(project, checkpoints=True)
    card = members(made.path)["cards/khalid2025/fer2013/audited/full/seed0.md"].decode()
    assert "DRAWN" not in card
    assert "Do not pass them on" in card
    assert any("FER2013" in remark and "Do not pass them on" in remark for remark in made.remarks)
