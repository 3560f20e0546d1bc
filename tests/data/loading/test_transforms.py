"""Points move with the picture: compared with torchvision's key points and with pixels that are found again."""

from __future__ import annotations

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from haa.data.loading.transforms import Draw, Transform, cropped, flipped, resized
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
