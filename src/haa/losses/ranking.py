"""The ranking loss of HINT: cells should be as important to the machine, in order, as they are to people."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from haa.losses.maps import floating


def ranking(
    attention: Float[Tensor, "b h w"],
    human: Float[Tensor, "b h w"],
    tolerance: float = 1e-3,
    side: int = 16,
) -> Float[Tensor, " b"]:
    r"""Mean over the pairs of cells that people rank of how far the machine has them in the wrong order.

    .. math:: \frac{1}{|S|} \sum_{(p, q) \in S} \max(0, A_q - A_p), \quad S = \{(p, q): H_p > H_q\}

    Selvaraju et al., Taking a HINT (ICCV 2019): their loss is the absolute difference in importance, summed
    over the pairs that the machine ranks against people. Here it is divided by the number of pairs, and the machine's
    map by its mean magnitude: otherwise shrinking all importances would be a way out.

    Args:
        attention: any real values: an importance per cell.
        human: non-negative; a flat map ranks nothing and gives 0.
        tolerance: cells of which the human values differ by less than this share of the map's maximum are not ranked:
            the far tails of a Gaussian are not an opinion.
        side: maps with more than side x side cells are averaged down to that, since pairs grow with the square of the
            number of cells.

    Returns:
        One value per sample, >= 0, float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> human = torch.tensor([[[3.0, 2.0, 1.0]]])
        >>> ranking(torch.tensor([[[6.0, 5.0, 1.0]]]), human)
        tensor([0.])
        >>> ranking(torch.tensor([[[5.0, 6.0, 1.0]]]), human).round(decimals=4)  # 1 / 4 over 3 pairs
        tensor([0.0833])
    """
    with torch.autocast(attention.device.type, enabled=False):
        a, h = _cells(attention, side), _cells(human, side)
        scale = a.abs().mean(1, keepdim=True)
        a = a / torch.where(scale > 0, scale, 1.0)
        above = h[:, :, None] - h[:, None, :] > tolerance * h.amax(1)[:, None, None]
        wrong = (a[:, None, :] - a[:, :, None]).relu()
        return torch.where(above, wrong, 0.0).sum((1, 2)) / above.sum((1, 2)).clamp_min(1)


def _cells(values: Tensor, side: int) -> Tensor:
    values = floating(values)
    height, width = values.shape[1:]
    if height * width > side * side:
        values = adaptive_avg_pool2d(values[:, None], (min(height, side), min(width, side)))[:, 0]
    return values.flatten(1)
