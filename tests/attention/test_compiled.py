"""Models that torch.compile compiles: maps and gradients are those of the model uncompiled, or it is said why not."""

from __future__ import annotations

import importlib
import shutil

import pytest
import timm
import torch
import torch.nn.functional as F
from tests.attention.cross import Cross
from torch import nn

import haa
from haa.attention import (
    CrossAttention,
    FeatureNorm,
    GradCAM,
    GradientTimesInput,
    InputGradient,
    Rollout,
    SelfAttention,
    measure,
)
from haa.errors import InputError

RNG = torch.Generator().manual_seed(0)
IMAGE, LABEL = torch.rand(2, 3, 32, 48, generator=RNG), torch.tensor([0, 1])
LOOKS = torch.rand(2, 5, 2, generator=RNG) * 32


def vit() -> nn.Module:
    torch.manual_seed(0)
    small = {"img_size": (32, 48), "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 4}
    return timm.models.VisionTransformer(**small)


def cnn() -> nn.Module:
    torch.manual_seed(0)
    stages = nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU()
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


def cross() -> nn.Module:
    torch.manual_seed(0)
    return Cross()


class Look(nn.Module):
    """Cross attention and nothing else: every kernel more is a second of the C++ compiler's."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.attend = nn.Conv2d(3, 4, 8, 8), nn.MultiheadAttention(4, 1, batch_first=True)
        self.words = nn.Parameter(torch.randn(3, 4))

    def forward(self, image):
        cells = self.patch(image).flatten(2).transpose(1, 2)
        return self.attend(self.words.expand(len(image), -1, -1), cells, cells, need_weights=False)[0].mean(1)


READ = {
    "self_attention": (vit, SelfAttention(query="mean")),
    "self_attention of the first": (vit, SelfAttention("blocks.0.attn", query="class")),
    "rollout": (vit, Rollout(query="mean")),
    "cross_attention": (cross, CrossAttention("decoder.multihead_attn")),
    "feature_norm": (cnn, FeatureNorm("2")),
    "feature_norm of tokens": (vit, FeatureNorm("blocks.0")),
}
DERIVED = {
    "gradcam": (cnn, GradCAM("2")),
    "input_gradient": (cnn, InputGradient()),
    "gradient_times_input": (cnn, GradientTimesInput()),
}


@pytest.fixture(autouse=True)
def afresh():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def steps(model, called, source, count=2):
    """The map, the loss and the gradients of the last of some steps."""
    with haa.align(model, source, weight=0.5) as aligned:
        for _ in range(count):
            model.zero_grad()
            loss = aligned(F.cross_entropy(called(IMAGE), LABEL), {"image": IMAGE, "fixations": LOOKS})
            loss.backward()
        with torch.no_grad():
            maps = source.read() if not source.needs_graph else torch.zeros(())
    return [maps, loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", READ)
def test_a_compiled_model_gives_the_same_map_and_gradients(name):
    make, source = READ[name]
    expected = steps(model := make(), model, source)
    model = make()
    assert_equal(steps(model, torch.compile(model, backend="aot_eager"), source), expected)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.parametrize(("make", "source"), [(Look, CrossAttention("attend")), (cnn, FeatureNorm("2"))])
def test_inductor_gives_the_same(make, source):
    expected = steps(model := make(), model, source)
    model, inductor = make(), importlib.import_module("torch._inductor.config")
    with inductor.patch({"cpp.vec_isa_ok": False}):  # else ten programs are compiled to see what the processor has
        assert_equal(steps(model, torch.compile(model), source), expected)


@pytest.mark.parametrize("source", [SelfAttention(query="mean"), FeatureNorm("blocks.1")])
def test_most_of_the_model_is_compiled_all_the_same(source):
    """Blocks 0 and 1 share what was compiled for the first; the watched one has its own."""
    seen = []

    def backend(graph, inputs):
        seen.extend(node.target for node in graph.graph.nodes)
        return graph.forward

    model = vit()
    steps(model, torch.compile(model, backend=backend), source, count=1)
    assert seen.count(F.scaled_dot_product_attention) >= 1
    assert seen.count(F.gelu) >= 1
    assert torch.conv2d in seen


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("in_place", [False, True])
def test_what_differentiates_through_compiled_code_is_refused_by_name(name, in_place):
    make, source = DERIVED[name]
    model = called = make()
    if in_place:
        model.compile(backend="eager")
    else:
        called = torch.compile(model, backend="eager")
    kind = type(source).__name__
    with pytest.raises(InputError, match=f"^{kind} differentiates the score through .* compiled code cannot"):
        steps(model, called, source)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


PARTS = {
    "gradcam": (vit, GradCAM("blocks.1.norm1"), ["patch_embed", "blocks.0"]),
    "gradcam of a stage": (cnn, GradCAM("2"), ["0"]),
    "feature_norm": (cnn, FeatureNorm("2"), ["0", "6"]),
    "self_attention": (vit, SelfAttention(query="mean"), ["blocks.0", "blocks.1.mlp"]),
    "self_attention within": (vit, SelfAttention(query="mean"), ["blocks.1"]),
    "rollout": (vit, Rollout(query="mean"), ["patch_embed", "blocks.0.mlp"]),
}


@pytest.mark.parametrize("way", ["in place", "wrapped"])
@pytest.mark.parametrize("name", PARTS)
def test_parts_may_be_compiled_before_the_source_is_attached(name, way):
    make, source, parts = PARTS[name]
    expected = steps(model := make(), model, source)
    model = make()
    for part in parts:
        inner = model.get_submodule(part)
        if way == "in place":
            inner.compile(backend="aot_eager")
        elif "within" not in name:  # a wrapped part's layers have other names
            parent, _, last = part.rpartition(".")
            setattr(model.get_submodule(parent), last, torch.compile(inner, backend="aot_eager"))
    assert_equal(steps(model, model, source), expected)


@pytest.mark.parametrize("part", ["2", "4"])
def test_gradcam_refuses_a_compiled_part_at_or_behind_its_layer(part):
    model = nn.Sequential(*cnn()[:3], nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 1)), nn.Conv2d(8, 8, 1), *cnn()[4:])
    model.get_submodule(part).compile(backend="aot_eager")
    if part == "2":  # what runs before the output of the layer is differentiated once
        steps(model, model, GradCAM("2"))
        return
    with pytest.raises(InputError, match=f"through {part}, which is compiled"):
        steps(model, model, GradCAM("2"))


def test_a_measurement_runs_uncompiled():
    model = cnn().eval()
    expected = measure(GradCAM("2"), model, IMAGE)
    model.compile(backend="aot_eager")
    assert torch.equal(measure(GradCAM("2"), model, IMAGE), expected)
    assert torch.equal(measure(GradCAM("2"), torch.compile(model, backend="aot_eager"), IMAGE), expected)


def test_a_source_comes_and_goes():
    """Code that was compiled without it, or with it, is not run when it has come or gone."""
    make, source = READ["feature_norm"]
    expected = steps(model := make(), model, source)
    model = make()
    called = torch.compile(model, backend="eager")
    for _ in range(2):
        assert_equal(steps(model, called, source), expected)
        called(IMAGE)
        with pytest.raises(InputError, match="watches no model"):
            source.read()


def test_it_watches_what_torch_compile_was_given():
    model = cnn()
    called = torch.compile(model, backend="eager")
    source = FeatureNorm("2")
    with haa.align(called, source) as aligned:
        aligned(F.cross_entropy(called(IMAGE), LABEL), {"image": IMAGE, "fixations": LOOKS})
        torch.testing.assert_close(source.read(), torch.linalg.vector_norm(model[:3](IMAGE), dim=1))


@pytest.mark.slow
def test_weights_before_dropout_go_through_autocast():
    make, source = READ["self_attention"]
    model = make().train()
    model.blocks[0].attn.attn_drop.p = 0.5
    called = torch.compile(model, backend="aot_eager")
    with haa.align(model, source), torch.autocast("cpu", torch.bfloat16):
        called(IMAGE)
        maps = source.read()
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps.sum((1, 2)), torch.full((2,), maps.sum().item() / 2), atol=0.05, rtol=0)
    assert (maps.sum((1, 2)) < 1).all()  # the class token has its share
