from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
import timm
import torch
from torch import Tensor, nn

from haa.attention import (
    CrossAttention,
    FeatureNorm,
    GradCAM,
    GradientTimesInput,
    InputGradient,
    Rollout,
    SelfAttention,
    Source,
)
from haa.errors import InputError

TINY = {"img_size": 16, "patch_size": 8, "depth": 2, "embed_dim": 8, "num_heads": 2, "num_classes": 3}


def squared(logits: Tensor) -> Tensor:
    return logits.square().sum(1)


SOURCES = {
    "self_attention": SelfAttention(),
    "rollout": Rollout(),
    "cross_attention": CrossAttention("blocks.1.attn"),  # read as words: the class token's and the patches' rows
    "gradcam": GradCAM("blocks.0", target=squared),
    "input_gradient": InputGradient(target=squared),
    "gradient_times_input": GradientTimesInput(target=squared),
    "feature_norm": FeatureNorm("blocks.0"),
}


def vit() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", **TINY)


@pytest.mark.parametrize("name", SOURCES)
def test_life_of_a_source(name: str) -> None:
    model, image = vit().eval(), torch.rand(2, 3, 16, 16)
    source = SOURCES[name].unattached()
    with pytest.raises(InputError, match="watches no model"):
        source.read()
    source.attach(model)
    with pytest.raises(InputError, match="watches a VisionTransformer already"):
        source.attach(model)
    with pytest.raises(InputError, match="last forward pass"):
        source.read()
    model(image)
    found = source.read()
    assert found.shape[0] == 2
    assert (found >= 0).all()
    assert found.requires_grad
    # copies of the model, as averaging of weights makes them, take nothing of the last pass with them
    assert torch.equal(copy.deepcopy(model)(image), model(image))
    source.detach()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(InputError, match="watches no model"):
        source.read()


def test_a_copy_of_a_watched_model_is_not_read() -> None:
    model, source = vit(), SelfAttention()
    source.attach(model)
    model(torch.rand(1, 3, 16, 16))
    expected = source.read()
    copy.deepcopy(model)(torch.rand(1, 3, 16, 16))
    assert torch.equal(source.read(), expected)


def test_a_layer_that_did_not_run_is_said() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.skipped = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)
            self.both = True

        def forward(self, image: Tensor) -> Tensor:
            return self.used(image) + self.skipped(image) if self.both else self.used(image)

    model, source = Half(), FeatureNorm("skipped")
    source.attach(model)
    model(torch.rand(1, 3, 2, 2))
    source.read()
    model.both = False
    model(torch.rand(1, 3, 2, 2))
    with pytest.raises(InputError, match="saw nothing of layer skipped in the last forward pass"):
        source.read()


def test_two_sources_at_once_and_a_pass_that_fails() -> None:
    model, image = vit().eval(), torch.rand(1, 3, 16, 16)
    alone = []
    sources: list[Source] = [SelfAttention(), GradCAM("blocks.0"), InputGradient()]
    for source in sources:
        source.attach(model)
        model(image)
        alone.append(source.read())
        source.detach()
    for source in sources:
        source.attach(model)
    with pytest.raises(AssertionError):
        model(torch.rand(1, 3, 24, 24))
    model(image)
    for source, expected in zip(sources, alone, strict=True):
        torch.testing.assert_close(source.read(), expected)
    assert torch._C._len_torch_function_stack() == 0, "a mode was left behind"


def test_scripted_modules_are_refused() -> None:
    with pytest.raises(InputError, match="scripted"):
        FeatureNorm("0").attach(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))))


def test_unattached_sources_are_pickled() -> None:
    for name in ("self_attention", "rollout", "cross_attention", "feature_norm"):
        pickle.loads(pickle.dumps(SOURCES[name]))


@pytest.mark.slow
def test_imports_neither_lightning_nor_timm() -> None:
    check = "import sys, haa.attention; bad = {'pytorch_lightning', 'hydra', 'timm', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"{check}; assert not bad, bad"], check=True)
