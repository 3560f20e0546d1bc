"""Batches of other people's loops: image and gaze found and named in them, and their tensors replaced."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from haa.errors import InputError

Named = Callable[[Any], Mapping[str, Any]]
"""Function from a batch of any form to a mapping with ``image``, and ``fixations`` or ``density``."""


def named(batch: Any, function: Named | None = None, sample: bool = False) -> Mapping[str, Any]:
    """Return a batch as a mapping with ``image``, by the function where there is one.

    Args:
        batch: Whatever a loop calls its batch.
        function: What ``batch=`` was given.
        sample: Whether it is one sample, without a dimension for the batch, and the function that of ``sample=``.

    Raises:
        InputError: If it is no such mapping; the message shows the function that would do.

    Example:
        >>> named((torch.zeros(2, 3, 8, 8), torch.tensor([0, 1]), torch.zeros(2, 5, 2)))
        Traceback (most recent call last):
        haa.errors.InputError: the batch is a tuple: give batch=lambda b: {"image": b[0], "fixations": b[2]}
    """
    made = batch if function is None else function(batch)
    if isinstance(made, Mapping) and "image" in made:
        return made
    what, asked = ("the sample", "sample") if sample else ("the batch", "batch")
    if function is not None:
        raise InputError(f"{asked}= gives what {_told(made)}: it has to give a mapping with image and fixations")
    raise InputError(f"{what} {_told(batch)}: {suggestion(batch, sample)}")


def suggestion(batch: Any, sample: bool = False) -> str:
    """Return a sentence with the function that names image and gaze of a batch, by the shapes of its tensors.

    Example:
        >>> suggestion({"pixel_values": torch.zeros(2, 3, 8, 8), "looks": torch.zeros(2, 5, 2)})
        'give batch=lambda b: {"image": b["pixel_values"], "fixations": b["looks"]}'
    """
    asked, letter, less = ("sample", "s", 1) if sample else ("batch", "b", 0)
    parts = list(_parts(batch, letter))
    image = next((path for path, x in parts if x.ndim == 4 - less and x.dtype != torch.bool), None)
    points = next((path for path, x in parts if x.ndim == 3 - less and x.shape[-1] == 2), None)
    maps = next((path for path, x in parts if x.ndim == 3 - less and x.shape[-1] > 2 and x.is_floating_point()), None)
    shapes = "image (c, h, w) and fixations (n, 2)" if sample else "image (b, c, h, w) and fixations (b, n, 2)"
    if image is None:
        return f"give a mapping with {shapes}, or {asked}=, a function that makes one of it"
    gaze = f'"density": {maps}' if points is None and maps is not None else f'"fixations": {points or "..."}'
    lacking = "" if points or maps else f", with the fixations {'(n, 2)' if sample else '(b, n, 2)'}, which it lacks"
    return f'give {asked}=lambda {letter}: {{"image": {image}, {gaze}}}{lacking}'


def changed(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch of the same form in which each tensor is changed; what is no tensor stays.

    Example:
        >>> changed({"label": (torch.ones(1), "a")}, lambda x: x + 1)
        {'label': (tensor([2.]), 'a')}
    """
    if isinstance(tree, Tensor):
        return change(tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        twin = copy.copy(tree)
        for key, value in vars(tree).items():
            object.__setattr__(twin, key, changed(value, change))
        if not isinstance(tree, Mapping):
            return twin
        tree = twin
    if isinstance(tree, Mapping):
        copied: Any = dict(tree) if type(tree) is dict else copy.copy(tree)
        for key, value in tree.items():
            copied[key] = changed(value, change)
        return copied
    if isinstance(tree, list | tuple):
        parts = [changed(value, change) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return tree


def replaced(tree: Any, old: Tensor, new: Tensor) -> Any:
    """Return a batch of the same form with one of its tensors, told by its identity, replaced.

    Raises:
        InputError: If it is none of its tensors.
    """
    met = []

    def swap(x: Tensor) -> Tensor:
        if x is not old:
            return x
        met.append(x)
        return new

    out = changed(tree, swap)
    if not met:
        raise InputError("a part of a batch was computed and not taken from it, so that it cannot be put back")
    return out


@dataclass(frozen=True)
class Replay:
    """A forward pass that can be run again on one sample, with other pictures.

    Args:
        run: Function from the inputs to the model's output.
        inputs: What the model was called with, of any form.
        image: The pictures ``(b, c, h, w)``, one of the inputs' tensors.

    Example:
        >>> inputs = {"image": torch.rand(2, 3, 4, 4), "scale": torch.tensor([1.0, 2.0])}
        >>> again = Replay(lambda x: x["image"].mean((1, 2, 3)) * x["scale"], inputs, inputs["image"])
        >>> again.of(1).on(torch.ones(3, 3, 4, 4))
        tensor([2., 2., 2.])
    """

    run: Callable[[Any], Any]
    inputs: Any
    image: Tensor

    def of(self, index: int) -> Replay:
        """Return the pass of one sample alone."""
        image = self.image[index : index + 1].clone()
        inputs = only(replaced(self.inputs, self.image, image), index, len(self.image), image)
        return Replay(self.run, inputs, image)

    def on(self, pictures: Tensor) -> Any:
        """Return the model's output for one sample's inputs with each of some pictures ``(k, c, h, w)``."""
        count = len(pictures)
        return self.run(repeated(replaced(self.inputs, self.image, pictures), count, pictures))


def only(tree: Any, index: int, count: int, but: Tensor | None = None) -> Any:
    """Return one sample of a batch of ``count``: of tensors and lists of that length, its own part."""
    if isinstance(tree, list) and len(tree) == count and not any(isinstance(x, Tensor) for x in tree):
        return [tree[index]]
    if isinstance(tree, dict):
        return {key: only(value, index, count, but) for key, value in tree.items()}
    if isinstance(tree, tuple) and not hasattr(tree, "_fields"):
        return tuple(only(value, index, count, but) for value in tree)
    return changed(tree, lambda x: x if x is but or not x.ndim or len(x) != count else x[index : index + 1].clone())


def repeated(tree: Any, count: int, but: Tensor | None = None) -> Any:
    """Return a batch of one sample as one of ``count`` equal ones."""
    if isinstance(tree, list) and len(tree) == 1 and not isinstance(tree[0], Tensor):
        return tree * count
    if isinstance(tree, dict):
        return {key: repeated(value, count, but) for key, value in tree.items()}
    if isinstance(tree, tuple) and not hasattr(tree, "_fields"):
        return tuple(repeated(value, count, but) for value in tree)
    return changed(tree, lambda x: x if x is but or not x.ndim or len(x) != 1 else x.expand(count, *x.shape[1:]))


def _told(batch: Any) -> str:
    if isinstance(batch, Mapping):
        return f"has {', '.join(map(str, batch))}"
    return f"is a {type(batch).__name__}"


def _parts(batch: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor of a batch with the expression that gets it."""
    if isinstance(batch, Tensor):
        yield path, batch
    elif depth < 3:
        for step, value in _steps(batch):
            yield from _parts(value, path + step, depth + 1)


def _steps(batch: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(batch, Mapping):
        yield from ((f'["{key}"]' if isinstance(key, str) else f"[{key!r}]", value) for key, value in batch.items())
    elif hasattr(batch, "_fields"):
        yield from ((f".{name}", getattr(batch, name)) for name in batch._fields)
    elif isinstance(batch, list | tuple):
        yield from ((f"[{k}]", value) for k, value in enumerate(batch))
    elif hasattr(batch, "__dict__"):
        yield from ((f".{name}", value) for name, value in vars(batch).items() if not name.startswith("_"))
