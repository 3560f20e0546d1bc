"""Planted faults are all found; a sound data set has none."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haa.cli import main as cli
from haa.data.care.check import check, picture_name
from haa.data.care.near_identical import _alike, near_identical
from haa.data.readers.coco_captions import COCOCaptions
from haa.data.readers.folder import Folder

pytestmark = pytest.mark.usefixtures("index_cache")

W, H = 64, 48


def photo(seed: int) -> Image.Image:
    """Smooth structure, as photos have."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((W, H), Image.Resampling.BICUBIC)


@pytest.fixture
def root(tmp_path):
    """Twelve images with twenty fixations each, a question each, and a published split."""
    rng = np.random.default_rng(0)
    (tmp_path / "data" / "images").mkdir(parents=True)
    fixations, questions, splits = ["image,x,y"], ["image,question,answer"], ["image,split"]
    for n in range(12):
        photo(n).save(tmp_path / "data" / "images" / f"{n}.png")
        fixations += [
            f"{n},{x:.2f},{y:.2f}" for x, y in zip(rng.uniform(0, W - 1, 20), rng.uniform(0, H - 1, 20), strict=True)
        ]
        questions.append(f"{n},what is {n}?,thing")
        splits.append(f"{n},{'train' if n < 6 else 'val' if n < 9 else 'test'}")
    for name, lines in (("fixations", fixations), ("questions", questions), ("splits", splits)):
        (tmp_path / "data" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "data"


def edit(path: Path, change) -> None:
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *change(lines)]) + "\n")


def report(root, capsys, **arguments) -> tuple[bool, str]:
    sound = check(partial(Folder, root), **arguments)
    return sound, " ".join(capsys.readouterr().out.split())


def test_a_sound_data_set(root, capsys, tmp_path):
    sound, text = report(root, capsys, picture=tmp_path / "page.png")
    assert sound
    assert "no faults found" in text
    assert "train 6 6 6 0 120" in text
    assert "pictures of 48 x 64 pixels (h x w)" in text
    with Image.open(tmp_path / "page.png") as page:
        assert page.width > 1000


def test_axes_exchanged(root, capsys):
    edit(root / "fixations.csv", lambda lines: [",".join(np.array(line.split(","))[[0, 2, 1]]) for line in lines])
    sound, text = report(root, capsys)
    assert not sound
    assert "x outside" in text
    assert "sign of a mistake, x and y exchanged" in text
    assert "of the points lie off their pictures, and 0.0% would with x and y exchanged" in text


def test_axes_exchanged_and_points_outside_left_out(root, capsys):
    def swap(lines):
        rows = [line.split(",") for line in lines]
        return [f"{n},{y},{x}" for n, x, y in rows if float(x) < H - 1]

    edit(root / "fixations.csv", swap)
    sound, text = report(root, capsys)
    assert not sound
    assert "none of" in text
    assert "sign of a mistake, x and y exchanged" in text


def test_points_outside(root, capsys):
    edit(root / "fixations.csv", lambda lines: [*lines, f"3,{W},10", f"3,10,{H + 100}"])
    sound, text = report(root, capsys)
    assert not sound
    assert "2 x outside" in text
    assert "sample 3_1: a fixation at x=64, y=10 (from 0) lies outside" in text or "sample 3" in text
    assert "exchanged" not in text


def test_a_truncated_image(root, capsys):
    path = root / "images" / "2.png"
    path.write_bytes(path.read_bytes()[:-200])
    sound, text = report(root, capsys)
    assert not sound
    assert "1 x unreadable" in text
    assert "2.png cannot be decoded" in text


