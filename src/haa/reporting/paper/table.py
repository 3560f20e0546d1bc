"""A table of a paper, as csv and as LaTeX that needs booktabs and nothing else."""

from __future__ import annotations

import csv
import io
import math
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from haa.printing.plain import cell, plain
from haa.reporting import names
from haa.reporting.title import apart

COLUMN, PAGE = (50, 56, 66), (104, 117, 138)
"""Characters of a line of a table that fit a column and a page of a paper in two, at each of `SIZES`."""
SIZES = ("small", "footnotesize", "scriptsize")
WORDS = 24
"""Characters of the longest line of words in a table."""
SAID_ONCE = ("study", "gaze", "metric", "network", "weights", "data", "stimuli", "better is")
"""Headings whose column says the same in every row at times: the caption then says it once."""

_SIGNS = {sign: f"\\{sign}" for sign in "&%$#_{}"}
_SIGNS |= {sign: f"{{{sign}}}" for sign in "[]*"}  # which a line break of a table would take for its own
_SIGNS |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "`": "\\textasciigrave{}"}
_SIGNS |= {"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", '"': "{''}", "\N{NO-BREAK SPACE}": "~"}
_SIGNS |= {"−": "$-$", "δ": "$\\delta$", "λ": "$\\lambda$", "±": "$\\pm$", "×": "$\\times$", "→": "$\\to$"}
_SIGNS |= {"–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''", "…": "\\ldots{}", "ß": "\\ss{}"}
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0308": '"', "\u030c": "v"}
_ACCENTS |= {"\u0327": "c", "\u030a": "r", "\u0306": "u", "\u0307": ".", "\u030b": "H"}


class Number(NamedTuple):
    """A number with the ends of its 95 % interval, where there are any."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of a paper: words and numbers."""

    name: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str | Number]]

    def csv(self) -> str:
        """Return it as csv: a number has three columns, for itself and the ends of its interval."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        numbers = [self._numeric(place) for place in range(len(self.headings))]
        head: list[str] = []
        for heading, number in zip(self.headings, numbers, strict=True):
            head += [heading, f"{heading} low", f"{heading} high"] if number else [heading]
        writer.writerow(head)
        for row in self.rows:
            line: list[object] = []
            for value, number in zip(row, numbers, strict=True):
                values: tuple[float | str | None, ...] = value if isinstance(value, Number) else (value,)
                if number and not isinstance(value, Number):
                    values = (value, None, None)
                line += [f"{each:.9g}" if isinstance(each, float) else cell(each) for each in values]
            writer.writerow(line)
        return file.getvalue()

    def told(self) -> str:
        """Return the caption, with what a column says of every row alike."""
        once = [f"{self.headings[place]}: {self.rows[0][place]}" for place in self._once()]
        once = [f"study: {shared}" for shared in [self._studies()[0]] if shared] + once
        return f"{self.caption} {names.capital('; '.join(once))}." if once else self.caption

    def tex(self) -> str:
        """Return it as a LaTeX table, which needs the package booktabs.

        It is as wide as a column where it fits, with intervals below their numbers if need be, and else as a page.
        """
        once = self._once()
        places = [place for place in range(len(self.headings)) if place not in once]
        for room, star in ((COLUMN, ""), (PAGE, "*")):
            for stacked in (False, True):
                lines, width = self._lines(places, stacked)
                fitting = [size for size, most in zip(SIZES[: 2 + bool(star)], room, strict=False) if width <= most]
                if fitting or (star and stacked):
                    return self._environment(places, lines, (fitting or [SIZES[-1]])[0], star)
        raise AssertionError

    def _numeric(self, place: int) -> bool:
        return any(isinstance(row[place], Number) for row in self.rows)

    def _once(self) -> list[int]:
        return [
            place
            for place, heading in enumerate(self.headings)
            if heading in SAID_ONCE and len({row[place] for row in self.rows}) == 1 and self.rows[0][place]
        ]

    def _titles(self) -> list[str]:
        known = "study" in self.headings and self.rows
        return list(dict.fromkeys(str(row[self.headings.index("study")]) for row in self.rows)) if known else []

    def _studies(self) -> tuple[str, list[str]]:
        """Return what the titles of all studies say, and what each says beyond that."""
        titles = self._titles()
        return apart(titles) if titles else ("", [])

    def _lines(self, places: Sequence[int], stacked: bool) -> tuple[list[list[list[str]]], int]:
        """Return the lines of each row's cells, the headings first, and the characters of the longest line."""
        own = dict(zip(self._titles(), self._studies()[1], strict=True))
        body = [
            [_cell(own.get(str(row[k]), "") if self.headings[k] == "study" else row[k], stacked) for k in places]
            for row in self.rows
        ]
        widths = [max(len(line) for cells in body for line in cells[k]) for k in range(len(places))]
        head = [
            textwrap.wrap(plain(self.headings[place]), max(width, 11), break_long_words=False) or [""]
            for place, width in zip(places, widths, strict=True)
        ]
        height = max(map(len, head))
        rows = [[[""] * (height - len(cells)) + cells for cells in head], *body]
        return rows, sum(max(len(line) for row in rows for line in row[k]) + 1 for k in range(len(places)))

    def _environment(self, places: Sequence[int], rows: Sequence[list[list[str]]], size: str, star: str) -> str:
        columns = "".join("r" if self._numeric(place) else "l" for place in places)
        printed = ["\n".join(_tabular(cells)) for cells in rows]
        between = "\n\\addlinespace\n" if any(max(map(len, cells)) > 1 for cells in rows[1:]) else "\n"
        return "\n".join(
            [
                f"\\begin{{table{star}}}",
                "\\centering",
                f"\\caption{{{escaped(self.told())}}}",
                f"\\label{{tab:{self.name}}}",
                f"\\{size}\\setlength{{\\tabcolsep}}{{3pt}}",
                f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
                "\\toprule",
                printed[0],
                "\\midrule",
                between.join(printed[1:]),
                "\\bottomrule",
                "\\end{tabular}",
                f"\\end{{table{star}}}",
                "",
            ]
        )


