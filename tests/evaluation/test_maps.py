"""The maps that a run keeps, against its data, its table of samples and scipy's filter."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.ndimage
import torch
from PIL import Image

from haa.data.shapes import Shapes
from haa.evaluation import maps as module
from haa.run_folder import Maps, chosen

SMALL = ("epochs=1", "callbacks.pictures=null", "data.train=32", "data.val=16", "data.test=80", "loader.batch_size=16")


@pytest.fixture
def run(haa):
    # a map whose cells look elsewhere is brought to another grid before it is kept
    return haa("train", "task=vqa", "geometry=stretched", "align_weight=0.5", "data.share_with_gaze=0.8", *SMALL)


def test_maps_are_those_that_were_scored(run):
    maps = Maps.load(run / "maps.npz")
    data = Shapes("test", task="vqa", train=32, val=16, test=80, share_with_gaze=0.8)
    table = pq.read_table(run / "samples.parquet").to_pydict()
    scores = dict(zip(table["id"], table["attention_nss"], strict=True))
    where = {data[i]["id"]: i for i in range(len(data))}
    assert maps.simulated
    assert list(maps.id) == [data[i]["id"] for i in chosen(80)]
    assert 0 < np.isnan(maps.human).all((1, 2)).sum() < 64
    for k, name in enumerate(maps.id):
        sample = data[where[name]]
        picture = np.asarray(Image.open(io.BytesIO(maps.image[k])), float)
        assert np.abs(picture - sample["image"].permute(1, 2, 0).numpy()).mean() < 12  # JPEG of a noisy picture
        assert maps.text[k] == f"{sample['question']} {sample['answers'][0]}"
        gaze = data.gaze(where[name])
        if gaze is None:
            assert np.isnan(maps.human[k]).all()
            continue
        machine = torch.from_numpy(maps.machine[k].astype(np.float32))[None, None]
        machine = torch.nn.functional.interpolate(machine, (64, 64), mode="bilinear")[0, 0].numpy()
        x, y = (gaze.inside().points.numpy().T + 0.5).astype(int)
        nss = ((machine - machine.mean()) / machine.std())[y, x].mean()
        assert nss == pytest.approx(scores[name], abs=0.02)
        counts = np.zeros((64, 64))
        np.add.at(counts, (y, x), 1)
        blurred = scipy.ndimage.gaussian_filter(counts, 0.03 * 64, mode="constant")
        shrunk = scipy.ndimage.zoom(blurred, 48 / 64, order=1, grid_mode=True, mode="nearest")
        assert np.corrcoef(shrunk.ravel(), maps.human[k].ravel().astype(float))[0, 1] > 0.97


def test_a_caption_has_a_map_for_every_word(haa):
    maps = Maps.load(haa("train", "task=captioning", *SMALL) / "maps.npz")
    words = [len(text.split()) for text in maps.said]
    shown = (maps.words.astype(float).sum((2, 3)) > 0).sum(1)
    assert maps.words.shape[0] == len(maps.id) == 64
    assert all(count >= min(length, 16) for count, length in zip(shown, words, strict=True))


def test_a_class_is_named(haa):
    run = haa("train", "task=finegrained", *SMALL)
    maps, table = Maps.load(run / "maps.npz"), pq.read_table(run / "samples.parquet").to_pydict()
    right = dict(zip(table["id"], table["top1"], strict=True))
    assert set(maps.text) <= set(Shapes("test", task="finegrained", test=80).classes)
    assert [text == said for text, said in zip(maps.text, maps.said, strict=True)] == [right[name] for name in maps.id]


def test_maps_of_different_shapes_are_stretched_to_one_grid():
    upright, lying = torch.tensor([[1.0, 4.0]] * 4), torch.tensor([[1.0, 1.0, 4.0, 4.0]] * 2)
    found = module._stacked([upright, lying, torch.full((2, 4), torch.nan)])
    assert found.shape == (3, 4, 4)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found[1], [[0.25, 0.25, 1, 1]] * 4)
    np.testing.assert_allclose(found[0], [[0.25, 0.4375, 0.8125, 1]] * 4, atol=1e-3)
    assert np.isnan(found[2]).all()
    assert module._stacked([torch.zeros(0, 4, 2), torch.zeros(0, 2, 4)]).shape == (2, 0, 4, 4)
    picture = Image.open(io.BytesIO(module._jpeg(torch.rand(3, 64, 64), 0.5)))
    assert picture.size == (64, 32)
