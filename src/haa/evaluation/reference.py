"""Rows beside which a model's scores are read: the centre prior, another image's gaze, and other people's gaze."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import MetricCollection

from haa.conditions import Shuffled
from haa.data.dataset import SIGMA, GazeDataset
from haa.data.files.picture import RULES
from haa.disk import built_once
from haa.disk.stored import read_json, write_json
from haa.errors import InputError
from haa.gaze import Gaze, Size, density, pad, resize
from haa.metrics.saliency import saliency_metrics
from haa.metrics.scoring import score

Row = dict[str, float]
_TOGETHER = 16
"""Samples of one size that are scored at a time."""
_ROWS = "rows.json"
_VERSION = 2
"""Raised whenever the same gaze would give other rows, so that no stale ones are read."""


def reference_rows(
    train: GazeDataset,
    test: GazeDataset,
    sigma: float = SIGMA,
    seed: int = 0,
    points: int = 200_000,
    metrics: Callable[[], MetricCollection] = saliency_metrics,
    samples: int | None = None,
) -> dict[str, Row]:
    """Score predictions that need no model, by the metrics and at the size by which models are scored.

    - ``centre prior``: the density of all training fixations, whatever the image. What a model must beat.
    - ``another image``: the human density of another test image. What attention learned from shuffled maps can reach.
    - ``human ceiling``: the density of half of the people (the larger half, drawn for each image) scored by the other
      half's fixations. Only from data that tell people apart.

    Args:
        train: Split whose fixations make the prior.
        test: Split that is scored.
        sigma: Standard deviation of the human densities, as a share of the stimulus' longer side: the one that models
            are scored with (`haa.data.loading.datamodule.DataModule.human_sigma`).
        seed: Seed of the draws of the other image and of the halves.
        points: Greatest number of training fixations that the prior is made from (of evenly spaced images).
        metrics: Makes the metrics that score the rows.
        samples: Greatest number of test samples that are scored (evenly spaced); None is all.

    Returns:
        A row of metrics for each; a row that the data do not allow, and a metric that is never defined, are left out.

    Raises:
        InputError: If the training split has no gaze.

    Kümmerer, Wallis, Bethge, Information-theoretic model comparison unifies saliency metrics, PNAS 2015 (the centre
    prior and the gold standard as bounds); Judd, Durand, Torralba, A benchmark of computational models of saliency to
    predict human fixations, MIT technical report, 2012.
    """
    rows_of = _metrics_of_rows(metrics)
    with_gaze = evenly([index for index in range(len(test)) if test.gaze(index) is not None], samples)
    for _ in _scored(rows_of, train, test, with_gaze, sigma, seed, points):
        pass
    rows = {
        name: {key: value.item() for key, value in metric.compute().items() if value.isfinite()}
        for name, metric in rows_of.items()
        if all(m.update_called for m in metric.values())
    }
    return {name: row for name, row in rows.items() if row}


def reference_values(
    train: GazeDataset,
    test: GazeDataset,
    indices: Sequence[int],
    sigma: float = SIGMA,
    seed: int = 0,
    points: int = 200_000,
    metrics: Callable[[], MetricCollection] = saliency_metrics,
) -> dict[str, dict[str, Float[Tensor, " n"]]]:
    """Return what `reference_rows` are means of: a value for each of some samples of the test split.

    Args:
        train: See `reference_rows`, as for the arguments that follow.
        test: Split that is scored.
        indices: The samples.
        sigma: Standard deviation of the human densities.
        seed: Seed of the draws.
        points: Greatest number of training fixations that the prior is made from.
        metrics: Makes the metrics that score the rows.

    Returns:
        For each row and metric the values in the order of ``indices``, NaN where undefined; of a clip the mean over
        its frames. A row that the data do not allow is left out.

    Raises:
        InputError: If the training split has no gaze.
    """
    found: dict[str, dict[int, list[dict[str, float]]]] = {}
    with_gaze = [index for index in indices if test.gaze(index) is not None]
    for name, index, values in _scored(_metrics_of_rows(metrics), train, test, with_gaze, sigma, seed, points):
        found.setdefault(name, {}).setdefault(index, []).append(values)
    names = [str(name) for name in metrics()]
    return {
        row: {
            name: torch.stack([torch.tensor([v[name] for v in of.get(index, [])]).nanmean() for index in indices])
            for name in names
        }
        for row, of in found.items()
    }


def evenly(indices: Sequence[int], most: int | None) -> list[int]:
    """Return at most so many of some samples, evenly spaced; None is all.

    Example:
        >>> evenly([0, 2, 4, 6, 8], 2)
        [0, 4]
    """
    if most is None or len(indices) <= most:
        return list(indices)
    return [indices[i * len(indices) // most] for i in range(most)]


def _metrics_of_rows(metrics: Callable[[], MetricCollection]) -> dict[str, MetricCollection]:
    rows_of = {name: metrics() for name in ("centre prior", "another image", "human ceiling")}
    for metric in [metric for row in rows_of.values() for metric in row.values()]:
        # one process computes the rows, and must not wait for what the others know
        metric.distributed_available_fn = lambda: False
    return rows_of


def _scored(
    rows_of: dict[str, MetricCollection],
    train: GazeDataset,
    test: GazeDataset,
    indices: Sequence[int],
    sigma: float,
    seed: int,
    points: int,
) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Update the metrics of each row with samples that have gaze; yield row, sample and its values, frame by frame."""
    prior = centre_prior(train, sigma, points)
    other = Shuffled(seed)
    try:
        other.fitted(test)
        several = True
    except InputError:  # too few stimuli to give each another one's gaze
        several = False
    waiting: dict[tuple[str, Size], list[tuple[int, Tensor, Gaze]]] = {}
    for index in indices:
        gaze = test.gaze(index)
        assert gaze is not None
        stranger = other.gaze(test, index) if several else None
        halves = split_people(gaze, torch.Generator().manual_seed(seed * 1_000_003 + index))
        for own, theirs, half, rest in _frame_by_frame(gaze, stranger, *(halves or (None, None))):
            assert own is not None
            pairs = {"centre prior": (_stretched(prior, own.size), own)}
            if theirs is not None:
                pairs["another image"] = (_map(theirs, sigma), own)
            if half is not None and rest is not None and len(half.points) and len(rest.points):
                pairs["human ceiling"] = (_map(half, sigma), rest)
            for name, pair in pairs.items():
                waiting.setdefault((name, own.size), []).append((index, *pair))
                if len(waiting[name, own.size]) == _TOGETHER:
                    yield from _score(name, rows_of[name], waiting.pop((name, own.size)), sigma)
    for (name, _), left in waiting.items():
        yield from _score(name, rows_of[name], left, sigma)


