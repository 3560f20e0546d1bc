"""Reader of the one object that a pickle holds, alone or in a .npy file, if it is plain data: others run programs."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.apart import read_apart
from haa.errors import InputError, reason


def read_pickle(path: Path) -> Any:
    """Return the object that a pickle holds, if it is plain data: a .npy file, or (by any other ending) a bare pickle.

    It is built in a process of its own (`haa.data.files.apart`), because a damaged pickle of arrays can crash NumPy.

    Raises:
        InputError: If the file is missing or not such a file, or its pickle asks for anything that is not plain data.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: fetch it, or correct data.root")
    return read_apart(parse_pickle, path)


def parse_pickle(path: str) -> Any:
    """Return the object that a pickle holds, in this process: use `read_pickle`."""
    try:
        stream = io.BytesIO(Path(path).read_bytes())
        if not path.endswith(".npy"):
            return _Data(stream, encoding="latin1").load()
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if not dtype.hasobject or shape != ():
            raise pickle.UnpicklingError("it holds numbers, not one object")
        array = _Data(stream, encoding="latin1").load()
        return array.item() if isinstance(array, np.ndarray) else array
    except Exception as error:  # a broken or hostile pickle lets any type escape
        raise InputError(f"{path} is not read ({reason(error)}): it must hold plain data, fetch it again") from None


def _latin1(text: str, encoding: str) -> bytes:
    """Encode text as Latin-1, which is how Python 3 pickles bytes for Python 2; refuse any other encoding."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode("latin1")


_ALLOWED = {
    ("_codecs", "encode"): _latin1,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    # the two functions that build an array and a number, under the module's old name and its new one
    **{(f"numpy.{core}.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0] for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): np.float64(0).__reduce__()[0] for core in ("core", "_core")},
}
"""Functions and classes, by module and name, that plain data and arrays need; nothing else may be called."""


class _Data(pickle.Unpickler):
    """Unpickler that builds plain data and numpy arrays, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside")
