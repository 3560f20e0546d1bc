"""The centre prior as a mixture whose kernel width and shares are chosen by the likelihood of images left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from haa.errors import InputError
from haa.evaluation.mixtures import Bits, Steps, fit_shares, likeliest_width, mean_bits
from haa.gaze import Gaze, Size

_NAMES = ("kernels", "gaussian", "uniform")
_SERIES = 2.37
"""Cosines of a kernel of width h number this much over h: what is left out is below 1e-12."""
_WIDTHS = (0.01, 0.3)
"""Kernel widths that are searched, as shares of the width and the height."""
_MOST, _TESTED = 250_000, 25_000
"""Fixations that make the densities while a width is chosen, and fixations whose likelihood chooses it, at most."""
_PART = 4096
"""Fixations whose cosines are computed at a time."""


class CentrePrior:
    """Where people look whatever the image, told from all other images.

    In coordinates relative to the image, ``u = (x + 0.5) / w`` and ``v = (y + 0.5) / h``, the density is

        ``f(u, v) = s_k 1/n sum_j K(u - u_j) K(v - v_j) + s_g N(u, v) + s_u``

    with a Gaussian kernel K of one width, the normal density N of the same fixations (axes apart), and shares that sum
    to 1. What of a kernel lies beyond the border is folded back, as a mirror at the border would, so that f integrates
    to 1 on the image whatever the width. A kernel that is folded so is a sum of cosines,

        ``K(u, u_j) = 1 + 2 sum_k exp(-(pi k h)^2 / 2) cos(pi k u) cos(pi k u_j)``,

    and the sum over all fixations is a matrix of mean products of cosines. It is computed once; each image's own is
    taken off. This is exact to 1e-11, at fractional positions too, and takes no sum over pairs.

    The fit is `fit_centre_prior`'s.

    Args:
        images: Gaze of each image.
        pictures: Name of each image's picture. An image's density is made without all images of its picture.
        bandwidth: Standard deviation of the kernel, as a share of the width in x and of the height in y.
        shares: Shares of ``kernels``, ``gaussian`` and ``uniform``.
    """

    def __init__(
        self, images: Sequence[Gaze], pictures: Sequence[str], bandwidth: float, shares: Mapping[str, float]
    ) -> None:
        self.images = images
        self.pictures = pictures
        self.bandwidth = bandwidth
        self.shares = {name: shares[name] for name in _NAMES}
        self._sums = _Sums(images, pictures, bandwidth)

    @property
    def uniform(self) -> float:
        """Share of the uniform density."""
        return self.shares["uniform"]

    def log_density(self, index: int | None, points: Float[Tensor, "n 2"], size: Size | None = None) -> Tensor:
        """Return the natural logarithm of the density at points, per pixel, as pysaliency has it.

        Args:
            index: Image whose picture is left out; None leaves out nothing, which is right for another data set's.
            points: x and y in pixels of the image.
            size: Height and width of the image; None is image ``index``'s own.
        """
        size = self._size(index, size)
        u, v = _relative(points, size).unbind(1)
        parts = self._sums.densities(index, u, v, self.bandwidth)
        return (parts @ _vector(self.shares)).log() - math.log(size[0] * size[1])

    def map(self, index: int | None = None, size: Size | None = None) -> Float[Tensor, "h w"]:
        """Return the density at the pixels' centres; it sums to 1.

        Args:
            index: Image whose picture is left out; None leaves out nothing.
            size: Height and width of the map, over the whole image; None is image ``index``'s own.

        Raises:
            InputError: If neither says a size.
        """
        height, width = self._size(index, size)
        u, v = ((torch.arange(length, dtype=torch.float64) + 0.5) / length for length in (width, height))
        values = self._sums.grid(index, u, v, self.bandwidth) @ _vector(self.shares)
        return values / values.sum()

    @cached_property
    def own(self) -> list[Float[Tensor, " n"]]:
        """Logarithms of the density at each image's own fixations, with the image's picture left out."""
        return [self.log_density(i, gaze.points) for i, gaze in enumerate(self.images)]

    @cached_property
    def bits(self) -> Bits:
        """What it tells of each image's fixations beyond the uniform density, with the image's picture left out."""
        own = [values + math.log(math.prod(gaze.size)) for values, gaze in zip(self.own, self.images, strict=True)]
        return Bits(torch.tensor([mean_bits(values) for values in own]), self.pictures)

    def _size(self, index: int | None, size: Size | None) -> Size:
        if size is None and index is None:
            raise InputError("a centre prior lies over an image of any size: give size=(h, w)")
        return self.images[index].size if size is None else size  # type: ignore[index]

    def __repr__(self) -> str:
        shares = ", ".join(f"{name}={share:.4g}" for name, share in self.shares.items())
        return f"CentrePrior(bandwidth={self.bandwidth:.4g}, {shares}, {len(self.images)} images)"


def fit_centre_prior(
    images: Sequence[Gaze],
    pictures: Sequence[str] | None = None,
    bandwidth: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> CentrePrior:
    """Fit the width and the shares under which each image's fixations are most likely, given those of all others.

    Args:
        images: Gaze of each image, also without fixations; of a clip, one for each frame (`Gaze.at`). Each fixation
            counts once, whatever its weight; those outside the image are left out.
        pictures: Name of each image's picture, where several images show the same one; None is one picture each.
        bandwidth: Standard deviation of the kernel, as a share of the width and the height; None chooses it.
        progress: Called with what share of the work is done, about.

    Raises:
        InputError: If fewer than two pictures have gaze, or an argument does not fit.

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> images = [Gaze(torch.rand(50, 2, generator=draw) * 20 + 20, (60, 60)) for _ in range(6)]
        >>> prior = fit_centre_prior(images)
        >>> prior.map(0).shape, round(prior.map(0).sum().item(), 9)
        (torch.Size([60, 60]), 1.0)
        >>> prior.bits.mean > 1.5  # a ninth of the area: log2(9) would be all of it
        True

    Kümmerer, Wallis, Bethge, Information-theoretic model comparison unifies saliency metrics, PNAS 2015 (the baseline:
    image-independent, cross-validated between images). Botev, Grotowski, Kroese, Kernel density estimation via
    diffusion, Annals of Statistics 2010 (the folded kernel).
    """
    images, pictures = _checked(images, pictures)
    if bandwidth is not None and not _WIDTHS[0] <= bandwidth <= 1:
        raise InputError(f"bandwidth={bandwidth} is no share of an image's side: give one of {_WIDTHS[0]} to 1")
    steps = Steps(progress, 12)
    kept = set(_evenly(images, pictures, _MOST))
    some = [i for i, picture in enumerate(pictures) if picture in kept]
    narrowest = _WIDTHS[0] if bandwidth is None else bandwidth
    sums = _Sums([images[i] for i in some], [pictures[i] for i in some], narrowest)

    def fitted(width: float, left_out: Iterable[str]) -> tuple[float, dict[str, float]]:
        densities = torch.cat([sums.left_out(picture, width) for picture in left_out])
        steps.step()
        return fit_shares(densities, _NAMES)

    if bandwidth is None:
        tested = _evenly(images, pictures, _TESTED)
        bandwidth = likeliest_width(lambda width: fitted(width, tested)[0], _WIDTHS)
    prior = CentrePrior(images, pictures, bandwidth, fitted(bandwidth, sums.of_picture)[1])
    steps.done()
    return prior


_Totals = tuple[int, Float[Tensor, "2 2"], Float[Tensor, "k k"]]
"""Of fixations: how many; sums of u and v, and of their squares; sums of the products of their cosines."""


class _Sums:
    """Sums over the fixations of all images, from which those of one picture are taken off."""

    def __init__(self, images: Sequence[Gaze], pictures: Sequence[str], narrowest: float) -> None:
        self.images = images
        self.pictures = pictures
        self.of_picture: dict[str, list[int]] = {}
        for index, picture in enumerate(pictures):
            self.of_picture.setdefault(picture, []).append(index)
        self.total = self._sum(range(len(images)), math.ceil(_SERIES / narrowest))

    def densities(self, index: int | None, u: Tensor, v: Tensor, width: float) -> Float[Tensor, "n 3"]:
        """Return the kernels', the Gaussian's and the uniform density at points, without the picture of ``index``."""
        columns, rows = (_cosines(x, self._count(width)) for x in (u, v))
        own = self._sum([] if index is None else self.of_picture[self.pictures[index]], self._count(width))
        return self._at(torch.stack([u, v], 1), columns, rows, own, width)

    def left_out(self, picture: str, width: float) -> Float[Tensor, "n 3"]:
        """Return the same at the picture's own fixations, whose cosines are computed once."""
        points = self._points(self.of_picture[picture])
        columns, rows = (_cosines(x, self._count(width)) for x in points.unbind(1))
        return self._at(points, columns, rows, _totals(points, columns.T @ rows), width)

    def grid(self, index: int | None, u: Tensor, v: Tensor, width: float) -> Float[Tensor, "h w 3"]:
        """Return the same at every v and u."""
        own = self._sum([] if index is None else self.of_picture[self.pictures[index]], self._count(width))
        coefficients, mean, deviation = self._without(own, width)
        kernels = _cosines(v, len(coefficients)) @ coefficients.T @ _cosines(u, len(coefficients)).T
        gaussian = folded(v, mean[1], deviation[1])[:, None] * folded(u, mean[0], deviation[0])
        return torch.stack([kernels.clamp_min(0), gaussian, torch.ones_like(kernels)], 2)

    def _at(self, points: Tensor, columns: Tensor, rows: Tensor, own: _Totals, width: float) -> Float[Tensor, "n 3"]:
        coefficients, mean, deviation = self._without(own, width)
        kernels = ((columns @ coefficients) * rows).sum(1).clamp_min(0)
        gaussian = folded(points, mean, deviation).prod(1)
        return torch.stack([kernels, gaussian, torch.ones_like(kernels)], 1)

    def _without(self, own: _Totals, width: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return coefficients of the cosines, and the Gaussian's mean and deviation, of all but one's own fixations."""
        count = self._count(width)
        number, moments = self.total[0] - own[0], self.total[1] - own[1]
        mean, square = moments / number
        k = torch.arange(count, dtype=torch.float64)
        decay = torch.where(k == 0, 1.0, 2.0) * torch.exp(-0.5 * (math.pi * width * k) ** 2)
        coefficients = (self.total[2][:count, :count] - own[2]) * (decay[:, None] * decay / number)
        return coefficients, mean, (square - mean**2).clamp_min(1e-6).sqrt()

    def _sum(self, indices: Sequence[int], count: int) -> _Totals:
        points = self._points(indices)
        products = torch.zeros(count, count, dtype=torch.float64)
        for part in points.split(_PART) if len(points) else ():
            products += _cosines(part[:, 0], count).T @ _cosines(part[:, 1], count)
        return _totals(points, products)

    def _points(self, indices: Sequence[int]) -> Float[Tensor, "n 2"]:
        """Return the fixations of these images, relative to each."""
        images = [self.images[i] for i in indices]
        return torch.cat([torch.zeros(0, 2, dtype=torch.float64), *(_relative(g.points, g.size) for g in images)])

    @staticmethod
    def _count(width: float) -> int:
        return math.ceil(_SERIES / width)


def _totals(points: Tensor, products: Tensor) -> _Totals:
    return len(points), torch.stack([points.sum(0), (points**2).sum(0)]), products


def folded(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the density on [0, 1] of a normal distribution that is folded back at 0 and 1."""
    images = torch.stack([sign * mean + 2 * k for k in range(-2, 3) for sign in (1, -1)], -1)
    z = (x[..., None] - images) / deviation[..., None]
    return torch.exp(-0.5 * z**2).sum(-1) / (deviation * math.sqrt(2 * math.pi))


def _cosines(x: Tensor, count: int) -> Float[Tensor, "n k"]:
    """Return ``cos(pi k x)`` for k below ``count``, from a few of them by the addition theorem, five times as fast."""
    step = 16
    coarse = x[:, None] * (math.pi * step * torch.arange(math.ceil(count / step), dtype=torch.float64))
    fine = x[:, None] * (math.pi * torch.arange(step, dtype=torch.float64))
    products = coarse.cos()[:, :, None] * fine.cos()[:, None] - coarse.sin()[:, :, None] * fine.sin()[:, None]
    return products.flatten(1)[:, :count]


def _relative(points: Float[Tensor, "n 2"], size: Size) -> Float[Tensor, "n 2"]:
    return (points.double() + 0.5) / torch.tensor([size[1], size[0]], dtype=torch.float64)


def _vector(shares: Mapping[str, float]) -> Tensor:
    return torch.tensor(list(shares.values()), dtype=torch.float64)


def _evenly(images: Sequence[Gaze], pictures: Sequence[str], most: int) -> list[str]:
    """Return evenly spaced pictures that have about so many fixations; all, where that is enough."""
    every = math.ceil(sum(len(gaze.points) for gaze in images) / most)
    looked_at = dict.fromkeys(p for gaze, p in zip(images, pictures, strict=True) if len(gaze.points))
    return list(looked_at)[::every]


def _checked(images: Sequence[Gaze], pictures: Sequence[str] | None) -> tuple[list[Gaze], list[str]]:
    names = [str(i) for i in range(len(images))] if pictures is None else list(pictures)
    if len(names) != len(images):
        raise InputError(f"{len(names)} names of pictures for {len(images)} images: give one for each")
    if any(gaze.frame is not None for gaze in images):
        raise InputError("gaze of a clip has no density of its own: give each frame's, gaze.at(frame)")
    inside = [gaze.inside() for gaze in images]
    looked_at = {name for name, gaze in zip(names, inside, strict=True) if len(gaze.points)}
    if len(looked_at) < 2:
        raise InputError(f"{len(looked_at)} pictures have gaze: a prior of the others takes two at least")
    return inside, names
