"""Readers of an image file, whole or only its header, in colour or in grey; `haa.data.files.picture` has the rules.

A picture with transparency is read as it looks on white. Colour profiles are left out, and CMYK is taken as Adobe
writes it (inverted in a JPEG).
"""

from __future__ import annotations

import io
import warnings
from contextlib import suppress

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from haa.data.files.mask import read_mask
from haa.data.files.packed import File, Packed
from haa.data.files.picture import (
    FORMATS,
    PIXELS,
    grey,
    has_sixteen_bits,
    has_transparency,
    opened,
    orientation,
    refuse_few_bits,
    sixteen_bits,
)
from haa.gaze import Size

try:
    # gives Pillow's values in half the time: it copies the picture once, Pillow three times
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # torchvision will drop it one day, and Pillow can replace it
    decode_jpeg = None
warnings.filterwarnings("ignore", message="The image decoding and encoding capabilities of TorchVision")

__all__ = ["FORMATS", "PIXELS", "image_size", "read_image", "read_map", "read_mask"]


def read_image(path: str | File) -> UInt8[Tensor, "3 h w"]:
    """Return the pixels of an image file, upright, in RGB; grey and palette images are converted.

    Values of 16 bits are scaled to 0 to 255. Transparent pixels are laid on white.

    The three values of a pixel lie together in memory, as the decoder leaves them, because this makes resizing fast.
    `collate` puts a batch into the usual order once its images are small.

    Raises:
        InputError: If the file is missing, truncated, no image or several, has more than `PIXELS`, or its values have
            no known range.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (4, 2), "red").save(path)
        >>> read_image(path)[:, 0, 0]
        tensor([255,   0,   0], dtype=torch.uint8)
    """
    if decode_jpeg is not None and str(path).lower().endswith((".jpg", ".jpeg")):
        # where decoding fails, Pillow says why, or reads a file whose ending is wrong
        with suppress(Exception):
            holder, count, at = (path.holder, path.length, path.at) if isinstance(path, Packed) else (path, -1, 0)
            content = np.fromfile(holder, dtype=np.uint8, count=count, offset=at)
            h, w, has_notes = _jpeg_header(content)
            if 0 < h * w <= PIXELS:
                pixels = decode_jpeg(torch.from_numpy(content), mode=ImageReadMode.RGB)
                return _turned(pixels, content) if has_notes else pixels
    with opened(path) as image:
        return torch.from_numpy(_colours(image, path)).permute(2, 0, 1)


def read_map(path: str | File) -> UInt8[Tensor, "h w"]:
    """Return the pixels, 0 to 255, of a grey picture, upright: one of fixated pixels, say.

    Values of 16 bits are scaled to 0 to 255. A published map of gaze is read by `haa.data.files.density.read_density`.

    Raises:
        InputError: If the file is missing, truncated, no image or several, has more than `PIXELS`, colours or
            transparency, or its values have no known range.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "points.png"
        >>> Image.new("L", (2, 1), 255).save(path)
        >>> read_map(path)
        tensor([[255, 255]], dtype=torch.uint8)
    """
    with opened(path) as image:
        wide = sixteen_bits(image, path)
        return torch.from_numpy(grey(image, path) if wide is None else _eight_bits(wide, path))


def image_size(path: str | File) -> Size:
    """Return (height, width) of an image, upright, from its file's header, without decoding it.

    Raises:
        InputError: If the file is missing, no image or several, or has more than `PIXELS`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (4, 2), "red").save(path)
        >>> image_size(path)
        (2, 4)
    """
    with opened(path, pixels=False) as image:
        return (image.width, image.height) if orientation(image) > 4 else (image.height, image.width)


def _colours(image: Image.Image, path: str | File) -> np.ndarray:
    """Return the pixels in colour ``(h, w, 3)``, uint8."""
    wide = has_sixteen_bits(image)
    values = sixteen_bits(image, path)
    if values is not None:
        return np.repeat(_eight_bits(values, path)[..., None], 3, axis=2)
    if has_transparency(image):
        whole = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    # np.array copies, because torch warns about read-only memory
    colours = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    if wide:
        refuse_few_bits(256 * int(colours.max()) + 255, path)  # Pillow has kept the upper half of each value
    return colours


def _eight_bits(values: np.ndarray, path: str | File) -> np.ndarray:
    refuse_few_bits(int(values.max()), path)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _turned(pixels: Tensor, content: np.ndarray) -> Tensor:
    """Return a JPEG's pixels upright; the three values of each lie together in memory as before."""
    with Image.open(io.BytesIO(content.data), formats=("JPEG",)) as image:
        turn = orientation(image)
    if turn == 1:
        return pixels
    if turn > 4:
        pixels = pixels.transpose(1, 2)
    # as EXIF counts: which of the sides, after that exchange, run the other way
    sides = {2: (2,), 3: (1, 2), 4: (1,), 5: (), 6: (2,), 7: (1, 2), 8: (1,)}[turn]
    return pixels.flip(sides).permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _jpeg_header(content: np.ndarray) -> tuple[int, int, bool]:
    """Return (height, width) from the header of a JPEG, and whether notes (EXIF, XMP) precede it.

    The size is 0 where the header is laid out in an uncommon way. Pillow's way of finding it takes a tenth of the time
    of decoding.
    """
    at, bytes_, has_notes = 2, content.data, False
    while at + 9 < len(bytes_) and bytes_[at] == 0xFF and 0xC0 <= (marker := bytes_[at + 1]) < 0xFF:
        if marker < 0xD0 and marker not in (0xC4, 0xC8, 0xCC):
            return (bytes_[at + 5] << 8) + bytes_[at + 6], (bytes_[at + 7] << 8) + bytes_[at + 8], has_notes
        if 0xD0 <= marker <= 0xDA:
            break
        has_notes |= marker == 0xE1
        at += 2 + (bytes_[at + 2] << 8) + bytes_[at + 3]
    return 0, 0, has_notes
