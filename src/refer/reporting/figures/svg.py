"""Matplotlib's SVG as a page can hold it: text stays text, few digits, and no ids, so that drawings stand side by side.

Matplotlib names every group, shares markers and clips by ids that are the same in every drawing, and writes six
decimals. Here a marker is written where it is used, and what is clipped lies in an `svg` element of its own.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby
from xml.etree import ElementTree  # nosec B405  # figures of this project alone
from xml.etree.ElementTree import Element  # nosec B405  # figures of this project alone

from PIL import Image

SPACE, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
FONTS = "'DejaVu Sans',Verdana,'Bitstream Vera Sans','Liberation Sans',Arial,Helvetica,sans-serif"
"""DejaVu Sans, by which all is placed, then what browsers have: as wide or narrower, so that nothing runs over."""
FONT = re.compile(r"(?:(?P<weight>bold|\d+) )?(?P<size>[\d.]+)px .*")
NUMBER = re.compile(r"-?\d*\.\d+(?:e-?\d+)?")
USUAL = {("stroke-linejoin", "miter"), ("font-weight", "400"), ("text-anchor", "start"),
         ("font-family", "'DejaVu Sans'"), ("font-size", "7px")}  # fmt: skip
"""What need not be said. Corners that Matplotlib draws pointed are right angles, which look alike rounded."""
PHOTOGRAPH = 64
"""Pixels a side; smaller pictures are enlarged, where JPEG's blocks would show."""


def tidy(text: str, title: str) -> str:
    """Return an SVG by Matplotlib as shapes and words alone, called by `title`. Equal input gives equal output."""
    root = ElementTree.fromstring(text)  # nosec B314  # a figure of this project
    named = {each.get("id", ""): each for each in root.iter() if each.get("id")}
    opening = " ".join(f'{name}="{root.get(name)}"' for name in ("width", "height", "viewBox"))
    opening = f'<svg xmlns="{SPACE[1:-1]}" {opening} font-family="{FONTS}" font-size="7px" stroke-linejoin="round">'
    return "\n".join([opening, f"<title>{escape(title)}</title>", *_clipped(root, named), "</svg>", ""])


def _clipped(root: Element, named: Mapping[str, Element]) -> Iterator[str]:
    """Yield every shape; those that are clipped to one rectangle in an element that cuts them off."""
    for clip, shapes in groupby(_shapes(root, named, ""), key=lambda pair: pair[0]):
        if clip:
            edge = {name: _few(named[clip][0].get(name, "")) for name in ("x", "y", "width", "height")}
            yield f"<svg{_attributes(edge | {'viewBox': ' '.join(edge.values())})}>"
        yield from (shape for _, shape in shapes)
        if clip:
            yield "</svg>"


def _shapes(parent: Element, named: Mapping[str, Element], clip: str) -> Iterator[tuple[str, str]]:
    """Yield the id of what each shape is clipped to, and the shape."""
    for each in parent:
        tag, mine = (
            each.tag.removeprefix(SPACE),
            each.get("clip-path", "").removeprefix("url(#").removesuffix(")") or clip,
        )
        if tag == "g":
            yield from _shapes(each, named, mine)
        elif tag == "use":
            place = f"translate({each.get('x', 0)} {each.get('y', 0)})"
            yield mine, _shape("path", _known(named[each.get(HREF, "")[1:]]) | _style(each) | {"transform": place})
        elif tag in ("path", "image", "text"):
            known = _known(each)
            if known.get("fill") != "none" or "stroke" in known:
                yield mine, _shape(tag, known, each.text or "")


def _known(element: Element) -> dict[str, str]:
    """Return the attributes of a shape, its style among them."""
    found = {name: element.get(name, "") for name in ("d", "x", "y", "width", "height", "transform")}
    if element.get(HREF):
        found |= {"href": photograph("".join(element.get(HREF, "").split())), "preserveAspectRatio": "none"}
    unturned = element.get("transform", "").startswith("rotate(-0 ")
    return {name: value for name, value in found.items() if value and not (unturned and name == "transform")} | _style(
        element
    )


def photograph(data: str) -> str:
    """Return an opaque PNG of PHOTOGRAPH pixels a side or more as JPEG where that is smaller; both are data URIs."""
    kind, _, content = data.partition("base64,")
    if kind != "data:image/png;":
        return data
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    if min(picture.size) < PHOTOGRAPH or picture.convert("RGBA").getchannel("A").tobytes().strip(b"\xff"):
        return data
    jpeg = io.BytesIO()
    picture.convert("RGB").save(jpeg, "JPEG", quality=85)
    small = base64.b64encode(jpeg.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{small}" if len(small) < len(content) else data


def _style(element: Element) -> dict[str, str]:
    """Return the style of a shape as attributes, without what is so anyway."""
    style = dict(pair.strip().split(": ", 1) for pair in element.get("style", "").split(";") if ": " in pair)
    font = FONT.fullmatch(style.pop("font", ""))
    if font:
        style |= {
            "font-size": font["size"],
            "font-weight": {"bold": "700"}.get(font["weight"], font["weight"] or "400"),
        }
    return {name: value for name, value in style.items() if (name, value) not in USUAL}


def _shape(tag: str, known: Mapping[str, str], content: str = "") -> str:
    few = {name: value if name in ("href", "fill", "stroke") else _few(value) for name, value in known.items()}
    end = f">{escape(content.strip(), quote=False)}</{tag}>" if tag == "text" else "/>"
    return f"<{tag}{_attributes(few)}{end}"


def _attributes(known: Mapping[str, str]) -> str:
    return "".join(f' {name}="{value}"' for name, value in known.items())


def _few(text: str) -> str:
    """Return numbers with two decimals, which a printer cannot show finer, without needless space."""
    text = NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), " ".join(text.split()))
    return re.sub(r" ?([MLQCz]) ?", r"\1", text)
