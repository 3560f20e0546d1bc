"""The human ceiling as a mixture: one person's fixations told from the other people's on the same image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from haa.errors import InputError
from haa.evaluation.centre_prior import CentrePrior
from haa.evaluation.mixtures import Bits, Steps, fit_shares, likeliest_width, mean_bits
from haa.gaze import Gaze, Size

SQUARE_ROOT = 0.5
"""Power of the density by which adaptive kernels are narrower: Abramson's square-root law."""
_NAMES = ("kernels", "prior", "uniform")
_WIDTHS = (0.003, 0.2)
"""Kernel widths that are searched, as shares of the longer side."""
_REACH = 7.5
"""Widths from the image beyond which a mirror image of a kernel is left out: it is below 1e-12 of its top there."""
_NARROWEST, _WIDEST = 0.5, 0.25
"""Least width of a kernel in pixels, and greatest as a share of the shorter side: wider ones reach over the mirrors."""
_PAIRS, _TESTED = 2**24, 2**22
"""Pairs of fixations by which shares, and a width, are chosen at most, of evenly spaced images. OSIE has 14 million."""
_PART = 512
"""Fixations whose distances to all others are in memory at a time."""


class People:
    """Where people look on an image, told from other people's fixations on it.

    The density of a person's fixations, per pixel, is

        ``f(x) = s_k 1/n sum_j K_j(x - x_j) + s_p prior(x) + s_u / (h w)``

    over the n fixations of the others. The prior is told from other images (`CentrePrior`). Kernels are round
    Gaussians; what lies beyond the border is folded back, so that f sums to 1 on the image. Their widths are
    ``bandwidth * l * (pilot(x_j) / g) ** -sensitivity`` with the longer side l, the mixture of kernels of one width as
    pilot, and its geometric mean g over the n fixations (Silverman's section 5.3). The pilot leaves the person out,
    too: nothing in f knows whose fixations it is asked about.

    The fit is `fit_people`'s.

    Args:
        prior: Centre prior of the same images, whose gaze says who looked.
        bandwidth: Standard deviation of a kernel, as a share of the longer side.
        shares: Shares of ``kernels``, ``prior`` and ``uniform``. Where nobody else looked, the latter two make it up.
        sensitivity: Power of the pilot; 0 is kernels of one width, 1/2 Abramson's law.
        pilot: The mixture that says where kernels are narrow; None only with a sensitivity of 0.
    """

    def __init__(
        self,
        prior: CentrePrior,
        bandwidth: float,
        shares: Mapping[str, float],
        sensitivity: float = 0.0,
        pilot: People | None = None,
    ) -> None:
        self.prior = prior
        self.images = prior.images
        self.bandwidth = bandwidth
        self.shares = {name: shares[name] for name in _NAMES}
        self.sensitivity = sensitivity
        self.pilot = pilot

    def log_density(self, index: int, points: Float[Tensor, "n 2"], without: int | None = None) -> Float[Tensor, " n"]:
        """Return the natural logarithm of the density at points of an image, per pixel.

        Args:
            index: Image. The prior leaves out its picture.
            points: x and y in pixels of the image.
            without: Person who is left out; None leaves out nobody.
        """
        gaze = self._others(index, without)
        prior = self.prior.log_density(index, points).exp()
        kernels = _kernel_sum(points.double(), gaze.points.double(), self._widths(index, without), gaze.size)
        return self._mixed(kernels, len(gaze.points), prior, gaze.size).log()

    def log_density_of_left_out(self, index: int) -> Float[Tensor, " n"]:
        """Return the logarithms of the density at all fixations of an image, each without the person who made it."""
        if not len(self.images[index].points):
            return torch.zeros(0, dtype=torch.float64)
        image = _LeftOut(self.prior, index)
        factors = None if self.pilot is None else image.factors(self.pilot)
        kernels = image.kernels(self.bandwidth, self.sensitivity, factors)
        return self._mixed(kernels, image.rest[image.person], image.prior, image.size).log()

    def map(self, index: int, without: int | None = None) -> Float[Tensor, "h w"]:
        """Return the density at the pixels' centres of an image; it sums to 1.

        Args:
            index: Image. The prior leaves out its picture.
            without: Person who is left out; None leaves out nobody.
        """
        gaze = self._others(index, without)
        centres, widths, _ = _mirrored(gaze.points.double(), self._widths(index, without), gaze.size)
        columns, rows = (
            torch.exp(((torch.arange(length) - x[:, None]) / widths[:, None]).square() / -2)
            for length, x in zip(gaze.size[::-1], centres.T, strict=True)
        )
        kernels = (rows / (2 * math.pi * widths**2)[:, None]).T @ columns
        values = self._mixed(kernels, len(gaze.points), self.prior.map(index), gaze.size)
        return values / values.sum()

    @cached_property
    def bits(self) -> Bits:
        """What the others tell of each person's fixations beyond the uniform density; NaN where nobody looked."""
        own = [self.log_density_of_left_out(i) + math.log(math.prod(g.size)) for i, g in enumerate(self.images)]
        return Bits(torch.tensor([mean_bits(values) for values in own]), self.prior.pictures)

    @property
    def bits_over_prior(self) -> Bits:
        """What the others tell of each person's fixations beyond the centre prior; NaN where nobody looked."""
        return Bits(self.bits.values - self.prior.bits.values, self.prior.pictures)

    def _others(self, index: int, without: int | None) -> Gaze:
        gaze = self.images[index]
        if gaze.subject is None:  # an image at which nobody looked
            return gaze
        return gaze.of(*[person for person in gaze.subject.unique().tolist() if person != without])

    def _widths(self, index: int, without: int | None) -> Float[Tensor, " n"]:
        gaze = self._others(index, without)
        factors = torch.zeros(len(gaze.points), dtype=torch.float64)
        if self.pilot is not None and len(gaze.points):
            density = self.pilot.log_density(index, gaze.points, without)
            factors = density.mean() - density
        return _width(self.bandwidth, self.sensitivity * factors, gaze.size)

    def _mixed(self, kernels: Tensor, number: Tensor | int, prior: Tensor, size: Size) -> Tensor:
        """Return the mixture of the kernels' sum, over so many fixations, with the prior and the uniform density."""
        number = torch.as_tensor(number, dtype=torch.float64)
        s_k, s_p, s_u = (self.shares[name] for name in _NAMES)
        rest = s_p * prior + s_u / math.prod(size)
        alone = rest / (s_p + s_u) if s_p + s_u else torch.full_like(prior, 1 / math.prod(size))
        return torch.where(number > 0, s_k * kernels / number.clamp_min(1) + rest, alone)

    def __repr__(self) -> str:
        shares = ", ".join(f"{name}={share:.4g}" for name, share in self.shares.items())
        kind = "" if self.pilot is None else f", sensitivity={self.sensitivity:.4g}"
        return f"People(bandwidth={self.bandwidth:.4g}{kind}, {shares}, {len(self.images)} images)"


