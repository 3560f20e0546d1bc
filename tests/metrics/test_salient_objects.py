"""Measures of salient objects against PySODMetrics."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.metrics import sod_reference as reference

from haa.errors import InputError
from haa.metrics import EMax, FMax, SalientObjects, SMeasure
from haa.metrics.functional.salient_objects import salient_objects
from haa.metrics.salient_objects import NAMES

TABLE = json.loads(reference.FILE.read_text())


def case(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    prediction, mask = reference.case(seed)
    return torch.from_numpy(prediction)[None], torch.from_numpy(mask)[None]


@pytest.mark.parametrize("path", ["mahotas", "scipy", "fixed shapes"])
def test_values_of_pysodmetrics(monkeypatch, path):
    if path == "mahotas":
        pytest.importorskip("mahotas")
    if path == "scipy":
        monkeypatch.setitem(sys.modules, "mahotas", None)
    if path == "fixed shapes":  # the operations that an accelerator takes
        monkeypatch.setattr(sys.modules[salient_objects.__module__], "eager_cpu", lambda *tensors: False)
    for seed in range(reference.CASES):
        mine = salient_objects(*case(seed))
        for name, theirs in TABLE["each"][seed].items():
            assert mine[name].item() == pytest.approx(theirs, abs=1e-9), (seed, name)


def test_the_class_takes_maxima_of_the_mean_curve():
    together, f_max, e_max = SalientObjects(), FMax(), EMax()
    for seed in range(reference.CASES):
        for metric in (together, f_max, e_max):
            metric.update(*case(seed))
    mine = together.compute()
    assert set(mine) == set(NAMES)
    for name, theirs in TABLE["together"].items():
        assert mine[name].item() == pytest.approx(theirs, abs=1e-6), name
    assert torch.equal(f_max.values, together.values["f_max"])
    assert together.values["f_max"].item() == pytest.approx(salient_objects(*case(seed))["f_max"].item())
    assert f_max.compute() == mine["f_max"]
    assert e_max.compute() == mine["e_max"]


def test_a_stretched_float_prediction_is_the_uint8_one():
    for seed in (0, 1, 5):
        prediction, mask = case(seed)
        stretched = (prediction.double() / 255 - prediction.min() / 255) / (
            prediction.max() / 255.0 - prediction.min() / 255.0
        )
        a, b = salient_objects(prediction, mask), salient_objects(stretched, mask > 128)
        for name in ("mae", "s_measure", "f_weighted", "f_adaptive", "e_adaptive"):
            torch.testing.assert_close(a[name], b[name], atol=1e-7, rtol=1e-7)


def test_a_batch_is_its_samples_and_a_perfect_prediction_is_perfect():
    prediction = torch.randint(0, 256, (3, 20, 31), dtype=torch.uint8)
    mask = (torch.rand(3, 20, 31) > 0.7).to(torch.uint8) * 255
    mask[1] = 0
    batch = salient_objects(prediction, mask)
    for i in range(3):
        one = salient_objects(prediction[i : i + 1], mask[i : i + 1])
        for name, value in one.items():
            torch.testing.assert_close(batch[name][i : i + 1], value, atol=1e-12, rtol=0)
    perfect = salient_objects(mask[:1], mask[:1])
    assert perfect["mae"].item() == 0
    for name in ("f_max", "f_weighted", "s_measure"):
        assert perfect[name].item() == pytest.approx(1, abs=1e-9)


def test_a_prediction_that_is_not_finite_has_no_score():
    prediction, mask = torch.rand(2, 6, 7), torch.rand(2, 6, 7) > 0.5
    alone = salient_objects(prediction[:1], mask[:1])
    prediction[1, 2, 3] = torch.nan
    for name, values in salient_objects(prediction, mask).items():
        torch.testing.assert_close(values[:1], alone[name])
        assert values[1].isnan().all()
    metric = SalientObjects()
    metric.update(prediction, mask)
    assert metric.undefined == 1
    assert metric.compute()["f_max"].item() == pytest.approx(alone["f_max"].item())


def test_shapes_must_agree():
    with pytest.raises(InputError, match="resize"):
        salient_objects(torch.rand(1, 4, 5), torch.ones(1, 4, 6))


def test_published_scores_of_real_pictures():
    root = os.environ.get("HAA_REAL_DATA")
    folder = Path(root or "absent") / "reference/salient_objects"
    if not folder.is_dir():
        pytest.skip("HAA_REAL_DATA names no folder with reference/salient_objects")
    expected = json.loads((folder / "expected.json").read_text())
    metric, one = SalientObjects(), SMeasure()
    for path in sorted((folder / "preds").glob("*.png")):
        prediction, mask = (
            torch.from_numpy(np.array(Image.open(p).convert("L")))[None] for p in (path, folder / "masks" / path.name)
        )
        metric.update(prediction, mask)
        one.update(prediction, mask)
    latest = expected["v1_4_0"]
    names = {
        "mae": "MAE",
        "f_adaptive": "adpFm",
        "f_mean": "meanFm",
        "f_max": "maxFm",
        "f_weighted": "wFmeasure",
        "s_measure": "Smeasure",
        "e_adaptive": "adpEm",
        "e_mean": "meanEm",
        "e_max": "maxEm",
    }
    values = metric.compute()
    for mine, theirs in names.items():
        if theirs in latest:
            assert values[mine].item() == pytest.approx(latest[theirs], abs=1e-6), mine
    assert one.compute() == values["s_measure"]
