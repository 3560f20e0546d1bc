"""A model's last forward pass in somebody else's evaluation: what it gave, where it looked, and how to run it again."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from haa.alignment import Alignment
from haa.alignment.any_batch import Replay
from haa.alignment.loop import Reader, is_source
from haa.attention.compiled import original, outside
from haa.attention.host import evaluating, placed
from haa.attention.placing import is_image
from haa.attention.source import Source
from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent


class Evaluates(Protocol):
    """What a callback evaluates with: `haa.evaluation.evaluation.Evaluation`, whose methods these are."""

    @property
    def metric(self) -> str: ...
    def refuse_finished(self) -> None: ...
    def samples(self, test: bool = True) -> Any: ...
    def write(self, samples: Any, alignment: Alignment, validation: float | None = None) -> dict[str, float]: ...


class LastPass:
    """Watcher of a model's forward passes in an evaluation; it keeps the last one, and `leave` ends it.

    Args:
        model: Model in evaluation mode.
        source: Source of its map.
        attach: Whether the source is to be attached; False where it watches the model already.
    """

    def __init__(self, model: nn.Module, source: Reader, attach: bool) -> None:
        self.model = original(model)
        reader: Any = source
        self.source = reader
        self._again = is_source(source) and bool(getattr(source, "needs_graph", False))
        self._attached = attach and is_source(source) and not self._again
        self._pass: tuple[tuple[Any, ...], dict[str, Any], Any] | None = None
        self._busy = False
        if self._attached:
            self.source.attach(model)
        self._handle = self.model.register_forward_hook(self._keep, with_kwargs=True)

    def look(self) -> tuple[Any, Tensor, Extent, Replay | None]:
        """Return the output of the last pass, its map and where the map's cells lie, and the pass; then forget it.

        A source that differentiates the score needs a graph, which an evaluation has not: for it the model runs once
        more, on what it was called with.

        Raises:
            InputError: If the model was not called.
        """
        if self._pass is None:
            raise InputError(
                f"{type(self.model).__name__} was not called in this step of the evaluation, so that nothing is known "
                "of where it looked: name with model= the part that is called with the image"
            )
        (args, kwargs, output), self._pass = self._pass, None
        image = next((x for x in (*args, *kwargs.values()) if is_image(x)), None)
        replay = None if image is None else Replay(self._run, (args, kwargs), image)
        if not is_source(self.source):
            return output, self.source(self.model).detach(), WHOLE, replay
        if not self._again:
            maps, extent = placed(self.source)
            return output, maps.detach(), extent, replay
        with (
            torch.compiler.set_stance("force_eager"),
            evaluating(self.source, self.model, (args, kwargs)) as (probe, inputs),
            probe.alone() if isinstance(probe, Source) else nullcontext(),
        ):
            self._run(inputs)
            maps, extent = placed(probe)
        return output, maps.detach(), extent, replay

    def leave(self) -> None:
        """Leave the model as it was."""
        self._handle.remove()
        if self._attached:
            self.source.detach()
        self._pass = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()

    def _run(self, inputs: Any) -> Any:
        args, kwargs = inputs
        self._busy = True
        try:
            return self.model(*args, **kwargs)
        finally:
            self._busy = False

    def _keep(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if torch.compiler.is_dynamo_compiling():
            outside(self._keep, model, args, kwargs, output)
        elif not self._busy:
            self._pass = args, kwargs, output
