"""Reader of a publisher's JSON file; an error says in one line what is wrong with the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from haa.errors import InputError


def read_json(path: Path, keys: Sequence[str] = ()) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        keys: Keys that the file's object must have.

    Raises:
        InputError: If the file is missing, is no JSON, or is no object with these keys.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> _ = path.write_text('{"images": []}')
        >>> read_json(path, keys=["images"])
        {'images': []}
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is missing: fetch it, or correct data.root") from None
    except ValueError as error:
        raise InputError(f"{path} is no JSON file ({error}): fetch it again") from None
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise InputError(f"{path} has no {missing[0]!r}: it is not the file that its name says, fetch it again")
    return content
