"""Exports as the programs' documentation describes them, of gaze whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

SCREEN = (1920, 1080)
PEOPLE = ("anna", "ben", "cleo")
SIZES = ((800, 600), (600, 800), (1024, 768), (640, 640))


@dataclass(frozen=True)
class Fix:
    """One true fixation: in pixels of the picture and of the screen, which shows the picture as large as it holds."""

    image: str
    subject: str
    trial: int
    x: float
    y: float
    sx: float
    sy: float
    start: float
    duration: int


def frame(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a picture of this width and height, letterboxed."""
    scale = min(SCREEN[0] / size[0], SCREEN[1] / size[1])
    width, height = size[0] * scale, size[1] * scale
    return (SCREEN[0] - width) / 2, (SCREEN[1] - height) / 2, width, height


@dataclass
class Truth:
    """Pictures with things in them, and fixations of three people on the things."""

    folder: Path
    fixations: list[Fix]
    sizes: dict[str, tuple[int, int]]

    @property
    def images(self) -> Path:
        return self.folder / "photos"

    def trials(self) -> Iterator[tuple[str, str, int, list[Fix]]]:
        """Yield person, picture, number of the trial and its fixations."""
        for subject in PEOPLE:
            for trial, image in enumerate(self.sizes, 1):
                own = [f for f in self.fixations if (f.subject, f.image) == (subject, image)]
                yield subject, image, trial, own


def truth(folder: Path, pictures: int = 4, fixations: int = 6, seed: int = 0) -> Truth:
    """Draw pictures and fixations, one trial each person and picture, a thing in the upper left of each picture."""
    rng = np.random.default_rng(seed)
    (folder / "photos").mkdir(parents=True)
    sizes, out = {}, []
    for n in range(pictures):
        width, height = SIZES[n % len(SIZES)]
        name = f"photo {n:02}.jpg" if n == 1 else f"photo{n:02}.jpg"
        sizes[name] = width, height
        things = [(rng.uniform(0.1, 0.45) * width, rng.uniform(0.1, 0.4) * height), (0.3 * width, 0.25 * height)]
        coarse = rng.integers(60, 130, (6, 8, 3), dtype=np.uint8)  # pictures that nobody takes for one another
        pixels = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        for x, y in things:
            area = pixels[int(y) - 40 : int(y) + 40, int(x) - 40 : int(x) + 40]
            area[:] = rng.integers(0, 255, area.shape, dtype=np.uint8)
        picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1))
        picture.save(folder / "photos" / name, quality=70)
        left, top, shown, _ = frame((width, height))
        scale = shown / width
        for subject in PEOPLE:
            start = 1000.0 * (n + 1)
            for _ in range(fixations):
                on = (
                    things[rng.integers(2)]
                    if rng.uniform() < 0.7
                    else (rng.uniform(0.3, 0.95) * width, rng.uniform(0.3, 0.97) * height)
                )
                x, y = np.clip(np.array(on) + rng.normal(0, 12, 2), 2, np.array([width, height]) - 3).round(1)
                duration = int(rng.integers(100, 140))
                sx, sy = (x + 0.5) * scale - 0.5 + left, (y + 0.5) * scale - 0.5 + top
                out.append(Fix(name, subject, n + 1, x, y, sx, sy, start, duration))
                start += duration + 20
    return Truth(folder, out, sizes)


def comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def tobii(t: Truth) -> list[str]:
    """Tobii Pro Lab's single tsv of samples, in UTF-16 with a decimal comma: 120 samples a second, all people's."""
    names = ["Recording timestamp [ms]", "Participant name", "Recording name", "Recording resolution width"]
    names += [
        "Recording resolution height",
        "Presented Stimulus name",
        "Presented Media width",
        "Presented Media height",
    ]
    names += ["Presented Media position X (DACSpx)", "Presented Media position Y (DACSpx)", "Eye movement type"]
    names += [
        "Gaze event duration [ms]",
        "Eye movement type index",
        "Fixation point X [DACS px]",
        "Fixation point Y [DACS px]",
    ]
    lines = ["\t".join(names)]
    for subject, image, trial, fixations in t.trials():
        left, top, width, height = (comma(side) for side in frame(t.sizes[image]))
        same = [subject, f"Recording {subject}", "1920", "1080", image, width, height, left, top]
        for index, f in enumerate(fixations, 1):
            for k in range(0, f.duration, 8):
                row = [
                    comma(f.start + k),
                    *same,
                    "Fixation",
                    str(f.duration),
                    str(100 * trial + index),
                    comma(f.sx),
                    comma(f.sy),
                ]
                lines.append("\t".join(row))
            lines.append("\t".join([comma(f.start + f.duration), *same, "EyesNotFound", "20", str(index), "", ""]))
        lines.append("\t".join(["9999", *same[:4], *[""] * 5, "Unclassified", "20", "1", "", ""]))
    path = t.folder / "tobii.tsv"
    path.write_text("\r\n".join(lines) + "\r\n", "utf-16")
    return [str(path)]


