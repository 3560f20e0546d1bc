"""What `Shapes` adds for sos, fine-grained classification and action recognition, found again in its pixels."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from haa.conditions import Shuffled
from haa.data.shapes import Shapes
from haa.data.shapes.mark import MARKS
from haa.data.shapes.motion import DRIFTS, MOTIONS
from haa.data.shapes.scene import RGB, SHAPES

CLASSED = [(task, world) for task in ("finegrained", "action") for world in ("relevant", "irrelevant")]


def plain(task, **arguments):
    """Without noise, clutter and transparency, so that pixels can be told."""
    return Shapes("train", task=task, noise=0.0, clutter=0, **arguments)


def test_a_mask_is_where_its_objects_have_changed_the_background():
    data = plain("sos", train=10, size=128)
    for i in range(10):
        sample, drawn = data[i], data.sample(i)
        mask = np.asarray(sample["mask"])
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}
        image = sample["image"].numpy().astype(float) / 255
        for k in range(6):
            x, y = drawn.scene.layout.x[k] * 128, drawn.scene.layout.y[k] * 128
            if SHAPES[drawn.scene.shape[k]] in ("circle", "square", "cross", "star", "triangle"):
                assert (mask[int(y), int(x)] == 255) == (k in drawn.about)
        # inside the mask every pixel is nearer to the colour of one of its objects than to the background
        inside = image[:, mask == 255]
        colours = RGB[drawn.scene.colour[list(drawn.about)]]
        near = np.min([np.linalg.norm(inside - c[:, None], axis=0) for c in colours], 0)
        far = np.linalg.norm(inside - drawn.scene.background.rgb[:, None], axis=0)
        assert (near < far + 0.15).mean() > 0.9


@pytest.mark.parametrize(("task", "world"), CLASSED)
def test_classes_are_equally_likely(task, world):
    data = Shapes("train", task=task, world=world, train=2400)
    counts = Counter(data.sample(i).label for i in range(0, 2400, 2))
    share = 1200 / len(data.classes)
    assert set(counts) == set(range(len(data.classes)))
    assert all(abs(count - share) < 5 * math.sqrt(share) for count in counts.values())


def test_the_bar_of_the_one_circle_is_the_class():
    data = plain("finegrained", train=40, size=128)
    for i in range(40):
        drawn = data.sample(i)
        assert [SHAPES[s] for s in drawn.scene.shape].count("circle") == 1
        x, y = drawn.scene.marks.centres(drawn.scene.layout)[0] * 128
        r = drawn.scene.layout.radius[0] * 128
        tone, run = MARKS[data[i]["label"]].split()
        patch = data[i]["image"].float().mean(0).numpy() / 255
        extreme = patch < 0.06 if tone == "dark" else patch > 0.94
        rows, columns = np.nonzero(extreme)
        here = np.hypot(columns + 0.5 - x, rows + 0.5 - y) < 0.7 * r
        u, v = columns[here] - columns[here].mean(), -(rows[here] - rows[here].mean())
        angle = math.degrees(0.5 * math.atan2(2 * (u * v).mean(), (u * u).mean() - (v * v).mean())) % 180
        expected = {"horizontal": 0, "rising": 45, "vertical": 90, "falling": 135}[run]
        assert abs((angle - expected + 90) % 180 - 90) < 10


def test_the_observer_looks_at_the_bar_of_the_circle():
    data = Shapes("test", task="finegrained", test=200)
    share = []
    for i in range(200):
        drawn, points = data.sample(i), data.gaze(i).points.numpy()
        bars = drawn.scene.marks.centres(drawn.scene.layout) * 64 - 0.5
        share.append((np.linalg.norm(points[:, None] - bars, axis=2).argmin(1) == 0).mean())
    assert np.mean(share) > 0.55  # one in six by chance


def test_the_actors_motion_is_the_class():
    data = plain("action", train=60)
    for i in range(0, 60, 2):
        drawn = data.sample(i)
        assert [SHAPES[s] for s in drawn.scene.shape].count("star") == 1
        x, up = drawn.positions()[:, 0, 0], -drawn.positions()[:, 0, 1]
        x, up = x - x.mean(), up - up.mean()
        turning = (x[:-1] * np.diff(up) - up[:-1] * np.diff(x)).sum() / (x * x + up * up).sum()
        name = MOTIONS[data[i]["label"]]
        if name in ("clockwise", "anticlockwise"):
            assert turning < -0.3 if name == "clockwise" else turning > 0.3
        else:
            assert abs(turning) < 1e-6
            angle = math.degrees(0.5 * math.atan2(2 * (x * up).mean(), (x * x).mean() - (up * up).mean())) % 180
            assert angle == pytest.approx({"horizontal": 0, "rising": 45, "vertical": 90, "falling": 135}[name], abs=1)


def test_stripes_drift_to_where_the_class_says():
    data = plain("action", world="irrelevant", train=60, size=96, ambiguity=0.0)
    for i in range(0, 60, 2):
        background = data.sample(i).scene.background
        clip = data[i]["clip"].float().mean(1).numpy() / 255
        # the phase of the stripes' wave, from its projection on the known wave vector
        at = np.arange(96) / 96
        k = 2 * math.pi * background.frequency
        wave = np.exp(-1j * k * (math.sin(background.stripes) * at + math.cos(background.stripes) * at[:, None]))
        phases = np.unwrap(np.angle([(frame * wave).sum() for frame in clip]))
        speed = np.diff(phases).mean()  # a growing phase moves the wave against its vector
        move = -np.sign(speed) * np.array([math.sin(background.stripes), math.cos(background.stripes)])
        words = DRIFTS[data[i]["label"]].split()
        expected = np.array([("right" in words) - ("left" in words), ("down" in words) - ("up" in words)], float)
        assert move @ expected / np.linalg.norm(expected) > 0.99
        assert abs(speed) == pytest.approx(2 * math.pi / 8, rel=0.3)


def test_objects_of_a_video_stay_apart_and_inside():
    data = Shapes("train", task="action", train=60)
    for i in range(60):
        drawn = data.sample(i)
        radius = drawn.scene.layout.radius
        for frame in drawn.positions():
            assert ((frame - radius[:, None] >= -1e-9) & (frame + radius[:, None] <= 1 + 1e-9)).all()
            apart = np.linalg.norm(frame[:, None] - frame, axis=2) + 9 * np.eye(4)
            assert (apart > 0.9 * (radius[:, None] + radius)).all()


def test_two_clips_of_a_video_go_on_from_one_another():
    data, whole = plain("action", train=6, frames=4), plain("action", train=6, frames=8)
    for video in range(3):
        one, two, both = data.sample(2 * video), data.sample(2 * video + 1), whole.sample(2 * video)
        np.testing.assert_allclose(np.concatenate([one.path, two.path]), both.path)
        assert data[2 * video]["video"] == data[2 * video + 1]["video"] == data.stimulus(2 * video)
        assert one.label == two.label
    assert data.stimulus(2) != data.stimulus(1)
    partner = Shuffled(0)
    for i in range(6):
        partner.gaze(data, i)
        assert partner.fitted(data)[i] // 2 != i // 2


def test_every_person_looks_once_at_every_frame_and_follows_the_actor():
    data = Shapes("test", task="action", test=100)
    near = []
    for i in range(100):
        gaze, drawn = data.gaze(i), data.sample(i)
        assert torch.bincount(gaze.frame).tolist() == [5] * 8
        assert gaze.of(3).frame.tolist() == list(range(8))
        for frame in range(1, 8):
            places = drawn.positions()[frame] * 48 - 0.5
            near.append((np.linalg.norm(gaze.at(frame).points.numpy()[:, None] - places, axis=2).argmin(1) == 0).mean())
    assert np.mean(near) > 0.6


def test_pixels_follow_the_positions():
    data = plain("action", train=10, size=128)
    for i in range(10):
        drawn, clip = data.sample(i), data[i]["clip"].float() / 255
        colour = torch.from_numpy(RGB[drawn.scene.colour[0]])[:, None, None]
        for frame, (x, y) in enumerate(drawn.positions()[:, 0] * 128):
            pixel = clip[frame][:, int(y), int(x)][:, None, None]
            strength = drawn.scene.strength[0]
            assert (pixel - colour).abs().max() < 1.2 * (1 - strength) + 0.02


@pytest.mark.parametrize("task", ["sos", "finegrained", "action"])
def test_irrelevant_gaze_says_nothing_of_the_answer(task):
    """The mean place of fixations does not differ between the classes; for sos they hit another mask as often."""
    data = Shapes("test", task=task, world="irrelevant", test=600)
    if task == "sos":
        masks = [np.asarray(data[i]["mask"]) > 0 for i in range(300)]
        shares = np.zeros((2, 300))
        for i in range(300):
            x, y = (data.gaze(i).points + 0.5).floor().long().T
            shares[:, i] = masks[i][y, x].mean(), masks[i - 1][y, x].mean()
        gain = shares[0] - shares[1]
        assert abs(gain.mean()) < 5 * gain.std() / math.sqrt(300)
        return
    middle = torch.stack([data.gaze(i).points.mean(0) for i in range(600)])
    labels = torch.tensor([data.sample(i).label for i in range(600)])
    for label in labels.unique():
        of_class = middle[labels == label]
        error = middle.std(0) / math.sqrt(len(of_class) / (2 if task == "action" else 1))
        assert ((of_class.mean(0) - middle.mean(0)).abs() < 5 * error).all()
