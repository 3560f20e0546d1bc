"""Conditions: which gaze a model is trained with. Evaluation is always against the true human gaze.

A condition stands between the training split and the loader and answers one question: where did people look at this
sample? Everything after it (weight, rasterisation, loss, logging) is the same for all conditions. What a condition says
of a sample depends on its seed, the split and the sample's index alone, so every epoch, worker and process sees the
same gaze.
"""

from typing import Any

from haa.conditions.center import Center
from haa.conditions.condition import Condition, Human
from haa.conditions.corrupted import Corrupted
from haa.conditions.inverted import Inverted
from haa.conditions.oracle import Oracle
from haa.conditions.random import Random
from haa.conditions.shuffled import Shuffled
from haa.conditions.subset import Subset

__all__ = [
    "Center",
    "Condition",
    "Corrupted",
    "Human",
    "Inverted",
    "Oracle",
    "Predicted",
    "Random",
    "Shuffled",
    "Subset",
]


def __getattr__(name: str) -> Any:
    # on demand: it stands on the rooms that rebuild a checkpoint's model, which stand on this one
    if name != "Predicted":
        raise AttributeError(f"module 'haa.conditions' has no attribute {name!r}")
    from importlib import import_module

    return import_module("haa.predict.condition").Predicted
