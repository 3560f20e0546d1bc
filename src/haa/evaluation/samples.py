"""Values of the samples of any evaluation, gathered batch by batch: the task's, attention's, and faithfulness'."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import MetricCollection

from haa.alignment.any_batch import Replay, only, repeated
from haa.batch import image_size
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.evaluation.faithfulness import of_picture
from haa.gaze import Gaze, valid
from haa.geometry.extent import Extent
from haa.metrics.scoring import score as score_maps
from haa.metrics.values import directions
from haa.tasks.aligned_module import AlignedModule

Score = Callable[[Any, Any], Mapping[str, Float[Tensor, " b"]]]
"""Function from a model's output and a batch to the task's metrics by name, a value for each sample."""


def attention_metrics() -> MetricCollection:
    """Return the metrics of attention against human gaze, those of haa's own tasks."""
    return MetricCollection({name: make() for name, make in AlignedModule.attention_metrics.items()})


class Samples:
    """Values of a split's samples.

    Args:
        score: The task's metrics.
        sigma: Standard deviation of the human density that maps are scored against.
        keep: How many samples are kept to be run again, drawn once and for all by their place.
    """

    def __init__(self, score: Score, sigma: float, keep: int = 0) -> None:
        self.score, self.sigma, self.keep = score, sigma, keep
        self.columns: dict[str, list[float]] = {}
        self.ids: list[str] = []
        self.gaze: list[Tensor] = []
        """Gaze of every batch, as it came: what a digest of it is made of."""
        self.metrics = attention_metrics()
        self._named: list[Any] = []
        self._kept: list[tuple[float, int, _Kept]] = []
        self._draw = np.random.default_rng(0)

    def add(
        self, raw: Any, batch: Any, output: Any, maps: Tensor, extent: Extent, replay: Replay | None = None
    ) -> None:
        """Score a batch.

        Args:
            raw: The batch as the loop has it, which the task is scored by.
            batch: The same as a mapping with ``image`` and the gaze, and ``id`` where samples have names.
            output: The model's output.
            maps: The machine's maps.
            extent: Where their cells lie.
            replay: The model's pass, to be run again; None where it cannot be.

        Raises:
            InputError: If there is not a value for each sample.
        """
        count, first = len(batch["image"]), len(self.ids)
        names = [str(name) for name in batch.get("id", range(first, first + count))]
        values = dict(self.score(output, raw))
        if "fixations" in batch or "density" in batch:
            batch = {**batch, "id": names}
            self.metrics.to(maps.device)
            found = score_maps(self.metrics, maps, batch, self.sigma, extent=extent)
            values |= {f"attention_{name}": value for name, value in found.items()}
            gaze = {key: batch[key].detach().cpu() for key in _GAZE if key in batch}
            self.gaze += [gaze[key] for key in ("fixations", "density") if key in gaze]
            shape = torch.empty(()).expand(count, 1, *image_size(batch))
            self._named.append({**gaze, "image": shape, **{k: batch[k] for k in ("native_size",) if k in batch}})
        for name, value in values.items():
            listed = torch.as_tensor(value).detach().double().flatten().tolist()
            if len(listed) != count:
                raise InputError(f"score gives {len(listed)} values of {name} for {count} samples: give one each")
            self.columns.setdefault(name, []).extend(listed)
        self.ids += names
        for i in range(count if self.keep else 0):
            self._offer(first + i, raw, maps[i : i + 1], extent, replay, i, count)

    def check(self) -> None:
        """Refuse samples of which some lack a value or share a name.

        Raises:
            InputError: If some do, or there are none.
        """
        ids = self.ids
        if not ids:
            raise InputError("there is no batch to score: give the test set's")
        if len(set(ids)) < len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise InputError(f"two samples are called {twice}: give each an id")
        if short := [name for name, values in self.columns.items() if len(values) != len(ids)]:
            raise InputError(f"{short[0]} is not there in every batch: give the same names, and the same keys")

    def check_metric(self, name: str, key: str = "metric") -> None:
        """Refuse a metric that ``score`` does not give.

        Raises:
            InputError: If it does not.
        """
        given = [column for column in self.columns if not column.startswith("attention_")]
        if name not in self.columns:
            raise InputError(f"{key}={name} is not among what score gives: {', '.join(given)}")

    def means(self) -> dict[str, float]:
        """Return the mean of each metric over the samples for which it is defined."""
        known = {name: [value for value in values if math.isfinite(value)] for name, values in self.columns.items()}
        return {name: math.fsum(values) / len(values) for name, values in known.items() if values}

    def mean(self, name: str) -> float | None:
        """Return the mean of one of the scores, also across processes; None where it is not defined.

        Raises:
            InputError: If there is no such score.
        """
        self.check_metric(name)
        known = [value for value in self.columns[name] if math.isfinite(value)]
        total = torch.tensor([math.fsum(known), len(known)], dtype=torch.float64)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            parts: list[Any] = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(parts, total)
            total = torch.stack(parts).sum(0)
        return (total[0] / total[1]).item() if total[1] else None

    def attention(self) -> dict[str, Tensor]:
        """Return the mean of each metric of attention, also across processes; empty where nothing was scored."""
        return self.metrics.compute() if all(metric.update_called for metric in self.metrics.values()) else {}

    def undefined(self) -> dict[str, int]:
        """Return for each metric the number of samples for which it is undefined."""
        return {name: sum(not math.isfinite(value) for value in values) for name, values in self.columns.items()}

    def directions(self) -> dict[str, bool | None]:
        """Return for each metric of attention whether more of it is better."""
        return {f"attention_{name}": better for name, better in directions(self.metrics).items()}

    def measure_faithfulness(self, confidence: str, batch_size: int = 64) -> int:
        """Add the faithfulness of the kept samples' maps (`haa.evaluation.faithfulness`), NaN for the others.

        Args:
            confidence: Name of the score that falls as pixels go.
            batch_size: Pictures that the model is called with at once.

        Returns:
            The number of samples that were measured.

        Raises:
            InputError: If there is no such score, or it is no probability.
        """
        self.check_metric(confidence, "confidence")
        if not all(0 <= value <= 1 for value in self.columns[confidence]):
            raise InputError(f"confidence={confidence} is not in [0, 1] for every sample: name a probability")
        for _, place, kept in self._kept:
            for name, value in kept.faithfulness(self.score, confidence, place, batch_size).items():
                self.columns.setdefault(name, [math.nan] * len(self.ids))[place] = value
        return len(self._kept)

    def recorded(self) -> Recorded:
        """Return the gaze of the samples, as a data set.

        Raises:
            InputError: If it is maps, of which no reference can be made.
        """
        return Recorded([gaze for batch in self._named for gaze in _gaze_of(batch)])

    def _offer(
        self, place: int, raw: Any, maps: Tensor, extent: Extent, replay: Replay | None, i: int, count: int
    ) -> None:
        # those with the smallest of as many draws as there are samples: a draw of samples whose number is not known yet
        draw = -self._draw.random()
        if len(self._kept) == self.keep and draw <= self._kept[0][0]:
            return
        if replay is None:
            raise InputError("faithfulness runs the model again, which was not called with an image (b, c, h, w)")
        kept = _Kept(maps.clone(), extent, only(raw, i, count), replay.of(i))
        (heapq.heapreplace if len(self._kept) == self.keep else heapq.heappush)(self._kept, (draw, place, kept))


