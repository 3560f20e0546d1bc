"""A copy from the host to a device for which the host does not wait."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the host on a device, and let the host go on at once.

    ``values.to(device)`` and ``torch.tensor(..., device=device)`` wait until the device has done all that was queued
    before. Asked not to, CUDA first takes what lies in ordinary memory into a buffer of its own, so that the tensor may
    be changed or freed as soon as this returns. MPS does not promise that, and the host waits there.

    Example:
        >>> to_device(torch.tensor([1.0, 4.0]), torch.device("cpu"))
        tensor([1., 4.])
    """
    return values.to(device, non_blocking=device.type != "mps")
