"""Points move with the picture: compared with torchvision's key points and with pixels that are found again."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from haa.data.loading.transforms import Draw, Transform, cropped, flipped, resized, shaped
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze

SIZE = (30, 40)


@pytest.fixture
def gaze():
    points = torch.rand(50, 2, generator=generator(0)) * torch.tensor([40.0, 30.0]) - 0.5
    return Gaze(points, SIZE, torch.arange(50), torch.arange(50.0))


def keypoints(gaze):
    # torchvision counts from the corner of the first pixel
    return tv_tensors.KeyPoints(gaze.points + 0.5, canvas_size=gaze.size)


def test_resize_moves_points_as_torchvision_does(gaze):
    expected = v2.functional.resize(keypoints(gaze), [12, 100]) - 0.5
    torch.testing.assert_close(resized({"gaze": gaze}, (12, 100))["gaze"].points, expected.as_subclass(torch.Tensor))


def test_flip_moves_points_as_torchvision_does(gaze):
    # its flip counts from the first pixel's centre (x to w - 1 - x), unlike its resize
    expected = v2.functional.horizontal_flip(tv_tensors.KeyPoints(gaze.points, canvas_size=gaze.size))
    torch.testing.assert_close(flipped({"gaze": gaze})["gaze"].points, expected.as_subclass(torch.Tensor))


def test_crop_moves_points_as_torchvision_does_and_drops_those_outside(gaze):
    moved = v2.functional.crop(keypoints(gaze), 5, 7, 20, 25).as_subclass(torch.Tensor)
    inside = (moved >= 0).all(1) & (moved[:, 0] < 25) & (moved[:, 1] < 20)
    out = cropped({"gaze": gaze}, 5, 7, (20, 25))["gaze"]
    assert 0 < len(out.points) < 50
    torch.testing.assert_close(out.points, moved[inside] - 0.5)
    assert out.subject.tolist() == out.duration.tolist() == inside.nonzero().flatten().tolist()
    assert out.size == (20, 25)


def test_image_is_resized_as_torchvision_does():
    image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8, generator=generator(1))
    expected = v2.functional.resize(tv_tensors.Image(image), [12, 20], antialias=True)
    assert torch.equal(Transform([12, 20])({"image": image})["image"], expected.as_subclass(torch.Tensor))


@pytest.mark.parametrize("seed", range(8))
def test_a_point_stays_on_its_pixel(seed):
    """One white pixel, looked at: crop, flip and doubling keep the gaze on it."""
    image = torch.zeros(3, *SIZE, dtype=torch.uint8)
    image[:, 14, 21] = 255
    gaze = Gaze(torch.tensor([[21.0, 14.0]]), SIZE)
    mask = tv_tensors.Mask(image[0] > 0)
    transform = Transform(flip=True, crop=0.8)
    out = transform({"image": image, "gaze": gaze, "mask": mask}, generator(seed))
    out = resized(out, (2 * out["image"].shape[1], 2 * out["image"].shape[2]))
    rows, columns = out["mask"].nonzero().unbind(1)
    torch.testing.assert_close(out["gaze"].points, torch.stack([columns.float().mean(), rows.float().mean()])[None])
    weight = out["image"][0].float()
    x = (weight.sum(0) * torch.arange(weight.shape[1])).sum() / weight.sum()
    assert x == pytest.approx(float(out["gaze"].points[0, 0]), abs=0.05)
    assert isinstance(out["mask"], tv_tensors.Mask)


def test_density_keeps_its_mass():
    density = torch.rand(*SIZE, generator=generator(2))
    image = torch.zeros(3, *SIZE, dtype=torch.uint8)
    out = Transform((6, 8))({"image": image, "density": density / density.sum()})["density"]
    assert out.shape == (6, 8)
    assert float(out.sum()) == pytest.approx(1)


def test_evaluation_only_resizes(gaze):
    image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8, generator=generator(1))
    sample = {"image": image, "gaze": gaze, "id": "a"}
    varied, plain = Transform(flip=True, crop=0.5), Transform()
    out = varied(sample)
    assert torch.equal(out["image"], plain(sample)["image"])
    assert torch.equal(out["gaze"].points, gaze.points)


def test_chance_is_the_generators_alone():
    transform = Transform(flip=True, crop=0.5)
    draws = [transform.draw(generator(0, 3, index)) for index in range(400)]
    assert draws == [transform.draw(generator(0, 3, index)) for index in range(400)]
    assert 140 < sum(draw.flip for draw in draws) < 260
    assert min(draw.scale for draw in draws) >= 0.5
    assert max(draw.scale for draw in draws) <= 1
    still = Transform().draw(generator(0))
    assert (still.scale, still.flip) == (1, False)


def test_crop_reaches_both_ends():
    image = torch.arange(10, dtype=torch.uint8).expand(3, 10, 10)
    cut = Transform(crop=0.5)
    first = cut.apply({"image": image}, Draw(0.5, left=0.0))["image"]
    last = cut.apply({"image": image}, Draw(0.5, left=1 - 1e-9))["image"]
    assert first[0, 0].tolist() == [0, 1, 2, 3, 4]
    assert last[0, 0].tolist() == [5, 6, 7, 8, 9]


def test_no_gaze_stays_none():
    sample = {"image": torch.zeros(3, *SIZE, dtype=torch.uint8), "gaze": None}
    assert Transform(8, flip=True, crop=0.5)(sample, generator(0))["gaze"] is None


@pytest.mark.parametrize("kwargs", [{"size": [3]}, {"size": 0}, {"crop": 0.0}, {"crop": 1.5}])
def test_error(kwargs):
    with pytest.raises(InputError, match=r"transform\.(size|crop)=.*: give"):
        Transform(**kwargs)


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        ((480, 640), (192, 256)),  # 6 x 8 cells
        ((640, 427), (288, 192)),  # 9 x 6, 3:2
        ((300, 300), (224, 224)),
        ((1080, 1920), (160, 288)),  # 5 x 9: 1.8 is nearer to 1.778 than 4 x 7 or 2 to 1 would be
    ],
)
def test_a_shape_is_kept(native, expected):
    assert shaped(native, (224, 224), 32) == expected
    assert Transform(224, keep_aspect=True)({"image": torch.zeros(3, *native)})["image"].shape[1:] == expected


@pytest.mark.parametrize(
    ("size", "multiple", "most"), [((224, 224), 32, 1.125), ((224, 224), 16, 1.04), ((96, 128), 8, 1.07)]
)
def test_no_shape_changes_by_much_and_no_number_of_pixels(size, multiple, most):
    for k in range(-50, 51):
        ratio = 3 ** (k / 50)
        native = (round(1000 * math.sqrt(ratio)), round(1000 / math.sqrt(ratio)))
        height, width = shaped(native, size, multiple)
        assert height % multiple == width % multiple == 0
        change = height / width / (native[0] / native[1])
        assert 1 / most <= change <= most
        assert 1 / 1.2 <= height * width / (size[0] * size[1]) <= 1.2
        assert shaped((height, width), size, multiple) == (height, width)  # what a cache holds stays as it is


@pytest.mark.parametrize("native", [(1, 5000), (5000, 1)])
@pytest.mark.parametrize("side", [32, 33, 40, 48, 63, 224])
def test_every_shape_has_a_size(native, side):
    height, width = shaped(native, (side, side), 32)
    assert min(height, width) >= 32
    assert 0.5 <= height * width / side**2 <= 2


def test_points_masks_and_maps_keep_their_shape_too(gaze):
    sample = {
        "image": torch.zeros(3, *SIZE, dtype=torch.uint8),
        "mask": tv_tensors.Mask(torch.zeros(SIZE, dtype=torch.uint8)),
        "density": torch.ones(SIZE),
        "gaze": gaze,
    }
    out = Transform(28, keep_aspect=True, multiple=4)(sample)
    assert out["image"].shape[1:] == out["mask"].shape == out["density"].shape == out["gaze"].size == (24, 32)
    torch.testing.assert_close(out["gaze"].points, resized({"gaze": gaze}, (24, 32))["gaze"].points)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"keep_aspect=true needs transform\.size"),
        ({"size": 16}, r"transform\.multiple=32: give the backbone's stride"),
    ],
)
def test_a_shape_needs_a_size_and_a_stride(arguments, message):
    with pytest.raises(InputError, match=message):
        Transform(keep_aspect=True, **arguments)
