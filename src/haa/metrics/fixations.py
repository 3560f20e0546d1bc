"""Metrics that compare a map with the points that people fixated."""

from __future__ import annotations

from jaxtyping import Float, Shaped
from torch import Tensor

from haa.metrics import functional
from haa.metrics.base import FixationMetric


class NSS(FixationMetric):
    """Normalised scanpath saliency, see `haa.metrics.functional.nss`.

    Example:
        >>> import torch
        >>> metric = NSS()
        >>> metric.update(torch.tensor([[[0.0, 0.0, 3.0, 1.0]]]), torch.tensor([[[2.0, 0.0]]]))
        >>> round(metric.compute().item(), 4)
        1.633
    """

    is_differentiable = True
    higher_is_better = True

    def update(self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> None:
        self.locate(prediction, fixations)
        self.add(functional.nss(prediction, fixations))


class AUCJudd(FixationMetric):
    """AUC-Judd, see `haa.metrics.functional.auc_judd`.

    Example:
        >>> import torch
        >>> metric = AUCJudd()
        >>> metric.update(torch.ones(1, 3, 4), torch.tensor([[[2.0, 0.0]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def update(self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> None:
        self.locate(prediction, fixations)
        self.add(functional.auc_judd(prediction, fixations))


class AUCUniform(FixationMetric):
    """AUC with all pixels as negatives, see `haa.metrics.functional.auc_uniform`.

    Example:
        >>> import torch
        >>> metric = AUCUniform()
        >>> metric.update(torch.tensor([[[0.1, 0.9, 0.5, 0.2]]]), torch.tensor([[[2.0, 0.0]]]))
        >>> metric.compute()
        tensor(0.6250)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def update(self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> None:
        self.locate(prediction, fixations)
        self.add(functional.auc_uniform(prediction, fixations))


class LogLikelihood(FixationMetric):
    """Mean log-likelihood of fixations in nats, see `haa.metrics.functional.log_likelihood`.

    Args:
        minimum: Amount that is added to every pixel, so that no fixation is impossible.

    Example:
        >>> import torch
        >>> metric = LogLikelihood()
        >>> metric.update(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[0.0, 0.0]]]))
        >>> round(metric.compute().item(), 4)
        -1.3863
    """

    is_differentiable = True
    higher_is_better = True
    bounds = (-float("inf"), 0.0)

    def __init__(self, minimum: float = 1e-20, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.minimum = minimum

    def update(self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> None:
        self.locate(prediction, fixations)
        self.add(functional.log_likelihood(prediction, fixations, self.minimum))


class InformationGain(FixationMetric):
    """Bits per fixation beyond a baseline, see `haa.metrics.functional.information_gain`.

    Args:
        minimum: Amount that is added to every pixel, so that no fixation is impossible.

    Example:
        >>> import torch
        >>> metric = InformationGain()
        >>> metric.update(torch.tensor([[[4.0, 2.0, 1.0, 1.0]]]), torch.ones(1, 1, 4), torch.tensor([[[0.0, 0.0]]]))
        >>> metric.compute()
        tensor(1.)
    """

    is_differentiable = True
    higher_is_better = True

    def __init__(self, minimum: float = 1e-20, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.minimum = minimum

    def update(
        self,
        prediction: Shaped[Tensor, "b h w"],
        baseline: Shaped[Tensor, "b h w"],
        fixations: Float[Tensor, "b n 2"],
    ) -> None:
        self.locate(prediction, fixations)
        self.add(functional.information_gain(prediction, baseline, fixations, self.minimum))