def eyelink(t: Truth) -> list[str]:
    """EyeLink Data Viewer's fixation report, with a dot for what is missing."""
    lines = [
        "RECORDING_SESSION_LABEL\tTRIAL_INDEX\tCURRENT_FIX_INDEX\tCURRENT_FIX_START\tCURRENT_FIX_DURATION\t"
        "CURRENT_FIX_X\tCURRENT_FIX_Y\tscene_picture"
    ]
    for subject, image, trial, fixations in t.trials():
        for n, f in enumerate(fixations, 1):
            lines.append(
                f"{subject}\t{trial}\t{n}\t{f.start:.0f}\t{f.duration}\t{f.sx:.2f}\t{f.sy:.2f}\timages\\{image}"
            )
        lines.append(f"{subject}\t{trial}\t99\t.\t.\t.\t.\timages\\{image}")
    path = t.folder / "report.xls.txt"
    path.write_text("\n".join(lines) + "\n")
    return [str(path), "screen=1920x1080", "shown=fit"]


def samples(fixations: list[Fix], step: float) -> Iterator[tuple[float, float, float]]:
    """Yield time and place of samples at rest in each fixation, and lost ones between them."""
    for f in fixations:
        count = int(f.duration / step) + 1
        for k in range(count):
            yield f.start + k * step, f.sx, f.sy
        for k in range(count, int((f.duration + 20) / step)):
            yield f.start + k * step, float("nan"), float("nan")


def eyelink_samples(t: Truth) -> list[str]:
    """EyeLink Data Viewer's sample report, both eyes, 500 samples a second."""
    lines = [
        "RECORDING_SESSION_LABEL\tTRIAL_INDEX\tTIMESTAMP\tLEFT_GAZE_X\tLEFT_GAZE_Y\tRIGHT_GAZE_X\tRIGHT_GAZE_Y\timage"
    ]
    for subject, image, trial, fixations in t.trials():
        for time, x, y in samples(fixations, 2):
            left, right = (f"{x - 3:.2f}\t{y:.2f}", f"{x + 3:.2f}\t{y:.2f}") if x == x else (".\t.", ".\t.")
            lines.append(f"{subject}\t{trial}\t{time:.1f}\t{left}\t{right}\t{image}")
    path = t.folder / "samples.txt"
    path.write_text("\n".join(lines) + "\n")
    return [str(path), "screen=1920x1080", "shown=fit", "detect=ivt", "pixels_per_degree=40"]


def asc(t: Truth) -> list[str]:
    """EyeLink's .asc, a file for each person, with messages for Data Viewer."""
    files = []
    for person in PEOPLE:
        lines = [
            "** CONVERTED FROM x.edf using edfapi 4.2",
            "** TYPE: EDF_FILE BINARY EVENT SAMPLE TAGGED",
            "**",
            "MSG\t10 DISPLAY_COORDS 0 0 1919 1079",
            "MSG\t11 RECCFG CR 500 2 1 L",
            "MSG\t12 GAZE_COORDS 0.00 0.00 1919.00 1079.00",
        ]
        for subject, image, trial, fixations in t.trials():
            if subject != person:
                continue
            left, top, width, height = frame(t.sizes[image])
            begin = int(fixations[0].start)
            lines += [f"MSG\t{begin - 40} TRIALID {trial}", f"START\t{begin - 30} \tLEFT\tSAMPLES\tEVENTS"]
            lines += [
                "SAMPLES\tGAZE\tLEFT\tRATE\t 500.00\tTRACKING\tCR\tFILTER\t2",
                f"EFIX L   {begin - 25}\t{begin - 5}\t20\t  960.0\t  540.0\t   900",
            ]
            center = f"{left + width / 2:.0f} {top + height / 2:.0f} {width:.0f} {height:.0f}"
            lines.append(f"MSG\t{begin} !V IMGLOAD CENTER images/{image.replace(' ', '_')} {center}")
            for f in fixations:
                lines.append(f"SFIX L   {f.start:.0f}")
                for time, x, y in samples([f], 2):
                    lines.append(
                        f"{time:.0f}\t  {x:.1f}\t  {y:.1f}\t  900.0\t..."
                        if x == x
                        else f"{time:.0f}\t   .\t   .\t    0.0\t..."
                    )
                end = f.start + f.duration
                lines.append(f"EFIX L   {f.start:.0f}\t{end:.0f}\t{f.duration}\t  {f.sx:.2f}\t  {f.sy:.2f}\t   900")
            lines += [
                f"MSG\t{begin + 950} TRIAL_RESULT 0",
                f"END\t{begin + 951} \tSAMPLES\tEVENTS\tRES\t  40.00\t  40.00",
            ]
        path = t.folder / "asc" / f"{person}.asc"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        files.append(str(path))
    return [str(t.folder / "asc")]


