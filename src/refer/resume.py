"""After Snakemake itself was killed: end what it left running, in the order that is safe, and let it go on.

Killed, Snakemake leaves its jobs behind. Started again it would know nothing of them, and two jobs would write one
output. So: nobody else's Snakemake runs here; its jobs are ended, which training answers by saving its state; only then
is the folder unlocked.
"""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from refer.errors import UserError

LOGS = 20
"""So many of Snakemake's last logs are read for names of its Slurm jobs."""
SECONDS = 600
"""How long ended jobs may take to be gone."""


@dataclass(frozen=True)
class Last:
    """What the newest log says of the Snakemake that wrote it."""

    host: str
    command: str


def resume(
    folder: Path,
    arguments: Sequence[str],
    *,
    wait: bool = False,
    sure: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Clear away what a killed Snakemake left in `folder`, then run Snakemake with `arguments`, if there are any.

    Args:
        folder: where Snakemake ran.
        arguments: of `snakemake`, as the killed one had them.
        wait: let orphaned jobs run to their end instead of ending them.
        sure: the caller knows that no Snakemake runs here on another machine.
        say: told what is done.

    Returns:
        Snakemake's exit status; 0 if it was not run.

    Raises:
        UserError: a Snakemake still runs here, or may do so on another machine; or jobs do not end.
    """
    folder = folder.resolve()
    if not (folder / ".snakemake").is_dir() and not arguments:  # with them: killed so early that it left nothing
        raise UserError(f"{folder}: no Snakemake has run here (there is no .snakemake); start it as usual.")
    running = snakemakes(folder)
    if running:
        raise UserError(f"{folder}: Snakemake runs here (process {running[0].pid}); there is nothing to resume.")
    last = last_run(folder)
    if last and last.host != socket.gethostname() and not sure:
        raise UserError(
            f"{folder}: the last Snakemake ran on {last.host}, this is {socket.gethostname()}. Resume there, or make "
            "sure that it runs no more and say so: refer resume --sure …"
        )
    end_local(folder, wait, say)
    end_slurm(folder, wait, say)
    found = shutil.which("snakemake")
    base = [found] if found else [sys.executable, "-m", "snakemake"]
    subprocess.run(
        [*base, *arguments, "--unlock", "--quiet", "all"], cwd=folder, check=False, stderr=subprocess.DEVNULL
    )
    if not arguments:
        say(
            "Nothing of it runs any more, and the folder is unlocked."
            + (f" Its command: {last.command}" if last else "")
        )
        return 0
    say(f"snakemake {' '.join(arguments)}")
    return subprocess.run([*base, *arguments, "--rerun-incomplete"], cwd=folder, check=False).returncode


def snakemakes(folder: Path) -> list[psutil.Process]:
    """Every Snakemake that plans in `folder` on this machine; not those that are a job of another one."""
    return [process for process, words in _here(folder) if _is_snakemake(words) and "--mode" not in words]


def _is_snakemake(words: Sequence[str]) -> bool:
    programs = {Path(word).name.removesuffix(".py") for word in words[:2]}
    module = [words[at + 1] for at, word in enumerate(words[:4]) if word == "-m" and at + 1 < len(words)]
    return "snakemake" in programs or module == ["snakemake"]


def orphans(folder: Path) -> list[psutil.Process]:
    """The jobs of a Snakemake that is no more, on this machine and in no Slurm job; and what still submits some."""
    found = []
    for process, words in _here(folder):
        script = any("/.snakemake/scripts/" in word for word in words)
        # While the controller is away a submission waits for it (profiles/slurm/bin/sbatch).
        submits = any(Path(word).name == "sbatch" for word in words[:2])
        if script or submits or (_is_snakemake(words) and "--mode" in words):
            try:
                if "SLURM_JOB_ID" not in process.environ():
                    found.append(process)
            except psutil.Error:
                continue
    return found


def _here(folder: Path) -> list[tuple[psutil.Process, list[str]]]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == folder:
                found.append((process, process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def last_run(folder: Path) -> Last | None:
    """What the newest log in `folder` says."""
    for log in _logs(folder):
        text = log.read_text(encoding="utf-8", errors="replace")
        host, command = (re.search(rf"^ *{key}: (.*)$", text, re.MULTILINE) for key in ("Host", "Command"))
        if host and command:
            return Last(host[1].strip(), command[1].strip())
    return None


def _logs(folder: Path) -> list[Path]:
    return sorted((folder / ".snakemake/log").glob("*.snakemake.log"), reverse=True)[:LOGS]


def slurm_jobs(folder: Path) -> dict[str, str]:
    """Slurm jobs of Snakemakes that ran in `folder`: number → state.

    Raises:
        UserError: Slurm does not answer.
    """
    if shutil.which("squeue") is None:
        return {}
    names = set()
    for log in _logs(folder):
        names |= set(re.findall(r"SLURM run ID: (\S+)", log.read_text(encoding="utf-8", errors="replace")))
    if not names:
        return {}
    asked = subprocess.run(
        [
            "squeue",
            "--noheader",
            "--format=%i|%T|%j",
            f"--user={getpass.getuser()}",
            f"--name={','.join(sorted(names))}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if asked.returncode:
        raise UserError(f"Slurm does not say which jobs are left ({asked.stderr.strip()}); try again when it does.")
    rows = (line.split("|") for line in asked.stdout.splitlines())
    return {number: state for number, state, *_ in rows}


def end_local(folder: Path, wait: bool, say: Callable[[str], None]) -> None:
    """End local orphans, or wait for them."""
    left = orphans(folder)
    if not left:
        return
    numbers = ", ".join(str(process.pid) for process in left)
    say(f"{'Waiting for' if wait else 'Ending'} orphaned processes {numbers}.")
    if wait:
        psutil.wait_procs(left)
        return
    for process in left:
        _signal(process.terminate)
    _, left = psutil.wait_procs(left, timeout=60)
    for process in left:
        _signal(process.kill)
    _, left = psutil.wait_procs(left, timeout=10)
    if left:
        raise UserError(f"The processes {', '.join(str(process.pid) for process in left)} do not end.")


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return


def end_slurm(folder: Path, wait: bool, say: Callable[[str], None]) -> None:
    """End orphaned Slurm jobs, or wait for them; returns when Slurm knows of none that runs or will run."""
    left = slurm_jobs(folder)
    if not left:
        return
    say(f"{'Waiting for' if wait else 'Ending'} orphaned Slurm jobs {', '.join(left)}.")
    if not wait:
        subprocess.run(["scancel", *left], check=False, timeout=120)
    deadline = time.monotonic() + SECONDS
    while left := slurm_jobs(folder):
        if not wait and time.monotonic() > deadline:
            raise UserError(f"The Slurm jobs {', '.join(left)} do not end: squeue -j {','.join(left)}")
        time.sleep(2)
