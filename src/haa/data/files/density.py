"""Reader of a published map of gaze: how much each place was looked at, as numbers that need no scale.

What is read, and what is refused because it is no such map:

- A grey picture of 8 or 16 bits, of floats or of 32 bits (TIFF): twice the value is looked at twice as much. Bright is
  looked at: nothing in a file tells a map from its negative.
- An array ``.npy``, or ``.npz`` with one array; of several, the one called ``saliency``, else ``attention``, as
  `haa predict` writes them, else ``heatmap``, as ClickMe's files have it. Nothing is unpickled.
- Colours are refused: a heat map in the colours of jet is no map of values. So is transparency.
- Negative numbers (a log-density) and numbers that are not finite are refused.
- A picture of dots is refused: these are fixations, not how much each place was looked at. Dots have hard edges and are
  at most `DOT` of the longer side wide on each side of their middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from haa.data.files.packed import File
from haa.data.files.picture import PIXELS, grey, opened
from haa.disk.bounded import read_array, read_arrays
from haa.errors import InputError

ARRAYS = (".npy", ".npz")
"""Endings of files of numbers."""

NAMED = ("saliency", "attention", "heatmap")
"""Array of an ``.npz`` that is the map, the first that is there."""

DOT = 0.01
"""Radius of the largest dot, as a share of the longer side: a third of the usual blur of a fixation."""
JUDGED = 48
"""Longer side, in pixels, from which on dots are told from the cells of a coarse map."""

_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
_CURE = "save it again, with numpy.save"


def read_density(path: str | File) -> Float[Tensor, "h w"]:
    """Return a published map of gaze, upright, non-negative, in units of its own.

    Raises:
        InputError: If the file is missing, damaged, larger than `haa.data.files.picture.PIXELS`, or no such map.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "map.npy"
        >>> np.save(path, np.array([[0.5, 0.25]]))
        >>> read_density(path)
        tensor([[0.5000, 0.2500]])
    """
    path = Path(path) if isinstance(path, str) else path
    values = read_numbers(path)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{path} has values that are not finite: a map of gaze has 0 where nobody looked")
    if values.dtype.kind in "if" and values.min() < 0:
        raise InputError(f"{path} has negative values: a map of gaze has none (of a log-density, save exp of it)")
    if _is_dots(values):
        raise InputError(
            f"{path} is a picture of dots, of single fixations and not of how much each place was looked at: give the "
            "points as fixations.csv, or blur the map by one degree of visual angle"
        )
    return torch.from_numpy(values.astype(np.float32))


def read_numbers(path: File) -> np.ndarray:
    """Return the numbers ``(h, w)`` of a picture or an array, upright, in the file's own type and whatever they are.

    Raises:
        InputError: If the file is missing, damaged, larger than `haa.data.files.picture.PIXELS`, or holds no one map.
    """
    return _array(path) if path.suffix.lower() in ARRAYS else _picture(path)


def as_map(values: np.ndarray, path: object) -> np.ndarray:
    """Return an array as a map ``(h, w)`` of numbers, without further dimensions of one element.

    Raises:
        InputError: If it is none, or is larger than `haa.data.files.picture.PIXELS`.

    Example:
        >>> as_map(np.zeros((1, 2, 3)), "a.npy").shape
        (2, 3)
    """
    values = values.squeeze() if values.ndim > 2 else values
    if values.ndim != 2 or values.dtype.kind not in "buif" or not 0 < values.size <= PIXELS:
        raise InputError(f"{path} holds {values.dtype} of shape {values.shape}: a map is (height, width) numbers")
    return values.astype(np.uint8) if values.dtype == bool else values


def chosen(names: Sequence[str], path: object) -> str:
    """Return which of a file's arrays is the map: the only one, or of several the first of `NAMED` that is there.

    Raises:
        InputError: If there are several, none of which has such a name.

    Example:
        >>> chosen(["image", "saliency"], "a.npz")
        'saliency'
    """
    found = [name for name in NAMED if name in names] if len(names) > 1 else names
    if not found:
        raise InputError(
            f"{path} holds {', '.join(names) or 'nothing'}: save the map of gaze alone, or call it saliency"
        )
    return found[0]


def _picture(path: File) -> np.ndarray:
    with opened(path) as image:
        return np.asarray(image) if image.mode[0] in "IF" else grey(image, path)


def _array(path: File) -> np.ndarray:
    if not path.exists():
        raise InputError(f"{path} is missing: fetch it, or correct data.root")
    if path.suffix.lower() == ".npy":
        return as_map(read_array(path, _CURE), path)
    arrays = read_arrays(path, _CURE)
    return as_map(arrays[chosen(list(arrays), path)], path)


def _is_dots(values: np.ndarray) -> bool:
    """Return whether the bright parts of a map, or its dark ones on white, are all small and have hard edges."""
    if max(values.shape) < JUDGED or min(values.shape) < 3:
        return False
    top = values.max()
    if _dotted(values, float(top)):
        return True
    return _is_light(values, top) and _dotted(top - values, float(top))


def _is_light(values: np.ndarray, top: float) -> bool:
    return int(np.count_nonzero(values > 0.8 * top)) > 0.9 * values.size


def _dotted(values: np.ndarray, top: float) -> bool:
    bright = values > 0.5 * top
    if not 0 < np.count_nonzero(bright) < 0.05 * values.size:
        return False
    h, w = values.shape
    y, x = np.divmod(np.flatnonzero(bright), w)

    def beside(picture: np.ndarray, dy: int, dx: int) -> np.ndarray:
        return picture[(y + dy).clip(0, h - 1), (x + dx).clip(0, w - 1)]

    # wide: the bright part goes on to all sides by more than a dot's radius
    radius = math.ceil(DOT * max(h, w)) + 1
    sides = [(-radius, 0), (radius, 0), (0, -radius), (0, radius)]
    if np.logical_and.reduce([beside(bright, dy, dx) for dy, dx in sides]).mean() > 0.3:
        return False
    # a Gaussian of 1.5 pixels falls to no less than a third in a step around its half
    lowest = np.minimum.reduce([beside(values, dy, dx) for dy, dx in _SIDES])
    edge = np.logical_or.reduce([~beside(bright, dy, dx) for dy, dx in _SIDES])
    return bool((lowest < 0.33 * values[y, x])[edge].mean() > 0.5)


def write_levels(values: np.ndarray, bits: int) -> Image.Image:
    """Return a map as a grey picture whose brightest pixel is the map's peak.

    Args:
        values: Map ``(h, w)``, non-negative.
        bits: 8 or 16.

    Example:
        >>> np.asarray(write_levels(np.array([[0.5, 0.25]]), 8))
        array([[255, 128]], dtype=uint8)
    """
    peak = max(float(values.max()), float(np.finfo(np.float32).tiny))
    levels = np.round(values / peak * (2**bits - 1))
    return Image.fromarray(levels.astype(np.uint8 if bits == 8 else np.uint16))
