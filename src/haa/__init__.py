"""haa: train vision models to look where people look, and measure honestly whether it helped."""

from typing import Any

__version__ = "0.2.0.dev0"

_PLACES = {
    "Alignment": "haa.alignment",
    "AlignedTrainer": "haa.alignment.hugging_face",
    "AlignmentCallback": "haa.alignment.callback",
    "Evaluation": "haa.evaluation.evaluation",
    "Exchanged": "haa.conditions.exchanged",
    "align": "haa.alignment.loop",
    "measure": "haa.evaluation.measure",
}
_IN_CORE = ("Alignment", "align")  # what haa-core alone runs (docs/decisions/0070-haa-core-is-haa-without-training.md)


def __getattr__(name: str) -> Any:
    # on demand: the command line imports haa and must not wait for torch
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module 'haa' has no attribute {name!r}")
    if name not in _IN_CORE:
        from haa.errors import needs

        needs(f"haa.{name}", "haa", "pytorch_lightning")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
