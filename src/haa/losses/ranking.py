"""Ranking loss of HINT: the model should rank cells by importance as people do."""

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
    r"""Return how far the attention ranks pairs of cells against people, as a mean over the pairs that people rank.

    .. math:: \frac{1}{|S|} \sum_{(p, q) \in S} \max(0, A_q - A_p), \quad S = \{(p, q): H_p > H_q\}

    Selvaraju et al., Taking a HINT (ICCV 2019): their loss is the absolute difference in importance, summed over the
    pairs that the model ranks against people. Here the sum is divided by the number of pairs, and the attention by its
    mean magnitude: otherwise a model could lower the loss by shrinking all importances.

    Args:
        attention: The model's map, any real values: the importance of each cell.
        human: Human map, non-negative; a flat map ranks nothing and gives 0.
        tolerance: Share of the human map's maximum by which two cells must differ to be ranked: the far tails of a
            Gaussian rank nothing.
        side: Side of the largest map that is ranked as it is. Maps with more than side x side cells are averaged down
            to that, since the number of pairs grows with the square of the number of cells.

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
        ranked = h[:, :, None] - h[:, None, :] > tolerance * h.amax(1)[:, None, None]
        excess = (a[:, None, :] - a[:, :, None]).relu()
        return torch.where(ranked, excess, 0.0).sum((1, 2)) / ranked.sum((1, 2)).clamp_min(1)


def _cells(values: Tensor, side: int) -> Tensor:
    values = floating(values)
    height, width = values.shape[1:]
    if height * width > side * side:
        values = adaptive_avg_pool2d(values[:, None], (min(height, side), min(width, side)))[:, 0]
    return values.flatten(1)
