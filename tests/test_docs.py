"""What the documents promise is there: links lead somewhere, commands exist, nothing names this machine."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_left_to_be_filled_in(page: Path) -> None:
    assert not re.search(r"@@|TODO|FIXME|TBD", page.read_text(encoding="utf-8"))


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:\$ |`)make ([a-z0-9]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"demo", "test"} <= named <= targets


def test_no_file_names_this_machine_or_a_registry() -> None:
    words = re.compile(r"/root/|/work/main|/tmp/lab|pypi\.org|files\.pythonhosted|//registry\.")
    for folder in ("src", "workflow", "papers", "presets", "docs", "envs", "results"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".smk", ".yaml", ".md", ".lock", ".json", ".csv", ".html", ".tex", ".sh", ".txt"}:
                if "runs" in path.parts and "results" in path.parts:
                    continue  # not in git
                found = words.search(path.read_text(encoding="utf-8"))
                assert not found, f"{path}: {found and found.group()}"


def test_the_readmes_numbers_are_those_of_the_released_table() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    table = ROOT / "results/fer2013-cpu/tables/khalid2025.fer2013.csv"
    with table.open(encoding="utf-8", newline="") as handle:
        rows = {(row["method"], row["part"]): row for row in csv.DictReader(handle)}
    full, plain = rows["full", "private"], rows["backbone", "private"]
    numbers = [f"{float(row[key]):.1f}" for row in (full, plain) for key in ("mean", "low", "high")]
    mean, low, high, plain_mean, plain_low, plain_high = numbers
    for quoted in (
        f"reaches {mean} % on PrivateTest",
        f"95 % interval {low} to {high}; n = {int(full['n']):,}",
        f"{plain_mean} % without them ({plain_low} to {plain_high})",
        f"{full['removed']} of the 3,589 PrivateTest images",
    ):
        assert quoted in text


def test_the_readmes_leak_is_that_of_the_released_audit() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    with (ROOT / "results/fer2013-cpu/tables/audit.fer2013.csv").open(encoding="utf-8", newline="") as handle:
        counts = {
            row["finding"]: int(row["count"])
            for row in csv.DictReader(handle)
            if (row["split"], row["other_split"]) == ("PrivateTest", "Training")
        }
    nearly = counts.pop("images that stand in the other split, near duplicates too")
    (exactly,) = counts.values()
    assert f"{exactly} of its 3,589 PrivateTest images stand in training pixel for pixel, and {nearly}" in text
