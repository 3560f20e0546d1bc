"""Faithfulness of a map: change of the model's score when the marked pixels are removed, or only they are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from haa.errors import InputError

Score = Callable[[Tensor], Tensor]
"""Function ``images (b, c, h, w) -> (b,)``, for instance the probability of the class that the map explains."""

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of pixels for comprehensiveness and sufficiency; ERASER takes these shares of words."""


def deletion(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b i j"],
    steps: int = 20,
    baseline: Tensor | float = 0.0,
    batch_size: int = 64,
) -> tuple[Float[Tensor, " b"], Float[Tensor, "b k"]]:
    r"""Return the area under the score while the pixels are replaced, those that the map ranks highest first.

    .. math:: \int_0^1 f(x \text{ without its share } s \text{ of highest pixels}) \, ds

    by the trapezoidal rule. Low is faithful: the score falls as soon as the pixels that matter are gone. The model runs
    without gradients, in the mode that it is in: call ``eval()`` before.

    Args:
        score: Function that returns one number per image; it is called with up to ``batch_size`` images.
        image: Images as ``score`` takes them.
        maps: Maps of any resolution, resized bilinearly; of equal values, the first pixel ranks higher.
        steps: Number of equal parts in which the pixels are replaced.
        baseline: Value that replaces a pixel: a number, or a tensor that broadcasts to the image (such as its blurred
            version).
        batch_size: Images per call of ``score``.

    Returns:
        The area per sample, and the curve: the score at shares 0, 1 / steps, ..., 1.

    Raises:
        InputError: If the shapes do not fit, or ``steps`` is not positive.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> area, curve = deletion(lambda x: x.sum((1, 2, 3)), image, image[:, 0], steps=4)
        >>> curve
        tensor([[10.,  6.,  3.,  1.,  0.]])
        >>> area
        tensor([3.7500])

    Petsiuk et al., RISE, BMVC 2018.
    """
    values = _masked_scores(score, image, maps, _grid(steps), baseline, batch_size, insert=False)
    return _area(values), values


def insertion(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b i j"],
    steps: int = 20,
    baseline: Tensor | float = 0.0,
    batch_size: int = 64,
) -> tuple[Float[Tensor, " b"], Float[Tensor, "b k"]]:
    """Return the area under the score while pixels are put into the baseline, those ranked highest first.

    High is faithful: a small part of the picture is enough, if it is the part that matters. Petsiuk et al. start from a
    blurred image (``baseline=blurred``), because sharp islands on grey look like other objects. Arguments and returns
    are those of `deletion`.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> insertion(lambda x: x.sum((1, 2, 3)), image, image[:, 0], steps=4)[1]
        tensor([[ 0.,  4.,  7.,  9., 10.]])

    Petsiuk et al., RISE, BMVC 2018.
    """
    values = _masked_scores(score, image, maps, _grid(steps), baseline, batch_size, insert=True)
    return _area(values), values


def comprehensiveness(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b i j"],
    shares: Sequence[float] = SHARES,
    baseline: Tensor | float = 0.0,
    batch_size: int = 64,
) -> Float[Tensor, " b"]:
    """Return the mean fall of the score when the highest share of pixels is replaced; high is faithful.

    ``mean_s f(x) - f(x without the highest s)``. The default of ``shares`` is the paper's; shares are rounded to whole
    pixels. The other arguments are those of `deletion`.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> comprehensiveness(lambda x: x.sum((1, 2, 3)), image, image[:, 0], shares=[0.25, 0.5])
        tensor([5.5000])

    DeYoung et al., ERASER, ACL 2020, where it is defined for words.
    """
    return _mean_fall(_masked_scores(score, image, maps, [0.0, *shares], baseline, batch_size, insert=False))


def sufficiency(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b i j"],
    shares: Sequence[float] = SHARES,
    baseline: Tensor | float = 0.0,
    batch_size: int = 64,
) -> Float[Tensor, " b"]:
    """Return the mean fall of the score when only the highest share of pixels is left; low is faithful.

    ``mean_s f(x) - f(the highest s of x alone)``. Arguments are those of `comprehensiveness`.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> sufficiency(lambda x: x.sum((1, 2, 3)), image, image[:, 0], shares=[0.25, 0.5])
        tensor([4.5000])

    DeYoung et al., ERASER, ACL 2020, where it is defined for words.
    """
    return _mean_fall(_masked_scores(score, image, maps, [1.0, *shares], baseline, batch_size, insert=True))


