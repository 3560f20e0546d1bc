"""Sums of Gaussians at points, over the pixels of an image or the cells of a grid, normalised to 1.

A Gaussian is separable: the sum over n points is ``rows.T @ columns``, where row i of each factor is the profile of
point i along one side. This costs n (h + w) exponentials and n h w multiplications.

Many points are gathered at nodes first. A Gaussian of standard deviation s is two narrower ones of s / sqrt(2), one
after the other, and the integral between them is a sum over nodes at equal distances d:

    exp(-(x - y)^2 / 2 s^2) = d / (s sqrt(pi / 2)) sum_t exp(-(x - t)^2 / s^2) exp(-(t - y)^2 / s^2)  (1 + e)

The summands are samples of a Gaussian in t around (x + y) / 2, of standard deviation c = s / 2. By Poisson's summation
formula a sum over all t has ``|e| <= 2 sum_k exp(-2 (pi k c / d)^2)``. Leaving out the nodes that lie more than r
beyond the image adds at most the Gaussian's mass there, ``erfc(r / (c sqrt(2)))``, as (x + y) / 2 lies in the image.
With d = 0.4 s and r = 3.75 s these are 8.2e-14 and 6.4e-14, of every single value, however small; in float32, d = s / 2
and r = 3 s give 5.4e-9 and 2.0e-9, a tenth of its rounding. So a map of 480 x 640 with s = 24 needs 69 x 86 nodes
(float32: 54 x 67) instead of its pixels, and a point costs a fiftieth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from haa.geometry.profiles import Profiles

MANY = 512
"""Largest number of points whose profiles are taken at once; those of more would fill the memory."""


def at_centres(
    x: Float[Tensor, "b n"], y: Float[Tensor, "b n"], share: Float[Tensor, "b n"], size: tuple[int, int], sigma: float
) -> Float[Tensor, "b h w"]:
    """Return the sum of the points' Gaussians at the centres of an image's pixels, normalised to 1.

    Args:
        x: Columns of the points, on the image, float32 or float64.
        y: Their rows.
        share: Their weights; 0 for padding.
        size: Height and width of the image.
        sigma: Standard deviation in pixels.

    Example:
        >>> at_centres(torch.tensor([[1.0]]), torch.zeros(1, 1), torch.ones(1, 1), (1, 3), 0.5).round(decimals=3)
        tensor([[[0.1070, 0.7870, 0.1070]]])
    """
    (h, w), n = size, x.shape[1]
    rows, columns = (torch.arange(length, dtype=x.dtype, device=x.device) for length in size)
    apart, beyond = (0.4, 3.75) if x.dtype == torch.float64 else (0.5, 3.0)
    i, j = (math.ceil((length - 1 + 2 * beyond * sigma) / (apart * sigma)) + 1 for length in size)
    if 2 * (i * j * n + i * j * h + h * j * w) < n * h * w:
        down, across = (
            (torch.arange(many, dtype=x.dtype, device=x.device) * apart - beyond) * sigma for many in (i, j)
        )
        return _through_nodes(x, y, share, (down, across), (rows, columns), sigma)
    return _sum(x, y, share, lambda x, y: (_sampled(x, columns, sigma), _sampled(y, rows, sigma)))


def in_cells(
    points: Float[Tensor, "b n 2"], is_inside: Bool[Tensor, "b n"], share: Float[Tensor, "b n"], profiles: Profiles
) -> Float[Tensor, "b i j"]:
    """Return the mass of the points' Gaussians in each cell of a grid, normalised to 1.

    Args:
        points: Points, 0 where one does not count.
        is_inside: Which count.
        share: Their weights; 0 for padding.
        profiles: Profiles along the grid's sides.

    Example:
        >>> points, one = torch.tensor([[[1.0, 0.0]]]), torch.ones(1, 1)
        >>> in_cells(points, one > 0, one, Profiles((1, 2), 0.5, (1, 2))).round(decimals=3)
        tensor([[[0.1870, 0.8130]]])
    """
    if points.shape[1] <= MANY:
        columns, rows = profiles.held(points, is_inside)
        return _product(rows * share[..., None], columns)
    x, y = points.unbind(-1)
    return _sum(x, y, share, profiles)


Profile = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Profiles ``(b, n, w)`` and ``(b, n, h)`` of points, of whose x and y it is given ``(b, n)``."""


