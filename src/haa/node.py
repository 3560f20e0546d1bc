"""What a node of the config is called where people read of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def class_name(node: Mapping[str, Any]) -> str:
    """The class that a node builds, without its module.

    Example:
        >>> class_name({"_target_": "haa.conditions.Shuffled", "seed": 1})
        'Shuffled'
    """
    return node["_target_"].rsplit(".", 1)[-1]
