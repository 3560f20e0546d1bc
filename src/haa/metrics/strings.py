"""Texts in a metric's state, as the bytes of JSON lines, so that processes can exchange them."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from haa.geometry.to_device import to_device


def pack(record: Any, device: torch.device | str = "cpu") -> Tensor:
    """Return a JSON-able record as a uint8 tensor, which torchmetrics can gather and concatenate like any state.

    Example:
        >>> unpack([pack(["a dog"]), pack(["two dogs"])])
        [['a dog'], ['two dogs']]
    """
    text = torch.frombuffer(bytearray(json.dumps(record).encode() + b"\n"), dtype=torch.uint8)
    return to_device(text, torch.device(device))


def unpack(state: Tensor | list[Tensor]) -> list[Any]:
    """Return the records of a state that `pack` filled, in order."""
    parts = [state] if isinstance(state, Tensor) else state
    text = b"".join(part.to(torch.uint8).cpu().numpy().tobytes() for part in parts)
    return [json.loads(line) for line in text.splitlines()]
