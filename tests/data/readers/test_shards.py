"""Shards read where they lie, written by the packages themselves: the same samples as a folder of plain files."""

from __future__ import annotations

import csv
import io
import json
import sys
import tarfile
from itertools import pairwise

import datasets
import numpy as np
import pyarrow as pa
import pytest
import torch
import webdataset
from PIL import Image
from torch import distributed
from torch import multiprocessing as mp

from haa.conditions import Center, Shuffled
from haa.data.files.tar import members
from haa.data.loading.datamodule import DataModule
from haa.data.loading.transforms import Transform
from haa.data.readers.folder import Folder
from haa.data.readers.huggingface_dataset import HuggingFaceDataset
from haa.data.readers.webdataset import WebDataset
from haa.errors import InputError

SPLITS = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
COUNT = len(SPLITS)
LABELS = ["wren", "owl", "tern"]


def jpeg(number, kind="JPEG"):
    """A picture of its own size, 20 x 16 or 16 x 20."""
    pixels = np.random.default_rng(number).integers(0, 255, (20, 16, 3) if number % 2 else (16, 20, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def mask(number):
    values = np.zeros((20, 16) if number % 2 else (16, 20), np.uint8)
    values[2:8, 3 : 4 + number % 8] = 255
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def gaze(number):
    """None of every fifth; else three fixations of two people."""
    if number % 5 == 4:
        return None
    x, y, duration = np.random.default_rng([1, number]).uniform(1, 15, (3, 3)).round(2).tolist()
    return {"x": x, "y": y, "duration": duration, "subject": ["ann", "bob", "ann"]}


@pytest.fixture(autouse=True)
def cache(index_cache):
    return index_cache


@pytest.fixture
def folder(tmp_path):
    """The samples as plain files."""
    root = tmp_path / "folder"
    tables = {"fixations": [], "labels": [], "splits": [], "captions": []}
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number, split in enumerate(SPLITS):
        (root / "images" / f"p{number:02}.jpg").write_bytes(jpeg(number))
        (root / "masks" / f"p{number:02}.png").write_bytes(mask(number))
        image = {"image": f"p{number:02}"}
        points = gaze(number) or {"x": []}
        rows = ({key: values[i] for key, values in points.items()} for i in range(len(points["x"])))
        tables["fixations"] += [image | row for row in rows]
        tables["labels"].append(image | {"label": LABELS[number % 3]})
        tables["splits"].append(image | {"split": split})
        tables["captions"] += [image | {"caption": f"{word} {number}"} for word in ("a picture", "number")]
    for name, rows in tables.items():
        with (root / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return root


def packed(root, cuts=(0, 7, COUNT), **more):
    """The samples as the webdataset package packs them, a third of the shards with each way to say a thing."""
    root.mkdir(exist_ok=True)
    for shard, (start, end) in enumerate(pairwise(cuts)):
        with webdataset.TarWriter(str(root / f"part-{shard:03}.tar")) as writer:
            for number in range(start, end):
                sample = {"__key__": f"p{number:02}", "jpg": jpeg(number), "mask.png": mask(number)}
                sample["captions.json"] = [f"a picture {number}", f"number {number}"]
                if points := gaze(number):
                    as_rows = [{key: values[i] for key, values in points.items()} for i in range(3)]
                    sample["fixations.json"] = as_rows if number % 2 else points
                if number % 3:
                    sample["cls"] = LABELS[number % 3].encode()
                    sample["json"] = {"split": SPLITS[number], "camera": "none"}
                else:
                    sample["json"] = {"split": SPLITS[number], "label": LABELS[0]}
                writer.write(sample | more)
    return root


def saved(root):
    """The samples as the datasets package saves them."""
    features = datasets.Features(
        image=datasets.Image(),
        mask=datasets.Image(),
        id=datasets.Value("string"),
        label=datasets.ClassLabel(names=LABELS),
        captions=datasets.List(datasets.Value("string")),
        fixations={
            "x": datasets.List(datasets.Value("float64")),
            "y": datasets.List(datasets.Value("float64")),
            "duration": datasets.List(datasets.Value("float64")),
            "subject": datasets.List(datasets.Value("string")),
        },
    )

    def rows(split):
        for number in (number for number in range(COUNT) if SPLITS[number] == split):
            yield {
                "image": {"bytes": jpeg(number), "path": None},
                "mask": {"bytes": mask(number), "path": None},
                "id": f"p{number:02}",
                "label": number % 3,
                "captions": [f"a picture {number}", f"number {number}"],
                "fixations": gaze(number) or {"x": [], "y": [], "duration": [], "subject": []},
            }

    parts = {
        split: datasets.Dataset.from_list(list(rows(split)), features=features) for split in ("train", "val", "test")
    }
    datasets.DatasetDict(parts).save_to_disk(root, num_shards={"train": 2, "val": 1, "test": 1})
    return root


@pytest.fixture(params=["webdataset", "huggingface_dataset"])
def reader(request, tmp_path):
    """A function of the split that opens the samples, packed."""
    if request.param == "webdataset":
        root = packed(tmp_path / "shards")
        return lambda split="train": WebDataset(root, split)
    root = saved(tmp_path / "saved")
    return lambda split="train": HuggingFaceDataset(root, split)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_samples_are_those_of_the_folder(reader, folder, split):
    plain, packed_ones = Folder(folder, split), reader(split)
    assert [sample["id"] for sample in packed_ones] == [f"p{i:02}" for i in range(COUNT) if SPLITS[i] == split]
    assert packed_ones.classes == plain.classes == sorted(LABELS)
    assert list(packed_ones.native_sizes()) == list(plain.native_sizes())
    for one, other in zip(plain, packed_ones, strict=True):
        assert one.keys() == other.keys()
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["mask"], other["mask"])
        assert (one["label"], one["captions"]) == (other["label"], other["captions"])
        assert (one["gaze"] is None) == (other["gaze"] is None)
        for key, values in vars(one["gaze"]).items() if one["gaze"] is not None else ():
            assert values is vars(other["gaze"])[key] is None or torch.equal(
                torch.as_tensor(values), torch.as_tensor(vars(other["gaze"])[key])
            )
    # contents alone make the digests, wherever the bytes lie; names of pictures are the folder's own
    assert {key: plain.identity()[key] for key in ("gaze", "labels")} == {
        key: packed_ones.identity()[key] for key in ("gaze", "labels")
    }


@pytest.mark.parametrize("control", [Shuffled, Center])
def test_controls_are_those_of_the_folder(reader, folder, control):
    plain, packed_ones = Folder(folder), reader()
    one, other = control(seed=3), control(seed=3)
    for index in range(len(plain)):
        a, b = one.gaze(plain, index), other.gaze(packed_ones, index)
        assert (a is None) == (b is None)
        assert a is None or torch.equal(a.points, b.points)


def read_by(rank, root, folder):
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    data = DataModule(
        lambda split: WebDataset(root, split, cache=folder / "cache"), Transform(8), batch_size=2, num_workers=2
    )
    names = [
        [name for batch in loader for name in batch["id"]]
        for loader in (data.train_dataloader(), data.evaluation("test"))
    ]
    (folder / f"{rank}.json").write_text(json.dumps(names))
    distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="gloo meets in a file")
def test_two_processes_of_two_workers_read_each_once(tmp_path):
    root = packed(tmp_path / "shards")
    mp.start_processes(read_by, args=(root, tmp_path), nprocs=2, start_method="fork")
    train, test = zip(*(json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)), strict=True)
    every = [
        sample["__key__"] for sample in webdataset.WebDataset(sorted(map(str, root.glob("*"))), shardshuffle=False)
    ]
    assert sorted(train[0] + train[1]) == every[:12]
    assert sorted(test[0] + test[1]) == every[16:]


