"""Flat maps ``(b, p)``: their checks, the pixels of fixations in them, their moments and sums, means over points."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.errors import InputError
from haa.gaze import valid
from haa.geometry.extent import in_full
from haa.metrics.functional.eager import eager_cpu


def flat(maps: Shaped[Tensor, "b h w"], like: Tensor | None = None) -> Float[Tensor, "b p"]:
    """Return the pixels of each map as one row of floats: float64 stays, everything else becomes float32.

    Args:
        maps: Maps of any dtype.
        like: Tensor whose shape the maps must have; None accepts any shape.

    Raises:
        InputError: If this is not a batch of maps, or not of the shape of ``like``.
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
    """Return each fixation's pixel in the flat map, and whether it lies on the map; if not, its pixel is 0.

    Args:
        fixations: Points (x, y) in pixels of the map.
        maps: Maps, of which only the shape is read.

    Raises:
        InputError: If the points are not (batch, n, 2) of the maps' batch.
    """
    if fixations.ndim != 3 or fixations.shape[2] != 2 or len(fixations) != len(maps):
        raise InputError(
            f"fixations have shape {tuple(fixations.shape)} for {len(maps)} maps: give (batch, n, 2), NaN pads"
        )
    h, w = maps.shape[-2:]
    if eager_cpu(fixations):  # numpy's calls take a tenth of the time of torch's, and there are a dozen
        across, down = _sides(fixations)
        inside = _inside(across, down, (h, w))
        column, row = (np.where(inside, side + 0.5, 0.0).astype(np.int64) for side in (across, down))
        return torch.from_numpy(row * w + column), torch.from_numpy(inside)
    on = valid(fixations, (h, w))
    x, y = torch.where(on[..., None], fixations + 0.5, 0.0).floor().long().unbind(-1)
    return y * w + x, on


def outside(fixations: Float[Tensor, "b n 2"], maps: Shaped[Tensor, "b h w"]) -> Int[Tensor, ""]:
    """Count the points that are neither padding nor on the map."""
    if eager_cpu(fixations):
        x, y = _sides(fixations)
        given = (x == x) & (y == y)  # NaN equals nothing
        return torch.tensor(np.count_nonzero(given) - np.count_nonzero(_inside(x, y, (maps.shape[1], maps.shape[2]))))
    return (~fixations.isnan().any(-1) & ~valid(fixations, (maps.shape[1], maps.shape[2]))).sum()


def _sides(fixations: Float[Tensor, "b n 2"]) -> tuple[NDArray, NDArray]:
    points = in_full(fixations).detach().numpy()
    return points[..., 0], points[..., 1]


def _inside(x: NDArray, y: NDArray, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return what `haa.gaze.valid` does."""
    return (x >= -0.5) & (x < size[1] - 0.5) & (y >= -0.5) & (y < size[0] - 0.5)


def widest(values: Tensor) -> Tensor:
    """Return the values in float64 where the device has it: for a few numbers whose difference is taken."""
    return values if values.device.type == "mps" else values.double()


def mean_over(values: Float[Tensor, "b n"], on: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Return the mean of the valid values of each row, NaN where there is none."""
    return torch.where(on, values, 0.0).sum(1) / on.sum(1)


def moments(maps: Float[Tensor, "b p"]) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b 1"], Float[Tensor, "b p"]]:
    """Return the moments of each row after a shift towards mean 0, which keeps the digits of products.

    The variance of a constant row is exactly 0.

    Returns:
        Mean of the shifted row (nearly 0), population variance of the row, and the shifted rows.
    """
    mean = maps.mean(1, keepdim=True)
    shifted = maps - mean
    # compare the values themselves: the rounded mean of a constant row may differ from them
    constant = maps.amax(1, keepdim=True) == maps.amin(1, keepdim=True)
    shifted = torch.where(constant, 0.0, shifted)
    shifted_mean = shifted.mean(1, keepdim=True)
    variance = (shifted.square().mean(1, keepdim=True) - shifted_mean.square()).clamp_min(0.0)
    return shifted_mean, variance, shifted


def density_parts(maps: Float[Tensor, "b p"]) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b 1"]]:
    """Return non-negative rows and their sums; their quotient is the density that a map stands for.

    A map with negative values is shifted to minimum 0. A map that is all zero, also after the shift, is a uniform
    density.
    """
    low = maps.amin(1, keepdim=True).clamp_max(0.0)
    may_branch = eager_cpu(maps)
    if not may_branch or bool((low < 0).any()):
        maps = maps - low
    total = maps.sum(1, keepdim=True)
    empty = total == 0
    if not may_branch or bool(empty.any()):
        maps = torch.where(empty, 1.0, maps)
        total = torch.where(empty, float(maps.shape[1]), total)
    return maps, total
