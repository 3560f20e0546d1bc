"""The examples are short, run, and show what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from haa.report.arms import studies
from haa.report.collect import collect

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path):
    assert len(path.read_text().splitlines()) < 80


def test_own_model_looks_where_people_do():
    train = example("own_model").train
    (_, free), (_, aligned) = train(weight=0.0, steps=60), train(weight=0.2, steps=60)
    assert aligned > free + 0.3


def test_existing_module_is_aligned():
    train = example("existing_module").train
    assert train(weight=1.0, samples=64) < train(weight=0.0, samples=64)


def test_existing_loop_has_its_answer(tmp_path):
    train = example("existing_loop").train
    for condition, weight in (("human", 0.0), ("human", 0.3), ("shuffled", 0.3)):
        train(condition, weight, 0, tmp_path, samples=32, epochs=2)
    (study,) = studies(collect([tmp_path]))
    assert [arm.label for arm in study.arms] == ["baseline", "human, weight 0.3", "shuffled, weight 0.3"]
    assert study.title == "cross or ring on noise"


def test_own_dataset_is_learnt(tmp_path):
    module = example("own_dataset")
    module.make_folder(tmp_path)
    assert module.train(tmp_path, epochs=8) > 4 > module.train(tmp_path, epochs=1)


@pytest.mark.slow
def test_hugging_face_trainer_aligns(tmp_path):
    train = example("hugging_face_trainer").train
    assert train(1.0, str(tmp_path), samples=96) < train(0.0, str(tmp_path), samples=96) - 0.1


def test_hugging_face_trainer_is_a_loop_written_by_hand(tmp_path):
    """Its weights are those of a plain loop that divides the sum of both losses by the accumulated batches."""
    import haa
    from haa.attention import SelfAttention

    module = example("hugging_face_trainer")
    module.set_seed(0)
    config = module.ViTConfig(**module.TINY, image_size=64, patch_size=16, num_labels=4)
    one = module.ViTForImageClassification(config)
    two = module.ViTForImageClassification(config)
    two.load_state_dict(one.state_dict())
    data = module.pictures(8)
    quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no", "use_cpu": True}
    arguments = module.TrainingArguments(
        str(tmp_path), max_steps=1, per_device_train_batch_size=4, gradient_accumulation_steps=2, max_grad_norm=0.0,
        optim="sgd", learning_rate=0.1, lr_scheduler_type="constant", remove_unused_columns=False, **quiet,
        train_sampling_strategy="sequential",
    )  # fmt: skip
    module.AlignedTrainer(one, arguments, train_dataset=data, weight=0.5).train()

    two.train()
    steps = torch.optim.SGD(two.parameters(), lr=0.1)
    aligned = haa.align(two, SelfAttention(query="mean"), weight=0.5)
    for batch in (data[:4], data[4:]):
        pixels, labels, looks = (torch.stack([x[k] for x in batch]) for k in ("pixel_values", "labels", "fixations"))
        loss = two(pixel_values=pixels, labels=labels).loss
        (aligned(loss, {"image": pixels, "fixations": looks}) / 2).backward()
    steps.step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.slow
def test_words_of_a_vision_language_model_look_where_people_do():
    train = example("vision_language").train
    free, aligned = train(0.0, steps=25), train(1.0, steps=25)
    assert len(free) == len(aligned) == 2
    assert min(score for _, score in aligned) > max(score for _, score in free) + 0.3
