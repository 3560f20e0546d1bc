"""Page of what was imported: all points on the screen, each picture with its gaze, each person's quality."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw

import haa
from haa.data.files.image import read_image
from haa.printing.pages import template
from haa.recordings.clean import outside
from haa.recordings.gather import Imported
from haa.recordings.mapping import Points
from haa.recordings.options import Options
from haa.recordings.pictures import Pictures

SIDE = 320
"""Longer side of a picture on the page, in pixels."""
MANY = 120
"""Most pictures that are drawn."""
MARGIN = 0.12
"""Border around a picture on which points off it show, as a share of its longer side."""
COLOURS = ("#e6550d", "#3182bd", "#31a354", "#756bb1", "#d4b106", "#17becf", "#e377c2", "#8c564b", "#2ca02c", "#9467bd")


@dataclass(frozen=True)
class Overlay:
    """A picture with the gaze on it."""

    name: str
    source: str
    text: str


def page(imported: Imported, options: Options) -> str:
    """Return the page, which needs no network."""
    kept = imported.kept
    images = sorted(set(imported.before.image.tolist()))
    shown = [images[int(i)] for i in np.linspace(0, len(images) - 1, min(len(images), MANY))]
    sigma = f" data.sigma={imported.sigma:.4f}" if imported.sigma is not None else ""
    return template("haa.recordings").render(
        title=f"haa data import: {options.output.name}",
        points=len(kept),
        all=len(imported.before),
        people=imported.people,
        with_gaze=len(set(kept.image.tolist())),
        pictures=len(images),
        counts=imported.counts.most_common(),
        mistakes=imported.found,
        recordings=imported.recordings,
        screen=_screen(imported),
        on_screen=bool(np.isfinite(imported.before.screen).any()),
        overlays=_overlays(imported.before, imported.pictures, shown),
        unit="degrees" if imported.degree else "pixels of the screen",
        check=f"haa data check data=folder data.root={options.output}{sigma}",
        version=haa.__version__,
    )


@matplotlib.rc_context({"text.parse_math": False, "font.size": 8})
def _screen(imported: Imported) -> str:
    """Return all points with the frames of the pictures drawn in: on the screen, else relative to the pictures."""
    before = imported.before
    off = outside(before)
    figure = Figure(figsize=(8.4, 4.9), layout="constrained")
    axis = figure.subplots()
    if np.isfinite(before.screen).any():
        points, frames = before.screen, before.frame[np.isfinite(before.frame).all(1)]
        unique = np.unique(frames.round(1), axis=0)[:200]
        if imported.screen:
            axis.add_patch(Rectangle((-0.5, -0.5), *imported.screen, fill=False, edgecolor="#555", linewidth=1.5))
        edges = [*unique, *([(0, 0, *imported.screen)] if imported.screen else [])]
    else:
        points, unique = (before.xy + 0.5) / before.size, np.array([[0.0, 0.0, 1.0, 1.0]])
        edges = [*unique]
    for left, top, width, height in unique:
        axis.add_patch(
            Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="#3182bd", linewidth=1.2)
        )
    for rows, colour, label in ((~off, "#222", "on a picture"), (off, "#d62728", "off it")):
        chosen = points[rows & np.isfinite(points).all(1)]
        chosen = chosen[:: max(1, len(chosen) // 20_000)]
        label = f"{label} ({int((rows & np.isfinite(points).all(1)).sum())})"
        axis.scatter(chosen[:, 0], chosen[:, 1], s=5, c=colour, alpha=0.35, linewidths=0, label=label)
    low = np.min([edge[:2] for edge in edges], axis=0)
    high = np.max([(edge[0] + edge[2], edge[1] + edge[3]) for edge in edges], axis=0)
    margin = 0.08 * (high - low).max()
    seen = points[np.isfinite(points).all(1)]
    if len(seen):  # so that points that are far off show, but a few wild ones do not shrink the rest
        low, high = np.minimum(low, np.quantile(seen, 0.01, 0)), np.maximum(high, np.quantile(seen, 0.99, 0))
    axis.set_xlim(low[0] - margin, high[0] + margin)
    axis.set_ylim(high[1] + margin, low[1] - margin)
    axis.set_aspect("equal")
    axis.legend(loc="upper right", markerscale=2.5, framealpha=0.9)
    file = io.BytesIO()
    figure.savefig(file, dpi=110, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _overlays(before: Points, pictures: Pictures, images: list[str]) -> list[Overlay]:
    names = {name: n for n, name in enumerate(sorted(set(before.subject.tolist())))}
    out = []
    for image in images:
        rows = np.flatnonzero((before.image == image) & np.isfinite(before.xy).all(1))
        part = before.take(rows)
        off = int(outside(part).sum())
        colours = [COLOURS[names[name] % len(COLOURS)] for name in part.subject.tolist()]
        text = f"{len(part)} points of {len(set(part.subject.tolist()))} people" + (f", {off} off" if off else "")
        out.append(
            Overlay(image, _drawn(read_image(pictures.root / image).permute(1, 2, 0).numpy(), part, colours), text)
        )
    return out


def _drawn(pixels: np.ndarray, part: Points, colours: list[str]) -> str:
    h, w = pixels.shape[:2]
    scale = SIDE / max(h, w)
    border = round(MARGIN * SIDE)
    size = max(1, round(w * scale)), max(1, round(h * scale))
    canvas = Image.new("RGB", (size[0] + 2 * border, size[1] + 2 * border), "#9a9a9a")
    canvas.paste(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), (border, border))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((border - 1, border - 1, border + size[0], border + size[1]), outline="#3182bd")
    for (x, y), colour in zip(((part.xy + 0.5) * scale + border).tolist(), colours, strict=True):
        if -9 < x < canvas.width + 9 and -9 < y < canvas.height + 9:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour, outline="white")
    file = io.BytesIO()
    canvas.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
