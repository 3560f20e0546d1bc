"""Reference captions of `Shapes`, from a small grammar."""

from __future__ import annotations

from haa.data.shapes.layout import RADIUS, STRIPES
from haa.data.shapes.question import plural
from haa.data.shapes.scene import COLOURS, SHAPES, SIDES, Scene

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def describe(scene: Scene, first: int, second: int) -> tuple[str, ...]:
    """Return five references for a scene, about its objects ``first`` and ``second``.

    The grammar is ``OBJECT := a [SIZE] COLOUR SHAPE``, ``PLACE := at the [top|bottom] [left|right] | in the middle``,
    ``RELATION := left of | right of | above | below``. One caption has both places, two have the relation in its two
    directions, one is about the first object alone, and one has the number of objects.
    """
    sized_first, sized_second = _object(scene, first), _object(scene, second)
    plain_first = _object(scene, first, size=False)
    plain_second = _object(scene, second, size=False)
    shape_count = f"{_number(len(scene))} {plural('shape')}"
    return (
        f"{plain_first} {_place(scene, first)} and {plain_second} {_place(scene, second)}",
        f"{sized_first} is {_relation(scene, first, second)} {sized_second}",
        f"{plain_second} {_relation(scene, second, first)} {plain_first}",
        f"there is {sized_first} {_place(scene, first)}",
        f"{shape_count} with {plain_first} {_relation(scene, first, second)} {plain_second}",
    )


def describe_background(colour: int, stripes: int, light: int) -> tuple[str, ...]:
    """Return five references that speak of the background alone.

    Args:
        colour: Hue, as an index into `haa.data.shapes.scene.COLOURS`.
        stripes: Direction of the stripes, as an index into `haa.data.shapes.layout.STRIPES`.
        light: Brightest side, as an index into `haa.data.shapes.scene.SIDES`.
    """
    hue, run, side = COLOURS[colour], STRIPES[stripes], SIDES[light]
    return (
        f"shapes on a {hue} background with {run} stripes",
        f"a {hue} background brightest at the {side}",
        f"{run} stripes on {hue} with light from the {side}",
        f"the background is {hue} and its stripes are {run}",
        f"a {hue} picture with light from the {side}",
    )


def _number(n: int) -> str:
    return _NUMBERS[n] if n < len(_NUMBERS) else "many"


def _object(scene: Scene, index: int, size: bool = True) -> str:
    large = scene.layout.radius[index] * scene.layout.side > sum(RADIUS) / 2
    size_word = ("large " if large else "small ") if size else ""
    return f"a {size_word}{COLOURS[scene.colour[index]]} {SHAPES[scene.shape[index]]}"


def _place(scene: Scene, index: int) -> str:
    x, y = scene.layout.x[index], scene.layout.y[index]
    vertical = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    horizontal = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    where = " ".join(filter(None, (vertical, horizontal)))
    return f"at the {where}" if where else "in the middle"


def _relation(scene: Scene, one: int, two: int) -> str:
    """Return the relation of object ``one`` to object ``two``, along the axis on which they are further apart."""
    dx = scene.layout.x[one] - scene.layout.x[two]
    dy = scene.layout.y[one] - scene.layout.y[two]
    if abs(dx) >= abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"
