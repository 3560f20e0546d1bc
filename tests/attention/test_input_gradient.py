from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn

from haa.attention import GradientTimesInput, InputGradient
from haa.errors import InputError


def smooth() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 2), nn.Softplus(), nn.Flatten(), nn.Linear(12, 3)).double()


def squared(logits: Tensor) -> Tensor:
    return logits.square().sum(1)


@pytest.mark.parametrize("kind", [InputGradient, GradientTimesInput])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values(kind: type, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=5).to(dtype).eval()
    image = torch.rand(2, 3, 64, 96, dtype=dtype)
    source = kind()
    source.attach(model)
    model(image)
    found = source.read()
    source.detach()
    leaf = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf).amax(1).sum(), leaf)
    expected = gradient.abs().amax(1) if kind is InputGradient else (gradient * image).sum(1).abs()
    torch.testing.assert_close(found, expected)
    assert not image.requires_grad


@pytest.mark.parametrize("kind", [InputGradient, GradientTimesInput])
def test_captum(kind: type) -> None:
    import captum.attr as captum

    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=5).double().eval()
    image = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    target = model(image).argmax(1)
    source = kind()
    source.attach(model)
    model(image)
    found = source.read()
    source.detach()
    if kind is InputGradient:
        expected = captum.Saliency(model).attribute(image, target).amax(1)
    else:
        expected = captum.InputXGradient(model).attribute(image, target).sum(1).abs()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", [InputGradient, GradientTimesInput])
def test_gradcheck(kind: type) -> None:
    model = smooth()
    source = kind(target=squared)
    source.attach(model)

    def read(image: Tensor) -> Tensor:
        model(image)
        return source.read()

    assert torch.autograd.gradcheck(read, torch.rand(1, 2, 3, 3, dtype=torch.float64, requires_grad=True))


def test_gradients_of_the_weights_against_finite_differences() -> None:
    model = smooth()
    source = InputGradient(target=squared)
    source.attach(model)
    image = torch.rand(1, 2, 3, 3, dtype=torch.float64)
    weight = model[0].weight

    def value() -> Tensor:
        model(image)
        return source.read().square().sum()

    value().backward()
    exact = weight.grad[0, 0, 0, 0].item()
    with torch.no_grad():
        weight[0, 0, 0, 0] += 1e-5
    above = value().item()
    with torch.no_grad():
        weight[0, 0, 0, 0] -= 2e-5
    assert (above - value().item()) / 2e-5 == pytest.approx(exact, rel=1e-6)


def test_image_by_name_and_place() -> None:
    class Model(nn.Module):
        def forward(self, other: Tensor, image: Tensor) -> Tensor:
            return (image * 2).flatten(1) + other.flatten(1)

    image, model = torch.rand(1, 1, 2, 2), Model()
    for source in (InputGradient(input="image"), InputGradient(input=0)):
        source.attach(model)
        model(torch.rand(1, 1, 2, 2), image=image)
        assert source.read().sum() == (2 if source.input == "image" else 1)
        source.detach()
    sums = InputGradient(channels="sum")
    sums.attach(model)
    model(torch.rand(1, 1, 2, 2), image)
    assert sums.read().sum() == 1


def test_trains_through_fused_attention_and_the_model_raises_cleanly() -> None:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1, embed_dim=32, num_heads=2, num_classes=4)
    source = InputGradient()
    source.attach(model)
    with pytest.raises(AssertionError):
        model(torch.rand(1, 3, 40, 40))
    model(torch.rand(1, 3, 32, 32))
    source.read().sum().backward()
    assert model.blocks[0].attn.qkv.weight.grad.abs().sum() > 0


def test_errors() -> None:
    source = InputGradient()
    source.attach(smooth())
    with pytest.raises(InputError, match="saw nothing of an image"):
        source.read()
    with pytest.raises(InputError, match="channels"):
        InputGradient(channels="mean")  # type: ignore[arg-type]
