"""The oracle: the human map is what every model of haa looks by, and nothing else than that changes."""

from __future__ import annotations

import json

import pytest
import torch

from haa.alignment import Alignment
from haa.batch import human_maps, in_unit_range, maps_of_stills, stills
from haa.cli import main as cli
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.geometry.extent import WHOLE
from haa.models.attention_pooling import AttentionPooling
from haa.models.backbone import Backbone, Timm, Tiny
from haa.models.caption_transformer import CaptionTransformer
from haa.models.class_token import ClassToken
from haa.models.cross_attention_vqa import CrossAttentionVQA
from haa.models.recurrent_attention import RecurrentAttention
from haa.models.saliency import SaliencyReadout
from haa.models.show_attend_tell import ShowAttendTell
from haa.models.stacked_attention import StackedAttention
from haa.models.two_stream import TwoStream, stacked_differences
from haa.models.unet import UNet
from haa.tasks.action import Action
from haa.tasks.aligned_module import AlignedModule
from haa.tasks.captioning import Captioning
from haa.tasks.finegrained import FineGrained
from haa.tasks.saliency import Saliency
from haa.tasks.sos import SOS
from haa.tasks.vqa import VQA

MODELS = [
    (VQA, StackedAttention),
    (VQA, CrossAttentionVQA),
    (Captioning, ShowAttendTell),
    (Captioning, CaptionTransformer),
    (Saliency, SaliencyReadout),
    (SOS, UNet),
    (FineGrained, AttentionPooling),
    (Action, RecurrentAttention),
    (Action, TwoStream),
]
SMALL = ("trainer=debug", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4", "callbacks.pictures=null")


def task(kind: type[AlignedModule], model: type, backbone: Backbone | None = None) -> tuple[AlignedModule, dict]:
    data = Shapes("train", task=kind.__name__.lower(), size=64, train=12, share_with_gaze=0.6)
    torch.manual_seed(0)
    words = kind.build_vocabularies(data)
    sizes = {f"{key}_vocab": len(value) for key, value in words.items()}
    module = kind(model(backbone or Tiny(channels=16), **sizes), Alignment(weight=0.5), vocabularies=words)
    batch = in_unit_range(collate(list(data)))
    assert 0 < batch["has_human"].sum() < batch["has_human"].numel()
    return module, batch


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_the_map_is_the_human_one_where_somebody_looked_and_the_machines_elsewhere(kind, model, training):
    module, batch = task(kind, model)
    module.train(training)
    torch.manual_seed(1)
    own = maps_of_stills(module.look(batch).attention, batch)
    module.insert_human_maps()
    torch.manual_seed(1)
    output = module.look(batch)
    shown = maps_of_stills(output.attention, batch)
    assert output.extent != WHOLE
    human, has = human_maps(stills(batch), (8, 8), module.alignment.sigma, output.extent)
    if kind is SOS:  # a gate is open where most looked, and no share
        human = human / human.amax((1, 2), keepdim=True)
    # the gate of saliency never closes quite; the density is pooled from the image's size
    torch.testing.assert_close(shown[has], human[has], atol=2e-5, rtol=1e-3)
    if kind is not Captioning or training:  # a captioner's batch goes on until its longest sentence ends
        torch.testing.assert_close(shown[~has], own[~has])


@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_what_is_inserted_changes_what_is_predicted(kind, model):
    module, batch = task(kind, model)
    module.eval()
    own = module.step(batch).loss
    module.insert_human_maps()
    assert not torch.allclose(module.step(batch).loss, own)


def test_stacked_attention_sees_where_it_is_told_to():
    module, batch = task(VQA, StackedAttention)
    model = module.model.eval()
    tokens, mask = module.vocabularies["question"].encode(batch["question"])
    features = torch.zeros(1, 16, 8, 8)
    features[:, :, 2, 5] = torch.randn(16)
    one_hot = torch.zeros(1, 64, 64)
    one_hot[:, 16:24, 40:48] = 1
    nowhere = one_hot.roll(24, 1)
    seen, weights = model(None, tokens[:1], mask[:1], features=features, attention=one_hot)
    blind, _ = model(None, tokens[:1], mask[:1], features=torch.zeros(1, 16, 8, 8), attention=one_hot)
    missed, _ = model(None, tokens[:1], mask[:1], features=features, attention=nowhere)
    assert weights[0, 2, 5] == 1
    assert not torch.allclose(seen, blind)
    # both looked at an empty cell in the last layer, the first layer is free
    assert (missed - blind).abs().max() < (seen - blind).abs().max()


@pytest.mark.parametrize("model", [RecurrentAttention, TwoStream])
def test_each_frame_of_a_clip_is_seen_where_it_was_looked_at(model):
    module, batch = task(Action, model)
    clip = batch["clip"][:1]
    own = module.model.eval()(clip)[1]
    given = torch.zeros(1, clip.shape[1], 64, 64)
    given[:, 1, :8, :8], given[:, 2, 56:, 56:] = 1, 1
    shown = module.model(clip, attention=given)[1]
    assert shown[0, 1, 0, 0] == 1
    assert shown[0, 2, 7, 7] == 1
    torch.testing.assert_close(shown[0, 0], own[0, 0])  # nobody looked at the first frame


def test_both_streams_see_where_they_are_told_to():
    module, batch = task(Action, TwoStream)
    model, clip = module.model.eval(), batch["clip"][:1]
    corner = torch.zeros(1, clip.shape[1], 64, 64)
    corner[:, :, :8, 56:] = 1
    with torch.no_grad():
        frames, changes = model.backbone(clip[0]), model.motion(stacked_differences(clip, model.stack)[0])
        streams = [
            classify(x[:, :, 0, 7]).mean(0).softmax(0) for x, classify in ((frames, model.seen), (changes, model.moved))
        ]
        torch.testing.assert_close(model(clip, attention=corner)[0][0].exp(), sum(streams) / 2)


def test_the_weight_has_no_effect(monkeypatch):
    def gradients(weight: float) -> list[torch.Tensor]:
        module, batch = task(VQA, StackedAttention)
        monkeypatch.setattr(module, "log", lambda *_, **__: None)
        monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
        module.alignment.weight = weight
        module.insert_human_maps()
        loss = module.training_step(batch, 0)
        return torch.autograd.grad(loss, [p for p in module.parameters()], allow_unused=True, materialize_grads=True)

    assert all(torch.equal(a, b) for a, b in zip(gradients(0.0), gradients(2.0), strict=True))


def test_a_model_that_cannot_take_a_map_is_refused():
    module, _ = task(VQA, StackedAttention)

    class Deaf(torch.nn.Module):
        def forward(self, image, tokens, mask, features=None):
            raise AssertionError

    module.model = Deaf()
    with pytest.raises(InputError, match=r"Deaf\.forward takes none"):
        module.insert_human_maps()


def test_a_transformer_that_is_only_read_is_refused_by_name():
    module, _ = task(FineGrained, ClassToken, Timm("test_vit"))
    with pytest.raises(InputError, match=r"ClassToken\.forward takes none"):
        module.insert_human_maps()


@pytest.mark.slow
def test_an_oracle_is_marked_as_one_wherever_it_is_shown(haa, capsys):
    run = haa("train", "task=vqa", "condition=oracle", *SMALL)
    summary = json.loads((run / "metrics.json").read_text())
    assert (summary["role"], summary["label"], summary["inserts_map"]) == ("oracle", "oracle", True)
    haa("train", "task=vqa", *SMALL, name="other")
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("an upper bound, no model") == 2
    again = haa("evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "trainer=debug", name="again")
    scored, trained = (json.loads((folder / "metrics.json").read_text()) for folder in (again, run))
    assert (scored["role"], scored["inserts_map"]) == ("oracle", True)
    assert scored["metrics"] == pytest.approx(trained["metrics"], abs=1e-6)
    cli.main(["report", str(run), str(run.parent / "other")])
    out = capsys.readouterr().out
    assert "oracle (upper bound)" in out
    assert "baseline" in out


def test_an_oracle_and_an_attention_source_exclude_each_other(haa):
    with pytest.raises(SystemExit, match="attention=native"):
        haa("train", "task=vqa", "condition=oracle", "attention=gradcam", *SMALL)
