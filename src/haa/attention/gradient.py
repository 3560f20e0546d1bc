"""What the sources that differentiate a score share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from haa.attention.grid import Grid
from haa.attention.softmax import SecondOrder
from haa.attention.source import Source, unseen
from haa.attention.target import top_class
from haa.errors import InputError


class GradientSource(Source):
    """Base of the sources whose map is made of the derivative of a score; parameters' ``.grad`` is never touched.

    Args:
        target: from the model's output to the score, one per sample.
        second_order: compute what follows the place of the derivative with kernels that can be differentiated twice.
        grid: where tokens lie.
    """

    needs_graph: ClassVar[bool] = True

    def __init__(
        self, target: Callable[[Any], Tensor] = top_class, second_order: bool = True, grid: Grid | None = None
    ) -> None:
        super().__init__(grid)
        self.target, self.second_order = target, second_order
        self._mode: SecondOrder | None = None

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self.second_order and torch.is_grad_enabled():
            self._mode = SecondOrder()
            self._mode.__enter__()
        return args, kwargs

    def follow(self) -> None:
        """From here on, in this forward pass, second derivatives are needed."""
        if self._mode is not None:
            self._mode.active = True

    def end(self, output: Any) -> None:
        super().end(output)
        if self._mode is not None:
            self._mode.__exit__(None, None, None)
            self._mode = None

    def gradient(self, x: Tensor, score: Tensor | None, what: str) -> Tensor:
        """The derivative of the score by ``x``, with a graph of its own where gradients are enabled."""
        if not x.requires_grad:
            raise InputError(
                f"{type(self).__name__} needs the derivative by {what}, but the forward pass ran without gradients "
                "there: run it with gradients, or use haa.attention.measure"
            )
        if score is None and self._output is None:
            raise unseen(self, "the model's output")
        further = torch.is_grad_enabled()
        with torch.enable_grad():  # the score has to reach back to x, whatever becomes of the derivative
            total = (self.target(self._output) if score is None else score).sum()
        try:
            (gradient,) = torch.autograd.grad(total, x, create_graph=further, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            if "does not require grad" not in str(error):
                raise
            gradient = None
        if gradient is None:
            raise InputError(f"the score of {type(self).__name__} does not depend on {what}: choose another, or target")
        return gradient
