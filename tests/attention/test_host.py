"""Attention sources in haa's own training: through the command line, and what a step does with them."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from haa.alignment import Alignment
from haa.attention import CrossAttention, FeatureNorm, GradCAM, InputGradient
from haa.batch import in_unit_range
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.models.backbone import Tiny
from haa.models.caption_transformer import CaptionTransformer
from haa.models.cross_attention_vqa import CrossAttentionVQA
from haa.models.saliency import SaliencyReadout
from haa.models.show_attend_tell import ShowAttendTell
from haa.models.stacked_attention import StackedAttention
from haa.models.two_stream import TwoStream
from haa.models.unet import UNet
from haa.tasks.action import Action
from haa.tasks.aligned_module import AlignedModule
from haa.tasks.captioning import Captioning, log_probability, words_of
from haa.tasks.saliency import Saliency
from haa.tasks.sos import SOS
from haa.tasks.vqa import VQA
from haa.text import BOS

SMALL = ("trainer=debug", "data.train=8", "data.val=4", "data.test=4", "loader.batch_size=4", "callbacks.pictures=null")
VIT = ("backbone=timm", "backbone.name=test_vit")
RUNS = {
    "gradcam": ("task=action", "data.frames=3"),
    "feature_norm": ("task=sos",),
    "input_gradient": ("task=saliency",),
    "gradient_times_input": ("task=captioning",),
    "self_attention": ("task=vqa", *VIT),
    "rollout": ("task=captioning", "model=caption_transformer", *VIT),
    "cross_attention": ("task=vqa", "model=cross_attention_vqa"),
}


@pytest.mark.slow
@pytest.mark.parametrize("source", RUNS)
def test_a_run_with_each_source_and_its_evaluation(haa, source):
    run = haa("train", *RUNS[source], f"attention={source}", "align_weight=0.5", *SMALL)
    summary = json.loads((run / "metrics.json").read_text())
    assert summary["attention"].lower() == source.replace("_", "")
    assert all(summary["metrics"][f"attention_{name}"] is not None for name in ("nss", "cc", "kl"))
    again = haa("evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "trainer=debug", "reference=false", name="again")
    scored = json.loads((again / "metrics.json").read_text())
    assert scored["attention"] == summary["attention"]
    assert scored["metrics"] == pytest.approx(summary["metrics"], abs=1e-5, nan_ok=True)


def test_a_layer_that_is_not_there_is_answered_with_those_that_are(haa):
    with pytest.raises(SystemExit) as stop:
        haa("train", "task=vqa", "attention=gradcam", "attention.layer=backbone.bdy", *SMALL)
    assert "did you mean backbone.body" in str(stop.value)
    with pytest.raises(SystemExit) as stop:
        haa("train", "task=vqa", "attention=self_attention", *SMALL)
    assert "no layer of backbone is called attention" in str(stop.value)


def task(kind: type[AlignedModule], model: type, weight: float = 0.5) -> tuple[AlignedModule, dict]:
    name = kind.__name__.lower()
    data = Shapes("train", task=name, train=6)
    torch.manual_seed(0)
    words = kind.build_vocabularies(data)
    sizes = {f"{key}_vocab": len(value) for key, value in words.items()}
    options = {} if kind in (Saliency, SOS) else {"hidden": 32, "dropout": 0.2}
    backbone = Tiny(channels=16, stages=(0, 1, 2) if kind is SOS else (-1,))
    module = kind(model(backbone, **sizes, **options), Alignment(weight=weight), vocabularies=words)
    module.log = module.log_dict = lambda *_, **__: None
    return module, in_unit_range(collate(list(data)))


CASES = [
    (VQA, StackedAttention, GradCAM("backbone")),
    (VQA, CrossAttentionVQA, CrossAttention(grid="values", prefix=0)),
    (Captioning, ShowAttendTell, GradCAM("backbone.body.3")),
    (Captioning, CaptionTransformer, CrossAttention(grid="values", prefix=0)),
    (Saliency, SaliencyReadout, InputGradient()),
    (Saliency, SaliencyReadout, FeatureNorm("backbone")),
    (SOS, UNet, GradCAM("backbone")),
    (Action, TwoStream, GradCAM("backbone")),
]


@pytest.mark.parametrize(("kind", "model", "source"), CASES)
def test_evaluation_leaves_everything_as_it_was(kind, model, source):
    module, batch = task(kind, model)
    module.watch(source)
    module.eval()
    before, random = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    with torch.inference_mode():
        inside = module.look({k: v.clone() if torch.is_tensor(v) else v for k, v in batch.items()})
    with torch.no_grad():
        outside = module.look(batch)
    torch.testing.assert_close(inside.attention, outside.attention)
    assert not inside.attention.requires_grad
    assert not inside.loss.requires_grad
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.model.modules())


@pytest.mark.parametrize(("kind", "model", "source"), CASES)
def test_aligning_a_source_moves_the_parameters_that_its_map_depends_on(kind, model, source):
    def gradients(weight: float) -> dict[str, torch.Tensor]:
        module, batch = task(kind, model, weight)
        module.watch(source)
        torch.manual_seed(1)
        module.training_step(batch, 0).backward()
        return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}

    plain, aligned, twice = gradients(0.0), gradients(0.5), gradients(1.0)
    moved = {name for name in plain if not torch.allclose(plain[name], aligned[name], rtol=1e-3, atol=1e-7)}
    assert any(name.startswith("model.backbone") for name in moved)
    for name in moved:  # the same forward pass, dropout included: the weight is a factor of the difference
        torch.testing.assert_close(twice[name] - plain[name], 2 * (aligned[name] - plain[name]), rtol=2e-2, atol=2e-5)


def test_of_a_unet_the_coarsest_stage_is_seen():
    module, batch = task(SOS, UNet)
    module.watch(FeatureNorm("backbone"))
    coarsest = module.model.backbone.pyramid(batch["image"])[2]
    torch.testing.assert_close(module.look(batch).attention, coarsest.square().sum(1).sqrt())


def test_of_a_clip_there_is_a_map_for_every_frame_in_order():
    module, batch = task(Action, TwoStream)
    module.watch(FeatureNorm("backbone"))
    seen = module.look(batch).attention
    assert seen.shape == (6, 8, 6, 6)
    for frame in range(8):
        features = module.model.backbone(batch["clip"][:, frame])
        torch.testing.assert_close(seen[:, frame], features.square().sum(1).sqrt())


def test_the_baseline_reads_no_source_in_training(monkeypatch):
    module, batch = task(VQA, StackedAttention, weight=0.0)
    module.watch(GradCAM("backbone"))
    monkeypatch.setattr(GradCAM, "read", lambda *_, **__: pytest.fail("the source was read"))
    assert module.look(batch).attention is None


def test_vqa_explains_the_right_answer_in_training_and_the_given_one_in_evaluation():
    module, batch = task(VQA, StackedAttention)
    module.model.dropout.p = 0.0
    answers = module.vocabularies["answer"]
    batch["answers"][0] = ["an answer that is not in the list"]
    right = answers.encode([given[0] for given in batch["answers"]])
    output = module.step(batch)
    tokens, mask = module.vocabularies["question"].encode(batch["question"])
    logits, _ = module.model(batch["image"], tokens, mask)
    top = logits.argmax(1)
    assert output.score[0] == logits[0, top[0]]
    assert torch.equal(output.score[1:], logits[torch.arange(1, 6), right[1:]])
    assert torch.equal(module.eval().step(batch).score, logits.max(1).values)


def test_captioning_reads_the_sentence_that_the_model_wrote():
    module, batch = task(Captioning, CaptionTransformer)
    source = CrossAttention(grid="values", prefix=0)
    module.watch(source)
    module.eval()
    looked = module.look(batch)
    written = looked.prediction.tokens
    given = torch.cat([torch.full_like(written[:, :1], BOS), written[:, :-1]], 1)
    with torch.no_grad():
        logits, _ = module.model(batch["image"], given)
        # the model returns the last layer's, the source reads the mean over layers
        module.watch(CrossAttention("layers.1.cross_attention", grid="values", prefix=0))
        last = module.look(batch).attention
        own = module.model(batch["image"], given)[1]
    words = words_of(written).float()
    expected = torch.einsum("bt,btij->bij", words / words.sum(1, keepdim=True), own)
    torch.testing.assert_close(last, expected)
    row = logits[0].log_softmax(1)
    assert log_probability(logits, written)[0].item() == pytest.approx(
        sum(row[t, w].item() for t, w in enumerate(written[0].tolist()) if w), abs=1e-4
    )


def test_several_references_have_no_single_pass_to_read():
    module, batch = task(Captioning, ShowAttendTell)
    module.all_references = True
    module.watch(GradCAM("backbone"))
    with pytest.raises(InputError, match="all_references"):
        module.look(batch)
