"""Everything that can go wrong, tried at once: prints how much was tried, survived, refused and failed.

    python benchmarks/reliability.py [--inputs 1000] [--kills 20] [--verify] [--out reliability.json] [--page]

Inputs are changed files for every reader (fuzz.py; `--inputs` for each). Faults are released files that were tampered
with, killed writers, clocks, full disks, another user, two at once, and kills of a whole workflow (kill.py; `--kills`).
*Survived* is done as if nothing had happened, *refused* is a line that says what is wrong, *failed* is anything else: a
traceback, a wrong result, a hang of 60 s, more than 2 GB. `--verify` forges tables with their hashes, and has all of a
release made again, which takes minutes. `--page` writes the tables into docs/reliability.md. Ends with 1 if any failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from refer import parquet
from refer.errors import UserError, of_the_machine
from refer.files import private_folder, read_json, sha256, write_json, write_text
from refer.release.archive import check as check_release
from refer.release.manifest import NAME, read_manifest
from refer.release.runs import find_preset
from refer.release.verify import check_files, verify
from refer.reporting.results import Results
from refer.reporting.score import check_results

ROOT = Path(__file__).resolve().parents[1]
PRESET = "fer2013-cpu"
BEGIN, END = "<!-- reliability.py -->", "<!-- end -->"
SURVIVED, REFUSED, FAILED = "survived", "refused", "failed"
Fault = tuple[str, str]
"""What was tried, and what came of it."""


def judged(attempt: Callable[[], object]) -> str:
    """Return what came of an attempt in this process."""
    try:
        attempt()
    except UserError:
        return REFUSED
    except Exception as error:
        return f"{FAILED}: {error!r}"
    return SURVIVED


def turned(path: Path, rng: random.Random) -> None:
    """Turn one bit of a file and leave its times as they were."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def tampering(place: Path, rng: random.Random) -> Iterator[Fault]:
    """Turn a bit of each released file, put another in its place, and remove it; each must be named."""
    folder = Path(shutil.copytree(ROOT / "results" / PRESET, place / PRESET))
    files = read_manifest(folder)["files"]
    for name, about in files.items():
        path, others = folder / name, [other for other in files if files[other]["role"] == about["role"] != name]
        content = path.read_bytes()
        swapped = (folder / rng.choice([other for other in others if other != name] or [NAME])).read_bytes()
        changes: dict[str, Callable[[], object]] = {
            "turned": lambda path=path: turned(path, rng),
            "swapped": lambda path=path, swapped=swapped: path.write_bytes(swapped),
            "dropped": lambda path=path: path.unlink(),
        }
        for how, change in changes.items():
            change()
            # Empty pictures of one kind may be the same.
            same = path.is_file() and path.read_bytes() == content
            found = {finding.path for finding in check_files(folder, {name: about}) if finding.kind != "not listed"}
            yield f"{name} {how}", SURVIVED if same else REFUSED if found == {name} else FAILED
            path.write_bytes(content)


