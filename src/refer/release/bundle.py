"""`refer release`: a preset's predictions, scores, tables and figures with all that explains them, in one archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.files import sha256
from refer.release import archive, crate
from refer.release.cards import cards
from refer.release.contents import listed
from refer.release.description import describe, readme, zenodo
from refer.release.manifest import NAME as MANIFEST
from refer.release.manifest import write_manifest
from refer.release.runs import Finished, Preset, finished
from refer.reporting.results import Results
from refer.reporting.score import check_results
from refer.reporting.tables.table import dataset_name, several

ALWAYS = (
    "CITATION.cff", "LICENSE", "Snakefile", "workflow/Snakefile", "envs/refer.yaml", "envs/requirements.lock",
    "pyproject.toml",
)  # fmt: skip
IF_THERE = ("envs/report.lock",)
NEEDED = ("results", "table", "page")

Progress = Callable[[int, int, str], object]
"""Is told the bytes that are done, those in all, and what is being done."""


@dataclass(frozen=True)
class Release:
    """What was written: the archive, its files and bytes, and what whoever publishes it must know."""

    path: Path
    manifest: Path
    files: int
    bytes: int
    sha256: str
    remarks: Sequence[str]


def release(
    preset: Preset, out: Path | None = None, *, checkpoints: bool = False, report: Progress = lambda *_: None
) -> Release:
    """Write results/<preset>/release.json and the archive `out` (releases/refer-<preset>.zip).

    Args:
        preset: what to release.
        out: the archive.
        checkpoints: whether the weights go into it; without them their hashes do.
        report: see `Progress`.

    Raises:
        UserError: runs are missing, incomplete or do not fit together, or something lies among the results that no
            release may hold.
    """
    runs = finished(preset)
    roles = listed(preset.folder)
    _check_derived(preset, runs, roles)
    out = out or preset.root / "releases" / f"refer-{preset.name}.zip"
    newest = max(runs, key=lambda each: str(each.record["finished"]))
    created = str(newest.record["finished"])
    title = preset.plan.config.title
    write_manifest(
        preset.folder, roles, title=title, created=created, git_commit=(newest.record.get("git") or {}).get("commit")
    )
    members = dict(_members(preset, roles, runs, checkpoints))
    about = describe(preset, runs, created)
    members["README.md"] = readme(preset, runs, about, checkpoints=checkpoints).encode()
    members["zenodo.json"] = zenodo(preset, runs, about).encode()
    total, done = 3 * sum(map(archive.size, members.values())), 0

    def tell(more: int, what: str) -> None:
        nonlocal done
        done += more
        report(min(done, total), total, what)

    sums = {name: archive.digest(source, lambda more: tell(more, "hashing")) for name, source in members.items()}
    _check_checkpoints(preset, runs, sums)
    base = f"results/{preset.name}/"
    described = {
        name: crate.Member(archive.size(members[name]), sums[name], roles.get(name.removeprefix(base), ""))
        for name in sorted(members)
    }
    members[crate.NAME] = crate.write_crate(preset, runs, about, described).encode()
    sums[crate.NAME] = archive.digest(members[crate.NAME])
    archive.write(out, out.stem, members, sums, created, lambda more: tell(more, "writing and checking"))
    return Release(
        out, preset.folder / MANIFEST, len(members), out.stat().st_size, sha256(out),
        list(_remarks(runs, checkpoints)),
    )  # fmt: skip


def _check_derived(preset: Preset, runs: Sequence[Finished], roles: Mapping[str, str]) -> None:
    """Refuse results without results table, tables or page, and results that are not of these predictions."""
    for role in NEEDED:
        if role not in roles.values():
            raise UserError(f"{preset.folder}: no {role} there; make what follows from the runs: {preset.command}")
    path = preset.folder / "results.parquet"
    check_results(Results.read(path), preset.paths("predictions.parquet", [each.run for each in runs]), path)


def _members(
    preset: Preset, roles: Mapping[str, str], runs: Sequence[Finished], checkpoints: bool
) -> Iterator[tuple[str, archive.Source]]:
    """Yield the path in the archive and the source of everything but what speaks of the archive itself."""
    root, base = preset.root, f"results/{preset.name}"
    for name in [*roles, MANIFEST]:
        yield f"{base}/{name}", preset.folder / name
    papers = sorted({preset.plan.origin(each.run.paper) for each in runs})
    folder = preset.plan.config.papers
    workflow = sorted(
        path for kind in ("*.smk", "*.py", "*.rst", "*.json") for path in root.glob(f"workflow/**/{kind}")
    )
    names = [
        *ALWAYS,
        *(name for name in IF_THERE if (root / name).is_file()),
        preset.file,
        *(path.relative_to(root).as_posix() for path in workflow),
    ]
    for name in names:
        if not (root / name).is_file():
            raise UserError(f"{root / name}: no such file; a release needs it. Run this in the folder of the project.")
        yield name, root / name
    for paper in papers:
        yield f"papers/{paper}.yaml", root / folder / f"{paper}.yaml"
    for name, text in cards(preset, runs, checkpoints=checkpoints):
        yield name, text.encode()
    for each in runs if checkpoints else ():
        weights = preset.folder / each.place / "checkpoint.safetensors"
        if not weights.is_file():
            raise UserError(
                f"{weights}: no such file; pull the checkpoints (dvc pull), or release without them: --checkpoints none"
            )
        yield f"{base}/{each.place}/checkpoint.safetensors", weights


def _check_checkpoints(preset: Preset, runs: Sequence[Finished], sums: Mapping[str, str]) -> None:
    for each in runs:
        name = f"results/{preset.name}/{each.place}/checkpoint.safetensors"
        expected = each.record["checkpoint_sha256"]
        if sums.get(name, expected) != expected:
            raise UserError(
                f"{name}: found SHA-256 {sums[name][:12]}, but run.json beside it tells of {expected[:12]}; pull it "
                "again, or train this run again."
            )


def _remarks(runs: Sequence[Finished], checkpoints: bool) -> Iterator[str]:
    """Yield what whoever publishes it must know."""
    changed = [each for each in runs if (each.record.get("git") or {}).get("dirty")]
    if changed:
        yield f"{several(len(changed), 'run')} came from files changed on top of their commit; the cards say so."
    if any(each.run.stand_in for each in runs):
        yield "Drawn stand-in data is in it; README, cards, tables and figures say so."
    if checkpoints:
        for name in sorted({each.run.dataset for each in runs if not each.run.stand_in}):
            yield f"Weights learnt from {dataset_name(name)} are in it. Before you publish: {DATASETS[name].licence}"