def test_the_rule_divides_by_names_however_the_shards_are_cut(tmp_path):
    def divided(cuts):
        root = packed(tmp_path / str(len(cuts)), cuts, json={"label": "wren"}, cls=b"wren")
        return {split: [sample["id"] for sample in WebDataset(root, split)] for split in ("train", "val", "test")}

    one, five = divided((0, COUNT)), divided((0, 3, 5, 6, 17, COUNT))
    assert one == five
    assert [len(names) for names in one.values()] == [14, 2, 4]


def test_names_of_shards_say_the_split(tmp_path):
    root = packed(tmp_path / "shards", (0, 8, 14, COUNT), json={"label": "wren"}, cls=b"wren")
    for shard, name in enumerate(("train-00", "birds-val-00", "test-00")):
        (root / f"part-{shard:03}.tar").rename(root / f"{name}.tar")
    assert [len(WebDataset(root, split)) for split in ("train", "val", "test")] == [8, 6, 6]
    assert len(WebDataset(root, "test", shards=["{train,test}-{00..00}.tar"], splits_by_name=False)) == 3
    with pytest.raises(InputError, match=r"holds no train-01\.tar: correct data\.root or data\.shards"):
        WebDataset(root, shards="train-{00..01}.tar")


def test_fixations_of_an_array_and_in_shares(tmp_path):
    points = np.array([[0.5, 0.25, 200, 1], [0.1, 0.9, 100, 2]])
    root = tmp_path / "shards"
    root.mkdir()
    with webdataset.TarWriter(str(root / "train.tar")) as writer:
        for number in range(9):
            writer.write({"__key__": f"p{number}", "jpg": jpeg(number), "fixations.npy": points})
    found = WebDataset(root, splits_by_name=False, units="share")[0]["gaze"]
    h, w = found.size
    assert found.points.tolist() == pytest.approx(np.array([[0.5 * w, 0.25 * h], [0.1 * w, 0.9 * h]]) - 0.5, abs=1e-5)
    assert (found.duration.tolist(), found.subject.tolist()) == ([200, 100], [1, 2])


