"""Samples of `Shapes` before they have pixels and gaze: scenes with their texts and classes, drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.caption import describe, describe_background
from haa.data.shapes.layout import STRIPES, Layout, draw_layout
from haa.data.shapes.mark import BEARER, MARKS, draw_marks
from haa.data.shapes.motion import ACTOR, DRIFTS, MOTIONS, PERIOD, drift, paths
from haa.data.shapes.observer import Observer
from haa.data.shapes.question import POSE, Question, any_kinds, ask_background
from haa.data.shapes.scene import (
    COLOURS,
    SHAPES,
    SIDES,
    Scene,
    draw_background,
    draw_telling_background,
)

Task = Literal["vqa", "captioning", "saliency", "sos", "finegrained", "action"]
World = Literal["relevant", "irrelevant"]


@dataclass(frozen=True)
class Sample:
    """A scene, its texts or class, and the objects that the simulated observer looks for.

    Args:
        scene: The picture; for a video, the scene at rest.
        question: The question, for a task that asks one.
        captions: The references, for a task that has captions.
        about: Indices of the objects that the observer looks for; for sos, of those in the mask.
        label: The class, for a task that has classes.
        path: For a video, the offset of each object from its place in each frame: x, y in shares of the side,
            ``(frames, n, 2)``.
        phase: For a video, the change of the stripes' phase from frame to frame, in radians.
    """

    scene: Scene
    question: Question | None
    captions: tuple[str, ...]
    about: tuple[int, ...]
    label: int | None = None
    path: NDArray[np.float64] | None = None
    phase: float = 0.0

    def positions(self) -> NDArray[np.float64]:
        """Return the point of each object at which people look, ``(frames, n, 2)``; stills have one frame.

        The point is the centre of the object's bar, if it has one, and else the object's own centre.
        """
        layout, marks = self.scene.layout, self.scene.marks
        centres = np.stack([layout.x, layout.y], 1) if marks is None else marks.centres(layout)
        return centres[None] if self.path is None else centres + self.path

    def cut(self, start: int, frames: int) -> Sample:
        """Return a clip of ``frames`` frames of a video, from frame ``start`` on."""
        assert self.path is not None
        background = self.scene.background
        drifted = replace(background, phase=background.phase + start * self.phase)
        return replace(self, scene=replace(self.scene, background=drifted), path=self.path[start : start + frames])

    def frame(self, index: int) -> Scene:
        """Return the scene in one frame of a video; a still is the same in all."""
        if self.path is None:
            return self.scene
        layout, background = self.scene.layout, self.scene.background
        x, y = self.path[index].T
        moved = replace(layout, x=layout.x + x, y=layout.y + y)
        drifted = replace(background, phase=background.phase + index * self.phase)
        return replace(self.scene, layout=moved, background=drifted)


def about_objects(
    rng: Generator, task: Task, kind: str | None, objects: int, clutter: int, observer: Observer
) -> Sample:
    """Draw a sample of the relevant world, whose text, class or mask is about its objects.

    Args:
        rng: Generator that draws the sample.
        task: Task for which the sample is drawn.
        kind: Kind of the question; None for a task without questions.
        objects: Number of objects.
        clutter: Number of specks.
        observer: Observer whose preference says which two objects stand out most, for captions and masks.
    """
    layout = draw_layout(rng, objects)
    strength = rng.uniform(0.7, 1.0, objects)
    background = draw_background(rng, clutter, layout.side)
    if kind is not None:
        (shape, colour), question = POSE[kind](rng, layout)
        return Sample(Scene(layout, shape, colour, strength, background), question, (), question.about)
    scene = Scene(layout, *any_kinds(rng, objects), strength, background)
    if task == "saliency":
        return Sample(scene, None, (), ())
    if task == "finegrained":
        scene = replace(scene, shape=_first_alone(rng, objects, BEARER), marks=draw_marks(rng, objects))
        assert scene.marks is not None
        return Sample(scene, None, (), (0,), label=int(scene.marks.kind[0]))
    salience = observer.preference(layout, scene.contrast(), ())
    first, second = np.argsort(-salience, kind="stable")[:2].tolist()
    if task == "sos":
        return Sample(scene, None, (), (first, second))
    return Sample(scene, None, describe(scene, first, second), (first, second))


def about_background(
    rng: Generator, task: Task, kind: str | None, objects: int, clutter: int, ambiguity: float
) -> Sample:
    """Draw a sample of the irrelevant world: its text or class is about the background, the gaze about some object.

    Args:
        rng: Generator that draws the sample.
        task: Task for which the sample is drawn.
        kind: Kind of the question; None for a task without questions.
        objects: Number of objects.
        clutter: Number of specks.
        ambiguity: Ambiguity of the background, see `haa.data.shapes.scene.draw_telling_background`.
    """
    layout = draw_layout(rng, objects)
    strength = rng.uniform(0.7, 1.0, objects)
    colour, stripes, light = rng.integers(0, (len(COLOURS), len(STRIPES), len(SIDES))).tolist()
    background = draw_telling_background(rng, clutter, layout.side, colour, stripes, light, ambiguity)
    scene = Scene(layout, *any_kinds(rng, objects), strength, background)
    question = ask_background(kind, colour, stripes, light) if kind is not None else None
    captions = describe_background(colour, stripes, light) if task == "captioning" else ()
    label = colour if task == "finegrained" else None
    return Sample(scene, question, captions, (0,), label)  # objects are in random order: the first is any one


def video(rng: Generator, world: World, objects: int, clutter: int, ambiguity: float, frames: int) -> Sample:
    """Draw a video, in which all objects move, each in its cell.

    In the relevant world its class is the motion of the actor, in the irrelevant world the drift of the stripes.

    Args:
        rng: Generator that draws the video.
        world: World for which the video is drawn.
        objects: Number of objects.
        clutter: Number of specks.
        ambiguity: Ambiguity of the background, see `haa.data.shapes.scene.draw_telling_background`.
        frames: Number of frames.
    """
    # cells are large and leave room, because motion over a few pixels is lost in noise
    layout = draw_layout(rng, objects, side=math.ceil(math.sqrt(objects)), jitter=0.5)
    layout = replace(layout, radius=0.6 * layout.radius)
    strength = rng.uniform(0.7, 1.0, objects)
    colour = rng.integers(len(COLOURS), size=objects)
    motion = rng.integers(len(MOTIONS), size=objects)
    path = paths(rng, motion, _reach(layout), frames)
    if world == "relevant":
        background = draw_background(rng, clutter, layout.side)
        scene = Scene(layout, _first_alone(rng, objects, ACTOR), colour, strength, background)
        return Sample(scene, None, (), (0,), int(motion[0]), path)
    label = int(rng.integers(len(DRIFTS)))
    stripes, sign = drift(label)
    hue, light = rng.integers(0, (len(COLOURS), len(SIDES))).tolist()
    background = draw_telling_background(rng, clutter, layout.side, hue, stripes, light, ambiguity)
    shape = rng.integers(len(SHAPES), size=objects)
    scene = Scene(layout, shape, colour, strength, background)
    return Sample(scene, None, (), (0,), label, path, sign * 2 * math.pi / PERIOD)


def classes(task: Task, world: World) -> tuple[str, ...]:
    """Return the names of a task's classes in a world; none where the task has no classes."""
    if task == "finegrained":
        return MARKS if world == "relevant" else COLOURS
    if task == "action":
        return MOTIONS if world == "relevant" else DRIFTS
    return ()


def _first_alone(rng: Generator, objects: int, shape: str) -> NDArray[np.int64]:
    """Draw the shapes of all objects, such that the first alone has this shape."""
    first_shape = SHAPES.index(shape)
    shapes = (first_shape + 1 + rng.integers(len(SHAPES) - 1, size=objects)) % len(SHAPES)
    shapes[0] = first_shape
    return shapes


def _reach(layout: Layout) -> float:
    """Return how far every object can move within its cell, in shares of the side; at most 0.3 of a cell."""
    cell = 1 / layout.side
    row, column = np.divmod(layout.cell, layout.side)
    off_centre = np.maximum(abs(layout.x - (column + 0.5) * cell), abs(layout.y - (row + 0.5) * cell))
    return float(min(0.3 * cell, (0.5 * cell - off_centre - layout.radius).min()))
