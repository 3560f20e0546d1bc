"""What is read is what Pillow reads, whichever decoder read it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.files import image as module
from haa.data.files.image import read_image, read_mask
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
