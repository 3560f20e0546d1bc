"""Picture files: opened within bounds, upright, and refused where nothing says which picture is meant.

One rule for whatever reads a picture (`haa.data.files.image`, `density`, `mask`):

- The picture lies as its header says (orientation in EXIF or XMP, in JPEG, PNG, TIFF and WebP), as viewers show it.
- It is one still: an animated GIF, PNG or WebP and a TIFF of several pages of one size are refused. Smaller pages
  (thumbnails, pyramids) and what cameras append to a JPEG are left alone.
- Numbers have a range that the file states: 1 to 8 bits, or 16. Of 16 bits, the brightest value must be 4096 or more:
  below, they are 8, 10 or 12 bits in the place of 16, and would be read as nearly black.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from haa.data.files.packed import File, Packed
from haa.errors import InputError, reason

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # what has more than `PIXELS` is refused

RULES = 2
"""Raised whenever pictures, maps or masks are decoded otherwise, so that no cache of what was read before is used."""

PIXELS = 89_478_485
"""Largest number of pixels of a picture or a frame: from there on Pillow warns of a decompression bomb."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are read; Pillow knows others, of which some call other programs."""

MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
"""Pillow's names of what it holds with 8 bits or less a value, and makes colours and greys of."""

COLOURLESS = 16
"""Largest distance between a grey pixel's three values, which lossy formats put apart."""

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
"""TIFF's tags of how values are stored."""

_TWELVE_BITS = 4095


@contextmanager
def opened(path: str | File, pixels: bool = True) -> Iterator[Image.Image]:
    """Open a picture; what goes wrong within, too, is an `InputError` that names the file.

    Args:
        path: The file.
        pixels: Whether they will be read. If so, the picture is given upright; the checksums of a PNG are compared.

    Raises:
        InputError: If the file is missing, truncated, no picture or several, or has more than `PIXELS`.
    """
    # a packed file is read once, and opened twice
    file: Any = io.BytesIO(path.read_bytes()) if isinstance(path, Packed) else path
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > PIXELS:
                raise InputError(f"{path} has {image.width} x {image.height} pixels, more than {PIXELS}: shrink it")
            _refuse_several(image, path)
            if not pixels:
                yield image
                return
            if image.format == "PNG":
                image.verify()  # all checksums: decoding stops at the last pixel, before what was cut off
        with Image.open(file, formats=FORMATS) as image:
            if image.format == "TIFF":
                image.filename = ""  # else Pillow maps the file, one that lies on its side in the wrong shape
            if orientation(image) > 1:
                ImageOps.exif_transpose(image, in_place=True)
            yield image
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} is missing: fetch it, or correct data.root") from None
    except Exception as error:  # of a broken file, Pillow raises any of a dozen types
        said = reason(error).replace(f" {str(path)!r}", "").replace(f" {file!r}", "")
        raise InputError(f"{path} cannot be decoded ({said}): fetch the file again") from None


def orientation(image: Image.Image) -> int:
    """Return how a picture that is not loaded yet has to be turned, as EXIF counts it: 1 is upright.

    Example:
        >>> orientation(Image.new("L", (2, 1)))
        1
    """
    if image.format == "TIFF":
        return 1  # Pillow turns it, and says so in its size
    turn = _exif(image).get(ExifTags.Base.Orientation, 1)
    return turn if turn in range(1, 9) else 1


def sixteen_bits(image: Image.Image, path: str | File) -> np.ndarray | None:
    """Return the values of a grey picture of 16 bits, ``(h, w)`` uint16; None of one that has 8 or less.

    Raises:
        InputError: If nothing says which number is white: 32 bits, floats, and what Pillow takes for 16 bits.
    """
    known = image.mode in MODES or image.mode.startswith("I;16")
    known = known or (image.mode == "I" and image.format in ("PNG", "PPM"))  # Pillow has made 16 bits of them
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        known = known and set(tags.get(_SAMPLE_FORMAT, (1,))) == {1}
        if image.mode.startswith("I"):
            known = known and tags.get(_BITS) == (16,) and tags.get(_PHOTOMETRIC) == 1
    if not known:
        raise InputError(f"{path} holds numbers whose range nothing says ({image.mode}): save it with 8 or 16 bits")
    return np.asarray(image).astype(np.uint16) if image.mode.startswith("I") else None