def begaze(t: Truth) -> list[str]:
    """SMI BeGaze's event statistics, tabs, one table."""
    lines = [
        "Trial\tStimulus\tParticipant\tEye L/R\tCategory\tEvent Start Trial Time [ms]\tEvent Duration [ms]\t"
        "Fixation Position X [px]\tFixation Position Y [px]"
    ]
    for subject, image, trial, fixations in t.trials():
        for f in fixations:
            for eye, shift in (("Left", 0), ("Right", 4)):
                lines.append(
                    f"Trial{trial:03}\t{image}\t{subject}\t{eye}\tVisual Intake\t{f.start}\t{f.duration}\t"
                    f"{f.sx + shift:.2f}\t{f.sy:.2f}"
                )
            lines.append(f"Trial{trial:03}\t{image}\t{subject}\tLeft\tSaccade\t{f.start + 90}\t20\t-\t-")
    path = t.folder / "Event Statistics - Single.txt"
    path.write_text("\n".join(lines) + "\n", "utf-8-sig")
    return [str(path), "screen=1920x1080", "shown=fit"]


def begaze_raw(t: Truth) -> list[str]:
    """SMI BeGaze's raw data, a file for each person, in microseconds, with its events."""
    for person in PEOPLE:
        lines = [
            "## [BeGaze]",
            f"## Subject:\t{person}",
            "## Calibration Area:\t1920\t1080",
            "## Sample Rate:\t250",
            "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tL Pupil Diameter [mm]\tL Event Info\tStimulus",
        ]
        for subject, image, trial, fixations in t.trials():
            if subject == person:
                for time, x, y in samples(fixations, 4):
                    place = f"{x:.2f}\t{y:.2f}\t3.1\tFixation" if x == x else "0.00\t0.00\t0.0\tBlink"
                    lines.append(f"{1000 * time:.0f}\tSMP\t{trial}\t{place}\t{image}")
        path = t.folder / "smi" / f"{person}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return [str(t.folder / "smi"), "shown=fit"]


def idf_events(t: Truth) -> list[str]:
    """SMI's older export of events (IDF Event Detector), a file for each person, with a table for each kind."""
    for person in PEOPLE:
        lines = [
            "[iView]",
            "Converted from:\tC:\\x.idf",
            "Version:\tIDF Event Detector 3.0.17",
            f"Subject:\t{person}",
            "",
        ]
        lines += [
            "Table Header for Fixations:",
            "Event Type\tTrial\tNumber\tStart\tEnd\tDuration\tLocation X\tLocation Y\tDispersion X\tDispersion Y\t"
            "Plane\tAvg. Pupil Size X\tAvg Pupil Size Y",
            "",
            "Table Header for Saccades:",
            "Event Type\tTrial\tNumber\tStart\tEnd\tDuration\tStart Loc.X\tStart Loc.Y\tEnd Loc.X\tEnd Loc.Y",
            "",
            "Table Header for User Events:",
            "Event Type\tTrial\tNumber\tStart\tDescription",
            "",
        ]
        for subject, image, trial, fixations in t.trials():
            if subject != person:
                continue
            begin = int(1000 * fixations[0].start)
            cross = f"Fixation L\t{trial}\t1\t{begin - 900}\t{begin - 400}\t500\t960.00\t540.00\t9\t9\t-1\t17.1\t17.1"
            lines += [cross, f"UserEvent\t{trial}\t1\t{begin - 10}\t# Message: {image}"]
            for n, f in enumerate(fixations, 2):
                start, duration = 1000 * int(f.start), 1000 * f.duration
                for eye, shift in (("L", 0), ("R", 4)):
                    place = f"{start}\t{start + duration}\t{duration}\t{f.sx + shift:.2f}\t{f.sy:.2f}"
                    lines.append(f"Fixation {eye}\t{trial}\t{n}\t{place}\t22\t69\t-1\t17.16\t17.16")
                lines.append(f"Saccade L\t{trial}\t{n}\t{start}\t{start + 9}\t9\t1.00\t1.00\t2.00\t2.00")
        path = t.folder / "idf" / f"{person} Events.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\r\n".join(lines) + "\r\n")
    return [str(t.folder / "idf"), "screen=1920x1080", "shown=fit"]


