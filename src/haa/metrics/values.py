"""What can be asked of any metric in a collection: its values per sample, and which way it is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torchmetrics import MetricCollection


def values_per_sample(metrics: MetricCollection, after: str = "update") -> dict[str, Tensor]:
    """Return the values per sample that the metrics know after their last ``update``, or after ``compute``.

    A metric says them in its attribute ``values``: a tensor ``(b,)`` where `compute` gives one number, a dict where it
    gives several. One that knows them only when it has seen the whole set says so in ``values_after``. A metric without
    the attribute has no value per sample.

    Args:
        metrics: The metrics; a prefix of the collection is left out of the names.
        after: "update" or "compute".

    Example:
        >>> import torch
        >>> from haa.metrics import CC
        >>> metrics = MetricCollection({"cc": CC()}, prefix="test/")
        >>> metrics.update(prediction=torch.tensor([[[0.0, 1.0]]]), density=torch.tensor([[[0.0, 1.0]]]))
        >>> values_per_sample(metrics)
        {'cc': tensor([1.])}
    """
    columns: dict[str, Tensor] = {}
    for name, metric in metrics.items(keep_base=True):
        if getattr(metric, "values_after", "update") == after:
            columns |= _by_name(str(name), getattr(metric, "values", None))
    return columns


def directions(metrics: MetricCollection) -> dict[str, bool | None]:
    """Return for every number that the metrics compute whether more of it is better; None where neither is.

    A metric that computes one number says it as torchmetrics does, in ``higher_is_better``; one that computes several
    says it by name in ``directions``.

    Example:
        >>> from haa.metrics import CC, KLDivergence, SalientObjects
        >>> found = directions(MetricCollection({"cc": CC(), "kl": KLDivergence(), "sos": SalientObjects()}))
        >>> found["cc"], found["kl"], found["mae"], found["s_measure"]
        (True, False, False, True)
    """
    return dict(_directions(metrics))


def _directions(metrics: MetricCollection) -> Iterator[tuple[str, bool | None]]:
    for name, metric in metrics.items(keep_base=True):
        several = getattr(metric, "directions", None)
        yield from several.items() if several is not None else [(str(name), metric.higher_is_better)]


def _by_name(name: str, values: Any) -> dict[str, Tensor]:
    if values is None:
        return {}
    return values if isinstance(values, dict) else {name: values}
