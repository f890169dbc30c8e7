"""Tables and lists of labels as text: what encoding and which separator they have."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from refer.errors import UserError

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""First bytes → encoding; a text without any of them is UTF-8."""
SEPARATORS = ",;\t|"


def encoding(head: bytes) -> str:
    """Return the encoding of a text by its first bytes."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), "utf-8")


def text_of(content: bytes, member: str) -> str:
    """Return the text of a file in UTF-8 or UTF-16.

    Raises:
        UserError: it is neither.
    """
    try:
        return content.decode(encoding(content))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{member} is no text in UTF-8 or UTF-16 ({error.reason}). Save it in UTF-8: iconv -f <encoding> -t UTF-8"
        ) from None


def separator(header: str, columns: Sequence[str] = ()) -> str:
    """Return what parts the columns of a table, by its first line: that which gives most of `columns`, or most."""

    def worth(mark: str) -> tuple[int, int]:
        names = {name.strip().strip('"').lower() for name in header.split(mark)}
        return sum(name.lower() in names for name in columns), len(names)

    return max(SEPARATORS, key=worth)


def is_table(head: bytes) -> bool:
    """Tell whether a file's first bytes are a text whose first line has several columns."""
    text = head.decode(encoding(head), errors="ignore")
    line = text.partition("\n")[0].strip()
    return (
        "\0" not in text
        and "�" not in head[:64].decode(encoding(head), errors="replace")
        and any(letter.isalpha() for letter in line)
        and len(line.split(separator(line))) > 1
        and not line.startswith(("<", "{", "["))
    )
