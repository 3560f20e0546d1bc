"""What a notebook shows of an object: tables and pictures, in which texts from elsewhere are texts."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from haa.disk import write_whole
from haa.printing.plain import plain, short

DPI = 80
"""Dots per inch of a picture in a notebook."""
CELL = 80
"""Characters of the longest cell of a table."""


class Picture:
    """A figure that shows itself in a notebook.

    Args:
        figure: Figure of matplotlib's.
        description: What it shows, for who does not see it.
    """

    def __init__(self, figure: Figure, description: str) -> None:
        self.figure, self.description = figure, description

    def __repr__(self) -> str:
        return f"{self.description} (a picture: .save('picture.png') writes it, .figure is matplotlib's)"

    def _repr_html_(self) -> str:
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
        text = base64.b64encode(file.getvalue()).decode()
        return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(plain(self.description), text)

    def save(self, path: str | Path) -> None:
        """Write the picture; the file's suffix says in which format."""
        path = Path(path)
        with matplotlib.rc_context({"svg.fonttype": "none"}):
            write_whole(
                path, lambda file: self.figure.savefig(file, format=path.suffix[1:] or "png", facecolor="white")
            )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as HTML: texts to the left in the first column, numbers to the right in the others.

    Example:
        >>> table(["metric", "<b>"], [["top1", "0.5"]]).count("&lt;b&gt;")
        1
    """
    head = Markup("").join(_cell("th", k, text) for k, text in enumerate(headings))
    lines = (Markup("").join(_cell("td", k, text) for k, text in enumerate(row)) for row in rows)
    body = Markup("").join(Markup("<tr>{}</tr>").format(line) for line in lines)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as plain text.

    Example:
        >>> print(text_table(["metric", "value"], [["top1", "0.5"], ["loss", "12.25"]]))
        metric  value
        top1      0.5
        loss    12.25
    """
    cells = [[short(text, CELL) for text in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if k else text.ljust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def block(title: str, *parts: str) -> str:
    """Return the HTML of an object: a title, and what is below it.

    Args:
        title: A text.
        *parts: HTML, or texts, which are paragraphs.
    """
    below = (part if isinstance(part, Markup) else Markup("<p>{}</p>").format(plain(part)) for part in parts)
    return Markup("<div><p><strong>{}</strong></p>{}</div>").format(plain(title), Markup("").join(below))


def near(path: Path) -> str:
    """Return a path as a text that does nothing; below the working directory without what is above it."""
    here = Path.cwd()
    return plain(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _cell(tag: str, column: int, text: str) -> Markup:
    style = f"text-align: {'right' if column else 'left'}; padding: 0.2em 0.8em"
    return Markup('<{} style="{}">{}</{}>').format(Markup(tag), style, short(text, CELL), Markup(tag))
