"""One's own pictures and videos as people have them: the same options, tables, lists and names for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics import MetricCollection

from haa.batch import Batch, human_maps, in_unit_range, stills
from haa.data.care.check import check
from haa.data.dataset import Split
from haa.data.index import IndexedDataset
from haa.data.loading.collate import collate
from haa.data.loading.samples import Samples
from haa.data.loading.transforms import Draw, Transform
from haa.data.readers.folder import Folder
from haa.data.readers.video_folder import VideoFolder
from haa.errors import InputError
from haa.gaze import density
from haa.metrics import CC, Similarity
from haa.metrics.scoring import score

av = pytest.importorskip("av")
pytestmark = pytest.mark.usefixtures("index_cache")

SIZE = (32, 24)
"""Width and height of the stimuli."""


class Own:
    """A folder of one's own data of one kind, and how it is read."""

    def __init__(self, kind: str, root: Path) -> None:
        self.kind, self.root = kind, root
        self.top = root / f"{kind}s"
        self.number = 0

    def add(self, *names: str, below: Path | None = None) -> None:
        """Write stimuli that differ; a name has no ending."""
        for name in names:
            path = (below or self.top) / (name + {"image": ".png", "video": ".mp4"}[self.kind])
            path.parent.mkdir(parents=True, exist_ok=True)
            self.number += 1
            pixels = np.full((SIZE[1], SIZE[0], 3), 6 * self.number, dtype=np.uint8)
            pixels[: self.number, : self.number] = 255
            if self.kind == "image":
                Image.fromarray(pixels).save(path)
                continue
            with av.open(str(path), "w") as container:
                stream = container.add_stream("mpeg4", rate=25)
                stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
                container.mux(stream.encode())

    def table(self, name: str, columns: str, *lines: str, frame: bool = False) -> None:
        """Write a table; one of fixations says for videos that all is on frame 0."""
        head, zero = ("frame,", "0,") if frame and self.kind == "video" else ("", "")
        rows = [f"{line.split(',', 1)[0]},{zero}{line.split(',', 1)[1]}" for line in lines]
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text("\n".join([f"{self.kind},{head}{columns}", *rows]) + "\n")

    def fixations(self, columns: str, *lines: str, name: str = "fixations.csv") -> None:
        self.table(name, columns, *lines, frame=True)

    def read(self, split: Split = "train", **options: Any) -> IndexedDataset:
        if self.kind == "image":
            return Folder(self.root, split, **options)
        return VideoFolder(self.root, split, frames=1, stride=1, **options)

    def splits(self, **options: Any) -> dict[str, list[str]]:
        return {split: [self.name(s["id"]) for s in self.read(split, **options)] for split in get_args(Split)}

    def gaze(self, **options: Any) -> dict[str, Any]:
        data = [self.read(split, **options) for split in get_args(Split)]
        return {self.name(each.row(i)["id"].as_py()): each.gaze(i) for each in data for i in range(len(each))}

    def points(self, **options: Any) -> dict[str, Any]:
        return {name: None if gaze is None else gaze.points.tolist() for name, gaze in self.gaze(**options).items()}

    @staticmethod
    def name(id: str) -> str:
        return id.removesuffix(".mp4@0").replace(".mp4@0@", "@")


