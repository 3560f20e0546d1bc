"""Source that is attached to a model for the length of one step, so that nothing stays on the model."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from haa.attention.source import AttentionSource
from haa.attention.target import top_class
from haa.geometry.extent import WHOLE, Extent
from haa.geometry.receptive_field import Following, extent_of


@contextmanager
def watching(source: AttentionSource, model: nn.Module) -> Iterator[AttentionSource]:
    """Let the source watch the model while the context lasts.

    Example:
        >>> from haa.attention import FeatureNorm
        >>> model = nn.Conv2d(3, 4, 1)
        >>> with watching(FeatureNorm("0"), nn.Sequential(model)) as source:
        ...     len(model._forward_hooks)
        1
        >>> len(model._forward_hooks)
        0
    """
    source.attach(model)
    try:
        yield source
    finally:
        source.detach()


@contextmanager
def evaluating(source: AttentionSource, model: nn.Module, batch: Any) -> Iterator[tuple[AttentionSource, Any]]:
    """Let a copy of the source watch an evaluation step, and yield the copy and the batch to run the step with.

    Where the source needs a graph, the step runs with one, under ``no_grad`` and ``inference_mode`` too. Parameters'
    ``.grad`` is not touched. The model's mode is left to the caller.

    Args:
        source: Source to copy. It is left as it is; its copy watches, and takes no second derivatives.
        model: Model in evaluation mode.
        batch: Whatever the model is called with.

    Example:
        >>> from haa.attention import InputGradient
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> with torch.inference_mode(), evaluating(InputGradient(), model, torch.rand(1, 3, 2, 2)) as (source, image):
        ...     logits = model(image)
        ...     source.read().shape
        torch.Size([1, 2, 2])
    """
    probe: Any = source.unattached() if hasattr(source, "unattached") else source
    if hasattr(probe, "second_order"):
        probe.second_order = False
    needs_graph = getattr(probe, "needs_graph", False)
    with (
        torch.inference_mode(torch.is_inference_mode_enabled() and not needs_graph),
        torch.set_grad_enabled(needs_graph),
    ):
        if needs_graph:  # tensors made in inference mode cannot be differentiated; copies of them can
            # tree_map_only has no public name, but it knows the output classes that transformers registers with torch
            batch = tree_map_only(Tensor, lambda x: x.clone() if x.is_inference() else x, batch)
        with watching(probe, model):
            yield probe, batch


def read(
    source: AttentionSource, score: Float[Tensor, " b"] | None = None, words: Tensor | None = None
) -> Float[Tensor, "b i j"]:
    """Return the source's map, and hand its `read` the arguments that it asks for by name.

    Args:
        source: Source, after the forward pass.
        score: Score that an attribution explains, unless the source has a target of its own.
        words: True for each query of a cross-attention that counts.
    """
    arguments = {"score": score, "words": words}
    if getattr(source, "target", top_class) is not top_class:
        del arguments["score"]
    parameters = inspect.signature(source.read).parameters
    asked_for = {name: value for name, value in arguments.items() if value is not None and name in parameters}
    return source.read(**asked_for)


def placed(
    source: AttentionSource, score: Float[Tensor, " b"] | None = None, words: Tensor | None = None
) -> tuple[Float[Tensor, "b i j"], Extent]:
    """Return the source's map, as `read` does, and where its cells lie in the picture.

    That is the whole picture for a source that is not one of `haa.attention`.
    """
    known = getattr(source, "extent", WHOLE)
    if known is not None:
        return read(source, score, words), known
    with Following():
        maps = read(source, score, words)
    extent = extent_of(maps) or WHOLE
    source.extent = extent  # type: ignore[attr-defined]
    return maps, extent
