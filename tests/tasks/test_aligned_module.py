from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
import yaml

from haa.alignment import Alignment
from haa.batch import in_unit_range
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
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


def module_and_batch(weight: float) -> tuple[VQA, dict]:
    dataset = Shapes("train", train=8)
    words = VQA.build_vocabularies(dataset)
    torch.manual_seed(0)
    model = StackedAttention(
        Tiny(channels=16), question_vocab=len(words["question"]), answer_vocab=len(words["answer"])
    )
    return VQA(model, Alignment(weight=weight), vocabularies=words), collate(list(dataset))


def gradients(module: VQA, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters()), allow_unused=True))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_gradient_is_the_tasks_plus_the_weighted_alignments(weight, monkeypatch):
    module, batch = module_and_batch(weight)
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    got = gradients(module, module.training_step(batch, 0))
    output = module.step(in_unit_range(batch))
    expected = gradients(module, output.loss + weight * module.alignment(output.attention, in_unit_range(batch)))
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
