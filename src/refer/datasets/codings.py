"""Which class a code means, which split a name means, and whether the numbers of images bear it out.

Labels go about as numbers, and several orders of the same classes are in use. A set in another order than its owner's
has labels that are wrong in a way no picture shows. Its numbers of images show it: they are compared with the owner's,
split by split, under every known order, with any two splits exchanged, and under the assignment of codes to classes
that fits best of all. Nothing is mapped because it fits: what fits is named, and the configuration has to state it
(`coding:`, `swapped:`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from refer.datasets.words import canonical, class_of
from refer.errors import UserError

if TYPE_CHECKING:
    from refer.datasets.model import Dataset

OFFICIAL = "official"
ORDERS = {
    "fer2013": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    "alphabetical": ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "affectnet": ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"),
    "ferplus": ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"),
    "rafdb": ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"),
}
"""Orders of the seven classes that go about: of FER2013's csv; of folders, sorted by name (torchvision's ImageFolder,
Keras's flow_from_directory); of AffectNet, which EfficientFace's RAF-DB has too; of FER+'s table; of RAF-DB's list."""

LIKELIER = math.log(1000)  # how much likelier another reading must be before it is named
SURELY = math.log(1e9)  # the same for an assignment that no order explains: 5,040 are tried at once
NEARER = 5  # times nearer to the owner's numbers, counted in images
LEAST = 20  # images by which it must be nearer
APART = 0.05  # of the shares of the classes: half the sum of their differences from the owner's
STRAY = math.log(1e-4)  # likelihood of an image whose code means no class

Found = Mapping[tuple[str, str], int]
"""(split, code as it stands in the files) → images."""
_Wanted = Mapping[str, Sequence[int | None]]


@dataclass(frozen=True)
class Coding:
    """What a set's codes mean. `name` is what the configuration calls it; `labels` maps codes to labels."""

    name: str
    classes: tuple[str, ...]
    labels: Mapping[str, int] = field(default_factory=dict)
    stated: bool = False  # by the configuration

    def label(self, code: str) -> int | None:
        """Return the label that a code or the name of a class means, None where it means none.

        A name means its class, in whatever order the codes are, unless the configuration maps that very name.
        """
        key = code.strip().casefold()
        if key in self.labels:
            return self.labels[key]
        name = canonical(key)
        if name is not None and name in self.labels:
            return self.labels[name]
        return class_of(key, self.classes)

    def told(self) -> str:
        """Say which code means which class."""
        return ", ".join(f"{code} {self.classes[label]}" for code, label in self.labels.items())


def known_codings(known: Dataset) -> dict[str, Coding]:
    """Return the codings in which this data set may come, the owner's first; none where labels are no codes.

    An order's codes begin where the owner's do; `-from-0` or `-from-1` behind its name says that they do not.
    """
    first = known.first_code
    if first is None:
        return {}
    own = tuple(canonical(name) or name for name in known.classes)
    orders = {OFFICIAL: own} | {name: order for name, order in ORDERS.items() if sorted(order) == sorted(own)}
    found: dict[str, Coding] = {}
    for start in (first, 1 - first):
        for name, order in orders.items():
            if name != OFFICIAL and order == own:
                continue
            labels = {str(start + place): own.index(each) for place, each in enumerate(order)}
            called = name if start == first else f"{name}-from-{start}"
            found[called] = Coding(called, known.classes, labels)
    return found


