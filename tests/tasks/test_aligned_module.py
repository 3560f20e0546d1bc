from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
import yaml

from haa.alignment import Alignment
from haa.batch import in_unit_range
from haa.conditions import Shuffled
from haa.data.loading.collate import collate
from haa.data.loading.datamodule import DataModule
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.geometry.receptive_field import extents
from haa.models.backbone import Tiny
from haa.models.stacked_attention import StackedAttention
from haa.tasks.aligned_module import AlignedModule
from haa.tasks.vqa import VQA

ROOT = Path(__file__).parents[2]
TASKS = [yaml.safe_load(path.read_text())["task"]["module"]["_target_"] for path in (ROOT / "conf/task").glob("*.yaml")]


@pytest.mark.parametrize("target", TASKS)
def test_a_task_defines_no_steps_of_its_own(target):
    place, name = target.rsplit(".", 1)
    task = getattr(importlib.import_module(place), name)
    assert issubclass(task, AlignedModule)
    own = {"training_step", "validation_step", "test_step", "configure_optimizers", "on_save_checkpoint"} & set(
        vars(task)
    )
    assert not own


def module_and_batch(weight: float, sigma: float = 0.03) -> tuple[VQA, dict]:
    dataset = Shapes("train", train=8)
    words = VQA.build_vocabularies(dataset)
    torch.manual_seed(0)
    model = StackedAttention(
        Tiny(channels=16), question_vocab=len(words["question"]), answer_vocab=len(words["answer"])
    )
    return VQA(model, Alignment(weight=weight, sigma=sigma), vocabularies=words), collate(list(dataset))


def gradients(module: VQA, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters()), allow_unused=True))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_gradient_is_the_tasks_plus_the_weighted_alignments(weight, monkeypatch):
    module, batch = module_and_batch(weight)
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    got = gradients(module, module.training_step(batch, 0))
    output = module.step(in_unit_range(batch))
    (extent,) = extents(module.model.backbone, batch["image"])
    aligned = module.alignment(output.attention, in_unit_range(batch), extent)
    expected = gradients(module, output.loss + weight * aligned)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(torch.zeros(()) if a is None else a, torch.zeros(()) if b is None else b)


def test_a_model_without_attention_cannot_be_aligned(monkeypatch):
    module, batch = module_and_batch(0.5)
    step = module.step
    monkeypatch.setattr(module, "step", lambda batch: step(batch).__class__(step(batch).loss, None))
    with pytest.raises(InputError, match="returns no attention"):
        module.training_step(batch, 0)


def test_images_travel_as_bytes_and_arrive_in_the_unit_range():
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert in_unit_range({"image": image, "id": ["a"]})["image"].flatten().tolist() == pytest.approx([0, 0.2, 1])


def scores(sigma: float, score_sigma: float | None = None) -> tuple[VQA, dict, list[dict]]:
    module, batch = module_and_batch(0.5, sigma)
    module.stretched = True
    batch["fixations"] = batch["fixations"].round()
    batch.pop("native_fixations", None)
    if score_sigma is not None:
        module.score_sigma = score_sigma
    module.eval()
    with torch.no_grad():
        module._score(batch, "test")
    return module, batch, module.samples


def test_scores_do_not_depend_on_the_blur_of_the_loss():
    narrow, batch, one = scores(0.01)
    wide, _, other = scores(0.2)
    attention = narrow.look(batch).attention
    assert narrow.alignment(attention, batch) != wide.alignment(attention, batch)
    assert one == other
    assert {"attention_nss", "attention_cc", "attention_kl", "attention_spearman"} <= set(one[0])


def test_maps_are_scored_against_scipys_blur_at_the_datas_sigma():
    module, batch, rows = scores(0.2, score_sigma=0.05)
    with torch.no_grad():
        attention = F.interpolate(module.look(batch).attention[:, None], (64, 64), mode="bilinear")[:, 0].numpy()
    for row, machine, points in zip(rows, attention, batch["fixations"].numpy(), strict=True):
        x, y = points[np.isfinite(points).all(1)].astype(int).T
        counts = np.zeros((64, 64))
        np.add.at(counts, (y, x), 1)
        human = scipy.ndimage.gaussian_filter(counts, 0.05 * 64, mode="constant", truncate=20)
        assert row["attention_cc"] == pytest.approx(np.corrcoef(machine.ravel(), human.ravel())[0, 1], abs=1e-5)


def test_a_saliency_models_density_is_scored_at_the_datas_sigma_too():
    from haa.models.saliency import SaliencyReadout
    from haa.tasks.saliency import Saliency

    batch = in_unit_range(collate(list(Shapes("train", task="saliency", train=8))))
    rows = []
    for loss_sigma, score_sigma in ((0.01, 0.05), (0.2, 0.05), (0.2, 0.1)):
        torch.manual_seed(0)
        module = Saliency(SaliencyReadout(Tiny(channels=16)), Alignment(sigma=loss_sigma), sigma=loss_sigma).eval()
        module.score_sigma = score_sigma
        with torch.no_grad():
            module._score(batch, "test")
        rows.append(module.samples)
    assert rows[0] == rows[1]
    assert rows[1][0]["cc"] != rows[2][0]["cc"]
    assert rows[1][0]["nss"] == rows[2][0]["nss"]


def at_start(condition=None, **options) -> tuple[VQA, DataModule]:
    def shapes(split):
        return Shapes(split, train=8, **options)

    module, _ = module_and_batch(0.0)
    return module, DataModule(shapes, condition=condition, batch_size=3)


@pytest.mark.parametrize("condition", [None, Shuffled()])
def test_the_loss_at_the_start_is_the_mean_over_samples_with_gaze(condition):
    module, data = at_start(condition, share_with_gaze=0.7)
    module.train()
    module.model.backbone.eval()
    before, state = torch.get_rng_state(), {key: value.clone() for key, value in module.state_dict().items()}
    measured = module.measure_align_loss(data)
    assert torch.equal(torch.get_rng_state(), before)
    assert module.training
    assert not any(part.training for part in module.model.backbone.modules())
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())

    module.eval()
    dataset, values = data.dataset("train"), []
    for index in range(8):
        sample = dataset[index]
        if condition is not None:
            sample["gaze"] = condition.gaze(dataset, index)
        if sample["gaze"] is not None:
            batch = in_unit_range(collate([sample]))
            with torch.no_grad():
                output = module.look(batch)
                values.append(module.alignment(output.attention, batch, output.extent).item())
    assert 0 < len(values) < 8
    assert measured == pytest.approx(np.mean(values), rel=1e-5)


def test_there_is_no_loss_at_the_start_without_gaze_without_attention_and_of_an_oracle(monkeypatch):
    module, data = at_start(share_with_gaze=0)
    assert module.measure_align_loss(data) is None
    module, data = at_start()
    assert module.measure_align_loss(data) is not None
    module.insert_human_maps()
    assert module.measure_align_loss(data) is None
    module, data = at_start()
    step = module.step
    monkeypatch.setattr(module, "step", lambda batch: step(batch).__class__(step(batch).loss, None))
    assert module.measure_align_loss(data) is None