def fit_people(
    images: Sequence[Gaze],
    prior: CentrePrior,
    bandwidth: float | None = None,
    adaptive: bool | None = None,
    progress: Callable[[float], None] | None = None,
) -> People:
    """Fit the width and the shares under which each person's fixations are most likely, given those of the others.

    One set of parameters serves all images: the one of greatest likelihood over all people, each left out in turn.

    Args:
        images: Gaze of each image, with people told apart; the prior's images, in its order.
        prior: Centre prior of these images (`haa.evaluation.centre_prior.fit_centre_prior`).
        bandwidth: Standard deviation of a kernel, as a share of the longer side; None chooses it.
        adaptive: Whether kernels are narrower where people look more. None is where that makes the left-out likelier.
        progress: Called with what share of the work is done, about.

    Raises:
        InputError: If the images are not the prior's, do not say who looked, or nobody looked where another did.

    Example:
        >>> from haa.evaluation.centre_prior import fit_centre_prior
        >>> draw = torch.Generator().manual_seed(0)
        >>> spots = torch.rand(8, 1, 2, generator=draw) * 80 + 10
        >>> subject = torch.arange(60) % 6
        >>> images = [Gaze(s + 3 * torch.randn(60, 2, generator=draw), (100, 100), subject) for s in spots]
        >>> people = fit_people(images, fit_centre_prior(images))
        >>> people.bits_over_prior.mean > 3
        True
        >>> people.map(0, without=2).shape
        torch.Size([100, 100])

    Kümmerer, Wallis, Bethge, Information-theoretic model comparison unifies saliency metrics, PNAS 2015 (the gold
    standard, cross-validated between people). Abramson, On bandwidth variation in kernel estimates: a square root law,
    Annals of Statistics 1982; Silverman, Density estimation for statistics and data analysis, 1986, section 5.3
    (adaptive kernels). Agrawal, Hollman, Kümmerer, Raising the ceiling: better empirical fixation densities for
    saliency benchmarking, arXiv 2605.03885, 2026 (adaptive kernels for fixations; there each image has its own fit).
    """
    if len(images) != len(prior.images) or any(a.size != b.size for a, b in zip(images, prior.images, strict=True)):
        raise InputError("these images are not those of the prior: fit both to the same list")
    if bandwidth is not None and not 0 < bandwidth <= 1:
        raise InputError(f"bandwidth={bandwidth} is no share of an image's longer side: give one above 0, 1 at most")
    looked = [i for i, gaze in enumerate(prior.images) if len(gaze.points)]
    nameless = [i for i in looked if prior.images[i].subject is None]
    if nameless:
        raise InputError(f"the gaze of image {nameless[0]} does not say who looked: a human ceiling needs people apart")
    several = [i for i in looked if len(prior.images[i].subject.unique()) > 1]  # type: ignore[union-attr]
    if not several:
        raise InputError("no image was looked at by two people: a human ceiling takes two")
    steps = Steps(progress, 24)

    left_out = [_LeftOut(prior, i) for i in several]
    pairs = sum(len(image.points) ** 2 for image in left_out)
    some, tested = (left_out[:: math.ceil(pairs / most)] for most in (_PAIRS, _TESTED))
    factors: dict[int, Tensor] = {}

    def fitted(width: float, images: list[_LeftOut], pilot: People | None = None) -> tuple[float, People]:
        power = 0.0 if pilot is None else SQUARE_ROOT
        for image in images:
            if pilot is not None and image.index not in factors:
                factors[image.index] = image.factors(pilot)
        densities = [image.densities(width, power, factors.get(image.index)) for image in images]
        likelihood, shares = fit_shares(torch.cat(densities), _NAMES)
        steps.step()
        return likelihood, People(prior, width, shares, power, pilot)

    width = likeliest_width(lambda width: fitted(width, tested)[0], _WIDTHS) if bandwidth is None else bandwidth
    likelihood, fixed = fitted(width, some)
    if adaptive is False:
        steps.done()
        return fixed
    if bandwidth is None:
        width = likeliest_width(lambda width: fitted(width, tested, fixed)[0], (width / 2, width * 2))
    likelier, adapted = fitted(width, some, fixed)
    steps.done()
    return adapted if adaptive or likelier > likelihood else fixed


