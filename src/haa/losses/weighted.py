"""Weighted sum of losses, which is a loss itself; and the forms of gaze that a loss asks for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

HUMAN = ("human", "fixations")
"""Forms in which a loss can ask for gaze: a map on the attention's grid, or points in its pixels."""


class Weighted:
    """Weighted sum of losses, ``sum_k weight_k * loss_k``, as saliency models are trained with.

    Each loss gets the forms of gaze that it asks for by name (see `asks_for`), so that losses of maps and losses of
    points mix. SUM (Hosseini et al., WACV 2025) is ``kl: 10, cc: 2, similarity: 1, nss: 1, mse: 5``. All weights are
    positive, since every loss of this package falls as the maps agree.

    Args:
        losses: Losses by a name of your choice.
        weights: Weights by the same names; a loss without one has weight 1.

    Raises:
        ValueError: If a weight has no loss, or there is no loss.

    Example:
        >>> from haa.losses import correlation, nss
        >>> loss = Weighted({"cc": correlation, "nss": nss}, {"nss": 0.1})
        >>> asks_for(loss)
        ('human', 'fixations')
        >>> a = torch.tensor([[[0.0, 0.0, 3.0, 1.0]]])
        >>> loss(a, human=a, fixations=torch.tensor([[[2.0, 0.0]]])).round(decimals=4)
        tensor([-0.1633])
    """

    def __init__(self, losses: Mapping[str, Callable[..., Tensor]], weights: Mapping[str, float] | None = None) -> None:
        unknown = set(weights or {}) - set(losses)
        if unknown or not losses:
            raise ValueError(f"weights of {sorted(unknown)}, but the losses are {sorted(losses)}")
        self.losses = dict(losses)
        self.weights = {name: 1.0 for name in losses} | dict(weights or {})
        self._asks = {name: asks_for(loss) for name, loss in losses.items()}
        forms = [name for name in HUMAN if any(name in asks for asks in self._asks.values())]
        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ["attention", *forms]
        ]
        self.__signature__ = inspect.Signature(parameters)
        self._forms = forms

    def __call__(self, attention: Float[Tensor, "b h w"], *given: Tensor, **named: Tensor) -> Float[Tensor, " b"]:
        gaze = dict(zip(self._forms, given, strict=False)) | named
        terms = [
            self.weights[name] * loss(attention, *(gaze[form] for form in self._asks[name]))
            for name, loss in self.losses.items()
        ]
        return torch.stack(terms).sum(0)


def asks_for(loss: Callable[..., Tensor]) -> tuple[str, ...]:
    """Return the forms of gaze that a loss takes: ``("human",)``, ``("fixations",)`` or both, in the loss's order.

    A loss says so by the names of its parameters after the attention. A loss whose parameters have other names takes a
    map as its second argument.

    Example:
        >>> from haa.losses import nss
        >>> asks_for(nss), asks_for(lambda a, b: ((a - b) ** 2).mean((1, 2)))
        (('fixations',), ('human',))
    """
    parameters = inspect.signature(loss).parameters
    return tuple(name for name in parameters if name in HUMAN) or ("human",)
