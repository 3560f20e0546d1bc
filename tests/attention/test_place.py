"""Maps of the picture pass, at any depth and on any grid; what merely has the right number of cells is refused."""

from __future__ import annotations

import warnings

import pytest
import timm
import torch
from torch import nn

from haa.attention import CrossAttention, FeatureNorm, GradCAM, Rollout, SelfAttention, measure
from haa.attention.placing import _VERDICTS
from haa.errors import InputError


class Block(nn.Module):
    """Attention and a residual, in any order of tokens."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        y = self.norm(x)
        return x + self.attention(y, y, y)[0]


class Tokens(nn.Module):
    """A transformer of 8 x 8 patches, whose tokens are rearranged by ``order`` (b, n, c) -> (b, m, c)."""

    def __init__(self, order=lambda x: x, depth=2, width=16, patch=8) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.order, self.blocks = order, nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, 3)

    def forward(self, image):
        x = self.order(self.embed(image).flatten(2).mT)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


class ChannelAttention(nn.Module):
    """Attention between channels, of which there are as many as tokens."""

    def __init__(self, width: int, fused: bool) -> None:
        super().__init__()
        self.qkv, self.fused = nn.Linear(width, 3 * width), fused

    def forward(self, x):
        q, k, v = self.qkv(x).mT[:, None].chunk(3, 2)
        if self.fused:
            return nn.functional.scaled_dot_product_attention(q, k, v)[:, 0].mT
        return ((q @ k.mT / 4).softmax(-1) @ v)[:, 0].mT


class Channels(Tokens):
    def __init__(self, fused: bool) -> None:
        super().__init__(depth=1)
        self.blocks = nn.ModuleList([ChannelAttention(16, fused)])


class Pooled(nn.Module):
    """As many queries as patches, which read the picture as a whole (a resampler)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 8, 8)
        self.queries = nn.Parameter(torch.randn(1, 16, 16))
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.out = nn.Identity()

    def forward(self, image):
        x = self.embed(image).flatten(2).mT
        x = self.out(self.attention(self.queries.expand(len(x), -1, -1), x, x)[0])
        return x.mean(1)


def random_order(x):
    return x.gather(1, torch.rand(x.shape[:2]).argsort(1)[..., None].expand_as(x))


def merged(x):  # of 64 patches 16 tokens, as many as a grid of 4 x 4: neighbours in a row are merged, not squares
    return x.unflatten(1, (16, 4)).mean(2)


def by_columns(x):
    side = round(x.shape[1] ** 0.5)
    return x.unflatten(1, (side, side)).transpose(1, 2).flatten(1, 2)


def shifted(x):
    return x.unflatten(1, (4, 4)).roll((2, 2), (1, 2)).flatten(1, 2)


def registers_behind(x):
    return torch.cat([x, x.new_zeros(len(x), 4, x.shape[2])], 1)


def class_token_behind(x):
    return torch.cat([x, x.new_ones(len(x), 1, x.shape[2])], 1)


PICTURE = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
SOURCES = {
    "self-attention": lambda **grid: SelfAttention("blocks.1.attention", query="mean", **grid),
    "rollout": lambda **grid: Rollout(query="mean", **grid),
    "feature norm": lambda **grid: FeatureNorm("blocks.1", **grid),
    "Grad-CAM": lambda **grid: GradCAM("blocks.0", **grid),
}


def read(source, model, picture=PICTURE):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return measure(source, model, picture)


@pytest.mark.parametrize("name", SOURCES)
def test_tokens_in_the_pictures_order_are_read(name):
    torch.manual_seed(0)
    assert read(SOURCES[name](), Tokens()).shape == (2, 4, 4)
    assert read(SOURCES[name](), Tokens(), torch.rand(1, 3, 48, 32)).shape == (1, 6, 4)
    assert read(SOURCES[name](), Tokens(depth=8), torch.rand(3, 3, 16, 64)).shape == (3, 2, 8)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    ("order", "size", "grid"),
    [
        (random_order, 32, {}),
        (by_columns, 32, {}),
        (shifted, 32, {}),
        (lambda x: x.flip(1), 32, {}),
        (lambda x: x.roll(1, 1), 32, {}),
        (merged, 64, {"grid": (4, 4)}),
        (class_token_behind, 32, {"grid": (4, 4), "prefix": 1}),
        (registers_behind, 32, {"grid": (4, 4), "prefix": 4}),
        (lambda x: x, 32, {"grid": (2, 8)}),
    ],
)
def test_tokens_elsewhere_are_refused(name, order, size, grid):
    torch.manual_seed(1)
    model = Tokens(order)
    with pytest.raises(InputError, match="where one part of the picture is changed, cells elsewhere change"):
        read(SOURCES[name](**grid), model, torch.rand(2, 3, size, size))


def test_tokens_behind_the_patches_are_left_out():
    assert read(FeatureNorm("blocks.1", grid=(4, 4), prefix=0), Tokens(registers_behind)).shape == (2, 4, 4)


@pytest.mark.parametrize("fused", [True, False])
def test_attention_between_channels_is_refused(fused):
    torch.manual_seed(0)
    source = SelfAttention("blocks.0", query="mean")
    with pytest.raises(InputError, match="channels"):
        read(source, Channels(fused))


def test_pooled_tokens_are_refused_and_attention_to_the_picture_is_read():
    torch.manual_seed(0)
    model = Pooled()
    with pytest.raises(InputError, match="pooled"):
        read(FeatureNorm("out", grid=(4, 4), prefix=0), model)
    assert read(CrossAttention("attention", grid=(4, 4), prefix=0), model).shape == (2, 4, 4)


def test_a_grid_that_lies_when_the_picture_stands_is_refused():
    source, model = FeatureNorm("blocks.1", grid=(2, 4), prefix=0), Tokens()
    assert read(source, model, torch.rand(2, 3, 16, 32)).shape == (2, 2, 4)
    with pytest.raises(InputError, match="elsewhere"):
        read(source, model, torch.rand(2, 3, 32, 16))


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "mobilenetv3_small_100", "efficientnet_lite0"])
@pytest.mark.parametrize("size", [(64, 64), (96, 160)])
def test_convolutions_spread_and_are_read(name, size):
    torch.manual_seed(0)
    model = timm.create_model(name)
    layer = {"resnet18": "layer4", "convnext_atto": "stages.3"}.get(name, "blocks")
    assert read(FeatureNorm(layer), model, torch.rand(2, 3, *size)).ndim == 3


def test_it_is_tried_once_for_a_model_and_leaves_no_trace():
    passes = []
    model = Tokens().train()
    model.norm = nn.BatchNorm2d(3)
    model.embed.register_forward_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    source = SelfAttention("blocks.1.attention", query="mean")
    state, random = {key: value.clone() for key, value in model.state_dict().items()}, torch.get_rng_state()
    for _ in range(3):
        source.attach(model)
        model(PICTURE)
        assert source.read().requires_grad
        source.detach()
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert model.training
    assert passes.count(True) == 3
    assert passes.count(False) == 4  # as it is, and twelve regions in batches of four
    assert model in _VERDICTS