def cached_reference_rows(
    directory: str | Path, train: GazeDataset, test: GazeDataset, sigma: float, metrics: Callable[[], MetricCollection]
) -> dict[str, Row]:
    """Return `reference_rows` of at most 100 test samples, computed once for the same gaze and metrics and then read.

    The folder is named by the gaze, by what scores it, and by the rules by which files are read
    (`haa.data.files.picture.RULES`): rows that were made by older rules are not read.

    Args:
        directory: Folder in which the rows are kept.
        train: See `reference_rows`, as for the arguments that follow.
        test: Split that is scored.
        sigma: Standard deviation of the human densities.
        metrics: Makes the metrics that score the rows.

    Raises:
        InputError: If the training split has no gaze, the disk refuses the rows, or those that are there are damaged.
    """
    names = ",".join(sorted(map(str, metrics())))
    digest = hashlib.sha256(f"{_VERSION} {RULES} {sigma} {names}".encode())
    for dataset in (train, test):
        for index in range(len(dataset)):
            gaze = dataset.gaze(index)
            digest.update(b"none" if gaze is None else str(gaze.size).encode() + gaze.points.numpy().tobytes())
            if gaze is not None and gaze.frame is not None:
                digest.update(gaze.frame.numpy().tobytes())
            if gaze is not None and gaze.subject is not None:
                digest.update(gaze.subject.numpy().tobytes())
            if gaze is not None and gaze.weight is not None:
                digest.update(b"weight" + gaze.weight.numpy().tobytes())
    folder = Path(directory) / "references" / digest.hexdigest()[:16]
    with built_once(folder) as partial:
        if partial is not None:
            write_json(partial / _ROWS, reference_rows(train, test, sigma, metrics=metrics, samples=100))
    return read_json(folder / _ROWS, f"delete the folder {folder}, it is made again")


