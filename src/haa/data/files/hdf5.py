"""Arrays of HDF5 files, one or many by name, and the matrices of Matlab's files of any version.

Parsers of both formats can crash on a damaged file, so that they work in a process of their own
(`haa.data.files.apart`). Of HDF5 nothing is followed that lies in another file: no external link, no virtual data set,
no external storage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.apart import read_apart
from haa.disk.bounded import ARRAYS
from haa.errors import InputError, reason

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
"""Endings of HDF5 files."""
MANY = 1_000_000
"""Most arrays of one file."""


def array_names(path: str | Path) -> list[str]:
    """Return the names of all arrays of numbers with two sides in an HDF5 file; in groups ``group/name``.

    Raises:
        InputError: If the file cannot be read, or h5py is not installed.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: give the file, or the folder that holds it")
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise InputError(f"reading {path} needs h5py: pip install 'haa[formats]'") from None
    return [str(name) for name in read_apart(parse_names, path)]


def read_array_named(path: str | Path, name: str) -> np.ndarray:
    """Return one array of an HDF5 file by its name; a matrix of Matlab's is not on its side.

    Raises:
        InputError: If it is not there, or is no such array.
    """
    return np.asarray(read_apart(parse_named, path, name))


def matrix_names(path: str | Path) -> list[str]:
    """Return the names of the matrices in a .mat file of any version.

    Raises:
        InputError: If it is no such file.
    """
    return array_names(path) if is_hdf5(path) else [str(name) for name in read_apart(parse_variables, path)]


def read_matrix_named(path: str | Path, name: str) -> np.ndarray:
    """Return one matrix of a .mat file of any version by its name.

    Raises:
        InputError: If it is not there.

    Example:
        >>> import tempfile, scipy.io
        >>> path = Path(tempfile.mkdtemp()) / "a.mat"
        >>> scipy.io.savemat(path, {"salmap": [[0.5, 0.25]]})
        >>> matrix_names(path), read_matrix_named(path, "salmap")
        (['salmap'], array([[0.5 , 0.25]]))
    """
    return np.asarray(read_apart(parse_named if is_hdf5(path) else parse_matrix, path, name))


def is_hdf5(path: str | Path) -> bool:
    """Return whether a .mat file is one of version 7.3, which is HDF5.

    Raises:
        InputError: If there is no such file.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: give the file, or the folder that holds it")
    with Path(path).open("rb") as file:
        return b"MATLAB 7.3" in file.read(128)


def parse_variables(path: str) -> list[str]:
    """Return the names of the variables of a .mat file up to version 7.2, in this process: use `matrix_names`."""
    import scipy.io

    try:
        return [name for name, shape, _ in scipy.io.whosmat(path) if len(shape) == 2 and max(shape) > 1]
    except Exception as error:  # of a file that is no .mat file, scipy raises any of a dozen types
        raise InputError(f"{path} is not a Matlab file that can be read ({reason(error)}): save it again") from None


def parse_matrix(path: str, name: str) -> np.ndarray:
    """Return one variable of a .mat file up to version 7.2, in this process: use `read_matrix_named`."""
    import scipy.io

    try:
        return scipy.io.loadmat(path, variable_names=[name])[name]
    except Exception as error:
        raise InputError(f"{path} is not a Matlab file that can be read ({reason(error)}): save it again") from None


def parse_names(path: str) -> list[str]:
    """Return the names of the arrays of an HDF5 file, in this process: use `array_names`."""
    import h5py

    found: list[str] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and _is_array(item) and not name.startswith("#"):
            found.append(name)
            if len(found) > MANY:
                raise ValueError(f"it holds more than {MANY} arrays")

    try:
        with h5py.File(path, "r") as file:
            file.visititems(look)
    except Exception as error:
        raise InputError(f"{path} is not an HDF5 file that can be read ({reason(error)}): save it again") from None
    return found


def parse_named(path: str, name: str) -> np.ndarray:
    """Return one array of an HDF5 file, in this process: use `read_array_named`."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError("it is a link, or not there")
            item = file[name]
            if not isinstance(item, h5py.Dataset) or not _is_array(item):
                raise ValueError("it is no array of numbers")
            if item.size * item.dtype.itemsize > ARRAYS:
                raise ValueError(f"it has more than {ARRAYS >> 20} MiB")
            values = np.asarray(item)
            # Matlab stores a matrix by columns
            return values.T if "MATLAB_class" in item.attrs else values
    except Exception as error:
        raise InputError(f"{path}/{name} cannot be read ({reason(error)}): save it again") from None


def _is_array(item: Any) -> bool:
    plain = item.dtype.kind in "buif" and not item.is_virtual and not item.external
    return plain and item.ndim >= 2 and len([length for length in item.shape if length > 1]) <= 2
