"""Readers of an image file, whole or only its header."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from haa.errors import InputError
from haa.gaze import Size

try:
    # gives Pillow's values in half the time: it copies the picture once, Pillow three times
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
except ImportError:  # torchvision will drop it one day, and Pillow can replace it
    decode_jpeg = None
warnings.filterwarnings("ignore", message="The image decoding and encoding capabilities of TorchVision")


def read_image(path: str | Path) -> UInt8[Tensor, "3 h w"]:
    """Return the pixels of an image file as stored, in RGB; grey and palette images are converted.

    The three values of a pixel lie together in memory, as the decoder leaves them, because this makes resizing fast.
    `collate` puts a batch into the usual order once its images are small.

    Raises:
        InputError: If the file is missing, truncated or no image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (4, 2), "red").save(path)
        >>> read_image(path)[:, 0, 0]
        tensor([255,   0,   0], dtype=torch.uint8)
    """
    if decode_jpeg is not None and str(path).lower().endswith((".jpg", ".jpeg")):
        # where decoding fails, Pillow says why, or reads a file whose ending is wrong
        with suppress(RuntimeError):
            return decode_jpeg(read_file(str(path)), mode=ImageReadMode.RGB)
    with _opened(path) as image:
        # np.array copies, because torch warns about read-only memory
        pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)


def read_map(path: str | Path) -> UInt8[Tensor, "h w"]:
    """Return the pixels, 0 to 255, of a one-channel picture: a mask or a map; others are converted to grey.

    Raises:
        InputError: If the file is missing, truncated or no image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mask.png"
        >>> Image.new("L", (2, 1), 255).save(path)
        >>> read_map(path)
        tensor([[255, 255]], dtype=torch.uint8)
    """
    with _opened(path) as image:
        return torch.from_numpy(np.array(image.convert("L")))


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
        InputError: If the file is missing or no image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (4, 2), "red").save(path)
        >>> image_size(path)
        (2, 4)
    """
    with _opened(path) as image:
        return image.height, image.width


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise InputError(f"{path} is missing: fetch it, or correct data.root") from None
    # Pillow raises SyntaxError and ValueError too for broken headers
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()).replace(f" {str(path)!r}", "")
        raise InputError(f"{path} cannot be decoded ({reason}): fetch the file again") from None