@pytest.fixture(params=["image", "video"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Own:
    return Own(request.param, tmp_path / "data")


ROWS = (
    "a,3,4,P01",
    "a,-12,5,P01",
    "a,31.6,3,P02",
    "a,,,P01",
    "a,nan,nan,P02",
    "a,1e8,1e8,P01",
    "a,.,.,P01",
    "a,5,6,P02",
)


def test_glances_outside_and_lost_samples_stop_unless_told_otherwise(own):
    own.add("a")
    own.fixations("x,y,subject", *ROWS[:1], ROWS[1])
    with pytest.raises(InputError, match=r"x=-12, y=5 .* lies outside .*set data\.outside=drop .*data\.outside=clip"):
        own.read()
    own.fixations("x,y,subject", *ROWS[:1], ROWS[3])
    with pytest.raises(InputError, match=r"line 3: x='', y='' is no point; set data\.outside=drop"):
        own.read()
    with pytest.raises(InputError, match=r"data\.outside=keep: choose raise or drop or clip"):
        own.read(outside="keep")


def test_glances_outside_and_lost_samples_are_left_out_and_counted(own):
    own.add("a")
    own.fixations("x,y,subject", *ROWS)
    gaze = own.gaze(outside="drop")["a"]
    assert gaze.points.tolist() == [[3, 4], [5, 6]]
    assert gaze.subject.tolist() == [1, 2]
    clipped = own.gaze(outside="clip")["a"]
    assert clipped.points.tolist() == [[3, 4], [0, 5], [31, 3], [5, 6]]
    data = own.read(outside="drop")
    assert {kind: fault["count"] for kind, fault in data.faults.items()} == {"lost sample": 4, "outside": 2}
    assert any("4 x lost sample, left out" in note for note in data.notes)
    assert any("2 x outside, left out" in note for note in data.notes)
    assert any("2 x outside, moved to the border" in note for note in own.read(outside="clip").notes)


def test_what_an_option_leaves_out_is_no_fault_of_a_check(own, capsys):
    own.add(*"abcdefghij")
    own.fixations("x,y", *(f"{name},{x},3" for name in "abcdefghij" for x in (3, 5)), "a,40,3", "b,,")
    assert check(lambda split: own.read(split, outside="drop"))
    text = " ".join(capsys.readouterr().out.split())
    assert "1 x lost sample, left out; the first: " in text
    assert "1 x outside, left out; the first: sample a" in text
    assert "no faults found" in text
    assert not check(own.read)
    assert "1 x outside" in capsys.readouterr().out


def test_a_word_among_numbers_stops_whatever_the_option(own):
    own.add("a")
    own.fixations("x,y", "a,3,four")
    with pytest.raises(InputError, match="line 2: y='four' is no number"):
        own.read(outside="drop")


def test_exchanged_axes_are_not_taken_for_glances_outside(own):
    own.add("a")
    own.fixations("x,y", *(f"a,{y},{x}" for x in (28, 29, 30) for y in (3, 5)), *(f"a,{n},{n}" for n in range(10)))
    with pytest.raises(InputError, match=r"6 of 16 fixations lie outside .* are x and y exchanged"):
        own.read(outside="drop")


def test_pixels_that_count_from_one(own):
    own.add("a")
    own.fixations("x,y", "a,32,24", "a,1,1")
    assert own.points(first_pixel=1) == {"a": [[31, 23], [0, 0]]}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "valid", "test"),
        ("Train", "Validation", "Test"),
        ("TRAINING", "dev", "testing"),
        ("train2017", "val2017", "test2017"),
        ("train_set", "val-images", "TestSet"),
    ],
)
def test_folders_that_are_called_as_splits_are(own, names):
    for name in names:
        own.add(f"{name}/cat/1", f"{name}/dog/2")
    assert own.splits() == {
        split: [f"{name}/cat/1", f"{name}/dog/2"] for split, name in zip(get_args(Split), names, strict=True)
    }
    assert own.read().classes == ["cat", "dog"]


def test_the_split_may_be_the_folder_below_the_label(own):
    own.add(*(f"{label}/{split}/1" for label in ("cat", "dog") for split in ("train", "valid", "test")))
    data = own.read("val")
    assert [own.name(data.row(i)["id"].as_py()) for i in range(len(data))] == ["cat/valid/1", "dog/valid/1"]
    if own.kind == "image":  # the innermost folder that is left is the label
        assert data.classes == ["cat", "dog"]


def test_what_lies_beside_such_folders_is_not_divided_anew(own):
    own.add("train/1", "test/2", "holdout/3")
    with pytest.raises(InputError, match=r"holdout lies beside .*t, which is called as a split is.*data\.splits=null"):
        own.read()
    own.table("splits.csv", "split", "holdout/3,valid")
    assert own.splits() == {"train": ["train/1"], "val": ["holdout/3"], "test": ["test/2"]}
    assert own.read(splits=None).classes == ["holdout", "test", "train"]


def test_lists_of_splits(own):
    own.add(*"abcdef")
    for split, text in {"train": "a\nb\n\n", "valid": "c\n", "test": "d\ne\n"}.items():
        (own.root / f"{split}.txt").write_text(text)
    splits = own.splits()
    assert {name: split for split, names in splits.items() for name in names if name != "f"} == {
        **dict.fromkeys("ab", "train"),
        "c": "val",
        **dict.fromkeys("de", "test"),
    }
    assert any("1 x stimulus in no split, divided by the rule" in note for note in own.read().notes)
    (own.root / "test.txt").write_text("d\na\n")
    with pytest.raises(InputError, match=r"train\.txt, line 1: a\.\w+ is 'train', and 'test' in .*test\.txt, line 2"):
        own.read()
    (own.root / "test.txt").write_text("d\nz\n")
    with pytest.raises(InputError, match=r"test\.txt, line 2: there is no \w+ 'z'"):
        own.read()


