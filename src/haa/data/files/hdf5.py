"""Maps in HDF5 files and in Matlab's .mat files: one, or many by name; parsed in a process of their own.

Parsers of both formats can crash on a damaged file (`haa.data.files.apart`). Of HDF5 nothing is followed that lies in
another file: no external link, no virtual data set, no external storage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.apart import read_apart
from haa.data.files.density import NAMED, as_map, chosen
from haa.disk.bounded import ARRAYS
from haa.errors import InputError, reason

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
"""Endings of HDF5 files."""
MANY = 1_000_000
"""Most maps of one file."""


def map_names(path: str | Path) -> list[str]:
    """Return the names of all maps in an HDF5 file, in groups as ``group/name``.

    Raises:
        InputError: If the file cannot be read, or h5py is not installed.
    """
    _check(path)
    return [str(name) for name in read_apart(parse_names, path)]


def read_named(path: str | Path, name: str) -> np.ndarray:
    """Return one map ``(h, w)`` of an HDF5 file by its name.

    Raises:
        InputError: If it is not there, or is no map.
    """
    _check(path)
    return as_map(np.asarray(read_apart(parse_named, path, name)), f"{path}/{name}")


def read_matlab_map(path: str | Path) -> np.ndarray:
    """Return the map ``(h, w)`` of a .mat file of any version: its one matrix, or the one called as in an ``.npz``.

    Raises:
        InputError: If the file is none, or holds no one map.

    Example:
        >>> import tempfile, scipy.io
        >>> path = Path(tempfile.mkdtemp()) / "a.mat"
        >>> scipy.io.savemat(path, {"salmap": [[0.5, 0.25]]})
        >>> read_matlab_map(path)
        array([[0.5 , 0.25]])
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: give the folder that holds it")
    with Path(path).open("rb") as file:
        is_hdf5 = b"MATLAB 7.3" in file.read(128)
    if is_hdf5:
        return read_hdf5_map(path)
    matrices = read_apart(parse_matrices, path)
    return as_map(np.asarray(matrices[chosen(list(matrices), path)]), path)


def read_hdf5_map(path: str | Path) -> np.ndarray:
    """Return the map ``(h, w)`` of an HDF5 file: its only one, or the one called as in an ``.npz``.

    Raises:
        InputError: If the file is none, or holds no one map, or h5py is not installed.
    """
    return read_named(path, chosen(map_names(path), path))


def _check(path: str | Path) -> None:
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: give the folder that holds it")
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise InputError(f"reading {path} needs h5py: pip install 'haa[formats]'") from None


def parse_matrices(path: str) -> dict[str, np.ndarray]:
    """Return the matrices of a .mat file up to version 7.2, in this process: use `read_matlab_map`."""
    import scipy.io

    try:
        held = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
        names = [name for name in NAMED if name in held] if len(held) > 1 else list(held)
        found = scipy.io.loadmat(path, variable_names=names or list(held))
    except Exception as error:  # of a file that is no .mat file, scipy raises any of a dozen types
        raise InputError(f"{path} is not a Matlab file that can be read ({reason(error)}): save it again") from None
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray) and not name.startswith("__")}


def parse_names(path: str) -> list[str]:
    """Return the names of the maps of an HDF5 file, in this process: use `map_names`."""
    import h5py

    found: list[str] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and _is_map(item) and not name.startswith("#"):
            found.append(name)
            if len(found) > MANY:
                raise ValueError(f"it holds more than {MANY} maps")

    try:
        with h5py.File(path, "r") as file:
            file.visititems(look)
    except Exception as error:
        raise InputError(f"{path} is not an HDF5 file that can be read ({reason(error)}): save it again") from None
    return found


def parse_named(path: str, name: str) -> np.ndarray:
    """Return one map of an HDF5 file, in this process: use `read_named`."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError("it is a link to another file")
            item = file[name]
            if not isinstance(item, h5py.Dataset) or not _is_map(item):
                raise ValueError("it is no map of numbers")
            if item.size * item.dtype.itemsize > ARRAYS:
                raise ValueError(f"it has more than {ARRAYS >> 20} MiB")
            values = np.asarray(item)
            # Matlab stores a matrix by columns
            return values.T if "MATLAB_class" in item.attrs else values
    except Exception as error:
        raise InputError(f"{path}/{name} cannot be read ({reason(error)}): save it again") from None


def _is_map(item: Any) -> bool:
    plain = item.dtype.kind in "buif" and not item.is_virtual and not item.external
    return plain and len([length for length in item.shape if length > 1]) <= 2 and item.ndim >= 2
