"""Faithfulness of a map: change of the model's score when the marked pixels are removed, or only they are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent, on_picture
from haa.geometry.to_device import to_device

Score = Callable[[Tensor], Tensor]
"""Function ``images (b, c, h, w) -> (b,)``, for instance the probability of the class that the map explains."""

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of pixels for comprehensiveness and sufficiency; ERASER takes these shares of words."""


def deletion(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b *t i j"],
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
        maps: Maps of any resolution, resized bilinearly; of equal values, the first pixel ranks higher. Where the image
            is t frames of equal height below each other, t maps, whose pixels are ranked together.
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
    values = _curve(score, image, maps, _grid(steps), baseline, batch_size, insert=False)
    return _area(values), values


def insertion(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b *t i j"],
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
    values = _curve(score, image, maps, _grid(steps), baseline, batch_size, insert=True)
    return _area(values), values


def comprehensiveness(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b *t i j"],
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
    return _mean_fall(_curve(score, image, maps, [0.0, *shares], baseline, batch_size, insert=False))


def sufficiency(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b *t i j"],
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
    return _mean_fall(_curve(score, image, maps, [1.0, *shares], baseline, batch_size, insert=True))


@torch.no_grad()
def faithfulness(
    score: Score,
    image: Float[Tensor, "b c h w"],
    maps: Float[Tensor, "b *t i j"],
    steps: int = 20,
    shares: Sequence[float] = SHARES,
    baseline: Tensor | float = 0.0,
    batch_size: int = 64,
    random: int = 4,
    seed: int = 0,
    extent: Extent = WHOLE,
) -> dict[str, Float[Tensor, " b"]]:
    r"""Return deletion, insertion, comprehensiveness and sufficiency, each less that of random maps of the same model.

    .. math:: m(a) - \frac{1}{n} \sum_{k=1}^{n} m(\pi_k a)

    where :math:`m` is one of the four functions of a map :math:`a`, and :math:`\pi_k` permutes the map's own cells
    before it is resized. 0 is what a random map gets on average, however confident the model is; the plain
    value rises and falls with the confidence, whatever the map. Signs stay: a faithful map has negative deletion and
    sufficiency, and positive insertion and comprehensiveness.

    The k-th random map of a sample ranks its cells in the same order for every model whose maps have that grid. A map
    that is the same everywhere is its own random map, and gets 0. No mask is scored twice: of each sample the whole
    image and the baseline, and two for every distinct share between 0 and 1 of the map and of each random map.

    Args:
        score: Function that returns one number per image, see `deletion`.
        image: Images as ``score`` takes them.
        maps: Maps of any resolution, see `deletion`. Give them on their own grid: it is their cells that are permuted.
        steps: Number of equal parts in which the pixels are replaced, for deletion and insertion.
        shares: Shares of pixels for comprehensiveness and sufficiency.
        baseline: Value that replaces a pixel, see `deletion`.
        batch_size: Images per call of ``score``.
        random: Number of random maps per sample, n above; 0 returns the plain values of the four functions.
        seed: Seed of the first sample's random maps; that of row k is ``seed + k``. Of a batch that begins with the
            n-th sample of a set, give n: values then do not depend on how the set was cut into batches.
        extent: Where the cells of the maps lie in the picture.

    Returns:
        Dict name of the function -> value per sample ``(b,)``, in the score's unit.

    Raises:
        InputError: If the shapes do not fit, ``steps`` is not positive, or ``random`` is negative.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> options = {"steps": 4, "shares": [0.25, 0.5]}
        >>> plain = faithfulness(lambda x: x.sum((1, 2, 3)), image, image[:, 0], **options, random=0)
        >>> {name: value.item() for name, value in plain.items()}
        {'deletion': 3.75, 'insertion': 6.25, 'comprehensiveness': 5.5, 'sufficiency': 4.5}
        >>> found = faithfulness(lambda x: x.sum((1, 2, 3)), image, image[:, 0], **options)
        >>> {name: value.item() for name, value in found.items()}
        {'deletion': -1.4375, 'insertion': 1.4375, 'comprehensiveness': 1.875, 'sufficiency': -1.875}

    Petsiuk et al., RISE, BMVC 2018; DeYoung et al., ERASER, ACL 2020. Neither subtracts a random map's value.
    """
    if random < 0:
        raise InputError(f"random={random}: give a number of random maps, 0 for the plain values")
    _check(image, maps)
    every = torch.cat([maps[None], _random_maps(maps, random, seed)])
    ranks = torch.stack([_ranks(some, (image.shape[2], image.shape[3]), extent) for some in every])
    pixels = ranks[0, 0].numel()
    grid_counts, share_counts = _counts(_grid(steps), pixels), _counts(shares, pixels)
    counts = sorted({*grid_counts, *share_counts, 0, pixels})
    whole, blank = _masked_scores(score, image, ranks[:1], [0, pixels], baseline, batch_size, [False])[0, 0].unbind(1)
    inner = _masked_scores(score, image, ranks, counts[1:-1], baseline, batch_size, [False, True])
    ends = [end.expand(len(every), -1)[..., None] for end in (whole, blank)]
    without, alone = (
        torch.cat([first, values, last], 2)
        for first, values, last in ((ends[0], inner[:, 0], ends[1]), (ends[1], inner[:, 1], ends[0]))
    )
    grid_columns, share_columns = ([counts.index(count) for count in chosen] for chosen in (grid_counts, share_counts))
    values = {
        "deletion": _area(without[..., grid_columns]),
        "insertion": _area(alone[..., grid_columns]),
        "comprehensiveness": _mean_fall(without[..., [0, *share_columns]]),
        "sufficiency": _mean_fall(alone[..., [-1, *share_columns]]),
    }
    return {name: value[0] - value[1:].mean(0) if random else value[0] for name, value in values.items()}


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


def _area(curve: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
    return torch.trapezoid(curve, dx=1 / (curve.shape[-1] - 1), dim=-1)


def _mean_fall(values: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
    """Return how far the score is, on average, below that of the whole image, which is the first column."""
    return (values[..., :1] - values[..., 1:]).mean(-1)


def _curve(
    score: Score,
    image: Tensor,
    maps: Tensor,
    shares: Sequence[float],
    baseline: Tensor | float,
    batch_size: int,
    insert: bool,
) -> Float[Tensor, "b k"]:
    """Return the score of every image at every share of its pixels."""
    _check(image, maps)
    ranks = _ranks(maps, (image.shape[2], image.shape[3]))
    counts = _counts(shares, ranks[0].numel())
    return _masked_scores(score, image, ranks[None], counts, baseline, batch_size, [insert])[0, 0]


@torch.no_grad()
def _masked_scores(
    score: Score,
    image: Float[Tensor, "b c h w"],
    ranks: Int[Tensor, "m b h w"],
    counts: Sequence[int],
    baseline: Tensor | float,
    batch_size: int,
    insert: Sequence[bool],
) -> Float[Tensor, "m d b k"]:
    """Return the score under every mask: by ranking, direction, image and number of pixels taken away or put in.

    The model sees ``batch_size`` of them at a time.
    """
    device = image.device
    replaced = to_device(torch.as_tensor(baseline, dtype=image.dtype), device).expand_as(image)
    directions, numbers = (to_device(torch.tensor(each), device) for each in (insert, counts))
    shape = (len(ranks), len(insert), len(image), len(counts))
    masks = torch.cartesian_prod(*(torch.arange(length) for length in shape))
    values = []
    for part in masks.split(batch_size):
        ranking, direction, row, column = to_device(part, device).unbind(1)
        chosen: Bool[Tensor, "p h w"] = ranks[ranking, row] < numbers[column][:, None, None]
        shown = chosen == directions[direction][:, None, None]
        values.append(score(torch.where(shown[:, None], image[row], replaced[row])))
    return torch.cat(values).view(shape)


def _check(image: Tensor, maps: Tensor) -> None:
    frames = maps.shape[1] if maps.ndim == 4 else 1
    if image.ndim != 4 or maps.ndim not in (3, 4) or len(image) != len(maps) or image.shape[2] % frames:
        raise InputError(
            f"images {tuple(image.shape)} and maps {tuple(maps.shape)}: give (b, c, h, w) and (b, i, j), "
            "or of t frames below each other (b, c, t h, w) and (b, t, i, j)"
        )


def _counts(shares: Sequence[float], pixels: int) -> list[int]:
    """Return shares of an image as whole pixels."""
    return [math.floor(share * pixels + 0.5) for share in shares]


def _ranks(maps: Float[Tensor, "b *t i j"], size: tuple[int, int], extent: Extent = WHOLE) -> Int[Tensor, "b h w"]:
    """Return the rank of every pixel of an image of that size in its map; the highest has rank 0."""
    frames = maps if maps.ndim == 4 else maps[:, None]
    height = size[0] // frames.shape[1]
    if tuple(frames.shape[2:]) != (height, size[1]) or extent != WHOLE:
        frames = on_picture(frames.float(), (height, size[1]), extent)
    order = frames.flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, rank).view(len(maps), *size)


def _random_maps(maps: Float[Tensor, "b *t i j"], number: int, seed: int) -> Float[Tensor, "n b *t i j"]:
    """Return every map with its cells permuted, some number of times.

    A cell's rank is drawn, not the cell that it exchanges its value with: the order of the cells is that of the draw,
    whatever the map.
    """
    values = maps.flatten(1).sort(dim=1, descending=True).values
    generators = [torch.Generator().manual_seed(seed + row) for row in range(len(maps))]
    ranks = torch.stack([torch.rand(number, values.shape[1], generator=g).argsort(1) for g in generators], 1)
    return values.expand(number, -1, -1).gather(2, ranks.to(maps.device)).view(number, *maps.shape)
