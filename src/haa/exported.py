"""An export's folder: the names of its files, and how its note is read. Needs no torch.

`haa.export` writes these files; `haa.checkpoint` and `haa.predict` read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haa.disk.bounded import read_object
from haa.disk.stored import read_json, write_json
from haa.errors import InputError, reading

FILES = {"safetensors": "model.safetensors", "onnx": "model.onnx", "torch_export": "model.pt2"}
"""File of a model, by format."""

NOTE = "haa.json"
"""Name of the file that says what the model is: its config, its vocabularies, and the digest of its file."""

CARD = "README.md"
"""Name of the model card."""

CURE = "copy the folder again, or export anew"


@dataclass(frozen=True)
class Export:
    """An export whose note is whole, and whose model is the one that the note was written with.

    Args:
        folder: The export's folder.
        format: How the model is kept, a key of `FILES`.
        note: Content of its haa.json: ``haa``, as in a checkpoint, and what the format needs.
    """

    folder: Path
    format: str
    note: dict[str, Any]

    @property
    def model(self) -> Path:
        """File of the model."""
        return self.folder / FILES[self.format]


def is_export(path: str | Path) -> bool:
    """Return whether a path is the folder of an export."""
    return (Path(path) / NOTE).is_file()


def read(path: str | Path) -> Export:
    """Return the export in a folder; the model itself is not opened but for its digest.

    Raises:
        InputError: If the note is damaged or of an unknown format, or the model is not the one that was exported.
    """
    folder = Path(path)
    read_object(folder / NOTE, CURE)  # within bounds
    note = read_json(folder / NOTE, CURE)
    if note.get("format") not in FILES or not isinstance(note.get("haa"), dict):
        raise InputError(f"{folder / NOTE} was not written by haa export: give the folder of an export, or a .ckpt")
    export = Export(folder, note["format"], note)
    if not export.model.is_file():
        raise InputError(f"{folder} has no {export.model.name}, which its {NOTE} names: {CURE}")
    if digest(export.model) != note.get("sha256"):
        raise InputError(f"{export.model} is not the file that was exported, its SHA-256 differs: {CURE}")
    return export


def write(folder: Path, format: str, note: Mapping[str, Any]) -> None:
    """Write the note of an export whose model lies in the folder already.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     _ = Path(place, "model.onnx").write_bytes(b"a graph")
        ...     write(Path(place), "onnx", {"haa": {}})
        ...     read(place).format
        'onnx'
    """
    write_json(folder / NOTE, {"format": format, "sha256": digest(folder / FILES[format]), **note})


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with reading(path, CURE), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