def resolve(known: Dataset, stated: str | Mapping[str, str] | None) -> Coding:
    """Return the coding that a configuration states: one of the known ones by name, or code → class.

    Raises:
        UserError: there is no such coding, or it names a class that is none, or one twice.
    """
    codings = known_codings(known)
    if stated is None or stated == OFFICIAL:
        usual = codings.get(OFFICIAL, Coding(OFFICIAL, known.classes))
        return Coding(usual.name, usual.classes, usual.labels, stated=stated is not None)
    if isinstance(stated, str):
        if stated not in codings:
            names = ", ".join(codings) or OFFICIAL
            raise UserError(
                f"{known.title}: coding: found {stated!r}; expected one of {names}, or a class for each code, such as "
                f"{{0: {known.classes[0]}, …}}."
            )
        return Coding(stated, known.classes, codings[stated].labels, stated=True)
    labels: dict[str, int] = {}
    for code, name in stated.items():
        label = class_of(str(name), known.classes)
        if label is None:
            raise UserError(f"{known.title}: coding.{code}: found {name!r}; expected {', '.join(known.classes)}.")
        key = str(code).strip().casefold()
        labels[canonical(key) or key] = label
    twice = [known.classes[label] for label, times in Counter(labels.values()).items() if times > 1]
    if twice:
        raise UserError(f"{known.title}: coding: two codes mean {twice[0]}; expected each class once.")
    return Coding("stated", known.classes, labels, stated=True)


def exchange(known: Dataset, swapped: Sequence[str] | None) -> dict[str, str]:
    """Return split as it is named in the files → split that it is.

    Raises:
        UserError: `swapped` names other than two of the owner's splits.
    """
    if not swapped:
        return {split: split for split in known.splits}
    if len(set(swapped)) != 2 or len(swapped) != 2 or not set(swapped) <= set(known.splits):
        raise UserError(
            f"{known.title}: swapped: found {', '.join(map(str, swapped))}; expected two of {', '.join(known.splits)}."
        )
    one, other = swapped
    return {split: {one: other, other: one}.get(split, split) for split in known.splits}


class _Fit(NamedTuple):
    """How well numbers of images fit the owner's under one reading of codes and splits."""

    away: int  # images too many or missing, over all splits and classes
    likelihood: float  # its logarithm, the splits' sizes given
    apart: float  # how far the shares of the classes lie from the owner's, in the split where it is most
    noise: float  # how far they would lie by chance in as many images


class _Reading(NamedTuple):
    """One way to read codes and splits."""

    coding: Coding
    splits: Mapping[str, str]
    fit: _Fit
    free: bool = False  # its coding is the assignment that fits best, and no known order


class Verdict(NamedTuple):
    """What is wrong with codes or splits, and what to do about it."""

    what: str
    advice: str


def judge(known: Dataset, found: Found, coding: Coding, splits: Mapping[str, str], differs: bool) -> Verdict | None:
    """Return what speaks against reading `found` under `coding` and `splits`; None: nothing does.

    Args:
        known: the data set, with its owner's numbers.
        found: the images of each split and code, as they stand in the files.
        coding: what the codes are taken for.
        splits: what the splits' names are taken for (see `exchange`).
        differs: the numbers are not the owner's, so that codes have to be borne out by their proportions.
    """
    wanted = _wanted(known)
    if not wanted or not found:
        return None
    numbered = any(code.isdecimal() for _, code in found)
    here = _fit(wanted, known, found, coding, splits)
    if here.away == 0:
        return None
    foreign = _foreign(known, found, coding) if numbered else None
    others = [
        each
        for each in _readings(known, wanted, found, coding)
        if each.splits != splits or each.coding.labels != coding.labels
    ]
    better = [each for each in others if _clearly(each.fit, here, SURELY if each.free else LIKELIER)]
    if better:
        best = min(better, key=lambda each: (each.fit.away, each.free, -each.fit.likelihood))
        if best.fit.away == 0 or not coding.stated or foreign:
            return _named(known, best, coding, splits, found)
    if foreign:
        return foreign
    if (exchanged := _in_one_split(known, wanted, found, coding, splits, here)) is not None:
        return exchanged
    if numbered and differs and not coding.stated:
        unclear = [
            each.coding.name
            for each in others
            if each.splits == splits and not each.free
            and here.likelihood - each.fit.likelihood < LIKELIER
            and not _clearly(here, each.fit, LIKELIER)
        ]  # fmt: skip
        if unclear:
            return Verdict(
                f"the numbers of images do not tell whether the codes are the owner's ({coding.told()}) or those of "
                f"{' or '.join(unclear[:3])}",
                f"Look at a few images of each code, and state `coding: {{{known.name}: {OFFICIAL}}}` or the one that "
                "it is.",
            )
    return None