@pytest.mark.parametrize(
    ("durations", "said"),
    [([100, None], "a duration is 0"), ([100, -5], "a duration is -5"), (None, "has no durations to weigh by")],
)
def test_durations_to_weigh_by(tmp_path, durations, said):
    root = tmp_path / "shards"
    root.mkdir()
    points = {"x": [1, 2], "y": [3, 4]}
    with webdataset.TarWriter(str(root / "a.tar")) as writer:
        for number in range(9):
            more = {} if number == 8 and durations is None else {"duration": durations if number == 8 else [100, 300]}
            writer.write({"__key__": f"p{number}", "jpg": jpeg(number), "fixations.json": points | more})
    with pytest.raises(InputError, match=rf"a\.tar: sample p8:? {said}"):
        WebDataset(root, weight="duration")


REFUSED = {
    "pyd": (b"", r"p00\.pyd is pickled, and reading it would run what is in it: pack it as json or npy"),
    "fixations.pickle": (b"", r"p00\.fixations\.pickle is pickled"),
    "png": (jpeg(0, "PNG"), r"p00\.jpg and .*p00\.png are both there, of one sample"),
    "fixations.json": ({"x": [1]}, r"part-000\.tar: sample p00: fixations have x and y"),
    "questions.json": ([{"question": "what"}], r"sample p00: the question 'what' has no answer"),
    "split.txt": ("third", r"sample p00: split='third' is none of train, val, test"),
    "labels.json": (["owl"], r"some samples have label and others labels"),
    "map.npy": (np.ones((2, 2)), r"samples have both fixations and maps of gaze"),
    "captions.json": ({"a": 1}, r"sample p00: captions is no list"),
}


@pytest.mark.parametrize("ending", REFUSED)
def test_what_is_refused_by_name(tmp_path, ending):
    content, said = REFUSED[ending]
    if ending in ("pyd", "fixations.pickle"):
        root = tmp_path / "shards"
        root.mkdir()
        with tarfile.open(root / "part-000.tar", "w") as archive:
            for name in ("p00.jpg", f"p00.{ending}"):
                archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    else:
        root = packed(tmp_path / "shards", **{ending: content})
    with pytest.raises(InputError, match=said):
        WebDataset(root)


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([[print, 1]], object), allow_pickle=True)
    root = tmp_path / "shards"
    root.mkdir()
    with tarfile.open(root / "a.tar", "w") as archive:
        info = tarfile.TarInfo("p.fixations.npy")
        info.size = len(file.getvalue())
        archive.addfile(info, io.BytesIO(file.getvalue()))
    with pytest.raises(
        InputError, match=r"p\.fixations\.npy cannot be read \(it holds other things than plain arrays\)"
    ):
        WebDataset(root)


