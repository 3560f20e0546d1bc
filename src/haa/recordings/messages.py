"""When which picture was shown, as the messages in a recording tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from haa.errors import InputError
from haa.recordings.pictures import Pictures
from haa.recordings.recording import Recording

END = r"\b(TRIAL_RESULT|off|offset|end|stop|blank|clear)\b|_(off|offset|end|stop)\b"
"""What ends a picture's showing, but the next picture and the next trial."""


@dataclass
class Showing:
    """One showing of one picture.

    Attributes:
        image: Path of the picture.
        start, end: Times in milliseconds.
        trial: Number of the trial.
        place: Left, top, width and height on the screen, where a message says so.
    """

    image: str
    start: float
    end: float
    trial: int
    place: tuple[float, float, float, float] | None = None


def showings(
    messages: Iterable[tuple[float, str]],
    pictures: Pictures,
    screen: tuple[int, int] | None = None,
    start: str | None = None,
    end: str | None = None,
) -> list[Showing]:
    """Return when which picture was shown.

    A message that names a picture begins its showing; one that says ``off``, ``end`` or the like, the next picture or
    the next trial ends it. EyeLink's ``!V IMGLOAD`` also says where the picture stood; a picture that only its
    ``!V TRIAL_VAR`` names was shown all through the trial.

    Args:
        messages: Times in milliseconds and texts, in order.
        pictures: The pictures that messages may name.
        screen: Width and height of the screen, for pictures that fill it.
        start: Regular expression with a group that holds the picture's name, for messages of one's own.
        end: Regular expression of messages that end a showing.
    """
    found: list[Showing] = []
    trial, began, on = 0, -np.inf, False

    def stop(time: float) -> None:
        nonlocal on
        if on:
            found[-1].end = time
        on = False

    for time, text in messages:
        offset = re.match(r"(-?\d+)\s+(?=\S)", text)  # EyeLink's: the event was so much earlier
        if offset:
            time, text = time - int(offset[1]), text[offset.end() :]
        if text.startswith("TRIALID"):
            stop(time)
            trial, began = trial + 1, time
        elif re.match(r"!V TRIAL_VAR\b", text):
            image = pictures.mentioned(text.split(None, 3)[-1]) if start is None else None
            if image is not None and not any(showing.trial == trial for showing in found):
                found.append(Showing(image, began, time, trial))
                on = True
        elif text.startswith("SYNCTIME"):
            began = time
        elif (image := _named(text, pictures, start)) is not None and not _ends(text, end):
            stop(time)
            found.append(Showing(image, time, np.inf, trial, _place(text, pictures.size(image), screen)))
            on = True
        elif on and _ends(text, end):
            stop(time)
    return found


def _named(text: str, pictures: Pictures, start: str | None) -> str | None:
    if start is not None:
        match = re.search(start, text)
        return pictures.find(match[1] if match.re.groups else match[0]) if match else None
    if re.match(r"!(CAL|MODE|CMD|V (?!IMGLOAD))", text):
        return None
    return pictures.mentioned(text)


def _ends(text: str, end: str | None) -> bool:
    return re.search(end or END, text, re.IGNORECASE if end is None else 0) is not None and "IMGLOAD" not in text


def _place(
    text: str, size: tuple[int, int], screen: tuple[int, int] | None
) -> tuple[float, float, float, float] | None:
    """Return where EyeLink's ``!V IMGLOAD FILL|CENTER|TOP_LEFT file x y width height`` says that the picture stood."""
    match = re.search(r"!V IMGLOAD (FILL|CENTER|TOP_LEFT)\s+(.*)", text)
    if not match:
        return None
    if match[1] == "FILL":
        return (0.0, 0.0, float(screen[0]), float(screen[1])) if screen else None
    numbers = [float(word) for word in re.findall(r"(?<!\S)-?\d+(?:\.\d+)?(?!\S)", match[2])]
    if len(numbers) < 2:
        return None
    x, y, *rest = numbers
    width, height = rest[:2] if len(rest) >= 2 else (float(size[1]), float(size[0]))
    return (x - width / 2, y - height / 2, width, height) if match[1] == "CENTER" else (x, y, width, height)


def assign(recording: Recording, shown: list[Showing]) -> None:
    """Say of each row of a recording which picture was shown, and leave out those at which none was.

    A row counts for the showing in which it begins.

    Raises:
        InputError: If the recording's messages name no picture.
    """
    if not shown:
        raise InputError(
            f"{recording.path}: no message names a picture of images=: say how yours do, message='REGEX with (a group)'"
        )
    assert recording.time is not None
    shown = sorted(shown, key=lambda showing: showing.start)
    number = np.searchsorted([showing.start for showing in shown], recording.time, side="right") - 1
    ends = np.array([showing.end for showing in shown])
    on = (number >= 0) & (recording.time < ends[np.maximum(number, 0)])
    recording.image = np.array([shown[n].image for n in np.maximum(number, 0)], dtype=object)
    recording.trial = np.array([str(n) for n in number], dtype=object)
    if any(showing.place for showing in shown):
        places = np.array([showing.place or (np.nan,) * 4 for showing in shown])
        recording.place = places[np.maximum(number, 0)]
    recording.leave_out("between pictures", ~on)
    recording.notes.append(f"messages tell of {len(shown)} showings of {len({s.image for s in shown})} pictures")