def _in_one_split(
    known: Dataset, wanted: _Wanted, found: Found, coding: Coding, splits: Mapping[str, str], here: _Fit
) -> Verdict | None:
    """Return what to say where the codes or folders of one split alone are exchanged."""
    for named, split in splits.items():
        codes = {code: coding.label(code) for of, code in found if of == named}
        if split not in wanted or len(set(codes.values())) < len(codes) or None in codes.values():
            continue
        one = {split: wanted[split]}
        free = _assigned(known, one, {key: number for key, number in found.items() if key[0] == named}, splits)
        changed = {code: label for code, label in free.labels.items() if codes.get(code) != label} if free else {}
        if not free or not changed:
            continue
        back = {label: code for code, label in codes.items()}
        moved = Counter(
            {(of, back.get(free.labels[code], code) if of == named else code): number
             for (of, code), number in found.items()}
        )  # fmt: skip
        if _clearly(_fit(wanted, known, moved, coding, splits), here, SURELY):
            told = ", ".join(f"{code} holds {known.classes[label]}" for code, label in changed.items())
            return Verdict(
                f"by the numbers of images, {told} in {named} alone",
                f"Look at a few images there, and rename what {named} calls them.",
            )
    return None


def _foreign(known: Dataset, found: Found, coding: Coding) -> Verdict | None:
    """Return what to say of codes that are none of this coding's, while all of them are of other known ones."""
    codes = {code for _, code in found}
    if all(coding.label(code) is not None for code in codes):
        return None
    fitting = [
        other.name
        for other in known_codings(known).values()
        if all(other.label(code) is not None for code in codes)
    ]  # fmt: skip
    if not fitting:
        return None
    numbers = sorted(int(code) for code in codes if code.isdecimal())
    owners = "the owner's are" if coding.name == OFFICIAL else f"{coding.name} has"
    return Verdict(
        f"the codes run from {numbers[0]} to {numbers[-1]}; {owners} {coding.told()}",
        f"Look at a few images of each code, and state which coding it is, such as "
        f"`coding: {{{known.name}: {fitting[0]}}}`; these have such codes: {', '.join(fitting)}.",
    )


def _named(known: Dataset, best: _Reading, coding: Coding, splits: Mapping[str, str], found: Found) -> Verdict:
    """Say which reading fits, and how to state it."""
    said, stated = [], []
    if best.splits != splits:
        pair = [split for split, other in best.splits.items() if split != other]
        if pair:
            said.append(f"{' and '.join(pair)} are exchanged")
            stated.append(f"`swapped: {{{known.name}: [{', '.join(pair)}]}}`")
        else:
            said.append("the splits are not exchanged")
            stated.append(f"no `swapped: {known.name}`")
    if best.free:
        changed = {code: label for code, label in best.coding.labels.items() if coding.label(code) != label}
        said.append(f"{', '.join(f'{code} holds {known.classes[label]}' for code, label in changed.items())}")
        whole = ", ".join(f"{code}: {known.classes[label]}" for code, label in best.coding.labels.items())
        stated.append(f"`coding: {{{known.name}: {{{whole}}}}}`")
    elif best.coding.labels != coding.labels:
        called = "the owner's" if best.coding.name == OFFICIAL else best.coding.name
        said.append(f"these are {called} codes: {best.coding.told()}")
        stated.append(f"`coding: {{{known.name}: {best.coding.name}}}`")
    total = sum(found.values())
    how = "exactly" if best.fit.away == 0 else f"to {best.fit.away:,} of {total:,} images"
    return Verdict(
        f"by the numbers of images, which fit the owner's {how}, {'; '.join(said)}",
        f"If a look at a few images agrees, state {' and '.join(stated)}.",
    )