@pytest.mark.parametrize("root", ["https://a.org/b-{00..09}.tar", "pipe:curl a.org", "s3://bucket"])
def test_what_lies_elsewhere_is_refused_with_the_cure(root):
    with pytest.raises(
        InputError, match=r"shards are read where they lie, from a disk or a mount: copy them, or mount"
    ):
        WebDataset(root)


def test_tars_that_are_damaged_or_compressed(tmp_path):
    root = packed(tmp_path / "shards", (0, COUNT))
    shard = root / "part-000.tar"
    whole = shard.read_bytes()
    header = [member.at for member in members(shard)][9] - 512
    for content, said in (
        (whole[: header + 100], r"part-000\.tar cannot be read"),
        (whole[: header + 600], r"part-000\.tar cannot be read"),
        (whole[:header] + b"x" + whole[header + 1 :], r"part-000\.tar cannot be read"),
    ):
        shard.write_bytes(content)
        with pytest.raises(InputError, match=said):
            WebDataset(root)
    shard.unlink()
    with tarfile.open(root / "part-000.tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(
        InputError, match=r"part-000\.tar is compressed, so that no file in it is found by itself: gunzip"
    ):
        WebDataset(root)


def test_a_link_in_a_tar_leads_nowhere(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("p.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(InputError, match=r"a\.tar: p\.jpg is a link, a device or a sparse file"):
        WebDataset(tmp_path)


def test_a_sample_without_a_picture_is_dropped_when_told(tmp_path):
    root = packed(tmp_path / "shards")
    with tarfile.open(root / "part-001.tar", "a") as archive:
        info = tarfile.TarInfo("q.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"text"))
    with pytest.raises(InputError, match=r"sample q has no picture: provide it, or set data\.missing=drop"):
        WebDataset(root)
    assert len(WebDataset(root, missing="drop")) == 12


def test_a_shard_that_changed_is_indexed_anew(tmp_path):
    root = packed(tmp_path / "shards")
    assert len(WebDataset(root)) == 12
    packed(root, (0, 3, COUNT))
    assert torch.equal(WebDataset(root)[5]["image"], WebDataset(packed(tmp_path / "other"))[5]["image"])


def test_parquet_and_compressed_arrow_are_refused_with_the_cure(tmp_path):
    rows = datasets.Dataset.from_list([{"image": {"bytes": jpeg(0), "path": None}}])
    (tmp_path / "a").mkdir()
    rows.to_parquet(tmp_path / "a" / "a.parquet")
    with pytest.raises(
        InputError, match=r"a holds parquet, in which no picture is found by itself: save it once as Arrow"
    ):
        HuggingFaceDataset(tmp_path / "a")
    table = pa.table({"image": [{"bytes": jpeg(0), "path": None}]})
    (tmp_path / "b").mkdir()
    write_arrow(tmp_path / "b" / "data.arrow", table, pa.ipc.IpcWriteOptions(compression="lz4"))
    with pytest.raises(InputError, match=r"data\.arrow is compressed, so that no picture in it is found by itself"):
        HuggingFaceDataset(tmp_path / "b")


def write_arrow(path, table, options=None):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema, options=options) as writer:
        writer.write_table(table)


def test_pictures_outside_of_an_arrow_file_are_refused(tmp_path):
    path = tmp_path / "p.jpg"
    path.write_bytes(jpeg(0))
    features = datasets.Features(image=datasets.Image())
    rows = datasets.Dataset.from_dict({"image": [str(path)]}, features=features)
    table = rows.with_format("arrow")[:]
    (tmp_path / "c").mkdir()
    write_arrow(tmp_path / "c" / "data.arrow", table)
    with pytest.raises(InputError, match=r"pictures of image lie outside of it"):
        HuggingFaceDataset(tmp_path / "c")
