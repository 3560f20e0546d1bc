"""The samples that are worth a look: where each model does best and worst, and where models differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from haa.conditions.condition import published_map
from haa.printing.plain import short
from haa.reporting.gallery import Cell, data_uri, overlay
from haa.scoring.files import MapFile
from haa.scoring.ground_truth import human_map
from haa.scoring.scores import Scores

MODELS = 5
"""Most models whose best and worst samples are shown, the best first."""
BESIDE = 8
"""Most models whose results stand beside each other."""
DOTS = 400
"""Most fixations that are drawn, evenly spaced."""
LABEL, TEXT = 40, 300
"""Characters of the longest name, and of the longest text."""
SIDE = 320
"""Longer side of a picture before its map is laid over it, in pixels."""


@dataclass(frozen=True)
class Sample:
    """One sample: its name, and its pictures side by side."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True)
class Section:
    """Samples that one rule chose."""

    heading: str
    samples: list[Sample]


def sections(scores: Scores, each: int) -> list[Section]:
    """Return the best and the worst samples of each model by the first metric, and those at which models differ most.

    Args:
        scores: The table, with its data set and results.
        each: Number of samples of each kind.

    Raises:
        InputError: If a picture or a map cannot be read.
    """
    if scores.dataset is None or not scores.results:
        return []
    metric = next(iter(scores.metrics))
    label = scores.metrics[metric].label
    sign = 1 if scores.metrics[metric].higher_is_better else -1
    models = [row for row in scores.sorted_rows(metric) if row.kind == "model"]
    drawn = _Drawn(scores, metric)
    out = []
    if len(models) > 1:
        table = np.stack([row.values[metric] for row in models])
        spread = table.max(0) - table.min(0)
        names = [row.name for row in models[:BESIDE]]
        out.append(Section(f"Where models differ most in {label}", drawn.samples(_top(spread, each), names)))
    for row in models[:MODELS]:
        values = sign * row.values[metric]
        for word, chosen in (("best", _top(values, each)), ("worst", _top(-values, each))):
            out.append(Section(f"{short(row.name, LABEL)}: {word} by {label}", drawn.samples(chosen, [row.name])))
    return [section for section in out if section.samples]


def _top(values: NDArray[np.float64], each: int) -> list[int]:
    known = np.flatnonzero(np.isfinite(values))
    return known[np.argsort(-values[known], kind="stable")][:each].tolist()


class _Drawn:
    """Draws samples; each picture once."""

    def __init__(self, scores: Scores, metric: str) -> None:
        self.scores, self.metric = scores, metric
        self._pictures: dict[int, tuple[list[Cell], Image.Image]] = {}

    def samples(self, places: Sequence[int], models: Sequence[str]) -> list[Sample]:
        return [self._sample(place, models) for place in places]

    def _sample(self, place: int, models: Sequence[str]) -> Sample:
        if place not in self._pictures:
            self._pictures[place] = self._known(place)
        cells, picture = self._pictures[place]
        return Sample(self.scores.ids[place], [*cells, *(self._result(name, place, picture) for name in models)])

    def _known(self, place: int) -> tuple[list[Cell], Image.Image]:
        """Return the picture and what people did with it."""
        scores, index = self.scores, self.scores.indices[place]
        assert scores.dataset is not None
        sample = scores.dataset[index]
        pixels = sample["image"] if "image" in sample else sample["clip"][len(sample["clip"]) // 2]
        whole = Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
        picture = whole.copy()
        picture.thumbnail((SIDE, SIDE))
        name = scores.ids[place]
        if scores.task == "sos":
            mask = np.asarray(sample["mask"], float)
            return [_cell("image", picture, name), _cell("mask", overlay(picture, mask), name)], picture
        if scores.task != "saliency":
            said = sample.get("captions") or sample.get("answers") or []
            caption = " / ".join([*([sample["question"]] if "question" in sample else []), *dict.fromkeys(said)])
            return [_cell("image", picture, name, short(caption, TEXT))], picture
        gaze = sample["gaze"]
        if gaze is None:
            published = published_map(scores.dataset, index)
            human: Any = None if published is None else published.numpy()
            cells = [_cell("image", picture, name)]
        else:
            human = human_map(gaze, scores.sigma or 0.03)[0].numpy()
            cells = [_cell("image, fixations", _with_fixations(picture, whole.width, gaze), name)]
        if human is not None:
            cells.append(
                _cell("simulated human map" if scores.simulated else "human map", overlay(picture, human), name)
            )
        return cells, picture

    def _result(self, model: str, place: int, picture: Image.Image) -> Cell:
        result = self.scores.results[model][place]
        value = self.scores.row(model).values[self.metric][place]
        number = f"{self.scores.metrics[self.metric].label} {value:.3f}".replace("-", "\N{MINUS SIGN}")
        if isinstance(result, MapFile):
            drawn = overlay(picture, result.numbers().astype(np.float64))
            return _cell(short(model, LABEL), drawn, f"{model} at {self.scores.ids[place]}", number)
        return Cell(short(model, LABEL), "", "", f"“{short(str(result), TEXT)}” {number}")


def _cell(heading: str, picture: Image.Image, name: str, caption: str = "") -> Cell:
    return Cell(heading, data_uri(picture), short(f"{heading}: {name}", TEXT), caption)


def _with_fixations(picture: Image.Image, width: int, gaze: Any) -> Image.Image:
    canvas = picture.copy()
    draw = ImageDraw.Draw(canvas)
    points = gaze.inside().points
    every = max(1, len(points) // DOTS)
    for x, y in ((points[::every] + 0.5) * (picture.width / width)).tolist():
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill="#ffd23f", outline="black")
    return canvas
