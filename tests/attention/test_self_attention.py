from __future__ import annotations

import copy

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers.attention import AttentionRope
from torch import Tensor, nn

from haa.attention import SelfAttention
from haa.errors import InputError

SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 2, "num_classes": 5}
MODELS = {
    "vit": ("vit_tiny_patch16_224", {"img_size": (32, 48)}, (32, 48), 1),
    "qk_norm": ("vit_tiny_patch16_224", {"img_size": 32, "qk_norm": True}, (32, 32), 1),
    "distilled": ("deit_tiny_distilled_patch16_224", {"img_size": 32}, (32, 32), 2),
    "registers": ("vit_small_patch14_reg4_dinov2", {"img_size": (28, 42)}, (28, 42), 5),
    "rotary": ("eva02_tiny_patch14_224", {"img_size": (28, 42)}, (28, 42), 1),
}


def lively(model: nn.Module) -> nn.Module:
    """With noise on the weights: as timm initialises them, attention is all but uniform and proves little."""
    for parameter in model.parameters():
        if parameter.ndim != 4:  # not the patch embedding
            size = 2 * parameter.shape[-1] ** -0.5 if parameter.ndim == 2 else 0.3
            parameter.data += size * torch.randn_like(parameter)
    return model


def unfused(model: nn.Module, image: Tensor) -> list[Tensor]:
    """What timm's own unfused code gives its dropout."""
    model, kept = copy.deepcopy(model), []
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
            module.attn_drop.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    model(image)
    return kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_values(name: str, dtype: torch.dtype) -> None:
    model_name, options, size, prefix = MODELS[name]
    torch.manual_seed(0)
    model = lively(timm.create_model(model_name, **SMALL, **options)).to(dtype).eval()
    image = torch.rand(2, 3, *size, dtype=dtype)
    weights = unfused(model, image)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    patch = model.patch_embed.patch_size
    grid = (size[0] // patch[0], size[1] // patch[1])
    plain = model(image)
    for query in ("class", "mean"):
        for heads in (None, [1]):
            source = SelfAttention("blocks.*.attn", heads=heads, query=query)
            source.attach(model)
            assert torch.equal(model(image), plain), "the forward pass changed"
            mean = torch.stack([w if heads is None else w[:, heads] for w in weights]).mean((0, 2))
            assert mean[:, 0].std() > 0.05 * mean[:, 0].mean()
            row = mean[:, 0] if query == "class" else mean[:, prefix:].mean(1)
            expected = row[:, prefix:].unflatten(1, grid)
            torch.testing.assert_close(source.read(), expected, atol=tolerance, rtol=0)
            source.detach()


def test_default_is_the_last_layer() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, **SMALL).eval()
    source = SelfAttention()
    source.attach(model)
    image = torch.rand(1, 3, 32, 32)
    model(image)
    expected = unfused(model, image)[-1].mean(1)[:, 0, 1:].unflatten(1, (2, 2))
    torch.testing.assert_close(source.read(), expected)


def test_any_image_size() -> None:
    model = timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True, **SMALL).eval()
    source = SelfAttention()
    source.attach(model)
    for size in ((32, 64), (64, 48)):
        model(torch.rand(1, 3, *size))
        assert source.read().shape == (1, size[0] // 16, size[1] // 16)


def test_dropout_is_not_in_the_map_and_draws_as_before() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, attn_drop_rate=0.5, **SMALL)
    image = torch.rand(2, 3, 32, 32)
    source = SelfAttention("blocks.0")
    torch.manual_seed(3)
    plain, state = model(image), torch.get_rng_state()
    source.attach(model)
    torch.manual_seed(3)
    assert torch.equal(model(image), plain)
    dropped = source.read()
    assert torch.equal(torch.get_rng_state(), state)
    model.eval()(image)
    torch.testing.assert_close(dropped, source.read())


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("additive", [False, True])
def test_masks_rotation_and_shared_keys(causal: bool, additive: bool) -> None:
    torch.manual_seed(0)
    layer = AttentionRope(
        16, 4, qkv_fused=False, num_kv_heads=2, num_prefix_tokens=0, qk_norm=True, norm_layer=nn.LayerNorm
    )
    x, rope = torch.randn(2, 6, 16), torch.randn(6, 8)
    allowed = torch.rand(6, 6) > 0.3
    allowed.fill_diagonal_(True)
    mask = torch.randn(6, 6) if additive else allowed
    kept: list[Tensor] = []
    layer.attn_drop.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    given = {"is_causal": True} if causal else {"attn_mask": mask}
    layer.fused_attn = False
    layer(x, rope, **given)
    layer.fused_attn = True
    model = nn.Sequential(layer)
    source = SelfAttention("0", query="mean", grid=(2, 3))
    source.attach(model)
    model[0](x, rope, **given)
    torch.testing.assert_close(source.read(), kept[0].mean((1, 2)).unflatten(1, (2, 3)))


