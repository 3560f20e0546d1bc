"""What every map metric starts from: flat pixels, values at fixations, moments, densities, means over valid points.

On a CPU a look at the data costs nothing, and memory traffic costs everything; on an accelerator it is the other way
round. `eager_cpu` tells the two apart, so that a shortcut which branches on values is taken on a CPU alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.gaze import valid


def eager_cpu(*tensors: Tensor) -> bool:
    """Whether a branch on values is free: on a CPU, outside of torch.compile, and with no gradient to keep."""
    if torch.compiler.is_compiling():
        return False
    return all(t.device.type == "cpu" and not (t.requires_grad and torch.is_grad_enabled()) for t in tensors)


def flat(maps: Shaped[Tensor, "b h w"], like: Tensor | None = None) -> Float[Tensor, "b p"]:
    """The maps' pixels as one float row each: float64 stays, everything else becomes float32.

    Raises:
        InputError: if this is not a batch of maps, or not of the shape of ``like``.
    """
    if maps.ndim != 3 or maps.shape[1] * maps.shape[2] == 0:
        raise InputError(f"maps have shape {tuple(maps.shape)}: give (batch, height, width)")
    if like is not None and maps.shape != like.shape:
        raise InputError(f"maps of {tuple(maps.shape)} and {tuple(like.shape)} differ: resize one to the other's size")
    if maps.dtype not in (torch.float32, torch.float64):
        maps = maps.float()
    return maps.flatten(1)


def locate(
    fixations: Float[Tensor, "b n 2"], maps: Shaped[Tensor, "b h w"]
) -> tuple[Int[Tensor, "b n"], Bool[Tensor, "b n"]]:
    """Each fixation's pixel in the flat map, and whether it lies on the map; the others point to pixel 0.

    Raises:
        InputError: if the points are not (batch, n, 2) of the maps' batch.
    """
    if fixations.ndim != 3 or fixations.shape[2] != 2 or len(fixations) != len(maps):
        raise InputError(
            f"fixations have shape {tuple(fixations.shape)} for {len(maps)} maps: give (batch, n, 2), NaN pads"
        )
    h, w = maps.shape[-2:]
    on = valid(fixations, (h, w))
    x, y = torch.where(on[..., None], fixations + 0.5, 0.0).floor().long().unbind(-1)
    return y * w + x, on


def outside(fixations: Float[Tensor, "b n 2"], maps: Shaped[Tensor, "b h w"]) -> Int[Tensor, ""]:
    """How many points are neither padding nor on the map."""
    return (~fixations.isnan().any(-1) & ~valid(fixations, (maps.shape[1], maps.shape[2]))).sum()


def widest(values: Tensor) -> Tensor:
    """The values in float64, where the device has it: for a few numbers of which a difference is taken."""
    return values if values.device.type == "mps" else values.double()


def mean_over(values: Float[Tensor, "b n"], on: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """The mean of the valid values of each row, NaN where there is none."""
    return torch.where(on, values, 0.0).sum(1) / on.sum(1)


def row_dot(a: Float[Tensor, "b p"], b: Float[Tensor, "b p"]) -> Float[Tensor, " b"]:
    """The dot product of each row of ``a`` with the same row of ``b``, without a product map where that is faster."""
    length = next((n for n in (640, 512, 352, 320, 256, 128, 64) if a.shape[1] % (2 * n) == 0), 0)
    if not length or not eager_cpu(a, b):
        return (a * b).sum(1)
    # products of two rows by two rows: the smallest that the matrix library takes on, and only its diagonal is wanted
    pairs = torch.bmm(a.reshape(-1, 2, length), b.reshape(-1, 2, length).mT)
    return pairs.diagonal(dim1=1, dim2=2).reshape(len(a), a.shape[1] // length).sum(1)


def row_norm(a: Float[Tensor, "b p"], power: int) -> Float[Tensor, " b"]:
    """The sum of ``abs(a) ** power`` (1 or 2) over each row; in blocks, since float32 loses digits in one long sum."""
    block = next((n for n in (640, 512, 352, 320, 256, 128, 64) if a.shape[1] % n == 0), 1)
    parts = torch.linalg.vector_norm(a.reshape(len(a), a.shape[1] // block, block), power, dim=2)
    return (parts.square_() if power == 2 else parts).sum(1)


def row_square(a: Float[Tensor, "b p"]) -> Float[Tensor, " b"]:
    """The sum of squares of each row."""
    return row_norm(a, 2) if eager_cpu(a) else a.square().sum(1)


def moments(maps: Float[Tensor, "b p"]) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b 1"], Float[Tensor, "b p"]]:
    """Mean and population variance of each row, and the row less a shift that keeps the digits of products.

    The variance of a constant row is exactly 0. Returns ``(mean of the third, variance, shifted rows)``.
    """
    pixels = maps.shape[1]
    mean = maps.mean(1, keepdim=True)
    if eager_cpu(maps):
        variance = (row_square(maps)[:, None] / pixels).sub_(mean.square())
        # up to here the difference of the two keeps enough of float32's digits
        if bool((mean.square() <= 8 * variance).all()):
            return mean, variance, maps
    shifted = maps - mean
    # constancy is judged on the values: the rounded mean of a constant row need not equal them
    constant = maps.amax(1, keepdim=True) == maps.amin(1, keepdim=True)
    shifted = torch.where(constant, 0.0, shifted)
    rest = shifted.mean(1, keepdim=True)
    return rest, (shifted.square().mean(1, keepdim=True) - rest.square()).clamp_min(0.0), shifted


def density_parts(maps: Float[Tensor, "b p"]) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b 1"]]:
    """Non-negative rows and their sums: the quotient is the density that a map stands for.

    A map with negative values is shifted to minimum 0; an all-zero map (then) is a uniform density.
    """
    low = maps.amin(1, keepdim=True).clamp_max(0.0)
    free = eager_cpu(maps)
    if not free or bool((low < 0).any()):
        maps = maps - low
    total = maps.sum(1, keepdim=True)
    empty = total == 0
    if not free or bool(empty.any()):
        maps = torch.where(empty, 1.0, maps)
        total = torch.where(empty, float(maps.shape[1]), total)
    return maps, total


def image_by_image(function: Callable[..., Tensor], *rows: Tensor) -> Float[Tensor, " b"]:
    """``function(*rows)``, one image at a time on a CPU, where an image's temporaries then stay in the cache."""
    if len(rows[0]) <= 1 or not eager_cpu(*rows):
        return function(*rows)
    return torch.cat([function(*each) for each in zip(*(r.split(1) for r in rows), strict=True)])
