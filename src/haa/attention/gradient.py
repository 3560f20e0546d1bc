"""Base class of the sources that differentiate a score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from haa.attention.compiled import compiled_parts, differentiates, original, outside
from haa.attention.grid import Grid
from haa.attention.softmax import SecondOrder
from haa.attention.source import Source, unseen
from haa.attention.target import top_class
from haa.errors import InputError


class GradientSource(Source):
    """Base of the sources that make their map from the derivative of a score; they never touch parameters' ``.grad``.

    Args:
        target: Function from the model's output to the score, one value per sample.
        second_order: Whether all that runs after the tensor to differentiate by uses kernels that can be differentiated
            twice.
        grid: Grid that tokens are put on.
    """

    needs_graph: ClassVar[bool] = True

    def __init__(
        self, target: Callable[[Any], Tensor] = top_class, second_order: bool = True, grid: Grid | None = None
    ) -> None:
        super().__init__(grid)
        self.target, self.second_order = target, second_order
        self._mode: SecondOrder | None = None
        self._compiled = False
        self._followed = False

    def attach(self, model: nn.Module) -> None:
        super().attach(model)
        parts = compiled_parts(original(model))
        self._compiled = bool(parts)
        for name, part in parts.items():
            self._handles.append(part.register_forward_pre_hook(self._refusal(name)))

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self._followed = False
        if self.second_order and torch.is_grad_enabled():
            self._mode = SecondOrder()
            if not self._compiled:
                self._mode.__enter__()
        return args, kwargs

    def follow(self) -> None:
        """Allow second derivatives of whatever runs from here on in this forward pass."""
        if self._mode is not None:
            if self._compiled and not self._mode.active:  # compiled code would go through the mode at each operation
                self._mode.__enter__()
            self._mode.active = True
        self._followed = torch.is_grad_enabled()

    def end(self, output: Any) -> None:
        super().end(output)
        if self._mode is not None and (self._mode.active or not self._compiled):
            self._mode.__exit__(None, None, None)
        self._mode, self._followed = None, False

    def _refusal(self, name: str) -> Callable[[nn.Module, object], None]:
        def refuse(module: nn.Module, args: object) -> None:
            if torch.compiler.is_dynamo_compiling():
                outside(refuse, module, args)
            elif self._followed and self.second_order and self.watching:
                raise differentiates(
                    type(self).__name__, f"{name or 'the model'}, which is compiled", self.reads_layers
                )

        return refuse

    def gradient(self, x: Tensor, score: Tensor | None, what: str) -> Tensor:
        """Return the derivative of the score by ``x``, with a graph of its own where gradients are enabled.

        Args:
            x: Tensor to differentiate by.
            score: Score, one value per sample or their sum. None takes ``target`` of the output.
            what: Name of ``x`` in messages.

        Raises:
            InputError: If the forward pass ran without gradients or has no output, or the score does not depend on
                ``x``.
        """
        if not x.requires_grad:
            raise InputError(
                f"{type(self).__name__} needs the derivative by {what}, but the forward pass ran without gradients "
                "there: run it with gradients, or use haa.attention.measure"
            )
        if score is None and self._output is None:
            raise unseen(self, "the model's output")
        keeps_graph = torch.is_grad_enabled()
        with torch.enable_grad():  # the score needs a graph back to x, even if the derivative needs none
            total = (self.target(self._output) if score is None else score).sum()
        try:
            (gradient,) = torch.autograd.grad(total, x, create_graph=keeps_graph, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            if "does not require grad" not in str(error):
                raise
            gradient = None
        if gradient is None:
            raise InputError(f"the score of {type(self).__name__} does not depend on {what}: choose another, or target")
        return gradient