@pytest.mark.parametrize("batch_first", [False, True])
def test_torch_attention(batch_first: bool) -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, dropout=0.0, batch_first=True).eval()
    x = torch.randn(3, 6, 8)
    source = SelfAttention("self_attn", heads=[1], query="mean", grid=(2, 3))
    source.attach(model)
    with torch.no_grad():
        model(x)
    _, expected = model.self_attn(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(source.read(), expected[:, 1].mean(1).unflatten(1, (2, 3)))


def test_autocast_is_read_in_float32() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, **SMALL).eval()
    source = SelfAttention()
    source.attach(model)
    image = torch.rand(1, 3, 32, 32)
    model(image)
    exact = source.read()
    with torch.autocast("cpu", torch.bfloat16):
        model(image)
        half = source.read()
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, exact, atol=1e-2, rtol=0)


def test_gradient_checkpointing() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, **SMALL)
    image = torch.rand(1, 3, 32, 32)
    source = SelfAttention("blocks.1")
    source.attach(model)
    gradients = []
    for checkpointed in (False, True):
        model.set_grad_checkpointing(checkpointed)
        model.zero_grad()
        (model(image).sum() + source.read().square().sum()).backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


class Gated(nn.Module):
    """Changes the softmax before it weighs the values."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return (x @ x.mT).softmax(-1) * 2 @ x


class GatedModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Gated()

    def forward(self, image: Tensor) -> Tensor:
        return self.attention(image.flatten(2).mT)


@pytest.mark.parametrize(
    ("model", "options", "size", "message"),
    [
        ("swin_tiny_patch4_window7_224", {"layers": "layers.0.blocks.0.attn"}, 224, "windows"),
        ("cait_xxs24_224", {"layers": "blocks.0.attn"}, 224, "no attention that can be read"),
        ("vit_tiny_patch16_224", {"layers": "blocks.0.mlp"}, 224, "no attention that can be read"),
        ("vit_tiny_patch16_224", {"heads": [3]}, 224, "heads 0 to 2"),
        ("vit_tiny_patch16_224", {"layers": "blocks.0"}, 224, None),
        ("vit_base_patch16_siglip_224", {}, 224, "no class token"),
        ("vit_dlittle_patch16_reg1_gap_256", {"layers": "blocks.0.attn"}, 256, "2 attentions"),
    ],
)
def test_refuses_by_name(model: str, options: dict, size: int, message: str | None) -> None:
    shallow = {"depths": (1, 1, 1, 1)} if "swin" in model else {"depth": 1}
    network = timm.create_model(model, **shallow).eval()
    source = SelfAttention(**options)
    source.attach(network)
    with torch.no_grad():
        network(torch.rand(1, 3, size, size))
    if message is None:
        assert source.read().shape == (1, 14, 14)
        return
    with pytest.raises(InputError, match=message) as error:
        source.read()
    assert "layer" in str(error.value)


def test_refuses_a_changed_softmax_and_dropped_patches() -> None:
    model = GatedModel()
    source = SelfAttention("attention", query="mean", grid=(2, 2))
    source.attach(model)
    model(torch.rand(1, 4, 2, 2))
    with pytest.raises(InputError, match="ran, but computed no attention"):
        source.read()
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, patch_drop_rate=0.5, **SMALL)
    source = SelfAttention("blocks.0")
    source.attach(vit)
    vit(torch.rand(1, 3, 64, 64))
    with pytest.raises(InputError, match="dropped patches"):
        source.read()


@pytest.mark.slow
def test_gradcheck() -> None:
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=4, depth=1, embed_dim=8, num_heads=2, num_classes=2
    ).double()
    source = SelfAttention()
    source.attach(model)

    def loss(image: Tensor) -> Tensor:
        model(image)
        return F.kl_div(source.read().clamp_min(1e-9).log(), torch.full((1, 2, 2), 0.25).double(), reduction="sum")

    assert torch.autograd.gradcheck(loss, torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True))
