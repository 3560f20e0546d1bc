"""What mixtures of densities share: shares and widths by likelihood, and bits per fixation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import t as student
from torch import Tensor

LEAST = 1e-6
"""Smallest uniform share: no fixation is impossible."""


@dataclass(frozen=True)
class Bits:
    """Information that a density tells about fixations, beyond another density, in bits per fixation.

    Args:
        values: Mean over the fixations of each image; NaN where nobody looked.
        pictures: Name of each image's picture; images of one picture count once in the mean and the interval.

    Example:
        >>> import torch
        >>> bits = Bits(torch.tensor([1.0, 3.0, 5.0]), ["a", "b", "b"])
        >>> bits.mean
        2.5
    """

    values: Float[Tensor, " images"]
    pictures: Sequence[str]

    @cached_property
    def _of_pictures(self) -> list[float]:
        values: dict[str, list[float]] = {}
        for picture, value in zip(self.pictures, self.values.tolist(), strict=True):
            if not math.isnan(value):
                values.setdefault(picture, []).append(value)
        return [sum(v) / len(v) for v in values.values()]

    @property
    def mean(self) -> float:
        """Mean over pictures; NaN without any."""
        return float(np.mean(self._of_pictures)) if self._of_pictures else math.nan

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of the mean over pictures, by Student's t; NaN with fewer than two."""
        values = self._of_pictures
        if len(values) < 2:
            return math.nan, math.nan
        half = student.ppf((1 + level) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
        return self.mean - float(half), self.mean + float(half)


def mean_bits(values: Float[Tensor, " n"]) -> float:
    """Return the mean of natural logarithms in bits; NaN of none."""
    return values.mean().item() / math.log(2) if len(values) else math.nan


def fit_shares(densities: Float[Tensor, "n k"], names: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Return the mean log-likelihood of a mixture of these densities, and the shares that make it greatest.

    The likelihood is concave in the shares, so that there is one maximum. The last is never below `LEAST`.

    Example:
        >>> import torch
        >>> likelihood, found = fit_shares(torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]]), ("a", "uniform"))
        >>> {name: round(share, 4) for name, share in found.items()}  # 2 / (1 + s) = 1 / (1 - s)
        {'a': 0.3333, 'uniform': 0.6667}
    """
    values = densities.double().numpy()
    k = values.shape[1]

    def loss(s: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = values @ s
        return -float(np.log(mixed).mean()), -(values / mixed[:, None]).mean(0)

    least = np.array([0.0] * (k - 1) + [LEAST])
    start = np.full(k, 1 / k)
    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(low, 1.0) for low in least],
        constraints={"type": "eq", "fun": lambda s: s.sum() - 1, "jac": lambda s: np.ones(k)},
        options={"ftol": 1e-12, "maxiter": 200},
    )
    best = np.maximum(np.where(found.x < 1e-9, 0.0, found.x), least)
    best /= best.sum()
    return -loss(best)[0], dict(zip(names, best.tolist(), strict=True))


def likeliest_width(
    likelihood: Callable[[float], float], bounds: tuple[float, float], tolerance: float = 0.01
) -> float:
    """Return the width of greatest likelihood, to a share of itself (Brent's method over its logarithm)."""
    low, high = map(math.log, bounds)
    options = {"xatol": tolerance}
    found = minimize_scalar(lambda x: -likelihood(math.exp(x)), bounds=(low, high), method="bounded", options=options)
    return math.exp(found.x)


class Steps:
    """Steps of a search whose number is known about, told as the share that is done."""

    def __init__(self, progress: Callable[[float], None] | None, expected: int) -> None:
        self.progress = progress
        self.expected = expected
        self.count = 0

    def step(self) -> None:
        """Tell that one step more is done."""
        self.count += 1
        self._tell(self.count / (self.expected + 1))

    def done(self) -> None:
        """Tell that all is done."""
        self._tell(1.0)

    def _tell(self, share: float) -> None:
        if self.progress is not None:
            self.progress(min(share, 1.0))
