"""Scores of every stage of a network against where people looked, beside what needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics import MetricCollection

from haa.batch import Batch, ready, stills
from haa.data.dataset import GazeDataset, Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError
from haa.evaluation.reference import evenly, reference_values
from haa.geometry.extent import Size
from haa.metrics.scoring import score
from haa.metrics.values import directions
from haa.printing.progress import progress
from haa.probe.stages import Stage, Stages
from haa.reporting.statistics import Difference, Estimate, mean, paired
from haa.tasks.aligned_module import AlignedModule

Kind = Literal["features", "attention", "reference"]
METRICS = tuple(AlignedModule.attention_metrics)
"""Names of the metrics, those by which every run's attention is scored."""


@dataclass(frozen=True)
class Row:
    """Scores of one stage, or of a prediction that needs no network.

    Args:
        name: Its name.
        kind: What the map is: the norm of features, weights of an attention, or a reference.
        values: For each metric a value per stimulus, NaN where undefined; all rows of a probe have the same stimuli.
        stride: Pixels of the picture per cell; None of a reference.
        grid: Rows and columns of the map; None of a reference.
    """

    name: str
    kind: Kind
    values: Mapping[str, NDArray[np.float64]]
    stride: int | None = None
    grid: Size | None = None

    def estimate(self, metric: str) -> Estimate | None:
        """Return the mean over stimuli with Student's 95 % interval; None where the metric is never defined."""
        values = self.values[metric]
        values = values[np.isfinite(values)]
        return mean(values) if len(values) else None

    def over(self, other: Row, metric: str) -> Difference | None:
        """Return the mean difference to another row, paired by stimulus; None where they share none."""
        mine, theirs = self.values[metric], other.values[metric]
        both = np.isfinite(mine) & np.isfinite(theirs)
        return paired(mine[both], theirs[both]) if both.any() else None


@dataclass(frozen=True)
class Probe:
    """What `probe` finds.

    Args:
        stages: A row for each stage, in the order of the network, then a transformer's attention.
        untrained: The same of the network with random weights; empty where there was none.
        references: ``centre prior``, ``another image`` and ``human ceiling``, those that the data allow.
        stimuli: Names of the stimuli, in the order of the rows' values.
        indices: Places in the split of the samples that were scored.
        sigma: Standard deviation of the human density, as a share of the stimulus' longer side.
        higher_is_better: For each metric whether more of it is better.
        unread: Why a transformer's attention is not among the rows, where it has one.
    """

    stages: Sequence[Row]
    untrained: Sequence[Row]
    references: Sequence[Row]
    stimuli: Sequence[str]
    indices: Sequence[int]
    sigma: float
    higher_is_better: Mapping[str, bool]
    unread: str | None = None

    def closest(self, metric: str = "nss") -> Row | None:
        """Return the stage that looks most like people; None where the metric is never defined."""
        sign = 1 if self.higher_is_better[metric] else -1
        found = [(sign * estimate.mean, row) for row in self.stages if (estimate := row.estimate(metric)) is not None]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def reference(self, name: str) -> Row | None:
        """Return a reference by its name; None where the data do not allow it."""
        return next((row for row in self.references if row.name == name), None)


