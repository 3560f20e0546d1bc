"""A run's config that notes which of its keys were told, so that what nobody told can be named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from haa.printing.plain import plain, short
from haa.reporting.settings import HARMLESS, flat

QUIET = (
    *HARMLESS,
    *(
        "_target_",
        "lr",
        "data._target_",
        "backbone._target_",
        "max_epochs",
        "data.root",
        "data.task",
        "model.backbone",
    ),
    *("loader.seed", "loader.transform._target_", "loader._target_", "alignment._target_", "alignment.loss._partial_"),
    *("alignment.schedule._partial_", "task.name", "task.monitor", "task.mode", "task.module._target_", "trained"),
    *("trainer._target_", "trainer.accelerator", "trainer.max_epochs", "trainer.num_sanity_val_steps"),
    *("callbacks.checkpoint", "callbacks.epoch_seed", "callbacks.early_stopping._target_"),
    *("callbacks.early_stopping.monitor", "callbacks.early_stopping.mode", "condition.seed", "condition.cache"),
    *("condition.control.seed", "scheduler._partial_", "evaluate", "split", "checkpoint"),
)
"""Keys that are no part of a method, or repeat what another key says."""
SEEDED = "the run's seed"
"""What a setting is told as whose values are the runs' own seeds."""
MOST = 12
"""Settings that are listed at most."""


class Asked:
    """A run's config by dotted key, which notes what was asked for.

    Args:
        config: The run's resolved config.
        seeded: Keys that hold the run's own seed in every run of the study; their value is `SEEDED`.

    Attributes:
        own: Whether `haa.Evaluation` wrote the config, which has nothing of the model and the training loop.
    """

    def __init__(self, config: Mapping[str, Any], seeded: Iterable[str] = ()) -> None:
        self.values = flat(config) | dict.fromkeys(seeded, SEEDED)
        self.own = "own" in config
        self._asked: set[str] = set()

    def __call__(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, which then counts as told."""
        self._asked.add(key)
        return self.values.get(key, default)

    def node(self, group: str) -> dict[str, Any]:
        """Return a group's keys without its name; they do not count as told by that."""
        return {key[len(group) + 1 :]: value for key, value in self.values.items() if key.startswith(f"{group}.")}

    def function(self, group: str, module: str) -> dict[str, Any]:
        """Return a function's node; a run of a loop of one's own has no more of it than its name."""
        name = self(group)
        return {"_target_": f"{module}.{name}"} if isinstance(name, str) else self.node(group)

    def left(self, group: str = "") -> dict[str, Any]:
        """Return what nobody has asked for in a group, or anywhere; from then on it counts as told."""
        before = f"{group}." if group else ""
        found = {
            key: value
            for key, value in self.values.items()
            if key.startswith(before) and key not in self._asked and value is not None and not _quiet(key)
        }
        self._asked |= set(found)
        return {key[len(before) :]: value for key, value in found.items()}

    def told(self, group: str) -> str:
        """Return what is left of a group in brackets, such as `` (layers = 2, hidden = 64)``."""
        values = listed(self.left(group))
        return f" ({values})" if values else ""


def _quiet(key: str) -> bool:
    return any(key == quiet or key.startswith(f"{quiet}.") for quiet in QUIET) or key.split(".")[-1] == "_partial_"


def listed(values: Mapping[str, Any]) -> str:
    """Return settings as a paper lists them.

    Example:
        >>> listed({"layers": 2, "weights": "/home/me/best.pt"})
        'layers = 2, weights = best.pt'
    """
    told = [f"{plain(key)} = {shown(value)}" for key, value in values.items()]
    more = f" and {len(told) - MOST} more" if len(told) > MOST else ""
    return ", ".join(told[:MOST]) + more


def shown(value: Any) -> str:
    """Return a value as a paper says it: of a path or a class, its last part."""
    text = str(value)
    text = text.rstrip("/").rsplit("/", 1)[-1] if "/" in text else text
    return short(text, 60)
