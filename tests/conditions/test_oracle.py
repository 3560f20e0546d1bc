"""The oracle: the human map is what every model of haa looks by, and nothing else than that changes."""

from __future__ import annotations

import json

import pytest
import torch

from haa import cli
from haa.alignment import Alignment
from haa.data.datamodule import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.models.backbone import Tiny
from haa.models.caption_transformer import CaptionTransformer
from haa.models.cross_attention_vqa import CrossAttentionVQA
from haa.models.saliency import SaliencyReadout
from haa.models.show_attend_tell import ShowAttendTell
from haa.models.stacked_attention import StackedAttention
from haa.module import AlignedModule, in_unit_range
from haa.tasks.captioning import Captioning
from haa.tasks.saliency import Saliency
from haa.tasks.vqa import VQA

MODELS = [
    (VQA, StackedAttention),
    (VQA, CrossAttentionVQA),
    (Captioning, ShowAttendTell),
    (Captioning, CaptionTransformer),
    (Saliency, SaliencyReadout),
]
SMALL = ("trainer=debug", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4", "callbacks.pictures=null")


def task(kind: type[AlignedModule], model: type) -> tuple[AlignedModule, dict]:
    data = Shapes("train", task=kind.__name__.lower(), train=12, share_with_gaze=0.6)
    torch.manual_seed(0)
    words = kind.build_vocabularies(data)
    sizes = {f"{key}_vocab": len(value) for key, value in words.items()}
    module = kind(model(Tiny(channels=16), **sizes), Alignment(weight=0.5), vocabularies=words)
    batch = in_unit_range(collate(list(data)))
    assert 0 < batch["has_human"].sum() < 12
    return module, batch


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_the_map_is_the_human_one_where_somebody_looked_and_the_machines_elsewhere(kind, model, training):
    module, batch = task(kind, model)
    module.train(training)
    torch.manual_seed(1)
    own = module.look(batch).attention
    module.insert_human_maps()
    torch.manual_seed(1)
    output = module.look(batch)
    human, has = module.alignment.human(batch, (8, 8))
    # the gate of saliency never closes quite; the density is pooled from the image's size
    torch.testing.assert_close(output.attention[has], human[has], atol=2e-5, rtol=1e-3)
    if kind is not Captioning or training:  # a captioner's batch goes on until its longest sentence ends
        torch.testing.assert_close(output.attention[~has], own[~has])


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


def test_an_oracle_is_marked_as_one_wherever_it_is_shown(haa, capsys):
    run = haa("train", "task=vqa", "condition=oracle", *SMALL)
    assert json.loads((run / "metrics.json").read_text())["oracle"] is True
    haa("train", "task=vqa", *SMALL, name="other")
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("an upper bound, no model") == 2
    again = haa("evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "trainer=debug", name="again")
    scored, trained = (json.loads((folder / "metrics.json").read_text()) for folder in (again, run))
    assert scored["oracle"] is True
    assert scored["metrics"] == pytest.approx(trained["metrics"], abs=1e-6)
    cli.main(["report", str(run), str(run.parent / "other")])
    out = capsys.readouterr().out
    assert "oracle (upper bound)" in out
    assert "baseline" in out


def test_an_oracle_and_an_attention_source_exclude_each_other(haa):
    with pytest.raises(SystemExit, match="attention=native"):
        haa("train", "task=vqa", "condition=oracle", "attention=gradcam", *SMALL)
