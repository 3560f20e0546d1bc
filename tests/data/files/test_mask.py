"""One object, written down in all the ways that masks are, is read as that object; what is ambiguous is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from haa.data.files.mask import read_mask
from haa.errors import InputError
from haa.metrics.functional import salient_objects

OBJECT = np.zeros((40, 60), bool)
OBJECT[10:30, 10:40] = True
TWO = OBJECT.astype(np.uint8)
TWO[32:38, 45:55] = 2
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, *[0] * 750, 224, 224, 192]


def numbered(*, void: bool) -> np.ndarray:
    values = TWO.copy()
    if void:
        values[9, 9:41] = values[30, 9:41] = 255
    return values


def palette(values: np.ndarray, colours: list[int]) -> Image.Image:
    picture = Image.fromarray(values)
    picture.putpalette(colours)
    return picture


def alpha(mode: str, colour: object) -> Image.Image:
    picture = Image.new(mode, (60, 40), colour)
    picture.putalpha(Image.fromarray(OBJECT.astype(np.uint8) * 255))
    return picture


WRITTEN = {
    "0 and 255": (Image.fromarray(OBJECT.astype(np.uint8) * 255), OBJECT),
    "0 and 1": (Image.fromarray(OBJECT.astype(np.uint8)), OBJECT),
    "0 and 76, red on black in grey": (Image.fromarray(OBJECT.astype(np.uint8) * 76), OBJECT),
    "one bit": (Image.fromarray(OBJECT), OBJECT),
    "sixteen bits": (Image.fromarray(OBJECT.astype(np.uint16) * 65535), OBJECT),
    "sixteen bits, 0 and 1": (Image.fromarray(OBJECT.astype(np.uint16)), OBJECT),
    "numbers": (Image.fromarray(TWO), TWO > 0),
    "numbers of sixteen bits": (Image.fromarray(TWO.astype(np.uint16)), TWO > 0),
    "palette": (palette(TWO, VOC), TWO > 0),
    "palette with a border": (palette(numbered(void=True), VOC), TWO > 0),
    "palette of greys": (palette(OBJECT.astype(np.uint8), [0, 0, 0, 255, 255, 255]), OBJECT),
    "palette, white first": (palette(1 - OBJECT.astype(np.uint8), [255, 255, 255, 0, 0, 0]), OBJECT),
    "palette, red first": (palette(1 - OBJECT.astype(np.uint8), [255, 0, 0, 0, 0, 0]), OBJECT),
    "colours": (palette(numbered(void=True), VOC).convert("RGB"), TWO > 0),
    "grey in RGB": (Image.fromarray(OBJECT.astype(np.uint8) * 255).convert("RGB"), OBJECT),
    "alpha of white": (alpha("L", 255), OBJECT),
    "alpha of black": (alpha("RGB", "black"), OBJECT),
    "alpha of red": (alpha("RGB", "red"), OBJECT),
    "all": (Image.new("L", (60, 40), 255), np.ones((40, 60), bool)),
    "all, of 0 and 1": (Image.new("L", (60, 40), 1), np.ones((40, 60), bool)),
    "nothing": (Image.new("L", (60, 40)), np.zeros((40, 60), bool)),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_object_is_read(tmp_path, kind):
    picture, expected = WRITTEN[kind]
    picture.save(tmp_path / "a.png")
    found = read_mask(tmp_path / "a.png")
    assert found.dtype == torch.uint8
    assert np.array_equal(found.numpy(), expected * np.uint8(255))


def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))


def cut_out() -> Image.Image:
    picture = photo()
    picture.putalpha(Image.fromarray(OBJECT.astype(np.uint8) * 255))
    return picture


def areas(*levels: int) -> Image.Image:
    values = np.zeros((40, 60), np.uint8)
    for number, level in enumerate(levels):
        values[:, 10 + 12 * number : 20 + 12 * number] = level
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (photo(), "more than 64 colours"),
        (cut_out(), "cut-out"),
        (palette(OBJECT.astype(np.uint8), [255, 255, 255, 255, 0, 0]), "no black background"),
        (areas(85, 170, 255), "areas of grey"),
        (areas(15, 255), "areas of grey"),
        (Image.new("L", (60, 40), 100), "100 everywhere"),
        (Image.fromarray(np.random.default_rng(0).integers(0, 100, (40, 60), dtype=np.uint8)), "is dark"),
    ],
)
def test_what_may_mean_several_things_is_refused(tmp_path, picture, why):
    picture.save(tmp_path / "a.png")
    with pytest.raises(InputError, match=rf"a\.png .*{why}.*: save"):
        read_mask(tmp_path / "a.png")


def test_shares_of_annotators_are_read_where_they_are_published(tmp_path):
    areas(85, 127, 128, 255).save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png", graded=True)[0, [15, 27, 39, 51]].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_softened_and_lossy_borders_belong_from_half_on(tmp_path, quality):
    big = Image.new("L", (1200, 800))
    ImageDraw.Draw(big).ellipse([200, 100, 900, 700], fill=255)
    soft = big.resize((300, 200), Image.Resampling.LANCZOS)
    soft.save(tmp_path / "a.jpg", quality=quality)
    values = np.array(Image.open(tmp_path / "a.jpg"))
    Image.fromarray(values).save(tmp_path / "again.png")
    soft.save(tmp_path / "soft.png")
    for name, expected in (("a.jpg", values), ("again.png", values), ("soft.png", np.array(soft))):
        assert np.array_equal(read_mask(tmp_path / name).numpy() > 0, expected > 127)


@pytest.mark.parametrize(
    "mask", [OBJECT, OBJECT * np.uint8(1), OBJECT * np.uint8(255), TWO * OBJECT, OBJECT * np.float32(1), OBJECT * 1]
)
def test_the_metrics_understand_masks_alike(mask):
    prediction = torch.rand(2, 40, 60, generator=torch.Generator().manual_seed(0))
    masks = torch.stack([torch.from_numpy(mask), torch.zeros(40, 60).to(torch.from_numpy(mask).dtype)])
    truth = torch.stack([torch.from_numpy(OBJECT), torch.zeros(40, 60, dtype=torch.bool)])
    expected = salient_objects(prediction, truth)
    for name, values in salient_objects(prediction, masks).items():
        assert torch.equal(values, expected[name]), name


def test_half_of_white_is_an_object_for_reader_and_metrics(tmp_path):
    values = np.zeros((40, 60), np.uint8)
    values[10:30, 10:40], values[9, 10:40], values[30, 10:40] = 255, 127, 128
    Image.fromarray(values).save(tmp_path / "a.png")
    prediction = torch.rand(1, 40, 60)
    a, b = (salient_objects(prediction, m[None]) for m in (torch.from_numpy(values), read_mask(tmp_path / "a.png")))
    assert all(torch.equal(a[name], b[name]) for name in a)
