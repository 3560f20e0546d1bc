"""Where the cells of a tensor look: the rectangle of the picture that they cover, followed through a forward pass.

A convolution's cell looks at the middle of its kernel's weights: the centroid of their squares, which is where the
squared gradient of what it computes lies. Random weights have it at the kernel's middle. Trained ones need not: those
of EfficientNet-Lite0 undo by it nearly all that TensorFlow's paddings displace. Weights, strides, paddings and
dilations thus say where the cells of each tensor lie; what works on each cell by itself, flattens the grid to tokens,
or mixes cells of one grid leaves the rectangle that they cover as it is. Nothing is known of how a model is built: its
operations are looked at while they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor  # has no values to look at; no public name
from torch.overrides import TorchFunctionMode

from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent, Size

_NAME = "_haa_extent"
"""Attribute of a tensor: its extent, and the grid on which its cells lay when it last was a map."""


def looks_at(tensor: Tensor, extent: Extent) -> Tensor:
    """Note of a map ``(..., i, j)`` which rectangle of the picture its cells cover, and return it."""
    setattr(tensor, _NAME, (extent, tuple(tensor.shape[-2:])))
    return tensor


def extent_of(tensor: Any) -> Extent | None:
    """Return the rectangle of the picture that a tensor's cells cover; None where it is not known."""
    return getattr(tensor, _NAME, (None, None))[0]


class Following(TorchFunctionMode):
    """Mode in which tensors keep where their cells look.

    Example:
        >>> image = looks_at(torch.rand(1, 3, 32, 32), WHOLE)
        >>> with Following():
        ...     cells = torch.nn.functional.conv2d(image, torch.ones(4, 3, 3, 3), stride=2, padding=1)
        >>> extent_of(cells)  # of 2 pixels each, about 0, 2, 4 ...
        Extent(top=-0.015625, left=-0.015625, bottom=0.984375, right=0.984375)
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        known = [note for x in _tensors(args, kwargs) if (note := getattr(x, _NAME, None)) is not None]
        if not known:
            return output
        extent, grid = known[0]
        name, first = getattr(func, "__name__", ""), args[0] if args else kwargs.get("input")
        if name in _RULES:
            extent = _RULES[name](extent, output, (first, *args[1:]), kwargs)
        elif any(other != extent for other, _ in known):
            extent = _middle([other for other, _ in known])
        if extent is None:
            return output
        for tensor in _tensors((output,), {}):
            if tensor is not first:
                setattr(tensor, _NAME, (extent, _grid(name, grid, (first, *args[1:]), kwargs, tensor)))
        return output


@contextmanager
def following(*images: Tensor) -> Iterator[None]:
    """Follow where cells look in what runs within, from pictures on.

    Args:
        images: Pictures ``(..., h, w)``, or features whose extent is known already (`looks_at`).
    """
    for image in images:
        looks_at(image, extent_of(image) or WHOLE)
    with Following():
        yield


_FOUND: WeakKeyDictionary[nn.Module, dict[Any, Any]] = WeakKeyDictionary()
_at_work = 0


def known(module: nn.Module) -> dict[Any, Any]:
    """Return what is kept, until `forget`, of where the cells of a module's maps look; who finds it puts it there."""
    return _FOUND.setdefault(module, {})


def forget(module: nn.Module) -> None:
    """Forget where the cells of a module and of its parts look, unless their weights are fixed.

    Training moves the middles of kernels a little. What is learned from stays where it was at first; a test begins with
    this, so that a model is scored by where its own weights look, whoever has trained it.
    """
    for part in module.modules():
        if part in _FOUND and any(parameter.requires_grad for parameter in part.parameters()):
            del _FOUND[part]


def at_work() -> bool:
    """Return whether what runs now is `extents`' own pass, of which nothing is to be kept."""
    return _at_work > 0


