"""What every map metric starts from: flat pixels, values at fixations, moments, densities, means over valid points."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.gaze import valid
from haa.metrics.functional.eager import eager_cpu


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


def moments(maps: Float[Tensor, "b p"]) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b 1"], Float[Tensor, "b p"]]:
    """Mean and population variance of each row, and the row less a shift that keeps the digits of products.

    The variance of a constant row is exactly 0. Returns ``(mean of the third, variance, shifted rows)``.
    """
    mean = maps.mean(1, keepdim=True)
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
