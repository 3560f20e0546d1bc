"""Gaze kept in full precision on its way to the step, whatever Lightning's precision plugin makes of the batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

GAZE = (
    *("fixations", "own_fixations", "native_fixations", "weights", "own_weights", "native_weights"),
    *("density", "own_density"),
)
"""Keys of a batch whose tensors are never cast."""

Named = Callable[[Any], Mapping[str, Any]]
"""Function from a batch to a mapping with the keys of `haa.batch.Batch`."""


def keep_gaze(trainer: pl.Trainer, batch: Named | None = None) -> Callable[[], None]:
    """Keep the gaze of every batch as the loader gives it, and return what ends that.

    Plugins such as ``16-true`` and ``bf16-true`` cast all floating point tensors of a batch before any hook sees it. In
    half precision a coordinate of a picture 1,000 pixels wide is off by up to four of them.

    Args:
        trainer: The trainer, whose plugin's ``convert_input`` is wrapped.
        batch: Function that names the parts of a batch, where its own keys are others. A tensor that it hands on as it
            is, is kept; one that it computes is computed from what was cast.
    """
    plugin = trainer.precision_plugin
    convert, before = plugin.convert_input, vars(plugin).get("convert_input")

    if batch is None and hasattr(convert, "keeps_gaze"):  # of an earlier stage
        return lambda: None

    @functools.wraps(convert)
    def convert_all_but_gaze(data: Any) -> Any:
        named = {} if batch is None else _named(batch, data)
        kept = {id(value) for key in GAZE if isinstance(value := named.get(key), Tensor)}
        return _with_gaze(data, convert(data), kept)

    convert_all_but_gaze.keeps_gaze = True  # type: ignore[attr-defined]
    plugin.convert_input = convert_all_but_gaze  # type: ignore[method-assign]

    def end() -> None:
        # where somebody has wrapped it since, that wrapper stays, and with it this one, which does no harm
        if vars(plugin).get("convert_input") is convert_all_but_gaze:
            if before is None:
                del plugin.convert_input
            else:
                plugin.convert_input = before  # type: ignore[method-assign]

    return end


def _named(batch: Named, data: Any) -> Mapping[str, Any]:
    try:
        named = batch(data)
    except Exception:  # it may need what only the cast batch has; the step calls it again and says what is wrong
        return {}
    return named if isinstance(named, Mapping) else {}


def _with_gaze(before: Any, after: Any, kept: set[int], key: str = "") -> Any:
    """Return ``after`` with the gaze of ``before``, which has the same structure."""
    if isinstance(before, Tensor):
        return before if key in GAZE or id(before) in kept else after
    if isinstance(before, Mapping) and isinstance(after, dict):
        for name in before:
            after[name] = _with_gaze(before[name], after[name], kept, str(name))
        return after
    if isinstance(before, Sequence) and isinstance(after, list | tuple) and not isinstance(before, str):
        parts = [_with_gaze(a, b, kept) for a, b in zip(before, after, strict=True)]
        return type(after)(*parts) if hasattr(after, "_fields") else type(after)(parts)
    return after
