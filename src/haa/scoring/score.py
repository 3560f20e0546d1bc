"""Results that lie in files, scored against any data set: which are whose, and what becomes of those that are not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from haa.data.dataset import GazeDataset, Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError, suggest
from haa.scoring import objects, saliency, texts
from haa.scoring.files import maps_in
from haa.scoring.ground_truth import REFERENCES, GroundTruth
from haa.scoring.joined import Joined
from haa.scoring.matching import Matched, listed, match, names_of
from haa.scoring.saliency import Scored
from haa.scoring.scores import Metric, Row, Scores

Task = Literal["saliency", "sos", "captioning", "vqa"]
OnError = Literal["stop", "skip"]
Maps = str | Path | Sequence[str | Path] | Mapping[str, str | Path]

METRICS: dict[str, dict[str, Metric]] = {
    "saliency": {name: measure.metric for name, measure in saliency.MEASURES.items()},
    "sos": objects.MEASURES,
    "captioning": texts.CAPTIONS,
    "vqa": texts.ANSWERS,
}
"""Metrics of each task, by name; the first ranks unless others are asked for."""
_SAYS_NOTHING = ("saliency", "attention", "maps", "predictions", "results", "output")
"""Names of folders of maps that say nothing of whose they are: the folder above is named in their place."""


def score(
    maps: Maps,
    data: DataModule,
    task: Task = "saliency",
    split: Split | Literal["all"] = "test",
    metrics: Sequence[str] | None = None,
    on_error: OnError = "stop",
    references: bool = True,
    num_workers: int | None = None,
    seed: int = 0,
) -> Scores:
    """Score results that lie in files: folders of maps or masks, captions, answers.

    Maps are matched with samples by their names, wherever they lie below the folder. They are scored at the size of the
    stimulus, as published evaluations do, in float64. Beside them stand the centre prior, another image's gaze and the
    human ceiling, scored in the same way.

    Args:
        maps: For each model a folder of maps or an HDF5 file of them; of captions and answers a JSON file in the
            official result format. One path, several (also in one text, between commas), or paths by the models' names.
        data: Data that they are scored against, `haa.build.datamodule` of a config say.
        task: What they are: ``saliency``, ``sos``, ``captioning`` or ``vqa``.
        split: Split that is scored; ``all`` takes the three together.
        metrics: Names of the metrics, of `METRICS`, the first of which ranks; None takes all but slow ones.
        on_error: ``stop`` refuses maps that are missing, of no sample, or faulty; ``skip`` leaves out the samples of
            which a model has no usable map, for all models, and says so.
        references: Whether rows that need no model are made.
        num_workers: Number of processes; None is one for each core. The values do not depend on it.
        seed: Seed of the draws of the other image and of the halves of the people.

    Returns:
        The table, see `haa.scoring.scores.Scores`.

    Raises:
        InputError: If a file cannot be used, or the data lack what the task needs.

    Example:
        >>> import tempfile
        >>> from functools import partial
        >>> from haa.data.shapes import Shapes
        >>> data = DataModule(partial(Shapes, train=8, val=1, test=4))
        >>> folder = Path(tempfile.mkdtemp()) / "mine"
        >>> folder.mkdir()
        >>> for i in range(4):
        ...     np.save(folder / f"shapes-test-{i:05d}.npy", np.random.default_rng(i).random((64, 64)))
        >>> scores = score(folder, data, metrics=["nss", "cc"])
        >>> [row.name for row in scores.rows][:4]
        ['mine', 'centre prior', 'centre prior, mixture', 'another image']
    """
    start = time.perf_counter()
    for key, value, choices in (("task", task, get_args(Task)), ("on_error", on_error, get_args(OnError))):
        if value not in choices:
            raise InputError(f"{key}={value}: {suggest(str(value), choices)}")
    if split not in (*get_args(Split), "all"):
        raise InputError(f"split={split}: {suggest(str(split), [*get_args(Split), 'all'])}")
    chosen = _metrics(task, metrics)
    dataset = Joined(data) if split == "all" else data.dataset(split)
    where = places(maps)
    if task == "saliency" and references:
        _check_names(where)
    scorer = _Scorer(where, data, dataset, task, split, list(chosen), on_error == "skip")
    if task == "saliency":
        rows, indices = scorer.saliency(references, num_workers, seed)
    elif task == "sos":
        rows, indices = scorer.masks(num_workers)
    else:
        rows, indices = scorer.texts(references)
    used = {name: metric for name, metric in chosen.items() if any(np.isfinite(r.values[name]).any() for r in rows)}
    if not used:
        raise InputError(f"none of {', '.join(chosen)} is defined on these data: give other metrics")
    scorer.notes += [f"{chosen[name].label} is undefined on these data" for name in chosen if name not in used]
    return Scores(
        task,
        dataset.name if isinstance(dataset, Joined) else type(dataset).__name__,
        split,
        used,
        rows,
        [names_of(dataset, index)[0] for index in indices],
        [dataset.stimulus(index) for index in indices],
        scorer.notes,
        dataset.simulated and task == "saliency",
        time.perf_counter() - start,
        scorer.sigma,
        dataset,
        {name: [own[index] for index in indices] for name, own in scorer.results.items()},
        indices,
    )


def places(maps: Maps) -> dict[str, Path]:
    """Return where each model's results lie, by its name.

    Raises:
        InputError: If there is none, or two have one name.

    Example:
        >>> places("runs/a/saliency,runs/b/saliency")
        {'a': PosixPath('runs/a/saliency'), 'b': PosixPath('runs/b/saliency')}
    """
    if isinstance(maps, Mapping):
        return {str(name): Path(path).expanduser() for name, path in maps.items()}
    if isinstance(maps, str) and not Path(maps).expanduser().exists():
        maps = [part for part in maps.split(",") if part]
    paths = [Path(path).expanduser() for path in ([maps] if isinstance(maps, str | Path) else maps)]
    if not paths:
        raise InputError("maps is empty: give maps=DIR, or several between commas")
    for depth in (1, 2, 3):
        names = [_name(path, depth) for path in paths]
        if len(set(names)) == len(names):
            return dict(zip(names, paths, strict=True))
    raise InputError(f"two of maps={','.join(map(str, paths))} have one name: give maps={{a: DIR, b: DIR}}")


def _check_names(where: Mapping[str, Path]) -> None:
    """Refuse a model that is called as a row that needs no model, which stand in one table."""
    if both := [name for name in where if name in REFERENCES]:
        path = where[both[0]]
        raise InputError(
            f"maps={path} are called {both[0]!r}, as a row that needs no model is: give them another name, "
            f"maps={{mine: {path}}}, or references=false"
        )


def _name(path: Path, depth: int) -> str:
    parts = [*path.absolute().parts[1:]]
    parts[-1] = path.stem if path.suffix.lower() in (".json", ".h5", ".hdf5") else parts[-1]
    while len(parts) > 1 and parts[-1] in _SAYS_NOTHING:
        parts.pop()
    return "/".join(parts[-depth:])


def _metrics(task: Task, metrics: Sequence[str] | None) -> dict[str, Metric]:
    known = METRICS[task]
    names = (
        [name for name in known if task != "saliency" or name in saliency.USUAL] if metrics is None else list(metrics)
    )
    for name in names:
        if name not in known:
            raise InputError(f"metrics={name}: {suggest(name, list(known))}")
    return {name: known[name] for name in dict.fromkeys(names)}


class _Scorer:
    """Scores of one call, and what there is to be said of them."""

    def __init__(
        self,
        where: Mapping[str, Path],
        data: DataModule,
        dataset: GazeDataset,
        task: Task,
        split: str,
        metrics: Sequence[str],
        skip: bool,
    ) -> None:
        self.where, self.data, self.dataset, self.task, self.split = where, data, dataset, task, split
        self.metrics, self.skip = metrics, skip
        self.notes: list[str] = []
        self.sigma: float | None = None
        self.results: dict[str, dict[int, Any]] = {}

    def saliency(self, references: bool, num_workers: int | None, seed: int) -> tuple[list[Row], list[int]]:
        """Return the rows of saliency maps, and the samples that were scored."""
        first: Any = self.dataset.splits[0] if isinstance(self.dataset, Joined) else self.split
        sigma = self.data.human_sigma(first)
        train = None if self.split in ("all", "train") else self._train()
        truth = GroundTruth(self.dataset, train, sigma.share, seed)
        if not truth.looked:
            raise InputError(
                f"nobody looked at the {self.split} split of {type(self.dataset).__name__}: give another, split=train"
            )
        if nobody := len(self.dataset) - len(truth.looked):
            self.notes.append(f"{nobody} of {len(self.dataset)} samples have no gaze, and are not scored")
        found = {name: maps_in(path) for name, path in self.where.items()}
        models, indices = self._matched(found, truth.looked)
        if references or "information_gain" in self.metrics:
            truth.fit(references)  # once all else is known to be usable: it takes longest
        scored = saliency.score_maps(truth, indices, models, self.metrics, references, num_workers, self.skip)
        self.sigma = sigma.share
        self.notes += truth.told(sigma)
        return self._rows(scored, indices, REFERENCES)

    def _train(self) -> GazeDataset | None:
        try:
            return self.data.dataset("train")
        except InputError:  # data may have one split alone
            return None

    def masks(self, num_workers: int | None) -> tuple[list[Row], list[int]]:
        """Return the rows of masks, and the samples that were scored."""
        found = {name: maps_in(path) for name, path in self.where.items()}
        models, indices = self._matched(found, range(len(self.dataset)))
        scored = objects.score_masks(self.dataset, indices, models, self.metrics, num_workers, self.skip)
        return self._rows(scored, indices, {})

    def texts(self, references: bool) -> tuple[list[Row], list[int]]:
        """Return the rows of captions or answers, and the samples that were scored."""
        found = {name: texts.read_results(path, self.task) for name, path in self.where.items()}
        models, indices = self._matched(found, range(len(self.dataset)))
        meant = texts.truths(self.dataset, indices, self.task)
        scorer = texts.score_captions if self.task == "captioning" else texts.score_answers
        rows = [Row(name, "model", scorer([said[i] for i in indices], meant)) for name, said in models.items()]
        if references and self.task == "captioning" and (one := texts.one_caption_of_each(meant)) is not None:
            rows.append(Row("one person", "reference", scorer(*one), "the first caption, scored by the others"))
        return rows, indices

    def _rows(self, scored: Scored, indices: Sequence[int], told: Mapping[str, str]) -> Any:
        good = [place for place, faults in enumerate(scored.faults) if not faults]
        if len(good) < len(indices):
            faults = [fault for each in scored.faults for fault in each.values()]
            lost = f"{len(indices) - len(good)} of {len(indices)} samples"
            self.notes.append(f"left out for faulty maps, {lost}: {listed(faults)}")
        if not good:
            raise InputError(f"no sample has a usable map: {scored.faults[0].popitem()[1]}")
        for name, count in scored.resized.items():
            if count:
                self.notes.append(
                    f"{name}: {count} of {len(indices)} maps resized to their picture, as pysaliency does"
                )
        rows = [
            Row(
                name,
                "model" if name in self.where else "reference",
                {metric: x[good, column] for column, metric in enumerate(self.metrics)},
                told.get(name, ""),
            )
            for name, x in scored.values.items()
        ]
        return rows, [indices[place] for place in good]

    def _matched(
        self, found: Mapping[str, Mapping[str, Any]], indices: Sequence[int]
    ) -> tuple[dict[str, dict[int, Any]], list[int]]:
        """Return each model's results by sample, and the samples of which all models have one."""
        names = [names_of(self.dataset, index) for index in range(len(self.dataset))]
        names = [each[:1] for each in names] if self.task == "vqa" else names  # a picture's number is no question's
        stimuli = [self.dataset.stimulus(index) for index in range(len(self.dataset))]
        common = list(indices)
        matches: dict[str, Matched] = {}
        for name, results in found.items():
            matches[name] = own = match(names, stimuli, results)
            lacking = [index for index in indices if index not in own.by_sample]
            if len(lacking) == len(indices):
                raise InputError(
                    f"none of the {len(results)} results in {self.where[name]} is named as a sample is: the first is "
                    f"{next(iter(results), 'nothing')}, the first sample {names[indices[0]][0]}"
                )
            if lacking:
                said = f"{self.where[name]} lacks {len(lacking)} of {len(indices)} samples: "
                said += listed([names[index][0] for index in lacking])
                if not self.skip:
                    raise InputError(f"{said}: add them, or give on_error=skip to score the others, for all models")
                self.notes.append(said)
                common = [index for index in common if index in own.by_sample]
            self._tell_extra(name, own.extra, len(results))
        if not common:
            raise InputError("there is no sample of which all models have a result: score them one by one")
        self.results = {
            name: {index: found[name][own.by_sample[index]] for index in common} for name, own in matches.items()
        }
        return self.results, common

    def _tell_extra(self, model: str, extra: list[str], total: int) -> None:
        """Note results of other splits; refuse, or note, those of no sample at all."""
        if extra and self.split != "all":
            others = {name for index, rest in self._elsewhere() for name in names_of(rest, index)}
            tails = others | {other.rpartition("/")[2] for other in others}
            elsewhere = [name for name in extra if name in others or name.rpartition("/")[2] in tails]
            if elsewhere:
                self.notes.append(f"{model}: {len(elsewhere)} of {total} results are of other splits, and left aside")
            extra = sorted(set(extra) - set(elsewhere))
        if extra:
            said = (
                f"{len(extra)} of {total} results in {self.where[model]} are of no sample of the data: {listed(extra)}"
            )
            if not self.skip:
                raise InputError(f"{said}: take them away, or give on_error=skip")
            self.notes.append(said)

    def _elsewhere(self) -> Iterator[tuple[int, GazeDataset]]:
        for split in get_args(Split):
            if split != self.split:
                try:
                    rest = self.data.dataset(split)
                except InputError:  # data may have one split alone
                    continue
                yield from ((index, rest) for index in range(len(rest)))
