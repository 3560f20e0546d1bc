"""Files from elsewhere are read within bounds."""

from __future__ import annotations

import io
import json
import time
import zipfile

import numpy as np
import pytest

from haa.disk.bounded import DEPTH, NODES, read_arrays, read_mapping, read_object
from haa.errors import InputError


def written(tmp_path, content: bytes | str):
    path = tmp_path / "a"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_what_is_within_is_read(tmp_path):
    content = {"a": [1, -0.5, None, True, "ü"], "b": {"c": {}}}
    assert read_object(written(tmp_path, json.dumps(content)), "x") == content
    assert read_mapping(written(tmp_path, "a: [1, 2]\nb: &b {c: 1e-3}\nd: *b"), "x")["b"] == {"c": "1e-3"}
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yü"]), "c": np.array(True)}
    arrays["d"], arrays["e"] = np.asfortranarray(arrays["a"]), np.zeros((0, 4), np.float16)
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **arrays)
        found = read_arrays(written(tmp_path, file.getvalue()), "x")
        assert found.keys() == arrays.keys()
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)
            assert found[name].dtype == values.dtype


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[" * 1_000_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a": 1, "a": 2}', "a key twice"),
        ('{"b": {"a": 1, "a": 1}}', "a key twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": ' + "9" * 10_000 + "}", "digit"),
        ("[]", "no object"),
        (b"\xff", "utf-8"),
        (" " * ((16 << 20) + 1), "more than 16 MiB"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_json_beyond_is_refused(tmp_path, content, why):
    with pytest.raises(InputError, match=f"a cannot be read .*{why}.*: write it again"):
        read_object(written(tmp_path, content), "write it again")


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{k}: &a{k}\n  <<: [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 30))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BOMB, "more than|too deeply"),
        (MERGES, "could not determine a constructor"),
        ("a: &a [*a]", "too deeply"),
        ("a: &a {b: *a}", "too deeply"),
        ("a: " + "[" * (DEPTH + 1) + "]" * (DEPTH + 1), "too deeply"),
        ("[" * 100_000, "depth"),
        ("a:\n" + "- 1\n" * NODES, "more than"),
        ("a: 1\na: 2", "a key twice"),
        ("a: !!python/name:os.system", "constructor"),
        ("- a", "no config"),
        ("a: [", "parsing"),
        ("#" * ((1 << 20) + 1), "more than 1 MiB"),
    ],
    ids=str,
)
def test_yaml_beyond_is_refused_at_once(tmp_path, content, why):
    start = time.process_time()
    with pytest.raises(InputError, match=f"a cannot be read .*({why}).*: write it again"):
        read_mapping(written(tmp_path, content), "write it again")
    assert time.process_time() - start < 5


def member(dtype: str, shape: tuple[int, ...], content: bytes = b"", times: int = 1, name: str = "a.npy") -> bytes:
    header, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(times):
            archive.writestr(name, header.getvalue() + content)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (member("<f8", (1 << 50,)), "more than 256 MiB"),
        (member("<f8", (1 << 62, 1 << 62)), "more than 256 MiB"),
        (member("<U100000000", (4,)), "more than 256 MiB"),
        (member("<f8", (-1,)), "other things"),
        (member("|O", (1,), b"\x80\x04N."), "other things"),
        (member("<f8", (2,), b"\0" * 15), "cut off"),
        (member("<f8", (2,), b"\0" * 17), "followed"),
        (member("<f8", (1,), b"\0" * 8, times=2), "twice"),
        (b"PK", "zip"),
        (b"", "zip"),
    ],
)
def test_arrays_beyond_are_refused_before_room_is_made(tmp_path, content, why):
    with pytest.raises(InputError, match=f"a cannot be read .*{why}.*: write it again"):
        read_arrays(written(tmp_path, content), "write it again")


def test_arrays_count_together_and_a_flipped_bit_is_noticed(tmp_path):
    file = io.BytesIO()
    np.savez(file, a=np.zeros(100), b=np.zeros(100))
    path = written(tmp_path, file.getvalue())
    assert len(read_arrays(path, "x", most=1600)) == 2
    with pytest.raises(InputError, match="more than"):
        read_arrays(path, "x", most=1599)
    content = bytearray(file.getvalue())
    content[200] ^= 1
    with pytest.raises(InputError, match="CRC"):
        read_arrays(written(tmp_path, bytes(content)), "x")
