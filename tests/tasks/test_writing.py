"""Captions and answers that a vision-language model writes: what it is asked and taught, and how it is scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from benchmarks.huggingface_families import writer
from benchmarks.torture.equal import TOLERANCE, difference, results

from haa.checkpoint import load
from haa.cli.main import main
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.models.huggingface import Writer
from haa.tasks.writing import Captions, Questions


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    writer("BLIP, answers", folder)
    return folder


@pytest.fixture(scope="module")
def captions(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    writer("ViT and GPT-2", folder)
    return folder


def questions(folder: Path, **arguments) -> tuple[Questions, dict]:
    data = Shapes("train", train=4)
    module = Questions(Writer(str(folder)), vocabularies=Questions.build_vocabularies(data), **arguments)
    batch = collate(list(data))
    batch["image"] = batch["image"].float() / 255
    return module, batch


def test_the_loss_is_the_mean_over_tokens(answers):
    module, batch = questions(answers)
    module.train(False)
    written = module.model(batch["image"], batch["question"], [a[0] for a in batch["answers"]])
    picked = written.logits.log_softmax(2).gather(2, written.targets.clamp_min(0)[..., None])[..., 0]
    expected = -picked[written.targets >= 0].mean()
    output = module.step(batch)
    torch.testing.assert_close(output.loss, expected)
    assert output.count == (written.targets >= 0).sum()


def test_the_most_frequent_answer_is_taught(answers):
    module, batch = questions(answers)
    batch["answers"] = [["red"] * 3 + ["blue"] * 7, ["star", "ring"], ["two"], ["b", "a", "b"]]
    assert module.texts(batch) == ["blue", "ring", "two", "b"]


def test_the_prompt_holds_the_question(answers):
    module, batch = questions(answers, prompt="answer {question} now")
    assert module.prompts(batch)[0] == f"answer {batch['question'][0]} now"


def test_closed_answers_are_those_of_the_training_split(answers):
    module, batch = questions(answers, closed=True)
    module.eval()
    known = {answer for row in batch["answers"] for answer in row}
    assert set(module.predict(batch).prediction) <= known


def test_confidence_is_the_geometric_mean_of_the_tokens(answers):
    module, batch = questions(answers)
    module.eval()
    one = {key: value[:1] for key, value in batch.items()}
    given = module.predict(one)
    written = module.model(one["image"], one["question"], given.prediction)
    gains = written.logits.softmax(2).gather(2, written.targets[..., None])[0, :, 0]
    torch.testing.assert_close(module.confidence(one, given)[0], gains.prod() ** (1 / len(gains)))


def test_a_reference_is_drawn_in_training_and_the_first_validated(captions):
    module = Captions(Writer(str(captions)))
    batch = {"id": ["a", "b"], "captions": [["x", "y", "z"], ["w"]]}
    module.eval()
    assert module.texts(batch) == ["x", "w"]
    module.train()
    torch.manual_seed(0)
    assert {module.texts(batch)[0] for _ in range(30)} == {"x", "y", "z"}
    assert module.prompts(batch) == ["", ""]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["vqa", "captioning"])
def test_a_run_with_adapters_is_evaluated_as_it_was_tested(task, answers, captions, haa, monkeypatch):
    folder = answers if task == "vqa" else captions
    words = [f"task={task}", "model=huggingface", f"model.name={folder}", "lora.rank=2", "align_weight=0.5"]
    quick = ["data.train=16", "data.val=8", "data.test=11", "epochs=1", "trainer=cpu", "loader.batch_size=8"]
    run = haa("train", *words, *quick, "callbacks.progress=null", "callbacks.pictures=null", "cache=null")
    summary = json.loads((run / "metrics.json").read_text())
    assert summary["backbone_weights"] == f"trained as {folder} holds them, with adapters"
    assert "attention_nss" in summary["metrics"]
    checkpoint = run / "checkpoints" / "best.ckpt"
    held = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert all("lora_" in name or name == "model.base_sha256" for name in held)
    module, _ = load(checkpoint)
    assert isinstance(module.model, Writer)
    again = haa("evaluate", f"checkpoint={checkpoint}", "trainer=cpu", name="again")
    worst, where = difference(results(again), results(run))
    assert worst <= TOLERANCE, where
    haa("export", f"checkpoint={checkpoint}", f"output={run / 'export'}")
    monkeypatch.chdir(folder.parent)  # an export names the base's folder, and not where it lies
    exported, _ = load(run / "export")
    assert module.state_dict().keys() == exported.state_dict().keys()
    assert all(torch.equal(value, exported.state_dict()[name]) for name, value in module.state_dict().items())
    with pytest.raises(SystemExit, match="token after token"):
        haa("export", f"checkpoint={checkpoint}", f"output={run / 'graph'}", "format=onnx", "size=[64,64]")


def test_a_model_of_haas_own_takes_no_adapters(tmp_path):
    with pytest.raises(SystemExit, match="lora is of model=huggingface"):
        main(["train", "lora.rank=4", f"output_dir={tmp_path}"])


def test_other_tasks_take_such_models_as_backbones(tmp_path):
    words = ["task=sos", "model=huggingface", f"model.name={tmp_path}", f"output_dir={tmp_path / 'run'}"]
    with pytest.raises(SystemExit, match="in task=sos give backbone=huggingface"):
        main(["train", *words])


def test_alignment_needs_a_map(tmp_path):
    """GIT's words attend to its picture, whose tokens no id marks."""
    writer("GIT", tmp_path / "model")
    words = ["task=captioning", "model=huggingface", f"model.name={tmp_path / 'model'}", "align_weight=0.5"]
    with pytest.raises((SystemExit, InputError), match="returns no attention"):
        main(["train", *words, "trainer=debug", "cache=null", f"output_dir={tmp_path / 'run'}"])
