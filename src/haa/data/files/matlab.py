"""Reader of variables in Matlab's .mat files; an error says what to do where a file is not what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.apart import read_apart
from haa.errors import InputError, needs, reason


def read_mat(path: str | Path, variable: str, whose: str) -> Any:
    """Return one variable of a .mat file up to version 7.2.

    Structs come as dicts, cells as lists, and one-element dimensions are dropped. That is an ambiguity of Matlab's own:
    a 1 x 2 matrix comes out with shape (2,), and a struct array of one element as that struct. So pass matrices through
    `matrix` and struct arrays through `elements`.

    SciPy parses in a process of its own (`haa.data.files.apart`), because a damaged file can crash it.

    Args:
        path: The file.
        variable: Name of the variable.
        whose: Who publishes the file, in the genitive (``OSIE's``), for the error.

    Raises:
        InputError: If the file is missing, is not such a file, or has no such variable.

    Example:
        >>> import tempfile, scipy.io
        >>> path = Path(tempfile.mkdtemp()) / "one.mat"
        >>> scipy.io.savemat(path, {"s": {"x": [1.0, 2.0]}})
        >>> read_mat(path, "s", "nobody")
        {'x': array([1., 2.])}
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: fetch it from {whose} publisher, or correct data.root")
    return read_apart(parse_mat, path, variable, whose)


def parse_mat(path: str, variable: str, whose: str) -> Any:
    """Return one variable of a .mat file, in this process: use `read_mat`."""
    import scipy.io

    try:
        variables = scipy.io.loadmat(path, variable_names=[variable], simplify_cells=True)
    except NotImplementedError:
        raise InputError(
            f"{path} is a Matlab file of version 7.3, and {whose} is an older one: fetch it again"
        ) from None
    except Exception as error:  # of a file that is no .mat file, scipy raises any of a dozen types
        raise InputError(f"{path} is not a Matlab file that can be read ({reason(error)}): fetch it again") from None
    if variable not in variables:
        held_names = ", ".join(name for name, _, _ in scipy.io.whosmat(path)) or "nothing"
        raise InputError(f"{path} holds {held_names} but no variable {variable!r}: fetch {whose} own file")
    return variables[variable]


def read_cells(path: str | Path, variable: str) -> list[np.ndarray]:
    """Return the matrices of a cell array in a .mat file of version 7.3, which is HDF5, transposed as it stores them.

    Args:
        path: The file.
        variable: Name of the cell array.

    Raises:
        InputError: If the file is not such a file or has no such cell array, or h5py is not installed.
    """
    needs(f"reading {path}", "haa[formats]", "h5py")
    cells = read_apart(parse_cells, path, variable)
    return [np.asarray(cell) for cell in cells]


def parse_cells(path: str, variable: str) -> list[np.ndarray]:
    """Return the matrices of a cell array in a .mat file of version 7.3, in this process: use `read_cells`."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            cells = [file[reference] for reference in np.asarray(file[variable]).ravel()]
            # Matlab stores an empty matrix as its size
            return [np.zeros((3, 0)) if cell.attrs.get("MATLAB_empty", 0) else np.asarray(cell) for cell in cells]
    except Exception as error:
        raise InputError(f"{path} is not a Matlab 7.3 file with {variable} ({reason(error)}): fetch it again") from None


def elements(value: Any) -> list[Any]:
    """Return a cell or struct array as a list, also where it has one element and was read as that element.

    Example:
        >>> elements({"x": 1})
        [{'x': 1}]
    """
    return [value] if isinstance(value, dict) else list(value)


def matrix(value: Any, columns: int) -> np.ndarray:
    """Return a matrix of numbers, ``(rows, columns)``, as floats, also where it has one row or none.

    Raises:
        ValueError: If it holds anything but real numbers, or has another shape.

    Example:
        >>> matrix([3, 4], 2)
        array([[3., 4.]])
    """
    array = np.asarray(value)
    if not array.size:
        return np.zeros((0, columns))
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or array.shape[-1] != columns:
        raise ValueError(f"it has {array.dtype} of shape {array.shape} where it should have {columns} columns")
    return array.reshape(-1, columns).astype(np.float64)


def vector(value: Any) -> np.ndarray:
    """Return a row or column of numbers as floats, also where it has one element and was read as that number.

    Raises:
        ValueError: If it holds anything but real numbers, or is a matrix.

    Example:
        >>> vector(3)
        array([3.])
    """
    return matrix(np.atleast_1d(np.asarray(value))[..., None], 1)[:, 0]
