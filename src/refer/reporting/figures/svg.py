"""SVG as a page can hold it: letters as text, few digits, and no ids, so that drawings stand side by side in one page.

Matplotlib's own renderer names every group and shares markers and clips by ids, which are the same in every drawing,
writes six decimals, and repeats the style of each of a hundred letters or cells. Coordinates here are points, with two
decimals, y downwards.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import weight_dict
from matplotlib.image import AxesImage
from matplotlib.path import Path as Outline
from matplotlib.transforms import Affine2D, Transform
from numpy.typing import NDArray
from PIL import Image

from refer.reporting.figures.palette import INK

Anchor = Literal["start", "middle", "end"]
Box = tuple[float, float, float, float]
FONTS = "'DejaVu Sans',Verdana,'Bitstream Vera Sans','Liberation Sans',Arial,Helvetica,sans-serif"
"""DejaVu Sans, by which all is placed, then what browsers have: as wide or narrower, so that nothing runs over."""
SIZE = 7.0
LOOSE = ("fill", "font-weight")
"""What may differ among neighbours that share all else of their style."""
ANCHORS: Mapping[str, Anchor] = {"left": "start", "center": "middle", "right": "end"}
CIRCLE = Outline.unit_circle()
QUALITY = 90
"""Of JPEG, a fifth of the size of PNG: what it loses of a photograph is not to be seen."""


class Line(NamedTuple):
    """A line of text whose base line begins, has its middle or ends at (x, y); `turned` in degrees, to the left."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    turned: float = 0.0


class Piece(NamedTuple):
    """An element: its tag, what is its own, its style, its content, and the box (x, y, width, height) it is cut to."""

    tag: str
    own: str
    style: Mapping[str, str]
    content: str = ""
    cut: Box | None = None

    @property
    def shared(self) -> tuple[Any, ...]:
        """What neighbours have in common that are written as a group."""
        return self.cut, self.tag == "text", *((key, value) for key, value in self.style.items() if key not in LOOSE)


def save(figure: Figure, path: Path, title: str) -> None:
    """Write a figure as SVG. Equal figures give equal bytes."""
    pictures = {each: each.get_interpolation() for each in figure.findobj(AxesImage)}
    dpi = figure.dpi
    figure.dpi = 72  # a pixel is a point
    for picture in pictures:
        picture.set_interpolation("none")  # so that it is embedded as it is, not resampled
    drawing = Drawing(*(72 * float(size) for size in figure.get_size_inches()))
    figure.draw(drawing)
    figure.dpi = dpi
    for picture, usual in pictures.items():
        picture.set_interpolation(usual)
    path.write_text(drawing.finish(title), encoding="utf-8")


