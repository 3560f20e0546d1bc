"""Several labels a picture in labels.csv of one's own folder: names in a field, a column for each class."""

from __future__ import annotations

from pathlib import Path

import pytest

from haa.data.readers.folder import Folder
from haa.data.readers.video_folder import VideoFolder
from haa.errors import InputError


@pytest.fixture
def root(tmp_path, picture) -> Path:
    for name in "abc":
        picture(tmp_path / "mine" / "images" / "sub" / f"{name}.png", 8, 6)
    return tmp_path / "mine"


def test_names_between_semicolons(root, everything):
    (root / "labels.csv").write_text('image,labels\na.png,"mass; edema"\nb.png,\nc,edema\na.png,edema;mass\n')
    samples = everything(Folder, root)
    data = Folder(root)
    assert (data.classes, data.multilabel) == (["edema", "mass"], True)
    assert [samples[f"sub/{name}"]["labels"].tolist() for name in "abc"] == [[1, 1], [0, 0], [1, 0]]
    assert "label" not in samples["sub/a"]


def test_a_column_for_each_class(root, everything):
    (root / "labels.csv").write_text("image,split,mass,edema\na.png,train,1,0\nb.png,val,,1\nc.png,test,-1,False\n")
    samples = everything(Folder, root)
    assert Folder(root).classes == ["edema", "mass"]
    assert [samples[f"sub/{name}"]["labels"].tolist() for name in "abc"] == [[0, 1], [1, -1], [0, -1]]
    assert [samples[f"sub/{name}"]["split"] for name in "abc"] == ["train", "val", "test"]


def test_one_label_is_as_before(root):
    (root / "labels.csv").write_text("image,label,note\na.png,wren,x\nb.png,wren,y\nc.png,owl,z\n")
    data = Folder(root)
    assert (data.classes, data.multilabel) == (["owl", "wren"], False)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("image,note\na.png,nice\n", r"labels\.csv, line 2: note='nice' is none of 1 \(present\)"),
        ("image,labels\na.png,mass\na.png,edema\n", r"line 3: sub/a\.png is .*keep one of them"),
        ("image,split\na.png,train\n", r"line 2 has no label"),
        ("image,labels\na.png,mass\n", r"b\.png has no label, and others have"),
    ],
)
def test_a_table_that_says_nothing_or_two_things_is_refused(root, table, said):
    (root / "labels.csv").write_text(table)
    with pytest.raises(InputError, match=said):
        Folder(root)


def test_a_video_has_one_label(tmp_path):
    for name in ("x.mp4", "y.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "labels.csv").write_text("video,labels\nx.mp4,run;jump\n")
    with pytest.raises(InputError, match="a video has one label"):
        VideoFolder(tmp_path, cache=tmp_path / "cache")
