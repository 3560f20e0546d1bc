"""Checks of the arguments of `Shapes`."""

from __future__ import annotations

from math import inf

from haa.errors import InputError


def choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        InputError: If ``value`` is not among ``choices``.
    """
    if value not in choices:
        raise InputError(f"shapes {name}={value} does not exist: choose among {', '.join(choices)}")


def between(low: float, high: float, **arguments: float) -> None:
    """Refuse a number that is out of range.

    Args:
        low: Smallest number allowed.
        high: Largest number allowed; infinity sets no limit.
        **arguments: Numbers to check, by the names of the arguments.

    Raises:
        InputError: If one of them is not a number, or is out of range.
    """
    for name, value in arguments.items():
        if not isinstance(value, int | float) or not low <= value <= high:
            span = f"at least {low:g}" if high == inf else f"{low:g} to {high:g}"
            raise InputError(f"shapes {name}={value} is out of range: give a number of {span}")


def whole(low: float, high: float, **arguments: int) -> None:
    """Refuse a number that is out of range or not whole.

    Args:
        low: Smallest number allowed.
        high: Largest number allowed; infinity sets no limit.
        **arguments: Numbers to check, by the names of the arguments.

    Raises:
        InputError: If one of them is not a number, is out of range, or is not whole.
    """
    between(low, high, **arguments)
    for name, value in arguments.items():
        if not isinstance(value, int):
            raise InputError(f"shapes {name}={value} is not a whole number: give one")
