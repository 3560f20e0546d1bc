"""How far cells look beside where haa has them: python -m benchmarks.geometry

The centroid of the squared gradient of a cell's features with respect to the pixels says where it looks, without a word
of kernels or paddings. It is held against the cell's centre, in a grid that is stretched over the picture and in the
rectangle that `haa.geometry.receptive_field` finds; in cells of the stretched grid, mean over nine cells
about the middle whose gradient the border does not cut off. Weights are random where nothing else is said.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from haa.geometry.extent import WHOLE, Extent, Size
from haa.geometry.receptive_field import extents
from haa.models.backbone import Backbone, EfficientNetLite0, Timm, Tiny, TorchVision

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
    "EfficientNet-Lite0, ImageNet": lambda: EfficientNetLite0(stages=(4,), stride=None),
    "EfficientNet-Lite0, ImageNet, stride 16": lambda: EfficientNetLite0(stages=(3,), stride=None),
    "EfficientNet-Lite0, ImageNet, stride 8": lambda: EfficientNetLite0(stages=(2,), stride=None),
    "ConvNeXt-atto": lambda: Timm("convnext_atto"),
    "ViT, patches of 16": lambda: Timm("test_vit"),
}
SIZES: tuple[Size, ...] = ((512, 512), (500, 522), (384, 640))
"""Square, of a size that strides do not divide, and wide."""
PROJECTIONS = 1
CUT = 0.02
"""Share of the gradient in the outermost tenth of the picture above which a cell counts as cut off."""


def looked_at(features: Tensor, image: Tensor, cell: tuple[int, int]) -> tuple[Tensor, float]:
    """Return the centroid (y, x) of what a cell looks at, in pixels, and the share of it at the border."""
    seen = torch.zeros(image.shape[2:])
    for _ in range(PROJECTIONS):
        value = (features[0, :, cell[0], cell[1]] * torch.randn(features.shape[1])).sum()
        (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
        seen += gradient[0].square().sum(0)
    height, width = seen.shape
    inner = seen[height // 10 : -(height // 10), width // 10 : -(width // 10)].sum() / seen.sum()
    y, x = torch.arange(height).float(), torch.arange(width).float()
    return torch.stack([(seen.sum(1) * y).sum(), (seen.sum(0) * x).sum()]) / seen.sum(), 1 - float(inner)


def centre(cell: tuple[int, int], grid: Size, size: Size, extent: Extent) -> Tensor:
    """Return where the middle of a cell lies, in pixels."""
    low, high = torch.tensor(extent[:2]), torch.tensor(extent[2:])
    share = low + (torch.tensor(cell) + 0.5) / torch.tensor(grid) * (high - low)
    return share * torch.tensor(size) - 0.5


def off(backbone: Backbone, size: Size) -> tuple[Tensor, Tensor, int]:
    """Return the mean displacement (y, x) in cells, stretched and followed, and over how many cells it is."""
    torch.manual_seed(0)
    backbone.eval()
    image = torch.rand(1, 3, *size, requires_grad=True)
    features = backbone(image)
    grid = (features.shape[2], features.shape[3])
    extent = extents(backbone, image)[0]
    pixels = torch.tensor([size[0] / grid[0], size[1] / grid[1]])
    found = []
    for cell in product(*(range(side // 2 - 1, side // 2 + 2) for side in grid)):
        at, cut = looked_at(features, image, cell)
        if cut < CUT:
            both = [at - centre(cell, grid, size, e) for e in (WHOLE, extent)]
            found.append(torch.stack(both) / pixels)
    mean = torch.stack(found).mean(0) if found else torch.full((2, 2), torch.nan)
    return mean[0], mean[1], len(found)


def main() -> None:
    warnings.filterwarnings("ignore")
    print("| backbone | input | grid | stretched: down, right | followed: down, right | cells |")
    print("|---|---|---|---|---|---|")
    left: list[float] = []
    before: list[float] = []
    for name, make in BACKBONES.items():
        torch.manual_seed(0)
        backbone = make()
        backbone.stretched = False
        for size in SIZES:
            stretched, followed, cells = off(backbone, size)
            with torch.no_grad():
                grid = backbone(torch.zeros(1, 3, *size)).shape[2:]
            texts = [", ".join(f"{value:+.2f}" for value in pair.tolist()) for pair in (stretched, followed)]
            print(f"| {name} | {size[0]} x {size[1]} | {grid[0]} x {grid[1]} | {texts[0]} | {texts[1]} | {cells} |", flush=True)
            left.append(float(followed.abs().max()))
            before.append(float(stretched.abs().max()))
    for how, values in (("stretched", before), ("followed", left)):
        print(f"\n{how}: {sum(values) / len(values):.3f} cells on average, {max(values):.3f} at most")


if __name__ == "__main__":
    main()
