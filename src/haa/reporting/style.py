"""How every figure looks, and how it is written: for a paper, and for the page in its own colours.

A figure is as wide as a paper's column, or as its page, with text of 7 and 8 points at that size. Conditions differ in
colour, lightness and marker or kind of line, so that nothing hangs on colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from haa.disk import make_folder
from haa.errors import writing
from haa.printing.plain import plain
from haa.reporting.labels import SIZE, lay_out

COLUMN, PAGE = 3.35, 6.9
"""Widths in inches of a column and of the text of a paper in two columns."""
COLOURS = ("#797979", "#001d99", "#cb8029", "#04642b", "#9c35fb", "#875c0c", "#570016", "#188db3")
"""Colours of the conditions as they appear, the baseline first: each has a contrast of 3 to white. The first four
differ by 9 in lightness (CIE L*), and by 27 in CIE Lab for people who see no red, no green or no blue."""
DARK = ("#a2a9b1", "#4a80f0", "#f6b944", "#3fdc9a", "#b07fde", "#ffef1d", "#f0427a", "#9ad8ff")
"""What takes their place on the page's dark paper."""
MARKERS = "osD^vP*X"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
"""Kinds of lines, which go with the colours."""
INK, FAINT = "#1c2026", "#8a929b"
STYLE: Any = {
    "text.parse_math": False,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.fontsize": SIZE,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.4,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
"""How every figure looks."""


def save(draw: Callable[[float], Figure | None], folder: Path, name: str) -> Figure | None:
    """Write a figure as NAME.svg, NAME.png and NAME.pdf, as wide as a column, and as NAME_wide.pdf, as wide as a page.

    Fonts are embedded as TrueType (Type 42), as publishers ask; the paper is white.

    Args:
        draw: Draws it at a width in inches; None is no figure.
        folder: Folder to write to.
        name: Name of the files.

    Returns:
        The figure as wide as a column; None where there is none, and nothing was written.
    """
    figure, wide = draw(COLUMN), draw(PAGE)
    if figure is None or wide is None:
        return None
    make_folder(folder)
    with writing(folder), matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        for each in (figure, wide):  # or it is laid out anew for every file
            lay_out(each)
        figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", facecolor="white", dpi=200)
        figure.savefig(folder / f"{name}.pdf", facecolor="white", metadata={"CreationDate": None})
        wide.savefig(folder / f"{name}_wide.pdf", facecolor="white", metadata={"CreationDate": None})
    return figure


def inline(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an SVG element for the page.

    Its text takes the page's colour and font, in light and in dark mode.

    Args:
        figure: Figure that this module drew.
        name: Prefix of the figure's own ids; unique on the page.
        description: Text that a screen reader says in place of the figure.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    markup = file.getvalue()
    markup = markup[markup.index("<svg") :]
    markup = re.sub(r"<metadata>.*?</metadata>", "", markup, flags=re.S)
    markup = re.sub(r"<[^>]*>", lambda tag: _own(tag.group(), name), markup)
    opening = re.match(r"<svg[^>]*>", markup)
    assert opening is not None
    view_box = re.search(r'viewBox="[^"]*"', opening.group())
    assert view_box is not None
    new_opening = (
        f'<svg role="img" aria-labelledby="{name}-title" {view_box.group()} xmlns="http://www.w3.org/2000/svg">'
    )
    return f'{new_opening}<title id="{name}-title">{escape(plain(description))}</title>{markup[opening.end() :]}'


def _own(tag: str, name: str) -> str:
    """Return a tag with ids, colours and font of the page; what is between tags is text, and stays."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r"url\(#", f"url(#{name}-", tag)
    tag = re.sub(r'xlink:href="#', f'href="#{name}-', tag)
    tag = tag.replace(INK, "var(--ink)").replace(FAINT, "var(--faint)")
    for number, colour in enumerate(COLOURS):
        tag = tag.replace(colour, f"var(--c{number})")
    return re.sub(r"font(-family)?: ?([\d.]+px )?[^;\"]*sans-serif[^;\"]*", _font, tag)


def _font(found: re.Match[str]) -> str:
    return f"font-size: {found.group(2).strip()}" if found.group(2) else "font-family: inherit"


def legend(figure: Figure, axis: Axes, where: Any = "outside upper left") -> None:
    """Write the legend of an axis beyond all axes, in as many columns as there is room for."""
    handles, texts = axis.get_legend_handles_labels()
    for columns in (3, 2, 1):
        made = figure.legend(handles, texts, loc=where, ncols=columns, columnspacing=1.2, handletextpad=0.4)
        if columns == 1 or made.get_window_extent().width <= figure.bbox.width:
            return
        made.remove()
