"""Values of maps against pairs counted one by one, several processes, and the rows that need no model."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from haa.data.loading.datamodule import DataModule
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.evaluation.reference import reference_values
from haa.metrics.functional import auc_shuffled
from haa.scoring.ground_truth import GroundTruth
from haa.scoring.score import score

SIZES = {"train": 6, "val": 1, "test": 6}


@pytest.fixture
def data():
    return DataModule(partial(Shapes, task="saliency", **SIZES))


@pytest.fixture
def maps(data, tmp_path):
    draw = np.random.default_rng(0)
    for model in ("a", "b"):
        (tmp_path / model).mkdir()
        for sample in data.dataset("test"):
            np.save(tmp_path / model / f"{sample['id']}.npy", draw.integers(0, 9, (64, 64)))
    return tmp_path


def test_values_are_those_of_pairs_counted_one_by_one(data, maps):
    found = score(maps / "a", data, metrics=["auc_shuffled", "nss", "information_gain"], references=False)
    test = data.dataset("test")
    truth = GroundTruth(test, None, 0.03)
    truth.fit()
    for place in range(len(test)):
        map_ = np.load(maps / "a" / f"{test[place]['id']}.npy").astype(float)

        def at(index, map_=map_):
            x, y = (test.gaze(index).points + 0.5).floor().long().clamp(0, 63).unbind(1)
            return map_[y.numpy(), x.numpy()], (y, x)

        own, (y, x) = at(place)
        others = np.concatenate([at(i)[0] for i in range(len(test)) if i != place])
        pairs = (own[:, None] > others) + 0.5 * (own[:, None] == others)
        density, baseline = map_ + 1e-20, truth.prior.map(place, (64, 64)).numpy() + 1e-20
        gain = np.log2(density / density.sum()) - np.log2(baseline / baseline.sum())
        values = found.row("a").values
        assert values["auc_shuffled"][place] == pytest.approx(pairs.mean(), abs=1e-12)
        assert values["nss"][place] == pytest.approx((own.mean() - map_.mean()) / map_.std(), abs=1e-10)
        assert values["information_gain"][place] == pytest.approx(gain[y, x].mean(), abs=1e-9)


def test_negatives_may_be_given_pixel_by_pixel():
    maps = torch.rand(1, 5, 6, generator=torch.Generator().manual_seed(0)).mul(4).round()
    points = torch.tensor([[[1.0, 1.0], [4.0, 2.0]]])
    others = torch.tensor([[0.0, 0.0], [5.0, 4.0], [2.0, 2.0]])
    times = torch.tensor([3, 1, 2])
    each = others.repeat_interleave(times, 0)
    assert auc_shuffled(maps, points, others, times.float()) == auc_shuffled(maps, points, each)


@pytest.mark.slow
def test_several_processes_give_the_very_numbers_of_one(data, maps):
    both, names = [maps / "a", maps / "b"], ["nss", "auc_shuffled", "kl", "information_gain"]
    tables = [score(both, data, metrics=names, num_workers=number) for number in (0, 2)]
    for one, two in zip(*(table.rows for table in tables), strict=True):
        assert one.name == two.name
        for metric in one.values:
            assert np.array_equal(one.values[metric], two.values[metric], equal_nan=True)


def test_reference_rows_are_those_of_every_run(data, maps):
    found = score(maps / "a", data, metrics=["nss", "cc", "kl", "information_gain"])
    expected = reference_values(data.dataset("train"), data.dataset("test"), range(6), 0.03)
    for name, values in expected.items():
        for metric in ("nss", "cc", "kl"):
            np.testing.assert_allclose(found.row(name).values[metric], values[metric], rtol=1e-3, atol=1e-4)
    assert np.all(found.row("centre prior, mixture").values["information_gain"] == 0)


def test_what_is_missing_extra_or_faulty_is_named_or_left_out_for_all(data, maps):
    ids = [sample["id"] for sample in data.dataset("test")]
    (maps / "b" / f"{ids[0]}.npy").unlink()
    np.save(maps / "a" / f"{ids[1]}.npy", np.ones((64, 64)))
    both = [maps / "a", maps / "b"]
    with pytest.raises(InputError, match=f"lacks 1 of 6 samples: {ids[0]}: add them, or give on_error=skip"):
        score(both, data, metrics=["nss"])
    with pytest.raises(InputError, match=f"{ids[1]}.npy is 1 everywhere"):
        score(maps / "a", data, metrics=["nss"], references=False)
    np.save(maps / "b" / "nobody.npy", np.ones((64, 64)))
    found = score(both, data, metrics=["nss"], on_error="skip", references=False)
    assert list(found.ids) == ids[2:]
    assert all(len(row.values["nss"]) == 4 for row in found.rows)
    told = " ".join(found.notes)
    assert all(text in told for text in ("lacks 1 of 6", "1 of 6 results in", "faulty maps, 1 of 5 samples"))
    (maps / "b" / f"{ids[0]}.npy").write_bytes((maps / "b" / f"{ids[1]}.npy").read_bytes())
    with pytest.raises(InputError, match=r"1 of 7 results in .* are of no sample of the data: nobody"):
        score(maps / "b", data, metrics=["nss"])


def test_all_splits_together_have_a_prior_of_the_other_pictures(data, tmp_path):
    draw = np.random.default_rng(0)
    for split in SIZES:
        for sample in data.dataset(split):
            np.save(tmp_path / f"{sample['id']}.npy", draw.random((64, 64)))
    whole = score(tmp_path, data, split="all", metrics=["nss"])
    assert len(whole.ids) == sum(SIZES.values())
    assert any("centre prior of the other pictures of this split" in note for note in whole.notes)
    part = score(tmp_path, data, metrics=["nss"], references=False)
    assert any("7 of 13 results are of other splits" in note for note in part.notes)