def forged_predictions(place: Path, rng: random.Random) -> Iterator[Fault]:
    """Exchange two images' answers in each released prediction, as somebody does who writes new hashes, too."""
    import pyarrow.parquet as pq

    preset = find_preset(PRESET, ROOT)
    results = Results.read(preset.folder / "results.parquet")
    for run in preset.runs:
        target = place / "results" / PRESET / "runs" / run.path / "predictions.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        table = pq.read_table(preset.folder / "runs" / run.path / "predictions.parquet")
        rows = list(range(len(table)))
        first = rng.randrange(len(rows) // 2)
        labels = table["label"].to_pylist()
        second = next(row for row in reversed(rows) if labels[row] != labels[first])
        ids = table["id"].to_pylist()
        ids[first], ids[second] = ids[second], ids[first]
        changed = table.set_column(table.column_names.index("id"), "id", [ids])
        pq.write_table(changed, target, compression="zstd", write_page_checksum=True)
        paths = [target if each is run else preset.folder / "runs" / each.path / "predictions.parquet"
                 for each in preset.runs]  # fmt: skip
        came = judged(lambda paths=paths: check_results(results, paths, preset.folder / "results.parquet"))
        yield f"{run.path} forged", FAILED if came == SURVIVED else came


def copied(folder: Path) -> Path:
    """Copy of the project what commands read, with the results of one preset; returns the folder."""
    for name in ("presets", "papers", "workflow", "src", "envs", "config.yaml", "Snakefile", "pyproject.toml",
                 "LICENSE", "CITATION.cff", f"results/{PRESET}"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, folder / name)
    return folder


def forged_tables(place: Path) -> Iterator[Fault]:
    """Change a digit in each table and page, with its hash in the manifest: making all of it again must tell."""
    root = copied(place / "forged")
    preset = find_preset(PRESET, root)
    manifest = read_json(preset.folder / NAME)
    forged = []
    for name, about in manifest["files"].items():
        if about["role"] not in ("table", "page"):
            continue
        path = preset.folder / name
        text = path.read_text(encoding="utf-8")
        at = next((k for k in range(len(text) // 2, len(text)) if text[k] in "12345678"), None)
        if at is None:
            continue
        path.write_text(f"{text[:at]}{int(text[at]) + 1}{text[at + 1 :]}", encoding="utf-8")
        about |= {"sha256": sha256(path), "bytes": path.stat().st_size}
        forged.append(name)
    write_json(preset.folder / NAME, manifest)
    found = {finding.path for finding in verify(preset).findings}
    yield from ((f"{name} forged", REFUSED if name in found else FAILED) for name in forged)


WRITER = """
import itertools, sys
from refer.files import write_text
for number in itertools.count():
    write_text(sys.argv[1], str(number % 2) * 200_000)
"""
PREPARE = """
import sys
from pathlib import Path
from refer.datasets.prepare import prepare
prepare("fer2013", Path(sys.argv[1]), Path(sys.argv[2]), workers=3)
"""


def killed(place: Path, rng: random.Random) -> Iterator[Fault]:
    """Kill writers, and `prepare` with the processes that decode for it."""
    from refer.datasets.prepared import check as check_prepared

    path = place / "text"
    for number in range(40):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        while not path.exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        writer.kill()
        writer.wait()
        text = path.read_text()
        write_text(path, "")
        whole = text in ("", "0" * 200_000, "1" * 200_000) and [*place.glob(".text*")] == []
        yield f"writer {number} killed", SURVIVED if whole else FAILED
    raw = raw_data(place, 90)
    for number in range(8):
        out = place / f"killed{number}"
        process = psutil.Popen([sys.executable, "-c", PREPARE, str(raw), str(out)])
        time.sleep(rng.uniform(0.5, 3))
        family = process.children(recursive=True)
        process.kill()
        process.wait()
        _, left = psutil.wait_procs(family, 10)
        half = [each for each in out.glob("*") if not each.name.startswith(".")] if out.is_dir() else []
        # Each file is whole; of a set that is not, those who use it must say so.
        fine = not left and (len(half) in (0, 3) or judged(lambda out=out: check_prepared(out)) == REFUSED)
        for each in left:
            each.kill()
        came = f"{FAILED}: {len(left)} processes and {len(half)} files left"
        yield f"prepare {number} killed", SURVIVED if fine else came


def raw_data(place: Path, each: int) -> Path:
    """Obtain small drawn pictures in FER2013's layout; returns their folder."""
    import zipfile

    from fuzz_readers import face

    from refer.datasets.raw.obtain import obtain
    from refer.datasets.readers.fer2013 import FER2013

    with zipfile.ZipFile(place / f"{each}.zip", "w") as packed:
        for number, name in enumerate(FER2013.classes):
            for part, split in (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest")):
                for image in range(each // 3):
                    content = face("JPEG", 1000 * number + image)
                    packed.writestr(f"{part}/{name}/{split}_{number}{image:04d}.jpg", content)
    obtain("fer2013", str(place / f"{each}.zip"), place / f"raw{each}", stand_in=True)
    return place / f"raw{each}"


def clocks(place: Path, rng: random.Random) -> Iterator[Fault]:
    """Date files of prepared data far back and ahead, with a turned bit and without."""
    from refer.datasets import prepared
    from refer.datasets.prepare import prepare

    out = place / "prepared"
    prepare("fer2013", raw_data(place, 3), out, workers=1)

    def facts() -> object:
        """Return what those read who learn from it; the rest says when and how fast it was made."""
        told = read_json(out / "prepare.json")
        table = parquet.read(out / "index.parquet")
        return [
            prepared.open_images(out / "images.npy").tobytes(), table.select(["id", "label", "split"]).to_pydict(),
            [told[name] for name in ("dataset", "classes", "fingerprint", "stand_in")],
        ]  # fmt: skip

    known = facts()
    for name in ("images.npy", "index.parquet", "prepare.json"):
        content = (out / name).read_bytes()
        for moment in (0, 1, time.time() - 86_400, time.time() + 86_400, 2**33):
            os.utime(out / name, (moment, moment))
            yield f"{name} of {moment:.0f}", judged(lambda: prepared.check(out))
            turned(out / name, rng)
            prepared._check.cache_clear()  # as in another process
            came = judged(lambda: prepared.check(out))
            yield f"{name} of {moment:.0f}, turned", FAILED if came == SURVIVED and facts() != known else came
            (out / name).write_bytes(content)


COMMANDS: Sequence[tuple[str, ...]] = (
    ("release", "--preset", PRESET, "--out", "{}/a.zip"), ("faces", "{}/a.png"), ("dvc",),
    ("release", "--check", "{}/none.zip"), ("schema", "--out", "{}"),
)  # fmt: skip
NOBODY = 65534


def another_user(place: Path) -> Iterator[Fault]:
    """Have another user write where he may not, and read what is not his."""
    from refer import records, yaml
    from refer.datasets.raw.archive import members
    from refer.lock import locked

    folder, closed = place / "mine", place / "closed"
    folder.mkdir()
    closed.write_text("{}")
    closed.chmod(0o600)
    with locked(place / "imported"):  # all that is imported late: another user may not read this Python
        pass
    attempts: dict[str, Callable[[], object]] = {
        "a text": lambda: write_text(folder / "x", "x"), "a folder": lambda: write_json(folder / "x/y.json", {}),
        "locks": lambda: private_folder(folder), "a record": lambda: records.read(closed, records.Named),
        "a configuration": lambda: yaml.read(closed), "an archive": lambda: list(members(closed)),
        "a table": lambda: parquet.read(closed), "a run": lambda: locked(folder).__enter__(),
        "a release": lambda: check_release(closed),
    }  # fmt: skip
    for what, attempt in attempts.items():
        child = os.fork()
        if child == 0:
            os.setuid(NOBODY)
            try:
                attempt()
                os._exit(0)
            except UserError:
                os._exit(1)
            except Exception as error:
                os._exit(1 if of_the_machine(error) else 2)
        _, status = os.waitpid(child, 0)
        yield f"another user: {what}", REFUSED if os.waitstatus_to_exitcode(status) == 1 else FAILED


def commands(place: Path) -> Iterator[Fault]:
    """Run commands where nothing can be written: no room at several sizes of a file, an odd umask."""

    def limited(size: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    surroundings: dict[str, Callable[[], object]] = {
        f"files of {size} bytes": limited(size) for size in (0, 100, 5_000)
    }
    root = copied(place / "project")
    surroundings["umask 777"] = lambda: os.umask(0o777)
    for number, (what, prepare) in enumerate(surroundings.items()):
        for words in COMMANDS:
            folder = place / f"c{number}-{words[0]}"
            folder.mkdir(exist_ok=True)
            command = [sys.executable, "-m", "refer.cli", *(word.format(folder) for word in words)]
            done = subprocess.run(
                command, cwd=root, capture_output=True, text=True, check=False, preexec_fn=prepare, timeout=600,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)},
            )  # fmt: skip
            said = done.stderr.strip().splitlines()
            fine = done.returncode == 0 or (done.returncode in (1, 2) and len(said) <= 4)
            came = (SURVIVED if done.returncode == 0 else REFUSED) if fine else f"{FAILED}: {' '.join(said[-1:])[:200]}"
            yield f"{' '.join(words)} with {what}", came


def at_once(place: Path) -> Iterator[Fault]:
    """Let two write one file, and two own one folder."""
    path = place / "both"
    for number in range(10):
        pair = [subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) for _ in range(2)]
        time.sleep(1)
        ended = [one.poll() for one in pair]
        for one in pair:
            one.send_signal(signal.SIGKILL)
            one.wait()
        text = path.read_text()
        fine = ended == [None, None] and text in ("0" * 200_000, "1" * 200_000)
        yield f"two writers {number}", SURVIVED if fine else FAILED
    own = "import sys, time\nfrom pathlib import Path\nfrom refer.lock import locked\n"
    own += "with locked(Path(sys.argv[1])): print('owned', flush=True); time.sleep(30)"
    from refer.lock import locked

    for number in range(5):
        folder = place / f"owned{number}"
        first = subprocess.Popen([sys.executable, "-c", own, str(folder)], stdout=subprocess.PIPE, text=True)
        assert first.stdout is not None
        first.stdout.readline()

        def second(folder: Path = folder) -> None:
            with locked(folder):
                pass

        came = judged(second)
        yield f"two owners {number}", FAILED if came == SURVIVED else came
        first.kill()
        first.wait()
        yield f"an owner {number} killed", judged(second)


def workflow(place: Path, kills: int) -> Iterator[Fault]:
    """Kill what runs of a whole workflow, as kill.py does."""
    out = place / "kill.json"
    command = [sys.executable, str(ROOT / "benchmarks/kill.py"), "--kills", str(kills), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    for record in read_json(out)["records"]:
        if "kill" in record:
            yield f"{record['victim']} killed", FAILED if record["wrong"] else SURVIVED
        else:
            yield "the end", SURVIVED if record["end"] == 0 and not record["wrong"] else FAILED


def inputs(place: Path, number: int) -> dict[str, dict[str, object]]:
    """Feed every reader so many inputs; returns what fuzz.py counted, by reader."""
    found = place / "fuzz"
    command = [sys.executable, str(ROOT / "benchmarks/fuzz.py"), "--inputs", str(number), "--found", str(found)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    result: dict[str, dict[str, object]] = {}
    for line in done.stdout.splitlines():
        result |= json.loads(line)
    return result


def page(counted: dict[str, object]) -> str:
    """Return the tables in Markdown."""
    faults, fed = counted["faults"], counted["inputs"]
    assert isinstance(faults, dict)
    assert isinstance(fed, dict)
    lines = [f"{counted['date']}, commit {counted['commit']}.", "", "| faults | tried | survived | refused | failed |",
             "|---|---|---|---|---|"]  # fmt: skip
    for name, of in faults.items():
        lines.append(f"| {name} | {sum(of.values()):,} | {of[SURVIVED]:,} | {of[REFUSED]:,} | {of[FAILED]:,} |")
    lines += ["", "| inputs | tried | read | refused | failed | largest memory |", "|---|---|---|---|---|---|"]
    for name, about in fed.items():
        failed = sum(about.get("defects", {}).values()) + bool(about.get("ended"))
        tried, refused = about.get("inputs", 0), about.get("refused", 0)
        lines.append(f"| {name} | {tried:,} | {tried - refused - failed:,} | {refused:,} | {failed:,} | "
                     f"{about.get('largest_mb', 0):,} MB |")  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000, help="for each reader")
    parser.add_argument("--kills", type=int, default=20, help="of a whole workflow")
    parser.add_argument("--verify", action="store_true", help="forge tables, and have all of a release made again")
    parser.add_argument("--out", type=Path, help="the same as JSON")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/reliability.md")
    parsed = parser.parse_args()
    rng, faults, wrong = random.Random(0), {}, []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        place.chmod(0o755)
        groups = {
            "released files: a bit, another file, none": tampering(place, rng),
            "predictions forged with their hashes": forged_predictions(place, rng),
            "tables and pages forged with their hashes": forged_tables(place) if parsed.verify else iter(()),
            "writers killed": killed(place, rng),
            "clocks": clocks(place, rng),
            "no room, an odd umask": commands(place),
            "another user": another_user(place) if os.geteuid() == 0 else iter(()),
            "two at once": at_once(place),
            "a workflow killed": workflow(place, parsed.kills) if parsed.kills else iter(()),
        }
        for name, group in groups.items():
            came = list(group)
            wrong += [f"{what}: {how}" for what, how in came if how.startswith(FAILED)]
            faults[name] = {how: sum(each.startswith(how) for _, each in came) for how in (SURVIVED, REFUSED, FAILED)}
            print(f"{name}: {faults[name]}", flush=True)
        fed = inputs(place, parsed.inputs) if parsed.inputs else {}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tried = {name: of for name, of in faults.items() if sum(of.values())}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    told = commit.stdout.strip()
    counted = {"date": today, "commit": told, "faults": tried, "inputs": fed, "wrong": wrong}
    print(page(counted), *wrong, sep="\n")
    if parsed.out:
        write_json(parsed.out, counted)
    if parsed.page:
        path = ROOT / "docs/reliability.md"
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        write_text(path, f"{before}{BEGIN}\n{page(counted)}\n{END}{rest.partition(END)[2]}")
    return int(bool(wrong) or any(about.get("defects") or about.get("ended") for about in fed.values()))


if __name__ == "__main__":
    sys.exit(main())
