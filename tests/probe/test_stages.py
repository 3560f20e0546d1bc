"""Maps of stages against hooks on the networks themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from haa.attention import Rollout, SelfAttention, measure
from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent
from haa.models.backbone import Timm, Tiny
from haa.probe.stages import Stages

IMAGE = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def hooked(model: nn.Module, names: list[str]) -> dict[str, torch.Tensor]:
    """What modules of a network give in a pass of its own."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        model.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.clone()}))
        for name in names
    ]
    with torch.no_grad():
        model.eval()(IMAGE)
    for handle in handles:
        handle.remove()
    return seen


def test_stages_of_a_convolutional_network_are_the_norms_of_its_features():
    backbone = Timm("test_resnet", stages=None)
    names = [f"body.{name}" for name in backbone.body.feature_info.module_name()]
    found = Stages(backbone)(IMAGE)
    assert list(found) == [f"stage {number}" for number in range(len(names))]
    for stage, features in zip(found.values(), hooked(backbone, names).values(), strict=True):
        torch.testing.assert_close(stage.maps, features.square().sum(1).sqrt())
        assert stage.stride == 64 // features.shape[2]


def test_stages_of_a_transformer_are_its_blocks_and_its_attention_is_beside_them():
    backbone = Timm("test_vit", stages=None)
    depth = len(backbone.body.model.blocks)
    found = Stages(backbone)(IMAGE)
    assert list(found) == [*(f"stage {number}" for number in range(depth)), "self-attention", "rollout"]
    tokens = hooked(backbone, [f"body.model.blocks.{number}" for number in range(depth)])
    for number, of_block in enumerate(tokens.values()):
        patches = of_block[:, 1:].norm(dim=2).view(2, 4, 6)  # behind the class token, row by row
        torch.testing.assert_close(found[f"stage {number}"].maps, patches)
    assert [stage.read for stage in found.values()] == ["features"] * depth + ["attention"] * 2
    for name, source in (("self-attention", SelfAttention()), ("rollout", Rollout())):
        torch.testing.assert_close(found[name].maps, measure(source, backbone, IMAGE))


def test_chosen_stages_keep_their_numbers():
    found = Stages(Timm("test_resnet", stages=(4, -3)))(IMAGE)
    assert {name: stage.stride for name, stage in found.items()} == {"stage 4": 32, "stage 2": 8}


def test_layers_of_any_module_lie_where_they_look():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 5, 4, 4), nn.Flatten(), nn.LazyLinear(2))
    model(IMAGE)
    for layer in (model[0], model[2]):
        nn.init.ones_(layer.weight)  # the middle of the kernel is that of its weights
    found = Stages(model, ["0", "2"])(IMAGE)
    assert {name: (tuple(stage.maps.shape), stage.stride) for name, stage in found.items()} == {
        "0": ((2, 32, 48), 2),
        "2": ((2, 8, 12), 8),
    }
    # cells of 2 pixels around 0, 2, 4 ..: they begin at -1 of pixels whose edges are at -0.5
    off = Extent(-0.5 / 64, -0.5 / 96, 63.5 / 64, 95.5 / 96)
    assert found["0"].extent == pytest.approx(off)
    assert found["2"].extent == pytest.approx(off)  # four of them side by side
    assert Stages(model, ["0"], stretched=True)(IMAGE)["0"].extent == WHOLE


def test_the_network_is_left_as_it_was():
    backbone = Tiny(stages=None).train()
    Stages(backbone)(IMAGE)
    assert backbone.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in backbone.modules())


def test_what_cannot_be_read_is_said():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    with pytest.raises(InputError, match=r"layers is missing: Sequential .* name the layers to read, layers=\[0\]"):
        Stages(model)
    with pytest.raises(InputError, match="layer 7 is not in Sequential"):
        Stages(model, ["7"])
    vgg = Stages(Timm("vgg11", stages=(1,)))
    with pytest.raises(InputError, match=r"cannot look at pictures of 1 x 1 .*loader.transform.size"):
        vgg(torch.rand(1, 3, 1, 1))
