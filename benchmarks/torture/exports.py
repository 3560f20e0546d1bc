"""Small exports of every eye tracker's program that `haa data import` reads: what is damaged before it is read."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.torture import mutate, planted
from benchmarks.torture.kinds import Kind, Mutate, Prepared

W, H = 64, 48
"""Size of the screen, which shows pictures of 16 x 12 four times as large."""

FIXATIONS = [
    (name, 10 * n + 5, 7 * n + 4, 1000 * (1 + n), 120 + n) for n, name in enumerate(("cat", "cat", "dog", "dog"))
]
"""Picture, x and y on the screen, start and duration in milliseconds."""


def _lines(head: str, row: Callable[..., str], delimiter: str) -> str:
    rows = [row(*fixation) for fixation in FIXATIONS]
    return "\n".join(line.replace("|", delimiter) for line in (head, *rows)) + "\n"


def _tobii(path: Path) -> None:
    head = (
        "Recording timestamp [ms]|Participant name|Recording resolution width|Recording resolution height|"
        "Presented Stimulus name|Presented Media width|Presented Media height|Presented Media position X (DACSpx)|"
        "Presented Media position Y (DACSpx)|Eye movement type|Gaze event duration [ms]|Eye movement type index|"
        "Fixation point X [DACS px]|Fixation point Y [DACS px]"
    )
    path.write_text(
        _lines(head, lambda n, x, y, s, d: f"{s},5|p|64|48|{n}.png|64|48|0|0|Fixation|{d}|{s}|{x},25|{y},5", "\t")
    )


def _eyelink(path: Path) -> None:
    head = (
        "RECORDING_SESSION_LABEL|TRIAL_INDEX|CURRENT_FIX_START|CURRENT_FIX_DURATION|CURRENT_FIX_X|CURRENT_FIX_Y|image"
    )
    path.write_text(_lines(head, lambda n, x, y, s, d: f"p|{n}|{s}|{d}|{x}.5|{y}|images\\{n}.png", "\t"))


def _eyelink_samples(path: Path) -> None:
    head = (
        "RECORDING_SESSION_LABEL\tTRIAL_INDEX\tTIMESTAMP\tLEFT_GAZE_X\tLEFT_GAZE_Y\tRIGHT_GAZE_X\tRIGHT_GAZE_Y\timage"
    )
    rows = [
        f"p\t{name}\t{start + 4 * k}\t{x}\t{y}\t{'.' if k == 9 else x + 1}\t{'.' if k == 9 else y}\t{name}"
        for name, x, y, start, duration in FIXATIONS
        for k in range(duration // 4)
    ]
    path.write_text("\n".join([head, *rows]) + "\n")


def _asc(path: Path) -> None:
    lines = [
        "** CONVERTED FROM x.edf using edfapi 4.2",
        "MSG\t10 DISPLAY_COORDS 0 0 63 47",
        "MSG\t11 RECCFG CR 500 2 1 L",
    ]
    lines += ["MSG\t12 GAZE_COORDS 0.00 0.00 63.00 47.00"]
    for n, (name, x, y, start, duration) in enumerate(FIXATIONS):
        lines += [f"MSG\t{start - 40} TRIALID {n}", f"START\t{start - 30} \tLEFT\tSAMPLES\tEVENTS"]
        lines += ["SAMPLES\tGAZE\tLEFT\tRATE\t 500.00\tTRACKING\tCR\tFILTER\t2"]
        lines += [f"MSG\t{start} !V IMGLOAD CENTER images/{name}.png 32 24 64 48", f"SFIX L   {start}"]
        lines += [f"{start + 2 * k}\t  {x}.5\t  {y}.0\t  900.0\t..." for k in range(duration // 2)]
        lines += [f"EFIX L   {start}\t{start + duration}\t{duration}\t  {x}.5\t  {y}.0\t   900"]
        lines += [f"MSG\t{start + 500} TRIAL_RESULT 0", f"END\t{start + 501} \tSAMPLES\tEVENTS\tRES\t  40.00\t  40.00"]
    path.write_text("\n".join(lines) + "\n")


def _begaze(path: Path) -> None:
    head = (
        "Trial|Stimulus|Participant|Eye L/R|Category|Event Start Trial Time [ms]|Event Duration [ms]|"
        "Fixation Position X [px]|Fixation Position Y [px]"
    )
    path.write_text(_lines(head, lambda n, x, y, s, d: f"T{s}|{n}.png|p|Left|Visual Intake|{s}|{d}|{x}.5|{y}.5", "\t"))


def _begaze_raw(path: Path) -> None:
    lines = ["## [BeGaze]", "## Subject:\tp", "## Calibration Area:\t64\t48", "## Sample Rate:\t250"]
    lines += ["Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tL Pupil Diameter [mm]\tL Event Info\tStimulus"]
    for name, x, y, start, duration in FIXATIONS:
        lines += [
            f"{1000 * (start + 4 * k)}\tSMP\t1\t{x}.5\t{y}\t3.1\tFixation\t{name}.png" for k in range(duration // 4)
        ]
        lines += [f"{1000 * (start + duration)}\tSMP\t1\t0.00\t0.00\t0.0\tBlink\t{name}.png"]
    path.write_text("\n".join(lines) + "\n")


def _idf_events(path: Path) -> None:
    lines = ["Version:\tIDF Event Detector 3.0.17", "Subject:\tp", "Table Header for Fixations:"]
    lines += ["Event Type\tTrial\tNumber\tStart\tEnd\tDuration\tLocation X\tLocation Y\tPlane"]
    lines += ["Table Header for User Events:", "Event Type\tTrial\tNumber\tStart\tDescription"]
    for n, (name, x, y, start, duration) in enumerate(FIXATIONS):
        begin = 1000 * start
        lines += [f"UserEvent\t{n}\t1\t{begin - 9}\t# Message: {name}.png"]
        lines += [f"Fixation L\t{n}\t1\t{begin}\t{begin + 1000 * duration}\t{1000 * duration}\t{x}.5\t{y}\t-1"]
    path.write_text("\n".join(lines) + "\n")


def _pupil(path: Path) -> None:
    head = "world_index,fixation_id,start_timestamp,duration,norm_pos_x,norm_pos_y,on_surf"
    path.write_text(_lines(head, lambda n, x, y, s, d: f"{s},{s},{s / 1000},{d},{x / W},{y / H},True", ","))


def _gazepoint(path: Path) -> None:
    head = "MEDIA_ID,MEDIA_NAME,TIME(2026/11/29 10:00:00.000),FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,"
    path.write_text(
        _lines(head, lambda n, x, y, s, d: f"1,{n},{s / 1000},{x / W},{y / H},{s / 1000},{d / 1000},{s},1,", ",")
    )


def _iohub_csv(path: Path) -> None:
    head = "participant,trial_index,image,time,duration,eye,average_gaze_x,average_gaze_y"
    path.write_text(_lines(head, lambda n, x, y, s, d: f"p,1,{n},{s / 1000},{d / 1000},22,{x - 32},{24 - y}", ","))


def _iohub_hdf5(path: Path) -> None:
    kinds = [("session_id", "i4"), ("time", "f8"), ("eye", "i4"), ("start_time", "f8"), ("duration", "f8")]
    kinds += [("average_gaze_x", "f4"), ("average_gaze_y", "f4")]
    rows = [(1, (s + d) / 1e3, 22, s / 1e3, d / 1e3, x - 32, 24 - y) for _, x, y, s, d in FIXATIONS]
    messages = [(s / 1e3, f"show {name}.png".encode()) for name, _, _, s, _ in FIXATIONS]
    with h5py.File(path, "w") as file:
        events = file.create_group("data_collection/events")
        events.create_dataset("eyetracker/FixationEndEvent", data=np.array(rows, np.dtype(kinds)))
        text = np.dtype([("time", "f8"), ("text", "S32")])
        events.create_dataset("experiment/MessageEvent", data=np.array(messages, text))
        session = np.array([(1, b"p")], np.dtype([("session_id", "i4"), ("code", "S24")]))
        file["data_collection"].create_dataset("session_meta_data", data=session)


def _gorilla(path: Path) -> None:
    head = "filename,participant_id,spreadsheet_row,time_elapsed,type,x_pred_normalised,y_pred_normalised,image"
    path.write_text(_lines(head, lambda n, x, y, s, d: f"f,p,1,{s},prediction,{x / W},{1 - y / H},{n}", ","))


def _table(path: Path) -> None:
    path.write_text(_lines("image|subject|x|y|duration", lambda n, x, y, s, d: f"{n}|p|{x},5|{y}|{d}", ";"))


def _prepare(name: str, write: Callable[[Path], None], folder: Path, made: Path) -> Prepared:
    from haa.recordings.clean import Cleaning, clean
    from haa.recordings.detect import Detector
    from haa.recordings.geometry import Geometry
    from haa.recordings.importing import table
    from haa.recordings.mapping import points
    from haa.recordings.pictures import Pictures
    from haa.recordings.read import Reading, read

    for photo in ("cat", "dog"):
        planted.picture(folder / f"photos/{photo}.png")
    pictures, path = Pictures(folder / "photos"), folder / name
    write(path)
    geometry = Geometry((W, H), "fit", pixels_per_degree=4)

    def load() -> Any:
        found = read(path, pictures, Reading())
        detector = None if found.layout.startswith("Gorilla") else Detector()
        kept, counts = clean(points(found, pictures, geometry, found.meaning, detector), Cleaning())
        return table(kept), dict(counts), found.left_out, found.notes, found.subject.tolist()

    return Prepared([path], load)


def _of(delimiter: bytes) -> Mutate:
    return partial(mutate.of_lines, delimiter=delimiter)


_TABS, _COMMAS, _SEMICOLONS = _of(b"\t"), _of(b","), _of(b";")

_NEEDS = {"export asc", "export begaze raw", "export eyelink samples"}
"""Kinds that pymovements reads, or detects fixations in: they are left out where it is not installed."""

EXPORTS: dict[str, tuple[str, Callable[[Path], None], Mutate, int]] = {
    "export tobii": ("a.tsv", _tobii, _TABS, 6000),
    "export eyelink": ("a.txt", _eyelink, _TABS, 6000),
    "export eyelink samples": ("a.txt", _eyelink_samples, _TABS, 2000),
    "export asc": ("a.asc", _asc, _TABS, 1000),
    "export begaze": ("a.txt", _begaze, _TABS, 6000),
    "export begaze raw": ("a.txt", _begaze_raw, _TABS, 1000),
    "export idf events": ("a.txt", _idf_events, _TABS, 6000),
    "export pupil": ("fixations_on_surface_cat.csv", _pupil, _COMMAS, 6000),
    "export gazepoint": ("p_fixations.csv", _gazepoint, _COMMAS, 6000),
    "export iohub csv": ("a.csv", _iohub_csv, _COMMAS, 6000),
    "export iohub hdf5": ("a.hdf5", _iohub_hdf5, mutate.of_bytes, 2000),
    "export gorilla": ("a.csv", _gorilla, _COMMAS, 6000),
    "export table": ("a.csv", _table, _SEMICOLONS, 6000),
}
"""Name of each kind's file, what writes it, how it is damaged, and how many of a million cases it gets."""

KINDS: dict[str, Kind] = {
    name: Kind(share, partial(_prepare, file, write), mutate=damage)
    for name, (file, write, damage, share) in EXPORTS.items()
    if name not in _NEEDS or importlib.util.find_spec("pymovements") is not None
}
