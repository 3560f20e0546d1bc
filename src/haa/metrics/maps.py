"""Metrics that compare a map with a map."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from haa.metrics import functional
from haa.metrics.base import SampleMean


class CC(SampleMean):
    """Pearson's correlation coefficient, see `haa.metrics.functional.cc`.

    Example:
        >>> import torch
        >>> metric = CC()
        >>> metric.update(torch.tensor([[[0.0, 1.0, 2.0]]]), torch.tensor([[[1.0, 2.0, 5.0]]]))
        >>> round(metric.compute().item(), 4)
        0.9608
    """

    is_differentiable = True
    higher_is_better = True
    bounds = (-1.0, 1.0)

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.cc(prediction, density))


class Similarity(SampleMean):
    """Similarity (SIM), see `haa.metrics.functional.similarity`.

    Example:
        >>> import torch
        >>> metric = Similarity()
        >>> metric.update(torch.tensor([[[1.0, 1.0, 2.0]]]), torch.tensor([[[0.0, 1.0, 1.0]]]))
        >>> metric.compute()
        tensor(0.7500)
    """

    is_differentiable = True
    higher_is_better = True
    bounds = (0.0, 1.0)

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.similarity(prediction, density))


class KLDivergence(SampleMean):
    """Kullback-Leibler divergence in nats, see `haa.metrics.functional.kl_divergence`.

    Args:
        minimum: Amount that is added to every pixel, so that the logarithm is finite.

    Example:
        >>> import torch
        >>> metric = KLDivergence()
        >>> metric.update(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[0.0, 1.0]]]))
        >>> round(metric.compute().item(), 4)
        0.6931
    """

    is_differentiable = True
    higher_is_better = False
    bounds = (0.0, float("inf"))

    def __init__(self, minimum: float = 1e-20, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.minimum = minimum

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.kl_divergence(prediction, density, self.minimum))


class KLDivergenceMIT(SampleMean):
    """Kullback-Leibler divergence of the MIT/Tuebingen benchmark, see `haa.metrics.functional.kl_divergence_mit`.

    Args:
        eps: Regulariser, in units of probability.

    Example:
        >>> import torch
        >>> metric = KLDivergenceMIT()
        >>> metric.update(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]]))
        >>> round(metric.compute().item(), 3)
        17.329
    """

    is_differentiable = True
    higher_is_better = False

    def __init__(self, eps: float = 2.2204e-16, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.eps = eps

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.kl_divergence_mit(prediction, density, self.eps))


class EarthMoversDistance(SampleMean):
    """Earth mover's distance in cells, see `haa.metrics.functional.earth_movers_distance`.

    Args:
        reduction: Pixels per side of a cell.

    Example:
        >>> import torch
        >>> metric = EarthMoversDistance(reduction=1)
        >>> metric.update(torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 0.5, 0.5]]]))
        >>> metric.compute()
        tensor(1.5000)
    """

    higher_is_better = False
    bounds = (0.0, float("inf"))

    def __init__(self, reduction: int = 32, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.reduction = reduction

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.earth_movers_distance(prediction, density, self.reduction))


class Spearman(SampleMean):
    """Spearman's rank correlation, see `haa.metrics.functional.spearman`.

    Args:
        grid: Number of cells (height, width) over which both maps are averaged first; None ranks the pixels.

    Example:
        >>> import torch
        >>> metric = Spearman()
        >>> metric.update(torch.tensor([[[0.0, 1.0, 2.0]]]), torch.tensor([[[1.0, 9.0, 5.0]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    bounds = (-1.0, 1.0)

    def __init__(self, grid: tuple[int, int] | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.grid = None if grid is None else (grid[0], grid[1])

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.spearman(prediction, density, self.grid))


class PointingGame(SampleMean):
    """Pointing game, see `haa.metrics.functional.pointing_game`.

    Args:
        tolerance: Distance from the object that still counts as a hit, in pixels.

    Example:
        >>> import torch
        >>> metric = PointingGame(tolerance=2)
        >>> metric.update(torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]), torch.tensor([[[0, 0, 0, 1]]]))
        >>> metric.compute()
        tensor(1.)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, tolerance: float = 15.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.tolerance = tolerance

    def update(self, prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.pointing_game(prediction, mask, self.tolerance))


class TopKIoU(SampleMean):
    """Overlap of the most salient pixels, see `haa.metrics.functional.topk_iou`.

    Args:
        fraction: Share of pixels that counts as most salient, above 0 and at most 1.

    Example:
        >>> import torch
        >>> metric = TopKIoU(fraction=0.5)
        >>> metric.update(torch.tensor([[[4.0, 3.0, 2.0, 1.0]]]), torch.tensor([[[4.0, 1.0, 3.0, 2.0]]]))
        >>> round(metric.compute().item(), 4)
        0.3333
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, fraction: float = 0.1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.fraction = fraction

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.topk_iou(prediction, density, self.fraction))
