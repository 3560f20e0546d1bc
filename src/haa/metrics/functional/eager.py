"""Test of whether code may branch on the values of a tensor at no cost.

On a CPU, reading a value costs nothing and memory traffic costs most; on an accelerator it is the other way round.
`eager_cpu` tells the two apart, so that a shortcut that branches on values is taken on a CPU only.
"""

from __future__ import annotations

import torch
from torch import Tensor


def eager_cpu(*tensors: Tensor) -> bool:
    """Return whether a branch on values is free: on a CPU, outside of torch.compile, and with no gradient to keep."""
    if torch.compiler.is_compiling():
        return False
    return all(t.device.type == "cpu" and not (t.requires_grad and torch.is_grad_enabled()) for t in tensors)
