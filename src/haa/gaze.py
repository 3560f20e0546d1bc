"""Gaze of one stimulus in one form for all data sets, and functions from points to counts and densities.

One pixel convention holds everywhere: coordinates are 0-based floats, x to the right and y down, and an integer is a
pixel's centre. A point lies in pixel ``floor(x + 0.5)``; an image of width w spans ``-0.5 <= x < w - 0.5``; a resize by
a factor s maps x to ``(x + 0.5) * s - 0.5``. Points travel as ``(b, n, 2)`` padded with NaN and are rasterised on the
device, at the size where they are needed.

All of it is computed in float32 or better, whatever the autocast, and whatever the points came in: half precision
holds a coordinate of 1,000 pixels to half a pixel (float16) or to four (bfloat16).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from haa.errors import InputError
from haa.geometry import gaussians
from haa.geometry.extent import WHOLE, Extent, Size, in_full
from haa.geometry.profiles import Profiles
from haa.geometry.to_device import to_device

Weight = Literal["duration", "subject"]

_COLUMNS = ("subject", "duration", "frame", "weight")


@dataclass(frozen=True)
class Gaze:
    """Fixations of people on one stimulus, person after person, in the order in which they were made.

    Args:
        points: Fixations ``(n, 2)``, x and y in pixels of the stimulus (see the module's convention), duplicates kept.
        size: Height and width of the stimulus in pixels.
        subject: Integers ``(n,)`` that tell people apart, or None where the data set does not.
        duration: Durations ``(n,)`` in milliseconds, 0 where one is not known, or None.
        frame: Frames ``(n,)`` of the clip, from 0, on which the fixations were made; None for a still picture. A
            fixation that lasts over several frames is listed once for each.

        weight: Weights ``(n,)``, not negative, of the fixations in a density; None weighs all alike. Metrics of points
            count every fixation once.

    Raises:
        InputError: If shapes disagree, a coordinate is not finite, or a frame or a weight is negative.

    Example:
        >>> gaze = Gaze(torch.tensor([[0.0, 0.0], [9.0, 4.0]]), size=(5, 10), subject=torch.tensor([1, 2]))
        >>> gaze.of(2).points
        tensor([[9., 4.]])
        >>> gaze.resized((10, 20)).points
        tensor([[ 0.5000,  0.5000],
                [18.5000,  8.5000]])
    """

    points: Float[Tensor, "n 2"]
    size: Size
    subject: Int[Tensor, " n"] | None = None
    duration: Float[Tensor, " n"] | None = None
    frame: Int[Tensor, " n"] | None = None
    weight: Float[Tensor, " n"] | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise InputError(f"gaze points have shape {tuple(self.points.shape)}: give (n, 2), x then y")
        for name in _COLUMNS:
            value = getattr(self, name)
            if value is not None and value.shape != self.points.shape[:1]:
                raise InputError(
                    f"gaze {name} has shape {tuple(value.shape)}: give one for each of {len(self.points)} points"
                )
        if not torch.isfinite(self.points).all():
            raise InputError("gaze points hold NaN or infinity: leave out what was not recorded")
        if self.frame is not None and (self.frame < 0).any():
            raise InputError("gaze frames count from 0, and one is negative: leave out what is before the clip")
        if self.weight is not None and not (self.weight >= 0).all():
            raise InputError("a gaze weight is negative or no number: give 0 to what does not count")

    @property
    def weights(self) -> Float[Tensor, " n"]:
        """Weight of each fixation, 1 where all weigh alike."""
        return torch.ones(len(self.points)) if self.weight is None else self.weight

    def of(self, *subjects: int) -> Gaze:
        """Return the fixations of these people alone.

        Raises:
            InputError: If the gaze has no subjects.
        """
        if self.subject is None:
            raise InputError("this gaze does not say who looked: its source records no subject")
        return self._take(torch.isin(self.subject, torch.tensor(subjects)))

    def at(self, frame: int) -> Gaze:
        """Return the fixations on one frame of a clip, as those of a still picture.

        Raises:
            InputError: If the gaze has no frames.
        """
        if self.frame is None:
            raise InputError("this gaze does not say on which frame people looked: it is a still picture's")
        return replace(self._take(self.frame == frame), frame=None)

    def inside(self) -> Gaze:
        """Return the fixations that lie on the stimulus."""
        return self._take(valid(self.points, self.size))

    def resized(self, size: Size) -> Gaze:
        """Return the same fixations on the stimulus resized to ``size``."""
        return replace(self, points=resize(self.points, self.size, size), size=size)

    def _take(self, keep: Tensor) -> Gaze:
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return Gaze(
            self.points[keep],
            self.size,
            **{name: None if value is None else value[keep] for name, value in columns.items()},
        )


def weighed(gaze: Gaze, by: Weight) -> Gaze:
    """Return gaze whose fixations weigh as long as they lasted, or so that all people (at each frame) weigh the same.

    Raises:
        InputError: If the gaze does not say how long, or who.

    Example:
        >>> gaze = Gaze(torch.zeros(3, 2), (9, 9), subject=torch.tensor([1, 1, 2]), duration=torch.tensor([9.0, 6, 3]))
        >>> weighed(gaze, "duration").weight, weighed(gaze, "subject").weight
        (tensor([9., 6., 3.]), tensor([0.5000, 0.5000, 1.0000]))
    """
    if by == "duration":
        if gaze.duration is None:
            raise InputError("this gaze does not say how long people looked: it cannot be weighed by duration")
        return replace(gaze, weight=gaze.duration)
    if gaze.subject is None:
        raise InputError("this gaze does not say who looked: it cannot be weighed by subject")
    frame = torch.zeros_like(gaze.subject) if gaze.frame is None else gaze.frame
    _, place, count = torch.stack([gaze.subject, frame], 1).unique(dim=0, return_inverse=True, return_counts=True)
    return replace(gaze, weight=1 / count[place])


def resize(points: Float[Tensor, "*b 2"], old: Size, new: Size) -> Float[Tensor, "*b 2"]:
    """Return points of an image of size ``old`` (h, w) in pixels of the same image resized to ``new``.

    Example:
        >>> resize(torch.tensor([[0.0, 0.0]]), (600, 800), (300, 400))
        tensor([[-0.2500, -0.2500]])
    """
    points = in_full(points)
    scale = to_device(torch.tensor([new[1] / old[1], new[0] / old[0]], dtype=points.dtype), points.device)
    return (points + 0.5) * scale - 0.5


def valid(points: Float[Tensor, "*b 2"], size: Size) -> Bool[Tensor, "*b"]:
    """Return for each point whether it lies on an image of ``size`` (h, w); NaN padding does not.

    Example:
        >>> valid(torch.tensor([[-0.5, 0.0], [3.5, 0.0], [float("nan"), 0.0]]), (2, 4))
        tensor([ True, False, False])
    """
    x, y = in_full(points).unbind(-1)
    return (x >= -0.5) & (x < size[1] - 0.5) & (y >= -0.5) & (y < size[0] - 0.5)


def pad(points: Sequence[Float[Tensor, "n 2"]], length: int | None = None) -> Float[Tensor, "b n 2"]:
    """Stack point lists of different lengths, padded with NaN to the longest (or to ``length``).

    Example:
        >>> pad([torch.zeros(1, 2), torch.zeros(0, 2)])
        tensor([[[0., 0.]],
        <BLANKLINE>
                [[nan, nan]]])
    """
    longest = max([len(p) for p in points], default=0) if length is None else length
    padded = torch.full((len(points), longest, 2), math.nan)
    for row, p in zip(padded, points, strict=True):
        row[: len(p)] = p
    return padded


def counts(points: Float[Tensor, "b n 2"], size: Size) -> Float[Tensor, "b h w"]:
    """Return how many fixations each pixel holds; points outside and padding count nowhere.

    Example:
        >>> counts(torch.tensor([[[1.0, 0.0], [1.4, 0.2], [9.0, 0.0]]]), (1, 3))
        tensor([[[0., 2., 0.]]])
    """
    h, w = size
    points = in_full(points)
    is_inside = valid(points, size)
    column, row = torch.where(is_inside[..., None], points + 0.5, 0.0).floor().long().unbind(-1)
    flat = torch.zeros(points.shape[0], h * w, dtype=points.dtype, device=points.device)
    return flat.scatter_add(1, row * w + column, is_inside.to(points.dtype)).view(-1, h, w)


def density(
    points: Float[Tensor, "b n 2"],
    size: Size,
    sigma: float,
    grid: Size | None = None,
    weights: Float[Tensor, "b n"] | None = None,
    extent: Extent = WHOLE,
) -> Float[Tensor, "b h w"]:
    """Return the sum of a Gaussian of standard deviation ``sigma`` at every fixation, normalised to 1.

    A Gaussian is separable, so the sum over n fixations is one product of two thin matrices, ``rows.T @ columns``. It
    takes O(n (h + w)) exponentials instead of a filter over the whole image, and is exact at fractional positions.
    Many points, as mouse traces have, are gathered at fewer nodes first, with the same result up to rounding
    (`haa.geometry.gaussians`).

    Args:
        points: Fixations, x and y in pixels of the image. NaN pads; points outside are dropped.
        size: Height and width of that image.
        sigma: Standard deviation of the Gaussian in pixels of that image. State it with every CC, SIM and KL that you
            report.
        grid: Size (h, w) of a grid over the image: each cell holds the mass that falls in it. This is right for cells
            larger than sigma too, and is what coarse attention is compared with. None evaluates the Gaussians at the
            pixels' centres, as blurring a fixation map does, with zeros beyond the border.
        weights: Non-negative weight of each point, its duration for instance.
        extent: Where the grid's cells lie. The outermost reach to the picture's border, so that no mass is lost.

    Returns:
        Densities ``(b, h, w)`` in float32 (float64 for such points); each sums to 1, or is all zero where no point is
        valid.

    Example:
        >>> density(torch.tensor([[[1.0, 0.0]]]), (1, 3), sigma=0.5).round(decimals=3)
        tensor([[[0.1070, 0.7870, 0.1070]]])
    """
    with torch.autocast(points.device.type, enabled=False):
        return _density(in_full(points), size, sigma, grid, weights, extent)


def _density(
    points: Tensor, size: Size, sigma: float, grid: Size | None, weights: Tensor | None, extent: Extent
) -> Tensor:
    is_inside = valid(points, size)
    counted = torch.where(is_inside[..., None], points, 0.0)
    share = (is_inside if weights is None else torch.where(is_inside, weights, 0.0)).to(points.dtype)
    if grid is None:
        x, y = counted.unbind(-1)
        return gaussians.at_centres(x, y, share, size, sigma)
    return gaussians.in_cells(counted, is_inside, share, Profiles(size, sigma, grid, extent))
