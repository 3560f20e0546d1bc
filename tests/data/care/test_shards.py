"""Samples in record files, as TensorBoard and protobuf write them, and in .npz files come out as they went in."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haa.cli.main import main
from haa.data.files.crc32c import masked_crc32c
from haa.data.files.tfrecord import parse_example, read_examples
from haa.data.readers.folder import Folder
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


def picture(seed: int, ending: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, ending)
    return file.getvalue()


def heat(row: int, column: int) -> bytes:
    pixels = np.zeros((6, 8), dtype=np.uint8)
    pixels[row, column] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def example(**values: bytes | int) -> bytes:
    """A tf.train.Example as its .proto describes it: each value is the only one of its list."""

    def number(value: int) -> bytes:
        out = b""
        while value > 0x7F:
            out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
        return out + bytes([value])

    def held(field: int, content: bytes) -> bytes:
        return bytes([field << 3 | 2]) + number(len(content)) + content

    entries = b""
    for name, value in values.items():
        feature = held(1, held(1, value)) if isinstance(value, bytes) else held(3, held(1, number(value)))
        entries += held(1, held(1, name.encode()) + held(2, feature))
    return held(1, entries)


def records(path: Path, *contents: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for content in contents:
            length = struct.pack("<Q", len(content))
            file.write(length + struct.pack("<I", masked_crc32c(length)))
            file.write(content + struct.pack("<I", masked_crc32c(content)))
    return path


def unpack(*words: object) -> None:
    main(["data", "unpack", *map(str, words)])


def every(root: Path) -> dict[str, dict]:
    data = {split: Folder(root, split) for split in ("train", "val", "test")}
    return {sample["id"]: {**sample, "split": split} for split, own in data.items() for sample in own}


def test_records_are_those_that_tensorboard_writes(tmp_path):
    writer = pytest.importorskip("tensorboard.summary.writer.record_writer")
    contents = [example(label=n, image=bytes([n]) * (300 * n)) for n in range(5)]
    with (tmp_path / "a.tfrecords").open("wb") as file:
        for content in contents:
            writer.RecordWriter(file).write(content)
    assert records(tmp_path / "b.tfrecords", *contents).read_bytes() == (tmp_path / "a.tfrecords").read_bytes()
    found = list(read_examples(tmp_path / "a.tfrecords"))
    assert found == [{"label": [n], "image": [bytes([n]) * (300 * n)]} for n in range(5)]


def test_examples_are_those_that_protobuf_writes():
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    from google.protobuf import descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="x", syntax="proto3")

    def message(name: str, fields: list[tuple]) -> None:
        made = file.message_type.add(name=name)
        for number, (field, kind, repeated, of) in enumerate(fields, 1):
            made.field.add(name=field, number=number, type=kind, label=3 if repeated else 1, type_name=of)

    for name, kind in (("BytesList", 12), ("FloatList", 2), ("Int64List", 3)):
        message(name, [("value", kind, True, None)])
    lists = [("bytes_list", ".x.BytesList"), ("float_list", ".x.FloatList"), ("int64_list", ".x.Int64List")]
    message("Feature", [(field, 11, False, of) for field, of in lists])
    message("Entry", [("key", 9, False, None), ("value", 11, False, ".x.Feature")])
    message("Features", [("feature", 11, True, ".x.Entry")])
    message("Example", [("features", 11, False, ".x.Features")])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("x.Example"))()
    made.features.feature.add(key="label").value.int64_list.value.extend([7, -1, 2**62])
    made.features.feature.add(key="image").value.bytes_list.value.extend([b"abc", b""])
    made.features.feature.add(key="share").value.float_list.value.extend([0.5, -2.0])
    made.features.feature.add(key="nothing").value.SetInParent()
    expected = {"label": [7, -1, 2**62], "image": [b"abc", b""], "share": [0.5, -2.0], "nothing": []}
    assert parse_example(made.SerializeToString()) == expected


def test_clickme_as_harmonization_publishes_it(tmp_path, capsys):
    files = {}
    for part, seeds in (("train", range(8)), ("val", range(8, 12))):
        samples = [example(image=picture(n), heatmap=heat(n % 6, n % 8), label=n % 3 + 998) for n in seeds]
        files[part] = records(tmp_path / f"shards/{part}/{part}-0.tfrecords", *samples)
    unpack(tmp_path / "shards", f"output={tmp_path / 'mine'}")
    assert "12 samples; of 2 files" in capsys.readouterr().out
    assert (tmp_path / "mine/images/train_train-0_records/00003.jpg").read_bytes() == picture(3)
    samples = every(tmp_path / "mine")
    assert len(samples) == 12
    assert Folder(tmp_path / "mine").classes == ["998", "999", "1000"]
    for name, sample in samples.items():
        n = int(name[-5:]) + 8 * ("val" in name)
        assert sample["label"] == n % 3
        assert divmod(int(sample["density"].argmax()), 8) == (n % 6, n % 8)
        assert (sample["split"] == "test") == ("val" in name)  # the third part was not published


def test_npz_files_of_one_sample(tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 255, (3, 6, 8, 3))
    for part, values in zip(("train", "val", "test"), pixels, strict=True):
        (tmp_path / f"clickme_{part}").mkdir()
        more = {} if part == "val" else {"heatmap": np.eye(6, 8)}
        image = values.astype(np.float32 if part == "test" else np.uint8)
        np.savez(tmp_path / f"clickme_{part}/7.npz", image=image, label=np.int64(4), **more)
    unpack(*(tmp_path / f"clickme_{part}" for part in ("train", "val", "test")), "--output", tmp_path / "mine")
    assert "3 samples, 1 without a map; of 3 files" in capsys.readouterr().out
    for (name, sample), values in zip(every(tmp_path / "mine").items(), pixels, strict=True):
        assert name == f"clickme_{sample['split']}_7"
        np.testing.assert_array_equal(sample["image"].permute(1, 2, 0), values)
        assert sample["density"].sum() == pytest.approx(float(sample["split"] != "val"))


GOOD = example(image=picture(0), heatmap=heat(0, 0), label=3)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([GOOD[:-1]], "record 0: it is no tf.train.Example"),
        ([GOOD, example(heatmap=b"x")], "record 1 has no image, but heatmap: name it by image="),
        ([example(image=b"\0" * 40)], r"image is no JPEG or PNG: write its values into \.npz"),
        ([example(image=b"")], "its image is empty"),
        ([example(image=picture(0), label=b"cat")], "its label is no whole number"),
        ([], "holds no sample"),
    ],
)
def test_records_that_are_no_samples(tmp_path, contents, message):
    path = records(tmp_path / "a.tfrecord", *contents)
    with pytest.raises(SystemExit, match=message):
        unpack(path, f"output={tmp_path / 'mine'}")
    assert sorted(file.name for file in tmp_path.iterdir() if file.name != "index") == ["a.tfrecord"]


@pytest.mark.parametrize("place", [3, 9, 20, -2])
def test_damage_is_told_by_the_checksums(tmp_path, place):
    path = records(tmp_path / "a.tfrecords", GOOD)
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match="does not fit its checksum"):
        list(read_examples(path))
    path.write_bytes(content[:-7])
    with pytest.raises(InputError, match=r"cut off|checksum"):
        list(read_examples(path))


def test_arrays_without_a_known_range_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", image=np.random.default_rng(0).random((6, 8, 3)))
    with pytest.raises(SystemExit, match=r"a\.npz: image holds numbers whose range nothing says \(float64\)"):
        unpack(tmp_path / "a.npz", f"output={tmp_path / 'mine'}")
    with pytest.raises(SystemExit, match="name the files to unpack"):
        unpack(f"output={tmp_path / 'mine'}")
