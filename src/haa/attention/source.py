"""What an attention source is, and what all of them share: hooks that come and go with `attach` and `detach`."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from haa.attention.grid import Grid
from haa.attention.layers import refuse_compiled
from haa.errors import InputError


class AttentionSource(Protocol):
    """Where a map comes from, for a model that does not return one itself."""

    def attach(self, model: nn.Module) -> None:
        """Begin to watch a model; `InputError` with the names there are if the layer is not there."""

    def read(self) -> Float[Tensor, "b i j"]:
        """The map of the last forward pass, non-negative and differentiable; `InputError` if there is none."""

    def detach(self) -> None:
        """Leave the model as it was."""


class Source(ABC):
    """Base of the sources: watches the model's forward passes and forgets one when the next begins.

    A subclass registers hooks on its layers in `watch` and keeps what they see of a forward pass in ``_taken``. Nothing
    is watched while a backward pass recomputes a checkpointed block, or while `haa.attention.measure` runs another
    source on the same model.

    Args:
        grid: where tokens lie.
    """

    needs_graph: ClassVar[bool] = False
    """Whether the forward pass must be run with gradients for the map to exist at all."""

    _alone: ClassVar[Source | None] = None

    def __init__(self, grid: Grid | None = None) -> None:
        self.grid = Grid() if grid is None else grid
        self._taken: dict[str, Any] = {}
        self._model: nn.Module | None = None
        self._handles: list[RemovableHandle] = []
        self._depth = 0
        self._recording = False
        self._image: torch.Size | None = None
        self._output: Any = None

    @abstractmethod
    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        """Register the hooks; raises `InputError` before any of them where a layer is not there."""

    @abstractmethod
    def read(self) -> Float[Tensor, "b i j"]:
        """The map of the last forward pass, non-negative and differentiable."""

    def attach(self, model: nn.Module) -> None:
        """Begin to watch a model.

        Raises:
            InputError: if the layer is not there (the message has the names there are), if the model is compiled, or if
                the source watches another model already.
        """
        if self._model is not None:
            raise InputError(f"{type(self).__name__} watches a {type(self._model).__name__} already: detach() it first")
        refuse_compiled(model)
        self._model = model
        try:
            self._handles = [*self.watch(model), *self.grid.attach(model)]
        except InputError:
            self._model = None
            raise
        # the first to come is the last to go, so that sources which change how torch functions act are nested
        self._handles += [
            model.register_forward_pre_hook(self._begin, with_kwargs=True),
            model.register_forward_hook(self._end, with_kwargs=True, always_call=True, prepend=True),
        ]

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._taken, self._output = {}, None
        self.grid.clear()

    def detach(self) -> None:
        """Leave the model as it was, and forget what was seen."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._model, self._depth = [], None, 0
        self.clear()

    @contextmanager
    def recording(self) -> Iterator[Self]:
        """Keep what several forward passes show, such as those of a captioner that writes word by word."""
        self.clear()
        self._recording = True
        try:
            yield self
        finally:
            self._recording = False

    @property
    def watching(self) -> bool:
        """Whether what runs now is a forward pass of the model's own."""
        return Source._alone in (None, self) and torch._C._current_graph_task_id() == -1

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Before the model runs: what it is to be called with."""
        return args, kwargs

    def end(self, output: Any) -> None:
        """After the model has run, or failed (then the output is None)."""
        self._output = output

    def _begin(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.watching:
            return None
        self._depth += 1
        if self._depth > 1:
            return None
        if not self._recording:
            self.clear()
        every = (x.shape for x in (*args, *kwargs.values()) if is_image(x))
        self._image = next(every, None)
        return self.begin(args, kwargs)

    def _end(self, model: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not self.watching or self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0:
            self.end(output)

    def unattached(self) -> Self:
        """A source like this one that watches nothing."""
        other = copy.copy(self)
        other._handles, other._model, other._depth, other._recording = [], None, 0, False
        other.grid = copy.copy(self.grid)
        return other

    def __getstate__(self) -> dict[str, Any]:
        # a copy of the model (an average of weights, another process) copies its hooks, and with them this object:
        # the last forward pass stays behind
        return {**self.__dict__, "_taken": {}, "_output": None, "_image": None}


def is_image(x: Any) -> bool:
    """Whether an argument of a model is a batch of images (b, c, h, w)."""
    return isinstance(x, Tensor) and x.ndim == 4 and x.is_floating_point()


def unseen(source: Source, what: str) -> InputError:
    """What to raise where the last forward pass left nothing to read."""
    name = type(source).__name__
    if source._model is None:
        return InputError(f"{name} watches no model: attach(model) before the forward pass")
    return InputError(f"{name} saw nothing of {what} in the last forward pass: {_cause(source)}")


def _cause(source: Source) -> str:
    if source.needs_graph and not torch.is_grad_enabled():
        return "run it with gradients, or use haa.attention.measure"
    return "run the model first; if it did run, this layer was not part of it or ran in a way that hooks do not see"