class _LeftOut:
    """Fixations of one image, some at least, and what those of people other than the one who made it say of each."""

    def __init__(self, prior: CentrePrior, index: int) -> None:
        gaze = prior.images[index]
        self.index = index
        self.size = gaze.size
        self.points = gaze.points.double()
        assert gaze.subject is not None
        people, self.person = gaze.subject.unique(return_inverse=True)
        self.by = torch.nn.functional.one_hot(self.person, len(people)).double()
        self.rest = len(self.points) - self.by.sum(0)
        """Fixations of the others, for each person."""
        self.prior = prior.own[index].exp()

    def kernels(
        self, bandwidth: float, sensitivity: float, factors: Float[Tensor, "p n"] | None
    ) -> Float[Tensor, " n"]:
        """Return the sum of the others' kernels at each fixation."""
        widths = _width(bandwidth, torch.zeros(1, len(self.points), dtype=torch.float64), self.size)
        sums = []
        for part, person in zip(self.points.split(_PART), self.person.split(_PART), strict=True):
            if factors is not None:
                widths = _width(bandwidth, sensitivity * factors[person], self.size)
            values = _kernel_values(part, self.points, widths, self.size)
            sums.append((values * (person[:, None] != self.person)).sum(1))
        return torch.cat(sums)

    def factors(self, pilot: People) -> Float[Tensor, "p n"]:
        """Return how much wider than the mean each kernel is, as a logarithm, when each of the people is left out."""
        widths = _width(pilot.bandwidth, torch.zeros(1, len(self.points), dtype=torch.float64), self.size)
        values = [_kernel_values(part, self.points, widths, self.size) @ self.by for part in self.points.split(_PART)]
        by_person = torch.cat(values)
        others = by_person.sum(1, keepdim=True) - by_person
        density = pilot._mixed(others, self.rest, self.prior[:, None], self.size).log()
        mean = (density * (1 - self.by)).sum(0) / self.rest.clamp_min(1)
        return (mean - density).T

    def densities(self, bandwidth: float, sensitivity: float, factors: Tensor | None) -> Float[Tensor, "n 3"]:
        """Return what is mixed, over the uniform density, at the fixations of people who are not alone."""
        number = self.rest[self.person]
        kernels = self.kernels(bandwidth, sensitivity, factors) / number
        densities = torch.stack([kernels, self.prior, torch.full_like(kernels, 1 / math.prod(self.size))], 1)
        return densities[number > 0] * math.prod(self.size)