def escaped(text: str) -> str:
    r"""Return a text as LaTeX prints it, on one line; a sign that it could not print is told by its number.

    Example:
        >>> print(escaped("top_1 & 5 %"))
        top\_1 \& 5 \%
        >>> print(escaped("Jégou \N{GRINNING FACE}"))
        J\'{e}gou (U+1F600)
    """
    return "".join(map(_sign, " ".join(plain(text).split(" ")).replace("\n", " ").replace("\t", " ")))


def _sign(letter: str) -> str:
    if letter in _SIGNS:
        return _SIGNS[letter]
    if letter.isascii():
        return letter
    base, *marks = list(unicodedata.normalize("NFD", letter))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return f"\\{_ACCENTS[marks[0]]}{{{base}}}"
    return f"(U+{ord(letter):04X})"


def _cell(value: str | Number, stacked: bool) -> list[str]:
    """Return the lines of a cell, as they are read; `_tabular` makes LaTeX of them."""
    if isinstance(value, str):
        return textwrap.wrap(plain(value), WORDS, break_on_hyphens=False) or [""]
    if value.value is None or not math.isfinite(value.value):
        return ["–"]
    number = f"{value.value:.3f}"
    if value.low is None or value.high is None:
        return [number]
    interval = f"[{value.low:.3f}, {value.high:.3f}]"
    return [number, interval] if stacked else [f"{number} {interval}"]


def _tabular(cells: Sequence[Sequence[str]]) -> list[str]:
    height = max(map(len, cells))
    filled = [[*lines, *[""] * (height - len(lines))] for lines in cells]
    return [" & ".join(_printed(lines[k]) for lines in filled).rstrip() + " \\\\" for k in range(height)]


def _printed(line: str) -> str:
    """Return a line of a cell as LaTeX, numbers with a minus of their own."""
    numeric = line.strip("[]") != "" and all(letter in "0123456789.,-[] " for letter in line)
    return "$" + line.replace(" [", " \\;[") + "$" if numeric else escaped(line)