def test_a_column_of_splits(own):
    own.add(*"abc")
    own.table("labels.csv", "label,split", "a,x,Training", "b,y,dev", "c,x,test")
    assert own.splits() == {"train": ["a"], "val": ["b"], "test": ["c"]}
    own.fixations("x,y,split", "a,1,1,test")
    with pytest.raises(InputError, match=r"a\.\w+ is '\w+', and '\w+' in .*keep one of them"):
        own.read()
    own.fixations("x,y,split", "a,1,1,first half")
    with pytest.raises(InputError, match=r"fixations\.csv, line 2: 'first half' is no split.*data\.splits=null"):
        own.read()
    assert sum(map(len, own.splits(splits=None).values())) == 3


def test_one_file_in_two_splits_is_refused(own):
    own.add("train/a", "val/b", "test/c")
    source = next((own.top / "train").iterdir())
    (own.top / "test" / f"copy{source.suffix}").write_bytes(source.read_bytes())
    with pytest.raises(
        InputError, match=r"copy.* \(test\) and .*train.* \(train\) have the same content, in two splits"
    ):
        own.read()


def test_every_stimulus_is_tested_on_in_one_fold(own):
    own.add(*(f"{label}/{n}" for label in ("x", "y") for n in range(5)))
    folds = [own.splits(folds=5, fold=fold) for fold in range(5)]
    every = sorted(name for splits in folds[:1] for names in splits.values() for name in names)
    assert sorted(name for splits in folds for name in splits["test"]) == every
    assert sorted(name for splits in folds for name in splits["val"]) == every
    for splits in folds:
        assert [sorted(name[0] for name in splits[split]) for split in ("test", "val")] == [["x", "y"]] * 2
        assert len({*splits["train"], *splits["val"], *splits["test"]}) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 2}, r"data\.folds=2: give 3 or more"),
        ({"folds": 3, "fold": 3}, r"data\.fold=3: choose 0 to 2"),
        ({"fold": 1}, r"data\.fold=1: give data\.folds, too"),
        ({"folds": 9}, r"data\.folds=9: there are 3 to divide, fewer than folds"),
        ({"split_by": "trial"}, r"data\.split_by=trial: choose stimulus or subject"),
        ({"split_by": "subject"}, r"no table of fixations in .* has the column subject"),
    ],
)
def test_divisions_that_cannot_be(own, options, message):
    own.add(*"abc")
    own.fixations("x,y", "a,1,1")
    with pytest.raises(InputError, match=message):
        own.read(**options)


def test_folds_do_not_divide_what_is_in_splits(own):
    own.add("train/a", "val/b", "test/c")
    with pytest.raises(
        InputError, match=r"is in t\w+ by its folder, and data\.folds=3 divides anew: set data\.splits=null"
    ):
        own.read(folds=3)
    assert all(len(names) == 1 for names in own.splits(folds=3, splits=None).values())


def test_people_are_divided(own):
    own.add("a", "b", "c")
    people = [f"P{n:02}" for n in range(10)]
    own.fixations("x,y,subject", *(f"{s},{n},{n},{p}" for s in "ab" for n, p in enumerate(people)))
    of_split = {split: own.read(split, split_by="subject") for split in get_args(Split)}
    looked: dict[str, set[int]] = {}
    for split, data in of_split.items():
        gazes = {own.name(data.row(i)["id"].as_py()): data.gaze(i) for i in range(len(data))}
        looked[split] = {int(s) for gaze in gazes.values() if gaze is not None for s in gaze.subject}
        with_gaze = [name for name, gaze in gazes.items() if gaze is not None]
        assert with_gaze == [f"a@{split}", f"b@{split}"]
        assert all(gaze.points[:, 0].tolist() == [s - 1 for s in gaze.subject] for gaze in gazes.values() if gaze)
    assert [len(looked[split]) for split in get_args(Split)] == [7, 1, 2]
    assert set.union(*looked.values()) == set(range(1, 11))
    assert "in several on purpose" in of_split["train"].notes[-1]
    tested = [
        {int(s) for i in range(len(data)) if (gaze := data.gaze(i)) for s in gaze.subject}
        for fold in range(5)
        for data in [own.read("test", split_by="subject", folds=5, fold=fold)]
    ]
    assert [len(each) for each in tested] == [2] * 5
    assert set.union(*tested) == set(range(1, 11))


