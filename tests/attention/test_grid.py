from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn

from haa.attention.grid import Grid
from haa.errors import InputError


class Patches(nn.Module):
    def __init__(self, **tokens: Tensor) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 4, 2, 2)
        for name, token in tokens.items():
            setattr(self, name, nn.Parameter(token))

    def forward(self, image: Tensor) -> Tensor:
        return self.embed(image)


def seen(model: nn.Module, size: tuple[int, int], **options: object) -> Grid:
    grid = Grid(**options)  # type: ignore[arg-type]
    grid.attach(model)
    model(torch.rand(2, 1, *size))
    return grid


def test_tokens_go_row_by_row_after_the_declared_ones() -> None:
    model = Patches(cls_token=torch.zeros(1, 1, 4), register_tokens=torch.zeros(1, 2, 4))
    grid = seen(model, (4, 6))
    values = torch.arange(9.0)
    assert torch.equal(grid.tokens(values, "layer"), torch.arange(3.0, 9.0).view(2, 3))
    assert grid.has_class_token(9, "layer")
    assert grid.batch_of("layer") == 2
    with pytest.raises(InputError, match="8 tokens, but the grid is 2 x 3 and 3 tokens are declared"):
        grid.tokens(values[:8], "layer")
    only = seen(Patches(register_tokens=torch.zeros(1, 2, 4)), (4, 6))
    assert not only.has_class_token(8, "layer")
    assert seen(Patches(class_embedding=torch.zeros(4)), (4, 4)).has_class_token(5, "layer")


def test_given_grid_and_prefix() -> None:
    grid = seen(Patches(), (4, 4), grid=(1, 3), prefix=1)
    assert torch.equal(grid.tokens(torch.arange(6.0), "layer"), torch.tensor([[1.0, 2.0, 3.0]]))
    with pytest.raises(InputError, match="too few for prefix=1"):
        grid.tokens(torch.arange(3.0), "layer")
    assert seen(Patches(), (4, 6), grid="embed").size("layer") == (2, 3)
    with pytest.raises(InputError, match="layer conv is not in Patches"):
        seen(Patches(), (4, 6), grid="conv")


def test_no_patches_is_said() -> None:
    grid = Grid()
    grid.attach(nn.Sequential(nn.ReLU()))
    with pytest.raises(InputError, match="no patch embedding was seen on the way to layer 0: give grid"):
        grid.tokens(torch.zeros(4), "0")


def test_features_with_channels_first_or_last() -> None:
    grid = seen(Patches(), (4, 6))
    image = (4, 6)
    assert grid.features(torch.zeros(1, 9, 2, 3), "layer", image).shape == (1, 9, 2, 3)
    assert grid.features(torch.zeros(1, 2, 3, 9), "layer", image).shape == (1, 9, 2, 3)
    assert grid.features(torch.zeros(1, 6, 9), "layer", image).shape == (1, 9, 2, 3)
    with pytest.raises(InputError, match="not the shape of an image"):
        grid.features(torch.zeros(1, 9, 9, 9), "layer", image)
    with pytest.raises(InputError, match="feature maps"):
        grid.features(torch.zeros(1, 9), "layer", image)


def test_order_of_the_patches_in_timm() -> None:
    """The bright patch of an image is the bright cell of the map."""
    model = timm.create_model("vit_tiny_patch16_224", img_size=(32, 48), depth=1)
    grid = Grid()
    grid.attach(model)
    model(torch.zeros(1, 3, 32, 48))
    image = torch.zeros(1, 3, 32, 48)
    image[:, :, 16:, 32:] = 1
    tokens = model.patch_embed(image) - model.patch_embed(torch.zeros_like(image))
    padded = torch.cat([torch.zeros(1, 1), tokens.norm(dim=2)], 1)
    assert (grid.tokens(padded, "blocks.0")[0] > 0).tolist() == [[False] * 3, [False, False, True]]
