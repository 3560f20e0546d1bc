"""The progress bar of long work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_shown = ContextVar("_shown", default=True)


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """Say whether the bars that begin within are shown; inner ones cannot bring back what outer ones hide.

    Args:
        shown: Whether they are.

    Example:
        >>> with bars(False), bars(True):
        ...     are_shown()
        False
    """
    token = _shown.set(shown and _shown.get())
    try:
        yield
    finally:
        _shown.reset(token)


def are_shown() -> bool:
    """Return whether progress bars are shown."""
    return _shown.get()


def progress() -> Progress:
    """Return a bar that shows what is done, how much of it, and how long it will take; on the error stream."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True, force_jupyter=False), disable=not are_shown())