def extents(module: nn.Module, image: Tensor, run: Callable[[Tensor], Any] | None = None) -> list[Extent]:
    """Return which rectangles of a picture the cells of a module's output cover.

    The module runs once for each size of pictures, on one that is black, in evaluation mode and without a graph;
    nothing of it remains. What is found is kept until `forget`.

    Args:
        module: Module that takes pictures.
        image: Pictures of the size in question, ``(b, c, h, w)``.
        run: Method of the module to call; None calls the module. It returns a tensor, or a list of them.

    Returns:
        One rectangle for each tensor, the whole picture where it is not known.

    Example:
        >>> extents(nn.AvgPool2d(16), torch.zeros(1, 3, 32, 40))  # the last 8 columns are not seen
        [Extent(top=0.0, left=0.0, bottom=1.0, right=0.8)]
    """
    global _at_work
    key = getattr(run, "__name__", ""), (image.shape[-2], image.shape[-1])
    found: dict[Any, list[Extent]] = known(module)
    if key not in found:
        modes = [(part, part.training) for part in module.modules()]
        module.eval()
        _at_work += 1
        devices = [image.device] if image.device.type == "cuda" else []
        try:
            with torch.no_grad(), torch.random.fork_rng(devices):
                picture = torch.zeros_like(image[:1])
                with following(picture):
                    output = (module if run is None else run)(picture)
        finally:
            _at_work -= 1
            for part, training in modes:
                part.training = training
        outputs = output if isinstance(output, list | tuple) else [output]
        found[key] = [extent_of(tensor) or WHOLE for tensor in outputs]
    return found[key]


def plain(module: nn.Module) -> dict[str, list[Any]]:
    """Return what is kept of a module and its parts as plain values, for a checkpoint; `restore` puts it back."""
    out: dict[str, list[Any]] = {}
    for name, part in module.named_modules():
        for key, lie in _FOUND.get(part, {}).items():
            values = tuple(lie) if isinstance(lie, Extent) else [tuple(extent) for extent in lie]
            key = [tuple(item) if isinstance(item, tuple) else item for item in key]
            out.setdefault(name, []).append((key, values))
    return out


def restore(module: nn.Module, kept: Any) -> None:
    """Put back what `plain` returned, if there is any: training goes on with cells where they were.

    Raises:
        InputError: If it is something else.
    """
    try:
        for name, part in module.named_modules() if kept else ():
            for key, lie in kept.get(name, ()):
                one = isinstance(lie, tuple)
                found = [Extent(*map(float, extent)) for extent in ([lie] if one else lie)]
                known(part)[tuple(key)] = found[0] if one else found
    except (AttributeError, TypeError, ValueError):
        raise InputError("the checkpoint's geometry is none that haa writes: train anew") from None


def _grid(name: str, grid: Size, args: Any, kwargs: dict[str, Any], after: Tensor) -> Size:
    """Return on which grid the cells of a result lie."""
    before = args[0]
    if name in _MAPS and after.ndim == 4:
        axes = _padded(before, _argument(args, kwargs, 1, "pad", ()), grid) if name == "pad" else None
        return _shape(after, axes or (2, 3))
    if name == "__getitem__" and before.ndim == after.ndim == 4:
        axes = next((axes for axes in ((2, 3), (1, 2)) if grid == _shape(before, axes)), None)
        return grid if axes is None else _shape(after, axes)
    return grid


def _tensors(args: Any, kwargs: dict[str, Any]) -> Iterator[Tensor]:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, Tensor))


def _middle(known: list[Extent]) -> Extent:
    """Return the mean rectangle: of what two branches add, or put beside each other."""
    return Extent(*(sum(sides) / len(known) for sides in zip(*known, strict=True)))


def _shape(tensor: Tensor, axes: tuple[int, int]) -> Size:
    return tensor.shape[axes[0]], tensor.shape[axes[1]]


Rule = Callable[[Extent, Any, Any, dict[str, Any]], Extent | None]


def _argument(args: Any, kwargs: dict[str, Any], place: int, name: str, default: Any) -> Any:
    value = args[place] if len(args) > place else kwargs.get(name, default)
    return default if value is None else value


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return int(first), int(rest[0] if rest else first)


