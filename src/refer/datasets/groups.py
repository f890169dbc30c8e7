"""What belongs together: rows that share a key, or are linked to one another, however indirectly."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence


def together(
    count: int, keys: Iterable[Sequence[Hashable | None]] = (), links: Iterable[tuple[int, int]] = ()
) -> list[list[int]]:
    """Part the rows 0..count-1 into groups, each in ascending order, in the order of their first rows.

    Args:
        count: how many rows there are.
        keys: columns with one entry a row; rows with equal entries belong together, None belongs to nobody.
        links: pairs of rows that belong together.
    """
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    def join(one: int, other: int) -> None:
        a, b = root(one), root(other)
        parent[max(a, b)] = min(a, b)

    for column in keys:
        first: dict[Hashable, int] = {}
        for row, key in enumerate(column):
            if key is not None:
                join(first.setdefault(key, row), row)
    for one, other in links:
        join(one, other)
    groups: dict[int, list[int]] = {}
    for row in range(count):
        groups.setdefault(root(row), []).append(row)
    return list(groups.values())
