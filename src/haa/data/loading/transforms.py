"""Transforms that resize, crop and flip a sample: its picture and all that is given in the picture's pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from haa.data.dataset import size_of
from haa.errors import InputError
from haa.gaze import Gaze, Size


@dataclass(frozen=True)
class Draw:
    """Random decisions for one sample.

    Args:
        scale: Side of the crop, as a share of the picture's side, above 0 and up to 1.
        top: Position of the crop from 0 (uppermost) to 1 (lowest).
        left: Position of the crop from 0 (leftmost) to 1 (rightmost).
        flip: Whether to mirror left and right.
    """

    scale: float = 1.0
    top: float = 0.0
    left: float = 0.0
    flip: bool = False


class Transform:
    """A transform that brings samples to one size, and varies them while training.

    Called with a generator (training) it crops, resizes and flips; without one (evaluation) it only resizes. Gaze,
    masks (`torchvision.tv_tensors.Mask`) and ``density`` move with the image, all frames of a clip alike. Points are
    computed, never rasterised, and those that a crop leaves outside are dropped.

    Args:
        size: (height, width) of the result, or one number for both; the picture is stretched to it. None keeps the
            picture's own size.
        keep_aspect: Keep the picture's shape: it gets about as many pixels as ``size`` has, and sides that are
            multiples of ``multiple`` (see `shaped`). Batches then hold pictures of one size each
            (`haa.data.loading.order`).
        multiple: What sides are multiples of where the shape is kept: the backbone's stride, or a smaller number for
            shapes that are kept more closely.
        flip: Mirror pictures while training, each with probability 1/2. Leave it off where left and right matter, as
            in questions.
        crop: Smallest share of each side, above 0 and up to 1, of the window that is cut out while training. The share
            is drawn uniformly from here up to 1, and the window lies anywhere.

    Raises:
        InputError: If ``size``, ``crop`` or ``multiple`` is out of range.

    Example:
        >>> gaze = Gaze(torch.tensor([[7.0, 0.0]]), size=(6, 8))
        >>> out = Transform(size=(3, 4))({"image": torch.zeros(3, 6, 8, dtype=torch.uint8), "gaze": gaze})
        >>> out["image"].shape, out["gaze"].points
        (torch.Size([3, 3, 4]), tensor([[ 3.2500, -0.2500]]))
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        flip: bool = False,
        crop: float = 1.0,
        keep_aspect: bool = False,
        multiple: int = 32,
    ) -> None:
        sides = (size, size) if isinstance(size, int) else None if size is None else tuple(int(side) for side in size)
        if sides is not None and (len(sides) != 2 or min(sides) < 1):
            raise InputError(f"transform.size={size}: give [height, width] or one positive number")
        if not 0 < crop <= 1:
            raise InputError(f"transform.crop={crop}: give the smallest share of a side to keep, above 0 and up to 1")
        if keep_aspect and sides is None:
            raise InputError("transform.keep_aspect=true needs transform.size: about as many pixels does a picture get")
        if keep_aspect and not 1 <= multiple <= min(sides or (1,)):
            raise InputError(f"transform.multiple={multiple}: give the backbone's stride, no more than transform.size")
        self.size: Size | None = sides
        self.flip = flip
        self.crop = float(crop)
        self.keep_aspect = keep_aspect
        self.multiple = multiple

    def __repr__(self) -> str:
        kept = f", keep_aspect=True, multiple={self.multiple}" if self.keep_aspect else ""
        return f"Transform(size={self.size}, flip={self.flip}, crop={self.crop}{kept})"

    @property
    def varies(self) -> bool:
        """Whether pictures of different sizes come out in different sizes."""
        return self.size is None or self.keep_aspect

    def size_for(self, native: Size) -> Size:
        """Return the size to which a picture of a native size is brought.

        Example:
            >>> Transform(224, keep_aspect=True).size_for((600, 800)), Transform(224).size_for((600, 800))
            ((192, 256), (224, 224))
        """
        if self.size is None:
            return native
        return shaped(native, self.size, self.multiple) if self.keep_aspect else self.size

    def __call__(self, sample: dict[str, Any], generator: torch.Generator | None = None) -> dict[str, Any]:
        return self.apply(sample, self.draw(generator))

    def draw(self, generator: torch.Generator | None) -> Draw:
        """Draw the random decisions for a sample: the same from the same generator, whatever the picture.

        Without a generator nothing is cropped or flipped.
        """
        if generator is None:
            return Draw()
        # in double precision: a float32 draw just below 1 would round up when it is multiplied
        scale, top, left, flip = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        return Draw(self.crop + (1 - self.crop) * scale, top, left, self.flip and flip < 0.5)

    def apply(self, sample: dict[str, Any], draw: Draw) -> dict[str, Any]:
        """Return the sample after these decisions."""
        native = h, w = size_of(sample)
        if draw.scale < 1:
            window = max(1, round(h * draw.scale)), max(1, round(w * draw.scale))
            top, left = int(draw.top * (h - window[0] + 1)), int(draw.left * (w - window[1] + 1))
            sample = cropped(sample, top, left, window)
        if self.size is not None:
            sample = resized(sample, self.size_for(native))
        if draw.flip:
            sample = flipped(sample)
        if "density" in sample:
            density = sample["density"]
            total = density.sum((-2, -1), keepdim=True)
            sample["density"] = density / total.clamp_min(torch.finfo(density.dtype).tiny)
        return sample