def test_people_are_divided_by_a_list(own):
    own.add("a")
    own.fixations("x,y,subject", "a,1,1,ann", "a,2,2,bob", "a,3,3,cy", "a,4,4,ann")
    (own.root / "splits.csv").write_text("subject,split\nann,train\nbob,valid\ncy,test\n")
    assert own.points(split_by="subject") == {
        "a@train": [[1, 1], [4, 4]],
        "a@val": [[2, 2]],
        "a@test": [[3, 3]],
    }
    (own.root / "splits.csv").write_text("subject,split\nann,train\nbob,valid\n")
    with pytest.raises(InputError, match=r"splits\.csv does not say the split of cy"):
        own.read(split_by="subject")
    (own.root / "splits.csv").unlink()
    with pytest.raises(InputError, match="3 people leave nobody for val"):
        own.read(split_by="subject")


def test_a_table_for_each_person(own):
    own.add("a", "b")
    own.fixations("x,y,duration", "a,1,2,100", "b,3,4,200", name="fixations/P02.csv")
    own.fixations("x,y,duration", "a,5,6,300", name="fixations/P01.csv")
    gaze = own.gaze()
    assert gaze["a"].points.tolist() == [[5, 6], [1, 2]]
    assert gaze["a"].subject.tolist() == [1, 2]
    assert gaze["a"].duration.tolist() == [300, 100]
    own.fixations("x,y", "a,7,8", name="fixations/P03.csv")
    with pytest.raises(InputError, match=r"P03\.csv has no column 'duration', and .*P01\.csv has: give it to both"):
        own.read()
    own.fixations("x,y,duration", "a,7,8,9", name="fixations/P03.csv")
    assert len(own.gaze()["a"].points) == 3  # a table that comes later is noticed
    own.fixations("x,y", "a,1,1")
    with pytest.raises(InputError, match=r"are both there: set data\.fixations=fixations, or take"):
        own.read()
    assert len(own.gaze(fixations="fixations")["a"].points) == 3


def test_a_table_that_may_be_called_by_its_stimulus_is_not_taken_for_a_person(own):
    own.add("a")
    own.fixations("x,y", "a,1,2", name="fixations/a.csv")
    with pytest.raises(InputError, match=r"a\.csv may be called by a person or by a"):
        own.read()


@pytest.mark.parametrize("subject", ["P01", "7", "Zoë", "M. L."])
def test_people_have_any_name_and_tables_any_column(own, subject):
    own.add("a")
    own.fixations("x,y,pupil,subject,trial", f"a,1,2,,{subject},first", f"a,3,4,.,{subject},x")
    gaze = own.gaze()["a"]
    assert gaze.subject.tolist() == [1, 1]
    assert gaze.duration is None
    own.fixations("x,y,subject", "a,1,2,")
    with pytest.raises(InputError, match="line 2: subject is empty"):
        own.read()


def test_fixations_are_put_in_order_by_their_index(own):
    own.add("a")
    own.fixations("x,y,subject,index", "a,2,2,ann,2", "a,9,9,bob,1", "a,1,1,ann,1", "a,2,2,ann,2")
    assert own.points() == {"a": [[1, 1], [2, 2], [9, 9]]}
    assert any("1 x line repeated, counted once" in note for note in own.read().notes)
    own.fixations("x,y,subject,index", "a,2,2,ann,2", "a,2,3,ann,2")
    with pytest.raises(InputError, match=r"line 3: fixation 2 of a\.\w+ is another one in .*line 2: keep one"):
        own.read()


def test_a_label_given_twice_differently_is_refused(own):
    own.add("a", "b")
    own.table("labels.csv", "label", "a,x", "b,y", "a,x")
    assert own.read().classes == ["x", "y"]
    own.table("labels.csv", "label", "a,x", "b,y", "a,y")
    with pytest.raises(InputError, match=r"line 4: a\.\w+ is 'y', and 'x' in .*line 2"):
        own.read()


@pytest.mark.parametrize(("here", "there"), [("e\u0301", "\u00e9"), ("\u00e9", "e\u0301")])
def test_names_have_one_form(own, here, there):
    own.add(f"caf{here}/a{here}", "b")
    own.fixations("x,y", f"caf{there}/a{there},1,2", f"a{there},3,4")
    own.table("labels.csv", "label", f"a{there},{here}", f"a{here},{there}", f"b,{there}")
    assert own.points() == {"caf\u00e9/a\u00e9": [[1, 2], [3, 4]], "b": None}
    assert own.read().classes == ["\u00e9"]