def _through_nodes(
    x: Tensor, y: Tensor, share: Tensor, nodes: tuple[Tensor, Tensor], centres: tuple[Tensor, Tensor], sigma: float
) -> Float[Tensor, "b h w"]:
    """Return the density of points that are gathered at nodes, whose Gaussians are then summed."""
    narrow = sigma / math.sqrt(2)
    down, across = (_normal(_sampled(t, c, narrow)) for t, c in zip(nodes, centres, strict=True))

    def profiles(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return _sampled(x, nodes[1], narrow), _sampled(y, nodes[0], narrow)

    gathered = _total(x, y, share, profiles)
    mass = down.sum(1) @ gathered @ across.sum(1)
    return down.mT @ _normal(gathered / _positive(mass)[:, None, None]) @ across


def _sum(x: Tensor, y: Tensor, share: Tensor, profiles: Profile) -> Float[Tensor, "b h w"]:
    """Return the sum of the points' Gaussians, normalised to 1."""
    if x.shape[1] <= MANY:
        columns, rows = profiles(x, y)
        return _product(rows * share[..., None], columns)
    total = _total(x, y, share, profiles)
    return total / _positive(total.sum((1, 2), keepdim=True))


def _product(rows: Float[Tensor, "b n h"], columns: Float[Tensor, "b n w"]) -> Float[Tensor, "b h w"]:
    """Return ``rows.T @ columns``, normalised to sum 1."""
    # the product's sum follows from its factors: normalising these spares two passes over the map
    mass = _positive((rows.sum(2) * columns.sum(2)).sum(1)[:, None, None]).sqrt()
    return torch.bmm(_normal(rows / mass).mT, _normal(columns / mass))


def _positive(mass: Tensor) -> Tensor:
    """Return masses to divide by; that of nobody is the least positive number."""
    return mass.clamp_min(torch.finfo(mass.dtype).tiny)


def _normal(profiles: Tensor) -> Tensor:
    """Return profiles with values set to 0 that may underflow in a product, which takes a hundred times as long."""
    return torch.threshold(profiles, math.sqrt(torch.finfo(profiles.dtype).tiny), 0.0)


def _total(x: Tensor, y: Tensor, share: Tensor, profiles: Profile) -> Float[Tensor, "b h w"]:
    """Return the sum of many points' Gaussians."""
    # compiled code and a GPU do not take a test of values well
    allows_test = x.device.type == "cpu" and not torch.compiler.is_compiling()
    if x.shape[1] > MANY and allows_test and not (x.requires_grad or share.requires_grad):
        images = zip(x.split(1), y.split(1), share.split(1), strict=True)
        return torch.cat([_of_pixels(x, y, share, profiles) for x, y, share in images])
    return _in_parts(x, y, share, profiles)


def _in_parts(x: Tensor, y: Tensor, share: Tensor, profiles: Profile) -> Float[Tensor, "b h w"]:
    def part(x: Tensor, y: Tensor, share: Tensor) -> Tensor:
        columns, rows = profiles(x, y)
        return torch.bmm(_normal(rows * share[..., None]).mT, _normal(columns))

    first_points, *other_points = zip(*(t.split(MANY, dim=1) for t in (x, y, share)), strict=True)
    total = part(*first_points)
    for points in other_points:
        total = total + part(*points)
    return total


def _of_pixels(
    x: Float[Tensor, "1 n"], y: Float[Tensor, "1 n"], share: Float[Tensor, "1 n"], profiles: Profile
) -> Float[Tensor, "1 h w"]:
    """Return the sum of one image's many points, from their counts where they lie at pixels' centres.

    Thousands of points of a mouse trace lie in a few hundred rows and columns, and the sum over points is
    ``rows.T @ counts @ columns``, exactly.
    """
    column, row = x.long(), y.long()
    h, w = int(row.max()) + 1, int(column.max()) + 1
    if 4 * h * w > x.shape[1] ** 2 or not (torch.equal(column.to(x.dtype), x) and torch.equal(row.to(x.dtype), y)):
        return _in_parts(x, y, share, profiles)
    counts = share.new_zeros(1, h * w).scatter_add_(1, row * w + column, share).view(1, h, w)
    places = (torch.arange(length, dtype=x.dtype)[None] for length in (w, h))
    columns, rows = profiles(*places)
    return _normal(rows).mT @ _normal(counts @ _normal(columns))


def _sampled(x: Tensor, centres: Tensor, sigma: float) -> Tensor:
    distance = centres - x[..., None]
    # close to underflow, exp takes twenty times as long
    return torch.exp((distance * distance * (-0.5 / sigma**2)).clamp_min(0.9 * math.log(torch.finfo(x.dtype).tiny)))