@lru_cache(maxsize=4096)
def shaped(native: Size, size: Size, multiple: int) -> Size:
    """Return the size of about as many pixels as ``size`` that comes nearest to the shape of ``native``.

    Sides are multiples of ``multiple``. Of sizes whose number of pixels differs from that of ``size`` by a fifth at
    most (or, where there are none, a factor of two), it is the one whose ratio of sides is nearest, and of equally
    near ones that of the nearest number. A size that this returns is returned for itself. At 224 pixels and multiples
    of 32, 4:3 is kept exactly and no shape up to 3:1 changes by more than an eighth; with multiples of 16, by more than
    4 %.

    Example:
        >>> [shaped(native, (224, 224), 32) for native in ((480, 640), (480, 480), (1080, 1920), (100, 1000))]
        [(192, 256), (224, 224), (160, 288), (64, 672)]
    """
    wanted, ratio = size[0] * size[1] / multiple**2, math.log(native[0] / native[1])
    near: list[Size] = []
    for slack in (1.2, 2.0):
        near = near or [
            (rows, columns)
            for rows in range(1, int(slack * wanted) + 1)
            for columns in range(math.ceil(wanted / slack / rows), int(slack * wanted / rows) + 1)
        ]

    def distance(cells: Size) -> tuple[float, float]:
        rows, columns = cells
        return round(abs(math.log(rows / columns) - ratio), 9), abs(math.log(rows * columns / wanted))

    rows, columns = min(near, key=distance)
    return rows * multiple, columns * multiple


def cropped(sample: dict[str, Any], top: int, left: int, size: Size) -> dict[str, Any]:
    """Return the window of a sample that has this ``size`` and the first pixel (top, left).

    Example:
        >>> cropped({"gaze": Gaze(torch.tensor([[1.0, 1.0], [3.0, 1.0]]), (4, 4))}, 1, 2, (2, 2))["gaze"].points
        tensor([[1., 0.]])
    """

    def window(gaze: Gaze) -> Gaze:
        return replace(gaze, points=gaze.points - gaze.points.new_tensor([left, top]), size=size).inside()

    return _each(sample, lambda raster, _: raster[..., top : top + size[0], left : left + size[1]], window)


def resized(sample: dict[str, Any], size: Size) -> dict[str, Any]:
    """Return a sample whose image, masks and gaze are stretched to ``size``, each from the size that it has.

    Example:
        >>> resized({"gaze": Gaze(torch.tensor([[0.0, 1.0]]), (2, 2))}, (4, 4))["gaze"].points
        tensor([[0.5000, 2.5000]])
    """

    def stretch(raster: Tensor, mode: InterpolationMode) -> Tensor:
        if tuple(raster.shape[-2:]) == size:
            return raster
        planes = raster.as_subclass(Tensor).reshape(-1, *raster.shape[-2:])
        return F.resize(planes, list(size), interpolation=mode, antialias=True).reshape(*raster.shape[:-2], *size)

    return _each(sample, stretch, lambda gaze: gaze.inside().resized(size))


def flipped(sample: dict[str, Any]) -> dict[str, Any]:
    """Return a sample whose left and right are exchanged.

    Example:
        >>> flipped({"gaze": Gaze(torch.tensor([[0.0, 1.0]]), (2, 5))})["gaze"].points
        tensor([[4., 1.]])
    """

    def mirror(gaze: Gaze) -> Gaze:
        points = gaze.points.clone()
        points[:, 0] = gaze.size[1] - 1 - points[:, 0]
        return replace(gaze, points=points)

    return _each(sample, lambda raster, _: raster.flip(-1), mirror)


def _each(
    sample: dict[str, Any],
    raster: Callable[[Tensor, InterpolationMode], Tensor],
    gaze: Callable[[Gaze], Gaze],
) -> dict[str, Any]:
    out = dict(sample)
    for key, value in sample.items():
        if isinstance(value, Gaze):
            out[key] = gaze(value)
        elif isinstance(value, tv_tensors.Mask):
            out[key] = tv_tensors.wrap(raster(value, InterpolationMode.NEAREST), like=value)
        elif key in ("image", "clip", "density"):
            out[key] = raster(value, InterpolationMode.BILINEAR)
    return out
