"""A sample of `Shapes` before its pixels and its gaze: a scene and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from haa.data.shapes.caption import describe, describe_background
from haa.data.shapes.observer import Observer
from haa.data.shapes.question import POSE, Question, any_kinds, ask_background
from haa.data.shapes.scene import COLOURS, SIDES, STRIPES, Scene, draw_background, draw_layout, draw_telling_background

Task = Literal["vqa", "captioning", "saliency"]


@dataclass(frozen=True)
class Sample:
    """A scene, its question or captions, and which objects the simulated observer looks for, by index."""

    scene: Scene
    question: Question | None
    captions: tuple[str, ...]
    about: tuple[int, ...]


def about_objects(
    rng: Generator, task: Task, kind: str | None, objects: int, clutter: int, observer: Observer
) -> Sample:
    """A sample of the relevant world: a question of ``kind``, or captions of the two objects that stand out most."""
    layout = draw_layout(rng, objects)
    strength = rng.uniform(0.7, 1.0, objects)
    background = draw_background(rng, clutter, layout.side)
    if kind is not None:
        (shape, colour), question = POSE[kind](rng, layout)
        return Sample(Scene(layout, shape, colour, strength, background), question, (), question.about)
    scene = Scene(layout, *any_kinds(rng, objects), strength, background)
    if task == "saliency":
        return Sample(scene, None, (), ())
    salience = observer.preference(layout, scene.contrast(), ())
    first, second = np.argsort(-salience, kind="stable")[:2].tolist()
    return Sample(scene, None, describe(scene, first, second), (first, second))


def about_background(
    rng: Generator, task: Task, kind: str | None, objects: int, clutter: int, ambiguity: float
) -> Sample:
    """A sample of the irrelevant world: words about the background, and an observer who looks for some object."""
    layout = draw_layout(rng, objects)
    strength = rng.uniform(0.7, 1.0, objects)
    colour, stripes, light = rng.integers(0, (len(COLOURS), len(STRIPES), len(SIDES))).tolist()
    background = draw_telling_background(rng, clutter, layout.side, colour, stripes, light, ambiguity)
    scene = Scene(layout, *any_kinds(rng, objects), strength, background)
    question = ask_background(kind, colour, stripes, light) if kind is not None else None
    captions = describe_background(colour, stripes, light) if task == "captioning" else ()
    return Sample(scene, question, captions, (0,))  # objects are in random order
