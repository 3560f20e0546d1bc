from __future__ import annotations

import pytest
import timm
from torch import nn

from haa.attention.layers import attention_layers, find_layers, nearest
from haa.errors import InputError


def test_names_and_patterns() -> None:
    model = timm.create_model("vit_tiny_patch16_224", depth=3)
    assert list(find_layers(model, "blocks.1.attn")) == ["blocks.1.attn"]
    assert list(find_layers(model, "blocks.*.attn")) == [f"blocks.{i}.attn" for i in range(3)]
    assert list(find_layers(model, "blocks.*")) == [f"blocks.{i}" for i in range(3)]
    assert list(find_layers(model, ["blocks.2.attn", "blocks.0"])) == ["blocks.0", "blocks.2.attn"]
    assert list(attention_layers(model)) == [f"blocks.{i}.attn" for i in range(3)]


def test_pooling_and_cross_attention_are_not_self_attention() -> None:
    model = timm.create_model("vit_base_patch16_siglip_224", depth=1)
    assert list(attention_layers(model)) == ["blocks.0.attn"]
    assert list(attention_layers(nn.TransformerDecoderLayer(8, 2))) == ["self_attn"]


def test_errors_name_what_there_is() -> None:
    model = timm.create_model("vit_tiny_patch16_224")
    with pytest.raises(InputError) as error:
        find_layers(model, "blocks.1.atn")
    assert "did you mean blocks.1.attn" in str(error.value)
    assert "blocks.*.attn.qkv" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"there are: 0, 0\.0"):
        find_layers(nn.Sequential(nn.Sequential(nn.ReLU())), "layer4*")
    with pytest.raises(InputError, match="is called attention"):
        attention_layers(timm.create_model("resnet18"))


def test_nearest() -> None:
    assert nearest("text.blocks.0", ["vision.patch", "text.patch"]) == "text.patch"
    assert nearest("head", ["vision.patch", "text.patch"]) == "vision.patch"
    assert nearest("head", []) is None
