"""Scores of saliency maps: every metric of every map of a split, all cores at work, the same values on one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from haa.errors import InputError
from haa.metrics import functional
from haa.scoring.files import MapFile, read_saliency
from haa.scoring.ground_truth import REFERENCES, GroundTruth, Seen
from haa.scoring.scores import Metric
from haa.scoring.work import worked

Score = Callable[[Float[Tensor, "1 h w"], Any], Tensor]
"""Function of a map and of a `Seen` that has what the metric needs."""


class Measure(NamedTuple):
    """A metric of saliency maps: what it is called, which way it is better, what it needs, and how it is computed."""

    metric: Metric
    needs: str
    """Attribute of `haa.scoring.ground_truth.Seen` without which it is undefined."""
    score: Score


def _measure(label: str, higher: bool, needs: str, score: Score) -> Measure:
    return Measure(Metric(label, higher), needs, score)


MEASURES: dict[str, Measure] = {
    "nss": _measure("NSS", True, "fixations", lambda m, s: functional.nss(m, s.fixations)),
    "auc_shuffled": _measure("sAUC", True, "others", lambda m, s: functional.auc_shuffled(m, s.fixations, *s.others)),
    "auc_judd": _measure("AUC-Judd", True, "fixations", lambda m, s: functional.auc_judd(m, s.fixations)),
    "information_gain": _measure(
        "IG (bit)", True, "baseline", lambda m, s: functional.information_gain(m, s.baseline, s.fixations)
    ),
    "cc": _measure("CC", True, "human", lambda m, s: functional.cc(m, s.human)),
    "sim": _measure("SIM", True, "human", lambda m, s: functional.similarity(m, s.human)),
    "kl": _measure("KL", False, "human", lambda m, s: functional.kl_divergence(m, s.human)),
    "log_likelihood": _measure("LL (nat)", True, "fixations", lambda m, s: functional.log_likelihood(m, s.fixations)),
    "auc_uniform": _measure("AUC", True, "fixations", lambda m, s: functional.auc_uniform(m, s.fixations)),
    "auc_borji": _measure("AUC-Borji", True, "fixations", lambda m, s: functional.auc_borji(m, s.fixations)),
    "kl_mit": _measure("KL (MIT)", False, "human", lambda m, s: functional.kl_divergence_mit(m, s.human)),
    "spearman": _measure("Spearman", True, "human", lambda m, s: functional.spearman(m, s.human, (14, 14))),
    "emd": _measure("EMD", False, "human", lambda m, s: functional.earth_movers_distance(m, s.human)),
}
"""Metrics of `haa.metrics` by name, as it is in metrics.json; `emd`, which takes a second a map, only where asked."""
USUAL = tuple(name for name in MEASURES if name != "emd")
"""Metrics that are scored unless others are asked for."""


@dataclass
class Scored:
    """Values of every row, and what happened on the way.

    Args:
        values: Array ``(samples, metrics)`` for each row, NaN where undefined.
        faults: For each sample, what is wrong with a model's map, by model.
        resized: Number of maps, by model, that had another size than their stimulus.
    """

    values: dict[str, NDArray[np.float64]]
    faults: list[dict[str, str]] = field(default_factory=list)
    resized: dict[str, int] = field(default_factory=dict)


def score_maps(
    truth: GroundTruth,
    indices: Sequence[int],
    models: Mapping[str, Mapping[int, MapFile]],
    metrics: Sequence[str] = USUAL,
    references: bool = True,
    num_workers: int | None = None,
    skip: bool = False,
) -> Scored:
    """Score the maps of every model at every sample, and predictions that need no model beside them.

    Args:
        truth: Where people looked.
        indices: Samples that are scored.
        models: For each model, its map of each of these samples.
        metrics: Names of the metrics, of `MEASURES`.
        references: Whether the rows of `haa.scoring.ground_truth.REFERENCES` are made.
        num_workers: Number of processes; see `haa.scoring.work.worked`.
        skip: Whether to go on where a map is faulty.

    Raises:
        InputError: If a map is faulty, the first.
    """
    work = _Work(truth, indices, models, metrics, references)
    names = [*models, *(REFERENCES if references else ())]
    values = {name: np.full((len(indices), len(metrics)), np.nan) for name in names}
    scored = Scored(values, [], dict.fromkeys(models, 0))
    for place, found in enumerate(worked(work, num_workers)):
        note_faults(scored, found.faults, skip)
        for name, row in found.rows.items():
            values[name][place] = row
        for name in found.resized:
            scored.resized[name] += 1
    scored.values = {name: x for name, x in values.items() if name in models or np.isfinite(x).any()}
    return scored


def note_faults(scored: Scored, faults: dict[str, str], skip: bool) -> None:
    """Add the faults of a sample's maps to what is scored.

    Raises:
        InputError: If there is one, and it is not to be left out.
    """
    if faults and not skip:
        raise InputError(f"{next(iter(faults.values()))}; or give on_error=skip")
    scored.faults.append(faults)


class _Found(NamedTuple):
    rows: dict[str, list[float]]
    faults: dict[str, str]
    resized: list[str]


class _Work(Dataset[_Found]):
    """Samples, each with the scores of all its maps."""

    def __init__(
        self,
        truth: GroundTruth,
        indices: Sequence[int],
        models: Mapping[str, Mapping[int, MapFile]],
        metrics: Sequence[str],
        references: bool,
    ) -> None:
        self.truth, self.indices, self.models, self.with_references = truth, indices, models, references
        self.metrics = list(metrics)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> _Found:
        index = self.indices[place]
        seen = self.truth.seen(index)
        size = (seen.human.shape[1], seen.human.shape[2])
        found = _Found({}, {}, [])
        for name, files in self.models.items():
            try:
                map_, was_resized = read_saliency(files[index], size)
            except InputError as error:
                found.faults[name] = str(error)
                continue
            if was_resized:
                found.resized.append(name)
            found.rows[name] = self._scores(map_, seen)
        several: dict[str, list[list[float]]] = {}
        for name, map_, against, points_alone in self._references(index, seen):
            several.setdefault(name, []).append(self._scores(map_, against, points_alone))
        for name, rows in several.items():
            found.rows[name] = np.asarray(rows).mean(0).tolist()
        return found

    def _references(self, index: int, seen: Seen) -> Iterator[tuple[str, Tensor, Seen, bool]]:
        if self.with_references:
            yield from self.truth.references(index, seen)

    def _scores(self, map_: Tensor, seen: Seen, points_alone: bool = False) -> list[float]:
        out = []
        for name in self.metrics:
            measure = MEASURES[name]
            allowed = getattr(seen, measure.needs) is not None
            if points_alone:
                allowed = allowed and measure.needs != "human" and name != "auc_borji"
            out.append(float(measure.score(map_, seen)) if allowed else float("nan"))
        return out