def faithfulness(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b i j"],
    steps: int = 20,
    shares: Sequence[float] = SHARES,
    baseline: Tensor | float = 0.0,
    batch_size: int = 64,
) -> dict[str, Float[Tensor, " b"]]:
    """Return all four: the areas of `deletion` and `insertion`, `comprehensiveness` and `sufficiency`.

    No mask is scored twice. Arguments are those of the four functions.

    Returns:
        Dict name of the function -> value per sample ``(b,)``.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> found = faithfulness(lambda x: x.sum((1, 2, 3)), image, image[:, 0], steps=4, shares=[0.25, 0.5])
        >>> {name: value.item() for name, value in found.items()}
        {'deletion': 3.75, 'insertion': 6.25, 'comprehensiveness': 5.5, 'sufficiency': 4.5}
    """
    grid = _grid(steps)
    all_shares = sorted({*grid, *shares})
    grid_columns, share_columns = ([all_shares.index(share) for share in chosen] for chosen in (grid, shares))
    without = _masked_scores(score, image, maps, all_shares, baseline, batch_size, insert=False)
    alone = _masked_scores(score, image, maps, all_shares, baseline, batch_size, insert=True)
    return {
        "deletion": _area(without[:, grid_columns]),
        "insertion": _area(alone[:, grid_columns]),
        "comprehensiveness": _mean_fall(without[:, [grid_columns[0], *share_columns]]),
        "sufficiency": _mean_fall(alone[:, [grid_columns[-1], *share_columns]]),
    }


def weight_randomisation(
    explain: Callable[[], Float[Tensor, "b i j"]],
    layers: Sequence[nn.Module],
    compare: Callable[[Tensor, Tensor], Tensor],
    seed: int = 0,
) -> Float[Tensor, "b k"]:
    """Compare a map with those after the model's layers are randomised one after the other, from the output down.

    A map that does not change when the weights are noise does not explain the model. The entries of each parameter are
    permuted, and they stay so while the next layers are randomised (the paper's cascade). The paper draws new initial
    weights instead. A permutation needs no knowledge of the layer and keeps the weights' distribution, but it changes
    nothing in a parameter whose entries are all equal. Weights, buffers and random state are restored afterwards, also
    after an error.

    Args:
        explain: Function that computes the maps of the model in its present state.
        layers: Layers in the order in which they are randomised.
        compare: Function of the true maps and those of the randomised model that returns ``(b,)``, for instance a rank
            correlation.
        seed: Seed of the permutations.

    Returns:
        Value of ``compare`` per sample and number of randomised layers, from 1 to all.

    Raises:
        InputError: If a layer has no parameters.

    Example:
        >>> from haa.metrics.functional import cc
        >>> net = nn.Conv2d(1, 1, 3, padding=1)
        >>> image = torch.rand(2, 1, 8, 8)
        >>> weight_randomisation(lambda: net(image)[:, 0].detach(), [net], cc).shape
        torch.Size([2, 1])

    Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """
    for index, layer in enumerate(layers):
        if not any(True for _ in layer.parameters()):
            raise InputError(f"layer {index} ({type(layer).__name__}) has no parameters to randomise: leave it out")
    kept = [(t, t.detach().clone()) for layer in layers for t in (*layer.parameters(), *layer.buffers())]
    generator = torch.Generator().manual_seed(seed)
    try:
        original, values = explain().detach(), []
        for layer in layers:
            for parameter in layer.parameters():
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                with torch.no_grad():
                    parameter.copy_(parameter.flatten()[order].view_as(parameter))
            values.append(compare(original, explain().detach()))
        return torch.stack(values, 1)
    finally:
        with torch.no_grad():
            for tensor, before in kept:
                tensor.copy_(before)


def _grid(steps: int) -> list[float]:
    """Return the shares at which a curve is taken."""
    if steps < 1:
        raise InputError(f"steps={steps}: give a positive number")
    return [k / steps for k in range(steps + 1)]


def _area(curve: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)


def _mean_fall(values: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """Return how far the score is, on average, below that of the whole image, which is the first column."""
    return (values[:, :1] - values[:, 1:]).mean(1)


@torch.no_grad()
def _masked_scores(
    score: Score,
    image: Tensor,
    maps: Tensor,
    shares: Sequence[float],
    baseline: Tensor | float,
    batch_size: int,
    insert: bool,
) -> Float[Tensor, "b k"]:
    """Return the score of every image under every mask; the model sees ``batch_size`` of these pairs at a time."""
    if image.ndim != 4 or maps.ndim != 3 or len(image) != len(maps):
        raise InputError(f"images {tuple(image.shape)} and maps {tuple(maps.shape)}: give (b, c, h, w) and (b, i, j)")
    ranks = _ranks(maps, (image.shape[2], image.shape[3]))
    replaced = torch.as_tensor(baseline, dtype=image.dtype, device=image.device).expand_as(image)
    pixels = image.shape[2] * image.shape[3]
    counts = torch.tensor([math.floor(share * pixels + 0.5) for share in shares], device=image.device)
    pairs = torch.cartesian_prod(torch.arange(len(image)), torch.arange(len(shares)))
    values = []
    for rows, columns in (part.to(image.device).unbind(1) for part in pairs.split(batch_size)):
        chosen: Bool[Tensor, "p h w"] = ranks[rows] < counts[columns][:, None, None]
        shown = chosen if insert else ~chosen
        values.append(score(torch.where(shown[:, None], image[rows], replaced[rows])))
    return torch.cat(values).view(len(image), len(shares))


def _ranks(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the rank of every pixel in its map; the highest has rank 0."""
    if tuple(maps.shape[1:]) != size:
        maps = interpolate(maps[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, rank).view_as(maps)