class Drawing(RendererBase):
    """What Matplotlib draws a figure on, `width` x `height` points."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__()
        self.width, self.height = width, height
        self._flip = Affine2D().scale(1, -1).translate(0, height)
        self._pieces: list[Piece] = []
        self._lines: list[tuple[Line, float]] = []  # of the text that is being drawn, with their widths

    def finish(self, title: str) -> str:
        """Return the whole drawing as an SVG document."""
        wide, high = _number(self.width), _number(self.height)
        root = f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}pt" height="{high}pt" viewBox="0 0 {wide} {high}"'
        root += f' font-family="{FONTS}" font-size="{_number(SIZE)}" fill="{INK}" stroke-linejoin="round">'
        return "\n".join([root, f"<title>{escape(title)}</title>", *_written(self._pieces), "</svg>", ""])

    def write(self, line: Line, size: float, colour: Any, weight: int = 400) -> None:
        """Write a line of text, `size` in points, `weight` as in CSS."""
        style = {
            "font-size": _number(size) if size != SIZE else "",
            "text-anchor": line.anchor if line.anchor != "start" else "",
            "font-weight": str(weight) if weight != 400 else "",
            "fill": _hex(colour),
        }
        self._pieces.append(Piece("text", _place(line), _known(style), escape(line.text, quote=False)))

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """Take a line of a text, whose base line begins at (x, y)."""
        if ismath:
            raise NotImplementedError(f"{s!r}: an SVG holds no mathematics")
        weight = prop.get_weight()
        self._letters = prop.get_size_in_points(), gc.get_rgb(), weight_dict.get(weight, weight)
        self._aligned = ANCHORS[mtext.get_ha()] if mtext is not None and not angle else None
        self._lines.append((Line(x, y, s, turned=angle), self.get_text_width_height_descent(s, prop, False)[0]))

    def close_group(self, s: str) -> None:
        """Write the text that ends here."""
        if s == "text" and self._lines:
            for line in _anchored(self._lines, self._aligned):
                self.write(line, *self._letters)
            self._lines = []

    def draw_path(
        self,
        gc: GraphicsContextBase,
        path: Outline,
        transform: Transform,
        rgbFace: Any = None,  # noqa: N803
    ) -> None:
        """Draw lines, curves or a filled shape."""
        style = _style(gc, rgbFace)
        if style != {"fill": "none"}:
            fewer = path.should_simplify and rgbFace is None
            places, codes = _parts(path.cleaned(transform, remove_nans=True, curves=True, simplify=fewer))
            places = self._flip.transform(places)
            points = _hundredths(places)
            own = f' d="M{_pair(*points[0])}{_steps(points, codes)}"'
            shown = places[(codes != Outline.CLOSEPOLY) & (codes != Outline.STOP)]
            self._pieces.append(Piece("path", own, style, cut=_cut(self._box(gc), shown)))

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Outline,
        marker_trans: Transform,
        path: Outline,
        trans: Transform,
        rgbFace: Any = None,  # noqa: N803
    ) -> None:
        """Draw a sign at every vertex that lies within the panel."""
        style, box = _style(gc, rgbFace), self._box(gc)
        places = self._flip.transform(trans.transform(path.vertices))
        places = places[np.isfinite(places).all(axis=1)]
        corners, codes = _parts(marker_path.cleaned(marker_trans, curves=True))
        points = _hundredths(corners * (1, -1))
        steps = _steps(points, codes)
        round_ = np.array_equal(np.asarray(marker_path.vertices), np.asarray(CIRCLE.vertices))
        radius = _number(abs(float(marker_trans.get_matrix()[0, 0])))
        for place, (x, y) in zip(places, _hundredths(places), strict=True):
            if _cut(box, place[None]) is not None:
                continue
            if round_:
                own = f' cx="{_hundredth(x)}" cy="{_hundredth(y)}" r="{radius}"'
                self._pieces.append(Piece("circle", own, style))
            else:
                start = _pair(x + points[0][0], y + points[0][1])
                self._pieces.append(Piece("path", f' d="M{start}{steps}"', style))

    def draw_image(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        im: Any,
        transform: Any = None,
    ) -> None:
        """Draw a picture (H, W, 4), whose first row is the lowest where no `transform` of the unit square turns it."""
        high, wide = (size / self.get_image_magnification() for size in im.shape[:2])
        unit = Affine2D().scale(wide, high) if transform is None else Affine2D(transform.get_matrix())
        (x0, y0), (x1, y1) = (unit.translate(x, y) + self._flip).transform([[0, 0], [1, 1]])
        pixels = im[:: -1 if y1 < y0 else 1, :: -1 if x1 < x0 else 1]
        left, right, top, bottom = *sorted((x0, x1)), *sorted((y0, y1))
        place = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        own = "".join(f' {key}="{_number(value)}"' for key, value in place.items())
        own += f' href="{_data(pixels)}"'
        style = {"preserveAspectRatio": "none", "image-rendering": "pixelated"}
        self._pieces.append(Piece("image", own, style, cut=_cut(self._box(gc), np.array([[x0, y0], [x1, y1]]))))

    def option_scale_image(self) -> bool:
        """Return that pictures are taken as they are."""
        return True

    def option_image_nocomposite(self) -> bool:
        """Return that several pictures stay several."""
        return True

    def get_image_magnification(self) -> float:
        """Return pixels a point, of pictures that are resampled before they come here."""
        return 200 / 72

    def get_canvas_width_height(self) -> tuple[float, float]:
        """Return the size in points."""
        return self.width, self.height

    def _box(self, gc: GraphicsContextBase) -> Box | None:
        """Return the rectangle that a shape is cut to."""
        if gc.get_clip_path()[0] is not None:
            raise NotImplementedError("an SVG is cut to rectangles only")
        edge = gc.get_clip_rectangle()
        return (edge.x0, self.height - edge.y1, edge.width, edge.height) if edge is not None else None


def _cut(box: Box | None, points: NDArray[np.float64]) -> Box | None:
    """Return the box that points are cut to, if any lies outside."""
    if box is None or not len(points):
        return None
    low = np.array(box[:2]) - 0.01
    inside = ((points >= low) & (points <= low + box[2:] + np.array([0.02, 0.02]))).all()
    return None if inside else box


def _anchored(lines: Sequence[tuple[Line, float]], aligned: Anchor | None) -> list[Line]:
    """Return lines anchored where they are aligned, so that they are in any font; turned ones in the middle."""
    shares: dict[Anchor, float] = {"start": 0.0, "middle": 0.5, "end": 1.0}
    turn = np.radians(lines[0][0].turned)
    edges = {name: np.ptp([line.x + share * wide for line, wide in lines]) for name, share in shares.items()}
    nearest = min(shares, key=lambda name: float(edges[name]))
    anchor: Anchor = aligned if aligned is not None else "middle" if turn else nearest
    along = shares[anchor]
    return [
        line._replace(x=line.x + along * wide * np.cos(turn), y=line.y - along * wide * np.sin(turn), anchor=anchor)
        for line, wide in lines
    ]


def _place(line: Line) -> str:
    own = f' x="{_number(line.x)}" y="{_number(line.y)}"'
    if line.turned:
        own += f' transform="rotate({_number(-line.turned)} {_number(line.x)} {_number(line.y)})"'
    return own


def _style(gc: GraphicsContextBase, face: Any) -> dict[str, str]:
    """Return how a shape is drawn, as attributes."""
    if gc.get_hatch() is not None:
        raise NotImplementedError("an SVG has no hatches")
    style = {"fill": "none" if face is None else _hex(face)}
    edge, alpha = gc.get_rgb(), gc.get_alpha()
    if gc.get_forced_alpha():
        style["opacity"] = _number(alpha) if alpha != 1 else ""
    elif face is not None and len(face) == 4:
        style["fill-opacity"] = _number(face[3]) if face[3] != 1 else ""
    if gc.get_linewidth():
        offset, dashes = gc.get_dashes()
        steps: Any = () if dashes is None else dashes
        style |= {
            "stroke": _hex(edge),
            "stroke-width": _number(gc.get_linewidth()) if gc.get_linewidth() != 1 else "",
            "stroke-opacity": _number(edge[3]) if edge[3] != 1 and not gc.get_forced_alpha() else "",
            "stroke-linejoin": gc.get_joinstyle() if gc.get_joinstyle() != "round" else "",
            "stroke-linecap": gc.get_capstyle().replace("projecting", "square") if gc.get_capstyle() != "butt" else "",
            "stroke-dasharray": " ".join(_number(step) for step in steps),
            "stroke-dashoffset": _number(offset) if offset else "",
        }
    return _known(style)


def _parts(path: Outline) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return the vertices (n, 2) and codes (n,) of a path that Matplotlib has cleaned."""
    return np.asarray(path.vertices, dtype=np.float64), np.asarray(path.codes, dtype=np.uint8)


