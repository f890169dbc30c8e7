"""Trust in pulled results: compare all of them with dvc.lock by content, then let Snakemake believe their times."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refer.datasets.raw.pointers import believing_bytes
from refer.errors import UserError
from refer.storage.pipeline import DEFAULT, check_pipeline, pipeline_file
from refer.storage.site_cache import private_site_cache

SHOWN = 12
"""Up to so many files that differ are named."""


def trust(configfile: str = DEFAULT, base: str | Path = ".") -> int:
    """Have Snakemake take what lies here as up to date, if it is what dvc.lock states; returns the number of outputs.

    A checkout gives files any order of times, and brings no record of Snakemake: it would make nearly all again.
    Here every file that a stage needs and leaves behind, and every parameter, is compared by content; then outputs
    are touched in the order of the DAG.

    Raises:
        UserError: something is missing or differs; names it, and touches nothing.
    """
    base = Path(base)
    private_site_cache(base)
    check_pipeline(configfile, base)
    lock = pipeline_file(configfile, base).with_suffix(".lock")
    if not (base / lock).is_file():
        raise UserError(f"{lock}: there is no such file, so nothing states what the results were: run `dvc repro`.")
    outputs, differing = _compared(str(lock.with_suffix(".yaml")), base)
    if differing:
        more = [f"… and {len(differing) - SHOWN} more"] if len(differing) > SHOWN else []
        raise UserError(
            "\n  ".join([f"Not what {lock} states:", *differing[:SHOWN], *more])
            + "\nMissing or changed outputs come back with `dvc pull` and `dvc checkout --force`, or from git; if the "
            "rules or the configuration changed, `dvc repro` makes again what depends on them. Nothing was touched."
        )
    _touch(configfile, base)
    return outputs


def _compared(pipeline: str, base: Path) -> tuple[int, list[str]]:
    """How many outputs the stages of a dvc.yaml have, and `path: what is wrong` of all that differ from its lock."""
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ImportError:
        raise UserError("DVC is not installed here: make install") from None

    try:
        with Repo(str(base)) as repo, repo.lock:
            believing_bytes(repo)
            stages = list(repo.stage.collect(pipeline))
            differing = list(dict.fromkeys(line for stage in stages for line in _of_stage(stage)))
            if differing:
                inside = repo.data_status(granular=True, untracked_files="no")
                differing = list(dict.fromkeys(_granular(differing, inside)))
            return sum(len(stage.outs) for stage in stages), differing
    except DvcException as error:
        raise UserError(f"DVC cannot tell the state of {pipeline}: {error}") from None


def _of_stage(stage: Any) -> Iterator[str]:
    """`path: what is wrong` of a stage's outputs and dependencies. Whether they are cached is no matter."""
    if stage.changed_stage():
        yield f"{stage.addressing}: its command changed"
    # `Output.status` would speak of the cache before it looks at the file.
    states = [*(dep.status() for dep in stage.deps), *(out.workspace_status() for out in stage.outs)]
    for state in states:
        for path, what in state.items():
            if isinstance(what, dict):  # parameters of a file
                yield from (f"{path}: {name} {how}" for name, how in what.items())
            else:
                yield f"{path}: {'missing' if what == 'deleted' else what}"


def _granular(differing: list[str], status: dict[str, Any]) -> Iterator[str]:
    """Of folders that differ, the files inside that do, where DVC has a list of them."""
    changed = {
        path: "missing" if what == "deleted" else what
        for what, paths in status.get("uncommitted", {}).items()
        for path in paths
        if what in ("added", "deleted", "modified")
    }
    for line in differing:
        folder = line.rpartition(": ")[0]
        inside = [
            f"{path}: {what}"
            for path, what in sorted(changed.items())
            if path.startswith(f"{folder}/") and not path.endswith("/")
        ]
        yield from inside or [line]


def _touch(configfile: str, base: Path) -> None:
    """Give all outputs the times that a run would have left, and Snakemake the record of it."""
    option = [] if configfile == DEFAULT else ["--configfile", configfile]
    command = [sys.executable, "-m", "snakemake", "all", "prepared", "predicted", "--touch", "--forceall"]
    done = subprocess.run([*command, "--cores", "1", *option], cwd=base, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"Snakemake could not touch the outputs:\n{(done.stdout + done.stderr)[-2000:]}")
