"""Pearson's correlation between attention and human map, as a loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import centred, deviation


def correlation(
    attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"], eps: float = 1e-6
) -> Float[Tensor, " b"]:
    r"""Return one minus Pearson's correlation coefficient over the cells of the two maps.

    .. math:: 1 - \frac{\mathrm{cov}(A, H)}{\sigma_A \sigma_H}

    CC is the measure of Le Meur et al. (Vision Research 2007); as a training loss see Jia and Bruce, EML-NET (2020).
    It does not change when either map is scaled or shifted.

    Args:
        attention: The model's map, any real values.
        human: Human map, any real values; a constant map gives 1 with zero gradient.
        eps: Number added to each standard deviation, relative to the map's largest magnitude. It keeps the gradient of
            a flat attention map finite.

    Returns:
        One value per sample in [0, 2], float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> a = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
        >>> correlation(2 * a + 1, a).abs() < 1e-5
        tensor([True])
        >>> correlation(-a, a).round(decimals=4)
        tensor([2.])
    """
    with torch.autocast(attention.device.type, enabled=False):
        a, h = centred(attention), centred(human)
        covariance = (a * h).mean((1, 2))
        return 1 - covariance / (deviation(a, eps) * deviation(h, eps))