class Recorded(GazeDataset):
    """Gaze of samples that were scored.

    Args:
        gaze: The gaze of each sample; None where nobody looked.
    """

    def __init__(self, gaze: list[Gaze | None]) -> None:
        self._gaze = gaze

    def __len__(self) -> int:
        return len(self._gaze)

    def gaze(self, index: int) -> Gaze | None:
        return self._gaze[index]


@dataclass(frozen=True)
class _Kept:
    """A sample that can be run again."""

    maps: Tensor
    extent: Extent
    raw: Any
    replay: Replay

    def faithfulness(self, score: Score, confidence: str, place: int, batch_size: int) -> dict[str, float]:
        def confidence_of(pictures: Tensor) -> Tensor:
            output = self.replay.on(pictures)
            return torch.as_tensor(score(output, repeated(self.raw, len(pictures)))[confidence]).float()

        return of_picture(confidence_of, self.replay.image, self.maps, place, batch_size, self.extent)


_GAZE = (
    *("fixations", "native_fixations", "weights", "native_weights", "density", "has_human", "subject"),
    "native_subject",
)


def _gaze_of(batch: Any) -> list[Gaze | None]:
    """Return the gaze of each picture of a batch, at the size at which it is scored."""
    if "fixations" not in batch:
        raise InputError("references need fixations, and these data have maps of gaze only: leave references out")
    start = "native_" if "native_fixations" in batch else ""
    sizes = batch.get("native_size", [image_size(batch)] * len(batch["image"]))
    out: list[Gaze | None] = []
    for i, points in enumerate(batch[f"{start}fixations"]):
        size = (int(sizes[i][0]), int(sizes[i][1]))
        there = points.isfinite().all(-1)
        columns = {
            key: batch[f"{start}{name}"][i][there]
            for key, name in (("weight", "weights"), ("subject", "subject"))
            if f"{start}{name}" in batch
        }
        seen = bool(valid(points[None], size).any()) and bool(batch["has_human"][i] if "has_human" in batch else True)
        out.append(Gaze(points[there].float(), size, **columns) if seen else None)
    return out
