"""How far cells look beside where haa has them: python -m benchmarks.geometry

A patch of a picture is changed, and the centroid of what changes in the features says where the cells lie that saw it,
without a word of kernels, paddings or weights. It is held against the patch: with cells in a grid that is stretched
over the picture, and with cells in the rectangle that `haa.geometry.receptive_field` finds. The patch, as large as a
cell, is put at 16 places within two cells about the middle of the picture, down and across, so that what is cut off at
the borders cancels out. Weights are random where nothing else is said; means over draws of pictures (and weights).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from haa.geometry.extent import Size
from haa.geometry.receptive_field import extents
from haa.models.backbone import Backbone, EfficientNetLite, Timm, Tiny, TorchVision

BACKBONES: dict[str, Callable[[], Backbone]] = {
    "tiny": Tiny,
    "AlexNet": lambda: TorchVision("alexnet"),
    "VGG-16": lambda: TorchVision("vgg16"),
    "ResNet-18": lambda: Timm("resnet18"),
    "ResNet-50": lambda: Timm("resnet50"),
    "RegNetX-002": lambda: Timm("regnetx_002"),
    "DenseNet-121": lambda: Timm("densenet121"),
    "MobileNetV3-small": lambda: Timm("mobilenetv3_small_100"),
    "EfficientNet-Lite0, random": lambda: Timm("tf_efficientnet_lite0", stages=(4,)),
    "EfficientNet-Lite0, random, stride 16": lambda: Timm("tf_efficientnet_lite0", stages=(3,)),
    "EfficientNet-Lite0, ImageNet": lambda: EfficientNetLite(stages=(4,), stride=None),
    "EfficientNet-Lite0, ImageNet, stride 16": lambda: EfficientNetLite(stages=(3,), stride=None),
    "EfficientNet-Lite0, ImageNet, stride 8": lambda: EfficientNetLite(stages=(2,), stride=None),
    "EfficientNet-Lite1, ImageNet": lambda: EfficientNetLite(1, stages=(4,), stride=None),
    "EfficientNet-Lite1, ImageNet, stride 16": lambda: EfficientNetLite(1, stages=(3,), stride=None),
    "EfficientNet-Lite2, ImageNet": lambda: EfficientNetLite(2, stages=(4,), stride=None),
    "EfficientNet-Lite2, ImageNet, stride 16": lambda: EfficientNetLite(2, stages=(3,), stride=None),
    "ConvNeXt-atto": lambda: Timm("convnext_atto"),
    "ViT, patches of 16": lambda: Timm("test_vit"),
}
SIZES: tuple[Size, ...] = ((256, 256), (250, 262), (192, 320))
"""Square, of a size that strides do not divide, and wide."""
DRAWS = 4
"""Draws of pictures, and of random weights."""
PLACES = 16
CHANGED = 0.1
"""Share of the largest change below which a cell counts as unchanged."""


def off(backbone: Backbone, size: Size) -> tuple[Tensor, Tensor]:
    """Return how far (down, right) features lie of the patch that changes them, stretched and followed, in cells."""
    backbone.eval()
    base = 0.35 + 0.3 * torch.rand(1, 3, *size)
    extent = extents(backbone, base)[0]
    with torch.no_grad():
        plain = backbone(base)
    grid = (plain.shape[2], plain.shape[3])
    out = []
    for axis, (cells, pixels) in enumerate(zip(grid, size, strict=True)):
        cell = pixels / cells
        places = [pixels / 2 + cell * (k - PLACES / 2 + 0.5) / (PLACES / 2) for k in range(PLACES)]
        at = [(round(place - cell / 2), round(place + cell / 2)) for place in places]
        across = (size[1 - axis] - round(cell)) // 2
        pictures = base.repeat(PLACES, 1, 1, 1)
        for picture, (low, high) in zip(pictures, at, strict=True):
            part = picture if axis == 0 else picture.mT
            part[:, low:high, across : across + round(cell)] = torch.rand(3, 1, 1)
        with torch.no_grad():
            change = (backbone(pictures) - plain).square().sum(1)
        change = change * (change > CHANGED * change.flatten(1).amax(1)[:, None, None])
        weight = change.sum(2 if axis == 0 else 1)
        number = (weight * (torch.arange(cells) + 0.5)).sum(1) / weight.sum(1)
        truth = torch.tensor([(low + high) / 2 for low, high in at])
        low, high = (0.0, 1.0), (extent[axis], extent[axis + 2])
        out.append([((a + number / cells * (b - a)) * pixels - truth).mean() / cell for a, b in (low, high)])
    down, right = out
    return torch.stack([down[0], right[0]]), torch.stack([down[1], right[1]])


def main() -> None:
    warnings.filterwarnings("ignore")
    print("| backbone | input | grid | stretched: down, right | followed: down, right |")
    print("|---|---|---|---|---|")
    left: list[float] = []
    before: list[float] = []
    for name, make in BACKBONES.items():
        for size in SIZES:
            drawn = []
            for draw in range(DRAWS):
                torch.manual_seed(draw)
                backbone = make()
                drawn.append(torch.stack(off(backbone, size)))
            stretched, followed = torch.stack(drawn).mean(0)
            with torch.no_grad():
                grid = backbone(torch.zeros(1, 3, *size)).shape[2:]
            texts = [", ".join(f"{value:+.2f}" for value in pair.tolist()) for pair in (stretched, followed)]
            sizes = f"{size[0]} x {size[1]} | {grid[0]} x {grid[1]}"
            print(f"| {name} | {sizes} | {texts[0]} | {texts[1]} |", flush=True)
            left.append(float(followed.abs().max()))
            before.append(float(stretched.abs().max()))
    for how, values in (("stretched", before), ("followed", left)):
        print(f"\n{how}: {sum(values) / len(values):.3f} cells on average, {max(values):.3f} at most")


if __name__ == "__main__":
    main()
