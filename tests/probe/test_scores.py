"""Scores of stages against arithmetic, and references against the rows that evaluations have."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from haa.data.dataset import GazeDataset
from haa.data.loading.datamodule import DataModule
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.evaluation.reference import reference_rows
from haa.gaze import Gaze
from haa.probe.scores import _metrics, probe


class Red(GazeDataset):
    """Pictures 8 x 6 whose rows have a red of their own; people look at two pixels of each."""

    reds = torch.tensor([[10, 30, 20, 200, 0, 90, 60, 150], [0, 5, 250, 40, 80, 10, 90, 0], [7, 7, 90, 1, 2, 3, 4, 9]])
    rows = ((0, 3), (2, 5), (4, 6))

    def __init__(self, split="test", stimuli=("a", "b", "c"), seen=(True, True, True)):
        self.names, self.seen = stimuli, seen

    def __len__(self):
        return 3

    def stimulus(self, index):
        return self.names[index]

    def gaze(self, index):
        points = torch.tensor([[1.0 + index, float(y)] for y in self.rows[index]])
        return Gaze(points, (8, 6), subject=torch.arange(2)) if self.seen[index] else None

    def __getitem__(self, index):
        image = torch.zeros(3, 8, 6, dtype=torch.uint8)
        image[0] = self.reds[index][:, None]
        return {"id": str(index), "image": image, "gaze": self.gaze(index)}


def data(**options) -> DataModule:
    return DataModule(partial(Red, **options), Transform(), batch_size=2)


def red(stride: int = 1) -> nn.Module:
    """A convolution 3 x 3 that gives the red of its middle."""
    layer = nn.Conv2d(3, 1, 3, stride, 1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()[0, 0, 1, 1] = 1
    return nn.Sequential(layer)


def nss(by_row: np.ndarray, index: int) -> float:
    return float(np.mean([(by_row[y] - by_row.mean()) / by_row.std() for y in Red.rows[index]]))


def test_nss_of_a_layer_is_that_of_the_picture():
    (row,) = probe(red(), data(), layers=["0"]).stages
    expected = [nss(Red.reds[index].numpy() / 255, index) for index in range(3)]
    np.testing.assert_allclose(row.values["nss"], expected, atol=1e-5)
    estimate = row.estimate("nss")
    low, high = scipy.stats.t.interval(0.95, 2, np.mean(expected), scipy.stats.sem(expected))
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((np.mean(expected), low, high), abs=1e-5)


def test_cells_are_scored_where_they_look():
    """Of stride 2, cells look at the rows 0, 2, 4 and 6; stretched, they are taken for 0.5, 2.5, 4.5 and 6.5."""
    for stretched, middles in ((False, [0, 2, 4, 6]), (True, [0.5, 2.5, 4.5, 6.5])):
        (row,) = probe(red(stride=2), data(), layers=["0"], stretched=stretched).stages
        maps = [np.interp(range(8), middles, Red.reds[index].numpy()[::2]) for index in range(3)]
        np.testing.assert_allclose(row.values["nss"], [nss(maps[i], i) for i in range(3)], atol=1e-4)
        assert (row.stride, row.grid) == (2, (4, 3))


def test_samples_of_one_stimulus_count_as_one():
    apart = probe(red(), data(), layers=["0"]).stages[0].values["nss"]
    found = probe(red(), data(stimuli=("a", "b", "a")), layers=["0"])
    assert found.stimuli == ["a", "b"]
    np.testing.assert_allclose(found.stages[0].values["nss"], [(apart[0] + apart[2]) / 2, apart[1]])


def test_references_are_the_rows_of_evaluations():
    found = probe(red(), data(), layers=["0"])
    rows = reference_rows(Red(), Red(), metrics=_metrics)
    assert [row.name for row in found.references] == list(rows) == ["centre prior", "another image", "human ceiling"]
    for row in found.references:
        for metric, value in rows[row.name].items():
            assert row.estimate(metric).mean == pytest.approx(value, abs=1e-5)


def test_only_who_has_gaze_is_scored_and_at_most_so_many():
    assert probe(red(), data(seen=(True, False, True)), layers=["0"]).indices == [0, 2]
    assert probe(red(), data(), layers=["0"], samples=2).indices == [0, 1]
    with pytest.raises(InputError, match="nobody looked at the val split of Red"):
        probe(red(), data(seen=(False,) * 3), "val", layers=["0"])
    with pytest.raises(InputError, match="samples=0: give a number"):
        probe(red(), data(), layers=["0"], samples=0)


def test_the_closest_stage_is_told_by_the_metrics_direction():
    model = nn.Sequential(*red(), nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        model[1].weight.fill_(-1)
        model[1].bias.fill_(1)  # 1 - red: bright where nobody looks
    found = probe(model, data(), layers=["0", "1"])
    first, second = found.stages
    assert first.estimate("nss").mean > second.estimate("nss").mean
    assert found.closest("nss") is first
    lower = min(found.stages, key=lambda row: row.estimate("kl").mean)
    assert found.closest("kl") is lower
    gain = first.over(second, "nss")
    assert gain.mean == pytest.approx(np.mean(first.values["nss"] - second.values["nss"]))
