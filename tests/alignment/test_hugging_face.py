"""Hugging Face's Trainer with an alignment: a loop written by hand, and an evaluation that the report reads."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F

import haa
from haa.alignment import Alignment
from haa.attention import GradCAM, SelfAttention
from haa.attention.measure import measure as map_of
from haa.errors import InputError
from haa.geometry.extent import on_picture
from haa.geometry.receptive_field import extents
from haa.metrics import functional
from haa.reporting.collect import collect

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

QUIET = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no", "use_cpu": True}
EXACT = {
    **{"optim": "sgd", "learning_rate": 0.1, "lr_scheduler_type": "constant", "max_grad_norm": 0.0},
    "train_sampling_strategy": "sequential",
}


def vit():
    torch.manual_seed(0)
    tiny = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.2}
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(**tiny, image_size=32, patch_size=8, num_labels=3)
    )


def samples(count: int = 8) -> list[dict]:
    """Pictures at which different numbers of people looked."""
    rng = torch.Generator().manual_seed(0)
    return [
        {
            "pixel_values": torch.rand(3, 32, 32, generator=rng),
            "labels": k % 3,
            "fixations": 31 * torch.rand(1 + k % 3, 2, generator=rng),
            "id": f"picture {k}",
        }
        for k in range(count)
    ]


def trainer(folder, model=None, kind=None, weight=0.5, source=None, evaluate=None, **arguments):
    settings = {"max_steps": 1, "per_device_train_batch_size": 4, **QUIET, **arguments}
    return (kind or haa.AlignedTrainer)(
        vit() if model is None else model,
        transformers.TrainingArguments(str(folder / "trainer"), **settings),
        train_dataset=samples(),
        eval_dataset=samples(),
        source=source or SelfAttention(query="mean"),
        alignment=Alignment(weight=weight),
        evaluate=evaluate,
    )


def right(output, batch):
    return {"accuracy": output["logits"].argmax(1) == batch["labels"]}


def by_hand(model, weight, share=2):
    """One step over two batches of four, each a share of the sum."""
    model.train()
    steps = torch.optim.SGD(model.parameters(), lr=0.1)
    aligned = haa.align(model, SelfAttention(query="mean"), weight=weight)
    for batch in (samples()[:4], samples()[4:]):
        pixels = torch.stack([one["pixel_values"] for one in batch])
        looks = torch.full((4, 3, 2), torch.nan)
        for row, one in zip(looks, batch, strict=True):
            row[: len(one["fixations"])] = one["fixations"]
        loss = F.cross_entropy(model(pixels).logits, torch.tensor([one["labels"] for one in batch]))
        (aligned(loss, {"image": pixels, "fixations": looks}) / share).backward()
    steps.step()
    aligned.detach()


class Counted(transformers.ViTForImageClassification):
    """A model whose loss is a share of all accumulated samples already, as those of language models are."""

    def forward(self, pixel_values=None, labels=None, num_items_in_batch=None, **kwargs):
        output = super().forward(pixel_values, **kwargs)
        count = len(labels) if num_items_in_batch is None else num_items_in_batch
        output["loss"] = F.cross_entropy(output.logits, labels, reduction="sum") / count
        return output


@pytest.mark.parametrize("kind", ["mean", "counted"])
def test_it_is_a_loop_written_by_hand(tmp_path, kind, monkeypatch):
    one, two = vit(), vit()
    if kind == "counted":
        one.__class__ = Counted
    made = trainer(tmp_path, one, gradient_accumulation_steps=2, **EXACT)
    if kind == "counted":
        made.model_accepts_loss_kwargs = True
        monkeypatch.setattr(made, "_get_num_items_in_batch", lambda batches, device: torch.tensor(8))
    made.train()
    by_hand(two, 0.5)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in one.modules())


def test_without_a_weight_it_is_the_trainer_itself(tmp_path):
    one, two = vit(), vit()
    trainer(tmp_path, one, weight=0.0, max_steps=3).train()
    plain = [{key: value for key, value in sample.items() if key in ("pixel_values", "labels")} for sample in samples()]
    arguments = transformers.TrainingArguments(
        str(tmp_path / "plain"), max_steps=3, per_device_train_batch_size=4, **QUIET
    )
    transformers.Trainer(two, arguments, train_dataset=plain).train()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_the_alignment_is_logged_beside_the_loss(tmp_path):
    made = trainer(tmp_path, max_steps=2, learning_rate=0.0, logging_strategy="steps", logging_steps=2)
    made.train()
    (row,) = [row for row in made.state.log_history if "loss" in row]
    model = vit().train()
    aligned = haa.align(model, SelfAttention(query="mean"), weight=0.5)
    values = []
    for batch in (samples()[:4], samples()[4:]):
        model(torch.stack([one["pixel_values"] for one in batch]))
        looks = torch.nn.utils.rnn.pad_sequence([x["fixations"] for x in batch], True, torch.nan)
        aligned(torch.zeros(()), {"image": torch.zeros(4, 3, 32, 32), "fixations": looks})
        values.append(aligned.log["align_loss"].item())
    assert row["align_loss"] == pytest.approx(sum(values) / 2, abs=1e-5)  # a mean over both, in either order
    assert row["align_weight"] == 0.5


@pytest.mark.parametrize("source", [SelfAttention(query="mean"), GradCAM("vit.layers.1.layernorm_before")])
def test_a_prediction_leaves_a_run_for_the_report(tmp_path, source):
    evaluate = haa.Evaluation(tmp_path / "run", right, "accuracy", condition="shuffled", seed=4)
    model = vit()
    made = trainer(tmp_path, model, source=source, evaluate=evaluate)
    made.train()
    shown = made.evaluate()
    assert not (tmp_path / "run").exists()
    found = made.predict(samples())
    model.eval()
    pixels = torch.stack([one["pixel_values"] for one in samples()])
    (extent,) = extents(model.vit.embeddings.patch_embeddings.projection, pixels)
    maps = on_picture(map_of(source, model, pixels), (32, 32), extent)
    looks = torch.nn.utils.rnn.pad_sequence([x["fixations"] for x in samples()], True, torch.nan)
    expected = functional.nss(maps, looks).mean().item()
    hits = (model(pixels).logits.argmax(1) == torch.arange(8) % 3).float().mean().item()
    assert shown["eval_attention_nss"] == pytest.approx(expected, abs=1e-2)  # cells lie as when training began
    assert found.metrics["test_attention_nss"] == pytest.approx(expected, abs=1e-4)
    assert found.metrics["test_accuracy"] == pytest.approx(hits)
    (run,) = collect([tmp_path])
    assert (run.role, run.condition, run.seed, run.weight) == ("control", "shuffled", 4, 0.5)
    assert run.samples["id"].tolist() == [f"picture {k}" for k in range(8)]
    summary = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert summary["validation"] == pytest.approx(hits)  # the same samples
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_evaluating_in_between_leaves_the_training_as_it_was(tmp_path):
    models = [vit(), vit()]
    for k, model in enumerate(models):
        evaluate = haa.Evaluation(tmp_path / "run", right, "accuracy") if k else None
        trainer(tmp_path, model, evaluate=evaluate, max_steps=4, eval_strategy="steps", eval_steps=1).train()
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_a_trainer_of_ones_own_keeps_its_loss(tmp_path):
    class Own(transformers.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
            assert set(inputs) == {"pixel_values", "labels"}
            loss, output = super().compute_loss(model, inputs, True, **kwargs)
            return (3 * loss, output) if return_outputs else 3 * loss

    class Both(haa.AlignedTrainer, Own):
        pass

    one, two = vit(), vit()
    trainer(tmp_path, one, Both, max_steps=1, per_device_train_batch_size=8, **EXACT).train()
    steps = torch.optim.SGD(two.train().parameters(), lr=0.1)
    aligned = haa.align(two, SelfAttention(query="mean"), weight=0.5)
    pixels = torch.stack([x["pixel_values"] for x in samples()])
    looks = torch.nn.utils.rnn.pad_sequence([x["fixations"] for x in samples()], True, torch.nan)
    loss = 3 * F.cross_entropy(two(pixels).logits, torch.arange(8) % 3)
    aligned(loss, {"image": pixels, "fixations": looks}).backward()
    steps.step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_what_cannot_be_done_is_refused_by_name(tmp_path):
    class Two(transformers.TrainingArguments):
        n_gpu = 2

    with pytest.raises(InputError, match="copies the model to 2 GPUs"):
        haa.AlignedTrainer(
            vit(),
            Two(str(tmp_path), **QUIET),
            source=SelfAttention(),
            alignment=Alignment(),
        )
    evaluate = haa.Evaluation(tmp_path / "run", lambda output, batch: {"f1": batch["labels"]}, "accuracy")
    with pytest.raises(InputError, match=r"metric=accuracy is not among what score gives: f1$"):
        trainer(tmp_path, evaluate=evaluate).evaluate()


@pytest.mark.slow
def test_a_compiled_model_is_trained_as_it_is_uncompiled(tmp_path):
    torch.compiler.reset()
    one, two = vit(), vit()
    trainer(tmp_path, one, **EXACT).train()
    trainer(tmp_path, two, torch_compile=True, torch_compile_backend="aot_eager", **EXACT).train()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    torch.compiler.reset()
