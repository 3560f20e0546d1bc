"""An accelerator on a machine that has none: meta tensors, and an error wherever the host would wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = "meta"
"""Whose tensors have no values: PyTorch refuses whatever needs one on the host, such as ``item``, ``if``, ``nonzero``,
``unique`` or a mask as an index, and to mix tensors of several devices, as on CUDA."""


class HostWaits(AssertionError):
    """What ``torch.cuda.set_sync_debug_mode("error")`` would refuse, and meta tensors do in silence."""


@contextmanager
def nobody_waits() -> Iterator[None]:
    """Refuse, within, every copy for which the host waits: those that are not asked to go on by themselves."""
    with _Copies(), _Numbers():
        yield


class _Copies(TorchDispatchMode):
    """Mode that refuses ``x.to(device)`` of what lies on the host, and such a tensor as an index."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name, given = func.overloadpacket.__name__, _places((args, kwargs))
        if name in ("_to_copy", "copy_"):
            moves = len(given | _places(output)) > 1
            if moves and not (kwargs.get("non_blocking") or True in args[2:]):
                raise HostWaits(f"{func} brings {tuple(output.shape)} to the device")
        elif name.startswith(("index", "_index")) and len(given) > 1:
            raise HostWaits(f"{func} brings an index to the device")
        return output


class _Numbers(TorchFunctionMode):
    """Mode that refuses what makes a tensor of Python's numbers: on CUDA it is made on the host and copied."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, Tensor.new_tensor):
            if DEVICE in _places(output) and not isinstance(args[-1], Tensor):
                raise HostWaits(f"{func.__name__}({args[-1]}) is brought to the device")
        elif func in (Tensor.__getitem__, Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else args[1:2]
            if DEVICE in _places(args[0]) and any(isinstance(each, list) for each in index):
                raise HostWaits(f"the index {args[1]} is brought to the device")
        return output


def _places(values: Any) -> set[str]:
    return {x.device.type for x in tree_leaves(values) if isinstance(x, Tensor)}


def without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let code switch off the autocast, which this device does not have."""
    autocast = torch.autocast
    monkeypatch.setattr(
        torch, "autocast", lambda kind, *args, **kw: nullcontext() if kind == DEVICE else autocast(kind, *args, **kw)
    )
