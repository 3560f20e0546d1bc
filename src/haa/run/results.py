"""Results of a run: metrics.json, samples.parquet and maps.npz in its folder."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only

from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.digests import signed
from haa.disk import make_folder, write_whole
from haa.errors import InputError
from haa.evaluation import faithfulness
from haa.evaluation.maps import gather
from haa.run import console
from haa.run.resume import check_data
from haa.run_folder import RunFolder, chosen
from haa.tasks.aligned_module import AlignedModule

Row = dict[str, Any]
"""A test sample: its id, and its value of every metric."""


@dataclass(frozen=True)
class Scored:
    """A split that a Trainer has just scored.

    Args:
        trainer: The Trainer, after ``test``.
        module: What was scored; its `samples` are those of this process.
        data: What it was scored on.
        split: The split that was scored.
    """

    trainer: pl.Trainer
    module: AlignedModule
    data: DataModule
    split: Split


def check_difference(difference: Any) -> None:
    """Refuse what cannot be the smallest difference worth having.

    Raises:
        InputError: If it is neither None nor a positive number.
    """
    number = isinstance(difference, int | float) and not isinstance(difference, bool)
    if difference is not None and not (number and 0 < difference < math.inf):
        raise InputError(
            f"difference={difference}: give a positive number in units of the metric, such as 0.01 of an accuracy, "
            "or null for the report's own"
        )


def open_folder(cfg: DictConfig, made: dict[str, Any]) -> RunFolder:
    """Return the folder of a run that begins, with its resolved config and with what made it (`haa.run.made`).

    Raises:
        InputError: If it holds a finished run, or one of other data that is to be taken up.
    """
    folder = RunFolder(Path(cfg.output_dir))
    if folder.finished:
        raise InputError(f"{folder.path} holds a finished run: give another folder, or take it away")
    if cfg.get("resume"):
        check_data(folder, made)
    _begin(folder, cfg, made)
    return folder


def write_results(
    folder: RunFolder,
    scored: Scored,
    faithfulness_samples: int,
    references: dict[str, dict[str, float]],
    made: dict[str, Any],
    trained: dict[str, Any],
    checkpoint: str | None = None,
) -> dict[str, float]:
    """Write and print what a test gave, from one process; the others hand in their rows.

    Args:
        folder: The run's folder.
        scored: The test.
        faithfulness_samples: How many samples faithfulness is measured on.
        references: Rows of scores that need no model, by name.
        made: What made the run, as made.json has it.
        trained: How its model was trained, `haa.run.made.training`.
        checkpoint: The checkpoint that was evaluated; None where the run has trained its model itself.

    Returns:
        The metrics.
    """
    places, rows = _all_rows(scored.module.samples, scored.data.places(scored.split))
    metrics = _logged_metrics(scored.trainer)
    if not scored.trainer.is_global_zero:
        return metrics
    scored.module.to(scored.trainer.strategy.root_device)  # which a Trainer leaves when it is done
    columns = [name for name in (rows[0] if rows else {}) if name != "id"]
    valid = {name: sum(math.isfinite(row[name]) for row in rows) for name in columns}
    undefined = {name: len(rows) - count for name, count in valid.items()}
    measured, unmeasured = _measure_faithfulness(scored, places, faithfulness_samples)
    if measured:
        means = _add_to(dict(zip(places, rows, strict=True)), measured)
        columns += means
        metrics |= means
        valid |= dict.fromkeys(means, len(measured))
        _log(scored.trainer, means)
    summary = {
        "split": scored.split,
        "samples": len(rows),
        "undefined": undefined,
        "faithfulness": len(measured),
        **({"faithfulness_is": faithfulness.REFERENCE} if measured else {}),
        **made,
        "align_loss_at_start": scored.module.align_loss_at_start,
        **trained,
        "metrics": {name: value if math.isfinite(value) else None for name, value in sorted(metrics.items())},
        "higher_is_better": _directions(scored.module, metrics),
        **({"references": references} if references else {}),
        **({"checkpoint": checkpoint} if checkpoint else {}),
    }
    dataset = scored.data.dataset(scored.split)
    stimuli = [dataset.stimulus(place) for place in places]
    write_whole(folder.samples, lambda file: pq.write_table(_table(rows, columns, stimuli), file))
    if (maps := gather(scored.module, scored.data, scored.split)) is not None:
        maps.save(folder.maps)
    # last, and whole or not at all: a run that has it is finished
    write_whole(folder.metrics, json.dumps(signed(folder.path, summary), indent=2, allow_nan=False) + "\n")
    console.show_scores(summary, valid, scored.data, unmeasured)
    return metrics


@rank_zero_only
def _begin(folder: RunFolder, cfg: DictConfig, made: dict[str, Any]) -> None:
    make_folder(folder.path)
    write_whole(folder.config, OmegaConf.to_yaml(cfg, resolve=True))
    write_whole(folder.made, json.dumps(made, indent=2, allow_nan=False) + "\n")


def _logged_metrics(trainer: pl.Trainer) -> dict[str, float]:
    metrics = {name.removeprefix("test/"): float(value) for name, value in sorted(trainer.callback_metrics.items())}
    return {name: value for name, value in metrics.items() if "/" not in name}


def _measure_faithfulness(scored: Scored, places: list[int], wanted: int) -> tuple[dict[int, dict[str, float]], str]:
    """Return the measures by the sample's place in the split, and why there are none where they were asked for."""
    if not wanted:
        return {}, ""
    module = scored.module
    some = [places[number] for number in chosen(len(places), wanted)]
    measured = faithfulness.faithfulness(module, scored.data, scored.split, some)
    if measured:
        return measured, ""
    if faithfulness.gives_answers(module):
        return {}, "the model has no attention"
    return {}, f"{type(module).__name__} gives no answer"


