"""What is trained of a pretrained model, and what a checkpoint of it holds."""

from __future__ import annotations

import pytest
import torch
from benchmarks.huggingface_families import seer, writer

from haa.errors import InputError
from haa.models.huggingface import Classifier, Writer
from haa.models.huggingface.adapted import Lora


def test_lora_is_a_product_of_small_matrices(tmp_path):
    """The adapted layer by hand, beside peft's: W x + (alpha / r) B A x."""
    seer("ViT", tmp_path)
    plain, model = (Classifier(str(tmp_path), 3, lora=lora).eval() for lora in (None, Lora(rank=2, alpha=6)))
    layer = next(part for name, part in model.named_modules() if name.endswith("query") or name.endswith("q_proj"))
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert a.shape[0] == b.shape[1] == 2
    torch.nn.init.normal_(b)
    x = torch.rand(4, 32)
    expected = x @ layer.base_layer.weight.T + layer.base_layer.bias + 3 * x @ a.T @ b.T
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    assert sum(p.requires_grad for p in plain.parameters()) == len(list(plain.parameters()))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or "classifier" in name for name in trained)
    assert not any("lora_" in name and "classifier" in name for name in trained)


def test_a_checkpoint_holds_the_adapters_and_not_the_base(tmp_path):
    seer("ViT", tmp_path)
    model = Classifier(str(tmp_path), 3, lora=Lora(rank=2)).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    state = model.state_dict()
    assert {name for name in state if "lora_" not in name} == {
        *("base_sha256", "body.classifier.weight", "body.classifier.bias")
    }
    again = Classifier(str(tmp_path), 3, lora=Lora(rank=2)).eval()
    again.load_state_dict(state)
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(image)[0], again(image)[0])


def test_a_checkpoint_of_a_frozen_model_holds_its_head(tmp_path):
    seer("ViT", tmp_path)
    model = Classifier(str(tmp_path), 3, frozen=True)
    assert set(model.state_dict()) == {"base_sha256", "body.classifier.weight", "body.classifier.bias"}
    assert model.train().body.training is False
    assert model.body.classifier.weight.requires_grad


def test_adapters_are_not_loaded_onto_another_base(tmp_path):
    for place, seed in (("a", 0), ("b", 1)):
        folder = tmp_path / place
        folder.mkdir()
        model = seer("ViT", folder)
        model.layernorm.bias.data += seed
        model.save_pretrained(folder)
    state = Classifier(str(tmp_path / "a"), 3, lora=Lora(rank=2)).state_dict()
    with pytest.raises(InputError, match="stands upon other weights"):
        Classifier(str(tmp_path / "b"), 3, lora=Lora(rank=2)).load_state_dict(state)


def test_targets_by_name(tmp_path):
    writer("LLaVA", tmp_path)
    model = Writer(str(tmp_path), lora=Lora(rank=2, targets=["q_proj"]))
    assert {name.split(".")[-4] for name, p in model.named_parameters() if p.requires_grad} == {"q_proj"}
    with pytest.raises(InputError, match=r"lora.targets=\['nowhere'\].*there are .*q_proj"):
        Writer(str(tmp_path), lora=Lora(rank=2, targets=["nowhere"]))


def test_random_weights_are_not_kept_fixed(tmp_path):
    seer("ViT", tmp_path)
    with pytest.raises(InputError, match="random"):
        Classifier(str(tmp_path), 3, pretrained=False, frozen=True)
    with pytest.raises(InputError, match=r"lora\.rank=-1"):
        Lora(rank=-1)