def pupil(t: Truth) -> list[str]:
    """Pupil Player's fixations on surfaces: normalised, y up, a row for each frame of the world video."""
    for subject, image, _, fixations in t.trials():
        folder = t.folder / "pupil" / subject / "exports" / "000" / "surfaces"
        folder.mkdir(parents=True, exist_ok=True)
        width, height = t.sizes[image]
        lines = [
            "world_timestamp,world_index,fixation_id,start_timestamp,duration,dispersion,norm_pos_x,norm_pos_y,"
            "x_scaled,y_scaled,on_surf"
        ]
        for n, f in enumerate(fixations):
            u, v = (f.x + 0.5) / width, 1 - (f.y + 0.5) / height
            for k in (-1, 1):
                lines.append(
                    f"{f.start / 1000 + k},{n},{n},{f.start / 1000},{f.duration},0.5,{u + k * 0.002},{v},{u},{v},True"
                )
        lines.append("99,99,99,99,100,0.5,1.4,0.5,1.4,0.5,False")
        (folder / f"fixations_on_surface_{Path(image).stem}.csv").write_text("\n".join(lines) + "\n")
    return [str(t.folder / "pupil")]


def gazepoint(t: Truth) -> list[str]:
    """Gazepoint Analysis: a file for each person, shares of the screen, seconds, a comma at the end of lines."""
    for person in PEOPLE:
        lines = [
            "MEDIA_ID,MEDIA_NAME,CNT,TIME(2026/11/29 10:00:00.000),TIMETICK(f=10000000),FPOGX,FPOGY,FPOGS,FPOGD,"
            "FPOGID,FPOGV,"
        ]
        number = 0
        for subject, image, trial, fixations in t.trials():
            for f in fixations if subject == person else ():
                number += 1
                u, v = (f.sx + 0.5) / SCREEN[0], (f.sy + 0.5) / SCREEN[1]
                lines.append(
                    f"{trial},{Path(image).stem},1,{f.start / 1000},1,{u - 0.01:.5f},"
                    f"{v:.5f},{f.start / 1000:.5f},0.05,{number},1,"
                )
                lines.append(
                    f"{trial},{Path(image).stem},2,{f.start / 1000},2,{u:.5f},{v:.5f},"
                    f"{f.start / 1000:.5f},{f.duration / 1000:.5f},{number},1,"
                )
                lines.append(
                    f"{trial},{Path(image).stem},3,{f.start / 1000},3,0,0,{f.start / 1000:.5f},0.01,{number},0,"
                )
        path = t.folder / "gp" / f"{person}_fixations.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return [str(t.folder / "gp"), "screen=1920x1080", "shown=fit"]


def centred(f: Fix) -> tuple[float, float]:
    """Return the place as PsychoPy has it: pixels from the screen's centre, y up."""
    return f.sx - (SCREEN[0] / 2 - 0.5), (SCREEN[1] / 2 - 0.5) - f.sy


def iohub_csv(t: Truth) -> list[str]:
    """PsychoPy/ioHub's fixations as csv: seconds, pixels from the centre, y up."""
    lines = ["participant,trial_index,image,time,duration,eye,average_gaze_x,average_gaze_y"]
    for subject, image, trial, fixations in t.trials():
        for f in fixations:
            x, y = centred(f)
            lines.append(f"{subject},{trial},{image},{f.start / 1000},{f.duration / 1000},22,{x:.3f},{y:.3f}")
    path = t.folder / "iohub.csv"
    path.write_text("\n".join(lines) + "\n")
    return [str(path), "screen=1920x1080", "shown=fit"]


