"""The front page: complete in itself, escaped, honest about drawn data."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from test_tables import HOSTILE, Balanced

from refer.errors import UserError
from refer.reporting.figures import audit, confusion, curves, forest
from refer.reporting.page import KINDS, write_page
from refer.reporting.pictures import embed
from report_fixtures import METHODS, StubMethod, StubPaper, make_audit, make_preset, predictions_of, runs_of, scored

DATA = "fer2013-standin"
NOTICE = "Drawn stand-in data: these numbers say nothing about FER2013"


def draw(folder: Path) -> dict[str, list[Path]]:
    """Draw what the page shows; return the files by kind."""
    stem = f"khalid2025.{DATA}"
    names = {
        "forest": [f"{stem}.png", f"{stem}.svg"],
        "curves": [f"{stem}.audited.svg"],
        "confusion": [f"{stem}.audited.{method}.private.svg" for method in ("full", "self")],
        "audit": [f"audit.{DATA}.svg"],
        "classes": [f"classes.{DATA}.svg"],
    }
    drawn = {kind: [folder / "figures" / kind / name for name in those] for kind, those in names.items()}
    table = scored(folder).frame(stem)
    training = [path.with_name("training.csv") for path in runs_of(folder)]
    forest.draw_forest(StubPaper(), table, drawn["forest"])
    curves.draw_curves(StubPaper(), runs_of(folder), training, drawn["curves"])
    confusion.draw_confusions(StubPaper(), predictions_of(folder), drawn["confusion"])
    audit.draw_classes(folder / "audit.json", drawn["classes"])
    audit.draw_audit(folder / "audit.json", drawn["audit"])
    return drawn


def make_page(folder: Path, out: Path, **changes: object) -> str:
    """Write the page of a preset that is scored and audited, and return it."""
    given: dict[str, object] = {
        "title": "Demo on drawn faces",
        "report": scored(folder),
        "audits": [folder / "audit.json"],
        "figures": {kind: sorted((folder / "figures" / kind).glob("*")) for kind in KINDS},
    }
    if papers := changes.pop("papers", None):
        given["report"] = scored(folder, *papers)
    write_page(out, **{**given, **changes})
    return out.read_text()


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = audited(tmp_path_factory.mktemp("page"))
    draw(folder)
    return folder


def audited(root: Path, data: str = DATA) -> Path:
    folder = make_preset(root, data=data, images=60, protocols=("audited",))
    make_audit(folder / "audit.json", data)
    return folder


def test_the_page_is_complete_in_itself(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not parser.seen & {"link", "iframe", "object"}
    assert text.count("<script") == 1
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]{0,30})', text))
    assert not re.search(r"https?://", text)
    assert re.findall(r'href="(?!#)', text) == []
    assert set(re.findall(r'href="#([^"]+)"', text)) == set(re.findall(r'<(?:section|header) id="([^"]+)"', text))


def test_the_page_says_what_was_run(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    head = text.partition("<header")[2].partition("</header>")[0]
    assert NOTICE in head
    assert "<dt>Data</dt><dd>FER2013 (drawn)</dd>" in head
    assert "8 (4 methods, 1 protocol, 2 seeds)" in head
    assert "<dt>Energy</dt><dd>not recorded</dd>" in head
    assert "1 of khalid2025 (FER2013): run from raw data to tables, but on drawings" in head
    assert re.search(r'tile stand-in"><b>1</b> run on drawn data', head)
    assert '<p class="result">1 number run on drawn data: ' in head
    assert "<b>0</b>" not in head, "nothing is said of verdicts that no number has"
    for wanted in ("recipe.epochs = 8", "snakemake --cores all", "Which backbone is fine-tuned?", "0123456"):
        assert wanted in text


def test_the_picture_stands_below_the_sentence_of_result(preset: Path, tmp_path: Path) -> None:
    overview = preset / f"figures/forest/khalid2025.{DATA}.svg"
    text = make_page(preset, tmp_path / "report.html", figures={"overview": [overview]})
    found = [text.index(wanted) for wanted in ('class="result"', "<svg", 'class="tiles"', "<dl", "<h2>Verdicts")]
    assert found == sorted(found)
    assert "reported 83.0, here " in text.partition("<svg")[2].partition(">")[0]


def test_only_the_papers_own_method_is_embedded(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    names = re.findall(r'<svg [^>]*aria-label="([^"]+)"', text)
    grids = [name for name in names if name.startswith("Grids of true by predicted class")]
    assert len(grids) == 1
    assert "Full framework on PrivateTest, khalid2025 on a drawn stand-in for FER2013, audited protocol" in grids[0]
    assert "data:image" not in text, "the drawing is taken where both are given"
    assert len(names) == 5


def test_words_of_figures_are_words_of_the_page(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    parser = Balanced()
    parser.feed(re.sub(r"<(figure|table|ul)\b.*?</\1>", "", text, flags=re.DOTALL))
    for wanted in ("Class balance of a drawn stand-in for FER2013", "7,215 (25.1 %)", "predicted class", "epoch"):
        assert f">{wanted}</text>" in text
        assert wanted in parser.text
    assert "<title>" not in text.partition("</head>")[2], "or a browser shows it wherever the pointer is"
    assert 'role="img"' not in text, "or what is in it is not read aloud"


def test_the_same_figure_may_stand_in_the_page_twice(preset: Path, tmp_path: Path) -> None:
    drawn = preset / f"figures/audit/audit.{DATA}.svg"
    text = make_page(preset, tmp_path / "r.html", figures={"audit": [drawn], "classes": [drawn]})
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    figures = re.findall(r'<svg [^>]*role="group".*?</svg>\n?</div>', text, flags=re.DOTALL)
    assert len(figures) == 2
    assert len({re.sub('aria-label="[^"]*"', "", figure) for figure in figures}) == 1
    assert not any(re.search(r"\b(id|style|class)=|url\(|<style|xlink", figure) for figure in figures)


def test_a_page_weighs_what_its_tables_and_figures_do(preset: Path, tmp_path: Path) -> None:
    without = len(make_page(preset, tmp_path / "a.html", figures={}))
    text = make_page(preset, tmp_path / "b.html")
    shown = re.findall(r'<svg [^>]*role="group".*?</svg>\n?</div>', text, flags=re.DOTALL)
    figures = len(re.findall(r'role="group"', text))
    assert len(text) - without < 20_000 * figures, "once it was 150,000 for a confusion matrix"
    assert len(text) - without < 1.1 * sum(map(len, shown)) + 500 * figures, "each is there once"


ALIEN = {
    "script": "<script>alert(1)</script>",
    "handler": '<path d="M0 0" onclick="alert(1)"/>',
    "address": '<image href="https://example.org/a.png"/>',
    "paint": '<path d="M0 0" fill="url(#a)"/>',
    "id": '<path id="a" d="M0 0"/>',
    "style": "<style>*{color:red}</style>",
    "section": "<text><![CDATA[</text><script>alert(1)</script>]]></text>",
    "broken": "<path>",
    "foreign": '<foreignObject><b xmlns="http://www.w3.org/1999/xhtml">b</b></foreignObject>',
}


@pytest.mark.parametrize("what", ALIEN)
def test_a_drawing_that_could_do_more_is_shown_as_an_image(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">{ALIEN[what]}</svg>')
    markup = embed(path, 'x"y').markup
    assert re.fullmatch(r'<img loading="lazy" src="data:image/svg\+xml,[^"<>]*" alt="x&#34;y">', markup)
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><title>t</title><g/></svg>')
    assert embed(path, 'x"y').markup == '<svg viewBox="0 0 1 1" role="group" aria-label="x&#34;y"><g/></svg>'


def test_the_only_script_is_the_one_that_the_page_allows(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    script = re.search("<script>(.*?)</script>", text, re.DOTALL)
    assert script
    allowed = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'" in text
    assert not re.search(r"fetch\(|XMLHttp|innerHTML|import\b|eval\(", script[1])


def test_tables_are_folded_and_their_headings_say_what_they_head(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    tables = re.findall(r"<table>.*?</table>", text, re.DOTALL)
    assert len(tables) >= 10
    assert text.count("<details><summary>") == len(tables)
    assert "<details open" not in text
    for table in tables:
        heads = re.findall("<th[ >][^>]*", table)
        assert heads
        assert all(re.search(' scope="col(group)?"', head) for head in heads)


@pytest.mark.parametrize(("first", "second", "number"), [("#ffffff", "#000000", 21.0), ("#777777", "#ffffff", 4.48)])
def test_contrast_is_counted_as_wcag_does(first: str, second: str, number: float) -> None:
    """The numbers are those of WCAG's own examples."""
    assert contrast(first, second) == pytest.approx(number, abs=0.005)


