"""Measurement of where a model looks, which touches nothing of the training."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from haa.attention.source import Source
from haa.attention.untouched import untouched


def measure(source: Source, model: nn.Module, *args: Any, **kwargs: Any) -> Float[Tensor, "b i j"]:
    """Return the map that a source reads in a forward pass of its own, in evaluation mode, without a graph.

    Random state, dropout, gradients, buffers (batch-norm statistics) and modes are as before, and so is what this or
    another source holds of the training's last forward pass. It works under ``no_grad`` and ``inference_mode`` too.

    Args:
        source: Any source of `haa.attention`. It may watch the model already, but need not.
        model: Model to run.
        *args: Positional arguments that the model is called with.
        **kwargs: Named arguments that the model is called with.

    Example:
        >>> from haa.attention import InputGradient
        >>> model = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(12, 2))
        >>> with torch.inference_mode():
        ...     measure(InputGradient(), model, torch.rand(1, 3, 2, 2)).requires_grad
        False
    """
    probe = source.unattached()
    if hasattr(probe, "second_order"):
        probe.second_order = False
    with (
        probe.alone(),
        torch.inference_mode(False),
        torch.set_grad_enabled(probe.needs_graph),
        untouched(model),
    ):
        # tensors made in inference mode cannot be differentiated; copies of them can
        # tree_map_only has no public name, but it knows the output classes that transformers registers with torch
        args, kwargs = tree_map_only(Tensor, _usable, (args, kwargs))
        probe.attach(model)
        try:
            model(*args, **kwargs)
            return probe.read().detach()
        finally:
            probe.detach()


def _usable(x: Tensor) -> Tensor:
    return x.clone() if x.is_inference() else x.detach()