def iohub_hdf5(t: Truth) -> list[str]:
    """ioHub's HDF5, with a session for each person and messages that name the pictures."""
    import h5py

    fix_type = np.dtype(
        [
            ("session_id", "i4"),
            ("time", "f8"),
            ("eye", "i4"),
            ("start_time", "f8"),
            ("duration", "f8"),
            ("average_gaze_x", "f4"),
            ("average_gaze_y", "f4"),
        ]
    )
    for number, person in enumerate(PEOPLE, 1):
        rows, messages = [(number, 0.5, 22, 0.4, 0.1, 0.0, 0.0)], []
        for subject, image, _, fixations in t.trials():
            if subject == person:
                messages += [(fixations[0].start / 1000, f"show {Path(image).stem.replace(' ', '_')}.jpg".encode())]
                messages += [((fixations[-1].start + fixations[-1].duration) / 1000 + 0.001, b"image_off")]
                for f in fixations:
                    end = (f.start + f.duration) / 1000
                    rows.append((number, end, 22, f.start / 1000, f.duration / 1000, *centred(f)))
        path = t.folder / "hdf5" / f"{person}.hdf5"
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            events = file.create_group("data_collection/events")
            events.create_dataset("eyetracker/FixationEndEvent", data=np.array(rows, fix_type))
            text = np.dtype([("time", "f8"), ("text", "S128")])
            events.create_dataset("experiment/MessageEvent", data=np.array(messages, text))
            session = np.dtype([("session_id", "i4"), ("code", "S24")])
            file["data_collection"].create_dataset(
                "session_meta_data", data=np.array([(number, person.encode())], session)
            )
    return [str(t.folder / "hdf5"), "screen=1920x1080", "shown=fit"]


def gorilla(t: Truth) -> list[str]:
    """Gorilla's WebGazer predictions, in its 4:3 frame, from the lower left; 30 a second."""
    lines = [
        "filename,participant_id,spreadsheet_row,time_elapsed,type,x_pred,y_pred,x_pred_normalised,y_pred_normalised,"
        "face_conf,image"
    ]
    for subject, image, trial, fixations in t.trials():
        width, height = t.sizes[image]
        scale = min(1024 / width, 768 / height)
        left, top = (1024 - width * scale) / 2, (768 - height * scale) / 2
        lines.append(f"f,{subject},{trial},0,zone,,,,,,{image}")
        for n, f in enumerate(fixations):
            u, v = ((f.x + 0.5) * scale + left) / 1024, 1 - ((f.y + 0.5) * scale + top) / 768
            lines.append(f"f,{subject},{trial},{n * 33},prediction,1,1,{u:.6f},{v:.6f},0.9,{image}")
    path = t.folder / "gorilla.csv"
    path.write_text("\n".join(lines) + "\n")
    return [str(path), "shown=fit", "detect=none"]


def own_table(t: Truth) -> list[str]:
    """A table whose columns have to be named; semicolons, decimal commas, a line above, where the picture stood."""
    lines = ["exported by my script", "bild;wer;horizontal;vertikal;dauer_ms;l;o;b;h"]
    for subject, image, _, fixations in t.trials():
        place = ";".join(comma(side) for side in frame(t.sizes[image]))
        lines += [f"{image};{subject};{comma(f.sx)};{comma(f.sy)};{f.duration};{place}" for f in fixations]
    path = t.folder / "tabelle.csv"
    path.write_text("\n".join(lines) + "\n", "cp1252")
    named = {"image": "bild", "subject": "wer", "x": "horizontal", "y": "vertikal", "duration": "dauer_ms"}
    named |= {"left": "l", "top": "o", "width": "b", "height": "h"}
    return [str(path), *(f"columns.{key}={value}" for key, value in named.items())]


def degrees(t: Truth) -> list[str]:
    """A table in degrees of visual angle: 60 cm away from a screen that is 53 cm wide."""
    lines = ["image,subject,x,y,duration"]
    per_cm = 1920 / 53
    for subject, image, _, fixations in t.trials():
        for f in fixations:
            x, y = (np.degrees(np.arctan(value / per_cm / 60)) for value in centred(f))
            lines.append(f"{image},{subject},{x:.5f},{y:.5f},{f.duration}")
    path = t.folder / "degrees.csv"
    path.write_text("\n".join(lines) + "\n")
    return [str(path), "units=degrees", "screen=1920x1080", "screen_cm=53x30", "distance=60", "shown=fit"]


EXPORTS: dict[str, Callable[[Truth], list[str]]] = {
    "tobii": tobii,
    "eyelink": eyelink,
    "eyelink_samples": eyelink_samples,
    "asc": asc,
    "begaze": begaze,
    "begaze_raw": begaze_raw,
    "idf_events": idf_events,
    "pupil": pupil,
    "gazepoint": gazepoint,
    "iohub_csv": iohub_csv,
    "iohub_hdf5": iohub_hdf5,
    "gorilla": gorilla,
    "own_table": own_table,
    "degrees": degrees,
}
"""Each writes an export and returns the words by which it is imported."""