def _hundredths(places: NDArray[np.float64]) -> list[list[int]]:
    """Return places in hundredths of a point; each is rounded, so that steps between them do not add up errors."""
    found: list[list[int]] = np.rint(100 * places).astype(int).tolist()
    return found


def _steps(points: Sequence[Sequence[int]], codes: NDArray[np.uint8]) -> str:
    """Return a path as steps from its first point, which are the same wherever that lies."""
    steps: list[str] = []
    at = start = points[0] if len(points) else (0, 0)
    number = 1
    while number < len(points) and codes[number] != Outline.STOP:
        code, to = codes[number], points[number]
        across, down = to[0] - at[0], to[1] - at[1]
        if code == Outline.CLOSEPOLY:
            steps.append("z")
            to = start
        elif code == Outline.MOVETO:
            steps.append(f"m{_pair(across, down)}")
            start = to
        elif code == Outline.LINETO:
            if across and down:
                steps.append(f"l{_pair(across, down)}")
            elif across or down:
                steps.append(f"h{_hundredth(across)}" if across else f"v{_hundredth(down)}")
        else:
            several = 2 if code == Outline.CURVE3 else 3
            those = [_pair(x - at[0], y - at[1]) for x, y in points[number : number + several]]
            steps.append(("q" if several == 2 else "c") + " ".join(those).replace(" -", "-"))
            number += several - 1
            to = points[number]
        at = to
        number += 1
    return "".join(steps)