def _readings(known: Dataset, wanted: _Wanted, found: Found, coding: Coding) -> Iterator[_Reading]:
    """Yield every known way to read codes and splits, and the assignment that fits best."""
    codings = [*known_codings(known).values()] if any(code.isdecimal() for _, code in found) else []
    if not any(each.labels == coding.labels for each in codings):
        codings.insert(0, coding)
    ways = [exchange(known, None), *(exchange(known, pair) for pair in combinations(wanted, 2))]
    for splits in ways:
        for each in codings:
            yield _Reading(each, splits, _fit(wanted, known, found, each, splits))
        if (free := _assigned(known, wanted, found, splits)) is not None:
            yield _Reading(free, splits, _fit(wanted, known, found, free, splits), free=True)


def _wanted(known: Dataset) -> _Wanted:
    """Return the owner's numbers of the splits that have any."""
    if known.counts_are != "exact":
        return {}
    return {split: numbers for split, numbers in known.counts.items() if any(numbers)}


def _fit(wanted: _Wanted, known: Dataset, found: Found, coding: Coding, splits: Mapping[str, str]) -> _Fit:
    have: Counter[tuple[str, int]] = Counter()
    strays = 0
    for (split, code), number in found.items():
        label = coding.label(code)
        if label is None:
            strays += number
        elif splits.get(split) in wanted and wanted[splits[split]][label] is not None:
            have[splits[split], label] += number
    away, likelihood, apart, noise = strays, strays * STRAY, 0.0, 0.0
    for split, numbers in wanted.items():
        places = [(label, number) for label, number in enumerate(numbers) if number is not None]
        counted = [have[split, label] for label, _ in places]
        there, total = sum(counted), sum(number for _, number in places)
        away += sum(abs(one - number) for one, (_, number) in zip(counted, places, strict=True))
        if not there:
            continue
        shares = [(number + 0.5) / (total + 0.5 * len(places)) for _, number in places]
        likelihood += sum(one * math.log(share) for one, share in zip(counted, shares, strict=True))
        apart = max(apart, sum(abs(one / there - share) for one, share in zip(counted, shares, strict=True)) / 2)
        noise = max(noise, math.sqrt(len(places) / there) / 2)
    return _Fit(away, likelihood, apart, noise)


def _clearly(one: _Fit, other: _Fit, likelier: float) -> bool:
    """Tell whether one reading fits clearly better than another: in images of a whole set, in shares of a part."""
    nearer = one.away * NEARER <= other.away and other.away - one.away >= LEAST
    fits = one.apart < min(APART + one.noise, 2 * APART)
    return nearer or (fits and one.likelihood - other.likelihood > likelier)


def _assigned(known: Dataset, wanted: _Wanted, found: Found, splits: Mapping[str, str]) -> Coding | None:
    """Return the assignment of codes to classes that is likeliest; None where there are more of one than the other."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    codes = sorted({code for _, code in found})
    labels = [label for label in range(len(known.classes)) if all(each[label] is not None for each in wanted.values())]
    if len(codes) != len(labels):
        return None
    cost = np.zeros((len(codes), len(labels)))
    for split, numbers in wanted.items():
        total = sum(number or 0 for number in numbers)
        shares = np.array([((numbers[label] or 0) + 0.5) / (total + 0.5 * len(labels)) for label in labels])
        named = [name for name, other in splits.items() if other == split]
        have = np.array([sum(found.get((name, code), 0) for name in named) for code in codes])
        cost -= np.outer(have, np.log(shares))
    rows, columns = linear_sum_assignment(cost)
    chosen = {codes[row]: labels[column] for row, column in zip(rows, columns, strict=True)}
    return Coding("assigned", known.classes, chosen)
