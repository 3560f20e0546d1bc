"""torchmetrics' two base classes without its hundred metrics, whose imports take longer than torch's own.

``import torchmetrics`` imports torchvision, torch's compiler, scipy's signals and matplotlib, used or not. This module
puts a package in its place that has `Metric` and `MetricCollection`, and that becomes all of torchmetrics when it is
asked for anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec
from logging import getLogger
from typing import Any

BASES = {"Metric": "torchmetrics.metric", "MetricCollection": "torchmetrics.collections"}
"""What is there at once, and the module that has it."""
DRAWING = "torchmetrics.utilities.plot"


def lighten() -> None:
    """Let ``from torchmetrics import Metric, MetricCollection`` import these two alone.

    Where torchmetrics is imported already, or is built otherwise than version 1.9, nothing changes.

    Example:
        >>> lighten()
        >>> from torchmetrics import Metric, MetricCollection
        >>> import torchmetrics
        >>> torchmetrics.MeanMetric()(2.0)  # all else comes when it is asked for
        tensor(2.)
    """
    spec = None if "torchmetrics" in sys.modules else find_spec("torchmetrics")
    if spec is None or spec.submodule_search_locations is None:
        return
    folders = [f"{folder}/utilities" for folder in spec.submodule_search_locations]
    drawing = PathFinder.find_spec(DRAWING, folders)
    if drawing is None:
        return
    has: dict[str, Callable[[], Any]] = {
        "_logger": lambda: getLogger("torchmetrics"),
        "__version__": lambda: version("torchmetrics"),  # which Lightning asks for
    }
    _stand_in(spec, has | {name: partial(_from, place, name) for name, place in BASES.items()})
    # types in signatures, and the one function that both call
    _stand_in(
        drawing, {"_AX_TYPE": lambda: Any, "_PLOT_OUT_TYPE": lambda: Any, "plot_single_or_multi_val": lambda: _plot}
    )
    try:
        import_module("torchmetrics.utilities")  # first: it and the base class import each other
    except ImportError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchmetrics"]:
            del sys.modules[name]


def _stand_in(spec: ModuleSpec, has: Mapping[str, Callable[[], Any]]) -> None:
    """Put a module in a module's place that runs its code when it is asked for a name that it does not have."""
    module = module_from_spec(spec)

    def find(name: str) -> Any:
        if name in has:
            return has[name]()
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {spec.name!r} has no attribute {name!r}")
        vars(module).pop("__getattr__", None)
        assert spec.loader is not None
        spec.loader.exec_module(module)
        return getattr(module, name)

    vars(module)["__getattr__"] = find
    sys.modules[spec.name] = module


def _from(place: str, name: str) -> Any:
    return getattr(import_module(place), name)


def _plot(*values: Any, **options: Any) -> Any:
    """Draw as torchmetrics does."""
    del sys.modules[DRAWING]
    return import_module(DRAWING).plot_single_or_multi_val(*values, **options)


lighten()
