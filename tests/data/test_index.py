"""An index that is built once, noticed when stale, shared by workers, and that lets nothing pass in silence."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from haa.data.index import IndexedDataset, collecting_faults
from haa.data.scan import BATCH
from haa.errors import InputError

SCANS = []


class Lines(IndexedDataset):
    """One JSON object a line: what `scan` yields."""

    columns: ClassVar = {"extra": pa.string()}

    def __init__(self, root, split="train", missing="raise", cache=None, only=None):
        self.only = only
        super().__init__(root, split, missing, cache)

    def sources(self):
        return [self.root / "lines.json"]

    def scan(self):
        SCANS.append(self.only)
        self.classes = ["heron", "wren"]
        return map(json.loads, (self.root / "lines.json").read_text().splitlines())


class Tolerant(Lines):
    outside = "drop"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    SCANS.clear()
    monkeypatch.setenv("HAA_CACHE", str(tmp_path / "cache"))


def picture(path: Path, seed: int = 0, size=(8, 6)) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write(root: Path, lines: list[dict], images: bool = True) -> Path:
    root.mkdir(exist_ok=True)
    (root / "lines.json").write_text("\n".join(json.dumps(line) for line in lines))
    for seed, name in enumerate(dict.fromkeys(line["image"] for line in lines if images and "image" in line)):
        if not (root / name).exists():
            picture(root / name, seed)
    return root


def line(name: str, **more) -> dict:
    return {"id": name, "image": f"{name}.png", "split": "train", **more}


@pytest.fixture
def root(tmp_path):
    gaze = {"x": [7.0, 0.25, 7.0], "y": [5.0, 1.5, 5.0], "duration": [100, 5, 30], "subject": [1, 1, 2]}
    lines = [line("a", **gaze, question="what", answers=["this", "that"], label=1, extra="!"), line("b"), line("c")]
    lines[2]["split"] = "test"
    return write(tmp_path / "data", lines)


def test_sample(root):
    data = Lines(root)
    assert [data[i]["id"] for i in range(len(data))] == ["a", "b"]
    sample = data[0]
    assert torch.equal(sample["image"].permute(1, 2, 0), torch.from_numpy(np.array(Image.open(root / "a.png"))))
    assert sample["gaze"].points.tolist() == [[7, 5], [0.25, 1.5], [7, 5]]
    assert sample["gaze"].subject.tolist() == [1, 1, 2]
    assert sample["gaze"].duration.tolist() == [100, 5, 30]
    assert sample["gaze"].size == (6, 8)
    assert {key: sample[key] for key in ("question", "answers", "label", "extra")} == {
        "question": "what",
        "answers": ["this", "that"],
        "label": 1,
        "extra": "!",
    }
    assert data.classes == ["heron", "wren"]
    assert set(data[1]) == {"id", "image", "gaze"}
    assert data[1]["gaze"] is None
    assert (data.looked(0), data.looked(1)) == (True, False)
    assert set(data.record(0)) == set(sample) - {"image"}
    assert list(data.strings("question")) == ["what"]
    assert list(data.strings("answers")) == ["this", "that"]
    with pytest.raises(KeyError):
        data.strings("captions")


def test_built_once_and_read_by_other_tools(root, tmp_path):
    first = [Lines(root, split)[0]["id"] for split in ("train", "test", "train")]
    assert first == ["a", "c", "a"]
    assert SCANS == [None]
    (path,) = (tmp_path / "cache" / "index").glob("*/index.parquet")
    assert pq.read_table(path)["id"].to_pylist() == ["a", "b", "c"]
    checked = ("files.arrow", "index.arrow", "splits.npy")
    names = [*checked, *(f"{name}.crc" for name in checked), "index.parquet", "summary.json"]
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(names)


def test_another_argument_is_another_index(root):
    for only in ("x", "y", "x"):
        Lines(root, only=only)
    assert SCANS == ["x", "y"]


def test_a_changed_source_is_noticed(root):
    assert len(Lines(root)) == 2
    write(root, [line("a"), line("b"), line("d")])
    assert len(Lines(root)) == 3


def test_a_changed_image_is_noticed(root):
    before = Lines(root)
    assert before.fingerprint() == Lines(root).fingerprint()
    picture(root / "a.png", seed=9, size=(10, 6))
    os.utime(root / "a.png", (1, 1))
    after = Lines(root)
    assert after.gaze(0).size == (6, 10)
    assert after.fingerprint() != before.fingerprint()
    assert after.fingerprint() != Lines(root, "test").fingerprint()


def everything(tmp_path: Path) -> tuple[Path, list[dict]]:
    """A data set with all that a sample may have, in more rows than a batch holds."""
    lines = [
        line("a", x=[7.0, 0.25], y=[5.0, 1.5], duration=[100, 5], subject=[1, 2], extra="!", mask="m.png"),
        line("b", question="what", answers=["this", "that"], captions=["one", "two"], label=1, density=["d.png"]),
        *(line("c", id=f"c{number}", question=f"which {number}", answers=[]) for number in range(BATCH)),
        {**line("d"), "split": "test"},
    ]
    root = write(tmp_path / "data", lines)
    for seed, name in enumerate(("m.png", "d.png")):
        picture(root / name, 10 + seed)
        Image.open(root / name).convert("L").save(root / name)
    return root, lines


def test_copies_are_the_same_data_wherever_and_whenever_they_were_made(tmp_path):
    root, _ = everything(tmp_path)
    before = Lines(root).identity()
    shutil.copytree(root, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    for path in root.iterdir():
        os.utime(path, (1, 1))
    SCANS.clear()
    assert Lines(root).identity() == Lines(tmp_path / "elsewhere").identity() == before
    assert len(SCANS) == 2
    assert all(before.values())
    assert len(set(before.values())) == 4
    test = Lines(root, "test").identity()
    assert all(test[key] != before[key] for key in before)


def change_pixel(path: Path) -> None:
    pixels = np.array(Image.open(path))
    pixels[3, 4] ^= 1
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("name", ["a.png", "m.png", "d.png"])
def test_one_pixel_is_noticed(tmp_path, name):
    root, _ = everything(tmp_path)
    before = Lines(root).identity()
    change_pixel(root / name)
    after = Lines(root).identity()
    changed = {"a.png": "stimuli", "m.png": "labels", "d.png": "gaze"}[name]
    assert [key for key in before if before[key] != after[key]] == [changed]


@pytest.mark.parametrize(
    ("row", "key", "value", "changed"),
    [
        (0, "x", [7.0, 0.5], ["gaze"]),
        (0, "duration", [100, 6], ["gaze"]),
        (0, "subject", [1, 1], ["gaze"]),
        (0, "extra", "?", ["labels"]),
        (1, "answers", ["this", "thats"], ["labels"]),
        (1, "answers", ["thisthat"], ["labels"]),
        (1, "captions", ["onet", "wo"], ["labels"]),
        (1, "label", 0, ["labels"]),
        (BATCH + 1, "question", "whose", ["labels"]),
        (BATCH + 1, "id", "z", ["ids"]),
        (BATCH + 1, "split", "val", ["ids", "stimuli", "gaze", "labels"]),
    ],
)
def test_one_value_is_noticed(tmp_path, row, key, value, changed):
    root, lines = everything(tmp_path)
    before, test = Lines(root).identity(), Lines(root, "test").identity()
    lines[row][key] = value
    write(root, lines)
    after = Lines(root).identity()
    assert [key for key in before if before[key] != after[key]] == changed
    assert Lines(root, "test").identity() == test


def test_the_order_of_pictures_is_part_of_the_data(tmp_path):
    root, lines = everything(tmp_path)
    before = Lines(root)
    lines[:2] = lines[1::-1]
    write(root, lines)
    after = Lines(root)
    assert after.fingerprint() != before.fingerprint()
    assert after.identity()["ids"] != before.identity()["ids"]


def test_the_identity_is_worked_out_once(root, monkeypatch):
    before = Lines(root).identity()
    monkeypatch.setattr(Lines, "_identity", None)
    assert Lines(root).identity() == before


def read_all(root, cache):
    """All that an index gives, looked up as in a run."""
    opened = [Lines(root, split, cache=cache) for split in ("train", "test")]
    some = [[*range(0, len(data), BATCH // 2), len(data) - 1] for data in opened]  # of every batch
    return [
        (len(data), [repr(data.record(i)) for i in rows], data.identity(), data.classes)
        for data, rows in zip(opened, some, strict=True)
    ]


def test_one_flipped_bit_anywhere_in_an_index_is_an_error_that_names_the_file(tmp_path):
    root, _ = everything(tmp_path)
    expected = read_all(root, tmp_path / "cache")
    (folder,) = (path for path in (tmp_path / "cache" / "index").iterdir() if path.is_dir())
    chance = np.random.default_rng(0)
    read = [path for path in sorted(folder.iterdir()) if path.suffix != ".parquet"]
    names = ["files.arrow", "files.arrow.crc", "index.arrow", "index.arrow.crc", "splits.npy", "splits.npy.crc"]
    assert [path.name for path in read] == [*names, "summary.json", "test.json", "train.json"]
    for path in read:
        whole = path.read_bytes()
        for at in {len(whole) // 2, *chance.integers(len(whole) - 1, size=3).tolist()}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(chance.integers(7))]) + whole[at + 1 :])
            try:
                assert read_all(root, tmp_path / "cache") == expected
                assert path.suffix == ".json"  # a blank for another
            except InputError as error:
                assert str(path) in str(error)  # noqa: PT017
                assert f"delete the folder {folder}, it is made again" in str(error)  # noqa: PT017
        path.write_bytes(whole)
    parquet = folder / "index.parquet"
    content = bytearray(parquet.read_bytes())
    content[40] ^= 1
    parquet.write_bytes(content)
    with pytest.raises(OSError, match=r"CRC checksum verification failed|[Cc]orrupt"):
        pq.read_table(parquet, page_checksum_verification=True)
    assert read_all(root, tmp_path / "cache") == expected
    shutil.rmtree(folder)
    assert read_all(root, tmp_path / "cache") == expected
    assert len(SCANS) == 2


@pytest.mark.parametrize("name", ["files.arrow", "index.arrow", "index.arrow.crc", "splits.npy", "summary.json"])
def test_a_file_that_is_short_or_gone_is_an_error_that_names_it(root, tmp_path, name):
    before = read_all(root, tmp_path / "cache")
    (path,) = (tmp_path / "cache" / "index").glob(f"*/{name}")
    whole = path.read_bytes()
    for size in (0, 2, 20, len(whole) - 3):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=f"{name}.* delete the folder"):
            read_all(root, tmp_path / "cache")
    path.unlink()
    with pytest.raises(InputError, match=f"{name}.* delete the folder"):
        read_all(root, tmp_path / "cache")
    path.write_bytes(whole)
    assert read_all(root, tmp_path / "cache") == before


def test_an_image_that_arrives_is_noticed(root):
    (root / "b.png").unlink()
    assert len(Lines(root, missing="drop")) == 1
    picture(root / "b.png")
    assert len(Lines(root)) == 2


def test_the_root_may_be_read_only(root, tmp_path):
    before = sorted(root.iterdir())
    Lines(root)
    assert sorted(root.iterdir()) == before


def test_workers_map_the_index(tmp_path):
    root = write(tmp_path / "data", [line("a", x=[i % 8], y=[0], id=str(i)) for i in range(2 * BATCH + 7)])
    data = Lines(root)
    assert len(pickle.dumps(data)) < 2000
    for position in (0, BATCH - 1, BATCH, 2 * BATCH + 6):
        assert data.record(position)["id"] == str(position)
        assert data.gaze(position).points.tolist() == [[position % 8, 0]]
    copy = pickle.loads(pickle.dumps(data))
    assert "_batches" not in vars(copy)
    assert copy.record(BATCH)["id"] == str(BATCH)
    ids = [sample["id"] for sample in DataLoader(data, batch_size=None, num_workers=2)]
    assert ids == [str(i) for i in range(2 * BATCH + 7)]


@pytest.mark.parametrize(("x", "y"), [(7.5, 0), (0, 5.5), (-0.6, 0), (0, -0.6)])
def test_a_fixation_outside_names_image_and_point(tmp_path, x, y):
    root = write(tmp_path / "data", [line("a", x=[1] * 9 + [x], y=[1] * 9 + [y], subject=[4] * 9 + [5])])
    with pytest.raises(InputError, match=rf"sample a: a fixation of subject 5 at x={x:g}, y={y:g} .*a\.png of 8 x 6"):
        Lines(root)
    data = Tolerant(root)
    assert data.gaze(0).points.tolist() == [[1, 1]] * 9
    assert data.gaze(0).subject.tolist() == [4] * 9
    assert data.faults["outside"]["count"] == 1
    assert "outside" in data.notes[0]


def test_too_many_fixations_outside_are_refused_whoever_published_them(tmp_path):
    lines = [line("a", x=[9, 1], y=[1, 1]), line("b"), line("c", x=[2] * 7, y=[2] * 7), line("d", split="test")]
    root = write(tmp_path / "data", lines)
    message = r"Tolerant: 1 of 9 fixations .* up to 10% .* exchanged.* sample a: .* x=9, y=1 .*a\.png of 8 x 6"
    for split in ("train", "test"):
        with pytest.raises(InputError, match=message):
            Tolerant(root, split)
    with collecting_faults():
        assert Tolerant(root).faults["outside"]["count"] == 1
    lines[3] |= {"x": [1], "y": [1]}
    assert len(Tolerant(write(root, lines))) == 3


@pytest.mark.parametrize(("x", "y"), [(7.4, 5.4), (-0.5, -0.5), (7, 5)])
def test_a_fixation_on_the_border_is_inside(tmp_path, x, y):
    data = Lines(write(tmp_path / "data", [line("a", x=[x], y=[y])]))
    torch.testing.assert_close(data.gaze(0).points, torch.tensor([[x, y]], dtype=torch.float32))


def test_absent_images_are_counted_and_left_out_only_when_told_to(root):
    (root / "a.png").unlink()
    (root / "c.png").unlink()
    with pytest.raises(InputError, match=r"a\.png is absent \(2 such\): provide it, or set data\.missing=drop"):
        Lines(root)
    data = Lines(root, missing="drop")
    assert [data[i]["id"] for i in range(len(data))] == ["b"]
    assert "2 x absent image, left out" in data.notes[0]
    assert len(Lines(root, "test", missing="drop")) == 0


def test_a_fault_is_raised_with_its_message_and_collected_when_asked(tmp_path):
    faults = [{"fault": "unanswered", "message": f"question {n} has no answer: correct it"} for n in (1, 2)]
    root = write(tmp_path / "data", [line("a"), *faults])
    with pytest.raises(InputError, match=r"question 1 has no answer: correct it \(2 such\)"):
        Lines(root)
    with collecting_faults():
        data = Lines(root)
    assert len(data) == 1
    assert data.faults["unanswered"] == {"count": 2, "examples": [fault["message"] for fault in faults]}


def test_a_broken_image_is_named(root):
    (root / "b.png").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"b\.png cannot be decoded"):
        Lines(root)
    with collecting_faults():
        assert [sample["id"] for sample in Lines(root)] == ["a"]


def test_equal_pictures_stay_in_one_split(tmp_path):
    names = [f"{n:02d}" for n in range(20)]
    lines = [{"id": n, "image": f"{n}.png"} for n in names]
    root = write(tmp_path / "data", lines)
    before = {n: split for split in ("train", "val", "test") for n in (s["id"] for s in Lines(root, split))}
    other = next(n for n in names if before[n] != before["00"])
    (root / f"{other}.png").write_bytes((root / "00.png").read_bytes())
    where = {s["id"]: split for split in ("train", "val", "test") for s in Lines(root, split)}
    assert where["00"] == where[other]
    data = Lines(root, where["00"])
    assert len({data.stimulus(i) for i in range(len(data)) if data[i]["id"] in ("00", other)}) == 1


def test_masks_and_maps_of_gaze(tmp_path):
    root = write(tmp_path / "data", [line("a", mask="m.png", density=["d.png"]), line("b")])
    Image.fromarray(np.eye(6, 8, dtype=np.uint8) * 255).save(root / "m.png")
    Image.fromarray(np.eye(6, 8, dtype=np.uint8) * 100).save(root / "d.png")
    data = Lines(root)
    assert data[0]["mask"].shape == (6, 8)
    assert set(data[0]["mask"].unique().tolist()) == {0, 255}
    torch.testing.assert_close(data[0]["density"], torch.eye(6, 8) / 6)
    assert data[1]["density"].sum() == 0
    assert (data.looked(0), data.looked(1)) == (True, False)
    Image.new("L", (6, 8)).save(root / "m.png")
    with pytest.raises(InputError, match=r"mask of .*a\.png is 8 x 6, the image 6 x 8"):
        data[0]


def test_what_is_not_in_the_contract_is_the_readers_mistake(tmp_path):
    with pytest.raises(ValueError, match=r"Lines\.scan yields colour"):
        Lines(write(tmp_path / "data", [line("a", colour=1)]))
    with pytest.raises(ValueError, match="differ in length"):
        Lines(write(tmp_path / "data", [line("a", x=[1], y=[1, 2])]))


def test_arguments(root, tmp_path):
    with pytest.raises(InputError, match="choose one of train, val, test"):
        Lines(root, "testing")
    with pytest.raises(InputError, match=r"data\.root=.* does not exist"):
        Lines(tmp_path / "nowhere")
    with pytest.raises(InputError, match="choose raise or drop"):
        Lines(root, missing="ignore")


def test_no_sample_at_all(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    (root / "lines.json").write_text("")
    assert len(Lines(root)) == 0
