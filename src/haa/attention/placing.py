"""Verdict on a source's layers: whether their cells lie where the picture's do, tried once for each model."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from haa.attention.place import COPIES, REGIONS, OwnValue, changed, difference, misplaced, regions
from haa.attention.untouched import untouched
from haa.errors import InputError, reason

_VERDICTS: WeakKeyDictionary[nn.Module, dict[Any, dict[str, str]]] = WeakKeyDictionary()
_PLAIN = (Tensor, bool, int, float, str, type(None), torch.dtype, torch.device)


class Tried(Protocol):
    """What layers are tried with: `haa.attention.source.Source`, whose methods these are."""

    @property
    def reads_layers(self) -> bool: ...
    @property
    def reads_logs(self) -> bool: ...
    def reads(self) -> tuple[Any, ...]: ...
    def unattached(self) -> Self: ...
    def alone(self, tries: bool = False) -> AbstractContextManager[None]: ...
    def attach(self, model: nn.Module) -> None: ...
    def detach(self) -> None: ...
    def cells(self) -> dict[str, Tensor]: ...
    def spreads(self, layer: str) -> bool: ...


def refusals(source: Tried, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, str]:
    """Return why layers of a source are no maps of the picture, by layer; an empty dict where nothing speaks against.

    The model runs some times more, in evaluation mode and without a graph, before the first pass on pictures of this
    kind (lying, upright or square); the verdict is kept as long as the model lives. Without a picture among the
    arguments, or with a state that a pass would change (a cache of keys), nothing is tried.

    Args:
        source: The source, which is left as it is.
        model: The model that it watches.
        args: What the model is about to be called with.
        kwargs: What it is called with by name.
    """
    if not source.reads_layers:
        return {}
    image = next(x for x in (*args, *kwargs.values()) if is_image(x))
    key = (*source.reads(), (image.shape[-2] > image.shape[-1]) - (image.shape[-2] < image.shape[-1]))
    known = _VERDICTS.setdefault(model, {})
    if key not in known:
        leaves = tree_flatten((args, kwargs))[0]
        if not image.numel() or not all(isinstance(leaf, _PLAIN) for leaf in leaves):
            return {}
        alone = sum(isinstance(leaf, Tensor) for leaf in leaves) == 1
        known[key] = _tried(source, model, args, kwargs, image, alone)
    return known[key]


def is_image(x: Any) -> bool:
    """Return whether an argument of a model is a batch of images (b, c, h, w)."""
    return isinstance(x, Tensor) and x.ndim == 4 and x.is_floating_point()


def _tried(
    source: Tried, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], image: Tensor, alone: bool
) -> dict[str, str]:
    pictures = image.detach()
    if alone:
        count = min(REGIONS, max(COPIES, len(image)))
        pictures = pictures.repeat(-(-count // len(image)), 1, 1, 1)[:count]
    count = len(pictures)

    def cells(pictures: Tensor) -> dict[str, Tensor]:
        torch.manual_seed(0)  # an order that is drawn at random is another one than the picture's, but the same
        swap = lambda x: pictures if x is image else x  # noqa: E731
        with OwnValue():
            model(*map(swap, args), **{name: swap(value) for name, value in kwargs.items()})
        return twin.cells()

    twin = source.unattached()
    with torch.no_grad(), untouched(model), twin.alone(tries=True):
        try:
            twin.attach(model)
            before = cells(pictures)
            if not before:
                return {}
            grids = {layer: (values.shape[-2], values.shape[-1]) for layer, values in before.items()}
            finest = max(grids.values(), key=lambda grid: grid[0] * grid[1])
            places = regions(*finest)
            found: dict[str, list[Tensor]] = {layer: [] for layer in before}
            for start in range(0, REGIONS, count):
                part = places[start : start + count]
                change = difference(cells(changed(pictures, part, finest)), before, source.reads_logs)
                for layer, values in change.items():
                    found[layer].append(values[: len(part)])
            spread = {layer: twin.spreads(layer) for layer in before}
        except InputError:
            return {}  # the source says the same of the pass itself
        except Exception as error:
            if alone:  # it may be made for a batch of this length
                return _tried(source, model, args, kwargs, image, alone=False)
            warnings.warn(
                f"{type(model).__name__} could not be run to see where its cells lie ({reason(error)}): the layers of "
                f"{type(source).__name__} are taken for maps of the picture by the number of their cells",
                stacklevel=2,
            )
            return {}
        finally:
            twin.detach()
    return {
        layer: _why(layer, grids[layer])
        for layer, parts in found.items()
        if misplaced(torch.cat(parts), [_on(cell, finest, grids[layer]) for cell in places], spread[layer])
    }


def _on(cell: tuple[int, int], finest: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    return cell[0] * grid[0] // finest[0], cell[1] * grid[1] // finest[1]


def _why(layer: str, grid: tuple[int, int]) -> str:
    return (
        f"layer {layer} has as many cells as a grid of {grid[0]} x {grid[1]}, but where one part of the picture is "
        "changed, cells elsewhere change (tokens in random order, channels, pooled or merged tokens, another order or "
        "prefix?): name another layer, give grid and prefix, or use input_gradient"
    )
