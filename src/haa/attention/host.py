"""A source beside a model that is hosted: attached for the length of one step, so that nothing stays on the model."""

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


@contextmanager
def watching(source: AttentionSource, model: nn.Module) -> Iterator[AttentionSource]:
    """The source watches the model while the context lasts.

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
    """A source that watches an evaluation step and the batch to run it with.

    Where the source needs a graph the step is run with one, under ``no_grad`` and ``inference_mode`` too; parameters'
    ``.grad`` is not touched, and the model's mode is the caller's business.

    Args:
        source: is left as it is; what watches is another like it, which takes no second derivatives.
        model: in evaluation mode.
        batch: whatever the model is called with.

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
    graph = getattr(probe, "needs_graph", False)
    with torch.inference_mode(torch.is_inference_mode_enabled() and not graph), torch.set_grad_enabled(graph):
        if graph:  # tensors made in inference mode cannot be differentiated; copies of them can
            batch = tree_map_only(Tensor, lambda x: x.clone() if x.is_inference() else x, batch)
        with watching(probe, model):
            yield probe, batch


def read(
    source: AttentionSource, score: Float[Tensor, " b"] | None = None, words: Tensor | None = None
) -> Float[Tensor, "b i j"]:
    """The source's map, given what its `read` asks for by name.

    Args:
        source: after the forward pass.
        score: what an attribution explains, unless the source has a target of its own.
        words: which queries of a cross-attention count.
    """
    given = (
        {"words": words} if getattr(source, "target", top_class) is not top_class else {"score": score, "words": words}
    )
    wanted = inspect.signature(source.read).parameters
    return source.read(**{name: value for name, value in given.items() if value is not None and name in wanted})
