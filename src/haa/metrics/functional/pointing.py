"""Does the peak lie on the object, and do the peaks of two maps overlap."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.metrics.functional.maps import flat


def pointing_game(
    prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"], tolerance: float = 15.0
) -> Float[Tensor, " b"]:
    """The pointing game: 1 if the prediction's greatest value lies on the object or within a tolerance of it.

    Several equal greatest values count by their share of hits, which is the expected score of a random one among them,
    so a constant map scores the (dilated) object's share of the image. In the original the first one decides.

    Args:
        prediction: saliency maps of any scale.
        mask: true (or above 0) on the object.
        tolerance: in pixels; the paper's is 15 for images as large as PASCAL VOC's.

    Returns:
        Per sample in [0, 1]; NaN where the mask is empty.

    Raises:
        InputError: if the shapes differ, or the tolerance is negative.

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
        # how many object pixels within `half` columns, by a difference of running sums
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
    """Intersection over union of the most salient pixels of two maps.

    Each map's set holds the ``round(fraction h w)`` greatest pixels, and every pixel that equals the least of them.

    Args:
        prediction: saliency maps of any scale.
        density: ground truth maps of any scale.
        fraction: the share of pixels in a set, above 0 and at most 1.

    Returns:
        Per sample in [0, 1].

    Raises:
        InputError: if the shapes differ, or the fraction is out of range.

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
