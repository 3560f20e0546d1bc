"""Masks, against PySODMetrics' published values where real data are there, and by hand."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.dataset import GazeDataset
from haa.data.loading.datamodule import DataModule
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.metrics import SalientObjects
from haa.scoring.files import MapFile
from haa.scoring.objects import read_mask_values
from haa.scoring.score import score


@pytest.fixture
def data():
    return DataModule(partial(Shapes, task="sos", train=1, val=1, test=4))


def test_means_over_samples_are_the_values_of_the_set(data, tmp_path):
    draw, metric = np.random.default_rng(0), SalientObjects()
    for sample in data.dataset("test"):
        values = (draw.random((64, 64)) * 128 + np.asarray(sample["mask"]) / 2).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"{sample['id']}.png")
        metric.update(torch.from_numpy(values)[None], torch.as_tensor(np.asarray(sample["mask"]))[None])
    found = score(tmp_path, data, task="sos")
    (row,) = found.rows
    for name, value in metric.compute().items():
        assert row.values[name].mean() == pytest.approx(value.item(), abs=1e-6)
    masks = np.stack([np.asarray(sample["mask"]) > 127 for sample in data.dataset("test")])
    said = np.stack([np.asarray(Image.open(tmp_path / f"{name}.png")) > 127.5 for name in found.ids])
    dice = 2 * (masks & said).sum((1, 2)) / (masks.sum((1, 2)) + said.sum((1, 2)))
    assert row.values["dice"] == pytest.approx(dice)


def test_a_mask_of_another_range_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0.0, 255.0]]))
    with pytest.raises(InputError, match=r"a.npy holds 0 to 255: save 8 or 16 bits, or numbers in \[0, 1\]"):
        read_mask_values(MapFile(tmp_path / "a.npy"), (1, 2))


def test_data_without_masks_are_refused(tmp_path):
    data = DataModule(partial(Shapes, task="saliency", train=1, val=1, test=2))
    for sample in data.dataset("test"):
        np.save(tmp_path / f"{sample['id']}.npy", np.eye(64))
    with pytest.raises(InputError, match="task=sos scores masks, and Shapes has none"):
        score(tmp_path, data, task="sos")


NAMES = {
    **{"Smeasure": "s_measure", "wFmeasure": "f_weighted", "MAE": "mae", "adpEm": "e_adaptive", "meanEm": "e_mean"},
    **{"maxEm": "e_max", "adpFm": "f_adaptive", "meanFm": "f_mean", "maxFm": "f_max"},
}


class Published(GazeDataset):
    """Masks as PySODMetrics takes them: whatever is above 128 is an object."""

    def __init__(self, folder, split):
        self.paths = sorted(folder.glob("*.png"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        grey = np.array(Image.open(self.paths[index]).convert("L"))
        return {"id": self.paths[index].stem, "mask": torch.from_numpy((grey > 128).astype(np.uint8) * 255)}


def test_real_masks_have_pysodmetrics_values(real_data):
    reference = real_data / "reference" / "salient_objects"
    (row,) = score(reference / "preds", DataModule(partial(Published, reference / "masks")), task="sos").rows
    expected = json.loads((reference / "expected.json").read_text())["v1_4_0"]
    for theirs, ours in NAMES.items():
        assert row.values[ours].mean() == pytest.approx(expected[theirs], abs=1e-6)
