"""Classifiers of the hub's beside transformers' own, their attention beside the eager one's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from benchmarks.huggingface_families import SEERS, T, saved, seer

from haa.errors import InputError
from haa.models.huggingface import Classifier
from haa.models.weights import weights_come_later


@pytest.mark.parametrize("family", ["ViT", "DINOv2", "CLIP", "SigLIP", "ResNet"])
def test_logits_are_transformers_own(tmp_path, family):
    config, processor = SEERS[family]
    five = config()
    five.num_labels = 5
    saved(tmp_path, T.AutoModelForImageClassification.from_config(five), getattr(T, processor)())
    ours = Classifier(str(tmp_path), class_vocab=5).eval()
    theirs = T.AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    size = getattr(getattr(config(), "vision_config", config()), "image_size", 224)
    pictures = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    prepare = T.AutoImageProcessor.from_pretrained(tmp_path)
    with torch.no_grad():
        plain = prepare(images=list(pictures), return_tensors="pt", do_resize=False, do_center_crop=False)
        expected = theirs(**plain).logits
        logits, _ = ours(pictures / 255)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("family", "prefix"), [("ViT", 1), ("DeiT", 2), ("DINOv2", 1), ("DINOv2, registers", 3)])
def test_the_map_is_the_class_tokens_attention(tmp_path, family, prefix):
    seer(family, tmp_path)
    model = Classifier(str(tmp_path), class_vocab=5).eval()
    image = torch.rand(2, 3, 32, 32)
    arguments = model.preparation(image, model.body)
    with torch.no_grad():
        _, attention = model(image)
        model.body.set_attn_implementation("eager")
        weights = model.body(**arguments, output_attentions=True).attentions[-1]
    assert attention is not None
    expected = weights[:, :, 0, prefix:].mean(1).unflatten(1, (4, 4))
    torch.testing.assert_close(attention, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("family", "warns"), [("ResNet", False), ("ConvNeXt", False), ("Swin", True)])
def test_a_model_without_attention_of_its_own_has_no_map(tmp_path, family, warns, recwarn):
    seer(family, tmp_path)
    logits, attention = Classifier(str(tmp_path), class_vocab=5)(torch.rand(2, 3, 64, 64))
    assert logits.shape == (2, 5)
    assert attention is None
    assert any("has no map of its own" in str(warning.message) for warning in recwarn) == warns


def test_images_of_any_size_where_the_model_takes_them(tmp_path):
    seer("ViT", tmp_path)
    _, attention = Classifier(str(tmp_path), class_vocab=2)(torch.rand(1, 3, 48, 80))
    assert attention is not None
    assert attention.shape == (1, 6, 10)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("./nowhere", "is not a folder"),
        (None, "cannot be read"),
    ],
)
def test_refuses_what_is_no_model(tmp_path, monkeypatch, name, told):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=told):
        Classifier(str(tmp_path) if name is None else name, class_vocab=2)


def test_refuses_a_pickle_of_weights(tmp_path):
    model = seer("ViT", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        Classifier(str(tmp_path), class_vocab=2)


def test_refuses_code_of_others(tmp_path):
    """A folder whose configuration names code beside it is not run."""
    seer("ViT", tmp_path)
    config = tmp_path / "config.json"
    own = '{"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "evil", "_x": 1}'
    config.write_text(own)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    with pytest.raises(InputError, match="cannot be read"):
        Classifier(str(tmp_path), class_vocab=2)
    assert not (tmp_path / "ran").exists()


def test_refuses_weights_that_are_not_finite(tmp_path):
    model: Any = seer("ViT", tmp_path)
    model.layernorm.weight.data[0] = torch.nan
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is not finite"):
        Classifier(str(tmp_path), class_vocab=2)


def test_a_checkpoint_opens_no_connection(monkeypatch):
    """A name of the hub's that a checkpoint says is looked for on this machine alone."""

    def connect(*args: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", connect)
    monkeypatch.setattr("socket.create_connection", connect)
    with weights_come_later(), pytest.raises(InputError, match="hf download nobody/has-this-model"):
        Classifier("nobody/has-this-model", class_vocab=2)