@pytest.mark.parametrize("theme", [0, 1])
def test_words_stand_out_from_their_ground(preset: Path, tmp_path: Path, theme: int) -> None:
    text = make_page(preset, tmp_path / "report.html")
    blocks = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[theme]))
    for ground in ("ground", "wash"):
        for ink in ("ink", "soft", "accent"):
            assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
    assert contrast(colour["warn-ink"], colour["warn-ground"]) >= 4.5


def test_words_in_figures_stand_out_from_white(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    coloured = set(re.findall(r'<text[^>]* fill="(#[0-9a-f]{6})"', text)) - {"#ffffff"}
    assert len(coloured) > 3
    assert {colour for colour in coloured if contrast(colour, "#ffffff") < 4.5} == set()


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2, contrast ratio)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_alt_texts_say_the_numbers_that_are_drawn(preset: Path, tmp_path: Path) -> None:
    text = make_page(preset, tmp_path / "report.html")
    names = re.findall(r'aria-label="(Dots on bars[^"]+)"', text)
    means = scored(preset).frame(f"khalid2025.{DATA}")
    means = means[(means["part"] == "private") & (means["metric"] == "accuracy")]
    high, low = means.loc[means["mean"].idxmax()], means.loc[means["mean"].idxmin()]
    ends = f"{high['mean']:.1f} % ({high['label']}) down to {low['mean']:.1f} % ({low['label']})"
    assert f"On PrivateTest, audited: {ends}." in names[0]


