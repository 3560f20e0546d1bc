"""Reader of a mask: which pixels belong to an object, whatever way of writing that down its file has.

The rule, in this order:

1. With transparency: where all visible pixels have one colour, what is visible is the object. A cut-out photo has many
   colours and is refused.
2. With colours (palette or RGB, at most `COLOURS` of them): black is the background, the border of PASCAL VOC's masks
   (224, 224, 192) belongs to nobody and counts as background, and each other colour is an object. Without black it is
   refused: nothing says what is background.
3. Grey, two values of which one is 0 (0/1, 0/255 ...): the other one is the object. One value alone is all background
   if it is 0, all object if it is 1 or white.
4. Grey, all values below half of white, few of them and in areas: numbers of objects, and 0 is the background.
5. Grey otherwise: a pixel belongs to the object from half of white on (128 of 255). Borders may be softened or lossy;
   where more than `SHADED` as many pixels as the object has lie in even grey areas, the mask is refused: they may be
   numbers of objects as well as shares of annotators. A data set that publishes shares says so (``graded``).

Several objects count as one: what stands out. The metrics take the reader's masks of 0 and 255, and hold rules 3 to 5
as far as tensors go (`haa.metrics.functional.salient_objects`).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from haa.data.files.packed import File
from haa.data.files.picture import COLOURLESS, has_transparency, opened, sixteen_bits
from haa.errors import InputError

COLOURS = 64
"""Largest number of colours of a mask that is written in colours."""
SHADED = 0.1
"""Largest share of evenly grey pixels of a mask, among those of the object."""
NUMBERS = 64
"""Largest number of objects that grey values count."""

_NOBODY = (224, 224, 192)
_TRACES = 4
_LOSSY = ("JPEG", "MPO", "WEBP")


def read_mask(path: str | File, graded: bool = False) -> UInt8[Tensor, "h w"]:
    """Return a mask of the values 0 and 255, upright; the module says how a file is understood.

    Args:
        path: The file.
        graded: Whether a grey value is the share of annotators who chose a pixel: then half of them are enough, and
            nothing is refused for its shades.

    Raises:
        InputError: If the file is missing, truncated, no image or several, or no mask by these rules.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "mask.png"
        >>> Image.fromarray(np.array([[0, 127, 128, 254]], dtype=np.uint8)).save(path)
        >>> read_mask(path)
        tensor([[  0,   0, 255, 255]], dtype=torch.uint8)
    """
    with opened(path) as image:
        is_object = _objects(image, path, graded)
    return torch.from_numpy(is_object.astype(np.uint8) * 255)


def _objects(image: Image.Image, path: str | File, graded: bool) -> np.ndarray:
    wide = sixteen_bits(image, path)
    if wide is not None:
        return _by_grey(wide, 65535, path, graded)
    lossy = image.format in _LOSSY
    if has_transparency(image) and not (image.mode == "P" and _colourful(np.array(image.convert("RGB")))):
        whole = np.array(image.convert("RGBA"))
        seen = whole[..., 3]
        if seen.min() < 255:
            visible = whole[seen > 127][:, :3].astype(np.int16)
            if len(visible) and (np.ptp(visible, axis=0) > COLOURLESS).any():
                raise InputError(f"{path} is a cut-out, of many colours and transparent: save its alpha as a grey mask")
            return _by_grey(seen, 255, path, graded, lossy)
    if image.mode in ("1", "L"):
        return _by_grey(np.array(image.convert("L")), 255, path, graded, lossy)
    colours = np.array(image.convert("RGB"))
    if _colourful(colours):
        return _by_colour(colours, path)
    return _by_grey(np.array(image.convert("L")), 255, path, graded, lossy)


def _colourful(colours: np.ndarray) -> bool:
    return bool((np.ptp(colours.astype(np.int16), axis=2) > COLOURLESS).mean() > 1e-3)


def _by_colour(colours: np.ndarray, path: str | File) -> np.ndarray:
    codes = (colours.astype(np.int32) * (65536, 256, 1)).sum(2)
    found = np.unique(codes)
    if len(found) > COLOURS or found[0] != 0:
        why = f"more than {COLOURS} colours" if len(found) > COLOURS else "colours and no black background"
        raise InputError(f"{path} has {why}: save a mask with 0 and 255, or with black where there is no object")
    nobody = _NOBODY[0] * 65536 + _NOBODY[1] * 256 + _NOBODY[2]
    return (codes != 0) & (codes != nobody)


def _by_grey(values: np.ndarray, white: int, path: str | File, graded: bool, lossy: bool = False) -> np.ndarray:
    half = white // 2
    if graded:
        return values > half
    count = np.bincount(values.ravel(), minlength=_TRACES)
    found = np.flatnonzero(count)
    if len(found) == 1 and found[0] not in (0, 1, white):
        raise InputError(f"{path} is {found[0]} everywhere, neither object nor background: save it with 0 and {white}")
    if len(found) == 1 or (len(found) == 2 and found[0] == 0):
        return values > 0
    if found[-1] <= half:
        if lossy or len(found) > NUMBERS + 1 or _even(values, values > 0).mean() < 0.5:
            raise InputError(f"{path} is dark, its largest value {found[-1]} of {white}: save it with 0 and {white}")
        return values > 0
    # lossy formats leave traces of black, and a mask that once went through them may have 1 for a background
    darkest = int(0.06 * white) if lossy else 0
    shades = (values > darkest) & (values < 0.94 * white) & (values != count[:_TRACES].argmax())
    if _even(values, shades).sum() > SHADED * (values > half).sum():
        raise InputError(
            f"{path} has areas of grey, which may number objects or be shares of annotators: save it with 0 and {white}"
        )
    return values > half


def _even(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return, for each pixel there, whether its neighbours to all four sides have its value; the border repeats."""
    y, x = np.nonzero(where)
    h, w = values.shape
    own = values[y, x]
    sides = ((-1, 0), (1, 0), (0, -1), (0, 1))
    return np.logical_and.reduce([values[(y + dy).clip(0, h - 1), (x + dx).clip(0, w - 1)] == own for dy, dx in sides])
