"""Rank correlation of two maps."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from haa.metrics.functional.cc import cc
from haa.metrics.functional.flat_maps import flat


def spearman(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], grid: tuple[int, int] | None = None
) -> Float[Tensor, " b"]:
    """Return Spearman's rank correlation of prediction and ground truth; equal values share their average rank.

    It is Pearson's correlation (`cc`) of the ranks. Follows ``scipy.stats.spearmanr``. VQA-HAT reports it on maps
    reduced to 14 x 14 cells: ``grid=(14, 14)``. A constant prediction scores 0, as for `cc` (NaN in scipy).

    Args:
        prediction: Saliency maps of any scale.
        density: Ground truth maps of any scale.
        grid: Number of cells (height, width) over which both maps are averaged first; None ranks the pixels.

    Returns:
        Value per sample in [-1, 1]; NaN where the ground truth is constant.

    Raises:
        InputError: If the shapes differ.

    Example:
        >>> spearman(torch.tensor([[[0.0, 1.0, 2.0]]]), torch.tensor([[[1.0, 9.0, 5.0]]]))
        tensor([0.5000])

    Das et al., Human attention in visual question answering, EMNLP 2016.
    """
    shape = prediction.shape
    s = flat(prediction)
    g = flat(density, like=prediction).to(s.dtype)
    if grid is not None:
        s, g = (adaptive_avg_pool2d(m.view(len(m), 1, *shape[1:]), grid).flatten(1) for m in (s, g))
    return cc(_ranks(s)[:, None], _ranks(g)[:, None])


def _ranks(rows: Float[Tensor, "b p"]) -> Float[Tensor, "b p"]:
    """Return average ranks, centred on 0 and scaled to lie between -1/2 and 1/2.

    Before the scaling, float32 holds the halves exactly up to sixteen million pixels.
    """
    ordered = rows.sort(dim=1).values
    below = torch.searchsorted(ordered, rows.contiguous(), right=False)
    reached = torch.searchsorted(ordered, rows.contiguous(), right=True)
    length = rows.shape[1]
    ranks = (below + reached - length).to(rows.dtype) / (2 * length)
    return torch.where(rows.isnan().any(1, keepdim=True), torch.nan, ranks)
