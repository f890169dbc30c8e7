"""Figures of what networks make of images: where they look (drawn faces only), and how classes lie to each other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from refer.errors import UserError
from refer.reporting.figures.attention import draw_attention
from refer.reporting.figures.explanation_file import Explained, read_explained
from refer.reporting.figures.representation import draw_representations
from refer.spec import Paper


def draw_explained(
    paper: Paper, files: Iterable[str | Path], representations: str | Path, attention: str | Path
) -> None:
    """Draw the explanations of one paper on one data set, as .svg and .png, into two folders.

    `representations` gets `<paper>.<data>.<protocol>`, a panel a method; `attention` gets, for each file with
    examples, `<paper>.<data>.<protocol>.<method>`, and stays empty for real data. Of several runs of a method that
    of the lowest seed and fold is drawn.

    Args:
        paper: gives the labels of methods and parts.
        files: explanations.safetensors of the runs; those of other papers are ignored.
        representations: a folder, made if need be.
        attention: another.

    Raises:
        UserError: a file is damaged, or there is none of the paper.
    """
    first: dict[tuple[str, str, str], Explained] = {}
    for each in sorted(map(read_explained, files), key=lambda one: (one.about["seed"], one.about["fold"] or 0)):
        if each.about["paper"] == paper.id:
            first.setdefault(each.cell, each)
    if not first:
        raise UserError(f"{representations}: no explanations of {paper.id} were given; explain at least one run.")
    order = list(paper.methods)
    chosen = sorted(first.values(), key=lambda one: (*one.cell[:2], order.index(one.cell[2])))
    for folder in (representations, attention):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for data, protocol in dict.fromkeys(one.cell[:2] for one in chosen):
        mine = [one for one in chosen if one.cell[:2] == (data, protocol)]
        draw_representations(paper, mine, _both(representations, paper.id, data, protocol))
    for one in chosen:
        if one.has_examples:
            draw_attention(paper, one, _both(attention, paper.id, *one.cell))


def _both(folder: str | Path, *names: str) -> list[Path]:
    return [Path(folder, ".".join(names) + suffix) for suffix in (".svg", ".png")]
