"""Every loss through every source: the gradient of the weights in a training step, against finite differences."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
import timm
import torch
from torch import Tensor, nn

import haa.attention
from haa import losses
from haa.attention import (
    CrossAttention,
    FeatureNorm,
    GradCAM,
    GradientTimesInput,
    InputGradient,
    Rollout,
    SelfAttention,
    TokenAttention,
)

WORDS = torch.tensor([[1, 2, 3], [4, 5, 6]])
IMAGE = torch.rand(2, 3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
CELLS = (2, 3)


class Gated(nn.Module):
    """Returns where it looks, as haa's own models do."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.gate = nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(image)
        attention = self.gate(features.tanh()).flatten(1).softmax(1).view(-1, *features.shape[-2:])
        return (features * attention[:, None]).sum((2, 3)), attention


class Captioner(nn.Module):
    """Words that look at the cells of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.words = nn.Conv2d(3, 8, 2, 2), nn.Embedding(10, 8)
        self.decoder = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, image: Tensor) -> Tensor:
        return self.decoder(self.words(WORDS), self.patches(image).flatten(2).mT)


class Attention(nn.Module):
    """Attention of tokens to those before them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.inner(x)[:, None].chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)[:, 0]


class Reader(nn.Module):
    """A language model that reads the cells of an image before its words."""

    config = SimpleNamespace(image_token_id=9)

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.words, self.attention = nn.Conv2d(3, 8, 2, 2), nn.Embedding(10, 8), Attention()

    def get_input_embeddings(self) -> nn.Module:
        return self.words

    def forward(self, input_ids: Tensor, image: Tensor) -> Tensor:
        cells = self.patches(image).flatten(2).mT
        return self.attention(torch.cat([cells, self.words(input_ids[:, cells.shape[1] :])], 1))


class Asked(nn.Module):
    """Asks a reader of an image alone."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = Reader()

    def forward(self, image: Tensor) -> Tensor:
        return self.reader(torch.cat([torch.full((2, CELLS[0] * CELLS[1]), 9), WORDS], 1), image)


class Native:
    """A model's own map, read like a source."""

    def attach(self, model: nn.Module) -> None:
        model.register_forward_hook(self._take)

    def _take(self, model: nn.Module, args: object, output: tuple[Tensor, Tensor]) -> None:
        self.map = output[1]

    def read(self) -> Tensor:
        return self.map


def squared(logits: Tensor) -> Tensor:
    return logits.square().sum(1)


def vit() -> nn.Module:
    options = {"img_size": (4, 6), "patch_size": 2, "depth": 2, "embed_dim": 8, "num_heads": 2, "num_classes": 3}
    return timm.create_model("vit_tiny_patch16_224", **options)


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 2, 2), nn.Softplus(), nn.Conv2d(4, 4, 1), nn.Softplus(), nn.Flatten(), nn.Linear(24, 3)
    )


SOURCES: dict[str, tuple[Callable[[], nn.Module], Callable[[], object]]] = {
    "native": (Gated, Native),
    "self_attention": (vit, SelfAttention),
    "self_attention_mean": (vit, partial(SelfAttention, "blocks.*.attn", query="mean")),
    "rollout": (vit, Rollout),
    "cross_attention": (Captioner, CrossAttention),
    "token_attention": (Asked, partial(TokenAttention, query="question")),
    "gradcam": (convolutional, partial(GradCAM, "3", target=squared)),
    "gradcam_tokens": (vit, partial(GradCAM, "blocks.0", target=squared)),
    "input_gradient": (convolutional, partial(InputGradient, target=squared)),
    "input_gradient_vit": (vit, partial(InputGradient, target=squared)),
    "gradient_times_input": (convolutional, partial(GradientTimesInput, target=squared)),
    "feature_norm": (convolutional, partial(FeatureNorm, "3")),
    "feature_norm_tokens": (vit, partial(FeatureNorm, "blocks.0")),
}
LOSSES = {
    **{name: getattr(losses, name) for name in losses.__all__ if name not in ("Weighted", "asks_for")},
    "kl_reverse": partial(losses.kl_divergence, reverse=True),
    "sum": losses.Weighted({"kl": losses.kl_divergence, "nss": losses.nss}, {"nss": 0.1}),
}


def test_none_is_missing() -> None:
    made = {type(make()).__name__ for _, make in SOURCES.values()}
    kinds = (getattr(haa.attention, name) for name in haa.attention.__all__)
    concrete = {k.__name__ for k in kinds if inspect.isclass(k) and issubclass(k, haa.attention.Source)} - {"Source"}
    assert made == concrete | {"Native"}
    assert len(LOSSES) == len(losses.__all__)  # Weighted and asks_for out, the reverse and a sum in


@pytest.mark.parametrize("name", SOURCES)
def test_gradcheck(name: str) -> None:
    build, make = SOURCES[name]
    torch.manual_seed(0)
    model, source = build().double(), make()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)  # as initialised, attention is all but flat
    source.attach(model)
    start = {key: p.detach().clone() for key, p in model.named_parameters()}
    directions = [{key: torch.randn_like(p) for key, p in start.items()} for _ in range(2)]

    def attend(steps: Tensor) -> Tensor:
        moved = {key: p + sum(s * d[key] for s, d in zip(steps, directions, strict=True)) for key, p in start.items()}
        torch.func.functional_call(model, moved, (IMAGE,))
        return source.read()

    zero = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    attention = attend(zero)
    assert attention.shape in ((2, *CELLS), (2, *IMAGE.shape[2:]))
    assert (attention.detach().std((1, 2)) > 0).all(), "a flat map proves nothing"
    through = {loss: torch.autograd.grad(value(loss, attention), zero, retain_graph=True)[0] for loss in LOSSES}
    assert all(gradient.abs().max() > 1e-6 for gradient in through.values()), "a gradient of zero proves nothing"

    # pyramid_mse holds the human map's height constant, which finite differences do not (tests/losses holds the loss
    # alone against some that do): what remains to check is the source, under that loss's own gradient
    leaf = attention.detach().requires_grad_()
    (pull,) = torch.autograd.grad(value("pyramid_mse", leaf), leaf)
    torch.testing.assert_close(through["pyramid_mse"], torch.autograd.grad((attention * pull).sum(), zero)[0])

    def every(steps: Tensor) -> tuple[Tensor, ...]:
        seen = attend(steps)
        return tuple((seen * pull).sum() if loss == "pyramid_mse" else value(loss, seen) for loss in LOSSES)

    # "output k" in a failure is the k-th of LOSSES
    assert torch.autograd.gradcheck(every, zero, atol=1e-7, rtol=1e-4, check_undefined_grad=False)


def value(loss: str, attention: Tensor) -> Tensor:
    """A loss between a map and made-up gaze, summed over the batch."""
    rng = torch.Generator().manual_seed(1)
    size = torch.tensor([attention.shape[2], attention.shape[1]])
    gaze = {
        "human": torch.rand(attention.shape, dtype=torch.float64, generator=rng) ** 4,
        "fixations": torch.rand(2, 3, 2, dtype=torch.float64, generator=rng) * size - 0.5,
    }
    return LOSSES[loss](attention, *(gaze[form] for form in losses.asks_for(LOSSES[loss]))).sum()
