"""Damage good trees of every data set, and see that what is prepared of them is right or refused.

    python benchmarks/layouts.py [--damages 300] [--seed 2030] [--only TREE …] [--out layouts.json]

Each stand-in is drawn in each of its layouts. A damage is drawn at random: files renamed, dropped or doubled, two
folders exchanged, codes and names of classes permuted, pictures resized, folders put above or below or taken away, two
data sets mixed. The damaged tree is obtained and prepared with everything tolerated that can be. The property: it is
refused (a UserError), or each prepared image has pixels of the good tree, and the label, split, subject and partner
that these pixels have there. What a damage changed on purpose (resized pictures) is not compared.

Printed is, for each tree and damage, how often it was refused, right and wrong, and the first of what was wrong.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import sys
import tempfile
import traceback
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image

from refer.datasets.catalog import DATASETS
from refer.datasets.model import DEFECTS
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import FILES, obtain
from refer.errors import UserError

Tree = dict[str, bytes]
SUFFIX = re.compile(r"\.(jpe?g|png|bmp)$", re.IGNORECASE)
TREES: dict[str, tuple[str, dict[str, Any]]] = {
    "fer2013 folders": (
        "fer2013",
        {"images": {"Training": 400, "PublicTest": 100, "PrivateTest": 100}, "subjects": 60},
    ),
    "fer2013.csv": ("fer2013", {"images": {"Training": 400, "PublicTest": 100, "PrivateTest": 100}, "subjects": 60}),
    "ferplus": ("ferplus", {"images": {"Training": 60, "PublicTest": 20, "PrivateTest": 20}, "subjects": 20}),
    "rafdb list": ("rafdb", {"images": {"train": 300, "test": 100}, "subjects": 60}),
    "rafdb folders": ("rafdb", {"images": {"train": 300, "test": 100}, "subjects": 60}),
    "ckplus": ("ckplus", {"images": {"all": 20}, "subjects": 7}),
    "ckplus crops": ("ckplus", {"images": {"all": 28}, "subjects": 14}),
    "bu3dfe": ("bu3dfe", {"images": {}, "subjects": 3}),
    "viri": ("viri", {"images": {"all": 20}, "subjects": 10}),
    "nvie": ("nvie", {"images": {"all": 20}, "subjects": 10}),
}
LAYOUTS = {
    "fer2013 folders": "folders",
    "fer2013.csv": "fer2013.csv",
    "rafdb list": "basic",
    "rafdb folders": "class folders",
    "ckplus": "cohn-kanade-images",
    "ckplus crops": "CK+48",
    "ferplus": "repository",
    "bu3dfe": "F2D",
    "viri": "owner's archives",
    "nvie": "class folders",
}


class Truth(NamedTuple):
    """What a good tree gives, by the hash of pixels: label, split, subject and camera; the hashes of partners."""

    known: Mapping[str, set[tuple[Any, ...]]]
    partners: Mapping[str, set[str]]


class Damaged(NamedTuple):
    """A damaged tree, and whether some of its pictures have other pixels now."""

    tree: Tree
    other_pixels: bool = False


def drawn(name: str, folder: Path) -> Tree:
    """Draw one of TREES and return its files, those of archives inside as they are unpacked."""
    dataset, how = TREES[name]
    module = import_module(f"refer.datasets.standin.{DATASETS[dataset].stand_in}")
    module.draw(folder / "drawn.zip", seed=0, layout=LAYOUTS[name], **how)
    obtain(dataset, str(folder / "drawn.zip"), folder / "good")
    with zipfile.ZipFile(folder / "good" / FILES) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def prepared(dataset: str, tree: Tree, folder: Path) -> pd.DataFrame:
    """Return the index of a tree that is obtained and prepared as real data, with everything tolerated."""
    with zipfile.ZipFile(folder / "in.zip", "w") as archive:
        for member, content in tree.items():
            archive.writestr(member, content)
    obtain(dataset, str(folder / "in.zip"), folder / "raw")
    # VIRI and NVIE: their stand-ins name people S01 and so on.
    pattern = None if DATASETS[dataset].names_subjects else r"(?P<subject>(?:S|P|person)[-_ ]?\d+)"
    try:
        prepare(dataset, folder / "raw", folder / "out", tolerate=DEFECTS, subject_pattern=pattern, workers=1)
    except UserError as error:
        if pattern is None or "subject pattern" not in str(error):
            raise
        prepare(dataset, folder / "raw", folder / "out", tolerate=DEFECTS, workers=1)
    return pd.read_parquet(folder / "out/index.parquet")


def truth(index: pd.DataFrame) -> Truth:
    """Return what the images of a good tree are."""
    known: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    partners: dict[str, set[str]] = defaultdict(set)
    for row in index.itertuples():
        known[row.sha256].add((row.label, row.split, row.subject, row.modality))
    for _, pair in index.dropna(subset="pair").groupby("pair"):
        for one in pair["sha256"]:
            partners[one] |= set(pair["sha256"])
    return Truth(known, partners)


def wrong(index: pd.DataFrame, good: Truth, other_pixels: bool) -> list[str]:
    """Return what of a prepared damaged tree is not as in the good one; names of splits and so on."""
    found = []
    for row in index.itertuples():
        if row.sha256 not in good.known:
            if not other_pixels:
                found.append(f"{row.id}: pixels that the good tree has not")
            continue
        for place, (what, value) in enumerate((("label", row.label), ("split", row.split), ("subject", row.subject))):
            if value not in {each[place] for each in good.known[row.sha256]}:
                if what == "subject" and pd.isna(value):
                    continue  # a person who is not named any more is not a wrong one
                found.append(f"{row.id}: {what} {value!r}")
    for _, pair in index.dropna(subset="pair").groupby("pair"):
        hashes = [each for each in pair["sha256"] if each in good.known]
        found += [f"{pair['id'].iloc[0]}: a partner of another moment" for one in hashes[:1] for other in hashes
                  if good.partners.get(one) and other not in good.partners[one]]  # fmt: skip
    return found


def pictures(tree: Tree) -> list[str]:
    """Return the names of the pictures in a tree."""
    return [member for member in tree if SUFFIX.search(member)]


def some_of(names: list[str], rng: random.Random) -> list[str]:
    """Return one, a few or a third of the names."""
    return rng.sample(names, min(len(names), rng.choice((1, 3, max(1, len(names) // 3)))))


def moved(tree: Tree, renamed: Mapping[str, str]) -> Tree:
    """Return a tree in which some files have other names; of two with one name the later stays."""
    return {renamed.get(member, member): content for member, content in tree.items()}


def rename(tree: Tree, rng: random.Random, _: Tree) -> Damaged:
    """Give pictures names of their own."""
    names = some_of(pictures(tree) or list(tree), rng)
    form = rng.choice(("img{}", "{}", "face_{:05d}", "IMG_{:04d} (1)"))
    renamed = {}
    for number, name in enumerate(names, 70000):
        folder, _, file = name.rpartition("/")
        renamed[name] = f"{folder}/{form.format(number)}.{file.rpartition('.')[2]}".lstrip("/")
    return Damaged(moved(tree, renamed))


def drop(tree: Tree, rng: random.Random, _: Tree) -> Damaged:
    """Leave out files, or all below a folder."""
    if rng.random() < 0.5:
        gone = set(some_of(list(tree), rng))
    else:
        folder = rng.choice(sorted({name[: name.rfind("/") + 1] for name in tree}))
        gone = {name for name in tree if name.startswith(folder)} if folder else set(some_of(list(tree), rng))
    # Without its landmarks a frame of CK+ is cut out otherwise, as prepare.json says.
    return Damaged({name: content for name, content in tree.items() if name not in gone}, _cuts(gone))


def exchange(tree: Tree, rng: random.Random, _: Tree) -> Damaged:
    """Exchange the names of two folders that lie side by side, or in a table those of two splits."""
    siblings: dict[str, set[str]] = defaultdict(set)
    for name in tree:
        parts = name.split("/")[:-1]
        for depth in range(len(parts)):
            siblings["/".join(parts[:depth])].add(parts[depth])
    places = sorted(place for place, folders in siblings.items() if len(folders) > 1)
    if not places:
        return _in_text(tree, lambda text: _swapped(text, "PublicTest", "PrivateTest"))
    place = rng.choice(places)
    one, other = rng.sample(sorted(siblings[place]), 2)
    base = f"{place}/" if place else ""
    change = {base + one + "/": base + other + "/", base + other + "/": base + one + "/"}
    renamed = {name: change[start] + name[len(start) :] for name in tree for start in change if name.startswith(start)}
    return Damaged(moved(tree, renamed))


def recode(tree: Tree, rng: random.Random, _: Tree) -> Damaged:
    """Permute the codes of a table or list, or put codes in the place of folders of classes."""
    order = rng.choice(([0, 1, 2, 3, 6, 4, 5], [6, 3, 4, 0, 1, 2, 5], rng.sample(range(7), 7)))
    start = rng.choice((0, 1))
    if any(name.lower().endswith("fer2013.csv") for name in tree):
        return _in_text(
            tree, lambda text: re.sub(r"(?m)^(\d),", lambda found: f"{order[int(found[1])] + start},", text)
        )
    if any(name.endswith("label.txt") for name in tree):
        return _in_text(
            tree, lambda text: re.sub(r"(?m) (\d)$", lambda found: f" {order[int(found[1]) - 1] + start}", text)
        )
    inside = [name for name in pictures(tree) if "/" in name]
    folders = sorted({name.split("/")[-2].lower() for name in inside})
    codes = {folder: str(order[k % 7] + start) for k, folder in enumerate(folders[:8])}
    renamed = {}
    for name in inside:
        *above, folder, file = name.split("/")
        renamed[name] = "/".join([*above, codes.get(folder.lower(), folder), file])
    return Damaged(moved(tree, renamed))


def resize(tree: Tree, rng: random.Random, _: Tree) -> Damaged:
    """Give pictures another size, or other sides."""
    changed = dict(tree)
    factor = rng.choice(((2.0, 2.0), (0.5, 0.5), (2.0, 1.0), (3.0, 2.0)))
    for name in some_of(pictures(tree), rng) if pictures(tree) else []:
        image = Image.open(io.BytesIO(tree[name]))
        out = io.BytesIO()
        size = (max(1, round(image.width * factor[0])), max(1, round(image.height * factor[1])))
        image.resize(size).save(out, image.format)
        changed[name] = out.getvalue()
    return Damaged(changed, other_pixels=True)


def double(tree: Tree, rng: random.Random, _: Tree) -> Damaged:
    """Put copies of pictures into other folders, or beside them under other names."""
    names = pictures(tree) or list(tree)
    folders = sorted({name[: name.rfind("/") + 1] for name in names})
    changed = dict(tree)
    for name in some_of(names, rng):
        base, dot, suffix = name[name.rfind("/") + 1 :].rpartition(".")
        form = rng.choice(("{} (1)", "{}_copy", "{}", "{}-augmented"))
        changed.setdefault(rng.choice(folders) + form.format(base) + dot + suffix, tree[name])
    return Damaged(changed)


def depth(tree: Tree, rng: random.Random, _: Tree) -> Damaged:
    """Put folders above or between, or take one away."""
    way = rng.randrange(4)
    if way == 0:
        return Damaged({f"data/other/{name}": content for name, content in tree.items()})
    if way == 1:
        return Damaged({name.partition("/")[2] or name: content for name, content in tree.items()})
    if way == 2:
        return Damaged(
            {f"{name[: name.rfind('/') + 1]}images/{name[name.rfind('/') + 1 :]}": c for name, c in tree.items()}
        )
    return Damaged({name[name.rfind("/") + 1 :]: content for name, content in tree.items()})


def mix(tree: Tree, rng: random.Random, other: Tree) -> Damaged:
    """Add another data set, all of it or a part, at the top or in a folder."""
    names = rng.choice((list(other), some_of(list(other), rng)))
    below = rng.choice(("", "", "other/", f"{next(iter(tree)).partition('/')[0]}/"))
    return Damaged({**{below + name: other[name] for name in names}, **tree})


DAMAGES: dict[str, Callable[[Tree, random.Random, Tree], Damaged]] = {
    each.__name__: each for each in (rename, drop, exchange, recode, resize, double, depth, mix)
}


def _in_text(tree: Tree, change: Callable[[str], str]) -> Damaged:
    return Damaged({
        name: change(content.decode()).encode() if name.endswith((".csv", "label.txt")) else content
        for name, content in tree.items()
    })  # fmt: skip


def _cuts(names: Collection[str]) -> bool:
    return any(name.lower().endswith("_landmarks.txt") for name in names)


def _swapped(text: str, one: str, other: str) -> str:
    return text.replace(one, "\0").replace(other, one).replace("\0", other)


def attempt(dataset: str, damaged: Damaged, good: Truth) -> tuple[str, str]:
    """Return what became of a damaged tree: refused, right or wrong, and what was said or is wrong."""
    with tempfile.TemporaryDirectory() as place:
        try:
            index = prepared(dataset, damaged.tree, Path(place))
        except UserError as error:
            return "refused", str(error)
        except Exception:
            return "traceback", traceback.format_exc(limit=-3)
    found = wrong(index, good, damaged.other_pixels)
    return ("wrong", f"{len(found)} of {len(index)}: {found[0]}") if found else ("right", f"{len(index)} images")


def fuzz(names: list[str], damages: int, seed: int) -> dict[str, Any]:
    """Return, for each tree and damage, how often what became of it, and the first of what was wrong."""
    results: dict[str, Any] = {}
    trees: dict[str, Tree] = {}
    with tempfile.TemporaryDirectory() as place:
        for name in {*names, "rafdb folders", "viri"}:
            folder = Path(place) / name.replace(" ", "-")
            folder.mkdir()
            trees[name] = drawn(name, folder)
        for name in names:
            dataset, tree = TREES[name][0], trees[name]
            (Path(place) / f"base-{name}").mkdir()
            good = truth(prepared(dataset, tree, Path(place) / f"base-{name}"))
            other = trees["viri" if dataset == "rafdb" else "rafdb folders"]
            counts: dict[str, Counter[str]] = {damage: Counter() for damage in DAMAGES}
            first: dict[str, str] = {}
            for number in range(damages):
                damage = list(DAMAGES)[number % len(DAMAGES)]
                damaged = DAMAGES[damage](tree, random.Random(f"{seed} {name} {number}"), other)
                outcome, said = attempt(dataset, damaged, good)
                counts[damage][outcome] += 1
                if outcome in ("wrong", "traceback"):
                    first.setdefault(f"{damage} {number}", said)
            results[name] = {"images": len(good.known), "counts": counts, "first": first}
            print(name, {damage: dict(each) for damage, each in counts.items()}, file=sys.stderr, flush=True)
    return results


def main() -> None:
    """Damage the trees that are asked for, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damages", type=int, default=300, help="of each tree")
    parser.add_argument("--seed", type=int, default=2030)
    parser.add_argument("--only", nargs="+", choices=TREES, default=list(TREES))
    parser.add_argument("--out", type=Path, help="where the counts are written as JSON")
    parsed = parser.parse_args()
    text = json.dumps(fuzz(parsed.only, parsed.damages, parsed.seed), indent=1, ensure_ascii=False)
    print(text)
    if parsed.out:
        parsed.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