def _add_to(rows: dict[int, Row], measured: dict[int, dict[str, float]]) -> dict[str, float]:
    """Give some rows, by their place, more values, and the others NaN; return their means."""
    names = next(iter(measured.values()))
    for place, row in rows.items():
        row.update(measured.get(place, dict.fromkeys(names, math.nan)))
    return {name: statistics.fmean(values[name] for values in measured.values()) for name in names}


def _log(trainer: pl.Trainer, means: dict[str, float]) -> None:
    for logger in trainer.loggers:
        if not isinstance(logger, CSVLogger):
            logger.log_metrics({f"test/{name}": value for name, value in means.items()})


def _directions(module: AlignedModule, metrics: Iterable[str]) -> dict[str, bool | None]:
    """Return for each metric whether more of it is better; None where neither is, or nothing says so."""
    known = {**module.directions(), **faithfulness.directions()}
    return {name: known.get(name) for name in sorted(metrics)}


def _table(rows: list[Row], columns: list[str], stimuli: list[str]) -> pa.Table:
    named = {"id": _texts([str(row["id"]) for row in rows]), "stimulus": _texts(stimuli).dictionary_encode()}
    return pa.table(named | {key: _numbers([row[key] for row in rows]) for key in columns})


# pa.array imports pandas where there is one, which takes as long as all that a run writes


def _texts(values: list[str]) -> pa.StringArray:
    texts = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    whole = pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))
    return whole.cast(pa.string())


def _numbers(values: list[Any]) -> pa.DoubleArray:
    return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(np.array(values, np.float64))])


def _all_rows(rows: list[Row], places: list[int]) -> tuple[list[int], list[Row]]:
    """Return the rows of all processes in the dataset's order, and the place of each in it.

    Args:
        rows: Rows of this process, in the order in which it scored samples; of the first ones, where a test is limited.
        places: Places of all samples of this process, in this order.
    """
    own = list(zip(places, rows, strict=False))
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        parts: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, own)
        own = [row for part in parts for row in part]
    own.sort(key=lambda row: row[0])
    return [place for place, _ in own], [row for _, row in own]
