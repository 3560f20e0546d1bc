"""haa: train vision models to look where people look, and measure honestly whether it helped."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Alignment", "AlignmentCallback", "align"]

if TYPE_CHECKING:
    from haa.aligner import align
    from haa.alignment import Alignment
    from haa.callback import AlignmentCallback


def __getattr__(name: str) -> Any:
    # on demand: the command line imports haa and must not wait for torch
    from importlib import import_module

    places = {"Alignment": "haa.alignment", "AlignmentCallback": "haa.callback", "align": "haa.aligner"}
    if name not in places:
        raise AttributeError(f"module 'haa' has no attribute {name!r}")
    return getattr(import_module(places[name]), name)
