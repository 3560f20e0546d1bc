"""Which part of a config decides the results: what a study, and a run that is taken up, may not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from haa.digests import within

_BESIDE = ("hydra", "resume", "study", "output_dir", "logger", "cache", "trust", "difference", "parallel")
_HARMLESS = ("loader.num_workers", "callbacks.progress", "callbacks.wandb")


def resolved(cfg: DictConfig, folder: Path | None = None) -> dict[str, Any]:
    """Return a composed config as plain types, as if it wrote to ``folder``."""
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    for key in ("hydra", "logger"):  # which refer to what only a running job knows
        cfg.pop(key, None)
    if folder is not None:
        cfg.output_dir = str(folder)
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Return what decides the results and is not the same in two configs, in words; None where there is no such thing.

    Neither where results are written nor who is told decides them.

    Example:
        >>> difference({"seed": 0, "cache": "a"}, {"seed": 1, "cache": "b"})
        'seed=0, not 1'
    """
    was, is_now = _essence(before), _essence(now)
    for key in sorted({*was, *is_now}, key=lambda key: (key.count("."), key)):  # what a user says, first
        if was.get(key) != is_now.get(key):
            return f"{key}={was.get(key)}, not {is_now.get(key)}"
    return None


def _essence(config: dict[str, Any]) -> dict[str, Any]:
    """Return what decides the results, by path."""
    place = str(config.get("output_dir"))
    kept = {"faithfulness": 0, **{key: value for key, value in config.items() if key not in _BESIDE}}
    return {path: within(value, place) for path, value in _leaves(kept) if not path.startswith(_HARMLESS)}


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}".lstrip("."))
    else:
        yield path, node
