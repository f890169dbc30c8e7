"""Is a released preset what was released, and do its tables follow from its predictions? No git, network or torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refer.errors import UserError
from refer.release.contents import LEFT_OF_BORDER, role_of
from refer.release.difference import difference, difference_of_words
from refer.release.manifest import NAME, altered, read_manifest, tools
from refer.release.runs import Preset
from refer.reporting.tables.table import several

BORDER = ("prediction", "record", "curve", "audit", "split", "images", "batches", "realtime")
"""Roles of the files that all others are made from."""
DRAWING = ("matplotlib", "numpy")
"""The bytes of figures depend on their versions. Of a page that holds figures all the rest is compared."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: `kind` says in a word or two what, `detail` more where there is more."""

    kind: str
    path: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}" + (f": {self.detail}" if self.detail else "")


@dataclass
class Verdict:
    """What was found: `released` files are listed, `made` were made again."""

    released: int
    made: int = 0
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def verify(preset: Preset, *, quick: bool = False, cores: str = "all") -> Verdict:
    """Compare a preset's results with its release.json and, unless `quick`, with what its predictions make now.

    Args:
        preset: which.
        quick: compare hashes only.
        cores: how many Snakemake may use.

    Raises:
        UserError: there is no release.json, or the tables cannot be made at all.
    """
    manifest = read_manifest(preset.folder)
    files = manifest["files"]
    verdict = Verdict(len(files), findings=check_files(preset.folder, files))
    if quick:
        return verdict
    known = {name: each["role"] for name, each in files.items()}
    if any(known.get(finding.path) in BORDER for finding in verdict.findings):
        verdict.remarks.append("Tables were not made again: first restore what they are made from.")
        return verdict
    with made_again(preset, known, cores) as folder:
        _compare(preset.folder, folder, manifest, verdict)
    return verdict


def check_files(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return which of the listed files are missing or altered, and which files of results/<preset>/ are not listed.

    Args:
        folder: results/<preset>/.
        files: path below it → `sha256` and `bytes`.
    """
    findings = []
    for name, listed in files.items():
        if not (folder / name).is_file():
            findings.append(Finding("missing", name))
        elif altered(folder, name, listed):
            findings.append(Finding("altered", name, f"not what {NAME} lists"))
    for path in sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in files and _belongs(name):
            findings.append(Finding("not listed", name, f"nothing that {NAME} knows"))
    return findings


@contextmanager
def made_again(preset: Preset, roles: Mapping[str, str], cores: str = "all") -> Iterator[Path]:
    """Yield a temporary folder, as results/<preset>/, with all that workflow/report.smk makes from the predictions.

    Args:
        preset: which.
        roles: of the released files.
        cores: how many Snakemake may use.

    Raises:
        UserError: Snakemake fails; has its last lines.
    """
    with tempfile.TemporaryDirectory(prefix="refer-verify-") as place:
        folder = Path(place, "results", preset.name)
        for name, role in roles.items():
            if (role in BORDER or _taken(name)) and (preset.folder / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(preset.folder / name, folder / name)
        root = preset.root.absolute()
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "workflow/report.smk")]
        command += ["--configfile", str(root / preset.file), "--directory", place, "--cores", cores]
        command += ["--workflow-profile", "none", "--scheduler", "greedy"]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE_")}
        done = subprocess.run(command, cwd=root, env=clean, capture_output=True, text=True, check=False)
        if done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            raise UserError(
                f"{preset.folder}: its tables cannot be made again from its predictions. Snakemake:\n{last}"
            )
        yield folder


def _compare(folder: Path, again: Path, manifest: Mapping[str, Any], verdict: Verdict) -> None:
    """Add to the verdict what differs between the released folder and the one made again."""
    files, here = manifest["files"], tools()
    used = manifest.get("made_with", here)
    others = [f"{name} {version}" for name, version in here.items() if used.get(name) != version]
    redraws = any(used.get(name) != here[name] for name in DRAWING)
    redrawn = []
    makes = {path.relative_to(again).as_posix() for path in again.rglob("*") if path.is_file()}
    for name in sorted(makes):
        role = files.get(name, {}).get("role")
        if role in BORDER or _taken(name) or not (_belongs(name) or (folder / name).exists()):
            continue
        verdict.made += 1
        if not (folder / name).is_file():
            if name not in files:
                verdict.findings.append(Finding("not listed", name, "is made from these predictions, but not released"))
            continue
        if what := difference(folder / name, again / name):
            if redraws and role == "page":
                what = difference_of_words(folder / name, again / name)
            if redraws and (role == "figure" or not what):
                redrawn.append(name)
            else:
                verdict.findings.append(Finding("differs", name, what))
    for name, listed in files.items():
        if listed["role"] not in BORDER and not _taken(name) and name not in makes:
            verdict.findings.append(Finding("not made", name, "no rule makes it from these predictions"))
    if others:
        verdict.remarks.append(f"Other versions than at the release: {', '.join(others)} here.")
    if redrawn:
        verdict.remarks.append(
            f"Drawn differently by them, so compared in words alone or not at all: {', '.join(redrawn)}."
        )


def _belongs(name: str) -> bool:
    """Whether a file is part of a release, or of nothing that is known."""
    try:
        return role_of(name) is not None
    except UserError:
        return True


def _taken(name: str) -> bool:
    """Whether a figure is made left of the border, so that it is taken as it is."""
    return name.split("/")[:1] == ["figures"] and name.split("/")[1] in LEFT_OF_BORDER


def report(name: str, verdict: Verdict, shown: int = 20) -> Sequence[str]:
    """Return the lines that say what was found."""
    lines = [str(finding) for finding in verdict.findings[:shown]]
    if len(verdict.findings) > shown:
        lines.append(f"and {len(verdict.findings) - shown} more")
    wrong = len(verdict.findings)
    made = f"{verdict.made:,} tables and figures made again" if verdict.made else "no table made again"
    said = (
        "all is as released"
        if not wrong
        else f"{several(wrong, 'thing')} {'is' if wrong == 1 else 'are'} not as released"
    )
    return [*lines, *verdict.remarks, f"{name}: {verdict.released:,} released files, {made}: {said}."]