def test_equal_input_gives_equal_bytes(preset: Path, tmp_path: Path) -> None:
    one = make_page(preset, tmp_path / "a.html")
    other = make_page(preset, tmp_path / "b.html")
    assert one == other


def test_text_is_escaped(tmp_path: Path) -> None:
    methods = {key: StubMethod(f"{HOSTILE} {key}") for key in METHODS}
    paper = StubPaper(title=HOSTILE, citation=HOSTILE, methods=methods)
    text = make_page(audited(tmp_path), tmp_path / "report.html", papers=[paper], title=HOSTILE, regenerate=[HOSTILE])
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert text.count("<script") == 1
    assert HOSTILE in parser.text


def test_real_data_carries_no_notice(tmp_path: Path) -> None:
    text = make_page(audited(tmp_path, "fer2013"), tmp_path / "report.html", title="FER2013")
    assert "rawn" not in text


def test_what_is_missing_is_named(preset: Path, tmp_path: Path) -> None:
    absent = tmp_path / f"khalid2025.{DATA}.svg"
    with pytest.raises(UserError, match="no such figure"):
        make_page(preset, tmp_path / "r.html", figures={"forest": [absent]})
    with pytest.raises(UserError, match="kind plots; expected overview, ranking"):
        make_page(preset, tmp_path / "r.html", figures={"plots": []})
    assert not (tmp_path / "r.html").exists()


def test_the_table_beside_accuracy_says_seeds_and_n(tmp_path: Path) -> None:
    text = make_page(audited(tmp_path, "fer2013"), tmp_path / "report.html", title="FER2013")
    table = text[text.index("every metric") :]
    row = re.search(r"<tr>\s*<td.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)
    assert row
    cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row.group(), re.DOTALL)]
    assert cells[2:5] == ["PublicTest", "56", "2"]
