"""Files from elsewhere, read within bounds: JSON, YAML and arrays that are as large, or as deep, as none of haa's."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml
from numpy.lib import format as npy
from numpy.typing import NDArray

from haa.errors import reading

JSON, YAML, ARRAYS = 16 << 20, 1 << 20, 256 << 20
"""Bytes of the largest file that is read; of arrays, in memory."""
NODES, DEPTH = 100_000, 50
"""Values of a YAML file, aliases followed, and how deep they may lie in each other."""


def content(path: Any, most: int) -> bytes:
    """Return the bytes of a file: of a path, or of what is opened as one.

    Raises:
        ValueError: If it has more than ``most``, or is no file but a pipe or a device, which may have no end.
    """
    if not path.is_file():
        raise ValueError("there is no such file" if not path.exists() else "it is no file")
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"it has more than {most >> 20} MiB")
    return found


def read_object(path: Path, cure: str) -> dict[str, Any]:
    """Return the object of a JSON file; no key twice, no number that JSON does not have.

    Args:
        path: The file.
        cure: What to do if it is damaged.

    Raises:
        InputError: If it is no such file, or larger than `JSON`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.json"
        ...     _ = path.write_text('{"a": 1}')
        ...     read_object(path, "write it again")
        {'a': 1}
    """
    with reading(path, cure):
        try:
            found = json.loads(content(path, JSON).decode(), object_pairs_hook=once, parse_constant=_no_number)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(found, dict):
            raise ValueError("it holds no object")
    return found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object, for ``object_pairs_hook``.

    Raises:
        ValueError: If a key is there twice, of which readers elsewhere take now the first and now the last.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice")
    return found


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loader that takes no key twice, and no merge key, which could multiply without end."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = yaml.constructor.BaseConstructor.construct_mapping(self, node, deep)
        if len(found) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "it has a key twice", node.start_mark)
        return found


def read_mapping(path: Path, cure: str) -> dict[str, Any]:
    """Return the mapping of a YAML file of plain values.

    Args:
        path: The file.
        cure: What to do if it is damaged.

    Raises:
        InputError: If it is no such file, is larger than `YAML`, or has more than `NODES` values, or deeper than
            `DEPTH`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.yaml"
        ...     _ = path.write_text("a: 1")
        ...     read_mapping(path, "write it again")
        {'a': 1}
    """
    with reading(path, cure):
        found = yaml.load(content(path, YAML).decode(), _Loader)
        if not isinstance(found, dict):
            raise ValueError("it holds no config")
        check_extent(found)
    return found


def check_extent(tree: Any, nodes: int = NODES, depth: int = DEPTH) -> None:
    """Refuse what is too large once its aliases are followed, and what contains itself.

    Args:
        tree: Dicts and lists.
        nodes: Most keys and values that it may have.
        depth: How deep they may lie in each other.

    Raises:
        ValueError: If it has more, or deeper ones.
    """
    level, count = [tree], 0
    for _ in range(depth):
        below: list[Any] = []
        for node in level:
            inside = [*node.keys(), *node.values()] if isinstance(node, dict) else node
            count += len(inside)
            if count > nodes:
                raise ValueError(f"it has more than {nodes} values")
            below += [item for item in inside if isinstance(item, dict | list)]
        level = below
        if not level:
            return
    raise ValueError("it is nested too deeply")


def read_arrays(path: Any, cure: str, most: int = ARRAYS) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file, whose size is known before room is made for them.

    Args:
        path: The file.
        cure: What to do if it is damaged.
        most: Largest number of bytes of all arrays together.

    Raises:
        InputError: If it is no such file, or holds objects.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(Path(folder) / "a.npz", a=np.ones(2))
        ...     read_arrays(Path(folder) / "a.npz", "write it again")
        {'a': array([1., 1.])}
    """
    with reading(path, cure):
        if not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as whole, zipfile.ZipFile(whole) as archive:
            members = archive.infolist()
            if len({member.filename for member in members}) < len(members) or len(members) > 64:
                raise ValueError("it has an array twice, or more than 64")
            found, room = {}, most
            for member in members:
                with archive.open(member) as file:
                    found[member.filename.removesuffix(".npy")] = array = _array(file, room)
                room -= array.nbytes
    return found


def read_array(path: Any, cure: str, most: int = ARRAYS) -> NDArray[Any]:
    """Return the array of an .npy file, whose size is known before room is made for it.

    Args:
        path: The file.
        cure: What to do if it is damaged.
        most: Largest number of its bytes.

    Raises:
        InputError: If it is no such file, or holds objects.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "a.npy", np.ones(2))
        ...     read_array(Path(folder) / "a.npy", "write it again")
        array([1., 1.])
    """
    with reading(path, cure):
        if not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as file:
            return _array(file, most)


def _array(file: IO[bytes], most: int) -> NDArray[Any]:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"it is of version {version}")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_column, dtype = read_header(file)
    if dtype.hasobject or dtype.names is not None or any(length < 0 for length in shape):
        raise ValueError("it holds other things than plain arrays")
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise ValueError(f"its arrays have more than {most >> 20} MiB")
    values = file.read(size + 1)  # to the end, where the checksum is held against them
    if len(values) != size:
        raise ValueError("an array is cut off, or followed by something")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if by_column else "C")
