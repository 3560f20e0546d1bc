"""Questions of `Shapes`, each posed together with objects for which its answers are equally likely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.layout import STRIPES, Layout
from haa.data.shapes.scene import COLOURS, SHAPES, SIDES

Kinds = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Shapes and colours of all objects."""


@dataclass(frozen=True)
class Question:
    """A question, its answer, and the objects that it is about.

    Attributes:
        kind: Kind of the question, a key of `ANSWERS`.
        text: The question.
        answer: The answer.
        about: Indices of the objects that the question is about.
    """

    kind: str
    text: str
    answer: str
    about: tuple[int, ...]


def plural(word: str) -> str:
    """Return the plural of a noun.

    Example:
        >>> plural("circle"), plural("cross")
        ('circles', 'crosses')
    """
    return word + ("es" if word.endswith("s") else "s")


def any_kinds(rng: Generator, n: int) -> Kinds:
    """Draw the shapes and colours of ``n`` objects at random, with no question in view."""
    shape, colour = rng.integers(0, (len(SHAPES), len(COLOURS)), (n, 2)).T
    return shape.copy(), colour.copy()


def _other(rng: Generator, value: int, n: int, choices: int) -> NDArray[np.int64]:
    """Draw ``n`` random choices that are not ``value``."""
    return (value + 1 + rng.integers(choices - 1, size=n)) % choices


def _colour(rng: Generator, layout: Layout) -> tuple[Kinds, Question]:
    n = len(layout.cell)
    shape, colour = any_kinds(rng, n)
    shape[1:] = _other(rng, shape[0], n - 1, len(SHAPES))
    text = f"what colour is the {SHAPES[shape[0]]}?"
    return (shape, colour), Question("colour", text, COLOURS[colour[0]], (0,))


def _shape(rng: Generator, layout: Layout) -> tuple[Kinds, Question]:
    n = len(layout.cell)
    shape, colour = any_kinds(rng, n)
    colour[1:] = _other(rng, colour[0], n - 1, len(COLOURS))
    text = f"what shape is the {COLOURS[colour[0]]} one?"
    return (shape, colour), Question("shape", text, SHAPES[shape[0]], (0,))


def _count(rng: Generator, layout: Layout) -> tuple[Kinds, Question]:
    n = len(layout.cell)
    kinds = any_kinds(rng, n)
    by_colour, count = rng.integers(0, (2, 5))
    values, names = (kinds[1], COLOURS) if by_colour else (kinds[0], SHAPES)
    asked_value = values[0]
    values[:count] = asked_value
    values[count:] = _other(rng, asked_value, n - count, len(names))
    noun = f"{names[asked_value]} shapes" if by_colour else plural(names[asked_value])
    return kinds, Question("count", f"how many {noun} are there?", str(count), tuple(range(count)))


def _exists(rng: Generator, layout: Layout) -> tuple[Kinds, Question]:
    n = len(layout.cell)
    shape, colour = any_kinds(rng, n)
    asked_shape, asked_colour, yes = int(shape[0]), int(colour[0]), bool(rng.integers(2))
    # one lure shares the shape and one the colour, so that neither alone gives the answer
    shape[n - 2], colour[n - 2] = asked_shape, _other(rng, asked_colour, 1, len(COLOURS))[0]
    shape[n - 1], colour[n - 1] = _other(rng, asked_shape, 1, len(SHAPES))[0], asked_colour
    # no other object may be the one asked about; nor may the first, where the answer is no
    to_recolour = (shape == asked_shape) & (colour == asked_colour)
    to_recolour[0] &= not yes
    colour[to_recolour] = _other(rng, asked_colour, int(to_recolour.sum()), len(COLOURS))
    text = f"is there a {COLOURS[asked_colour]} {SHAPES[asked_shape]}?"
    about = (0,) if yes else (n - 2, n - 1)
    return (shape, colour), Question("exists", text, "yes" if yes else "no", about)


def _left(rng: Generator, layout: Layout) -> tuple[Kinds, Question]:
    n = len(layout.cell)
    shape, colour = any_kinds(rng, n)
    # the index of the nearest object to the left in the same row; -1 where there is none
    row, column = np.divmod(layout.cell, layout.side)
    gap = np.where(row == row[:, None], column[:, None] - column, 0)
    gap = np.where(gap > 0, gap, layout.side)
    neighbour = np.where(gap.min(1) < layout.side, gap.argmin(1), -1)
    candidates = np.flatnonzero(neighbour >= 0)
    asked_object = int(candidates[rng.integers(len(candidates))])
    others = np.arange(n) != asked_object
    shape[others] = _other(rng, shape[asked_object], n - 1, len(SHAPES))
    left_object = int(neighbour[asked_object])
    text = f"what is left of the {SHAPES[shape[asked_object]]}?"
    return (shape, colour), Question("left", text, SHAPES[shape[left_object]], (asked_object, left_object))


POSE: dict[str, Callable[[Generator, Layout], tuple[Kinds, Question]]] = {
    "colour": _colour,
    "shape": _shape,
    "count": _count,
    "exists": _exists,
    "left": _left,
}
"""Functions that draw a question about objects, and their shapes and colours, by the kind of the question."""

ANSWERS: dict[str, int] = {
    "colour": len(COLOURS),
    "shape": len(SHAPES),
    "count": 5,
    "exists": 2,
    "left": len(SHAPES) - 1,
    "background": len(COLOURS),
    "stripes": len(STRIPES),
    "light": len(SIDES),
}
"""Number of answers that are equally likely once the question is known: a guess is right one time in so many."""


def ask_background(kind: str, colour: int, stripes: int, light: int) -> Question:
    """Return a question about the background, which is about no object.

    Args:
        kind: Kind of the question: ``background``, ``stripes`` or ``light``.
        colour: Hue of the background, as an index into `haa.data.shapes.scene.COLOURS`.
        stripes: Direction of its stripes, as an index into `haa.data.shapes.layout.STRIPES`.
        light: Brightest side, as an index into `haa.data.shapes.scene.SIDES`.
    """
    text, answer = {
        "background": ("what colour is the background?", COLOURS[colour]),
        "stripes": ("which way do the stripes run?", STRIPES[stripes]),
        "light": ("which side is brightest?", SIDES[light]),
    }[kind]
    return Question(kind, text, answer, ())
