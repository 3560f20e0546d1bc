"""What is read is what Pillow reads, whichever decoder read it."""

from __future__ import annotations

import contextlib
import random
import resource
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.files import image as module
from haa.data.files.image import image_size, read_image, read_map, read_mask
from haa.errors import InputError


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.jpg", "RGB"), ("a.JPEG", "L"), ("a.jpg", "CMYK"), ("a.png", "RGB"), ("a.png", "L"), ("a.png", "P")],
)
@pytest.mark.parametrize("fast", [True, False])
def test_values_are_pillow_s(tmp_path, monkeypatch, name, mode, fast):
    if not fast:
        monkeypatch.setattr(module, "decode_jpeg", None)
    pixels = np.random.default_rng(0).integers(0, 255, (31, 41, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / name)
    expected = np.asarray(Image.open(tmp_path / name).convert("RGB"))
    assert torch.equal(read_image(tmp_path / name).permute(1, 2, 0), torch.tensor(expected))


def test_a_name_that_lies(tmp_path):
    Image.new("RGB", (4, 3), "red").save(tmp_path / "png.png")
    (tmp_path / "png.png").rename(tmp_path / "png.jpg")
    assert read_image(tmp_path / "png.jpg")[:, 0, 0].tolist() == [255, 0, 0]


def test_a_mask_of_zeros_and_ones(tmp_path):
    Image.fromarray(np.eye(3, dtype=np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"mask\.png has values of 0 and 1 .*: multiply it by 255"):
        read_mask(tmp_path / "mask.png")


GREY = np.array([[0, 257, 6554, 32768], [128, 129, 65407, 65535]], dtype=np.uint16)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "big.tif", "a.ppm", "named.jpg"])
def test_sixteen_bits_are_scaled(tmp_path, name):
    values = GREY.astype(">u2") if name == "big.tif" else GREY
    Image.fromarray(values).save(tmp_path / name, "PNG" if name == "named.jpg" else None)
    expected = np.round(GREY / 257).astype(np.uint8)
    assert np.array_equal(read_map(tmp_path / name), expected)
    assert np.array_equal(read_image(tmp_path / name), np.broadcast_to(expected, (3, 2, 4)))


@pytest.mark.parametrize(("mode", "value"), [("I", 7), ("F", 0.5), ("LAB", (9, 9, 9))])
def test_numbers_without_a_range_are_refused(tmp_path, mode, value):
    Image.new(mode, (3, 2), value).save(tmp_path / "a.tif")
    for read in (read_image, read_map):
        with pytest.raises(InputError, match=rf"a\.tif holds numbers whose range nothing says \({mode}\)"):
            read(tmp_path / "a.tif")


def test_eight_bits_in_sixteen_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 1, 255]], dtype=np.uint16)).save(tmp_path / "a.png")
    for read in (read_image, read_map, read_mask):
        with pytest.raises(InputError, match="no value above 255"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("mode", "colour", "rgb", "grey"),
    [
        ("1", 1, [255, 255, 255], 255),
        ("L", 9, [9, 9, 9], 9),
        ("LA", (100, 7), [100, 100, 100], 100),
        ("RGBA", (10, 20, 30, 0), [10, 20, 30], 18),
        ("P", 1, [10, 20, 30], 18),
    ],
)
def test_modes_and_transparency(tmp_path, mode, colour, rgb, grey):
    picture = Image.new(mode, (3, 2), colour)
    if mode == "P":
        picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.save(tmp_path / "a.png", **({"transparency": 1} if mode == "P" else {}))
    assert read_image(tmp_path / "a.png")[:, 1, 2].tolist() == rgb
    assert int(read_map(tmp_path / "a.png")[1, 2]) == grey


def header_says(path, size: int) -> None:
    """Make a picture's header say that it is so many pixels high and wide."""
    content = bytearray(path.read_bytes())
    kind = path.suffix
    if kind in (".jpg", ".jpeg"):
        at = content.find(b"\xff\xc0") + 5
        content[at : at + 4] = size.to_bytes(2, "big") * 2
    elif kind == ".png":
        content[16:24] = size.to_bytes(4, "big") * 2
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    elif kind == ".gif":
        content[6:10] = size.to_bytes(2, "little") * 2
    else:
        content[18:26] = size.to_bytes(4, "little") * 2
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png", "a.gif", "a.bmp"])
def test_bombs_are_refused_before_they_are_decoded(tmp_path, name):
    path = tmp_path / name.lower()
    Image.new("RGB", (8, 8)).save(path)
    header_says(path, 20_000)
    path = path.rename(tmp_path / name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (read_image, read_map, read_mask, image_size):
        with pytest.raises(
            InputError, match=rf"{name} (has 20000 x 20000 pixels|cannot be decoded \(DecompressionBomb)"
        ):
            read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_no_format_that_calls_a_program(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(InputError, match="cannot identify image file"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.tif", "a.webp", "a.bmp"])
def test_damaged_pictures_are_refused_or_read(tmp_path, name):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    good = (tmp_path / name).read_bytes()
    for seed in range(60):
        rng = random.Random(seed)
        content, at = bytearray(good), rng.randrange(min(len(good), 800))
        content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"", b"\0\0\0\x80", rng.randbytes(4)])
        (tmp_path / name).write_bytes(content)
        for read in (read_image, read_map):
            with contextlib.suppress(InputError):
                read(tmp_path / name)


@pytest.mark.parametrize("read", [read_image, read_map])
def test_a_png_whose_end_is_lost_is_refused(tmp_path, read):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    before = read(path)
    path.write_bytes(whole[:-4])  # which only says that nothing follows
    assert read(path).equal(before)
    for lost in (9, 12, 13, 16):  # IEND has 12 bytes, the checksum of the pixels before it 4
        path.write_bytes(whole[:-lost])
        with pytest.raises(InputError, match=r"a\.png cannot be decoded"):
            read(path)
    path.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
    with pytest.raises(InputError, match=r"a\.png cannot be decoded"):
        read(path)
