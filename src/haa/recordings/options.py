"""What the words of ``haa data import`` mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from haa.errors import InputError, suggest
from haa.recordings.clean import Cleaning, Outside
from haa.recordings.columns import VALID, Eye
from haa.recordings.detect import Detector, Method
from haa.recordings.geometry import SHOWN, Geometry
from haa.recordings.read import Reading
from haa.recordings.recording import Meaning, Of, Origin, Units
from haa.recordings.words import NAMED


@dataclass(frozen=True)
class Options:
    """What is imported, how, and where it goes.

    Attributes:
        exports: Files of the eye tracker's program.
        images: Folder of the pictures that were shown.
        output: Folder of the data set.
        reading: How exports are read.
        geometry: Where pictures stood.
        meaning: What the user says of the coordinates, by attribute of `Meaning`; else the export's layout does.
        detector: What finds fixations in samples; None takes samples as they are.
        cleaning: What is left out.
        link: Whether pictures are linked instead of copied.
        unseen: Whether pictures that nobody looked at go along.
    """

    exports: tuple[Path, ...]
    images: Path
    output: Path
    reading: Reading = field(default_factory=Reading)
    geometry: Geometry = field(default_factory=Geometry)
    meaning: Mapping[str, str] | None = None
    detector: Detector | None = field(default_factory=Detector)
    cleaning: Cleaning = field(default_factory=Cleaning)
    link: bool = False
    unseen: bool = True

    def meant(self, found: Meaning) -> Meaning:
        """Return what coordinates mean: as the user says, else as their layout does; y goes with a given origin."""
        said: dict[str, Any] = dict(self.meaning or {})
        if "origin" in said:
            said.setdefault("y", "down" if said["origin"] == "upper-left" else "up")
        if said.get("units") in ("norm", "height", "degrees"):
            said = {"origin": "center", "y": "up", **said}
        return replace(found, **said)


def options(exports: list[Path], words: Mapping[str, str]) -> Options:
    """Return options from the words of a command line, ``key=value``.

    Args:
        exports: Files of the eye tracker's program.
        words: Values by key.

    Raises:
        InputError: If a key is missing or a value is none that it takes.

    Example:
        >>> words = {"images": "photos", "output": "mine", "screen": "1920x1080", "shown": "fit"}
        >>> options([Path("a.tsv")], words).geometry.frame((600, 800))
        (240.0, 0.0, 1440.0, 1080.0)
    """
    if not exports:
        raise InputError("haa data import: name the eye tracker's exports, files or a folder of them")
    for key, what in (("images", "the folder of the pictures that were shown"), ("output", "a new folder")):
        if key not in words:
            raise InputError(f"{key} is missing: give {what}, {key}=DIR")
    take = _Words(words)
    detect = take.one("detect", (*get_args(Method), "none"), "ivt")
    default = Detector(detect if detect != "none" else "ivt")  # type: ignore[arg-type]
    shortest = take.number("shortest")
    detector = Detector(
        default.method,
        take.number("velocity") or default.velocity,
        take.number("dispersion") or default.dispersion,
        shortest or default.shortest,
    )
    meanings = {"units": Units, "origin": Origin, "y": Meaning.__annotations__["y"], "of": Of}
    choices = {"units": get_args(Units), "origin": get_args(Origin), "y": ("down", "up"), "of": get_args(Of)}
    return Options(
        tuple(exports),
        Path(words["images"]).expanduser(),
        Path(words["output"]).expanduser(),
        Reading(
            {key: words[f"columns.{key}"] for key in NAMED if f"columns.{key}" in words},
            words.get("layout"),
            words.get("image"),
            words.get("subject"),
            take.one("eye", get_args(Eye), "both"),  # type: ignore[arg-type]
            "detect" in words,
            tuple(words["valid"].split(",")) if "valid" in words else VALID,
            take.expression("message"),
            take.expression("message_end"),
        ),
        take.geometry(),
        {key: take.one(key, choices[key], "") for key in meanings if key in words},
        None if detect == "none" else detector,
        Cleaning(
            take.one("outside", get_args(Outside), "drop"),  # type: ignore[arg-type]
            take.one("first_fixation", ("keep", "drop"), "keep") == "keep",
            shortest,
            take.number("longest"),
            take.one("zeros", ("lost", "keep"), "lost") == "keep",
            take.one("untimed", ("keep", "drop"), "keep") == "keep",
        ),
        take.one("files", ("copy", "link"), "copy") == "link",
        take.one("unseen", ("keep", "drop"), "keep") == "keep",
    )


class _Words:
    """Values of words, checked."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = words

    def one(self, key: str, choices: tuple[str, ...], default: str) -> str:
        value = self.words.get(key, default)
        if value not in choices and key in self.words:
            raise InputError(f"{key}={value}: {suggest(value, list(choices))}")
        return value

    def number(self, key: str) -> float | None:
        value = self.words.get(key)
        if value is None:
            return None
        if not re.fullmatch(r"\d+(\.\d+)?", value) or float(value) <= 0:
            raise InputError(f"{key}={value} is no positive number: give one")
        return float(value)

    def pair(self, key: str, between: str = "x") -> tuple[float, float] | None:
        value = self.words.get(key)
        if value is None:
            return None
        match = re.fullmatch(rf"(-?\d+(?:\.\d+)?){between}(-?\d+(?:\.\d+)?)", value)
        if not match or (between == "x" and min(float(match[1]), float(match[2])) <= 0):
            raise InputError(
                f"{key}={value}: give two numbers, such as {key}={'1920x1080' if between == 'x' else '240,0'}"
            )
        return float(match[1]), float(match[2])

    def expression(self, key: str) -> str | None:
        value = self.words.get(key)
        try:
            re.compile(value or "")
        except re.error as error:
            raise InputError(f"{key}={value} is no regular expression ({error}): correct it") from None
        return value

    def geometry(self) -> Geometry:
        screen, shown = self.pair("screen"), self.words.get("shown")
        scale = shown is not None and re.fullmatch(r"\d*\.?\d+", shown) and float(shown) > 0
        if (
            shown is not None
            and shown not in SHOWN
            and not scale
            and not re.fullmatch(r"\d+(\.\d+)?x\d+(\.\d+)?", shown)
        ):
            raise InputError(f"shown={shown}: give {', '.join(SHOWN)}, a size such as 800x600, or a scale such as 0.5")
        position = self.words.get("position", "center")
        centimetres = self.pair("screen_cm")
        if centimetres and screen is None:
            raise InputError(
                "screen_cm says how large the screen is in centimetres: give screen=WIDTHxHEIGHT in pixels, too"
            )
        return Geometry(
            (round(screen[0]), round(screen[1])) if screen else None,
            shown,
            self.pair("box"),
            None if position == "center" else self.pair("position", ","),
            self.number("distance"),
            screen[0] / centimetres[0] if screen and centimetres else None,
            self.number("pixels_per_degree"),
            int(self.one("first_pixel", ("0", "1"), "0")),
        )
