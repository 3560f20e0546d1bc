"""From a file, whatever it is, to a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from haa.errors import InputError
from haa.recordings.columns import VALID, Eye, recording
from haa.recordings.idf_events import HEADER, read_idf_events
from haa.recordings.iohub import read_iohub
from haa.recordings.pictures import Pictures
from haa.recordings.recording import Recording, texts
from haa.recordings.table import MISSING, Table, decoded, read_export
from haa.recordings.vendor import read_asc, read_begaze

_CURES = {
    ".edf": "convert it with SR Research's edf2asc, or export a fixation report from Data Viewer",
    ".idf": "export it from BeGaze",
    ".xlsx": "save it as csv",
    ".xls": "save it as csv",
    ".pldata": "export it from Pupil Player, with the surfaces",
    ".json": "write it as a csv table",
    ".parquet": "write it as a csv table",
}


@dataclass(frozen=True)
class Reading:
    """How exports are read.

    Args:
        columns: Names of columns by what they hold.
        layout: Name of the layout; None recognises it.
        image: Picture that all of a file's gaze is on, where it does not say.
        subject: Person whose gaze a file holds, where it does not say.
        eye: Eye that counts, of two.
        samples: Whether fixations are to be detected anew, in samples.
        valid: Values of the column ``valid`` at rows that count.
        message, message_end: Regular expressions of the messages that begin and end a showing.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    layout: str | None = None
    image: str | None = None
    subject: str | None = None
    eye: Eye = "both"
    samples: bool = False
    valid: Sequence[str] = VALID
    message: str | None = None
    message_end: str | None = None


def read(path: Path, pictures: Pictures, how: Reading) -> Recording:
    """Return what an export holds; its pictures are named by their paths.

    Args:
        path: The file.
        pictures: The pictures that were shown.
        how: How it is read.

    Raises:
        InputError: If it is none that is known, or names no picture of the folder.
    """
    out = _read(path, pictures, how)
    if how.subject is not None:
        out.subject = texts(how.subject, len(out))
    if how.image is not None:
        out.image = texts(how.image, len(out))
    paths, missing = pictures.find_all(out.image)
    nothing = sum(count for name, count in missing.items() if name.lower() in MISSING)
    strange = [(name, count) for name, count in missing.most_common() if name.lower() not in MISSING]
    if strange and not any(paths):
        raise InputError(
            f"{path}: none of {len(strange)} names of pictures, such as {strange[0][0]!r:.60}, is in {pictures.root}, "
            f"which holds {pictures.paths[0]!r:.60}: correct images= or name the column, columns.image=..."
        )
    if nothing:
        out.left_out["no picture shown"] += nothing
    for name, count in strange:
        out.left_out[f"picture {name!r:.60} is not in {pictures.root.name}"] += count
    out.image = paths
    out.take(paths != "")
    return out


def _read(path: Path, pictures: Pictures, how: Reading) -> Recording:
    if path.suffix.lower() in _CURES:
        raise InputError(f"{path} is not read as it is: {_CURES[path.suffix.lower()]}")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): correct the name") from None
    messages = how.message, how.message_end
    if head == b"\x89HDF\r\n\x1a\n":
        return read_iohub(path, pictures, how.samples, how.eye, *messages)
    text = decoded(path)[0][:20_000]
    if path.suffix.lower() == ".asc" or text.startswith("** CONVERTED FROM"):
        return read_asc(path, pictures, how.samples, how.eye, *messages)
    if text.startswith("##") and "POR X [px]" in text:
        return read_begaze(path, pictures, how.samples, how.eye)
    if any(line.strip().startswith(HEADER) for line in text.splitlines()):
        return read_idf_events(path, pictures, how.eye, *messages, named=how.image is not None)
    table = read_export(path)
    out = recording(table, how.columns, how.eye, how.layout, how.valid)
    if how.image is not None or "image" in how.columns or any(map(pictures.find, set(out.image.tolist()))):
        return out
    held = ((name, table.text(name)) for name in table.columns if not _numbers(table, name))
    column = pictures.column(held)
    if column is not None:
        out = recording(table, {**how.columns, "image": column}, how.eye, how.layout, how.valid)
        out.notes.append(f"what was shown is in {column!r}")
    elif (alone := pictures.find(path.stem)) is not None:
        out.image = texts(alone, len(out))
        out.notes.append(f"shown is {alone!r}, by the file's name")
    elif not any(out.image):
        raise InputError(f"{path} does not say what was shown: name the column, columns.image=..., or give image=NAME")
    return out


def _numbers(table: Table, name: str) -> bool:
    """Return whether a column holds numbers alone, which name no pictures unless the column is known to."""
    try:
        table.number(name)
    except InputError:
        return False
    return True
