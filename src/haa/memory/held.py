"""Results of pure functions that this process has asked for before, held in memory up to a number of bytes.

The runs of a study score the same pictures against the same human maps, epoch after epoch and run after run, and train
on the same points. A result is held under the content of all that it depends on, so that another condition, size,
blur or augmentation is another key, and what is found is what would be computed again, to the last bit.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

ALONE = 2**28
"""Bytes that are held at most where a process does one run: those of a batch, and of a small validation split."""

STUDY = 2**30
"""Bytes that the runs of a study hold at most, in all of its processes on this machine together."""


class Held:
    """Tensors by key, up to a number of bytes; where there is no more room, others, drawn at random, are let go.

    Runs ask for the same things in the same order. Of more than there is room for, the least recently used is then
    always the next that is asked for; of a random choice a share stays.

    Args:
        limit: Bytes that are held at most.

    Example:
        >>> held = Held(limit=8)
        >>> held("a", lambda: (torch.ones(2),)), held("a", lambda: (torch.zeros(2),))
        ((tensor([1., 1.]),), (tensor([1., 1.]),))
        >>> _ = held("b", lambda: (torch.zeros(2),))
        >>> held.bytes
        8
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.clear()

    def __call__(self, key: Hashable, make: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Return what ``make`` gives, or gave before for this key; nobody may write into it.

        Args:
            key: All that the tensors depend on (`content` of tensors).
            make: Function without side effects.
        """
        found = self._values.get(key)
        if found is None:
            # what is made while a model is evaluated may be needed by a graph later
            with torch.inference_mode(False), torch.no_grad():
                found = make()
            self._keep(key, found)
        return found

    def clear(self, limit: int | None = None) -> None:
        """Let go of everything, and take another limit where one is given."""
        self.limit = self.limit if limit is None else limit
        self.bytes = 0
        self._values: dict[Hashable, tuple[Tensor, ...]] = {}
        self._keys: list[Hashable] = []
        self._draw = random.Random(0)

    def _keep(self, key: Hashable, value: tuple[Tensor, ...]) -> None:
        size = _bytes(value)
        if size > self.limit:
            return
        while self.bytes + size > self.limit:
            place = self._draw.randrange(len(self._keys))
            self._keys[place], last = self._keys[-1], self._keys[place]
            self._keys.pop()
            self.bytes -= _bytes(self._values.pop(last))
        self._values[key] = value
        self._keys.append(key)
        self.bytes += size


HELD = Held(ALONE)
"""What this process holds."""


def holds(*tensors: Tensor | None) -> bool:
    """Return whether what is made of tensors may be held: on a CPU, where contents are read for nothing, in full.

    None is held of a graph, of code that is compiled, and under autocast, whose precision is no part of a key.

    Example:
        >>> holds(torch.zeros(1), None), holds(torch.zeros(1, requires_grad=True))
        (True, False)
    """
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    given = [tensor for tensor in tensors if tensor is not None]
    return all(type(t) is Tensor and t.device.type == "cpu" and not t.requires_grad for t in given)


def content(*tensors: Tensor | None) -> bytes:
    """Return a digest of tensors on a CPU: types, shapes and bytes.

    Example:
        >>> content(torch.zeros(2)) == content(torch.zeros(2)) != content(torch.zeros(2, 1))
        True
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            digest.update(b"none")
            continue
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.digest()


def _bytes(value: tuple[Tensor, ...]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in value)
