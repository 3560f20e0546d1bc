"""The saliency task: its loss against torch's, its scores against haa's metrics by hand, and masked samples."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from haa.alignment import Alignment
from haa.attention import FeatureNorm
from haa.batch import stills
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.gaze import density
from haa.metrics.functional import nss
from haa.models.backbone import Tiny
from haa.models.saliency import SaliencyReadout
from haa.tasks.saliency import Saliency, divergence


def task(**options) -> tuple[Saliency, dict]:
    torch.manual_seed(0)
    module = Saliency(SaliencyReadout(Tiny(channels=16)), **options)
    batch = collate(list(Shapes("train", task="saliency", train=8)))
    batch["image"] = batch["image"].float() / 255
    return module, batch


def test_divergence_equals_pytorch():
    log_p = torch.randn(3, 20).log_softmax(1).view(3, 4, 5)
    human = torch.rand(3, 20).softmax(1).view(3, 4, 5)
    expected = F.kl_div(log_p, human, reduction="none").sum((1, 2))
    torch.testing.assert_close(divergence(log_p, human), expected)


def test_loss_is_the_divergence_from_the_density_of_the_fixations():
    module, batch = task(sigma=0.05)
    output = module.step(batch)
    human = density(batch["fixations"], (64, 64), sigma=0.05 * 64, grid=tuple(output.prediction.shape[1:]))
    expected = F.kl_div(output.prediction, human, reduction="none").sum((1, 2)).mean()
    torch.testing.assert_close(output.loss, expected)
    assert task(alignment=Alignment(sigma=0.2), sigma=0.05)[0].step(batch).loss == output.loss


def test_a_condition_changes_what_attention_is_aligned_with_and_not_the_target():
    module, batch = task(alignment=Alignment(weight=1.0))
    module.eval()
    others = {**batch, "own_fixations": batch["fixations"], "fixations": batch["fixations"].flip(0)}
    output, same = module.step(others), module.step(batch)
    torch.testing.assert_close(output.loss, same.loss)
    assert module.alignment(output.attention, others) != module.alignment(output.attention, batch)


def test_samples_without_gaze_leave_no_trace():
    module, batch = task()
    module.eval()
    batch["fixations"][:4] = torch.nan
    batch["has_human"][:4] = False
    masked = module.step(batch).loss
    half = {key: value[4:] for key, value in batch.items()}
    torch.testing.assert_close(masked, module.step(half).loss)
    batch["fixations"][:] = torch.nan
    loss = module.step(batch).loss
    loss.backward()
    assert loss.item() == 0


def test_scores_are_taken_at_native_size():
    module, batch = task()
    module.eval()
    batch["native_size"] = [(90, 120)] * 4 + [(50, 40)] * 4
    batch["native_fixations"] = torch.rand(8, 5, 2) * 40
    metrics = module.make_metrics()
    output = module.step(batch)
    module.update_metrics(metrics, output, batch)
    values = []
    for log_density, size, points in zip(
        output.prediction, batch["native_size"], batch["native_fixations"], strict=True
    ):
        p = F.interpolate(log_density[None, None], size, mode="bilinear").exp()[0]
        values.append(nss(p, points[None]))
    assert metrics.compute()["nss"].item() == pytest.approx(torch.cat(values).nanmean().item(), rel=1e-4)
    assert set(metrics.compute()) == {"nss", "cc", "kl", "sim", "auc_judd"}


def clips(**options) -> tuple[Saliency, dict]:
    torch.manual_seed(0)
    module = Saliency(SaliencyReadout(Tiny(channels=16)), **options)
    batch = collate(list(Shapes("train", task="action", train=3, frames=4)))
    batch["clip"] = batch["clip"].float() / 255
    return module, batch


def test_a_frame_of_a_clip_is_a_picture_with_the_gaze_on_it():
    module, batch = clips(alignment=Alignment(weight=1.0))
    module.eval()
    batch["fixations"][1, 2:] = torch.nan
    batch["has_human"][1, 2:] = False
    output, frames = module.step(batch), module.step(stills(batch))
    assert output.prediction.shape[:2] == output.attention.shape[:2] == (3, 4)
    torch.testing.assert_close(output.prediction.flatten(0, 1), frames.prediction)
    torch.testing.assert_close(output.loss, frames.loss)
    assert output.count == frames.count == 3 * 4 - 2
    torch.testing.assert_close(
        module.alignment(output.attention, batch), module.alignment(frames.attention, stills(batch))
    )
    of_clips, of_frames = module.make_metrics(), module.make_metrics()
    rows = module.update_metrics(of_clips, output, batch)
    each = module.update_metrics(of_frames, frames, stills(batch))
    assert of_clips.compute() == of_frames.compute()
    assert of_clips["nss"].undefined == 2
    torch.testing.assert_close(rows["nss"], each["nss"].view(3, 4).nanmean(1))


def test_a_condition_exchanges_the_gaze_of_frames_and_not_the_target():
    module, batch = clips(alignment=Alignment(weight=1.0))
    module.eval()
    others = {**batch, "own_fixations": batch["fixations"], "fixations": batch["fixations"].flip(0)}
    output = module.step(others)
    torch.testing.assert_close(output.loss, module.step(batch).loss)
    assert module.alignment(output.attention, others) != module.alignment(output.attention, batch)


def test_the_oracle_and_a_source_look_at_frames():
    module, batch = clips()
    module.watch(FeatureNorm("backbone"))
    assert module.probe(batch)[1].attention.shape[:2] == (3, 4)
    module, batch = clips()
    module.insert_human_maps()
    _, output = module.probe(batch)
    own = module.probe(stills(batch))[1].attention
    torch.testing.assert_close(output.attention.flatten(0, 1), own)