def test_splits_do_not_depend_on_the_form_of_names(tmp_path):
    splits = []
    for form in ("e\u0301", "\u00e9"):
        own = Own("image", tmp_path / form)
        own.add(*(f"{form}{n}" for n in range(12)))
        splits.append(own.splits())
    assert splits[0] == splits[1]


@pytest.mark.parametrize("name", ["A", "images/../a", "b"])
def test_a_name_that_is_nobodys(own, name):
    own.add("a")
    own.fixations("x,y", f"{name},1,2")
    case = r".* \(a\.\w+ differs in case alone: write it so\)" if name == "A" else ""
    with pytest.raises(InputError, match=rf"line 2: there is no {own.kind} '{name}'{case}"):
        own.read()


def test_names_as_windows_writes_them(own):
    own.add("x/a", "y/a")
    own.fixations("x,y", "x\\a,1,2", f"{own.kind}s/y/a,3,4")
    assert own.points() == {"x/a": [[1, 2]], "y/a": [[3, 4]]}


def test_what_systems_leave_is_no_data(own):
    own.add("a", "b")
    own.fixations("x,y", "a,1,2", name="fixations/P01.csv")
    before = own.points()
    suffix = next(own.top.iterdir()).suffix
    for name in (f"._a{suffix}", f"__MACOSX/a{suffix}", f".trash/c{suffix}"):
        (own.top / name).parent.mkdir(exist_ok=True)
        (own.top / name).write_bytes(b"\x00\x05\x16\x07")
    (own.root / "fixations" / "._P01.csv").write_bytes(b"\x00\x05\x16\x07\xff")
    assert own.points() == before


def test_linked_folders_are_followed(own, tmp_path):
    own.add("cat/a")
    own.add("wren/b", below=tmp_path / "elsewhere")
    (own.top / "birds").symlink_to(tmp_path / "elsewhere")
    own.fixations("x,y", "birds/wren/b,1,2")
    assert own.points() == {"cat/a": None, "birds/wren/b": [[1, 2]]}
    assert sum(1 for split in get_args(Split) for _ in own.read(split)) == 2
    own.add("heron/c", below=tmp_path / "elsewhere")
    assert len(own.points()) == 3  # what comes later is noticed


def test_tables_and_folders_that_differ_in_case(own):
    own.add("a")
    own.fixations("x,y", "a,1,2", name="Fixations.csv")
    with pytest.raises(InputError, match=r"Fixations\.csv: is fixations\.csv meant\?"):
        own.read()
    own.top.rename(own.root / f"{own.kind.title()}s")
    (own.root / "Fixations.csv").unlink()
    with pytest.raises(InputError, match=rf"{own.kind.title()}s: is {own.kind}s meant\?"):
        own.read()


def test_two_pictures_do_not_share_an_id(tmp_path):
    own = Own("image", tmp_path)
    own.add("a", "sub/a", "b")
    own.table("labels.csv", "label", *(f"{name}.png,x" for name in ("a", "sub/a", "b")))
    assert sorted(own.points()) == ["a", "b", "sub/a"]
    Image.new("RGB", SIZE, (1, 2, 3)).save(own.top / "a.jpg")
    (own.root / "labels.csv").unlink()
    (own.top / "sub" / "a.png").unlink()
    with pytest.raises(InputError, match=r"two samples are called 'a'"):
        own.read()


WEIGHED = ("a,3,4,200,ann", "a,9,9,100,ann", "a,20,12,100,bob", "b,5,5,50,ann", "b,6,6,50,bob")


def maps(own: Own, **options: Any) -> tuple[Batch, torch.Tensor]:
    """All samples as a batch, and their human maps; a video's is that of its one frame."""
    data = [own.read(split, **options) for split in get_args(Split)]
    samples = sorted((sample for each in data for sample in each), key=lambda sample: sample["id"])
    batch = stills(in_unit_range(collate(samples)))
    return batch, human_maps(batch, None, sigma=0.05)[0]


