"""Pictures of where people and the machine looked, for logs, the report and ``haa show``.

Maps are laid over the image in the colours of inferno, from nothing (clear) to the map's largest value. The difference
is that of the two maps as densities, machine minus human: red where the machine looks more, blue where people do. Its
colour follows the square root of its size, so that broad faint differences show beside narrow ones. Both colour scales
read the same with and without colour blindness.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor
from torch.nn.functional import interpolate

from haa.batch import Batch, shape, text_of
from haa.printing.plain import short

COLUMNS = 8
"""Number of words in a row of a strip."""
WIDTH, LABEL, HEAD, NOTE, GAP, MARGIN = 9, 2.0, 0.27, 0.25, 0.06, 0.08
"""Inches: the figure's width, its widest label, its headings, a note below a row, between panels, at the edges."""
DPI = 110
"""Pixels an inch."""
TEXT, WORD = 300, 24
"""Characters of the longest text, and of the longest word, that is drawn."""

as_texts = matplotlib.rc_context({"text.parse_math": False})
"""Decorates what draws: dollars in its texts are no mathematics."""


@as_texts
def side_by_side(
    batch: Batch,
    human: Sequence[Float[Tensor, "h w"]] | Float[Tensor, "b h w"],
    has_human: Sequence[bool] | Bool[Tensor, " b"],
    machine: Sequence[Float[Tensor, "i j"]] | Float[Tensor, "b i j"],
    rows: int = 6,
    simulated: bool = False,
    origin: str | None = None,
    whose: str = "machine map",
) -> Figure:
    """Draw one row per sample: the image with its fixations, the human map, the machine's map and their difference.

    Pictures of different sizes come as lists. Each is drawn in its own shape, that of the stimulus where it is known.

    Args:
        batch: Images in [0, 1], and the texts that go with them.
        human: Human maps, at the image's size.
        has_human: Whether each sample has a human map; where False, the row says that no gaze was recorded.
        machine: The machine's maps, at any resolution.
        rows: Largest number of samples drawn.
        simulated: Whether the gaze comes from a simulated observer; the heading says so.
        origin: Word that the heading puts before "human map" instead, "predicted" for a map that a model made.
        whose: Heading of the machine's maps.
    """
    rows = min(rows, len(batch["image"]))
    shapes = [shape(batch, i) for i in range(rows)]
    without_gaze = [not has_human[i] for i in range(rows)]
    figure, axes = _grid(shapes, [wrapped(caption(batch, i), 34) for i in range(rows)], without_gaze)
    for i, line in enumerate(axes):
        points = batch["fixations"][i] if "fixations" in batch else None
        _row(line, batch["image"][i], human[i] if has_human[i] else None, machine[i], points, shapes[i])
    _headings(axes[0], origin or ("simulated" if simulated else ""), "density" in batch, whose)
    return figure


