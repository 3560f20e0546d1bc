"""What scoring finds: rows of values by sample, their means with intervals over pictures, differences and ranks."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haa.data.dataset import GazeDataset
from haa.printing.plain import plain
from haa.reporting.statistics import Difference, Estimate, difference_over_pictures, holm, over_pictures

Kind = Literal["model", "reference"]
LEVEL = 0.05
"""Level of the corrected tests by which ranks are told apart."""


class Metric(NamedTuple):
    """A metric as people write it, and which way it is better."""

    label: str
    higher_is_better: bool


class Rank(NamedTuple):
    """Place of a model by a metric, and the places that are not excluded."""

    rank: int
    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.rank) if self.best == self.worst else f"{self.rank} ({self.best} to {self.worst})"


class Pair(NamedTuple):
    """Difference of two models by a metric; ``corrected`` is its p-value corrected for all pairs (Holm)."""

    first: str
    second: str
    difference: Difference
    corrected: float | None


@dataclass(frozen=True)
class Row:
    """Scores of one model, or of a prediction that needs none.

    Args:
        name: Its name.
        kind: Whether it is a model or a reference.
        values: For each metric a value per sample, NaN where undefined; all rows have the same samples.
        told: What it is, in a sentence.
    """

    name: str
    kind: Kind
    values: Mapping[str, NDArray[np.float64]]
    told: str = ""


@dataclass(frozen=True)
class Scores:
    """Table of scores: a row for each model, and for what needs no model.

    Args:
        task: What was scored: saliency, sos, captioning or vqa.
        data: Name of the data set.
        split: Split that was scored.
        metrics: The metrics, by name, the one that ranks first.
        rows: Models first, then references.
        ids: Name of each sample.
        stimuli: Name of the picture that each sample shows.
        notes: What a reader has to know: sigma, baseline, what was left out, resized.
        simulated: Whether gaze is a simulated observer's.
        seconds: Time that it took, from start to end.
        sigma: Blur of the human maps, as a share of the longer side; None where there are none.
        dataset: The split that was scored, of which the page draws pictures.
        results: For each model its result of each sample, a map's file or a text, by the sample's place in ``ids``.
        indices: Place of each sample in the split.

    Example:
        >>> values = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([0.0, 1.5, 1.0])}
        >>> scores = Scores(
        ...     "saliency", "OSIE", "test", {"nss": Metric("NSS", True)},
        ...     [Row(name, "model", {"nss": x}) for name, x in values.items()], ["1", "2", "3"], ["1", "2", "3"],
        ... )
        >>> scores.estimate("a", "nss").mean, scores.ranks("nss")["a"]
        (2.0, Rank(rank=1, best=1, worst=2))
        >>> round(scores.difference("a", "b", "nss").mean, 3)
        1.167
    """

    task: str
    data: str
    split: str
    metrics: Mapping[str, Metric]
    rows: Sequence[Row]
    ids: Sequence[str]
    stimuli: Sequence[str]
    notes: Sequence[str] = ()
    simulated: bool = False
    seconds: float = 0.0
    sigma: float | None = None
    dataset: GazeDataset | None = field(default=None, repr=False)
    results: Mapping[str, Sequence[Any]] = field(default_factory=dict, repr=False)
    indices: Sequence[int] = ()

    @property
    def models(self) -> list[Row]:
        """Rows of models, in the order in which they were given."""
        return [row for row in self.rows if row.kind == "model"]

    @property
    def references(self) -> list[Row]:
        """Rows that need no model."""
        return [row for row in self.rows if row.kind == "reference"]

    def row(self, name: str) -> Row:
        """Return a row by its name.

        Raises:
            KeyError: If there is none.
        """
        found = next((row for row in self.rows if row.name == name), None)
        if found is None:
            raise KeyError(f"there is no row {name}: there are {', '.join(row.name for row in self.rows)}")
        return found

    def estimate(self, row: str, metric: str) -> Estimate | None:
        """Return the mean over samples with its 95 % interval over pictures; None where it is never defined."""
        values = self.row(row).values[metric]
        return over_pictures(values, self.stimuli) if np.isfinite(values).any() else None

    def difference(self, row: str, other: str, metric: str) -> Difference:
        """Return the mean difference of two rows, paired by sample, with its 95 % interval over pictures."""
        return difference_over_pictures(self.row(row).values[metric], self.row(other).values[metric], self.stimuli)

    def pairs(self, metric: str) -> list[Pair]:
        """Return the differences of all pairs of models, p-values corrected for the number of pairs (Holm 1979)."""
        names = [row.name for row in self.models]
        found = [(a, b, self.difference(a, b, metric)) for a, b in combinations(names, 2)]
        corrected = holm([difference.p for _, _, difference in found])
        return [Pair(*pair, p) for pair, p in zip(found, corrected, strict=True)]

    def ranks(self, metric: str) -> dict[str, Rank]:
        """Return the place of each model, 1 being the best, and the places that its differences do not exclude.

        A model is put behind those that are better than it at a corrected level of `LEVEL`, and before those that are
        worse (M. Mogstad et al., Inference for ranks, Review of Economic Studies 2024). Models without a value have no
        place.
        """
        sign = 1 if self.metrics[metric].higher_is_better else -1
        means = {row.name: sign * found.mean for row in self.models if (found := self.estimate(row.name, metric))}
        better, worse = dict.fromkeys(means, 0), dict.fromkeys(means, 0)
        for pair in self.pairs(metric):
            if pair.corrected is not None and pair.corrected < LEVEL and {pair.first, pair.second} <= set(means):
                names = (pair.first, pair.second)
                ahead, behind = names if sign * pair.difference.mean > 0 else names[::-1]
                worse[ahead] += 1
                better[behind] += 1
        return {
            name: Rank(1 + sum(other > mean for other in means.values()), 1 + better[name], len(means) - worse[name])
            for name, mean in means.items()
        }

    def sorted_rows(self, metric: str | None = None) -> list[Row]:
        """Return the models from the best to the worst, then the references."""
        metric = next(iter(self.metrics)) if metric is None else metric
        ranks = self.ranks(metric)
        return [
            *sorted(self.models, key=lambda row: ranks[row.name].rank if row.name in ranks else 9**9),
            *self.references,
        ]

    def table(self) -> list[dict[str, Any]]:
        """Return the table as plain rows.

        A row has ``row``, ``kind`` and, say, ``nss`` (the mean), ``nss_low``, ``nss_high`` and ``nss_rank``.
        Numbers that are not defined are None. ``pandas.DataFrame(scores.table())`` makes a frame of it.
        """
        ranks = {metric: self.ranks(metric) for metric in self.metrics}
        out = []
        for row in self.sorted_rows():
            line: dict[str, Any] = {"row": row.name, "kind": row.kind}
            for metric in self.metrics:
                found = self.estimate(row.name, metric)
                line[metric] = None if found is None else found.mean
                line[f"{metric}_low"] = None if found is None else found.low
                line[f"{metric}_high"] = None if found is None else found.high
                place = ranks[metric].get(row.name)
                line[f"{metric}_rank"] = None if place is None else place.rank
            out.append(line)
        return out

    def __repr__(self) -> str:
        rows = [
            [row.name, *(shown(self.estimate(row.name, metric)) for metric in self.metrics)]
            for row in self.sorted_rows()
        ]
        cells = [["", *map(told, self.metrics.values())], *([plain(text) for text in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = (
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
        )
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        heads = "".join(f"<th>{html.escape(told(metric))}</th>" for metric in self.metrics.values())
        lines = []
        for row in self.sorted_rows():
            cells = "".join(f"<td>{shown(self.estimate(row.name, metric))}</td>" for metric in self.metrics)
            lines.append(f"<tr><th>{html.escape(plain(row.name))}</th>{cells}</tr>")
        title = html.escape(self._title())
        body = "".join(lines)
        return f"<table><caption>{title}</caption><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table>"

    def _title(self) -> str:
        gaze = ", simulated gaze" if self.simulated else ""
        return plain(f"{self.task} on {self.data}, {self.split} split: {len(self.ids)} samples{gaze}")


def told(metric: Metric) -> str:
    """Return a metric as a heading; an arrow says where less is better."""
    return metric.label if metric.higher_is_better else f"{metric.label} \N{DOWNWARDS ARROW}"


def shown(estimate: Estimate | None, digits: int = 3) -> str:
    """Return a mean with half the width of its interval.

    Example:
        >>> shown(Estimate(0.5, 0.25, 0.75, 9)), shown(None)
        ('0.500 ± 0.250', '–')
    """
    if estimate is None:
        return "–"
    mean = f"{estimate.mean:.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return mean if estimate.high is None else f"{mean} ± {estimate.high - estimate.mean:.{digits}f}"
