"""The front page in Chromium, wide and narrow: what axe-core finds, what its script does, what is cut off."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_page import DATA, draw, make_page

from report_fixtures import make_audit, make_preset

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(__file__).parents[2] / ".tools/node_modules/axe-core/axe.min.js"
PROBE = Path(__file__).parent / "axe/probe.js"
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
AROUND = """<body><iframe src="page.html" style="width: {width}px; height: 900px; border: 0"></iframe>
<script>onmessage = found => {{ document.body.textContent = "BEGIN" + found.data + "END"; }}</script>"""
"""Chromium has no window as narrow as a telephone."""

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core: tests/reporting/axe/install.sh (needs npm)"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = make_preset(tmp_path_factory.mktemp("browser"), data=DATA, images=60)
    make_audit(folder / "audit.json", DATA)
    draw(folder)
    return make_page(folder, folder / "report.html")


def opened(page: str, width: int, folder: Path) -> dict[str, Any]:
    """Return what axe/probe.js finds in a page that is so many pixels wide."""
    # The page itself forbids every script but its own.
    free = re.sub("<meta http-equiv[^>]*>", "", page)
    probed = free.replace("</body>", f"<script>{AXE.read_text()}</script><script>{PROBE.read_text()}</script></body>")
    (folder / "page.html").write_text(probed, encoding="utf-8")
    (folder / "around.html").write_text(AROUND.format(width=width), encoding="utf-8")
    command = [BROWSER, *FLAGS.split(), f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000"]
    command += ["--virtual-time-budget=60000", "--dump-dom", (folder / "around.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    found = re.search("BEGIN(.*)END", html.unescape(done.stdout), re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(found[1])


@pytest.mark.parametrize("width", [1300, 485])
def test_a_browser_finds_nothing_wrong(page: str, width: int, tmp_path: Path) -> None:
    found = opened(page, width, tmp_path)
    assert found["width"] == width
    assert found["serious"] == []
    assert found["checked"] > 20, "axe ran"
    assert found["loaded"] == []
    assert found["closed"] > 10, "tables are folded"
    assert found["outside"] == []
    assert found["sticks"] == 0, "the contents stay in sight"
    assert all("scroll" in name for name, _ in found["cut"])
    if width < 700:
        assert found["cut"], "a telephone has no room for the widest tables"
        assert all("sideways" in hint for _, hint in found["cut"])


def test_headings_sort_and_a_field_filters(page: str, tmp_path: Path) -> None:
    found = opened(page, 1300, tmp_path)
    before, up, down, again = ([float(cell.partition(" ")[0]) for cell in column] for column in found["clicked"])
    assert len(set(before)) > 1
    assert up == sorted(before)
    assert down == sorted(before, reverse=True)
    assert again == before
    assert found["filtered"] == ["+ self-attention"]
    assert found["told"] == "1 of 8 rows"


def test_a_script_of_another_does_not_run(page: str, tmp_path: Path) -> None:
    evil = page.replace("</main>", '<b id="a">as it was</b></main><script>a.textContent = "changed"</script>')
    (tmp_path / "page.html").write_text(evil, encoding="utf-8")
    command = [
        BROWSER,
        *FLAGS.split(),
        f"--user-data-dir={tmp_path / 'p'}",
        "--dump-dom",
        (tmp_path / "page.html").as_uri(),
    ]
    text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert ">as it was<" in text
    assert '<button type="button">Accuracy</button>' in text, "the page's own did"
