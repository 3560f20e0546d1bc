"""Texts from elsewhere as they are shown: nothing in them acts on a terminal, a page, a figure or a spreadsheet."""

from __future__ import annotations

import re

# control characters but tab and newline, what turns the direction of text around, and halves of characters
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
# some spreadsheets split at more than commas
_FORMULA = re.compile(r"(^(?=[\t\n])|(?:^|[;|\t\n])\s*(?=[=+\-@\uff1d\uff0b\uff0d\uff20]))")


def plain(text: str) -> str:
    r"""Return a text whose control characters are written out.

    Example:
        >>> print(plain("\x1b[31mred\x07"))
        \x1b[31mred\x07
    """
    return _ACTS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def short(text: str, most: int) -> str:
    """Return a text of at most so many characters, written out as `plain` does.

    Example:
        >>> short("what colour is the star?", 12)
        'what colour…'
    """
    text = plain(text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def cell(value: object) -> object:
    """Return a value as a cell of a table that a spreadsheet may open: a text is no formula there.

    An apostrophe stands before what would make it one. Numbers stay numbers.

    Example:
        >>> cell("=1+1"), cell("a;@b"), cell("accuracy"), cell(-0.5)
        ("'=1+1", "a;'@b", 'accuracy', -0.5)
    """
    return _FORMULA.sub(r"\1'", plain(value)) if isinstance(value, str) else value
