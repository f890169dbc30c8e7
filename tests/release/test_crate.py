"""The RO-Crate of a release: what the profiles ask for, files that are there, and nobody's name."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import pytest

from refer import files
from refer.release import crate
from refer.release.bundle import release
from refer.release.runs import find_preset
from release_fixtures import make_project

rocrate = pytest.importorskip("rocrate")


@pytest.fixture(scope="module")
def unpacked(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crate")
    made = release(find_preset("small", make_project(root, folder)))
    with zipfile.ZipFile(made.path) as opened:
        opened.extractall(folder / "unpacked")
    return folder / "unpacked/refer-small"


@pytest.fixture(scope="module")
def graph(unpacked: Path) -> dict[str, dict[str, Any]]:
    content = files.read_json(unpacked / crate.NAME)
    return {entity["@id"]: entity for entity in content["@graph"]}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def every(entity: dict[str, Any], key: str) -> list[str]:
    return list(references(entity.get(key, [])))


def kinds(entity: dict[str, Any]) -> set[str]:
    found = entity["@type"]
    return set(found if isinstance(found, list) else [found])


def test_all_that_is_referred_to_is_described(graph: dict[str, dict[str, Any]]) -> None:
    for entity in graph.values():
        for value in entity.values():
            unknown = {name for name in references(value) if name not in graph and not name.startswith("https://")}
            assert not unknown, entity["@id"]


def test_every_file_is_there_and_is_the_one_described(graph: dict[str, dict[str, Any]], unpacked: Path) -> None:
    described = {name for name, entity in graph.items() if "File" in kinds(entity)}
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert described == there - {"SHA256SUMS", crate.NAME}
    assert set(every(graph["./"], "hasPart")) == described
    for name in described:
        assert graph[name]["sha256"] == files.sha256(unpacked / name)
        assert int(graph[name]["contentSize"]) == (unpacked / name).stat().st_size


def test_it_is_what_provenance_run_crate_asks_for(graph: dict[str, dict[str, Any]]) -> None:
    """The requirements (MUST) of the profile, as roc-validator 0.13 has them; see docs/releasing.md."""
    root, workflow = graph["./"], graph["Snakefile"]
    assert {"name", "description", "datePublished", "license", "conformsTo", "publisher"} <= root.keys()
    assert "https://w3id.org/ro/wfrun/provenance/0.5" in every(root, "conformsTo")
    assert every(root, "mainEntity") == ["Snakefile"]
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"} == kinds(workflow)
    assert every(workflow, "programmingLanguage")
    tools = every(workflow, "hasPart")
    actions = [entity for entity in graph.values() if "CreateAction" in kinds(entity)]
    assert {"Snakefile", *tools} == {name for action in actions for name in every(action, "instrument")}
    steps = every(workflow, "step")
    for step in steps:
        assert every(graph[step], "workExample")[0] in tools
    controls = [entity for entity in graph.values() if "ControlAction" in kinds(entity)]
    assert {step for entity in controls for step in every(entity, "instrument")} == set(steps)
    (organised,) = (entity for entity in graph.values() if "OrganizeAction" in kinds(entity))
    assert set(every(organised, "object")) == {entity["@id"] for entity in controls}
    assert every(organised, "result") == ["#workflow-run"]
    for parameter in (*every(workflow, "input"), *every(workflow, "output")):
        assert graph[parameter]["additionalType"] == "File"
        assert every(graph[parameter], "workExample")


def test_each_run_is_an_action_with_what_went_in_and_what_came_out(graph: dict[str, dict[str, Any]]) -> None:
    place = "khalid2025/fer2013-standin/audited/full/seed1"
    trained, inferred = graph[f"#train/{place}"], graph[f"#infer/{place}"]
    assert "DRAWN" in trained["name"]
    assert (trained["startTime"], trained["endTime"]) == ("2025-01-01T10:00:00+00:00", "2025-01-01T10:10:00+00:00")
    assert "endTime" not in inferred, "nobody knows when"
    assert f"#checkpoint/{place}" in every(trained, "result")
    assert len(graph[f"#checkpoint/{place}"]["sha256"]) == 64
    assert f"#checkpoint/{place}" in every(inferred, "object")
    assert every(inferred, "result") == [f"results/small/runs/{place}/predictions.parquet"]
    given = every(trained, "object")
    assert "results/small/data/fer2013-standin/split.khalid2025.audited.json" in given
    values = {graph[name]["name"]: graph[name]["value"] for name in given if "PropertyValue" in kinds(graph[name])}
    assert values["seed"] == "1"
    assert values["torch version"] == "2.11.0"
    assert len(values["code commit"]) == 40
    (data,) = (graph[name] for name in given if name.startswith("#data-"))
    assert "DRAWN" in data["description"]


def test_every_term_is_defined(graph: dict[str, dict[str, Any]]) -> None:
    context = json.loads(resources("rocrate").joinpath("data/ro-crate.jsonld").read_text(encoding="utf-8"))["@context"]
    used = {key for entity in graph.values() for key in entity if not key.startswith("@")}
    used |= {kind for entity in graph.values() for kind in kinds(entity)}
    assert used - {*crate.TERMS} <= set(context)


def test_no_person_machine_or_path_is_named(unpacked: Path) -> None:
    text = (unpacked / crate.NAME).read_text(encoding="utf-8")
    assert str(unpacked.parents[1]) not in text
    assert not re.findall(r'"(/[a-z][^"]*|file:[^"]*)"', text)
    for name in {getpass.getuser(), socket.gethostname()} - {"root", "localhost"}:
        assert not re.search(rf"\b{re.escape(name)}\b", text)


def test_rocrate_reads_it_back(unpacked: Path) -> None:
    from rocrate.rocrate import ROCrate

    read = ROCrate(unpacked)
    assert read.mainEntity.id == "Snakefile"
    assert "DRAWN" in read.description


@pytest.mark.skipif(
    "ROC_VALIDATOR" not in os.environ, reason="ROC_VALIDATOR names no rocrate-validator (docs/releasing.md)"
)
def test_the_validator_agrees(unpacked: Path) -> None:
    command = shutil.which(os.environ["ROC_VALIDATOR"]) or os.environ["ROC_VALIDATOR"]
    done = subprocess.run(
        [command, "--disable-color", "validate", "--no-paging", "-p", "provenance-run-crate-0.5", "-l", "REQUIRED",
         unpacked], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
