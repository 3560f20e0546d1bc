"""The words of ``haa data import``, each with the sentence that its help says; quick to import."""

from __future__ import annotations

from collections.abc import Mapping

NAMED = ("x", "y", "image", "subject", "trial", "duration", "time", "valid", "left", "top", "width", "height")
"""What ``columns.NAME=`` may name."""

HELP: Mapping[str, str] = {
    "images": "Folder of the pictures that were shown, at any depth.",
    "output": "New folder that the data set goes to.",
    "screen": "Size of the screen in pixels, 1920x1080. Default: what the export says.",
    "shown": "How pictures were shown: fit (as large as the screen holds), fill (covering it), stretch, pixels (their "
    "own size), 800x600 (this size) or 0.5 (this scale). Default: what the export says.",
    "box": "Part of the screen, 1024x768, that fit, fill and stretch mean. Default: all of it.",
    "position": "Left and top of the shown picture on the screen, 240,0. Default: center.",
    "of": "What coordinates are relative to: screen or picture. Default, as of the next: the layout's.",
    "units": "pixels, share (0 to 1), percent, norm (-1 to 1), height (PsychoPy's) or degrees.",
    "origin": "Where x and y are 0: upper-left, lower-left or center.",
    "y": "Direction in which y grows: down or up.",
    "first_pixel": "0 or 1: what pixels count from. Default: 0.",
    "distance": "Distance between eyes and screen in centimetres; with screen_cm it gives degrees, and data.sigma.",
    "screen_cm": "Size of the screen in centimetres, 53x30.",
    "pixels_per_degree": "Pixels of the screen in a degree, in the place of both.",
    "columns.NAME": "Name of the column that holds NAME: " + ", ".join(NAMED) + ".",
    "valid": "Values of columns.valid= at rows that count, 0,1. Default: 1,true,yes,valid.",
    "layout": "Layout of the export, where it is not recognised.",
    "image": "Picture that all gaze of the exports is on, where they do not say.",
    "subject": "Person whose gaze the exports hold, where they do not say.",
    "eye": "both (the mean of samples; of fixations the left eye's), left or right.",
    "message": "Regular expression, with a group, of messages that name the picture that is shown from then on.",
    "message_end": "Regular expression of messages that end a showing.",
    "detect": "How fixations are found in samples: ivt, idt, microsaccades, or none: each sample is a point.",
    "velocity": "Threshold of ivt in degrees a second. Default: 30.",
    "dispersion": "Threshold of idt in degrees. Default: 1.",
    "outside": "Glances off the picture: drop, keep or edge (moved to it). Default: drop.",
    "first_fixation": "keep or drop the first fixation of each trial. Default: keep.",
    "shortest": "Least duration of a fixation in milliseconds. Default: none; of detected ones 60.",
    "longest": "Greatest duration of a fixation in milliseconds. Default: none.",
    "untimed": "keep or drop fixations without a duration, where others have one. Default: keep.",
    "zeros": "Points at exactly 0, 0 in a corner: lost or keep. Default: lost.",
    "files": "copy or link pictures. Default: copy.",
    "unseen": "keep or drop pictures that nobody looked at. Default: keep.",
}
"""What each word means."""

KEYS: Mapping[str, str] = {
    **{key: sentence for key, sentence in HELP.items() if key != "columns.NAME"},
    **{f"columns.{name}": "" for name in NAMED},
}
"""Every word that the command takes."""
