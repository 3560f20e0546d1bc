"""Labels in a figure that lie on nothing: beside an axis, with lines to what they name, or around points.

Where a label lies is known when the figure is laid out. So a figure is drawn once, its labels are moved, and its layout
is kept as it is.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from haa.printing.plain import short

SIZE = 7.0
"""Size of a label in points, which is the smallest in a figure."""
LINE = 1.25 * SIZE
"""Height of a line of a label in points."""
GAP, FAR = 10, 12
"""Points between an axis and the labels beside it; and from a point from which on a label has a line to it."""
LONGEST = 60
"""Characters of the longest name in a figure."""
_AROUND = [(radius, angle) for radius in (5, 9, 14, 20, 28, 38, 50) for angle in (45, 0, 315, 135, 180, 225, 90, 270)]
"""Where the nearest point of a label may lie from its point, in points and degrees; the first are tried first."""


@dataclass(frozen=True)
class Label:
    """A label and what it names.

    Args:
        x: Place in the data that it names.
        y: The same, upward.
        text: What it says, in lines.
        colour: Colour of its line.
    """

    x: float
    y: float
    text: str
    colour: str


def in_lines(text: str, width: int) -> str:
    r"""Return a name in lines of about so many characters, at most three.

    Example:
        >>> in_lines("another image's gaze, correlation", 20).split("\n")
        ["another image's", 'gaze, correlation']
    """
    together = short(text, LONGEST).replace("weight ", "weight\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(together, width, break_on_hyphens=False) or [" "]
    return "\n".join(lines[:3])


def spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Return places along a line, as near as can be to those that are wanted, at which nothing overlaps.

    The sum of squared distances is least (isotonic regression by pooling adjacent violators). Where there is too little
    room, things stand out beyond both ends.

    Args:
        wanted: Middle of each thing.
        heights: Its height.
        low: Lower end of the room.
        high: Upper end.

    Example:
        >>> spread([1.0, 1.0, 5.0], [2.0, 2.0, 2.0], 0.0, 10.0)
        [0.0, 2.0, 5.0]
        >>> spread([1.0, 1.0], [2.0, 2.0], 1.0, 10.0)  # a middle lies between the ends
        [1.0, 3.0]
    """
    order = sorted(range(len(wanted)), key=lambda k: (wanted[k], k))
    steps = [0.0]
    for before, after in itertools.pairwise(order):
        steps.append(steps[-1] + (heights[before] + heights[after]) / 2)
    pools: list[tuple[float, int]] = []
    for k, step in zip(order, steps, strict=True):
        pools.append((wanted[k] - step, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (later, m), (sooner, n) = pools.pop(), pools.pop()
            pools.append(((later * m + sooner * n) / (m + n), m + n))
    most = high - (steps[-1] if steps else 0.0)
    low, most = (low, most) if low <= most else ((low + most) / 2, (low + most) / 2)
    moved = [min(max(mean, low), most) for mean, n in pools for _ in range(n)]
    places = [0.0] * len(wanted)
    for k, place, step in zip(order, moved, steps, strict=True):
        places[k] = place + step
    return places


def room(texts: Sequence[str]) -> float:
    """Return the height in inches that labels of one axis need beside it."""
    return sum(text.count("\n") + 1.3 for text in texts) * LINE / 72


def beside(figure: Figure, labels: Sequence[tuple[Axes, Sequence[Label]]]) -> None:
    """Write labels to the right of axes, each with a line to what it names, so that none lies on another.

    The figure is laid out here, and stays so.

    Args:
        figure: Figure with a layout engine, which makes room for the labels.
        labels: Axes of the figure, with what names things in each.
    """
    held = [
        axis.annotate(
            label.text, (1, 0.5), (GAP, 0), "axes fraction", textcoords="offset points", fontsize=SIZE, va="center"
        )
        for axis, own in labels
        for label in own
    ]
    lay_out(figure)
    for text in held:
        text.remove()
    scale = figure.dpi / 72
    for axis, own in labels:
        box = axis.get_window_extent()
        heights = [(label.text.count("\n") + 1.1) * LINE for label in own]
        wanted = [axis.transData.transform((label.x, label.y))[1] / scale for label in own]
        edges = [height / 2 for height in heights] or [0.0]
        places = spread(wanted, heights, box.y0 / scale + edges[0], box.y1 / scale - edges[-1])
        for label, place in zip(own, places, strict=True):
            _write(axis, label, (box.x1 / scale + GAP, place), ha="left", va="center", line=(0.0, 0.5))


def around(figure: Figure, axis: Axes, labels: Sequence[Label], lines: Sequence[Sequence[tuple[float, float]]]) -> bool:
    """Write a label at each point of an axis where nothing lies; one that is far off has a line to its point.

    The figure is laid out here, and stays so.

    Args:
        figure: Figure of the axis.
        axis: Axis with the points.
        labels: Points and what they are called.
        lines: What else is drawn, as lines between places in the data.

    Returns:
        Whether there was a place for every label; where there was none, nothing is written.
    """
    lay_out(figure)
    scale, inside = figure.dpi / 72, axis.get_window_extent()
    points = axis.transData.transform([(label.x, label.y) for label in labels])
    taken = [Bbox.from_bounds(x - 4 * scale, y - 4 * scale, 8 * scale, 8 * scale) for x, y in points]
    drawn = np.concatenate([_along(axis.transData.transform(line)) for line in lines] or [np.zeros((0, 2))])
    found = []
    for label, (x, y) in zip(labels, points, strict=True):
        size = _size(figure, label.text)
        for radius, angle in _AROUND:
            right, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            near = np.array([x + radius * scale * right, y + radius * scale * up])
            corner = near - np.array([size[0] * (1 - _side(right)), size[1] * (1 - _side(up))])
            box = Bbox.from_bounds(*corner, *size)
            if _free(box, inside, taken, drawn):
                break
        else:
            return False
        taken.append(box)
        found.append((label, corner / scale, (1 - _side(right), 1 - _side(up)), radius > FAR))
    for label, corner, near_side, far in found:
        _write(axis, label, tuple(corner), ha="left", va="bottom", line=near_side if far else None)
    return True


def _write(
    axis: Axes, label: Label, place: tuple[float, float], ha: str, va: str, line: tuple[float, float] | None
) -> None:
    """Write a label at a place in points from the figure's corner, with a line from there to what it names."""
    style: dict[str, Any] = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
    axis.annotate(
        label.text,
        (label.x, label.y),
        place,
        textcoords="figure points",
        fontsize=SIZE,
        ha=ha,
        va=va,
        linespacing=1.05,
        annotation_clip=False,
        arrowprops=None if line is None else {**style, "relpos": line},
    )


def lay_out(figure: Figure) -> None:
    """Lay a figure out, once: it stays so, however often it is drawn afterwards.

    Args:
        figure: Figure with a layout engine; one that is laid out already stays as it is.
    """
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _size(figure: Figure, text: str) -> NDArray[np.float64]:
    written = figure.text(0, 0, text, fontsize=SIZE, linespacing=1.05)
    box = written.get_window_extent()
    written.remove()
    return np.array([box.width, box.height])


def _side(share: float) -> float:
    """Return which side of a label is its nearest: 1 is the lower or left one, 0 the other, a half its middle."""
    return 1.0 if share > 0.1 else 0.0 if share < -0.1 else 0.5


def _along(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places every two pixels or so along a line."""
    parts = [places[:1]]
    for start, end in itertools.pairwise(places):
        count = max(2, int(np.hypot(*(end - start)) / 2))
        parts.append(start + (end - start) * np.linspace(0, 1, min(count, 4000))[:, None])
    return np.concatenate(parts)


def _free(box: Bbox, inside: Bbox, taken: Sequence[Bbox], drawn: NDArray[np.float64]) -> bool:
    if not (inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1):
        return False
    box = box.padded(2)
    within = (drawn >= box.min).all(1) & (drawn <= box.max).all(1)
    return not within.any() and not any(box.overlaps(other) for other in taken)
