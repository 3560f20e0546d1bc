"""What is read is what Pillow reads, whichever decoder read it."""

from __future__ import annotations

import contextlib
import random
import resource
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from haa.data.files import image as module
from haa.data.files.density import read_density
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


@pytest.mark.parametrize(("few", "said"), [(255, 255), (1023, 4095), (4095, 4095)])
def test_fewer_bits_in_sixteen_are_refused(tmp_path, few, said):
    Image.fromarray(np.array([[0, 1, few]], dtype=np.uint16)).save(tmp_path / "a.png")
    for read in (read_image, read_map):
        with pytest.raises(InputError, match=f"no value above {said}: save it with 8 bits"):
            read(tmp_path / "a.png")


def sixteen_bit_png(path, pixels):
    """Write (h, w, c) uint16 as PNG: Pillow writes no colours of 16 bits."""
    h, w, c = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", w, h, 16, {2: 4, 3: 2, 4: 6}[c], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    content = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_sixteen_bits(tmp_path, channels):
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 6, channels))
    if channels != 3:
        pixels[..., -1] = 65535
    sixteen_bit_png(tmp_path / "a.png", pixels)
    colours = pixels[..., :3] if channels > 2 else np.repeat(pixels[..., :1], 3, 2)
    found = read_image(tmp_path / "a.png").permute(1, 2, 0).numpy()
    assert np.abs(found - colours / 257).max() <= 1
    sixteen_bit_png(tmp_path / "a.png", pixels // 16)
    if channels == 3:
        with pytest.raises(InputError, match=r"a\.png has 16 bits"):
            read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("mode", "colour", "rgb", "grey"),
    [
        ("1", 1, [255, 255, 255], 255),
        ("L", 9, [9, 9, 9], 9),
        ("LA", (100, 255), [100, 100, 100], 100),
        ("LA", (100, 51), [224, 224, 224], None),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30], None),
        ("RGBA", (90, 90, 90, 255), [90, 90, 90], 90),
        ("RGBA", (10, 20, 30, 0), [255, 255, 255], None),
        ("P", 1, [10, 20, 200], None),
        ("P;transparent", 1, [255, 255, 255], None),
        ("L;transparent", 9, [255, 255, 255], None),
    ],
)
def test_modes_and_transparency(tmp_path, mode, colour, rgb, grey):
    picture = Image.new(mode.partition(";")[0], (3, 2), colour)
    if mode[0] == "P":
        picture.putpalette([0, 0, 0, 10, 20, 200])
    picture.save(tmp_path / "a.png", **({"transparency": colour} if ";" in mode else {}))
    assert read_image(tmp_path / "a.png")[:, 1, 2].tolist() == rgb
    if grey is not None:
        assert int(read_map(tmp_path / "a.png")[1, 2]) == grey
    else:
        with pytest.raises(InputError, match=r"a\.png (is transparent in places|has colours)"):
            read_map(tmp_path / "a.png")


SEEN = np.zeros((6, 8, 3), np.uint8)  # as a viewer shows it: four quarters, four colours
SEEN[:3, :4], SEEN[:3, 4:], SEEN[3:, :4] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
STORED = {2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: lambda x: x.swapaxes(0, 1)}
STORED |= {6: lambda x: np.rot90(x, 1), 7: lambda x: np.rot90(x, 2).swapaxes(0, 1), 8: lambda x: np.rot90(x, 3)}


def exif_behind_the_pixels(path):
    content = path.read_bytes()
    at = content.index(b"eXIf") - 4
    size = 12 + int.from_bytes(content[at : at + 4], "big")
    path.write_bytes(content[:at] + content[at + size : -12] + content[at : at + size] + content[-12:])


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "late.png", "a.tif", "packed.tif", "a.webp", "xmp.png", "xmp.jpg"])
@pytest.mark.parametrize("tag", STORED)
def test_a_picture_is_turned_as_its_header_says(tmp_path, name, tag):
    path, exif = tmp_path / name, Image.Exif()
    exif[0x0112] = tag
    notes = {"exif": exif}
    if name.startswith("xmp"):
        xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{tag}"/></x:xmpmeta>'
        notes = {"xmp": xmp.encode()}
        if name == "xmp.png":
            notes = {"pnginfo": PngImagePlugin.PngInfo()}
            notes["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    notes |= {"a.webp": {"lossless": True}, "packed.tif": {"compression": "tiff_lzw"}}.get(name, {})
    notes |= {"quality": 100, "subsampling": 0} if name.endswith("jpg") else {}
    big = SEEN.repeat(16, 0).repeat(16, 1)
    stored = np.ascontiguousarray(STORED[tag](big))
    Image.fromarray(stored).save(path, **notes)
    if name == "late.png":
        exif_behind_the_pixels(path)
    found = read_image(path)
    assert image_size(path) == tuple(found.shape[1:]) == (96, 128)
    assert np.abs(found.permute(1, 2, 0).numpy().astype(int) - big).max() <= 4
    assert found.permute(1, 2, 0).is_contiguous()
    Image.fromarray(stored[..., 1]).save(path, **notes)
    if name == "late.png":
        exif_behind_the_pixels(path)
    expected = big[..., 1].astype(int)
    assert np.abs(read_map(path).numpy() - expected).max() <= 4
    assert np.array_equal(read_mask(path).numpy(), expected)
    assert np.abs(read_density(path).numpy() - expected).max() <= 4


@pytest.mark.parametrize("fast", [True, False])
def test_a_cmyk_jpeg_is_as_bright_as_it_was(tmp_path, monkeypatch, fast):
    if not fast:
        monkeypatch.setattr(module, "decode_jpeg", None)
    Image.new("RGB", (16, 16), (220, 30, 20)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert (read_image(tmp_path / "a.jpg")[:, 8, 8].int() - torch.tensor([220, 30, 20])).abs().max() <= 8


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_several_pictures_in_a_file_are_refused(tmp_path, name):
    pictures = [Image.new("RGB", (9, 7), colour) for colour in ("red", "blue", "green")]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
    for read in (read_image, read_map, read_mask, read_density, image_size):
        with pytest.raises(InputError, match=rf"{name} holds 3 pictures"):
            read(tmp_path / name)
    pictures[0].save(tmp_path / name)
    assert read_image(tmp_path / name)[:, 3, 3].tolist() in ([255, 0, 0], [255, 1, 0])


def test_a_tiff_with_a_thumbnail_is_one_picture(tmp_path):
    Image.new("RGB", (9, 7), "red").save(
        tmp_path / "a.tif", save_all=True, append_images=[Image.new("RGB", (4, 3), "blue")]
    )
    assert image_size(tmp_path / "a.tif") == (7, 9)
    assert read_image(tmp_path / "a.tif")[:, 3, 3].tolist() == [255, 0, 0]


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
