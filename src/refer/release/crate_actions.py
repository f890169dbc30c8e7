"""What was done, as actions of an RO-Crate: each run's training and inference, the scores, the tables, the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from refer.datasets.catalog import DATASETS
from refer.release.crate_graph import STEPS, WORKFLOW, Graph
from refer.release.runs import Finished


def add_actions(graph: Graph, workflow: Any, runs: Sequence[Finished]) -> None:
    """Add all actions, and have the crate mention them."""
    done = [action for each in runs for action in _of_run(graph, each)] + _of_tables(graph, runs)
    controls = [_control(graph, action, rule) for action, rule in done]
    whole = _whole(graph, workflow, runs)
    versions = sorted({str(each.record["versions"].get("snakemake")) for each in runs})
    engine = graph.entity("https://snakemake.github.io", "SoftwareApplication", name="Snakemake",
                          url="https://snakemake.github.io", softwareVersion=" and ".join(versions))  # fmt: skip
    organised = graph.action("#snakemake", engine, "OrganizeAction", given=controls, made=[whole],
                             name=f"Snakemake ran {graph.preset.file}", **_times(runs))  # fmt: skip
    graph.crate.root_dataset["mentions"] = [whole, *(action for action, _ in done), organised]


def _of_run(graph: Graph, each: Finished) -> list[tuple[Any, str]]:
    """Return the training and the inference of one run, each with its rule."""
    run, record = each.run, each.record
    kind = "DRAWN stand-in data" if run.stand_in else "real data"
    label = f"{run.method} of {run.paper} on {run.data} ({kind}), {run.protocol}, {run.path.rsplit('/', 1)[1]}"
    checkpoint, seen = _checkpoint(graph, each), [_data(graph, each), *_split(graph, each)]
    paper = graph.file(f"papers/{graph.preset.plan.origin(run.paper)}.yaml")
    trained = graph.action(
        f"#train/{run.path}", graph.script("train"),
        given=[*seen, paper, *_parents(graph, each), *_settings(graph, each)],
        made=[checkpoint, graph.result(f"{each.place}/run.json"), graph.result(f"{each.place}/training.csv")],
        name=f"Training of {label}",
        description=f"Epoch {record['selected_epoch']} of {record['epochs']} was kept ({record['selection']}); "
        f"{record.get('precision')}, {record['threads']} thread(s).",
        startTime=record["started"], endTime=record["finished"],
        resourceUsage=graph.entity(f"#seconds/{run.path}", "PropertyValue", name="training time",
                                   propertyID="https://schema.org/duration", value=str(record["seconds"]),
                                   unitCode="https://qudt.org/vocab/unit/SEC", unitText="seconds"),
    )  # fmt: skip
    predicted = graph.action(
        f"#infer/{run.path}", graph.script("infer"), given=[checkpoint, *seen],
        made=[graph.result(f"{each.place}/predictions.parquet")], name=f"Inference of {label}",
        description="A probability of each class for each image of the parts that are evaluated.",
    )  # fmt: skip
    return [(trained, "train"), (predicted, "infer")]


def _of_tables(graph: Graph, runs: Sequence[Finished]) -> list[tuple[Any, str]]:
    """Return the scoring of all predictions and the writing of the tables, each with its rule."""
    predictions = [graph.result(f"{each.place}/predictions.parquet") for each in runs]
    records = [graph.result(f"{each.place}/run.json") for each in runs]
    papers = [graph.file(path) for path in graph.files if path.startswith("papers/")]
    tables = [graph.file(path) for path, member in graph.files.items() if member.role == "table"]
    scores = graph.result("results.parquet")
    scored = graph.action("#score", graph.script("score"), given=predictions, made=[scores], name="Scoring",
                          description=STEPS["score"][1])  # fmt: skip
    compared = graph.action("#tables", graph.script("tables"), given=[scores, *predictions, *records, *papers],
                            made=tables, name="Tables", description=STEPS["tables"][1])  # fmt: skip
    return [(scored, "score"), (compared, "tables")]


def _control(graph: Graph, action: Any, rule: str) -> Any:
    address = f"#control/{action.id.lstrip('#')}"
    step = graph.entity(f"{WORKFLOW}#{rule}", "HowToStep")
    return graph.action(address, step, "ControlAction", given=[action], name=f"Job of rule {rule}: {action['name']}")


def _whole(graph: Graph, workflow: Any, runs: Sequence[Finished]) -> Any:
    drawn = sorted({each.run.dataset for each in runs if each.run.stand_in})
    real = sorted({each.run.dataset for each in runs if not each.run.stand_in})
    on = [*(f"real {name}" for name in real), *(f"DRAWN {name}" for name in drawn)]
    data = {each.record["data_fingerprint"]: _data(graph, each) for each in runs}
    return graph.action(
        "#workflow-run", workflow, given=[graph.file(graph.preset.file), *data.values()],
        made=[graph.result("results.parquet")], name=f"Run of the preset {graph.preset.name}",
        description=f"{len(runs)} trained networks, on {', '.join(on)}.", **_times(runs),
    )  # fmt: skip


def _times(runs: Sequence[Finished]) -> dict[str, str]:
    return {
        "startTime": min(each.record["started"] for each in runs),
        "endTime": max(each.record["finished"] for each in runs),
    }


def _settings(graph: Graph, each: Finished) -> list[Any]:
    record = each.record
    settings = {
        "seed": each.run.seed,
        "protocol": each.run.protocol,
        "device": record["device"],
        "device name": record["device_name"],
        "code commit": _commit(record.get("git") or {}),
        **{f"{name} version": version for name, version in record["versions"].items()},
    }
    return [graph.value(name, value) for name, value in settings.items()]


def _commit(git: Mapping[str, Any]) -> str:
    return f"{git['commit']}{' with changes' if git.get('dirty') else ''}" if git.get("commit") else "not known"


def _data(graph: Graph, each: Finished) -> Any:
    known, fingerprint = DATASETS[each.run.dataset], each.record["data_fingerprint"]
    if each.run.stand_in:
        told = {"description": f"DRAWN by ReFER in the layout of {known.title}; no person is in it."}
    else:
        told = {"description": f"Real data, not in this crate: {known.title}. {known.licence}", "url": known.home}
    return graph.entity(f"#data-{fingerprint[:16]}", "CreativeWork", name=f"{each.run.data}, prepared",
                        identifier=f"sha256:{fingerprint}", sha256=fingerprint, **told)  # fmt: skip


def _split(graph: Graph, each: Finished) -> list[Any]:
    """Return how the data were divided, where the release has it."""
    run = each.run
    divider = graph.preset.plan.divider(run.paper, run.dataset, run.protocol)
    found = graph.result(f"data/{run.data}/split.{divider}.{run.protocol}.json")
    return [] if found is None else [found]


def _checkpoint(graph: Graph, each: Finished) -> Any:
    path = f"{each.place}/checkpoint.safetensors"
    return graph.result(path) or graph.entity(
        f"#checkpoint/{each.run.path}", "CreativeWork", name=f"{path} (not in this crate)",
        sha256=each.record["checkpoint_sha256"],
    )  # fmt: skip


def _parents(graph: Graph, each: Finished) -> list[Any]:
    """Return the checkpoints that the run begins with."""
    paths = [run.path for run in graph.preset.plan.parents(each.run).values()]
    return [
        graph.result(f"runs/{path}/checkpoint.safetensors") or {"@id": f"#checkpoint/{path}"}
        for path in dict.fromkeys(paths)
    ]
