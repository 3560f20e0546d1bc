"""A batch of clips is aligned and scored as the stills that it is made of."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import stills
from haa.errors import InputError
from haa.metrics import CC, NSS
from haa.metrics.scoring import score


@pytest.fixture
def clips():
    """Two clips of three frames; nobody looked at the second clip's last frame."""
    fixations = torch.rand(2, 3, 5, 2, generator=torch.Generator().manual_seed(0)) * 31
    fixations[1, 2] = math.nan
    return {
        "id": ["a", "b"],
        "clip": torch.zeros(2, 3, 3, 32, 32),
        "fixations": fixations,
        "has_human": ~fixations.isnan().all(-1).all(-1),
        "native_size": [(64, 64), (16, 48)],
        "native_fixations": fixations / 2,
    }


def frame(clips, b, t):
    """One frame by hand."""
    return {
        "id": ["x"],
        "image": clips["clip"][b, t][None],
        "native_size": [clips["native_size"][b]],
        **{key: clips[key][b, t][None] for key in ("fixations", "native_fixations", "has_human")},
    }


def test_alignment_is_the_mean_over_frames_with_gaze(clips):
    attention = torch.rand(2, 3, 4, 4)
    alignment = Alignment()
    one_by_one = [alignment(attention[b, t][None], frame(clips, b, t)) for b in range(2) for t in range(3)][:5]
    torch.testing.assert_close(alignment(attention, clips), torch.stack(one_by_one).mean())


def test_a_clips_score_is_the_mean_over_its_frames_and_the_metrics_the_mean_over_frames(clips):
    attention = torch.rand(2, 3, 4, 4)
    metrics = MetricCollection({"nss": NSS(), "cc": CC()})
    columns = score(metrics, attention, clips, sigma=0.05)
    each = [[], []]
    for b in range(2):
        for t in range(3):
            fresh = MetricCollection({"nss": NSS(), "cc": CC()})
            each[b].append(score(fresh, attention[b, t][None], frame(clips, b, t), sigma=0.05)["nss"].item())
    assert math.isnan(each[1][2])
    expected = [sum(each[0]) / 3, sum(each[1][:2]) / 2]
    assert columns["nss"].tolist() == pytest.approx(expected, abs=1e-5)
    assert metrics["nss"].values.shape == (3,)  # the frames of its last update, and nobody writes into it
    assert metrics.compute()["nss"].item() == pytest.approx(sum(each[0] + each[1][:2]) / 5, abs=1e-5)
    assert metrics["nss"].undefined == 1


def test_stills_keep_the_order_of_frames(clips):
    clips["clip"] += torch.arange(6.0).view(2, 3, 1, 1, 1)
    pictures = stills(clips)
    assert pictures["image"][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert pictures["id"] == ["a"] * 3 + ["b"] * 3
    assert pictures["native_size"] == [(64, 64)] * 3 + [(16, 48)] * 3
    torch.testing.assert_close(pictures["fixations"][4], clips["fixations"][1, 1])


@pytest.mark.parametrize("shape", [(2, 4, 4), (2, 2, 4, 4), (6, 4, 4)])
def test_a_map_is_needed_for_every_frame(clips, shape):
    with pytest.raises(InputError, match="each frame"):
        Alignment()(torch.rand(shape), clips)
