"""Log-likelihood of fixations under a predicted density, and its gain over a baseline."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.flat_maps import density_parts, flat, locate, mean_over, widest
from haa.metrics.functional.passes import image_by_image, total


def log_likelihood(
    prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"], minimum: float = 1e-20
) -> Float[Tensor, " b"]:
    """Return the mean log-likelihood of the fixations under the predicted density, in nats per fixation.

    ``LL = 1/n sum_i log p(x_i)``, where p is the map with ``minimum`` added to every pixel, divided by its sum. So p is
    the probability of a pixel, and a uniform prediction scores ``-log(h w)``. Follows pysaliency's ``log_likelihood``
    of a model that has this density.

    Args:
        prediction: Densities of any scale; negative values shift the map to minimum 0; all zero means uniform.
        fixations: Points (x, y) in pixels of the map; NaN pads.
        minimum: Amount that is added to every pixel, so that no fixation is impossible.

    Returns:
        Value per sample; higher is better; NaN without fixations.

    Raises:
        InputError: If the shapes do not fit together.

    Example:
        >>> import torch
        >>> log_likelihood(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[0.0, 0.0]]])).round(decimals=4)
        tensor([-1.3863])

    Kuemmerer et al., Information-theoretic model comparison unifies saliency metrics, PNAS 2015.
    """
    pixel, on = locate(fixations, prediction)
    maps = flat(prediction)
    return image_by_image(
        lambda m, pixel, on: _log_likelihood(m, pixel, on, minimum).to(m.dtype),
        lambda m, pixel, on: _log_likelihood_of_one(m, pixel[on], minimum),
        maps,
        pixel,
        on,
    )


def information_gain(
    prediction: Shaped[Tensor, "b h w"],
    baseline: Shaped[Tensor, "b h w"],
    fixations: Float[Tensor, "b n 2"],
    minimum: float = 1e-20,
) -> Float[Tensor, " b"]:
    """Return the bits per fixation that the prediction tells beyond a baseline, usually a centre bias.

    ``IG = 1/n sum_i log2 p(x_i) - log2 b(x_i)``, with both maps as in `log_likelihood`. Follows pysaliency. The
    MIT benchmark's Matlab code differs: it stretches both maps to [0, 1] first, which makes the least salient pixel an
    impossible one, and it counts a pixel once that is fixated twice.

    Args:
        prediction: Densities of any scale.
        baseline: Densities of any scale, of the same size.
        fixations: Points (x, y) in pixels of the maps; NaN pads.
        minimum: Amount that is added to every pixel, so that no fixation is impossible.

    Returns:
        Value per sample; higher is better, 0 is as good as the baseline; NaN without fixations.

    Raises:
        InputError: If the shapes do not fit together.

    Example:
        >>> import torch
        >>> uniform = torch.ones(1, 1, 4)
        >>> information_gain(torch.tensor([[[4.0, 2.0, 1.0, 1.0]]]), uniform, torch.tensor([[[0.0, 0.0]]]))
        tensor([1.])

    Kuemmerer et al., Information-theoretic model comparison unifies saliency metrics, PNAS 2015.
    """
    pixel, on = locate(fixations, prediction)
    b = flat(baseline, like=prediction)
    p = flat(prediction).to(b.dtype)

    def gain(p: Tensor, b: Tensor, pixel: Tensor, on: Tensor) -> Tensor:
        return (_log_likelihood(p, pixel, on, minimum) - _log_likelihood(b, pixel, on, minimum)) / math.log(2)

    def gain_of_one(p: NDArray, b: NDArray, pixel: NDArray, on: NDArray) -> float:
        pixel = pixel[on]
        gain = _log_likelihood_of_one(p, pixel, minimum) - _log_likelihood_of_one(b, pixel, minimum)
        return gain / math.log(2)

    return image_by_image(lambda *rows: gain(*rows).to(p.dtype), gain_of_one, p, b, pixel, on)


def _log_likelihood(
    maps: Float[Tensor, "b p"], pixel: Int[Tensor, "b n"], on: Bool[Tensor, "b n"], minimum: float
) -> Float[Tensor, " b"]:
    p, total = density_parts(maps)
    chosen, whole = widest(p.gather(1, pixel)) + minimum, widest(total) + minimum * p.shape[1]
    return mean_over(chosen.log() - whole.log(), on)


def _log_likelihood_of_one(values: NDArray, pixel: NDArray, minimum: float) -> float:
    """Return the log-likelihood of one image without negative values; NaN for any other, and without fixations."""
    whole = total(values)
    if not len(pixel) or not (whole > 0 and np.minimum.reduce(values) >= 0):
        return math.nan
    chosen = np.log(values[pixel].astype(np.float64) + minimum)
    return float(chosen.sum()) / len(pixel) - math.log(whole + minimum * len(values))
