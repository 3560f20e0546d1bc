"""Variables of Matlab's .mat files, with an error that says what to do where a file is not what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import scipy.io

from haa.errors import InputError


def read_mat(path: str | Path, variable: str, whose: str) -> Any:
    """One variable of a .mat file up to version 7.2: structs as dicts, cells as lists, one-element dimensions dropped.

    Dropping them is Matlab's own ambiguity: a 1 x 2 matrix comes out with shape (2,), a struct array of one as its
    struct. Reshape matrices to ``(-1, columns)`` and pass struct arrays through `elements`.

    Args:
        path: of the file.
        variable: its name.
        whose: who publishes the file, for the error.

    Raises:
        InputError: if the file is missing, is no such file, or has no such variable.

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
    except Exception as error:  # scipy's reader lets any of a dozen types escape from a file that is not one
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not a Matlab file that can be read ({reason}): fetch it again") from None
    if variable not in variables:
        found = ", ".join(name for name in variables if not name.startswith("__")) or "nothing"
        raise InputError(f"{path} holds {found} but no variable {variable!r}: fetch {whose} own file")
    return variables[variable]


def elements(value: Any) -> list[Any]:
    """A cell or struct array as a list, also where it has one element and was read as that.

    Example:
        >>> elements({"x": 1})
        [{'x': 1}]
    """
    return [value] if isinstance(value, dict) else list(value)