def probe(
    model: nn.Module,
    data: DataModule,
    split: Split = "test",
    layers: Sequence[str] | None = None,
    stretched: bool = False,
    samples: int | None = None,
    untrained: nn.Module | None = None,
) -> Probe:
    """Score every stage of a network against where people looked, each picture being looked at once.

    The map of a stage is the norm of its features (`haa.attention.FeatureNorm`); of a transformer there is its
    attention, too (`haa.probe.stages.Stages`). Maps are brought to the stimulus' native size, where their cells look,
    and scored there as every run's attention is: NSS, CC, KL divergence (nats), AUC-Judd, Spearman on 14 x 14 cells.
    Samples that share a stimulus count as one.

    Args:
        model: Network that takes pictures ``(b, 3, h, w)`` in [0, 1], on its device: a `haa.models.backbone.Backbone`
            (made with ``stages=None`` for all), or any other with ``layers``.
        data: Data with gaze. The training split's makes the centre prior.
        split: Split that is scored.
        layers: Names or patterns of layers to read in the place of a backbone's stages.
        stretched: Take every map to be stretched over the picture, wherever its cells look.
        samples: Greatest number of samples with gaze that are scored, evenly spaced; None is all.
        untrained: The same network with random weights, on the same device, to tell what its architecture alone does.

    Raises:
        InputError: If nobody looked at the split, a layer is not there, or the network cannot look at the pictures.

    Example:
        >>> from functools import partial
        >>> from haa.data.shapes import Shapes
        >>> from haa.models.backbone import Tiny
        >>> data = DataModule(partial(Shapes, train=8, val=1, test=4))
        >>> found = probe(Tiny(stages=None), data)
        >>> [(row.name, row.stride, row.grid) for row in found.stages]
        [('stage 0', 2, (32, 32)), ('stage 1', 4, (16, 16)), ('stage 2', 8, (8, 8))]
        >>> found.stages[0].estimate("nss").n, [row.name for row in found.references]
        (4, ['centre prior', 'another image', 'human ceiling'])

    The question is that of Q. Lai et al., Understanding More about Human and Machine Attention in Deep Neural Networks,
    IEEE TMM 2020: how consistent is artificial attention with people's, stage by stage? References as in
    M. Kümmerer et al., PNAS 2015, and T. Judd et al., MIT technical report, 2012.
    """
    dataset = data.dataset(split)
    if samples is not None and samples < 1:
        raise InputError(f"samples={samples}: give a number of samples, 1 or more, or null for all")
    looked = evenly([index for index in range(len(dataset)) if dataset.looked(index)], samples)
    if not looked:
        raise InputError(f"nobody looked at the {split} split of {type(dataset).__name__}: give another, split=train")
    sigma = data.human_sigma(split).share
    allowed = _has_points(dataset) and _has_points(data.dataset("train"))  # read now, so that a fault comes first
    networks = [_Scored(Stages(each, layers, stretched), sigma) for each in (model, untrained) if each is not None]
    with progress() as bar:
        task = bar.add_task("looking", total=len(looked))
        for batch in data.some(split, looked):
            human: dict[Size, dict[str, Tensor]] = {}
            for network in networks:
                network.add(ready(batch, network.device), human)
            bar.update(task, advance=len(batch["id"]))
    names = [dataset.stimulus(index) for index in looked]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    places = np.array([numbers[name] for name in names])
    references = reference_values(data.dataset("train"), dataset, looked, sigma, metrics=_metrics) if allowed else {}
    known = directions(_metrics())
    return Probe(
        stages=networks[0].rows(places),
        untrained=networks[1].rows(places) if untrained is not None else [],
        references=[Row(name, "reference", _per_stimulus(of, places)) for name, of in references.items()],
        stimuli=list(numbers),
        indices=looked,
        sigma=sigma,
        higher_is_better={name: bool(known[name]) for name in METRICS},
        unread=networks[0].stages.unread,
    )


class _Scored:
    """Scores of a network's stages, batch after batch."""

    def __init__(self, stages: Stages, sigma: float) -> None:
        self.stages, self.sigma = stages, sigma
        self.device = next((x.device for x in stages.model.parameters()), torch.device("cpu"))
        self.metrics = _metrics().to(self.device)
        self.seen: dict[str, Stage] = {}
        self.parts: dict[str, list[dict[str, Tensor]]] = {}

    def add(self, batch: Batch, human: dict[Size, dict[str, Tensor]]) -> None:
        self.seen = self.stages(stills(batch)["image"])
        for name, stage in self.seen.items():
            maps = stage.maps.unflatten(0, batch["clip"].shape[:2]) if "clip" in batch else stage.maps
            values = score(self.metrics, maps, batch, self.sigma, extent=stage.extent, human=human)
            self.parts.setdefault(name, []).append({key: value.cpu() for key, value in values.items()})

    def rows(self, places: NDArray[np.int64]) -> list[Row]:
        rows = []
        for name, parts in self.parts.items():
            values = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
            stage = self.seen[name]
            grid = (stage.maps.shape[-2], stage.maps.shape[-1])
            rows.append(Row(name, stage.read, _per_stimulus(values, places), stage.stride, grid))
        return rows


def _metrics() -> MetricCollection:
    return MetricCollection({name: make() for name, make in AlignedModule.attention_metrics.items()})


def _has_points(dataset: GazeDataset) -> bool:
    """Return whether a split has fixations at all, of which a centre prior can be made."""
    return any(dataset.gaze(index) is not None for index in range(len(dataset)))


def _per_stimulus(values: Mapping[str, Tensor], places: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the mean over the samples of each stimulus for which a metric is defined; NaN where there is none."""
    out = {}
    for name, of_samples in values.items():
        x = of_samples.double().numpy()
        known = np.isfinite(x)
        count = np.bincount(places[known], minlength=places.max() + 1)
        total = np.bincount(places[known], x[known], minlength=places.max() + 1)
        out[name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out
