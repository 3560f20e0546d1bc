"""What any metric says of itself: which way it is better, and its values per sample."""

from __future__ import annotations

import inspect

import pytest
import torch
from torchmetrics import Metric, MetricCollection

import haa.metrics
from haa.metrics.base import SampleMean
from haa.metrics.values import directions, values_per_sample

LOWER = {"MAE", "KLDivergence", "KLDivergenceMIT", "EarthMoversDistance", "Deletion", "Sufficiency"}
SEVERAL = {"SalientObjects", "CaptionScores", "ClassCurves"}
CLASSES = [
    (name, kind)
    for name in haa.metrics.__all__
    if inspect.isclass(kind := getattr(haa.metrics, name)) and issubclass(kind, Metric)
]


@pytest.mark.parametrize(("name", "kind"), CLASSES)
def test_every_metric_says_which_way_it_is_better(name, kind):
    if name not in SEVERAL:
        assert kind.higher_is_better is (name not in LOWER)


def test_a_metric_of_several_numbers_says_it_for_each():
    said = directions(MetricCollection({"sos": haa.metrics.SalientObjects(), "words": haa.metrics.CaptionScores()}))
    assert [name for name, better in said.items() if not better] == ["mae"]
    assert {"s_measure", "f_max", "e_mean", "bleu4", "cider"} < set(said)
    one = {"words": haa.metrics.CIDEr(), "mae": haa.metrics.MAE(), "f": haa.metrics.FMax()}
    assert directions(MetricCollection(one, compute_groups=False)) == {"words": True, "mae": False, "f": True}


def test_what_a_metric_of_ones_own_does_not_say_nobody_guesses():
    class Mine(SampleMean):
        def update(self, prediction):
            self.add(prediction.sum((1, 2)))

    metrics = MetricCollection({"mine": Mine()}, prefix="test/")
    assert directions(metrics) == {"mine": None}
    metrics.update(prediction=torch.ones(2, 3, 4))
    assert values_per_sample(metrics)["mine"].tolist() == [12.0, 12.0]
    assert values_per_sample(metrics, after="compute") == {}
