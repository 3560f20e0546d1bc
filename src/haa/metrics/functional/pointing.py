"""Pointing game, and overlap of the most salient pixels of two maps."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.metrics.functional.flat_maps import flat


def pointing_game(
    prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"], tolerance: float = 15.0
) -> Float[Tensor, " b"]:
    """Return 1 if the prediction's greatest value lies on the object or within a tolerance of it: the pointing game.

    If several pixels have the greatest value, the score is the share of them that hit. That is the expected score of a
    random one among them, so a constant map scores the (dilated) object's share of the image. In the original the first
    one decides.

    Args:
        prediction: Saliency maps of any scale.
        mask: Mask that is true (or above 0) on the object.
        tolerance: Distance from the object that still counts as a hit, in pixels; the paper's is 15 for images as large
            as PASCAL VOC's.

    Returns:
        Value per sample in [0, 1]; NaN where the mask is empty.

    Raises:
        InputError: If the shapes differ, or the tolerance is negative.

    Example:
        >>> maps, mask = torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]), torch.tensor([[[0, 0, 0, 1]]])
        >>> pointing_game(maps, mask, tolerance=1), pointing_game(maps, mask, tolerance=2)
        (tensor([0.]), tensor([1.]))

    Zhang et al., Top-down neural attention by excitation backprop, IJCV 2018.
    """
    if tolerance < 0:
        raise InputError(f"pointing_game got tolerance={tolerance}: give a distance in pixels, at least 0")
    maps = flat(prediction)
    flat(mask, like=prediction)
    on = mask > 0
    h, w = on.shape[1:]
    reach = min(int(tolerance), h - 1)
    near = torch.zeros_like(on)
    for dy in range(-reach, reach + 1):
        half = min(int((tolerance**2 - dy**2) ** 0.5), w - 1)
        # count the object pixels within `half` columns, as a difference of running sums
        sums = torch.nn.functional.pad(on.to(torch.int32).cumsum(2), (half + 1, half), mode="constant")
        sums[:, :, half + 1 + w :] = sums[:, :, half + w : half + w + 1]
        wide = sums[:, :, 2 * half + 1 :] > sums[:, :, :w]
        source = wide[:, max(dy, 0) : h + min(dy, 0)]
        near[:, max(-dy, 0) : h + min(-dy, 0)] |= source
    peak = maps == maps.amax(1, keepdim=True)
    score = (peak & near.flatten(1)).sum(1).to(maps.dtype) / peak.sum(1)
    return torch.where(on.flatten(1).any(1), score, torch.nan)


def topk_iou(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], fraction: float = 0.1
) -> Float[Tensor, " b"]:
    """Return the intersection over union of the most salient pixels of two maps.

    The set of each map holds the ``round(fraction h w)`` greatest pixels, and every pixel equal to the least of them.

    Args:
        prediction: Saliency maps of any scale.
        density: Ground truth maps of any scale.
        fraction: Share of pixels in a set, above 0 and at most 1.

    Returns:
        Value per sample in [0, 1].

    Raises:
        InputError: If the shapes differ, or the fraction is out of range.

    Example:
        >>> a, b = torch.tensor([[[4.0, 3.0, 2.0, 1.0]]]), torch.tensor([[[4.0, 1.0, 3.0, 2.0]]])
        >>> topk_iou(a, b, fraction=0.5).round(decimals=4)
        tensor([0.3333])

    Fel et al., Harmonizing the object recognition strategies of deep neural networks with humans, NeurIPS 2022.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"topk_iou got fraction={fraction}: give a share above 0 and at most 1")
    s = flat(prediction)
    g = flat(density, like=prediction)
    k = max(round(fraction * s.shape[1]), 1)
    top_s, top_g = (m >= m.topk(k, dim=1).values[:, -1:] for m in (s, g))
    score = (top_s & top_g).sum(1).to(s.dtype) / (top_s | top_g).sum(1)
    return torch.where(s.isnan().any(1) | g.isnan().any(1), torch.nan, score)