def centre_prior(train: GazeDataset, sigma: float = SIGMA, points: int = 200_000) -> Float[Tensor, "1 h w"]:
    """Return the density of all of a split's fixations, at its commonest stimulus size, of at most 256 cells a side.

    Args:
        train: Split whose images may differ in size: points are stretched to the commonest.
        sigma: Standard deviation of the Gaussian around each fixation, as a share of the longer side.
        points: Greatest number of fixations that are used, from evenly spaced images.

    Raises:
        InputError: If no image of the split has gaze.
    """
    gazes = [gaze for gaze in map(train.gaze, range(len(train))) if gaze is not None and len(gaze.inside().points)]
    if not gazes:
        raise InputError(f"no training image of {type(train).__name__} has gaze: a centre prior cannot be made")
    size: Size = Counter(gaze.size for gaze in gazes).most_common(1)[0][0]
    shrink = max(1.0, max(size) / 256)
    grid = (max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink)))
    every = max(1, math.ceil(sum(len(gaze.points) for gaze in gazes) / points))
    kept = torch.cat([resize(gaze.inside().points, gaze.size, size) for gaze in gazes[::every]])
    parts: Iterable[Tensor] = kept.split(4096)
    total = sum(
        (density(part[None], size, sigma * max(size), grid=grid) * len(part) for part in parts), torch.zeros(())
    )
    return total / len(kept)


def split_people(gaze: Gaze, generator: torch.Generator) -> tuple[Gaze, Gaze] | None:
    """Return the fixations of half of the people (the larger half) and of the others; None with fewer than two people.

    Example:
        >>> gaze = Gaze(torch.rand(6, 2), (9, 9), subject=torch.tensor([1, 1, 2, 2, 3, 3]))
        >>> [len(half.points) for half in split_people(gaze, torch.Generator())]
        [4, 2]
    """
    gaze = gaze.inside()
    if gaze.subject is None or len(people := gaze.subject.unique()) < 2:
        return None
    order = people[torch.randperm(len(people), generator=generator)].tolist()
    half = math.ceil(len(order) / 2)
    return gaze.of(*order[:half]), gaze.of(*order[half:])


def _frame_by_frame(gaze: Gaze, *others: Gaze | None) -> Iterator[tuple[Gaze | None, ...]]:
    """Yield the gaze of several at each frame of a clip at which the first has some; of a still, once."""
    if gaze.frame is None:
        yield gaze, *others
        return
    for frame in gaze.inside().frame.unique().tolist():  # type: ignore[union-attr]
        yield tuple(None if one is None else one.at(frame) for one in (gaze, *others))


def _score(
    row: str, metrics: MetricCollection, waiting: list[tuple[int, Tensor, Gaze]], sigma: float
) -> Iterator[tuple[str, int, dict[str, float]]]:
    gazes = [gaze for _, _, gaze in waiting]
    batch = {
        "image": torch.empty(len(gazes), 3, *gazes[0].size),
        "id": [""] * len(gazes),
        "fixations": pad([gaze.points for gaze in gazes]),
    }
    if any(gaze.weight is not None for gaze in gazes):
        batch["weights"] = pad_sequence([gaze.weights for gaze in gazes], batch_first=True)
    values = score(metrics, torch.cat([prediction for _, prediction, _ in waiting]), batch, sigma)  # type: ignore[arg-type]
    for place, (index, _, _) in enumerate(waiting):
        yield row, index, {name: value[place].item() for name, value in values.items()}


def _map(gaze: Gaze, sigma: float) -> Tensor:
    return density(gaze.points[None], gaze.size, sigma * max(gaze.size), weights=gaze.weights[None])


def _stretched(prior: Tensor, size: Size) -> Tensor:
    return interpolate(prior[None], size, mode="bilinear", align_corners=False)[0]
