"""An evaluation that leaves a run folder for the report, in a loop that haa has never seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

import haa
from haa.alignment import Alignment
from haa.conditions.condition import Condition, arm
from haa.conditions.exchanged import Exchanged, named
from haa.data.dataset import SIGMA, digest
from haa.digests import signed
from haa.disk import make_folder, write_whole
from haa.errors import InputError
from haa.evaluation import faithfulness
from haa.evaluation.reference import reference_rows
from haa.evaluation.samples import Samples, Score, attention_metrics
from haa.run_folder import RunFolder


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation scores, and what the report has to know of the run.

    `haa.AlignmentCallback` and `haa.AlignedTrainer` take it as ``evaluate=``; `haa.measure` has the same arguments.

    Args:
        folder: The run's folder, below one that ``haa report`` is given: one for each arm and seed.
        score: Function from the model's output and the batch, as the loop has it, to the task's metrics by name: a
            value per sample.
        metric: The one of these that the verdict is about.
        higher_is_better: Whether more of it is better; or, by name, of several.
        condition: Whose gaze the model is trained with: a name, or an object, of `haa.conditions`.
        seed: Seed of the training.
        task: What the model does, for the report's title.
        data: What the data are, for the report's title.
        settings: What has to be the same in runs that are compared: learning rate, epochs, name of the model.
        sigma: Standard deviation of the human density that maps are scored against, as a share of the image's longer
            side.
        simulated: Whether the gaze comes from a simulated observer.
        faithfulness: Number of test samples on which faithfulness is measured (`haa.evaluation.faithfulness`), each by
            112 forward passes; 0 is none.
        confidence: Name of the score that falls as pixels go: a probability, that of the right class for one.
        references: Training data with everybody's own gaze, as `haa.Exchanged` takes them, or a `haa.Exchanged`: the
            centre prior is made of them, and reference rows stand beside the model's
            (`haa.evaluation.reference.reference_rows`, of at most 100 test samples). None is without. The human ceiling
            needs ``subject`` ``(b, n)`` in the batches, an integer for who made each fixation.

    Raises:
        InputError: If there is no such condition, or faithfulness has no confidence.

    Example:
        >>> right = lambda output, batch: {"accuracy": output.argmax(1) == batch["label"]}
        >>> evaluation = Evaluation("studies/mine/shuffled_0", right, "accuracy", condition="shuffled", seed=0)
    """

    folder: str | Path
    score: Score
    metric: str
    higher_is_better: Mapping[str, bool] | bool = True
    condition: str | Condition = "human"
    seed: int = 0
    task: str = "own"
    data: str = "data"
    settings: Mapping[str, Any] | None = None
    sigma: float = SIGMA
    simulated: bool = False
    faithfulness: int = 0
    confidence: str | None = None
    references: Any = None

    def __post_init__(self) -> None:
        named(self.condition)
        faithfulness.check_faithfulness(self.faithfulness)
        if self.faithfulness and self.confidence is None:
            raise InputError(
                f"faithfulness={self.faithfulness} needs confidence=, the name of a score that is a probability: have "
                "score give one, of the right class for instance"
            )

    def refuse_finished(self) -> None:
        """Refuse a folder that holds a finished run.

        Raises:
            InputError: If it does.
        """
        if RunFolder(Path(self.folder)).finished:
            raise InputError(f"{self.folder} holds a finished run: give another folder, or take it away")

    def samples(self, test: bool = True) -> Samples:
        """Return what gathers the samples of a split.

        Args:
            test: Whether it is the test split, some of whose samples are run again for faithfulness.
        """
        return Samples(self.score, self.sigma, self.faithfulness if test else 0)

    def write(
        self, samples: Samples, alignment: Alignment | float, validation: float | None = None
    ) -> dict[str, float]:
        """Write the run folder, while the model is still in evaluation mode and without gradients.

        Args:
            samples: The test split's.
            alignment: Alignment that the model was trained with, or its weight.
            validation: Value of the metric on the validation split, by which one of several weights is chosen.

        Returns:
            The means over samples, by name; attention's begin with ``attention_``.

        Raises:
            InputError: If the folder holds a run, the metric is not among the scores, or samples lack values.
        """
        self.refuse_finished()
        samples.check()
        samples.check_metric(self.metric)
        undefined = samples.undefined()
        measured = samples.measure_faithfulness(str(self.confidence)) if self.faithfulness else 0
        references = self._reference_rows(samples)
        means = samples.means()
        place, chosen = RunFolder(Path(self.folder)), named(self.condition)
        weight = alignment.weight if isinstance(alignment, Alignment) else float(alignment)
        own = arm(chosen, weight)
        told = {
            "split": "test",
            "samples": len(samples.ids),
            "undefined": undefined,
            "faithfulness": measured,
            **({"faithfulness_is": faithfulness.REFERENCE} if measured else {}),
            "haa": haa.__version__,
            "role": own.role,
            "label": own.label,
            "matched": bool(chosen.matched),
            "simulated_gaze": self.simulated,
            "sigma": self.sigma,
            "data": {"test": {"samples": len(samples.ids), "ids": digest(samples.ids), "gaze": digest(samples.gaze)}},
            "validation": validation,
            "metrics": {name: means.get(name) for name in samples.columns},
            "higher_is_better": {**samples.directions(), **faithfulness.directions(), **self._better()},
            **({"references": references} if references else {}),
        }
        make_folder(place.path)
        write_whole(place.config, yaml.safe_dump(self._config(chosen, alignment, weight), sort_keys=False))
        table = pa.table({"id": samples.ids, "stimulus": samples.ids, **samples.columns})
        write_whole(place.samples, lambda file: pq.write_table(table, file))
        write_whole(place.metrics, json.dumps(signed(place.path, told), indent=2, allow_nan=False) + "\n")
        return means

    def _better(self) -> dict[str, bool]:
        better = self.higher_is_better
        return dict(better) if isinstance(better, Mapping) else {self.metric: better}

    def _config(self, condition: Condition, alignment: Alignment | float, weight: float) -> dict[str, Any]:
        mode = "max" if self._better().get(self.metric, True) else "min"
        how = {} if isinstance(alignment, float | int) else {"loss": _name(alignment.loss), "sigma": alignment.sigma}
        if isinstance(alignment, Alignment):
            how["schedule"] = _name(alignment.schedule)
        return {
            "align_weight": weight,
            "seed": int(self.seed),
            "task": {"name": self.task, "monitor": f"val/{self.metric}", "mode": mode},
            "data": {"_target_": f"own.{self.data}"},
            "condition": {"_target_": f"{type(condition).__module__}.{type(condition).__qualname__}"},
            "alignment": {"_target_": "haa.alignment.Alignment", "weight": weight, **how},
            "own": dict(self.settings or {}),
        }

    def _reference_rows(self, samples: Samples) -> dict[str, dict[str, float]]:
        if self.references is None:
            return {}
        data = self.references if isinstance(self.references, Exchanged) else Exchanged(self.references, "human")
        rows = reference_rows(data.own, samples.recorded(), self.sigma, metrics=attention_metrics, samples=100)
        return {name: {f"attention_{key}": value for key, value in row.items()} for name, row in rows.items()}


def _name(function: Any) -> str:
    """Return what a loss or a schedule is called: the function's name, or its class'."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
