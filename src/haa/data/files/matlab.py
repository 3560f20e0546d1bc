"""Reader of variables in Matlab's .mat files; an error says what to do where a file is not what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import scipy.io

from haa.errors import InputError


def read_mat(path: str | Path, variable: str, whose: str) -> Any:
    """Return one variable of a .mat file up to version 7.2.

    Structs come as dicts, cells as lists, and one-element dimensions are dropped. That is an ambiguity of Matlab's own:
    a 1 x 2 matrix comes out with shape (2,), and a struct array of one element as that struct. So reshape matrices to
    ``(-1, columns)`` and pass struct arrays through `elements`.

    Args:
        path: The file.
        variable: Name of the variable.
        whose: Who publishes the file, in the genitive (``OSIE's``), for the error.

    Raises:
        InputError: If the file is missing, is not such a file, or has no such variable.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "one.mat"
        >>> scipy.io.savemat(path, {"s": {"x": [1.0, 2.0]}})
        >>> read_mat(path, "s", "nobody")
        {'x': array([1., 2.])}
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing: fetch it from {whose} publisher, or correct data.root")
    try:
        variables = scipy.io.loadmat(str(path), simplify_cells=True)
    except NotImplementedError:
        raise InputError(
            f"{path} is a Matlab file of version 7.3, and {whose} is an older one: fetch it again"
        ) from None
    except Exception as error:  # of a file that is no .mat file, scipy raises any of a dozen types
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not a Matlab file that can be read ({reason}): fetch it again") from None
    if variable not in variables:
        held_names = ", ".join(name for name in variables if not name.startswith("__")) or "nothing"
        raise InputError(f"{path} holds {held_names} but no variable {variable!r}: fetch {whose} own file")
    return variables[variable]


def elements(value: Any) -> list[Any]:
    """Return a cell or struct array as a list, also where it has one element and was read as that element.

    Example:
        >>> elements({"x": 1})
        [{'x': 1}]
    """
    return [value] if isinstance(value, dict) else list(value)
