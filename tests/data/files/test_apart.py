"""Files whose parsers crash, hang or eat memory end a process that is not this one, and the next file is read."""

from __future__ import annotations

import io
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from haa.data.files import apart
from haa.data.files.apart import read_apart
from haa.data.files.matlab import matrix, read_cells, read_mat, vector
from haa.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it has neither these signals nor these limits")


def crash(path: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(path: str) -> None:
    """Loop without end, in the last second of what is allowed."""
    limit, most = resource.getrlimit(resource.RLIMIT_CPU)
    assert 0 < limit <= time.process_time() + 1 + apart.SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1, most))
    while True:
        pass


def eat(path: str) -> np.ndarray:
    return np.ones(1 << 40)


def idle(path: str) -> None:
    """As if the process had waited too long: it ends once, before it answers."""
    if not Path(path).exists():
        Path(path).touch()
        signal.alarm(1)
        time.sleep(5)


def print_and_return(path: str) -> object:
    print("no answer")
    return {"a": [1, 2.5, "x", None, np.zeros((0, 3)), np.array("t"), np.array([1j])], "b": np.arange(6).reshape(2, 3)}


def code(path: str) -> object:
    return print


@pytest.fixture(autouse=True)
def modules_of_tests(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for function in (crash, hang, eat, idle, print_and_return, code):
        monkeypatch.setattr(function, "__module__", Path(__file__).stem)
    apart._process.end()


def test_what_ends_the_process_is_an_error_and_the_next_file_is_read(tmp_path):
    for function, said in ((crash, "ends with status -11"), (eat, "MemoryError"), (code, "it holds a builtin")):
        with pytest.raises(InputError, match=rf"^a\.mat cannot be read \(.*{said}.*\): fetch it again$"):
            read_apart(function, "a.mat")
        assert read_apart(print_and_return, "b.mat")["b"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read_apart(idle, str(tmp_path / "once")) is None


def test_an_endless_loop_ends():
    with pytest.raises(InputError, match=r"a\.mat cannot be read \(it takes longer than 8 s\)"):
        read_apart(hang, "a.mat")


def test_values_come_back_as_they_were():
    value = read_apart(print_and_return, "b.mat")
    assert value["a"][:4] == [1, 2.5, "x", None]
    assert [part.shape for part in value["a"][4:]] == [(0, 3), (), (1,)]
    assert value["a"][6].tolist() == [1j]
    value["b"][0, 0] = 7


def test_a_fork_has_a_process_of_its_own(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"v": 3.0})
    assert read_mat(tmp_path / "a.mat", "v", "nobody's") == 3
    mine = apart._process._child.pid
    pid = os.fork()
    if not pid:
        ok = read_mat(tmp_path / "a.mat", "v", "nobody's") == 3 and apart._process._child.pid != mine
        apart._process.end()
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert read_mat(tmp_path / "a.mat", "v", "nobody's") == 3
    assert apart._process._child.pid == mine


def test_damaged_mat_files_are_refused_or_read(tmp_path):
    file = io.BytesIO()
    structs = np.array([{"x": np.arange(4.0), "name": f"{n}.jpg"} for n in range(5)], dtype=object)
    scipy.io.savemat(file, {"s": structs})
    good, refused = file.getvalue(), []
    for seed in range(150):
        rng = random.Random(seed)
        content, at = bytearray(good), rng.randrange(128, len(good))
        content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xff\xff\xff\x7f", rng.randbytes(4)])
        (tmp_path / "a.mat").write_bytes(content)
        try:
            read_mat(tmp_path / "a.mat", "s", "nobody's")
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all("a.mat" in said and "\n" not in said for said in refused)


def test_matlab_s_newer_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["one"] = np.arange(6.0).reshape(3, 2)
        file["cell"] = np.array([file["one"].ref], dtype=h5py.ref_dtype)
        file.create_dataset("huge", shape=(1 << 20, 1 << 20), dtype="f8", chunks=(1, 1024))
        file["bomb"] = np.array([file["huge"].ref], dtype=h5py.ref_dtype)
    assert [cell.tolist() for cell in read_cells(tmp_path / "a.mat", "cell")] == [[[0, 1], [2, 3], [4, 5]]]
    for name in ("bomb", "nothing", "one"):
        with pytest.raises(InputError, match=rf"a\.mat is not a Matlab 7\.3 file with {name}"):
            read_cells(tmp_path / "a.mat", name)


@pytest.mark.parametrize(
    "value",
    ["12", ["1", "2"], [[1, 2], [3]], [[1, 2, 3]], np.zeros((2, 1)), [1j, 2], [None, 1], np.zeros((1, 1, 2)), 5],
)
def test_what_is_no_matrix_of_numbers(value):
    with pytest.raises(ValueError, match=r"columns|inhomogeneous"):
        matrix(value, 2)


def test_matrices_and_vectors():
    assert matrix([[1, 2], [3, 4]], 2).tolist() == [[1, 2], [3, 4]]
    assert matrix(np.array([], dtype=np.uint8), 2).shape == (0, 2)
    assert vector(np.array(7, dtype=np.uint8)).tolist() == [7]
    assert vector([]).tolist() == []
    with pytest.raises(ValueError, match="columns"):
        vector("7")
