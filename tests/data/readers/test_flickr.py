"""Flickr8k's and Flickr30k's token files and lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from haa.data.readers.flickr import Flickr
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


def write(root: Path, name: str, folder: str, count: int) -> Path:
    (root / folder).mkdir(parents=True)
    lines = []
    for number in range(count):
        Image.new("RGB", (8, 6), (20 * number, 5, 0)).save(root / folder / f"{number}_ab.jpg")
        lines += [f"{number}_ab.jpg#{k}\tA dog # {number} runs , {k} ." for k in range(5)]
    (root / name).write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def flickr8k(tmp_path):
    root = write(tmp_path / "f8k", "Flickr8k.token.txt", "Flicker8k_Dataset", 6)
    for name, images in {"train": [0, 1, 2], "dev": [3], "test": [4]}.items():
        (root / f"Flickr_8k.{name}Images.txt").write_text("".join(f"{n}_ab.jpg\n" for n in images))
    return root


def ids(root: Path, **arguments) -> dict[str, list[str]]:
    return {split: [s["id"] for s in Flickr(root, split, **arguments)] for split in ("train", "val", "test")}


def test_official_split(flickr8k):
    assert ids(flickr8k) == {"train": ["0_ab", "1_ab", "2_ab"], "val": ["3_ab"], "test": ["4_ab"]}
    sample = Flickr(flickr8k)[1]
    assert sample["captions"] == [f"A dog # 1 runs , {k} ." for k in range(5)]
    assert abs(int(sample["image"][0, 0, 0]) - 20) < 4


def test_flickr30k_is_divided_by_the_rule(tmp_path):
    root = write(tmp_path / "f30k", "results_20130124.token", "flickr30k-images", 10)
    assert [len(names) for names in ids(root).values()] == [7, 1, 2]


def test_the_image_that_was_never_published(flickr8k):
    (flickr8k / "Flicker8k_Dataset" / "2_ab.jpg").unlink()
    with pytest.raises(InputError, match=r"2_ab\.jpg is absent: .*data\.missing=drop"):
        Flickr(flickr8k)
    assert ids(flickr8k, missing="drop")["train"] == ["0_ab", "1_ab"]


def test_an_image_of_the_split_without_captions(flickr8k):
    (flickr8k / "Flickr_8k.testImages.txt").write_text("4_ab.jpg\nlost.jpg\n")
    with pytest.raises(InputError, match=r"has no caption of lost\.jpg"):
        Flickr(flickr8k)


def test_wrong_files(flickr8k, tmp_path):
    (flickr8k / "Flickr_8k.devImages.txt").unlink()
    with pytest.raises(InputError, match=r"Flickr_8k\.devImages\.txt is missing, and other lists"):
        Flickr(flickr8k)
    (flickr8k / "Flickr8k.token.txt").write_text("0_ab.jpg#0\tgood\n0_ab.jpg bad\n")
    with pytest.raises(InputError, match=r"Flickr8k\.token\.txt, line 2 is not NAME"):
        Flickr(flickr8k)
    with pytest.raises(InputError, match=r"holds none of Flickr8k\.token\.txt"):
        Flickr(tmp_path)
