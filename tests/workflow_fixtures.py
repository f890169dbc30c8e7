"""A copy of the project, in which Snakemake runs as a user runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import yaml

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
PAGE = Path(__file__).resolve().parents[1] / "docs/adding-a-paper.md"


def copy_of(root: Path, folder: Path) -> Path:
    """Copy the project as a clone would hold it, into a path with a space and an umlaut."""
    clone = folder / "a clöne"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (root / name).is_file() and not name.startswith("results/"):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, clone / name)
    return clone


def environment() -> dict[str, str]:
    """Of a user who has activated .venv; without what would make every job compile its imports anew."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PATH": f"{SNAKEMAKE.parent}{os.pathsep}{kept.get('PATH', '')}"}


def snakemake(clone: Path, *arguments: str, timeout: float = 3600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SNAKEMAKE, *arguments],
        cwd=clone,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def small(clone: Path, **changes: object) -> str:
    """Write a configuration that is over in seconds, and return its name."""
    config = yaml.safe_load((clone / "config.yaml").read_text(encoding="utf-8"))
    config |= {"preset": "small", "data": [], "realtime_seconds": 0}
    config["reproduce"] = {"khalid2025": config["reproduce"]["khalid2025"]}
    config["ambiguity"] = {"khalid2025": config["ambiguity"]["khalid2025"]}
    config["standin"]["fer2013"] |= {
        "images": {"Training": 200, "PublicTest": 60, "PrivateTest": 60},
        "subjects": 30,
    }
    config["reproduce"]["khalid2025"] |= {"methods": ["backbone"], "protocols": ["audited"], "seeds": [0]}
    config["reproduce"]["khalid2025"]["override"] |= {"recipe.epochs": 2}
    (clone / "small.yaml").write_text(yaml.safe_dump(config | changes), encoding="utf-8")
    return "small.yaml"


def invented() -> str:
    """The paper that docs/adding-a-paper.md walks through."""
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(id: invented2026\n.*?)^```", text, re.DOTALL | re.MULTILINE)
    return block


def first_preset() -> str:
    """The few lines of a configuration with which docs/adding-a-paper.md runs that paper."""
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"^ *```yaml\n( *preset: first\n.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return textwrap.dedent(block)
