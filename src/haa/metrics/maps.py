"""Metrics of a map against a map."""

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
    bounds = (0.0, 1.0)

    def update(self, prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> None:
        self.add(functional.similarity(prediction, density))


class KLDivergence(SampleMean):
    """Kullback-Leibler divergence in nats, see `haa.metrics.functional.kl_divergence`.

    Args:
        minimum: what an impossible pixel counts.

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
        eps: the regulariser, in units of probability.

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
