"""What a fresh clone is set up with: the lock, the conda environment, the Makefile, and the checks of a commit."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = {name: (ROOT / f"envs/{name}.lock").read_text() for name in ("requirements", "report")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA = yaml.safe_load((ROOT / "envs/refer.yaml").read_text())
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib", "snakemake-minimal": "snakemake"}
MACHINE = {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"}


def locked(python: str, lock: str = "requirements") -> dict[str, str]:
    """Return the version of each locked package for that Python on Linux."""
    versions = {}
    for name, version, marker in re.findall(r"^([a-z0-9.-]+)==(\S+)(?: ; (.*?))? \\$", LOCKS[lock], re.M):
        about = {**MACHINE, "python_version": python, "python_full_version": f"{python}.0"}
        if not marker or Marker(marker).evaluate(about):
            versions[name] = version
    return versions


def direct(*extras: str, groups: tuple[str, ...] = ()) -> list[Requirement]:
    """Return what pyproject.toml asks for: what reporting needs, with extras and groups."""
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    for group in groups:
        lines += [line for line in PROJECT["dependency-groups"][group] if isinstance(line, str)]
    return [Requirement(line) for line in lines]


def everything() -> list[str]:
    """Return the extras that `make install` takes."""
    [all_of_them] = PROJECT["project"]["optional-dependencies"]["all"]
    return sorted(Requirement(all_of_them).extras)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_answers_every_requirement(python):
    versions = locked(python)
    for requirement in direct(*everything(), groups=("report", "dev")):
        name = requirement.name.lower().replace("_", "-")
        assert name in versions, f"{name} is not locked for Python {python}: make lock"
        assert requirement.specifier.contains(versions[name]), f"{name} {versions[name]}: make lock"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_a_reviewers_lock_is_a_part_of_the_whole_one_without_what_is_large(python):
    whole, slim = locked(python), locked(python, "report")
    assert slim.items() <= whole.items(), "make lock"
    assert {requirement.name for requirement in direct(groups=("report",))} <= set(slim)
    assert not {requirement.name for requirement in direct(*everything())[len(direct()) :]} & set(slim) - {"requests"}
    assert not [name for name in slim if name.startswith(("torch", "nvidia", "cuda", "triton"))]


@pytest.mark.parametrize("name", ["requirements.lock", "report.lock", "uv.txt"])
def test_what_is_downloaded_is_known_by_hash_and_names_no_registry(name):
    text = re.sub(r"^#.*\n", "", (ROOT / "envs" / name).read_text(), flags=re.M)
    pins = re.split(r"^(?=[a-z])", text, flags=re.M)[1:]
    assert pins
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    assert not re.search(r"https?:|index-url|find-links|file:|@", text)
    assert not (ROOT / "uv.lock").exists()


def test_the_conda_environment_has_the_versions_of_the_lock():
    # What conda-forge has not is taken by pip.
    pins = dict(line.split("=") for line in CONDA["dependencies"] if isinstance(line, str) and line != "pip")
    pins |= dict(line.split("==") for part in CONDA["dependencies"] if isinstance(part, dict) for line in part["pip"])
    versions = locked(pins.pop("python"))
    assert {name: versions[CONDA_NAMES.get(name, name)] for name in pins} == pins
    assert {CONDA_NAMES.get(name, name) for name in pins} == {each.name for each in direct(*everything())}


def make(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    without_outer_make = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=cwd,
        env={**without_outer_make, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_make_alone_explains_every_target():
    text = make().stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    for target in phony[1].split():
        assert re.search(rf"^  make {target} +[A-Z]", text, re.M), target


def test_targets_install_first_and_run_the_plain_command(tmp_path):
    clone = sketch(tmp_path)
    plan = make("-n", "demo", cwd=clone).stdout
    assert plan.index("envs/install.sh") < plan.index(".venv/bin/snakemake --cores all")
    (clone / ".venv").mkdir()
    (clone / ".venv/installed").touch()
    assert "install.sh" not in make("-n", "demo", cwd=clone).stdout
    assert "install.sh" in make("-n", "install", "PYTHON=python3.12", cwd=clone).stdout
    os.utime(clone / "pyproject.toml", (2**31, 2**31))
    assert "install.sh" in make("-n", "test", cwd=clone).stdout


def test_a_reviewer_without_an_environment_gets_a_small_one(tmp_path):
    clone = sketch(tmp_path)
    plan = make("-n", "tables", cwd=clone).stdout
    assert plan.index("envs/install.sh report") < plan.index(".venv-report/bin/snakemake -s workflow/report.smk")
    assert '--configfile "presets/fer2013-cpu.yaml"' in plan
    assert '--configfile "config.yaml"' in make("-n", "tables", "PRESET=demo", cwd=clone).stdout
    (clone / ".venv").mkdir()
    (clone / ".venv/installed").touch()
    plan = make("-n", "tables", cwd=clone).stdout
    assert "install.sh" not in plan
    assert ".venv/bin/snakemake -s workflow/report.smk" in plan


def test_the_main_job_asks_for_the_data(tmp_path):
    clone = sketch(tmp_path)
    (clone / ".venv").mkdir()
    (clone / ".venv/installed").touch()
    answer = make("fer2013", cwd=clone)
    assert answer.returncode != 0
    assert "make fer2013 FER2013=path" in answer.stderr


def test_an_unfit_python_is_named_plainly(tmp_path):
    clone, tools = sketch(tmp_path), tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "env", "rm"):
        (tools / tool).symlink_to(shutil.which(tool))
    (tools / "python3").write_text("#!/bin/sh\necho 3.9\n")
    (tools / "python3.12").write_text("#!/bin/sh\nexit 127\n")  # as a shim of an absent version does
    for python in ("python3", "python3.12"):
        (tools / python).chmod(0o755)
    answer = subprocess.run(
        ["sh", "envs/install.sh"], cwd=clone, env={"PATH": str(tools)}, capture_output=True, text=True, timeout=30
    )
    assert answer.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13 here: python3 is 3.9," in answer.stderr
    assert not (clone / ".venv").exists()
    assert not (clone / ".tools").exists()


@pytest.mark.parametrize("script", ["envs/install.sh", ".ci/run"])
def test_scripts_can_be_run_and_parsed(script):
    shell = "bash" if script == ".ci/run" else "sh"
    assert os.access(ROOT / script, os.X_OK)
    assert subprocess.run([shell, "-n", script], cwd=ROOT).returncode == 0


def test_continuous_integration_runs_the_same_checks_on_every_supported_python():
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert job["steps"][-1] == {"run": ".ci/run"}


def sketch(folder: Path) -> Path:
    """Return a folder with a space and an umlaut in its name that holds what `make install` reads."""
    clone = folder / "a clone" / "ü"
    (clone / "envs").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", *(f"envs/{path.name}" for path in (ROOT / "envs").iterdir())):
        shutil.copy2(ROOT / name, clone / name)
    return clone


UV = """#!/bin/sh
echo "$*" >>"$UV_LOG"
case "$1" in venv) for last; do :; done; mkdir -p "$last/bin"; ln -sf "$UV_PYTHON_HERE" "$last/bin/python" ;; esac
case "$*" in *--torch-backend*) exit "${UV_INDEX_SAYS:-0}" ;; esac
"""


def installed(clone: Path, tools: Path, **environment: str) -> tuple[subprocess.CompletedProcess, list[str]]:
    """Run envs/install.sh with a uv that only writes down what it is told."""
    tools.mkdir(exist_ok=True)
    (tools / "uv").write_text(UV)
    (tools / "uv").chmod(0o755)
    log = tools / "log"
    log.unlink(missing_ok=True)
    told = {"PATH": f"{tools}:{os.environ['PATH']}", "UV_LOG": str(log), "UV_PYTHON_HERE": shutil.which("python3")}
    done = subprocess.run(
        ["sh", "envs/install.sh"], cwd=clone, env={**told, **environment}, capture_output=True, text=True, timeout=60
    )
    return done, [line for line in log.read_text().splitlines() if line.startswith("pip")]


def names(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9.-]+)==", lock, re.M))


def test_the_cpu_build_leaves_out_cuda_and_nothing_else(tmp_path):
    clone = sketch(tmp_path)
    done, calls = installed(clone, tmp_path / "bin", TORCH="cpu")
    assert done.returncode == 0, done.stderr
    kept = (clone / ".venv/cpu.lock").read_text()
    left_out = names(LOCKS["requirements"]) - names(kept)
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= left_out
    assert all(name.startswith(("torch", "triton", "nvidia-", "cuda-")) for name in left_out)
    assert all("--hash=sha256:" in pin for pin in re.split(r"^(?=[a-z])", kept, flags=re.M)[1:])
    sync, torch, _ = calls
    assert "--require-hashes" in sync
    assert sync.endswith(".venv/cpu.lock")
    versions = locked("3.11")
    assert torch.endswith(f"--torch-backend cpu torch=={versions['torch']} torchvision=={versions['torchvision']}")
    again, calls = installed(clone, tmp_path / "bin")
    assert any("--torch-backend cpu" in call for call in calls), "a later install keeps the choice"
    back, calls = installed(clone, tmp_path / "bin", TORCH="default")
    assert (again.returncode, back.returncode) == (0, 0)
    assert not any("--torch-backend" in call for call in calls)
    assert calls[0].endswith("envs/requirements.lock")


def test_a_missing_cpu_build_is_told_and_nothing_is_called_installed(tmp_path):
    clone = sketch(tmp_path)
    done, _ = installed(clone, tmp_path / "bin", TORCH="cpu", UV_INDEX_SAYS="2")
    assert done.returncode == 1
    assert "error: no CPU build of torch==" in done.stderr
    assert "'make install' takes the build that works everywhere" in done.stderr
    assert not (clone / ".venv/installed").exists()
    wrong, _ = installed(clone, tmp_path / "bin", TORCH="gpu")
    assert wrong.returncode == 1
    assert "error: TORCH=gpu: found 'gpu', expected cpu or default." in wrong.stderr


def test_another_build_of_torch_is_put_into_a_finished_environment(tmp_path):
    clone = sketch(tmp_path)
    (clone / ".venv").mkdir()
    (clone / ".venv/installed").touch()
    assert "install.sh" in make("-n", "install", "TORCH=cpu", cwd=clone).stdout
    assert "install.sh" not in make("-n", "install", cwd=clone).stdout
