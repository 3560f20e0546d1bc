"""Readers of an image file, whole or only its header."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from haa.errors import InputError, reason
from haa.gaze import Size

try:
    # gives Pillow's values in half the time: it copies the picture once, Pillow three times
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # torchvision will drop it one day, and Pillow can replace it
    decode_jpeg = None
warnings.filterwarnings("ignore", message="The image decoding and encoding capabilities of TorchVision")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # what has more than `PIXELS` is refused

PIXELS = 89_478_485
"""Largest number of pixels of a picture or a frame: from there on Pillow warns of a decompression bomb."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are read; Pillow knows others, of which some call other programs."""

MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
"""Pillow's names of what it holds with 8 bits or less a value, and makes colours and greys of."""

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
"""TIFF's tags of how values are stored."""


def read_image(path: str | Path) -> UInt8[Tensor, "3 h w"]:
    """Return the pixels of an image file as stored, in RGB; grey and palette images are converted.

    Values of 16 bits are scaled to 0 to 255. Transparency is left out. Of several pictures in a file, the first counts.

    The three values of a pixel lie together in memory, as the decoder leaves them, because this makes resizing fast.
    `collate` puts a batch into the usual order once its images are small.

    Raises:
        InputError: If the file is missing, truncated or no image, has more than `PIXELS`, or its values have no known
            range.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (4, 2), "red").save(path)
        >>> read_image(path)[:, 0, 0]
        tensor([255,   0,   0], dtype=torch.uint8)
    """
    if decode_jpeg is not None and str(path).lower().endswith((".jpg", ".jpeg")):
        # where decoding fails, Pillow says why, or reads a file whose ending is wrong
        with suppress(RuntimeError, OSError):
            content = np.fromfile(path, dtype=np.uint8)
            h, w = _jpeg_size(content)
            if 0 < h * w <= PIXELS:
                return decode_jpeg(torch.from_numpy(content), mode=ImageReadMode.RGB)
    with _opened(path) as image:
        return torch.from_numpy(_pixels(image, "RGB", path)).permute(2, 0, 1)


def read_map(path: str | Path) -> UInt8[Tensor, "h w"]:
    """Return the pixels, 0 to 255, of a one-channel picture: a mask or a map; others are converted to grey.

    Values of 16 bits are scaled to 0 to 255. Transparency is left out.

    Raises:
        InputError: If the file is missing, truncated or no image, has more than `PIXELS`, or its values have no known
            range.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mask.png"
        >>> Image.new("L", (2, 1), 255).save(path)
        >>> read_map(path)
        tensor([[255, 255]], dtype=torch.uint8)
    """
    with _opened(path) as image:
        return torch.from_numpy(_pixels(image, "L", path))


def read_mask(path: str | Path) -> UInt8[Tensor, "h w"]:
    """Return a mask of the values 0 and 255; a grey pixel belongs to the object from half on (128).

    Published masks have grey pixels where borders are softened or lossy, or where they give the share of annotators
    who chose a pixel.

    Raises:
        InputError: If the file is missing, truncated, no image, or has values of 0 and 1 alone.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mask.png"
        >>> Image.fromarray(np.array([[0, 127, 128, 254]], dtype=np.uint8)).save(path)
        >>> read_mask(path)
        tensor([[  0,   0, 255, 255]], dtype=torch.uint8)
    """
    grey = read_map(path)
    if int(grey.max()) == 1:
        raise InputError(f"{path} has values of 0 and 1 where a mask has 0 and 255: multiply it by 255")
    return (grey > 127).to(torch.uint8) * 255


def image_size(path: str | Path) -> Size:
    """Return (height, width) from an image file's header, without decoding the image.

    Raises:
        InputError: If the file is missing or no image, or has more than `PIXELS`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (4, 2), "red").save(path)
        >>> image_size(path)
        (2, 4)
    """
    with _opened(path, pixels=False) as image:
        return image.height, image.width


@contextmanager
def _opened(path: str | Path, pixels: bool = True) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > PIXELS:
                raise InputError(f"{path} has {image.width} x {image.height} pixels, more than {PIXELS}: shrink it")
            if image.format != "PNG" or not pixels:
                yield image
                return
            image.verify()  # all checksums: decoding stops at the last pixel, before that of a part that was cut off
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} is missing: fetch it, or correct data.root") from None
    except Exception as error:  # of a broken file, Pillow raises any of a dozen types
        said = reason(error).replace(f" {str(path)!r}", "")
        raise InputError(f"{path} cannot be decoded ({said}): fetch the file again") from None


def _jpeg_size(content: np.ndarray) -> Size:
    """Return (height, width) from the header of a JPEG, and zeros where it is laid out in an uncommon way.

    Pillow's way of finding it takes a tenth of the time of decoding.
    """
    at, bytes_ = 2, content.data
    while at + 9 < len(bytes_) and bytes_[at] == 0xFF and 0xC0 <= (marker := bytes_[at + 1]) < 0xFF:
        if marker < 0xD0 and marker not in (0xC4, 0xC8, 0xCC):
            return (bytes_[at + 5] << 8) + bytes_[at + 6], (bytes_[at + 7] << 8) + bytes_[at + 8]
        if 0xD0 <= marker <= 0xDA:
            break
        at += 2 + (bytes_[at + 2] << 8) + bytes_[at + 3]
    return 0, 0


def _pixels(image: Image.Image, mode: Literal["L", "RGB"], path: str | Path) -> np.ndarray:
    """Return the pixels in grey ``(h, w)`` or in colour ``(h, w, 3)``, uint8."""
    _refuse_unknown_range(image, path)
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.uint32)
        if 0 < values.max() < 256:
            raise InputError(f"{path} has 16 bits, and no value above 255: save it with 8 bits, or with its own range")
        grey = ((values + 128) // 257).astype(np.uint8)
        return grey if mode == "L" else np.repeat(grey[..., None], 3, axis=2)
    # np.array copies, because torch warns about read-only memory
    return np.array(image if image.mode == mode else image.convert(mode))


def _refuse_unknown_range(image: Image.Image, path: str | Path) -> None:
    """Refuse numbers of which nothing says which is white: 32 bits, floats, and what Pillow takes for 16 bits."""
    known = image.mode in MODES or image.mode.startswith("I;16")
    known = known or (image.mode == "I" and image.format in ("PNG", "PPM"))  # Pillow has made 16 bits of them
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        known = known and set(tags.get(_SAMPLE_FORMAT, (1,))) == {1}
        if image.mode.startswith("I"):
            known = known and tags.get(_BITS) == (16,) and tags.get(_PHOTOMETRIC) == 1
    if not known:
        raise InputError(f"{path} holds numbers whose range nothing says ({image.mode}): save it with 8 or 16 bits")