def _sides(extent: Extent) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return from where to where the rectangle reaches, down and across."""
    return (extent.top, extent.bottom), (extent.left, extent.right)


def _middle_of(weight: Tensor) -> tuple[float, float]:
    """Return where in a kernel ``(o, i, h, w)`` the centroid of its squared weights lies, from its first on."""
    height, width = weight.shape[-2:]
    middle = (height - 1) / 2, (width - 1) / 2
    if weight.device.type == "meta" or isinstance(weight, FakeTensor):
        return middle
    energy = weight.detach().double().square().sum((0, 1)).cpu()
    total = float(energy.sum())
    if not 0 < total < inf:
        return middle
    down, across = (torch.arange(side, dtype=energy.dtype) for side in (height, width))
    return float(energy.sum(1) @ down) / total, float(energy.sum(0) @ across) / total


def _windows(
    extent: Extent,
    size: Size,
    grid: Size,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any = 1,
    middle: tuple[float, float] | None = None,
) -> Extent:
    """Return what the windows of a convolution or a pooling cover, that run over ``size`` cells and give ``grid``.

    They look at the ``middle`` of their kernel; None is that of its size.
    """
    reach = [d * (k - 1) for k, d in zip(_pair(kernel), _pair(dilation), strict=True)]
    middles = [(k - 1) / 2 for k in _pair(kernel)] if middle is None else middle
    if isinstance(padding, str):
        padding = [span // 2 for span in reach] if padding == "same" else 0
    sides = []
    for low, high, cells, out, at, step, before in zip(
        extent[:2],
        extent[2:],
        size,
        grid,
        (d * m for d, m in zip(_pair(dilation), middles, strict=True)),
        _pair(stride),
        _pair(padding),
        strict=True,
    ):
        cell = (high - low) / cells
        first = low + (at - before + 0.5) * cell
        sides.append((first - step * cell / 2, first - step * cell / 2 + out * step * cell))
    (top, bottom), (left, right) = sides
    return Extent(top, left, bottom, right)


def _grids(args: Any, output: Any) -> tuple[Size, Size]:
    given = output[0] if isinstance(output, tuple) else output
    return (args[0].shape[-2], args[0].shape[-1]), (given.shape[-2], given.shape[-1])


def _convolution(extent: Extent, output: Any, args: Any, kwargs: dict[str, Any]) -> Extent:
    weight = _argument(args, kwargs, 1, "weight", None)
    stride = _argument(args, kwargs, 3, "stride", 1)
    padding, dilation = _argument(args, kwargs, 4, "padding", 0), _argument(args, kwargs, 5, "dilation", 1)
    middle = _middle_of(weight)
    return _windows(extent, *_grids(args, output), weight.shape[-2:], stride, padding, dilation, middle)


def _transposed(extent: Extent, output: Any, args: Any, kwargs: dict[str, Any]) -> Extent:
    weight = _argument(args, kwargs, 1, "weight", None)
    stride, padding = _argument(args, kwargs, 3, "stride", 1), _argument(args, kwargs, 4, "padding", 0)
    dilation = _argument(args, kwargs, 7, "dilation", 1)
    sides = []
    for low, high, cells, out, middle, step, before, spread in zip(
        extent[:2],
        extent[2:],
        *_grids(args, output),
        _middle_of(weight),
        _pair(stride),
        _pair(padding),
        _pair(dilation),
        strict=True,
    ):
        cell = (high - low) / cells
        fine = cell / step
        start = low + cell / 2 - (spread * middle - before + 0.5) * fine
        sides.append((start, start + out * fine))
    (top, bottom), (left, right) = sides
    return Extent(top, left, bottom, right)


def _max_pool(extent: Extent, output: Any, args: Any, kwargs: dict[str, Any]) -> Extent:
    kernel = _argument(args, kwargs, 1, "kernel_size", 1)
    stride = _argument(args, kwargs, 2, "stride", kernel) or kernel
    padding, dilation = _argument(args, kwargs, 3, "padding", 0), _argument(args, kwargs, 4, "dilation", 1)
    return _windows(extent, *_grids(args, output), kernel, stride, padding, dilation)


def _average_pool(extent: Extent, output: Any, args: Any, kwargs: dict[str, Any]) -> Extent:
    kernel = _argument(args, kwargs, 1, "kernel_size", 1)
    stride = _argument(args, kwargs, 2, "stride", kernel) or kernel
    return _windows(extent, *_grids(args, output), kernel, stride, _argument(args, kwargs, 3, "padding", 0))


def _pad(extent: Extent, output: Any, args: Any, kwargs: dict[str, Any]) -> Extent:
    widths = list(_argument(args, kwargs, 1, "pad", ()))
    dims, grid = args[0].ndim, getattr(args[0], _NAME, (None, None))[1]
    around = {dims - 1 - k: (widths[2 * k], widths[2 * k + 1]) for k in range(len(widths) // 2)}
    if dims != 4 or (axes := _padded(args[0], widths, grid)) is None:
        return extent
    sides = []
    for axis, (low, high) in zip(axes, _sides(extent), strict=True):
        before, after = around.get(axis, (0, 0))
        cell = (high - low) / args[0].shape[axis]
        sides.append((low - before * cell, high + after * cell))
    (top, bottom), (left, right) = sides
    return Extent(top, left, bottom, right)


def _padded(tensor: Tensor, widths: Any, grid: Size | None) -> tuple[int, int] | None:
    """Return which axes of four are rows and columns to a padding; None where it cannot be told."""
    if len(widths) == 6 and not widths[0] and not widths[1]:
        return 1, 2  # channels come last, and are not padded; tokens may have been merged since the grid was noted
    return next((axes for axes in ((2, 3), (1, 2)) if grid == _shape(tensor, axes)), None)


def _part(extent: Extent, output: Any, args: Any, kwargs: dict[str, Any]) -> Extent:
    """Return what is left where rows and columns of maps are cut off, or every other one is taken."""
    tensor, index = args[0], args[1]
    index = index if isinstance(index, tuple) else (index,)
    grid = getattr(tensor, _NAME, (None, None))[1]
    # (b, c, h, w), or (b, h, w, c)
    axes = next((axes for axes in ((2, 3), (1, 2)) if tensor.ndim == 4 and grid == _shape(tensor, axes)), None)
    if axes is None or not all(isinstance(item, slice) or item is Ellipsis for item in index):
        return extent
    if Ellipsis in index:
        place = index.index(Ellipsis)
        index = (*index[:place], *[slice(None)] * (tensor.ndim - len(index) + 1), *index[place + 1 :])
    index = (*index, *[slice(None)] * (tensor.ndim - len(index)))
    sides = []
    for axis, (low, high) in zip(axes, _sides(extent), strict=True):
        start, _, step = index[axis].indices(tensor.shape[axis])
        cell = (high - low) / tensor.shape[axis]
        first = low + (start + 0.5 - step / 2) * cell
        sides.append((first, first + output.shape[axis] * step * cell))
    (top, bottom), (left, right) = sides
    return Extent(top, left, bottom, right)


def _derivative(extent: Extent, output: Any, args: Any, kwargs: dict[str, Any]) -> Extent | None:
    """Return where the cells lie to which a value is derived."""
    return next(map(extent_of, _tensors((_argument(args, kwargs, 1, "inputs", ()),), {})), None)


_RULES: dict[str, Rule] = {
    "grad": _derivative,
    "conv2d": _convolution,
    "conv_transpose2d": _transposed,
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "pad": _pad,
    "__getitem__": _part,
}
"""Operations after which cells look elsewhere, or cover another part; all others leave the rectangle as it is."""

_MAPS = _RULES.keys() - {"__getitem__", "grad"} | {"interpolate", "adaptive_avg_pool2d", "adaptive_max_pool2d"}
"""Operations on maps that return maps of another grid."""