def _pair(x: int, y: int) -> str:
    one, other = _hundredth(x), _hundredth(y)
    return one + other if other.startswith("-") else f"{one} {other}"


def _hundredth(value: int) -> str:
    whole, part = divmod(abs(value), 100)
    text = f"{whole or ''}.{part:02d}".rstrip("0") if part else str(whole)
    return f"-{text}" if value < 0 else text


def _number(value: float) -> str:
    return _hundredth(round(100 * float(value)))


def _hex(colour: Any) -> str:
    """Return a colour as short as it goes: #d55e00, or #fff."""
    return _short(colour if isinstance(colour, str) else tuple(colour))


@cache
def _short(colour: Any) -> str:
    text = to_hex(colour)
    return text if text[1::2] != text[2::2] else f"#{text[1::2]}"


def _known(style: Mapping[str, str]) -> dict[str, str]:
    """Return a style without what is so anyway."""
    return {key: value for key, value in style.items() if value and (key != "fill" or value != INK)}


def _data(pixels: NDArray[np.uint8]) -> str:
    """Return a picture (H, W, 4) as a data URI: PNG, but JPEG where it has more colours than a palette holds."""
    kind, options = "png", {"compress_level": 9}
    plain = pixels[..., :3]
    colours, which = np.unique(plain.reshape(-1, 3), axis=0, return_inverse=True)
    if (pixels[..., 3] != 255).any():
        image = Image.fromarray(np.ascontiguousarray(pixels))
    elif (plain == plain[..., :1]).all():
        image = Image.fromarray(np.ascontiguousarray(plain[..., 0]))
    elif len(colours) <= 256:
        image = Image.fromarray(which.reshape(plain.shape[:2]).astype(np.uint8), "P")
        image.putpalette(colours.tobytes())
    else:
        kind, options = "jpeg", {"quality": QUALITY, "subsampling": 0}
        image = Image.fromarray(np.ascontiguousarray(plain))
    content = io.BytesIO()
    image.save(content, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


def _written(pieces: Sequence[Piece]) -> Iterator[str]:
    """Yield elements, neighbours of one style as a group."""
    for cut, within in groupby(pieces, key=lambda piece: piece.cut):
        if cut is not None:
            x, y, wide, high = map(_number, cut)
            yield f'<svg x="{x}" y="{y}" width="{wide}" height="{high}" viewBox="{x} {y} {wide} {high}">'
        for _, run in groupby(within, key=lambda piece: piece.shared):
            alike = list(run)
            common = dict(set.intersection(*(set(piece.style.items()) for piece in alike))) if len(alike) > 1 else {}
            if common:
                yield f"<g{_attributes(common)}>"
            for piece in alike:
                rest = {key: value for key, value in piece.style.items() if key not in common}
                opening = f"<{piece.tag}{piece.own}{_attributes(rest)}"
                yield f"{opening}>{piece.content}</{piece.tag}>" if piece.content else f"{opening}/>"
            if common:
                yield "</g>"
        if cut is not None:
            yield "</svg>"


def _attributes(style: Mapping[str, str]) -> str:
    return "".join(f' {key}="{style[key]}"' for key in sorted(style))
