"""A model run without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run a model in evaluation mode, uncompiled, and leave it, and the random state, as they were.

    Example:
        >>> model = nn.BatchNorm1d(2)
        >>> with untouched(model):
        ...     model.training
        False
        >>> model.training
        True
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer._version, buffer.clone()) for buffer in model.buffers() if not buffer.is_inference()]
    devices = {x.device for x in (*model.parameters(), *model.buffers()) if x.device.type not in ("cpu", "meta")}
    kind = next((device.type for device in devices), "cuda")
    with (
        torch.random.fork_rng([device.index or 0 for device in devices], device_type=kind),
        torch.compiler.set_stance("force_eager"),
    ):
        try:
            for module, _ in modes:
                module.training = False  # not eval(), which a module may override to do more
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, version, saved in buffers:
                    # a write, even of equal values, breaks a graph that needs the buffer
                    if buffer._version != version:
                        buffer.copy_(saved)
