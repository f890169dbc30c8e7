"""Kill anything of a running workflow at any moment, go on as the documents say, and compare with an undisturbed run.

    python benchmarks/kill.py --kills 50 --seed 0 --out kill.json

Runs the smallest preset (benchmarks/tiny.yaml) in copies of the project. In each copy it is started, a random process
of Snakemake's tree is killed (SIGKILL) at a random moment, and it is started again, `--each` times over; then it runs
to its end. After every kill each file that stands under a final name must be the undisturbed run's, byte for byte (or,
of files that hold times, be whole); in the end all of them must be there. Nothing but the documented commands goes
on: `snakemake …` where a job was killed, `refer resume -- …` where Snakemake was.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from refer.files import sha256
from refer.resume import orphans, snakemakes

ROOT = Path(__file__).resolve().parents[1]
ARGUMENTS = ("--cores", "2", "--configfile", "benchmarks/tiny.yaml")
TIMED = ("run.json", "training.csv", "prepare.json", "receipt.json", "report.html", "runs.csv", "runs.md", "runs.tex",
         "runs.html", "curves", "summary.json")  # fmt: skip
"""Files that say how long something took or when it was; of a folder so named, all files."""
CLOCK = {"seconds", "started", "finished", "images_per_s", "resumed", "obtained", "fingerprint"}
"""What in them says so."""


def copied(folder: Path) -> Path:
    """Copy what a clone of the project holds, without its results, tests and pages."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith(("results/", "tests/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Of somebody who has activated .venv, with the library of the copy."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | {"PATH": path, "PYTHONPATH": str(folder / "src")}


def start(folder: Path, *command: str, surroundings: Mapping[str, str] | None = None, umask: int = -1) -> psutil.Popen:
    """Start a command in the copy, its output at the end of said.log."""
    with (folder / "said.log").open("ab") as said:
        return psutil.Popen(
            command,
            cwd=folder,
            env=environment(folder) | (surroundings or {}),
            stdout=said,
            stderr=said,
            start_new_session=True,
            umask=umask,
        )


