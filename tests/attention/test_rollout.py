from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import Tensor, nn

from haa.attention import Rollout
from haa.errors import InputError

SMALL = {"embed_dim": 48, "num_heads": 2, "num_classes": 5}


def lively(model: nn.Module) -> nn.Module:
    """With noise on the weights: as timm initialises them, attention is all but uniform and proves little."""
    for parameter in model.parameters():
        if parameter.ndim != 4:  # not the patch embedding
            size = 2 * parameter.shape[-1] ** -0.5 if parameter.ndim == 2 else 0.3
            parameter.data += size * torch.randn_like(parameter)
    return model


def by_the_paper(model: nn.Module, image: Tensor) -> Tensor:
    """The product of whole matrices, from timm's own unfused softmax."""
    model, kept = copy.deepcopy(model), []
    for block in model.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_pre_hook(lambda _, args: kept.append(args[0].mean(1)))
    model(image)
    product = torch.eye(kept[0].shape[-1], dtype=image.dtype)
    for weights in kept:
        mixed = weights + torch.eye(weights.shape[-1], dtype=image.dtype)
        product = (mixed / mixed.sum(-1, keepdim=True)) @ product
    return product


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    options = {"img_size": (32, 48), "depth": 4, **SMALL}
    model = lively(timm.create_model("deit_tiny_distilled_patch16_224", **options)).to(dtype).eval()
    image = torch.rand(2, 3, 32, 48, dtype=dtype)
    expected = by_the_paper(model, image)
    for query, row in (("class", expected[:, 0]), ("mean", expected[:, 2:].mean(1))):
        source = Rollout(query=query)
        source.attach(model)
        model(image)
        tolerance = 1e-6 if dtype == torch.float32 else 1e-14
        torch.testing.assert_close(source.read(), row[:, 2:].unflatten(1, (2, 3)), atol=tolerance, rtol=0)
        source.detach()


def test_hand_computed() -> None:
    # one layer, no residual, uniform attention: every token gets 1 / n
    model = nn.MultiheadAttention(4, 1, bias=False, batch_first=True)
    nn.init.zeros_(model.in_proj_weight)
    wrapped = nn.TransformerEncoderLayer(4, 1, batch_first=True)
    wrapped.self_attn = model
    source = Rollout("self_attn", query="mean", residual=0.0, grid=(2, 2))
    source.attach(wrapped)
    wrapped(torch.rand(1, 4, 4))
    torch.testing.assert_close(source.read(), torch.full((1, 2, 2), 0.25))


@pytest.mark.slow
def test_gradcheck() -> None:
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=4, depth=2, embed_dim=8, num_heads=2, num_classes=2
    ).double()
    source = Rollout()
    source.attach(model)

    def read(image: Tensor) -> Tensor:
        model(image)
        return source.read()

    assert torch.autograd.gradcheck(read, torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True))


def test_errors() -> None:
    with pytest.raises(InputError, match="residual"):
        Rollout(residual=1.0)
    with pytest.raises(InputError, match="query"):
        Rollout(query="first")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="attention"):
        Rollout().attach(nn.Sequential(nn.Linear(2, 2)))
