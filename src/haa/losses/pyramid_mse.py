"""Harmonisation loss: squared error of rectified, standardised maps over a Gaussian pyramid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import standardised


def pyramid_mse(
    attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"], levels: int = 5, eps: float = 1e-6
) -> Float[Tensor, " b"]:
    r"""Return the squared difference of the two maps' prominent parts, averaged over a Gaussian pyramid's levels.

    .. math:: \frac1L \sum_{l=1}^L \frac{1}{n_l} \left\| P_l(z(A)^+) - P_l(z(H)^+) \right\|^2

    where z standardises a map, ^+ cuts what is below its mean, and P_l blurs and halves it l - 1 times. Fel et al.,
    Harmonizing the object recognition strategies of deep neural networks with humans (NeurIPS 2022), as the authors
    compute it. Maps are standardised once, at full size. The human map is scaled to the attention's maximum, which is a
    constant to the gradient. A level's mean replaces its sum. The filter is the binomial (1 4 6 4 1)/16, with zeros
    beyond the border.

    Args:
        attention: The model's map, any real values; a gradient map in the paper.
        human: Human map, any real values.
        levels: Number of levels of the pyramid; the first is the map itself. A map of 1 x 1 stays one.
        eps: Number added to the standard deviation, relative to the map's largest magnitude.

    Returns:
        One value per sample, >= 0, float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> a = torch.rand(1, 8, 8)
        >>> pyramid_mse(3 * a, a) < 1e-8
        tensor([True])
    """
    with torch.autocast(attention.device.type, enabled=False):
        machine, people = standardised(attention, eps).relu(), standardised(human, eps).relu().to(attention.device)
        largest = people.amax((1, 2), keepdim=True)
        people = people / torch.where(largest > 0, largest, 1.0) * machine.detach().amax((1, 2), keepdim=True)
        # a pyramid is linear: the pyramid of the difference is the difference of the pyramids
        difference = (machine - people)[:, None]
        total = difference.square().mean((1, 2, 3))
        for _ in range(levels - 1):
            difference = _halved(difference)
            total = total + difference.square().mean((1, 2, 3))
        return total / levels


def _halved(maps: Tensor) -> Tensor:
    # with this padding, a filter of 5 at a step of 2 gives ceil(n / 2) cells; the larger part of an odd sum comes last
    bottom, right = (4 - (n % 2 == 0) for n in maps.shape[2:])
    maps = F.pad(maps, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
    # (1 4 6 4 1) / 16 is four averages of neighbours; a convolution would run in TensorFloat-32 on CUDA
    for stride in (1, 1, 1, 2):
        maps = F.avg_pool2d(maps, 2, stride)
    return maps
