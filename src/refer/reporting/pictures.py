"""Figures as the front page holds them: a drawing is part of the page, so that its words can be found, marked, read."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree  # nosec B405  # figures of this project alone

from markupsafe import Markup, escape

from refer.errors import UserError
from refer.reporting.figures.svg import photograph

SPACE = "http://www.w3.org/2000/svg"
TAGS = {f"{{{SPACE}}}{name}" for name in ("svg", "title", "g", "path", "circle", "image", "text")}
ATTRIBUTES = {
    *("x", "y", "width", "height", "viewBox", "cx", "cy", "r", "d", "transform", "opacity", "fill", "fill-opacity"),
    *("href", "preserveAspectRatio", "image-rendering", "font-family", "font-size", "font-weight", "text-anchor"),
    *("stroke", "stroke-width", "stroke-opacity", "stroke-linejoin", "stroke-linecap"),
    *("stroke-dasharray", "stroke-dashoffset"),
}
DATA = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/]+=*")
"""What `figures.svg` writes. Nothing of it runs, loads or has a name that another drawing could have, too."""
_PLAIN = " !$&'()*+,-./:;=?@[]^_`{|}~"
"""What may stand in a data URI as it is; an attribute of HTML needs more of it escaped."""


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it, whole: `markup` holds a drawing, or an `img` with all its data."""

    stem: str
    markup: Markup
    alt: str


def embed(path: str | Path, alt: str) -> Picture:
    """Return a figure for the page. Raises UserError where it is missing."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such figure; draw the figures before the page.")
    if path.suffix != ".svg":
        whole = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
        return Picture(path.stem, _image(photograph(whole).removeprefix("data:"), alt), alt)
    text = path.read_text(encoding="utf-8")
    # Not as base64: a quarter smaller, and what is packed for a release or by git stays compressible.
    markup = _drawing(text, alt) if _plain(text) else _image(f"image/svg+xml,{quote(text, _PLAIN)}", alt)
    return Picture(path.stem, markup, alt)


def _image(data: str, alt: str) -> Markup:
    return Markup('<img loading="lazy" src="data:{}" alt="{}">').format(data, alt)


def _drawing(text: str, alt: str) -> Markup:
    """Return the SVG as an element of HTML: as wide as the page wants it, called by `alt`."""
    opening, _, content = text.partition(">")
    opening = re.sub(r' (?:xmlns|width|height)="[^"]*"', "", opening)
    content = re.sub(r"\s*<title>.*?</title>", "", content, count=1, flags=re.DOTALL)
    return Markup(f'{opening} role="group" aria-label="{escape(alt)}">{content.strip()}')  # nosec B704  # the text is escaped


def _plain(text: str) -> bool:
    """Whether an SVG holds shapes and words alone; any other, as of a release that is older, is shown as an image."""
    if "<!" in text or "<?" in text or "url(" in text:
        return False
    try:
        root = ElementTree.fromstring(text)  # nosec B314  # a figure of this project
    except ElementTree.ParseError:
        return False
    return text.startswith(f'<svg xmlns="{SPACE}" ') and all(
        each.tag in TAGS
        and ATTRIBUTES.issuperset(each.attrib)
        and ("href" not in each.attrib or DATA.fullmatch(each.attrib["href"]))
        for each in root.iter()
    )
