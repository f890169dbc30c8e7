"""Several GPUs on one machine: one job a GPU, no two jobs on one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from refer.errors import UserError
from refer.gpus import SCHEDULERS, handed_out, visible


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("0,1", ["0", "1"]),
        ("3", ["3"]),
        ("", []),
        ("-1", []),
        ("2,-1,0", ["2"]),
        ("NoDevFiles", []),
        ("void", []),
        ("GPU-8a, GPU-9b", ["GPU-8a", "GPU-9b"]),
    ],
)
def test_what_cuda_would_see_is_seen(monkeypatch: pytest.MonkeyPatch, given: str, seen: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible() == seen


def test_without_a_list_all_devices_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia10", "nvidia0", "nvidia2", "nvidiactl", "nvidia0.lock"):
        (tmp_path / name).touch()
    assert visible(tmp_path) == ["0", "1", "2"], "CUDA counts those that it sees"


def test_each_job_gets_another_and_the_environment_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    with handed_out(1, tmp_path) as first:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")  # as another job sees it
        with handed_out(1, tmp_path) as second, handed_out(0, tmp_path):
            assert (first, second) == (["4"], ["5"])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5,7"


def test_jobs_share_no_single_gpu_but_each_job_of_a_scheduler_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    code = "from refer.gpus import handed_out\nwith handed_out(1, poll=0.05): print('got it')"

    def other(seconds: float, **environment: str) -> str:
        job = subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | {"TMPDIR": str(tmp_path)} | environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            return job.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            job.kill()
            return job.communicate()[0]

    with handed_out(2) as mine:
        assert mine == ["0"], "no more than there are"
        assert "got it" not in other(3)
        assert "got it" in other(60, SLURM_JOB_ID="17")
    assert "got it" in other(60)


def test_another_users_link_leads_no_lock_astray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    for job in SCHEDULERS:
        monkeypatch.delenv(job, raising=False)
    precious, folder = tmp_path / "precious", tmp_path / f"refer-gpus-{os.getuid()}"
    precious.mkdir()
    (precious / "0.lock").write_text("kept")

    folder.symlink_to(precious)
    with pytest.raises(UserError, match="found a link or no folder, expected a folder of your own"), handed_out(1):
        pass
    folder.unlink()
    folder.mkdir()
    (folder / "0.lock").symlink_to(precious / "0.lock")
    with pytest.raises(UserError, match="found a link, expected a lock"), handed_out(1):
        pass
    assert (precious / "0.lock").read_text() == "kept"
    (folder / "0.lock").unlink()
    folder.chmod(0o777)
    with handed_out(1) as mine:
        assert mine == ["0"]
    assert folder.stat().st_mode & 0o077 == 0, "a folder of one's own is closed to others"
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UserError, match=f"found a folder of user {os.getuid()}, expected one of user"), handed_out(1):
        pass


@pytest.mark.slow
def test_jobs_that_outnumber_the_gpus_never_share_one_even_if_some_are_killed(tmp_path: Path) -> None:
    code = f"""
        import os, sys, time
        from pathlib import Path
        from refer.gpus import handed_out
        with handed_out(1, Path({str(tmp_path)!r}), poll=0.02) as mine:
            own = Path({str(tmp_path)!r}, f"busy{{mine[0]}}")
            assert os.environ["CUDA_VISIBLE_DEVICES"] == mine[0]
            (own / "x").mkdir(parents=True)  # fails if somebody is on it
            if sys.argv[1] == "killed":
                (own / "x").rmdir()
                os.kill(os.getpid(), {int(signal.SIGKILL)})
            time.sleep(0.1)
            (own / "x").rmdir()
    """
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "0,1"}
    ends = ["normal", "killed", "normal", "killed", "normal", "normal"]
    jobs = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), end], env=environment) for end in ends]
    assert [job.wait(60) for job in jobs] == [0 if end == "normal" else -signal.SIGKILL for end in ends]
