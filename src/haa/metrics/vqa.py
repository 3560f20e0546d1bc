"""Accuracy of answers to questions about images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from haa.errors import InputError
from haa.geometry.to_device import to_device
from haa.metrics import functional
from haa.metrics.base import SampleMean
from haa.metrics.strings import pack, unpack


class VQAAccuracy(SampleMean):
    """Accuracy of the VQA challenge, see `haa.metrics.functional.vqa_accuracy`.

    Example:
        >>> metric = VQAAccuracy()
        >>> metric.update(["yes", "two"], [["yes"] * 10, ["2"] * 2 + ["3"] * 8])
        >>> metric.compute()
        tensor(0.8000)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def update(self, answers: Sequence[str], ground_truths: Sequence[Sequence[str]]) -> None:
        self.add(to_device(functional.vqa_accuracy(answers, ground_truths), self.device))


class VQAAccuracyByType(Metric):
    """Accuracy of the VQA challenge per type of answer or question.

    ``compute`` returns ``{type: accuracy}`` over the questions of all processes, the types in alphabetical order.

    Example:
        >>> metric = VQAAccuracyByType()
        >>> metric.update(["yes", "two"], [["yes"] * 10, ["2"] * 2 + ["3"] * 8], ["yes/no", "number"])
        >>> metric.compute()
        {'number': tensor(0.6000), 'yes/no': tensor(1.)}
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    records: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("records", [], dist_reduce_fx="cat")

    def update(self, answers: Sequence[str], ground_truths: Sequence[Sequence[str]], types: Sequence[str]) -> None:
        if len(types) != len(answers):
            raise InputError(f"{len(types)} types for {len(answers)} answers: give one type per question")
        tally: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        for kind, value in zip(types, functional.vqa_accuracy(answers, ground_truths).tolist(), strict=True):
            tally[kind][0] += value
            tally[kind][1] += 1
        self.records.append(pack(tally, self.device))

    def compute(self) -> dict[str, Tensor]:
        tally: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        for record in unpack(self.records):
            for kind, (value, number) in record.items():
                tally[kind][0] += value
                tally[kind][1] += number
        return {kind: torch.tensor(value / number) for kind, (value, number) in sorted(tally.items())}