@as_texts
def draw_sample(
    image: Float[Tensor, "3 h w"],
    machine: Float[Tensor, "i j"],
    human: Float[Tensor, "k l"] | None = None,
    fixations: Float[Tensor, "n 2"] | None = None,
    words: tuple[Sequence[str], Float[Tensor, "t i j"]] | None = None,
    title: str = "",
    origin: str = "",
) -> Figure:
    """Draw one sample, large: image, human map, machine map and difference, and below them a map for each word.

    Args:
        image: The image, in [0, 1].
        machine: The machine's map, at any resolution.
        human: The human map, at any resolution; where it is None, the figure says that no gaze was recorded.
        fixations: Fixations x, y in pixels of the image; NaN pads.
        words: The words that the machine wrote, and its map for each of them.
        title: The question and its answer, the caption, or the name.
        origin: "simulated" or "predicted" where the human map is that; its heading says so.

    Example:
        >>> import torch
        >>> figure = draw_sample(torch.rand(3, 6, 8), torch.rand(3, 4), words=(["a", "dog"], torch.rand(2, 3, 4)))
        >>> [axis.get_xlabel() for axis in figure.axes[1:2]], [axis.get_title() for axis in figure.axes[4:6]]
        (['no gaze recorded'], ['a', 'dog'])
    """
    height, width = image.shape[-2:]
    aspect, lines = height / width, 0 if words is None else -(-min(len(words[0]), len(words[1])) // COLUMNS)
    # a row of four panels is twice as high as one of eight words
    figure = Figure(figsize=(9, 2.25 * aspect + 0.45 + lines * (1.125 * aspect + 0.3)), layout="constrained")
    top, *strips = figure.subfigures(1 + bool(lines), 1, height_ratios=[2, lines] if lines else None, squeeze=False)[
        :, 0
    ]
    axes = top.subplots(1, 4)
    _row(axes, image, human, machine, fixations, aspect)
    _headings(axes, origin)
    if words is not None and lines:
        _strip(strips[0], image, *words, lines, aspect)
    if title:
        figure.suptitle(wrapped(title, 110), fontsize=9)
    return figure


@as_texts
def word_strips(
    batch: Batch,
    words: Sequence[Sequence[str]],
    maps: Sequence[Float[Tensor, "t i j"]] | Float[Tensor, "b t i j"],
    rows: int = 6,
) -> Figure:
    """Draw one strip per sample: the image once for each written word, under the machine's map for that word.

    Args:
        batch: Images in [0, 1].
        words: Words of each sample.
        maps: One map per word; maps of padding come behind them.
        rows: Largest number of samples drawn.
    """
    rows = min(rows, len(words))
    shapes = [shape(batch, i) for i in range(rows)]
    lines = [max(1, -(-min(len(words[i]), len(maps[i])) // COLUMNS)) for i in range(rows)]
    heights = [line * (1.125 * each + 0.3) for line, each in zip(lines, shapes, strict=True)]
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    parts = figure.subfigures(rows, 1, height_ratios=heights, squeeze=False)[:, 0]
    for i, part in enumerate(parts):
        _strip(part, batch["image"][i], words[i], maps[i], lines[i], shapes[i])
    return figure


def in_shape(axis: Any, image: Tensor, shape: float) -> None:
    """Draw what lies on an axis of an image in this shape (height over width), whatever the image was resized to."""
    axis.set_aspect(shape * image.shape[-1] / image.shape[-2])


def _grid(shapes: Sequence[float], labels: Sequence[str], without_gaze: Sequence[bool]) -> tuple[Figure, Any]:
    """Return a figure with four panels a row, of these heights over their widths, and a label beside each row.

    All sizes are known, in inches, so that nothing has to be drawn to find a layout, which takes longer than drawing.
    """
    figure = Figure(dpi=DPI)
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [figure.text(0, 0, label, fontsize=7, ha="right", va="center") for label in labels]
    widest = max((text.get_window_extent(renderer).width for text in texts), default=0) / DPI
    for text in texts:
        text.set_fontsize(7 * LABEL / max(widest, LABEL))  # of wide scripts
    left = min(widest, LABEL) + 2 * MARGIN
    width = (WIDTH - left - MARGIN - 3 * GAP) / 4
    below = [NOTE if note else GAP for note in without_gaze]
    height = HEAD + width * sum(shapes) + sum(below)
    figure.set_size_inches(WIDTH, height)
    axes, top = np.empty((len(shapes), 4), dtype=object), height - HEAD
    for row, (tall, text) in enumerate(zip(shapes, texts, strict=True)):
        bottom = top - width * tall
        text.set_position(((left - MARGIN) / WIDTH, (top + bottom) / 2 / height))
        for column in range(4):
            x = left + column * (width + GAP)
            axes[row, column] = figure.add_axes((x / WIDTH, bottom / height, width / WIDTH, width * tall / height))
        top = bottom - below[row]
    return figure, axes


def _row(
    axes: Any, image: Tensor, human: Tensor | None, machine: Tensor, fixations: Tensor | None, shape: float
) -> None:
    _draw_row(axes, image, human, machine, fixations)
    for axis in axes:
        in_shape(axis, image, shape)


def _draw_row(axes: Any, image: Tensor, human: Tensor | None, machine: Tensor, fixations: Tensor | None) -> None:
    height, width = image.shape[-2:]
    machine = _density(machine, (height, width))
    for axis in axes[:3]:
        _show(axis, image)
    _show(axes[3], image.mean(0, keepdim=True).expand(3, -1, -1) * 0.5 + 0.4)  # colour is for the difference alone
    overlay(axes[2], machine)
    if human is None:
        for axis in (axes[1], axes[3]):
            axis.set_xlabel("no gaze recorded", fontsize=8)
        return
    human = _density(human, (height, width))
    overlay(axes[1], human)
    difference = machine - human
    largest = difference.abs().amax().clamp_min(1e-30)
    share = (difference.sign() * (difference.abs() / largest).sqrt()).numpy()
    axes[3].imshow(share, cmap="RdBu_r", alpha=0.9 * abs(share), vmin=-1, vmax=1)
    if fixations is not None:
        x, y = fixations.detach().float().cpu().unbind(-1)
        for size, colour in ((1.8, "black"), (0.8, "white")):  # a ring that shows on light and on dark
            axes[0].scatter(x, y, s=10, facecolors="none", edgecolors=colour, linewidths=size)
        axes[0].set_xlim(-0.5, width - 0.5)
        axes[0].set_ylim(height - 0.5, -0.5)


def _strip(part: Any, image: Tensor, words: Sequence[str], maps: Tensor, lines: int, shape: float) -> None:
    """Draw the words that have a map, `COLUMNS` in a line."""
    count = min(len(words), len(maps))
    size = (image.shape[-2], image.shape[-1])
    densities = [_density(maps[k], size) for k in range(count)]
    axes = part.subplots(lines, COLUMNS, squeeze=False).flatten()
    for axis in axes[count:]:
        axis.set_axis_off()
    for axis, word, density in zip(axes, words, densities, strict=False):
        _show(axis, image)
        overlay(axis, density)
        in_shape(axis, image, shape)
        axis.set_title(short(word, WORD), fontsize=8, pad=2)


def _headings(axes: Any, origin: str, published: bool = False, whose: str = "machine map") -> None:
    human = f"{origin} human map".strip() + (", as published" if published else "")
    image = "image" if published else "image, fixations"
    names = (image, human, whose, "machine (red) \N{MINUS SIGN} human (blue)")
    for axis, name in zip(axes, names, strict=True):
        axis.set_title(name, fontsize=8)


def _show(axis: Any, image: Tensor) -> None:
    axis.imshow(image.detach().permute(1, 2, 0).float().cpu().clamp(0, 1).numpy(), interpolation="nearest")
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(NullLocator())  # no ticks at all, in place of ticks that are taken away


def _density(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a map at the image's size, with sum 1; an empty map stays empty."""
    values = values.detach()[None, None].float().cpu()
    if tuple(values.shape[2:]) != size:
        values = interpolate(values, size, mode="bilinear")
    return values[0, 0] / values.sum().clamp_min(1e-30)


def overlay(axis: Any, values: Float[Tensor, "h w"]) -> None:
    """Lay a map over the image of an axis; the map's largest value is the brightest."""
    share = (values / values.amax().clamp_min(1e-30)).numpy()
    axis.imshow(share, cmap="inferno", alpha=0.25 + 0.6 * share, vmin=0, vmax=1)


def wrapped(text: str, width: int) -> str:
    r"""Return a text in lines of so many characters, for a figure; of a very long one, the beginning.

    Example:
        >>> wrapped("what colour is the star?", 12)
        'what colour\nis the star?'
    """
    return textwrap.fill(short(text, TEXT), width)


def caption(batch: Batch, i: int) -> str:
    """Return what sample ``i`` of a batch asks or says, or its id."""
    return text_of(batch, i) or batch["id"][i]