@pytest.mark.parametrize("form", ["copy", "jpeg", "smaller"])
def test_a_picture_in_two_splits(root, capsys, form):
    picture = photo(2)
    if form == "jpeg":
        (root / "images" / "10.png").unlink()
        picture.save(root / "images" / "10.jpg", quality=85)
    else:
        picture = picture.resize((W // 2, H // 2)) if form == "smaller" else picture
        picture.save(root / "images" / "10.png")
    if form == "smaller":
        edit(root / "fixations.csv", lambda lines: [line for line in lines if not line.startswith("10,")])
    sound, text = report(root, capsys)
    assert not sound
    assert "1 x picture in two splits" in text
    assert "2.png (train) and" in text


def test_a_question_without_an_answer(root, capsys):
    edit(root / "questions.csv", lambda lines: [*lines, "4,and now?,"])
    sound, text = report(root, capsys)
    assert not sound
    assert "1 x question without answer" in text
    assert "'and now?' has no answer" in text


def test_an_image_without_its_file(root, capsys):
    (root / "images" / "5.png").unlink()
    sound, text = report(root, capsys)
    assert not sound
    assert "there is no image '5'" in text


def test_all_faults_at_once(root, capsys):
    """None hides another."""
    photo(2).save(root / "images" / "10.png")
    path = root / "images" / "7.png"
    path.write_bytes(path.read_bytes()[:-200])
    (root / "images" / "5.png").unlink()
    edit(root / "questions.csv", lambda lines: [*lines, "4,and now?,"])
    edit(root / "fixations.csv", lambda lines: [*lines, "3,500,10"])
    sound, text = report(root, capsys)
    assert not sound
    for kind in (
        "picture in two splits",
        "unreadable",
        "annotation without image",
        "question without answer",
        "outside",
    ):
        assert f"x {kind}" in text


def test_same_picture_with_two_labels(root, capsys):
    photo(2).save(root / "images" / "3.png")
    (root / "labels.csv").write_text("image,label\n" + "".join(f"{n},{n % 2}\n" for n in range(12)))
    sound, text = report(root, capsys)
    assert not sound
    assert "1 x picture with two labels" in text


def test_a_data_set_that_cannot_be_opened(tmp_path, capsys):
    sound, text = report(tmp_path / "nowhere", capsys)
    assert not sound
    assert "1 x cannot be read" in text
    assert "does not exist" in text


def test_gaze_on_pictures_that_another_data_set_tests_on(root, tmp_path, capsys):
    """As SALICON's pictures may lie in the split on which captioning is tested."""
    for n in range(12):
        (root / "images" / f"{n}.png").rename(root / "images" / f"COCO_train2014_{n:012d}.png")
    for name in ("fixations", "questions", "splits"):
        edit(
            root / f"{name}.csv",
            lambda lines: [f"COCO_train2014_{int(n):012d},{r}" for n, r in (x.split(",", 1) for x in lines)],
        )
    parts = {0: "test", 1: "val", 2: "train", 3: "restval", 99: "test"}
    listed = [
        {"filename": f"COCO_val2014_{n:012d}.jpg", "cocoid": n, "split": part, "sentences": [{"raw": "a thing"}]}
        for n, part in parts.items()
    ]
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "dataset_coco.json").write_text(json.dumps({"images": listed}))
    against = partial(COCOCaptions, tmp_path / "coco", karpathy="dataset_coco.json")
    sound, text = report(root, capsys, against=against)
    assert not sound
    assert (
        "of 12 pictures here, COCOCaptions has some that have gaze: 2 in its train split, 1 in its val split, 1 in"
        in text
    )
    assert "2 x tested on in COCOCaptions" in text
    assert "000000000000.png (train, with gaze) is in the test split there" in text


def test_command(root, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    cli.main(["data", "check", "data=folder", f"data.root={root}"])
    assert "no faults found" in capsys.readouterr().out
    assert (tmp_path / "data-check.png").is_file()
    edit(root / "fixations.csv", lambda lines: [*lines, "3,500,10"])
    with pytest.raises(SystemExit) as exit_:
        cli.main(["data", "check", "data=folder", f"data.root={root}", "picture=null"])
    assert exit_.value.code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check"], "needs data=NAME"),
        (["check", "data=foldr"], "foldr"),
        (["check", "data=folder"], r"data\.root is missing"),
        (["chek"], "did you mean check"),
        (["get", "osie"], "give one name and a folder"),
        (["get", "osi", "root=x"], "did you mean osie"),
    ],
)
def test_commands_mistyped(words, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message) as exit_:
        cli.main(["data", *words])
    assert "\n" not in str(exit_.value)


def test_help(capsys):
    cli.main(["data", "--help"])
    assert "haa data check data=NAME" in capsys.readouterr().out


def test_picture_names():
    names = {picture_name(n) for n in ("a/COCO_val2014_000000000042.jpg", "000000000042.jpg")}
    assert names == {"000000000042"}
    assert picture_name("b/Heron_0042.jpg") == "Heron_0042"


def test_near_identical_finds_each_pair_once_and_no_other():
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (40, 16, 16), dtype=np.uint8))
    pictures += [
        np.clip(pictures[3].astype(int) + 1, 0, 255).astype(np.uint8),
        np.zeros((16, 16), np.uint8),
        np.zeros((16, 16), np.uint8),
    ]
    assert list(near_identical(pictures)) == [(3, 40)]


def test_no_pair_of_hashes_up_to_three_bits_apart_is_missed():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 60, dtype=np.uint64).tolist()
    for near in range(5):
        for value in hashes[:60]:
            flipped = rng.choice(64, near, replace=False).tolist()
            hashes.append(value ^ sum(1 << bit for bit in flipped))
    expected = [(i, j) for j in range(len(hashes)) for i in range(j) if (hashes[i] ^ hashes[j]).bit_count() <= 3]
    assert len(expected) > 240
    assert _alike(np.array(hashes, dtype=np.uint64), 3) == expected


def test_osie_twins(real_data):
    from haa.data.care.near_identical import thumbnail
    from haa.data.files.image import read_image

    names = ["1279", "1374", "1001", "1002", "1500"]
    pictures = [thumbnail(read_image(real_data / "osie" / "data" / "stimuli" / f"{name}.jpg")) for name in names]
    assert list(near_identical(pictures)) == [(0, 1)]
