"""Parameters divided among processes (PyTorch's fully sharded data parallel, FSDP2), and whole again to evaluate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Divide a model's parameters among the processes of a mesh; each block is gathered while it runs.

    Blocks are the layers that a `Sequential` or a `ModuleList` holds. The model has to be called as a whole in
    training, and once a step.

    A parameter that is a single number is not divided: every process has it, and its gradient is averaged.

    Args:
        model: The model; it stays the same object, and keeps the names of its parameters.
        mesh: The processes.
    """
    if isinstance(model, FSDPModule):
        return
    numbers = {parameter for parameter in model.parameters() if not parameter.ndim}
    for number in numbers:
        if number.requires_grad:
            number.register_post_accumulate_grad_hook(_average)
    for block in _blocks(model):
        fully_shard(block, mesh=mesh, ignored_params=numbers)
    fully_shard(model, mesh=mesh, ignored_params=numbers)


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Hold all parameters whole within, so that no process waits for another one; all processes enter together.

    Buffers (statistics of batch normalisation, say) are those of the first process from then on. A model whose
    parameters are whole is left as it is.
    """
    divided = any(isinstance(parameter, DTensor) for parameter in model.parameters())
    parts = [part for part in model.modules() if divided and isinstance(part, FSDPModule)]
    for buffer in model.buffers() if parts else ():
        distributed.broadcast(buffer, 0)
    if parts and isinstance(model, FSDPModule):
        # what is called first would else take itself for the whole, and a captioner calls its backbone alone
        model._get_fsdp_state()._lazy_init()
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(part is not model, recurse=False)
            part.reshard()


def whole_state(model: nn.Module) -> dict[str, Any]:
    """Return a model's state with all parameters whole, in every process."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))


def _average(parameter: torch.Tensor) -> None:
    assert parameter.grad is not None
    distributed.all_reduce(parameter.grad)
    parameter.grad /= distributed.get_world_size()


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(module, nn.Sequential | nn.ModuleList) and not isinstance(child, nn.Sequential | nn.ModuleList):
            if any(True for _ in child.parameters()):
                yield child
        else:
            yield from _blocks(child)