def final(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file under a final name that the workflow made, with its name in the copy."""
    for top in ("data", "results"):
        for path in sorted((folder / top).rglob("*")):
            if path.is_file() and not path.name.startswith(".") and not path.name.startswith("resume."):
                yield path.relative_to(folder).as_posix(), path


def is_timed(name: str) -> bool:
    """Whether a file says how long something took or when it was."""
    return any(part in TIMED for part in Path(name).parts) or "/curves" in name


def whole(path: Path) -> bool:
    """Whether a file with times in it is whole, as far as its format can tell."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".csv":
            rows = list(csv.reader(text.splitlines()))
            return len({len(row) for row in rows}) == 1 and text.endswith("\n")
        elif path.suffix in (".html", ".svg"):
            return text.rstrip().endswith(("</html>", "</svg>"))
    except UnicodeDecodeError:
        return path.read_bytes().endswith(b"IEND\xaeB`\x82")
    except ValueError:
        return False
    return bool(text)


def timeless(path: Path) -> Any:
    """Return what a run.json or training.csv says beside times; None of other files."""
    if path.name == "run.json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key not in CLOCK | {"git"}}
    if path.name == "training.csv":
        with path.open(newline="") as handle:
            return [{key: value for key, value in row.items() if key not in CLOCK} for row in csv.DictReader(handle)]
    return None


def costless(path: Path) -> str:
    """Return a table without its footnote on how long training took."""
    if path.suffix not in (".md", ".tex", ".html"):
        return str(path)
    return re.sub(r"Cost: .*?(?=</|$)", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def compare(folder: Path, expected: dict[str, str], undisturbed: Path, *, complete: bool) -> list[str]:
    """Return what in a copy is not as in the undisturbed run."""
    found, wrong = dict(final(folder)), []
    for name, path in found.items():
        if name not in expected:
            wrong.append(f"{name}: not in the undisturbed run")
        elif not is_timed(name):
            if sha256(path) != expected[name] and costless(path) != costless(undisturbed / name):
                wrong.append(f"{name}: other bytes")
        elif not whole(path):
            wrong.append(f"{name}: not whole")
        elif timeless(path) != timeless(undisturbed / name):
            wrong.append(f"{name}: says something else than times")
    if complete:
        wrong += [f"{name}: missing" for name in expected if name not in found]
    return wrong


def kill_once(process: psutil.Popen, moment: float, rng: random.Random) -> tuple[str, bool] | None:
    """Kill a random process of a tree after so many seconds; None if it ended before.

    Returns what was killed, and whether that was one that plans (Snakemake itself, or `refer resume`) and no job.
    """
    try:
        process.wait(moment)
        return None
    except psutil.TimeoutExpired:
        pass
    try:
        tree = [one for one in (process, *process.children(recursive=True)) if one.status() != psutil.STATUS_ZOMBIE]
        # Jobs are few beside what plans them: as often a job as anything else.
        jobs = [one for one in tree if any("/.snakemake/scripts/" in word for word in one.cmdline())]
        victim = rng.choice(jobs if jobs and rng.random() < 0.5 else tree)
        words = victim.cmdline()
        job = next((Path(word).name.split(".", 1)[1] for word in words if "/.snakemake/scripts/" in word), None)
        planner = next((Path(word).name for word in words[:3] if Path(word).name in ("snakemake", "refer")), None)
        victim.kill()
    except (psutil.Error, IndexError):
        return None
    return job or planner or Path(words[0]).name, job is None and planner is not None


def settle(folder: Path, process: psutil.Popen) -> None:
    """Wait until nobody plans in the copy any more, as somebody would who looks at it; orphans may go on."""
    process.wait(600)
    deadline = time.monotonic() + 600
    while snakemakes(folder) and time.monotonic() < deadline:
        time.sleep(0.5)


def chain(
    folder: Path,
    kills: int,
    seconds: float,
    rng: random.Random,
    undisturbed: Path,
    targets: Sequence[str] = (),
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """Run one copy with so many kills; yields one record a kill, and one of its end."""
    expected = {name: sha256(path) for name, path in final(undisturbed)}
    arguments = (*targets, *ARGUMENTS)
    command: Sequence[str] = ("snakemake", *arguments)
    for number in range(kills):
        moment = rng.uniform(0.3, max(4.0, 0.25 * seconds))
        process = start(folder, *command, **options)
        killed = kill_once(process, moment, rng)
        if killed is None:
            break
        victim, planner = killed
        settle(folder, process)
        orphaned = len(orphans(folder))
        command = ("refer", "resume", "--", *arguments) if planner else ("snakemake", *arguments)
        # What orphans write meanwhile is judged after the next start, which ends them.
        wrong = [] if orphaned else compare(folder, expected, undisturbed, complete=False)
        yield {"kill": number, "victim": victim, "after": round(moment, 1), "orphans": orphaned, "wrong": wrong}
    status = start(folder, *command, **options).wait(900)
    wrong = compare(folder, expected, undisturbed, complete=True)
    yield {"end": status, "wrong": wrong, "said": "" if status == 0 else (folder / "said.log").read_text()[-2000:]}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--each", type=int, default=10, help="kills in one copy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the same as JSON")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = parsed.keep or Path(temporary)
        # Copied once: the project may be worked on meanwhile.
        source = copied(base / "source")
        undisturbed = Path(shutil.copytree(source, base / "undisturbed"))
        began = time.monotonic()
        if start(undisturbed, "snakemake", *ARGUMENTS).wait(900) != 0:
            print((undisturbed / "said.log").read_text()[-3000:])
            return 1
        seconds = time.monotonic() - began
        expected = {name: sha256(path) for name, path in final(undisturbed)}
        exact = sum(not is_timed(name) for name in expected)
        print(f"undisturbed: {seconds:.0f} s, {len(expected)} files, {exact} compared byte for byte", flush=True)
        records: list[dict[str, Any]] = []
        chains = done = 0
        while done < parsed.kills and chains < 3 * parsed.kills:
            rng = random.Random(f"{parsed.seed}.{chains}")
            folder = Path(shutil.copytree(source, base / f"copy{chains}"))
            for record in chain(folder, min(parsed.each, parsed.kills - done), seconds, rng, undisturbed):
                records.append({"copy": chains, **record})
                done += "kill" in record
                print(json.dumps(records[-1]), flush=True)
            if not records[-1]["wrong"] and records[-1]["end"] == 0:
                shutil.rmtree(folder)
            chains += 1
    kills = [record for record in records if "kill" in record]
    ends = [record for record in records if "end" in record]
    summary = {
        "seed": parsed.seed,
        "undisturbed_seconds": round(seconds, 1),
        "kills": len(kills),
        "victims": dict(Counter(record["victim"] for record in kills).most_common()),
        "copies": len(ends),
        "ended_well": sum(record["end"] == 0 for record in ends),
        "files": len(expected),
        "byte_for_byte": exact,
        "wrong": [wrong for record in records for wrong in record["wrong"]],
        "records": records,
    }
    for key, value in summary.items():
        if key != "records":
            print(f"{key:>20}  {value}")
    if parsed.out:
        parsed.out.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return int(bool(summary["wrong"]) or summary["ended_well"] < summary["copies"])


if __name__ == "__main__":
    sys.exit(main())
