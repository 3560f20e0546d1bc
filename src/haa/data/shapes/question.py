"""The questions of `Shapes`, each posed together with objects for which its answers are equally likely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.scene import COLOURS, SHAPES, SIDES, STRIPES, Layout

Kinds = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Shapes and colours of all objects."""


@dataclass(frozen=True)
class Question:
    """A question, its answer, and the objects that it is about, by index."""

    kind: str
    text: str
    answer: str
    about: tuple[int, ...]


def plural(word: str) -> str:
    """More than one.

    Example:
        >>> plural("circle"), plural("cross")
        ('circles', 'crosses')
    """
    return word + ("es" if word.endswith("s") else "s")


def any_kinds(rng: Generator, n: int) -> Kinds:
    """Objects of random shape and colour, about which nothing is asked."""
    shape, colour = rng.integers(0, (len(SHAPES), len(COLOURS)), (n, 2)).T
    return shape.copy(), colour.copy()


def _other(rng: Generator, value: int, n: int, choices: int) -> NDArray[np.int64]:
    """``n`` random choices that are not ``value``."""
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
    asked = values[0]
    values[:count] = asked
    values[count:] = _other(rng, asked, n - count, len(names))
    what = f"{names[asked]} shapes" if by_colour else plural(names[asked])
    return kinds, Question("count", f"how many {what} are there?", str(count), tuple(range(count)))


def _exists(rng: Generator, layout: Layout) -> tuple[Kinds, Question]:
    n = len(layout.cell)
    shape, colour = any_kinds(rng, n)
    asked_shape, asked_colour, yes = int(shape[0]), int(colour[0]), bool(rng.integers(2))
    # one lure shares the shape and one the colour, so that neither alone gives the answer
    shape[n - 2], colour[n - 2] = asked_shape, _other(rng, asked_colour, 1, len(COLOURS))[0]
    shape[n - 1], colour[n - 1] = _other(rng, asked_shape, 1, len(SHAPES))[0], asked_colour
    hit = (shape == asked_shape) & (colour == asked_colour)
    hit[0] &= not yes
    colour[hit] = _other(rng, asked_colour, int(hit.sum()), len(COLOURS))
    text = f"is there a {COLOURS[asked_colour]} {SHAPES[asked_shape]}?"
    about = (0,) if yes else (n - 2, n - 1)
    return (shape, colour), Question("exists", text, "yes" if yes else "no", about)


def _left(rng: Generator, layout: Layout) -> tuple[Kinds, Question]:
    n = len(layout.cell)
    shape, colour = any_kinds(rng, n)
    # the nearest object to the left in the same row, or nobody
    row, column = np.divmod(layout.cell, layout.side)
    gap = np.where(row == row[:, None], column[:, None] - column, 0)
    gap = np.where(gap > 0, gap, layout.side)
    neighbour = np.where(gap.min(1) < layout.side, gap.argmin(1), -1)
    candidates = np.flatnonzero(neighbour >= 0)
    asked = int(candidates[rng.integers(len(candidates))])
    others = np.arange(n) != asked
    shape[others] = _other(rng, shape[asked], n - 1, len(SHAPES))
    left = int(neighbour[asked])
    return (shape, colour), Question(
        "left", f"what is left of the {SHAPES[shape[asked]]}?", SHAPES[shape[left]], (asked, left)
    )


POSE: dict[str, Callable[[Generator, Layout], tuple[Kinds, Question]]] = {
    "colour": _colour,
    "shape": _shape,
    "count": _count,
    "exists": _exists,
    "left": _left,
}
"""Questions about objects, by kind."""

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
"""How many answers are equally likely once the question is known: a guess is right one time in so many."""


def ask_background(kind: str, colour: int, stripes: int, light: int) -> Question:
    """A question about the whole picture, which is about no object."""
    text, answer = {
        "background": ("what colour is the background?", COLOURS[colour]),
        "stripes": ("which way do the stripes run?", STRIPES[stripes]),
        "light": ("which side is brightest?", SIDES[light]),
    }[kind]
    return Question(kind, text, answer, ())
