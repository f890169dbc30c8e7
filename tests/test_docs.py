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


def test_the_readmes_numbers_are_those_of_the_released_tables() -> None:
    # That each stands in a table at all is tests/test_findings.py's; here, that they are of these very rows.
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())

    def rows(name: str) -> list[dict[str, str]]:
        with (ROOT / f"results/fer2013/tables/{name}.csv").open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    khalid = {(row["protocol"], row["method"], row["part"]): row for row in rows("khalid2025.fer2013")}
    full = khalid["audited", "full", "private"]
    mean, low, high = (f"{float(full[key]):.1f}" for key in ("mean", "low", "high"))
    worth = {row["what"]: row for row in rows("contrasts")}
    both, local = float(worth["both attentions"]["difference"]), worth["local attention"]
    claimed, found, least, most = (
        f"{abs(float(local[key])):{form}}"
        for key, form in (
            ("reported", ".2f"),
            ("difference", ".1f"),
            ("difference_low", ".1f"),
            ("difference_high", ".1f"),
        )
    )
    ranked = rows("ranking")
    peers = {(row["protocol"], row["method"], row["part"]): row for row in rows("peers.fer2013")}
    published, audited = (peers[each, "compact-ten-crop", "private"] for each in ("published", "audited"))
    copies = [row for row in rows("protocols.peers.fer2013") if row["method"] == "wide-ten-crop"]
    assert peers["audited", "wide-ten-crop", "private"]["seeds"] == published["seeds"]
    wide = next(row for row in copies if (row["protocol"], row["part"]) == ("audited", "private"))
    assert all(float(row["difference"]) < 0 for row in ranked if row["paper"] != "peers")
    assert ranked[0]["method"] == "wide-ten-crop"
    assert {row["seeds"] for row in ranked if row["paper"] != "peers"} == {"3"}
    assert {row["seeds"] for row in ranked if row["paper"] == "peers"} == {"2"}
    for quoted in (
        f"Its two attentions on a small CNN reach {mean} % ({low} to {high}), {both:.1f} points more",
        f"+{claimed} points for local attention on RAF-DB: inconclusive.** Here it is +{found} (−{least} to +{most})",
        f"would have found is {float(local['smallest']):.1f}",
        f"{float(ranked[0]['mean']):.1f} % with ten crops after 48 epochs",
        f"{len(ranked)} methods on the real FER2013",
        f"it has {float(wide['all']):.1f} %, mean of {published['seeds'].replace('2', 'two')} seeds",
        f"{float(published['mean']):.1f} % in the usual way and {float(audited['mean']):.1f} %",
        f"on the {int(full['n']):,} PrivateTest images",
        "means of three seeds, two for the baselines",
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
