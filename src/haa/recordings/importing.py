"""Command `haa data import`: from an eye tracker's exports and the pictures that were shown to a data set."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import haa
from haa.disk import built_new, check_new, write_whole
from haa.errors import writing
from haa.printing.console import Console
from haa.printing.progress import progress
from haa.recordings.gather import Imported, gather
from haa.recordings.mapping import Points
from haa.recordings.options import Options
from haa.recordings.page import page
from haa.recordings.pictures import Pictures


def import_recordings(options: Options, words: Sequence[str] = ()) -> bool:
    """Write the data set, its page and its record, and return whether no mistake is certain.

    Args:
        options: What is imported, how, and where it goes.
        words: The command's words, for the record.

    Raises:
        InputError: If something cannot be read or placed, or nothing is left.
    """
    console = Console()
    output = options.output
    check_new(output)
    pictures = Pictures(options.images)
    imported = gather(options, pictures)
    with built_new(output) as folder:
        names = pictures.paths if options.unseen else sorted(set(imported.kept.image.tolist()))
        _bring(pictures, names, folder / "images", options.link)
        write_whole(folder / "fixations.csv", table(imported.kept))
        write_whole(folder / "import.json", record(imported, options, words))
        write_whole(folder / "import.html", page(imported, options))
    _say(console, imported, options, len(names))
    return not any(mistake.certain for mistake in imported.found)


def _bring(pictures: Pictures, names: Sequence[str], folder: Path, link: bool) -> None:
    with progress() as bar, writing(folder):
        for name in bar.track(names, description="linking" if link else "copying"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if link:
                target.symlink_to((pictures.root / name).resolve())
            else:
                shutil.copyfile(pictures.root / name, target)


def table(kept: Points) -> str:
    """Return fixations.csv: a picture's people one after the other, in the order in which they looked."""
    timed = bool(np.isfinite(kept.duration).any())
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["image", "x", "y", "subject", *["duration"] * timed])
    order = np.lexsort((np.arange(len(kept)), kept.subject.astype(str), kept.image.astype(str)))
    for row in order.tolist():
        x, y = (f"{value:.3f}".rstrip("0").rstrip(".") for value in kept.xy[row])
        known = bool(np.isfinite(kept.duration[row]))
        duration = [f"{kept.duration[row]:g}" if known else ""] if timed else []
        writer.writerow([kept.image[row], x, y, kept.subject[row], *duration])
    return file.getvalue()


def record(imported: Imported, options: Options, words: Sequence[str]) -> str:
    """Return import.json: what was done, of which files, and what was left out."""
    exports = [
        {
            "path": str(recording.path),
            "sha256": hashlib.sha256(recording.path.read_bytes()).hexdigest(),
            "layout": recording.layout,
            "recognised": recording.notes,
        }
        for recording in imported.recordings
    ]
    content = {
        "haa": haa.__version__,
        "words": list(words),
        "exports": exports,
        "images": str(options.images),
        "points": len(imported.before),
        "kept": len(imported.kept),
        "left_out": dict(imported.counts),
        "mistakes": {mistake.name: str(mistake) for mistake in imported.found},
        "sigma": imported.sigma,
        "people": [vars(person) for person in imported.people],
    }
    return json.dumps(content, indent=2, default=str) + "\n"


def _say(console: Console, imported: Imported, options: Options, pictures: int) -> None:
    for recording in imported.recordings[:3]:
        console.print(recording.path.name, style="bold")
        for note in recording.notes:
            console.print(f"    {note}", soft_wrap=True)
    if len(imported.recordings) > 3:
        console.print(f"    ... and {len(imported.recordings) - 3} more exports, on the page")
    kept = imported.kept
    seen = len(set(kept.image.tolist()))
    said = f"{len(kept)} points of {len(set(kept.subject.tolist()))} people on {seen} of {pictures} pictures"
    console.print(said, style="bold")
    for reason, count in imported.counts.most_common():
        console.print(f"    {count} x {reason}", soft_wrap=True)
    for mistake in imported.found:
        style = "bold red" if mistake.certain else "bold yellow"
        console.print(f"{mistake.name}{'' if mistake.certain else '?'} {mistake}", style=style, soft_wrap=True)
    console.print(f"page: {options.output / 'import.html'}", soft_wrap=True)
    sigma = f" data.sigma={imported.sigma:.4f}" if imported.sigma is not None else ""
    console.print(f"next: haa data check data=folder data.root={options.output}{sigma}", soft_wrap=True)
