"""A model card for each checkpoint, under the headings of Mitchell et al. 2019 (arXiv 1810.03993), from facts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from refer.datasets.catalog import DATASETS
from refer.evaluation.intervals import accuracy_interval, wilson
from refer.evaluation.predictions import Predictions
from refer.evaluation.scores import metrics
from refer.plan import Run
from refer.progress import duration
from refer.records import AuditRecord, read
from refer.release.description import template
from refer.release.runs import Finished, Preset
from refer.reporting.run_set import in_batches
from refer.reporting.tables.notes import printed
from refer.reporting.tables.table import dataset_name
from refer.spec import Paper

INTERVALS = {"wilson": "Wilson's", "crossed": "images and seeds as samples"}


def cards(preset: Preset, runs: Sequence[Finished], *, checkpoints: bool) -> Iterator[tuple[str, str]]:
    """Yield the path (`cards/<paper>/<data>/<protocol>/<method>/seed<k>.md`) and the Markdown of every run's card.

    `checkpoints` says whether the weights lie in the same archive.
    """
    rows: dict[tuple[str, ...], list[Finished]] = {}
    for each in runs:
        rows.setdefault(each.predictions.key[:4], []).append(each)
    for each in runs:
        siblings = rows[each.predictions.key[:4]]
        yield f"cards/{each.run.path}.md", card(preset, each, siblings, included=checkpoints)


def card(preset: Preset, each: Finished, siblings: Sequence[Finished], *, included: bool) -> str:
    """Return the card of one checkpoint; `siblings` are the runs of the same method, this one among them."""
    run, record = each.run, each.record
    paper, dataset = preset.paper(run.paper), DATASETS[run.dataset]
    labels = paper.parts[run.dataset]
    parts = [part for part in labels if part in each.predictions.parts and each.predictions.of(part).any()]
    scored = {part: _scored(each.predictions, part) for part in parts}
    git = record.get("git") or {}
    return template("card.md").render(
        run=run,
        record=record,
        paper=paper,
        dataset=dataset,
        name=dataset_name(run.dataset),
        label=paper.methods[run.method].label,
        repeat=run.path.rsplit("/", 1)[1],
        fold=run.fold,
        options=_listed({key: value for key, value in record["network"].items() if key != "name"}),
        recipe=_listed(_flat(record["recipe"])),
        checkpoint=f"results/{preset.name}/{each.place}/checkpoint.safetensors",
        included=included,
        commit=f"commit {git['commit']}{', with changes on top' if git.get('dirty') else ''}"
        if git.get("commit")
        else "from a copy without a repository",
        licence="the stand-in is ReFER's own" if run.stand_in else dataset.licence.rstrip("."),
        people=_people(preset, each),
        note=paper.protocols[run.protocol].note,  # type: ignore[index]
        duration=duration(record["seconds"]),
        rows=[_row(_title(labels, run, part), each.predictions, part, scored[part]) for part in parts],
        recalls=[_recalls(labels[part], each.predictions, part) for part in parts],
        beside=list(_beside(paper, siblings, parts, labels)),
        caveats=list(_caveats(preset, paper, each)),
    )


def _title(labels: Mapping[str, str], run: Run, part: str) -> str:
    return f"{labels[part]}{' (chose the epoch)' if part == run.select else ''}"


def _scored(run: Predictions, part: str) -> dict[str, float]:
    counted = run.of(part)
    return {each.name: each.value for each in metrics(run.label[counted], run.probabilities[counted], run.classes)}


def _row(title: str, run: Predictions, part: str, scored: Mapping[str, float]) -> list[str]:
    counted = run.of(part)
    right, n = int((run.predicted == run.label)[counted].sum()), int(counted.sum())
    interval = wilson(right, n)
    others = (f"{100 * scored[name]:.1f}" for name in ("balanced_accuracy", "macro_f1", "ece"))
    return [title, f"{100 * right / n:.1f}", f"{100 * interval.low:.1f}–{100 * interval.high:.1f}", f"{right:,}",
            f"{n:,}", f"{run.removed(part):,}", *others]  # fmt: skip


def _recalls(title: str, run: Predictions, part: str) -> list[str]:
    counted = run.of(part)
    cells = []
    for code in range(len(run.classes)):
        mine = counted & (run.label == code)
        n, right = int(mine.sum()), int((run.predicted[mine] == code).sum())
        cells.append(f"{100 * right / n:.0f} ({right:,} of {n:,})" if n else "no image")
    return [title, *cells]


def _beside(
    paper: Paper, siblings: Sequence[Finished], parts: Sequence[str], labels: Mapping[str, str]
) -> Iterator[str]:
    """Yield what the method's other seeds say, and what the paper reports."""
    first = siblings[0].run
    if len(siblings) > 1 and first.fold is None:
        for part in parts:
            predictions = [each.predictions for each in siblings]
            hits = np.stack([(one.predicted == one.label)[one.of(part)] for one in predictions])
            interval = accuracy_interval(hits)
            yield (
                f"All {len(siblings)} seeds of this method, {labels[part]}: {100 * hits.mean():.1f} % on average, 95 % "
                f"interval {100 * interval.low:.1f} to {100 * interval.high:.1f} ({INTERVALS[interval.method]}), "
                f"n = {hits.shape[1]:,}."
            )
    elif len(siblings) > 1:
        yield f"One of {len(siblings)} runs of this method, of other people or another seed; only together they count."
    for claim in paper.reported:
        if (claim.method, claim.dataset) == (first.method, first.dataset):
            part = f" on {labels[claim.part]}" if claim.part else ", on which part is not stated"
            yield f"The paper reports {claim.metric} {printed(claim.value, claim.decimals)} %{part} ({claim.source})."


def _people(preset: Preset, each: Finished) -> str:
    audit = preset.folder / "data" / each.run.data / "audit.json"
    if not audit.is_file():
        return "Who is in the images: the audit of the data set, which is not in this release, says what is known."
    subjects = read(audit, AuditRecord)["subjects"]
    if not subjects["known"]:
        return "Who is in the images is not known, so one person may be in several parts."
    count = subjects.get("count")
    return f"{f'{count:,} people are' if count else 'People are'} told apart by the data set's own names for them."


def _caveats(preset: Preset, paper: Paper, each: Finished) -> Iterator[str]:
    record = each.record
    if each.run.stand_in:
        yield "DRAWN STAND-IN DATA: it was trained on cartoons, to show that the workflow runs."
    if record.get("reads_batch"):
        yield f"It {in_batches(record)}; for one image by itself its logits are others."
    if (record.get("git") or {}).get("dirty"):
        yield "It was trained with changed files on top of the commit named above."
    for key, value in paper.departures.items():
        yield f"This preset departs from the paper's file: `{key}` = {value}."
    for name, ambiguity in paper.ambiguities.items():
        instead = paper.overruled.get(name)
        chosen = f"{ambiguity.choice}, overruled: {instead}" if instead else ambiguity.choice
        yield f"The paper does not say: {ambiguity.question} Here: {chosen}."
    yield f"What was run and how is in presets and papers of this archive; the preset is `{preset.file}`."


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in values.items())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
