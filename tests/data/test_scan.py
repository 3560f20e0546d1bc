"""What a reader yields and what it raises comes out as faults and errors of one line, never as something else."""

from __future__ import annotations

import csv
import struct
import time

import pyarrow as pa
import pytest

from haa.data.index import IndexedDataset, collecting_faults
from haa.data.scan import BATCH, COLUMNS, scanned
from haa.errors import InputError

GOOD = {"id": "a", "image": "a.png", "height": 6, "width": 8, "x": [1], "y": [2.5], "subject": [1], "label": 0}


class Reader(IndexedDataset):
    """Yields what the test gives it, and raises what it gives it."""

    samples = ()

    def sources(self):
        return [self.root / "list.json"]

    def scan(self):
        for sample in type(self).samples:
            if isinstance(sample, Exception):
                raise sample
            yield sample


@pytest.fixture
def opened(tmp_path, picture):
    (tmp_path / "list.json").touch()
    picture(tmp_path / "a.png", 8, 6)
    picture(tmp_path / "b.png", 8, 6)

    def open_(*samples):
        (tmp_path / "list.json").write_text(str(time.time_ns()))  # so that nothing old is taken for it
        Reader.samples = samples
        return Reader(tmp_path)

    return open_


@pytest.mark.parametrize(
    "error",
    [KeyError("annotations"), TypeError("odd"), IndexError("far"), AttributeError("none"), OverflowError("big"),
     RecursionError("deep"), csv.Error("field"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
     pa.ArrowInvalid("x"),      struct.error("short"), OSError(5, "Input/output error"), MemoryError(),
     ZeroDivisionError("two\nlines")],
)  # fmt: skip
def test_whatever_a_scan_raises_is_one_line_that_names_the_folder(opened, tmp_path, error):
    with pytest.raises(InputError, match=rf"^{tmp_path} cannot be read \(.*\): correct the file, or fetch") as raised:
        opened(GOOD, error)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is error


def test_whatever_sources_raise_too(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(Reader, "sources", lambda self: 1 / 0)
    with pytest.raises(InputError, match=rf"^{tmp_path} cannot be read \(ZeroDivisionError"):
        opened(GOOD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "it has no 'id'"),
        ({"id": 5}, "'id' is not what it should be, a text"),
        ({"image": ""}, "it has no 'image'"),
        ({"image": "../a.png"}, r"'image' is '\.\./a\.png', which is no file of the data set"),
        ({"image": "/dev/zero"}, "'image' is '/dev/zero', which is no file"),
        ({"image": "a\0.png"}, ".*which is no file"),
        ({"density": ["a.png", "x/../../b"]}, "'density' is 'x/../../b', which is no file"),
        ({"question": "\ud800"}, "'question' is not what it should be"),
        ({"question": None, "captions": ["a", None]}, "'captions' has an element that is null"),
        ({"captions": "abc"}, "'captions' is not what it should be, a list of texts"),
        ({"captions": [5]}, "'captions' is not what it should be"),
        ({"answers": ["yes", 5]}, "'answers' is not what it should be"),
        ({"height": "6"}, "'height' is not what it should be, a whole number"),
        ({"height": 6.5}, "'height' is not what it should be"),
        ({"height": True}, "'height' is not what it should be"),
        ({"height": 0}, "no picture has its 'height' and 'width'"),
        ({"height": -6}, "no picture has its"),
        ({"height": 2**31 - 1, "width": 2**31 - 1}, "no picture has its"),
        ({"height": 10**30}, "'height' is not what it should be"),
        ({"height": None}, "it has one of 'height' and 'width' without the other"),
        ({"x": [float("nan")]}, "'x' holds nan, beyond anything that is recorded"),
        ({"y": [float("inf")]}, "'y' holds inf, beyond"),
        ({"x": [1e12]}, "'x' holds 1e\\+12, beyond"),
        ({"x": [10**400]}, "'x' is not what it should be"),
        ({"x": ["1"]}, "'x' is not what it should be"),
        ({"x": "1"}, "'x' is not what it should be"),
        ({"x": [True]}, "'x' is not what it should be"),
        ({"x": [None]}, "'x' has an element that is null"),
        ({"x": [1, 2]}, "'x' and 'y' differ in length"),
        ({"y": None}, "it has one of 'x' and 'y' without the other"),
        ({"duration": [1, 2]}, "'x' and 'duration' differ in length"),
        ({"duration": [float("nan")]}, "'duration' holds nan"),
        ({"subject": [1.5]}, "'subject' is not what it should be"),
        ({"subject": [-1]}, "'subject' is negative"),
        ({"frame": [-1]}, "'frame' is negative"),
        ({"label": -100}, "'label' is negative"),
        ({"label": 0.5}, "'label' is not what it should be"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_sample_and_file(opened, change, said):
    with pytest.raises(InputError, match=rf"list\.json: sample {change.get('id', 'b')!r}: {said}") as raised:
        opened(GOOD, {**GOOD, "id": "b", "image": "b.png", **change})
    assert "\n" not in str(raised.value)


def test_numbers_that_mean_the_same_are_taken(opened):
    data = opened({**GOOD, "height": 6.0, "x": (1.5, 2), "y": [0, 1], "subject": [1.0, 2.0]})
    assert data.gaze(0).points.tolist() == [[1.5, 0], [2, 1]]
    assert data.gaze(0).subject.tolist() == [1, 2]
    assert data.gaze(0).size == (6, 8)


def test_two_samples_of_one_id_are_refused_with_both_named(opened):
    with pytest.raises(InputError, match=r"two samples are called 'a', of .*/a\.png and .*/b\.png: rename"):
        opened({**GOOD, "split": "train"}, {**GOOD, "image": "b.png", "split": "test"})


def test_all_faults_are_collected_and_the_rest_is_in_order(tmp_path, opened):
    rows = [{**GOOD, "id": str(n), **({"label": -1} if n % 100 == 7 else {})} for n in range(3 * BATCH + 5)]
    with collecting_faults():
        data = opened(*rows, GOOD, GOOD)
    assert {kind: fault["count"] for kind, fault in data.faults.items()} == {"unusable sample": 8, "id twice": 1}
    notes = []
    batches = list(scanned(data, pa.schema(COLUMNS), lambda kind, message: notes.append(message)))
    assert [len(batch) for batch in batches] == [BATCH, BATCH, BATCH - 2]
    names = [name for batch in batches for name in batch["id"].to_pylist()]
    assert names == [row["id"] for row in rows if row["label"] == 0] + ["a"]
    assert len(notes) == 9


def test_labels_have_a_value_for_each_class(opened, monkeypatch):
    def scan(self):
        self.classes = ["x", "y"]
        yield from self.samples

    monkeypatch.setattr(Reader, "scan", scan)
    several = {key: value for key, value in GOOD.items() if key != "label"} | {"split": "train"}
    data = opened({**several, "labels": [1, -1]}, {**several, "id": "b", "image": "b.png"})
    assert (data.multilabel, [sample["labels"].tolist() for sample in data]) == (True, [[1, -1], [-1, -1]])
    cases = (([1], "'labels' has 1 values, and there are 2 classes"), ([1, 2], "other than 1"), ([1, 999], ""))
    for labels, said in cases:
        with pytest.raises(InputError, match=f"sample 'a': .*{said}"):
            opened({**several, "labels": labels}, {**several, "id": "b", "image": "b.png", "labels": [0, 0]})