def _width(bandwidth: float, factors: Tensor, size: Size) -> Tensor:
    return (bandwidth * max(size) * factors.exp()).clamp(_NARROWEST, _WIDEST * min(size))


def _kernel_sum(points: Tensor, centres: Tensor, widths: Float[Tensor, " n"], size: Size) -> Float[Tensor, " m"]:
    """Return the sum of folded kernels at points, per pixel."""
    centres, widths, _ = _mirrored(centres, widths, size)
    parts = [_gaussian(part, centres, widths).sum(1) for part in points.split(_PART)]
    return torch.cat([torch.zeros(0, dtype=torch.float64), *parts])


def _kernel_values(
    points: Float[Tensor, "m 2"], centres: Float[Tensor, "n 2"], widths: Float[Tensor, "w n"], size: Size
) -> Float[Tensor, "m n"]:
    """Return the density of each folded kernel at each point, per pixel; widths may differ by point (w = m, or 1)."""
    _, _, kernel = mirrors = _mirrored(centres, widths.amax(0), size)
    values = _gaussian(points, mirrors[0], widths[:, kernel])
    n = len(centres)
    return values[:, :n].index_add_(1, kernel[n:], values[:, n:])


def _gaussian(points: Tensor, centres: Tensor, widths: Tensor) -> Float[Tensor, "m n"]:
    square = (points[:, :1] - centres[:, 0]) ** 2 + (points[:, 1:] - centres[:, 1]) ** 2
    variance = widths**2
    return torch.exp(square / (-2 * variance)) / (2 * math.pi * variance)


def _mirrored(centres: Tensor, widths: Tensor, size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """Return kernels, then their mirror images that reach into the image: centres, widths, and whose they are."""
    sides = torch.tensor([size[1], size[0]], dtype=torch.float64)
    inside = centres + 0.5
    # a mirror at 0 and one at l show x at 2 l k + x and 2 l k - x
    images = torch.stack([sign * inside + 2 * k * sides for k in (0, -1, 1) for sign in (1, -1)])
    beyond = (images - images.clamp(torch.zeros(2, dtype=torch.float64), sides)).square()
    near = beyond[:, None, :, 0] + beyond[None, :, :, 1] < (_REACH * widths) ** 2
    near[0, 0] = False
    across, down, kernel = near.nonzero(as_tuple=True)
    mirrors = torch.stack([images[across, kernel, 0], images[down, kernel, 1]], 1) - 0.5
    whose = torch.cat([torch.arange(len(centres)), kernel])
    return torch.cat([centres, mirrors]), widths[whose], whose