def has_sixteen_bits(image: Image.Image) -> bool:
    """Return whether a picture that is not loaded yet is stored with 16 bits a value, of which Pillow keeps 8."""
    if image.format == "TIFF":
        return 16 in image.tag_v2.get(_BITS, ())  # type: ignore[attr-defined]
    tiles: list[tuple[Any, ...]] = getattr(image, "tile", [])
    return any("16" in str(tile[3]) for tile in tiles)


def refuse_few_bits(brightest: int, path: str | File) -> None:
    """Refuse 16 bits of which the brightest value is that of fewer."""
    if 0 < brightest <= _TWELVE_BITS:
        few = "no value above 255" if brightest < 256 else f"no value above {_TWELVE_BITS}"
        raise InputError(f"{path} has 16 bits, and {few}: save it with 8 bits, or with its own range")


def has_transparency(image: Image.Image) -> bool:
    """Return whether a picture says that some of it may be seen through."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def grey(image: Image.Image, path: str | File) -> np.ndarray:
    """Return the values, ``(h, w)`` uint8, of an opened picture of 8 bits or less that has no colours.

    Raises:
        InputError: If it has colours, or transparency.
    """
    if has_transparency(image):
        whole = image.convert("RGBA")
        if whole.getchannel("A").getextrema()[0] != 255:
            raise InputError(f"{path} is transparent in places, which may be the map or hide it: save it in grey")
        image = whole.convert("RGB")
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))
    colours = np.array(image.convert("RGB")).astype(np.int16)
    if (np.ptp(colours, axis=2) > COLOURLESS).mean() > 1e-3:
        raise InputError(
            f"{path} has colours, of which none says how much was looked: a coloured heat map is no map of values, "
            "save the map itself in grey"
        )
    return np.array(image.convert("L"))


def _refuse_several(image: Image.Image, path: str | File) -> None:
    count = 1
    if image.format in ("GIF", "PNG", "WEBP") and getattr(image, "is_animated", False):
        count = image.n_frames  # type: ignore[attr-defined]
    elif image.format == "TIFF" and getattr(image, "is_animated", False):
        size = image.size
        sizes = []
        for page in range(min(image.n_frames, 64)):  # type: ignore[attr-defined]
            image.seek(page)
            sizes.append(image.size)
        image.seek(0)
        count = sizes.count(size)
    if count > 1:
        raise InputError(
            f"{path} holds {count} pictures, and nothing says which one was looked at: save it as a file of its own "
            "(or as a video, for data=video_folder)"
        )


def _exif(image: Image.Image) -> Image.Exif:
    """Return the EXIF data of a picture; of a PNG, without decoding it, unless they follow the pixels."""
    if image.format != "PNG" or "exif" in image.info:
        return image.getexif()
    file: BinaryIO | None = getattr(image, "fp", None)
    if file is not None and _follows_pixels(file):
        return image.getexif()
    return Image.Image.getexif(image)


def _follows_pixels(file: BinaryIO) -> bool:
    """Return whether a PNG has EXIF data or XMP behind its first pixels; the file stays where it was."""
    before, found, behind = file.tell(), False, False
    file.seek(8)
    while len(head := file.read(8)) == 8 and not found:
        length, kind = struct.unpack(">I4s", head)
        behind |= kind == b"IDAT"
        if behind and kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
            word = file.read(min(length, 11))
            found = kind == b"eXIf" or word in (b"XML:com.ado", b"Raw profile")
            length -= len(word)
        file.seek(length + 4, 1)
    file.seek(before)
    return found
