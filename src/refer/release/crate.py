"""A release as an RO-Crate 1.1 of the profile Provenance Run Crate 0.5: what was run, on what, and what came out.

https://www.researchobject.org/workflow-run-crate/profiles/provenance_run_crate/. The workflow is the Snakefile; its
steps are the rules that lead from prepared data to tables. What is not known, such as when a run was judged, is left
out, and no name of a person or machine and no path of one is in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from refer.errors import UserError
from refer.release.crate_actions import add_actions
from refer.release.crate_graph import STEPS, WORKFLOW, About, Graph, Member, one
from refer.release.runs import Finished, Preset

__all__ = ["NAME", "About", "Member", "write_crate"]

NAME = "ro-crate-metadata.json"
VERSION = "1.1"  # the newest that the profiles of runs are based on
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
# Spelt out and not by the address of the profile's context: one thing less that a reader needs a network for.
TERMS = {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("sha256", "resourceUsage")}
MEDIA = {
    ".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet", ".png": "image/png", ".svg": "image/svg+xml", ".tex": "text/x-tex",
    ".yaml": "application/yaml", ".py": "text/x-python", ".safetensors": "application/octet-stream",
}  # fmt: skip


def write_crate(preset: Preset, runs: Sequence[Finished], about: About, files: Mapping[str, Member]) -> str:
    """Return the text of ro-crate-metadata.json; equal input gives equal text.

    Args:
        preset: what was run.
        runs: its runs, checked.
        about: title, creators, licence and so on.
        files: every other file of the archive, by its path there.

    Raises:
        UserError: the package rocrate is not installed.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise UserError("A release needs the package rocrate, which `make install` puts into .venv.") from None

    graph = Graph(preset, about, files, ROCrate(version=VERSION))
    graph.crate.metadata.extra_terms.update(TERMS)
    _describe_root(graph)
    for path, member in files.items():
        if path != WORKFLOW:
            _add_file(graph, path, member)
    add_actions(graph, _add_workflow(graph), runs)
    return json.dumps(graph.crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _describe_root(graph: Graph) -> None:
    about, root = graph.about, graph.crate.root_dataset
    root["name"] = about.title
    root["description"] = about.description
    root["datePublished"] = about.created
    root["license"] = graph.entity(
        f"https://spdx.org/licenses/{about.licence}", "CreativeWork", name=about.licence,
        description="Of the code, predictions, tables and figures. The data sets belong to their owners; the model "
        "cards say under which licence each was learnt from.",
    )  # fmt: skip
    root["keywords"] = list(about.keywords)
    root["creator"] = root["author"] = one([graph.organisation(name) for name in about.creators])
    root["publisher"] = graph.agent
    root["conformsTo"] = [
        graph.entity(address, "CreativeWork", name=name, version=version)
        for address, (name, version) in PROFILES.items()
    ]


def _add_file(graph: Graph, path: str, member: Member) -> None:
    properties: dict[str, Any] = {"name": path, "contentSize": str(member.bytes), "sha256": member.sha256}
    properties["encodingFormat"] = MEDIA.get(PurePosixPath(path).suffix, "text/plain")
    if member.role:
        properties["description"] = f"{member.role} of the release"
    if path == "README.md":
        properties["about"] = graph.crate.root_dataset
    if path in {script for script, _ in STEPS.values()}:
        properties |= {"@type": ["File", "SoftwareSourceCode"], "version": graph.about.code_version}
    graph.crate.add_file(None, path, properties=properties)


def _add_workflow(graph: Graph) -> Any:
    member = graph.files[WORKFLOW]
    workflow = graph.crate.add_workflow(None, WORKFLOW, main=True, lang="snakemake", properties={
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "ReFER's workflow",
        "description": "Raw archives of facial expressions in, comparison tables out.",
        "version": graph.about.code_version,
        "contentSize": str(member.bytes),
        "sha256": member.sha256,
        "encodingFormat": "text/plain",
    })  # fmt: skip
    workflow["license"] = graph.crate.root_dataset["license"]
    workflow["conformsTo"] = graph.entity(
        BIOSCHEMAS, "CreativeWork", name="ComputationalWorkflow", version="1.0-RELEASE"
    )
    workflow["creator"] = graph.agent
    workflow["hasPart"] = [graph.script(rule) for rule in STEPS]
    workflow["step"] = [
        graph.entity(f"{WORKFLOW}#{rule}", "HowToStep", name=rule, description=what, position=str(number),
                     workExample=graph.script(rule))
        for number, (rule, (_, what)) in enumerate(STEPS.items(), start=1)
    ]  # fmt: skip
    workflow["input"] = _parameter(graph, "configuration", graph.preset.file, "which cells of which papers run")
    workflow["output"] = _parameter(graph, "scores", f"results/{graph.preset.name}/results.parquet", "every metric")
    return workflow


def _parameter(graph: Graph, name: str, path: str, what: str) -> Any:
    """Return a parameter of the workflow with the file that stands for it here."""
    value = graph.file(path)
    made = graph.crate.add_formal_parameter(
        name, "File", f"#{name}", description=what, valueRequired=True, properties={"workExample": value}
    )
    value["exampleOfWork"] = made
    return made
