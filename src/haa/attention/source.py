"""Protocol and base class of attention sources: hooks that come with `attach` and go with `detach`."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Protocol, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torch.utils.module_tracker import ModuleTracker

from haa.attention.compiled import differentiates, notice_hooks, original, outside
from haa.attention.grid import Grid
from haa.attention.layers import refuse_scripted
from haa.attention.placing import is_image, refusals
from haa.attention.untouched import untouched
from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent
from haa.geometry.receptive_field import Following, at_work, extent_of, known, looks_at

# never entered, so that it tracks no module: it only tells whether a backward pass is running
_AUTOGRAD = ModuleTracker()


class AttentionSource(Protocol):
    """Source of attention, for a model that does not return it itself."""

    def attach(self, model: nn.Module) -> None:
        """Begin to watch a model.

        Raises:
            InputError: If a layer is not there; the message has the names there are.
        """

    def read(self) -> Float[Tensor, "b i j"]:
        """Return the map of the last forward pass, non-negative and differentiable.

        Raises:
            InputError: If there is none.
        """

    def detach(self) -> None:
        """Leave the model as it was."""


class Source(ABC):
    """Base of the sources, which watch the model's forward passes and forget each when the next begins.

    A subclass registers hooks on its layers in `watch`, and keeps in ``_taken`` what they see of a forward pass.
    Nothing is watched while a backward pass computes a checkpointed block again, or while `haa.attention.measure` runs
    another source on the same model.

    Args:
        grid: Grid that tokens are put on.
    """

    needs_graph: ClassVar[bool] = False
    """Whether there is a map only if the forward pass runs with gradients."""

    reads_layers: ClassVar[bool] = False
    """Whether the map is one of layers, which say with `cells` what they saw."""
    reads_logs: ClassVar[bool] = False
    """Whether `cells` are logarithms of shares."""

    _alone: ClassVar[Source | None] = None

    def __init__(self, grid: Grid | None = None) -> None:
        self.grid = Grid() if grid is None else grid
        self._taken: dict[str, Any] = {}
        self._model: nn.Module | None = None
        self._handles: list[RemovableHandle] = []
        self._depth = 0
        self._recording = False
        self._tries = False
        self._image: torch.Size | None = None
        self._following: ExitStack | None = None
        self.stretched = False
        """Whether the map is taken to be stretched over the picture, wherever its cells look."""
        self._output: Any = None

    @abstractmethod
    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        """Register the hooks, and return their handles.

        Raises:
            InputError: If a layer is not there; no hook is registered then.
        """

    @abstractmethod
    def read(self) -> Float[Tensor, "b i j"]:
        """Return the map of the last forward pass, non-negative and differentiable."""

    def attach(self, model: nn.Module) -> None:
        """Begin to watch a model.

        Raises:
            InputError: If a layer is not there (the message has the names there are), a part is scripted, or the source
                watches a model already.
        """
        if self._model is not None:
            raise InputError(f"{type(self).__name__} watches a {type(self._model).__name__} already: detach() it first")
        model = original(model)
        refuse_scripted(model)
        notice_hooks()
        self._model = model
        try:
            self._handles = [*self.watch(model), *self.grid.attach(model)]
        except InputError:
            self._model = None
            raise
        # the first source to begin is the last to end, so that the torch function modes of several sources nest
        self._handles += [
            model.register_forward_pre_hook(self._begin, with_kwargs=True),
            model.register_forward_hook(self._end, with_kwargs=True, always_call=True, prepend=True),
        ]

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._taken, self._output = {}, None
        self.grid.clear()

    def detach(self) -> None:
        """Leave the model as it was, and forget the last forward pass."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._model, self._depth = [], None, 0
        self.clear()

    @contextmanager
    def recording(self) -> Iterator[Self]:
        """Keep the attention of several forward passes, such as those of a captioner that writes word by word."""
        self.clear()
        self._recording = True
        try:
            yield self
        finally:
            self._recording = False

    @property
    def watching(self) -> bool:
        """Whether this source is to watch what runs now: no backward pass, and no measurement by another source."""
        # code that was compiled while it watched may call it when it is detached
        return self._model is not None and Source._alone in (None, self) and not _AUTOGRAD.is_bw and not at_work()

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Prepare for a forward pass, and return the arguments that the model is to be called with."""
        return args, kwargs

    def end(self, output: Any) -> None:
        """Keep the output of a forward pass; it is None where the model failed."""
        self._output = output

    def _begin(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if torch.compiler.is_dynamo_compiling():
            outside(self._begin_compiled, model, args, kwargs)
            return None
        return self._begin_pass(model, args, kwargs)

    def _begin_compiled(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.watching:
            return
        if self.needs_graph:
            raise differentiates(type(self).__name__, "the whole model", self.reads_layers)
        images = [x for x in (*args, *kwargs.values()) if is_image(x)]
        self._image = images[0].shape if images else None
        if self.extent is None and self._depth == 0:
            self._look_where_cells_lie(model, args, kwargs)
        self._begin_pass(model, args, kwargs, follow=False)

    def _look_where_cells_lie(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Find the extent in a pass of its own: within compiled code nothing can be followed."""
        twin = self.unattached()
        with twin.alone(), torch.no_grad(), untouched(model):
            twin.attach(model)
            try:
                model(*args, **kwargs)
                with Following():
                    maps = twin.read()
            except InputError:
                return  # the pass itself says the same where its map is read
            finally:
                twin.detach()
        self.extent = extent_of(maps) or WHOLE

    def _begin_pass(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], follow: bool = True) -> Any:
        if not self.watching:
            return None
        self._depth += 1
        if self._depth > 1:
            return None
        if not self._recording:
            self.clear()
        images = [x for x in (*args, *kwargs.values()) if is_image(x)]
        self._image = images[0].shape if images else None
        if self._image is not None and Source._alone in (None, self) and not self._tries:
            self.grid.refusals = refusals(self, model, args, kwargs)
        if self.extent is None and not self._tries and follow:
            for image in images:
                looks_at(image, WHOLE)
            self._following = ExitStack()
            self._following.enter_context(torch.compiler.set_stance("force_eager"))  # parts that are compiled
            self._following.enter_context(Following())
        return self.begin(args, kwargs)

    def _end(self, model: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if torch.compiler.is_dynamo_compiling():
            outside(self._end, model, args, kwargs, output)
            return
        if not self.watching or self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0:
            if self._following is not None:
                self._following.close()
                self._following = None
            self.end(output)

    @property
    def extent(self) -> Extent | None:
        """Where the cells of the map lie in pictures of the last pass' size; None until the first of them was read.

        The whole picture where it is ``stretched`` over it, and where there is none.
        """
        if self.stretched or self._model is None or self._image is None:
            return WHOLE
        return known(self._model).get((*self.reads(), self._image[-2:]))

    @extent.setter
    def extent(self, extent: Extent) -> None:
        assert self._model is not None
        assert self._image is not None
        known(self._model)[*self.reads(), self._image[-2:]] = extent

    def cells(self) -> dict[str, Float[Tensor, "b c i j"]]:
        """Return what was seen of the last forward pass on the grid, by layer, to see where its cells lie.

        Only asked of a source that reads layers.

        Raises:
            InputError: As `read`.
        """
        raise NotImplementedError

    def spreads(self, layer: str) -> bool:
        """Return whether no cell of a layer has a part of the picture of its own, as where convolutions made it."""
        return False

    def reads(self) -> tuple[Any, ...]:
        """Return what is read, where, and with which grid: sources that read the same have the same."""
        named = [str(getattr(self, name, None)) for name in ("layer", "layers", "query")]
        return type(self).__name__, *named, str(self.grid.grid), self.grid.prefix

    @contextmanager
    def alone(self, tries: bool = False) -> Iterator[None]:
        """Let this source alone watch what runs within.

        Args:
            tries: Whether that is to try its layers, so that there is no verdict on them yet.
        """
        previous, Source._alone = Source._alone, self
        self._tries = tries
        try:
            yield
        finally:
            Source._alone = previous

    def unattached(self) -> Self:
        """Return a copy of this source that watches nothing."""
        twin = copy.copy(self)
        twin._handles, twin._model, twin._depth, twin._recording = [], None, 0, False
        twin._following = None
        twin.grid = copy.copy(self.grid)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        # a copy of the model (for averaged weights, for another process) copies its hooks, and this object with them;
        # the copy does not carry the last forward pass
        return {**self.__dict__, "_taken": {}, "_output": None, "_image": None, "_following": None}


def unseen(source: Source, what: str) -> InputError:
    """Return the error to raise where the last forward pass left nothing to read."""
    name = type(source).__name__
    if source._model is None:
        return InputError(f"{name} watches no model: attach(model) before the forward pass")
    return InputError(f"{name} saw nothing of {what} in the last forward pass: {_cause(source)}")


def _cause(source: Source) -> str:
    if source.needs_graph and not torch.is_grad_enabled():
        return "run it with gradients, or use haa.attention.measure"
    return (
        "run the model first; if it did run, this layer was not part of it or ran in a way that hooks do not see, such "
        "as code that was compiled, and had run, before the source was attached"
    )
