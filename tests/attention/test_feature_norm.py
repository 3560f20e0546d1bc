from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from haa.attention import FeatureNorm
from haa.errors import InputError


def read(model: nn.Module, layer: str, image: Tensor) -> Tensor:
    source = FeatureNorm(layer)
    source.attach(model)
    model(image)
    return source.read()


def test_maps() -> None:
    image = torch.rand(2, 3, 64, 96)
    model = timm.create_model("resnet18").eval()
    expected = np.linalg.norm(model.forward_features(image).detach().numpy(), axis=1)
    np.testing.assert_allclose(read(model, "layer4", image).detach().numpy(), expected, rtol=1e-5)


def test_channels_last() -> None:
    image = torch.rand(2, 3, 64, 96)
    options = {"img_size": (64, 96), "window_size": 4, "depths": (1, 1, 1, 1)}
    model = timm.create_model("swin_tiny_patch4_window7_224", **options).eval()
    features = model.layers[1](model.layers[0](model.patch_embed(image)))
    expected = np.linalg.norm(features.detach().numpy(), axis=3)
    np.testing.assert_allclose(read(model, "layers.1", image).detach().numpy(), expected, rtol=1e-5)


def test_tokens() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=(32, 48), depth=1).eval()
    image = torch.rand(2, 3, 32, 48)
    features = model.forward_intermediates(image, norm=False, intermediates_only=True)[-1]
    torch.testing.assert_close(read(model, "blocks.0", image), features.norm(dim=1))


def test_is_of_the_output_before_changes_in_place() -> None:
    conv = nn.Conv2d(3, 2, 1)
    image = torch.rand(1, 3, 2, 2)
    found = read(nn.Sequential(conv, nn.ReLU(inplace=True)), "0", image)
    torch.testing.assert_close(found, conv(image).norm(dim=1))


def test_gradcheck() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Softplus()).double()
    image = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    source = FeatureNorm("1")
    source.attach(model)

    def values(image: Tensor) -> Tensor:
        model(image)
        return source.read()

    assert torch.autograd.gradcheck(values, image)


def test_errors() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten())
    with pytest.raises(InputError, match="layer conv is not in Sequential; there are: 0, 1"):
        FeatureNorm("conv").attach(model)
    with pytest.raises(InputError, match=r"gives \(1, 8\)"):
        read(model, "1", torch.rand(1, 3, 2, 2))
