"""Layouts of the exports that are recognised: what each program calls its columns, and what they mean.

Names are compared without regard to case, underscores and spaces; a unit in brackets is part of a name. Sources: the
programs' own documentation of their exports, as of 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from haa.recordings.recording import Kind, Meaning

Names = Sequence[str]
"""Names of a column, of which the first that is there counts; ``+`` joins those of two eyes, which are averaged."""


@dataclass(frozen=True)
class Way:
    """One pair of columns that holds a position, and what it means."""

    x: str
    y: str
    meaning: Meaning = field(default_factory=Meaning)


@dataclass(frozen=True)
class Only:
    """Rows that count: those that have one of some values in a column."""

    column: Names
    values: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Layout:
    """One program's export.

    Attributes:
        name: What it is called in messages.
        kind: Whether rows are fixations or samples.
        ways: Pairs of columns that may hold positions, the best first.
        needs: Columns one of which has to be there, beside those of a way.
        image, subject, trial, duration, time: Names that such a column may have.
        only: Rows that count, where there is such a column.
        seen: Samples at which the eye was seen, where there is such a column.
        fixation: Numbers of fixations, where a fixation has several rows, which are then made one.
        mean: Whether such rows are averaged; else the last one counts, which has the whole duration.
        place: Columns of the picture's left, top, width and height on the screen.
        screen: Columns of the screen's width and height.
        eye: Column that tells eyes apart, where each has rows of its own; one eye's are kept.
        from_name: Regular expression with groups ``image`` or ``subject`` that the file's name is searched for.
        duration_unit: Unit of durations whose column does not name one; guessed where it is not known.
        screen_size: Width and height of the screen in the units of its pixels, where they are always the same.
        zeros_lost: Whether the tracker writes 0, 0 where the eye was lost.
    """

    name: str
    kind: Kind
    ways: Sequence[Way]
    needs: Names = ()
    image: Names = ()
    subject: Names = ()
    trial: Names = ()
    duration: Names = ()
    time: Names = ()
    only: Sequence[Only] = ()
    seen: Sequence[Only] = ()
    fixation: Names = ()
    mean: bool = False
    place: Sequence[Names] = ()
    screen: Sequence[Names] = ()
    eye: Names = ()
    from_name: str = ""
    duration_unit: str = ""
    screen_size: tuple[int, int] | None = None
    zeros_lost: bool = field(default=True)


_SHARE = Meaning("share")
_OF_PICTURE = Meaning("share", of="picture")
_CENTER_UP = Meaning("pixels", "center", "up")

_TOBII: dict[str, Any] = {
    "image": ("Presented Stimulus name", "Presented Media name", "MediaName", "StudioEvent Media"),
    "subject": ("Participant name", "ParticipantName", "Recording name", "RecordingName"),
    "trial": ("Recording name", "RecordingName"),
    "time": ("Recording timestamp", "Recording timestamp [ms]", "Recording timestamp [us]", "RecordingTimestamp"),
    "place": (
        ("Presented Media position X [DACSpx]", "MediaPosX [ADCSpx]", "Presented Media position X"),
        ("Presented Media position Y [DACSpx]", "MediaPosY [ADCSpx]", "Presented Media position Y"),
        ("Presented Media width", "Presented Media width [px]", "MediaWidth"),
        ("Presented Media height", "Presented Media height [px]", "MediaHeight"),
    ),
    "screen": (
        ("Recording resolution width", "Recording resolution width [px]"),
        ("Recording resolution height", "Recording resolution height [px]"),
    ),
    "from_name": r"(?P<subject>[^/\\]+)\.\w+$",
}
_DACS = ("[DACSpx]", "[ADCSpx]", "[px]", "")
_GAZEPOINT: dict[str, Any] = {
    "image": ("MEDIA_NAME", "MEDIA_ID"),
    "subject": ("USER_NAME", "USER", "SUBJECT"),
    "from_name": r"(?P<subject>[^/\\]+?)(_fixations|_all_gaze)?\.\w+$",
    "duration_unit": "s",
}
_IMAGES = (
    *("image", "image name", "image file", "image path", "img", "stimulus", "stim", "stimulus name", "stimulus file"),
    *("picture", "pic", "photo", "file name", "file", "trial image", "scene", "media name", "name"),
)
_EYELINK: dict[str, Any] = {
    "image": _IMAGES,
    "subject": ("RECORDING_SESSION_LABEL", "DATA_FILE"),
    "trial": ("TRIAL_INDEX", "TRIAL_LABEL"),
    "duration_unit": "ms",
}
_IOHUB: dict[str, Any] = {
    "image": _IMAGES,
    "subject": ("participant", "subject", "subject code", "code", "session id"),
    "trial": ("trial index", "trial", "trials thisN"),
    "time": ("time", "time [s]"),
    "from_name": r"(?P<subject>[^/\\]+?)(_\w*Event)?\.\w+$",
}
_DETECTED = ("fixation detected in reference image", "fixation detected on surface")

LAYOUTS: Sequence[Layout] = (
    Layout(
        "Tobii fixations",
        "fixations",
        [
            *[
                Way(f"{n}Fixation point X [MCSnorm]", f"{n}Fixation point Y [MCSnorm]", _OF_PICTURE)
                for n in ("", "Mapped ")
            ],
            *[Way(f"Fixation point X {unit}".strip(), f"Fixation point Y {unit}".strip()) for unit in _DACS],
            Way("FixationPointX [ADCSpx]", "FixationPointY [ADCSpx]"),
            Way("FixationPointX [MCSpx]", "FixationPointY [MCSpx]", Meaning(of="picture")),
            *[
                Way(f"{n} X {unit}".strip(), f"{n} Y {unit}".strip(), Meaning(of="picture"))
                for n in ("Fixation point", "Mapped fixation")
                for unit in ("[MCSpx]", "[px]", "")
            ],
        ],
        needs=("Eye movement type index", "FixationIndex"),
        duration=("Gaze event duration", "Gaze event duration [ms]", "GazeEventDuration", "GazeEventDuration [ms]"),
        only=(Only(("Eye movement type", "GazeEventType"), ("Fixation",), "no fixation (saccades, lost samples)"),),
        seen=(Only(("Eye movement type", "GazeEventType"), ("Fixation", "Saccade", "Unclassified"), "lost"),),
        fixation=("Eye movement type index", "FixationIndex"),
        duration_unit="ms",
        **_TOBII,
    ),
    Layout(
        "Tobii samples",
        "samples",
        [
            Way("Gaze point X [MCSnorm]", "Gaze point Y [MCSnorm]", _OF_PICTURE),
            *[Way(f"Gaze point X {unit}".strip(), f"Gaze point Y {unit}".strip()) for unit in _DACS],
            Way("GazePointX [ADCSpx]", "GazePointY [ADCSpx]"),
            Way("GazePointX [MCSpx]", "GazePointY [MCSpx]", Meaning(of="picture")),
        ],
        needs=("Recording timestamp", "Recording timestamp [ms]", "Recording timestamp [us]", "RecordingTimestamp"),
        **_TOBII,
    ),
    Layout(
        "EyeLink Data Viewer fixation report",
        "fixations",
        [Way("CURRENT_FIX_X", "CURRENT_FIX_Y")],
        duration=("CURRENT_FIX_DURATION",),
        time=("CURRENT_FIX_START",),
        **_EYELINK,
    ),
    Layout(
        "EyeLink Data Viewer sample report",
        "samples",
        [
            Way("AVERAGE_GAZE_X", "AVERAGE_GAZE_Y"),
            Way("LEFT_GAZE_X+RIGHT_GAZE_X", "LEFT_GAZE_Y+RIGHT_GAZE_Y"),
            Way("LEFT_GAZE_X", "LEFT_GAZE_Y"),
            Way("RIGHT_GAZE_X", "RIGHT_GAZE_Y"),
        ],
        needs=("TIMESTAMP", "SAMPLE_INDEX"),
        time=("TIMESTAMP",),
        **_EYELINK,
    ),
    Layout(
        "SMI BeGaze events",
        "fixations",
        [Way("Fixation Position X [px]", "Fixation Position Y [px]")],
        image=("Stimulus",),
        subject=("Participant", "Subject"),
        trial=("Trial",),
        duration=("Event Duration [ms]", "Fixation Duration [ms]"),
        time=("Event Start Trial Time [ms]", "Event Start Raw Time [ms]"),
        only=(Only(("Category",), ("Fixation", "Visual Intake"), "no fixation (saccades, blinks)"),),
        eye=("Eye L/R", "Eye"),
        duration_unit="ms",
    ),
    Layout(
        "Pupil Labs fixations on a surface",
        "fixations",
        [Way("norm_pos_x", "norm_pos_y", Meaning("share", "lower-left", "up", "picture"))],
        needs=("on_surf",),
        duration=("duration",),
        time=("start_timestamp",),
        only=(Only(("on_surf",), ("true", "1"), "off the surface"),),
        fixation=("fixation_id",),
        mean=True,
        from_name=r"(?P<subject>[^/\\]+)[/\\]exports?[/\\].*on_surface_(?P<image>.+?)(_\d+\.\d+)?\.csv$"
        r"|on_surface_(?P<image_alone>.+?)(_\d+\.\d+)?\.csv$",
        duration_unit="ms",
    ),
    Layout(
        "Pupil Labs gaze on a surface",
        "samples",
        [Way("x_norm", "y_norm", Meaning("share", "lower-left", "up", "picture"))],
        needs=("on_surf",),
        time=("gaze_timestamp",),
        only=(Only(("on_surf",), ("true", "1"), "off the surface"),),
        from_name=r"(?P<subject>[^/\\]+)[/\\]exports?[/\\].*on_surface_(?P<image>.+?)(_\d+\.\d+)?\.csv$"
        r"|on_surface_(?P<image_alone>.+?)(_\d+\.\d+)?\.csv$",
    ),
    Layout(
        "Pupil Cloud fixations in a reference image",
        "fixations",
        [
            Way("fixation x [px]", "fixation y [px]", Meaning(of="picture")),
            Way("fixation x [normalized]", "fixation y [normalized]", _OF_PICTURE),
        ],
        needs=_DETECTED,
        subject=("wearer id", "recording id"),
        trial=("section id",),
        duration=("duration [ms]",),
        time=("start timestamp [ns]",),
        only=(Only(_DETECTED, ("true", "1"), "off the picture"),),
    ),
    Layout(
        "Gazepoint fixations",
        "fixations",
        [Way("FPOGX", "FPOGY", _SHARE)],
        needs=("FPOGD",),
        duration=("FPOGD",),
        time=("FPOGS",),
        only=(Only(("FPOGV",), ("1", "true"), "not valid (FPOGV)"),),
        seen=(Only(("BPOGV",), ("1", "true"), "lost"),),
        fixation=("FPOGID",),
        **_GAZEPOINT,
    ),
    Layout(
        "Gazepoint samples",
        "samples",
        [Way("BPOGX", "BPOGY", _SHARE)],
        time=("TIME",),
        seen=(Only(("BPOGV",), ("1", "true"), "lost"),),
        **_GAZEPOINT,
    ),
    Layout(
        "PsychoPy/ioHub fixations",
        "fixations",
        [Way("average_gaze_x", "average_gaze_y", _CENTER_UP)],
        duration=("duration",),
        eye=("eye",),
        zeros_lost=False,
        duration_unit="s",
        **_IOHUB,
    ),
    Layout(
        "PsychoPy/ioHub samples",
        "samples",
        [
            Way("left_gaze_x+right_gaze_x", "left_gaze_y+right_gaze_y", _CENTER_UP),
            Way("gaze_x", "gaze_y", _CENTER_UP),
        ],
        needs=("device_time", "logged_time", "status"),
        seen=(Only(("status",), ("0", "0.0"), "lost"),),
        zeros_lost=False,
        **_IOHUB,
    ),
    Layout(
        "Gorilla (WebGazer)",
        "samples",
        [Way("x_pred_normalised", "y_pred_normalised", Meaning("share", "lower-left", "up"))],
        needs=("type",),
        image=_IMAGES,
        subject=("Participant Private ID", "participant id", "Participant Public ID"),
        trial=("spreadsheet row", "trial number"),
        time=("time elapsed", "time_elapsed"),
        only=(Only(("type",), ("prediction",), "no prediction (screens, zones)"),),
        screen_size=(1024, 768),  # the 4:3 frame that Gorilla lays everything out in
    ),
    Layout(
        "WebGazer predictions",
        "samples",
        [Way("x_pred", "y_pred")],
        image=_IMAGES,
        subject=("Participant Private ID", "participant id", "subject", "participant"),
        trial=("spreadsheet row", "trial number", "trial index"),
        time=("time elapsed", "time_elapsed", "t", "time"),
        only=(Only(("type",), ("prediction",), "no prediction"),),
    ),
    Layout(
        "table of fixations",
        "fixations",
        [Way(x, y) for x, y in (("x", "y"), ("fix x", "fix y"), ("fixation x", "fixation y"), ("FPOGX", "FPOGY"))],
        image=_IMAGES,
        subject=("subject", "participant", "person", "observer", "user", "subject id", "participant id", "observer id"),
        trial=("trial", "trial index", "trial id"),
        duration=("duration", "duration [ms]", "duration [s]", "dur", "ms", "fixation duration", "fix duration"),
        time=("start", "onset", "time", "timestamp", "t"),
    ),
)
"""Layouts in the order in which they are tried."""
