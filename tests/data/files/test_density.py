"""Maps of gaze are read with all their shades from whatever holds numbers; what is no such map is refused."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from haa.data.files.density import read_density
from haa.errors import InputError
from haa.gaze import density

H, W = 120, 160


def blobs(sigma: float, count: int = 5) -> np.ndarray:
    y, x = np.mgrid[:H, :W]
    centres = np.random.default_rng(0).uniform((0, 0), (H, W), (count, 2))
    return sum(np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2)) for cy, cx in centres)


MAP = blobs(8) / blobs(8).max()
TO_8, TO_16 = np.round(MAP * 255).astype(np.uint8), np.round(MAP * 65535).astype(np.uint16)


@pytest.mark.parametrize(
    ("name", "values", "levels"),
    [
        ("a.png", TO_8, 255),
        ("a.png", TO_16, 65535),
        ("a.png", TO_16 // 512, 127),  # of 16 bits, seven: without a scale they are what they are
        ("a.tif", TO_8, 255),
        ("a.tif", TO_16, 65535),
        ("a.tif", (MAP * 1e6).astype(np.int32), 1e6),
        ("a.tif", MAP.astype(np.float32), 1e7),
    ],
)
def test_pictures_keep_their_shades(tmp_path, name, values, levels):
    Image.fromarray(values).save(tmp_path / name)
    found = read_density(tmp_path / name).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found / found.max(), MAP, atol=1.01 / levels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK"])
def test_grey_is_grey_in_any_mode(tmp_path, mode):
    Image.fromarray(TO_8).convert("RGB" if mode == "CMYK" else mode).convert(mode).save(tmp_path / "a.tif")
    found = read_density(tmp_path / "a.tif").numpy()
    assert np.abs(found - TO_8).max() <= (1 if mode == "CMYK" else 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.uint8, np.int64, bool])
def test_arrays(tmp_path, dtype):
    values = (100 * blobs(8)).astype(dtype)
    np.save(tmp_path / "a.npy", values[None])
    np.savez_compressed(tmp_path / "one.npz", anything=values)
    np.savez(tmp_path / "two.npz", attention=values[::-1], saliency=values)
    for name in ("a.npy", "one.npz", "two.npz"):
        np.testing.assert_array_equal(read_density(tmp_path / name).numpy(), values.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.log(MAP), "negative"),
        (np.where(MAP > 0.5, np.nan, MAP), "not finite"),
        (np.stack([MAP] * 3), r"float64 of shape \(3, 120, 160\)"),
        (MAP[0], "of shape"),
        (MAP.astype(complex), "complex128"),
        (np.array([["a"]]), "of shape"),
    ],
)
def test_arrays_that_are_no_map(tmp_path, values, why):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=rf"a\.npy .*{why}"):
        read_density(tmp_path / "a.npy")


def test_nothing_is_unpickled_and_nothing_guessed(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": MAP}]), allow_pickle=True)
    np.savez(tmp_path / "a.npz", one=MAP, two=MAP)
    with pytest.raises(InputError, match=r"a\.npy cannot be read"):
        read_density(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"a\.npz holds one, two: .*call it saliency"):
        read_density(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"b\.npy is missing"):
        read_density(tmp_path / "b.npy")


@pytest.mark.parametrize("colours", ["jet", "viridis", "hot", "inferno", "Reds", "turbo"])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_coloured_heat_maps_are_refused(tmp_path, colours, name):
    pixels = (matplotlib.colormaps[colours](MAP)[..., :3] * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / name)
    with pytest.raises(InputError, match=r"has colours.*coloured heat map.*in grey"):
        read_density(tmp_path / name)
    Image.fromarray(pixels).quantize(200).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="has colours"):
        read_density(tmp_path / "a.png")


def test_transparency_is_refused(tmp_path):
    picture = Image.new("L", (W, H), 255)
    picture.putalpha(Image.fromarray(TO_8))
    picture.save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is transparent in places"):
        read_density(tmp_path / "a.png")


def dots(count: int, radius: float, size: tuple[int, int], ring: bool = False) -> Image.Image:
    picture = Image.new("L", size)
    draw, rng = ImageDraw.Draw(picture), np.random.default_rng(count)
    for _ in range(count):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        if radius:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], None if ring else 255, 255)
        else:
            draw.point((x, y), int(rng.integers(1, 4)) * 85)
    return picture


@pytest.mark.parametrize("size", [(80, 60), (320, 240), (1280, 1024)])
@pytest.mark.parametrize("count", [1, 12, 40])
@pytest.mark.parametrize("kind", ["points", "discs", "rings"])
def test_pictures_of_dots_are_refused(tmp_path, size, count, kind):
    radius = {"points": 0, "discs": round(0.01 * size[0]), "rings": round(0.02 * size[0])}[kind]
    picture = dots(count, radius, size, kind == "rings")
    if (np.array(picture) > 127).mean() > 0.05:
        pytest.skip("so many dots cover the picture")
    negative = Image.fromarray(255 - np.array(picture))
    for name, image in (("a.png", picture), ("a.jpg", picture), ("a.bmp", negative)):
        image.save(tmp_path / name)
        with pytest.raises(InputError, match=r"picture of dots.*fixations"):
            read_density(tmp_path / name)


@pytest.mark.parametrize("size", [(80, 60), (640, 480), (1280, 1024)])
@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("count", [1, 12, 200])
def test_densities_are_not_taken_for_dots(tmp_path, size, share, count):
    import torch

    points = torch.rand(1, count, 2, generator=torch.Generator().manual_seed(count)) * torch.tensor(size)
    values = density(points, size[::-1], max(share * size[0], 1.5))[0].numpy()
    grey = np.round(values / values.max() * 255).astype(np.uint8)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(grey).save(tmp_path / name)
        assert read_density(tmp_path / name).shape == size[::-1]
    np.save(tmp_path / "a.npy", values)
    assert read_density(tmp_path / "a.npy").max() == values.max()


def test_coarse_maps_and_regions_are_maps(tmp_path):
    cells = np.zeros((14, 14), np.uint8)
    cells[3, 4] = 255
    region = Image.new("L", (640, 480))
    ImageDraw.Draw(region).ellipse([100, 100, 180, 160], fill=255)
    for picture in (Image.fromarray(cells), region, Image.new("L", (640, 480)), Image.new("L", (640, 480), 255)):
        picture.save(tmp_path / "a.png")
        assert read_density(tmp_path / "a.png").max() == np.array(picture).max()
