"""capgaze1's pickles: read without running them."""

from __future__ import annotations

import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.readers.capgaze import CapGaze, read_pickle
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


def save(path: Path, value: object, python2: bool = False) -> None:
    array = np.empty((), dtype=object)
    array[()] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    if not python2:
        np.save(path, array, allow_pickle=True)
        return
    content = pickle.dumps(array, protocol=2, fix_imports=True).replace(b"numpy._core.", b"numpy.core.")
    save_raw(path, content)


def save_raw(path: Path, content: bytes) -> None:
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(stream, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue() + content)


def record(left, right=(), dominant=0) -> dict:
    return {"left_eye": left, "right_eye": list(right), "dominant_eye": dominant, "time_stamp": [0], "duration": 1.5}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "images" / "a.png")
    return tmp_path


def one(root: Path) -> dict:
    return next(s for split in ("train", "val", "test") for s in CapGaze(root, split))


@pytest.mark.parametrize("python2", [False, True])
def test_points(root, python2):
    # the middle of the last pixel of an image of 8 x 6, the first pixel's, and what was lost
    left = [(7.5 / 8, 5.5 / 6), None, (), (0.5 / 8, 0.5 / 6), np.array([0.5, 0.25])]
    save(root / "gaze" / "ann" / "a.npy", record(left), python2)
    save(root / "gaze" / "bob" / "a.npy", record([], [(0.5 / 8, 3.5 / 6)], dominant=1), python2)
    gaze = one(root)["gaze"]
    torch.testing.assert_close(gaze.points, torch.tensor([[7, 5], [0, 0], [3.5, 1.0], [0, 3]]))
    assert gaze.subject.tolist() == [1, 1, 1, 2]


def test_a_file_that_python_2_wrote(root):
    """Byte for byte what numpy under Python 2 writes for a dict: byte strings, the old names of numpy's modules."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    def point(x: float, y: float) -> bytes:
        return b"G" + struct.pack(">d", x) + b"G" + struct.pack(">d", y) + b"\x86"

    eye = b"](" + point(7.5 / 8, 5.5 / 6) + b"N" + point(0.5 / 8, 0.5 / 6) + b"e"
    items = [(text("left_eye"), eye), (text("right_eye"), b"]"), (text("dominant_eye"), b"K\x00")]
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
        b"(K\x01)cnumpy\ndtype\n" + text("O8") + b"K\x00K\x01\x87R"
        b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
        b"\x89]}(" + b"".join(key + value for key, value in items) + b"uatb."
    )
    save_raw(root / "gaze" / "a.npy", array)
    torch.testing.assert_close(one(root)["gaze"].points, torch.tensor([[7.0, 5.0], [0.0, 0.0]]))


def test_points_off_the_image_are_left_out_and_counted(root):
    save(root / "gaze" / "a.npy", record([(0.5, 0.5)] * 18 + [(1.2, 0.5), (0.5, -0.1)]))
    assert one(root)["gaze"].points.tolist() == [[3.5, 2.5]] * 18
    assert "2 x outside" in CapGaze(root).notes[0]


def test_captions(root):
    save(root / "gaze" / "a.npy", record([(0.5, 0.5)]))
    (root / "captions.csv").write_text("image,caption\na.png,a black square\n")
    assert one(root)["captions"] == ["a black square"]


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("python2", [False, True])
def test_a_program_in_a_pickle_is_not_run(root, python2, monkeypatch):
    monkeypatch.chdir(root)
    save(root / "gaze" / "a.npy", record([Evil()]), python2)
    with pytest.raises(InputError, match=r"a\.npy is not read \(UnpicklingError: it asks for posix\.mkdir\)"):
        CapGaze(root)
    assert not (root / "evil").exists()
    # the same file does run when it is loaded as a pickle
    np.load(root / "gaze" / "a.npy", allow_pickle=True)
    assert (root / "evil").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"Pabc\n.",
        b"not a pickle",
        b"",
    ],
)
def test_what_else_a_pickle_may_ask_for(root, content):
    save_raw(root / "gaze" / "a.npy", content)
    with pytest.raises(InputError, match="must hold plain data") as error:
        read_pickle(root / "gaze" / "a.npy")
    assert "\n" not in str(error.value)


def test_other_files(root):
    np.save(root / "images" / "x.npy", np.zeros(3))
    with pytest.raises(InputError, match="it holds numbers, not one object"):
        read_pickle(root / "images" / "x.npy")
    save(root / "gaze" / "a.npy", {"left_eye": []})
    with pytest.raises(InputError, match="is not capgaze's"):
        CapGaze(root)


def test_absent_files(root):
    with pytest.raises(InputError, match=r"holds no gaze/\*\.npy"):
        CapGaze(root)
    save(root / "gaze" / "b.npy", record([(0.5, 0.5)]))
    with pytest.raises(InputError, match=r"b\.jpg is absent"):
        CapGaze(root)
