"""haa: train vision models to look where people look, and measure honestly whether it helped."""

from typing import Any

__version__ = "0.2.0.dev0"

_PLACES = {
    "Alignment": "haa.alignment",
    "AlignedTrainer": "haa.alignment.hugging_face",
    "AlignmentCallback": "haa.alignment.callback",
    "Evaluation": "haa.evaluation.evaluation",
    "Exchanged": "haa.conditions.exchanged",
    "InputError": "haa.errors",
    "Report": "haa.interface.report",
    "Run": "haa.interface.run",
    "Study": "haa.interface.study",
    "align": "haa.alignment.loop",
    "evaluate": "haa.interface.commands",
    "measure": "haa.evaluation.measure",
    "report": "haa.interface.report",
    "score": "haa.interface.commands",
    "train": "haa.interface.commands",
}
_IN_CORE = ("Alignment", "InputError", "align")
"""What haa-core alone runs (docs/decisions/0070-haa-core-is-haa-without-training.md)."""


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
    own = (name for name in globals() if not name.startswith("_") and name != "Any")
    return sorted({"__version__", *own, *_PLACES})