@pytest.mark.parametrize(
    ("by", "weights"), [("duration", [[200, 100, 100], [50, 50, 0]]), ("subject", [[0.5, 0.5, 1], [1, 1, 0]])]
)
def test_fixations_are_weighed_in_human_maps(own, by, weights):
    own.add("a", "b")
    own.fixations("x,y,duration,subject", *WEIGHED)
    batch, weighed = maps(own, weight=by)
    assert batch["weights"].tolist() == weights
    # a point that weighs twice as much is one that is there twice
    repeated = {"duration": [WEIGHED[0], *WEIGHED], "subject": [*WEIGHED[:3], *WEIGHED[2:]]}[by]
    own.fixations("x,y,duration,subject", *repeated)
    plain, expected = maps(own)
    assert "weights" not in plain
    torch.testing.assert_close(weighed, expected)
    assert not torch.allclose(weighed[0], density(batch["fixations"], SIZE[::-1], 0.05 * SIZE[0])[0])


def test_weights_are_part_of_what_a_run_was_made_of(own):
    own.add("a", "b")
    own.fixations("x,y,duration,subject", *WEIGHED)
    gaze = {own.read(weight=weight).identity()["gaze"] for weight in (None, "duration", "subject")}
    assert len(gaze) == 3


@pytest.mark.parametrize(
    ("columns", "line", "message"),
    [
        ("x,y", "a,1,1", "has no column 'duration', add it or leave data.weight out"),
        ("x,y,duration", "a,1,1,", "line 2: it has no duration to weigh by: take the line away"),
        ("x,y,duration", "a,1,1,0", "line 2: duration=0 is not positive"),
        ("x,y,duration", "a,1,1,-5", "line 2: duration=-5 is not positive"),
    ],
)
def test_what_cannot_be_weighed(own, columns, line, message):
    own.add("a")
    with pytest.raises(InputError, match="has no table of fixations to weigh"):
        own.read(weight="duration")
    own.fixations(columns, line)
    with pytest.raises(InputError, match=message):
        own.read(weight="duration")


def test_a_weight_moves_with_its_fixation_and_stays_for_the_scores(tmp_path):
    own = Own("image", tmp_path)
    own.add("a")
    own.fixations("x,y,duration,subject", *WEIGHED[:3], "a,40,4,900,bob")
    (split,) = [split for split in get_args(Split) if len(own.read(split, outside="drop"))]
    data = own.read(split, outside="drop", weight="duration")
    batch = collate([Samples(data, Transform(16))[0]])
    assert batch["weights"].tolist() == batch["native_weights"].tolist() == [[200, 100, 100]]
    flipped = Transform(16, flip=True).apply(data[0], Draw(scale=0.5, flip=True))["gaze"]
    assert flipped.weight.tolist() == [200, 100]  # the window of 16 x 12 leaves the third out
    # a prediction that is the weighed density itself has CC 1 and SIM 1, whatever the points
    truth = density(batch["native_fixations"], SIZE[::-1], 0.05 * SIZE[0], weights=batch["native_weights"])
    scores = score(MetricCollection({"cc": CC(), "sim": Similarity()}), truth, in_unit_range(batch), 0.05)
    torch.testing.assert_close(scores["cc"], torch.ones(1))
    torch.testing.assert_close(scores["sim"], torch.ones(1))


def test_the_option_is_part_of_the_index(own):
    own.add(*"abc")
    folders = {
        own.read(**options)._folder
        for options in ({}, {"outside": "drop"}, {"outside": "clip"}, {"folds": 3}, {"folds": 3, "fold": 1})
    }
    assert len(folders) == 5


def test_coordinates_that_are_shares_of_the_sides(own):
    own.add("a")
    rows = [f"a,{x},{y},7" for x, y in ((0, 0), (0.5, 0.25), (1, 1))]
    own.fixations("x,y,duration", *rows[:2])
    # 32 x 24: the left border is at -0.5, the middle at 15.5; a quarter of the height is at 5.5
    assert own.points(units="share") == {"a": [[-0.5, -0.5], [15.5, 5.5]]}
    own.fixations("x,y,duration", *rows * 7)
    with pytest.raises(InputError, match=r"fixations\.csv: all coordinates are between 0 and 1: set data\.units=share"):
        own.read()
    assert len(own.gaze(units="pixels")["a"].points) == 21
    own.fixations("x,y", "a,0.5,0.5", "a,30,4")
    with pytest.raises(InputError, match=r"line 3: x=30, y=4 are no shares of the .*: set data\.units=pixels"):
        own.read(units="share")
    with pytest.raises(InputError, match=r"data\.units=share counts no pixels: leave data\.first_pixel out"):
        own.read(units="share", first_pixel=1)
    with pytest.raises(InputError, match=r"data\.units=inches: choose pixels or share"):
        own.read(units="inches")
