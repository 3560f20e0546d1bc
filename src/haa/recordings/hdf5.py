"""The parser of PsychoPy's ioHub files, quick to import: it runs in a process of its own."""

from __future__ import annotations

from typing import Any

from haa.errors import InputError, needs

_EVENTS = "data_collection/events/eyetracker"
SAMPLES = ("BinocularEyeSampleEvent", "MonocularEyeSampleEvent")
"""Tables of samples, the better first."""
_FIELDS = (
    *("session_id", "time", "status", "eye", "duration", "start_time", "average_gaze_x", "average_gaze_y"),
    *("left_gaze_x", "left_gaze_y", "right_gaze_x", "right_gaze_y", "gaze_x", "gaze_y"),
)


def parse_iohub(path: str) -> dict[str, Any]:
    """Return events, messages and sessions of an ioHub file, in this process: use `haa.recordings.iohub.read_iohub`."""
    needs(f"reading {path}, which is HDF5,", "haa[formats]", "h5py")
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path} is no HDF5 file that can be read ({error!s:.80}): copy it again") from None
    with file:
        if _EVENTS not in file:
            raise InputError(f"{path} has no {_EVENTS}: it is none of ioHub's files")
        tables = {}
        for name in ("FixationEndEvent", *SAMPLES):
            if name in file[_EVENTS] and len(file[_EVENTS][name]):
                table = file[_EVENTS][name]
                tables[name] = {field: table.fields(field)[:] for field in _FIELDS if field in table.dtype.names}
        messages = file.get("data_collection/events/experiment/MessageEvent")
        sessions = file.get("data_collection/session_meta_data")
        return {
            "tables": tables,
            "messages": [[], []]
            if messages is None
            else [messages.fields("time")[:], [_text(value) for value in messages.fields("text")[:]]],
            "sessions": [[], []]
            if sessions is None
            else [sessions.fields("session_id")[:], [_text(value) for value in sessions.fields("code")[:]]],
        }


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
