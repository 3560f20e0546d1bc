"""An evaluation for any loop: a model of yours, scored as haa scores, in a run folder that ``haa report`` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from haa.alignment.any_batch import Named, Replay, changed
from haa.alignment.loop import Reader, gaze_of, is_source
from haa.attention.host import evaluating, placed
from haa.attention.untouched import untouched
from haa.batch import in_unit_range
from haa.conditions.condition import Condition
from haa.data.dataset import SIGMA
from haa.evaluation.evaluation import Evaluation
from haa.evaluation.samples import Samples, Score
from haa.geometry.extent import WHOLE
from haa.geometry.receptive_field import forget


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
    batch: Named | None = None,
    sigma: float = SIGMA,
    simulated: bool = False,
    validation: float | Iterable[Any] | None = None,
    faithfulness: int = 0,
    confidence: str | None = None,
    references: Any = None,
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
        score: See `Evaluation`, as for the arguments that follow.
        metric: The score that the verdict is about.
        higher_is_better: Whether more of it is better.
        condition: Whose gaze the model was trained with.
        align_weight: Weight of the alignment in training; 0 is the baseline.
        seed: Seed of the training.
        task: What the model does.
        data: What the data are.
        settings: What has to be the same in runs that are compared.
        run: How the model is called on a batch; None is ``model(batch["image"])``.
        batch: Function from a batch of another form to such a mapping, see `haa.align`.
        sigma: Standard deviation of the human density.
        simulated: Whether the gaze comes from a simulated observer.
        validation: Value of the metric on the validation split, by which one of several weights is chosen; or the
            batches of that split, which are scored for it.
        faithfulness: Number of test samples on which faithfulness is measured.
        confidence: Name of the score that falls as pixels go.
        references: Training data, of whose gaze the centre prior is made.

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
    evaluation = Evaluation(
        folder, score, metric, higher_is_better, condition, seed, task, data, settings, sigma, simulated, faithfulness,
        confidence, references,
    )  # fmt: skip
    evaluation.refuse_finished()
    call = (lambda model, given: model(in_unit_range(gaze_of(given, batch))["image"])) if run is None else run
    forget(model)
    with untouched(model):
        samples = _scored(evaluation.samples(), model, source, batches, call, batch)
        if validation is not None and not isinstance(validation, float | int):
            validation = _scored(evaluation.samples(test=False), model, source, validation, call, batch).mean(metric)
        with torch.no_grad():
            return evaluation.write(samples, float(align_weight), validation)


def _scored(
    samples: Samples,
    model: nn.Module,
    source: Reader,
    batches: Iterable[Any],
    call: Callable[[nn.Module, Any], Any],
    function: Named | None,
) -> Samples:
    device = next((value.device for value in model.parameters()), torch.device("cpu"))
    for given in batches:
        raw: Any = changed(given, lambda x: x.to(device))
        batch = in_unit_range(gaze_of(raw, function))
        raw = batch if function is None else raw
        with torch.no_grad():
            output, maps, extent = _looked(model, source, call, raw)
        samples.add(raw, batch, output, maps, extent, Replay(lambda x: call(model, x), raw, batch["image"]))
    return samples


def _looked(model: nn.Module, source: Reader, call: Callable[[nn.Module, Any], Any], batch: Any) -> Any:
    """Return the model's output, its map, and where the map's cells lie."""
    if not is_source(source):
        output = call(model, batch)
        return output, source(model).detach(), WHOLE  # type: ignore[operator]
    with evaluating(source, model, batch) as (watched, taken):
        output = call(model, taken)
        maps, extent = placed(watched)
    return output, maps.detach(), extent
