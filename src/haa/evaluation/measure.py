"""An evaluation for any loop: a model of yours, scored as haa scores, in a run folder that ``haa report`` reads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MetricCollection

import haa
from haa.alignment.loop import Reader, check_batch, is_source
from haa.attention.host import evaluating, placed
from haa.attention.untouched import untouched
from haa.batch import ready
from haa.conditions.condition import Condition, arm
from haa.conditions.exchanged import named
from haa.data.dataset import SIGMA, digest
from haa.digests import signed
from haa.disk import make_folder, write_whole
from haa.errors import InputError
from haa.geometry.extent import WHOLE
from haa.geometry.receptive_field import forget
from haa.metrics.scoring import score as score_maps
from haa.metrics.values import directions
from haa.run_folder import RunFolder
from haa.tasks.aligned_module import AlignedModule

Score = Callable[[Any, Any], Mapping[str, Float[Tensor, " b"]]]


def measure(
    folder: str | Path,
    model: nn.Module,
    source: Reader,
    batches: Iterable[Any],
    score: Score,
    *,
    metric: str,
    higher_is_better: Mapping[str, bool] | bool = True,
    condition: str | Condition = "human",
    align_weight: float = 0.0,
    seed: int = 0,
    task: str = "own",
    data: str = "data",
    settings: Mapping[str, Any] | None = None,
    run: Callable[[nn.Module, Any], Any] | None = None,
    sigma: float = SIGMA,
    simulated: bool = False,
    validation: float | None = None,
) -> dict[str, float]:
    """Score a trained model on a test set, and leave a run folder that ``haa report`` compares with others.

    A study is one call for each arm and seed, each with a folder of its own below one that ``haa report`` is given:
    without alignment (``align_weight=0``), with it, and with a control's gaze (`haa.Exchanged`) at the same weight.
    The test set has everybody's own gaze in all of them.

    Args:
        folder: The run's folder.
        model: The trained model. It is run in evaluation mode, without gradients of its weights, on the device of its
            parameters.
        source: Source of its map: one of `haa.attention`, or a function from the model to its last map.
        batches: Batches of the test set: mappings with ``image`` and ``fixations`` or ``density``, as `haa.align` takes
            them, and ``id`` (list of str) where samples have names. The order must be the same in all runs.
        score: Function from the model's output and the batch to the task's metrics, by name: a value per sample.
        metric: The one of these that the verdict is about.
        higher_is_better: Whether more of it is better; or, by name, of several.
        condition: Whose gaze the model was trained with: a name, or an object, of `haa.conditions`.
        align_weight: Weight of the alignment in training; 0 is the baseline.
        seed: Seed of the training.
        task: What the model does, for the report's title.
        data: What the data are, for the report's title.
        settings: What has to be the same in runs that are compared: learning rate, epochs, name of the model.
        run: How the model is called on a batch; None is ``model(batch["image"])``.
        sigma: Standard deviation of the human density that maps are scored against, as a share of the image's longer
            side.
        simulated: Whether the gaze comes from a simulated observer.
        validation: Value of the metric on the validation split, by which one of several weights is chosen.

    Returns:
        The means over samples, by name; attention's begin with ``attention_``.

    Raises:
        InputError: If the folder holds a run, a batch is not as above, or the metric is not among the scores.

    Example:
        >>> import tempfile
        >>> from haa.attention import FeatureNorm
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> batch = {"image": torch.rand(2, 3, 16, 16), "label": torch.tensor([1, 2])}
        >>> batch |= {"fixations": torch.tensor([[[3.0, 4.0]], [[9.0, 9.0]]])}
        >>> right = lambda output, batch: {"accuracy": output.argmax(1) == batch["label"]}
        >>> with tempfile.TemporaryDirectory() as place:
        ...     found = measure(place + "/0", model, FeatureNorm("0"), [batch], right, metric="accuracy")
        >>> sorted(found)[:3]
        ['accuracy', 'attention_auc_judd', 'attention_cc']
    """
    place = RunFolder(Path(folder))
    if place.finished:
        raise InputError(f"{folder} holds a finished run: give another folder, or take it away")
    chosen = named(condition)
    own = arm(chosen, align_weight)
    metrics = MetricCollection({name: make() for name, make in AlignedModule.attention_metrics.items()})
    columns, ids, gaze = _scored(model, source, batches, score, metrics, run, sigma)
    if metric not in columns:
        raise InputError(f"metric={metric} is not among what score gives: {', '.join(columns)}")
    known = {name: [value for value in values if math.isfinite(value)] for name, values in columns.items()}
    means = {name: math.fsum(values) / len(values) for name, values in known.items() if values}
    better = dict(higher_is_better) if isinstance(higher_is_better, Mapping) else {metric: higher_is_better}
    config = {
        "align_weight": float(align_weight),
        "seed": int(seed),
        "task": {"name": task, "monitor": f"val/{metric}", "mode": "max" if better.get(metric, True) else "min"},
        "data": {"_target_": f"own.{data}"},
        "condition": {"_target_": f"{type(chosen).__module__}.{type(chosen).__qualname__}"},
        "alignment": {"_target_": "haa.alignment.Alignment", "weight": float(align_weight)},
        "own": dict(settings or {}),
    }
    summary = {
        "split": "test",
        "samples": len(ids),
        "undefined": {name: len(ids) - len(values) for name, values in known.items()},
        "haa": haa.__version__,
        "role": own.role,
        "label": own.label,
        "matched": bool(chosen.matched),
        "simulated_gaze": simulated,
        "sigma": sigma,
        "data": {"test": {"samples": len(ids), "ids": digest(ids), "gaze": digest(gaze)}},
        "validation": validation,
        "metrics": {name: means.get(name) for name in columns},
        "higher_is_better": {**{f"attention_{name}": up for name, up in directions(metrics).items()}, **better},
    }
    make_folder(place.path)
    write_whole(place.config, yaml.safe_dump(config, sort_keys=False))
    table = pa.table({"id": ids, "stimulus": ids, **columns})
    write_whole(place.samples, lambda file: pq.write_table(table, file))
    write_whole(place.metrics, json.dumps(signed(place.path, summary), indent=2, allow_nan=False) + "\n")
    return means


def _scored(
    model: nn.Module,
    source: Reader,
    batches: Iterable[Any],
    score: Score,
    metrics: MetricCollection,
    run: Callable[[nn.Module, Any], Any] | None,
    sigma: float,
) -> tuple[dict[str, list[float]], list[str], list[Any]]:
    """Return the values of every sample by name, the samples' names, and their gaze."""
    call = (lambda model, batch: model(batch["image"])) if run is None else run
    device = next((value.device for value in model.parameters()), torch.device("cpu"))
    metrics = metrics.to(device)
    columns: dict[str, list[float]] = {}
    ids: list[str] = []
    gaze: list[Any] = []
    forget(model)
    with untouched(model):
        for raw in batches:
            check_batch(raw)
            count = len(raw["image"])
            names = [str(len(ids) + k) for k in range(count)] if "id" not in raw else [str(name) for name in raw["id"]]
            batch: Any = ready({**raw, "id": names}, device)
            with torch.no_grad():
                output, maps, extent = _looked(model, source, call, batch)
            values = dict(score(output, batch))
            if "fixations" in batch or "density" in batch:
                found = score_maps(metrics, maps, batch, sigma, extent=extent)
                values |= {f"attention_{name}": value for name, value in found.items()}
            for name, value in values.items():
                listed = torch.as_tensor(value).detach().double().flatten().tolist()
                if len(listed) != count:
                    raise InputError(f"score gives {len(listed)} values of {name} for {count} samples: give one each")
                columns.setdefault(name, []).extend(listed)
            ids += names
            gaze += [batch[key].detach().cpu() for key in ("fixations", "density") if key in batch]
    if not ids:
        raise InputError("there is no batch to score: give the test set's")
    if len(set(ids)) < len(ids):
        raise InputError(f"two samples are called {next(name for name in ids if ids.count(name) > 1)}: give each an id")
    if short := [name for name, values in columns.items() if len(values) != len(ids)]:
        raise InputError(f"{short[0]} is not there in every batch: give the same names, and the same keys")
    return columns, ids, gaze


def _looked(model: nn.Module, source: Reader, call: Callable[[nn.Module, Any], Any], batch: Any) -> Any:
    """Return the model's output, its map, and where the map's cells lie."""
    if not is_source(source):
        output = call(model, batch)
        return output, source(model).detach(), WHOLE  # type: ignore[operator]
    with evaluating(source, model, batch) as (watched, taken):
        output = call(model, taken)
        maps, extent = placed(watched)
    return output, maps.detach(), extent
