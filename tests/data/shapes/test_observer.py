"""The simulated observer against what its docstring promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from haa.data.shapes import Shapes
from haa.gaze import valid


def all_points(data):
    """(samples, subjects, fixations, 2) in shares of the side."""
    observer = data.observer
    points = torch.stack([data.gaze(i).points for i in range(len(data))]).double().numpy()
    return ((points + 0.5) / data.size).reshape(len(data), observer.subjects, observer.fixations, 2)


def on_object(data, points, index, k):
    layout = data.sample(index).scene.layout
    offset = np.abs(points[index] - [layout.x[k], layout.y[k]])
    return (offset.max(-1) < 0.5 / layout.side - 1e-9) & (offset.max(-1) < layout.radius[k])


def test_later_fixations_land_on_the_asked_object_at_the_stated_rate():
    """Without misses and spread, the share on the object asked about is the mean of its softmax weight."""
    data = Shapes("train", train=400, miss=0.0, spread=0.0, questions={"colour": 1})
    points = all_points(data)
    hit = np.stack([on_object(data, points, i, 0) for i in range(len(data))])

    stated_first, stated_later = [], []
    for i in range(len(data)):
        scene = data.sample(i).scene
        red, green, blue = scene.background.rgb
        palette = np.array(
            [(219, 41, 41), (219, 204, 41), (46, 178, 56), (46, 189, 204), (51, 71, 224), (173, 56, 194)], float
        )
        colour = palette[scene.colour] / 255
        contrast = scene.strength * np.sqrt(((colour - [red, green, blue]) ** 2).sum(1))
        x, y, r = scene.layout.x, scene.layout.y, scene.layout.radius
        log_w = 2 * contrast / contrast.mean() + 2 * r / r.mean() - ((x - 0.5) ** 2 + (y - 0.5) ** 2) / (2 * 0.3**2)
        w = np.exp(log_w)
        stated_first.append(w[0] / w.sum())
        stated_later.append(w[0] * np.exp(4) / (w.sum() + w[0] * (np.exp(4) - 1)))
    assert hit[..., 0].mean() == pytest.approx(np.mean(stated_first), abs=0.035)
    assert hit[..., 1:].mean() == pytest.approx(np.mean(stated_later), abs=0.015)
    assert hit[..., 1:].mean() > 0.75 > 0.3 > hit[..., 0].mean()


def test_misses_land_around_the_middle():
    data = Shapes("train", "saliency", train=300, miss=1.0, centre=0.1)
    points = all_points(data).reshape(-1, 2)
    assert points.mean(0) == pytest.approx([0.5, 0.5], abs=0.01)
    assert points.std(0) == pytest.approx([0.1, 0.1], rel=0.05)


def test_share_of_misses():
    """Without spread, whatever is not exactly on a centre is a miss."""
    data = Shapes("train", "saliency", train=300, miss=0.25, spread=0.0)
    points = all_points(data)
    missed = []
    for i in range(len(data)):
        layout = data.sample(i).scene.layout
        centres = np.stack([layout.x, layout.y], 1)
        missed.append((np.abs(points[i][..., None, :] - centres).max(-1) > 1e-5).all(-1))
    assert np.mean(missed) == pytest.approx(0.25, abs=0.025)


def test_spread_is_the_distance_from_the_centre():
    data = Shapes("train", "saliency", train=300, miss=0.0, spread=0.02)
    points = all_points(data)
    offsets = []
    for i in range(len(data)):
        layout = data.sample(i).scene.layout
        difference = points[i][..., None, :] - np.stack([layout.x, layout.y], 1)
        nearest = (difference**2).sum(-1).argmin(-1)
        offsets.append(np.take_along_axis(difference, nearest[..., None, None], 2))
    assert np.concatenate(offsets).std() == pytest.approx(0.02, rel=0.05)


def test_free_viewing_prefers_contrast_size_and_the_middle():
    def looked_at(**gains):
        data = Shapes("train", "saliency", train=300, miss=0.0, spread=0.0, **gains)
        points = all_points(data)
        values = []
        for i in range(len(data)):
            scene = data.sample(i).scene
            layout = scene.layout
            difference = points[i].reshape(-1, 1, 2) - np.stack([layout.x, layout.y], 1)
            k = (difference**2).sum(-1).argmin(-1)
            distance = np.hypot(layout.x - 0.5, layout.y - 0.5)
            measured = (scene.contrast(), layout.radius, -distance)
            values.append([m[k].mean() - m.mean() for m in measured])
        return np.mean(values, 0)

    indifferent = looked_at(contrast_gain=0.0, size_gain=0.0, centre=100.0)
    assert (np.abs(indifferent) < [0.01, 0.001, 0.01]).all()
    assert looked_at(contrast_gain=4.0, size_gain=0.0, centre=100.0)[0] > 0.03
    assert looked_at(contrast_gain=0.0, size_gain=4.0, centre=100.0)[1] > 0.004
    assert looked_at(contrast_gain=0.0, size_gain=0.0, centre=0.2)[2] > 0.1


def test_gaze_tells_people_and_durations():
    data = Shapes("train", train=300, subjects=3, fixations=5)
    gaze = data.gaze(0)
    assert gaze.subject.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert len(gaze.of(1).points) == 5
    durations = torch.cat([data.gaze(i).duration for i in range(len(data))])
    assert durations.median().item() == pytest.approx(250, rel=0.03)
    assert durations.log().std().item() == pytest.approx(0.35, rel=0.05)
    assert all(valid(data.gaze(i).points, (64, 64)).all() for i in range(len(data)))


def test_the_same_fixations_at_every_size():
    small, large = Shapes("train", train=3), Shapes("train", train=3, size=160)
    for i in range(3):
        torch.testing.assert_close(small.gaze(i).resized((160, 160)).points, large.gaze(i).points, rtol=0, atol=1e-3)


def test_share_with_gaze_is_nested():
    some = Shapes("train", train=500, share_with_gaze=0.3)
    more = Shapes("train", train=500, share_with_gaze=0.6)
    has_some = np.array([some.gaze(i) is not None for i in range(500)])
    has_more = np.array([more.gaze(i) is not None for i in range(500)])
    assert has_some.mean() == pytest.approx(0.3, abs=0.08)
    assert (has_more | ~has_some).all()
    assert some[int(np.flatnonzero(~has_some)[0])]["gaze"] is None
    assert all(Shapes("train", train=20, share_with_gaze=0.0).gaze(i) is None for i in range(20))


def mutual_information(a, b):
    """In nats, of two lists of small integers, with Miller and Madow's correction."""
    table = np.zeros((max(a) + 1, max(b) + 1))
    np.add.at(table, (a, b), 1)
    p = table / table.sum()
    free = (table.shape[0] - 1) * (table.shape[1] - 1)
    independent = p.sum(1, keepdims=True) * p.sum(0)
    on = p > 0
    return (p[on] * np.log(p[on] / independent[on])).sum() - free / (2 * len(a))


def test_worlds_differ_in_whether_the_looked_at_colour_tells_the_answer():
    def information(world):
        data = Shapes("train", world=world, train=600)
        answers = list(data.strings("answers"))
        names = sorted(set(answers))
        seen = []
        for i in range(len(data)):
            scene = data.sample(i).scene
            points = (data.gaze(i).points.numpy() + 0.5) / data.size
            layout = scene.layout
            centres = np.stack([layout.x, layout.y], 1)
            k = ((points[:, None] - centres) ** 2).sum(-1).argmin(-1)
            seen.append(int(scene.colour[np.bincount(k).argmax()]))
        return mutual_information(seen, [names.index(a) for a in answers])

    assert information("relevant") > 1.0
    assert information("irrelevant") < 0.03


def test_irrelevant_answers_can_be_read_at_any_place():
    """A reader of mean colour does as well from one quarter of the picture as from another, and from all of it."""
    data = Shapes("train", world="irrelevant", train=600)
    names = ["red", "yellow", "green", "cyan", "blue", "purple"]
    truth = np.array([names.index(a) for a in data.strings("answers")])
    images = np.stack([np.asarray(data.image(i), float) for i in range(len(data))])

    def accuracy(part):
        # the background is the commonest colour: medians leave objects aside
        r, g, b = np.median(part.reshape(len(part), 3, -1), -1).T
        hue = np.degrees(np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b))
        return (np.rint(hue / 60).astype(int) % 6 == truth).mean()

    quarters = [accuracy(images[:, :, y : y + 32, x : x + 32]) for y in (0, 32) for x in (0, 32)]
    assert accuracy(images) == pytest.approx(0.80, abs=0.05)
    assert min(quarters) > accuracy(images) - 0.05


def test_irrelevant_saliency_says_nothing_about_the_picture():
    """Fixations are as near to another picture's objects as to those of their own."""

    def nearness(world):
        data = Shapes("train", "saliency", world, train=300, miss=0.0)
        points = all_points(data).reshape(len(data), -1, 1, 2)
        own, other = [], []
        for i in range(len(data)):
            for j, distances in ((i, own), ((i + 1) % len(data), other)):
                layout = data.sample(j).scene.layout
                d = np.linalg.norm(points[i] - np.stack([layout.x, layout.y], 1), axis=-1)
                distances.append(d.min(-1).mean())
        return np.mean(own), np.mean(other)

    own, other = nearness("relevant")
    assert own < 0.6 * other
    own, other = nearness("irrelevant")
    assert own == pytest.approx(other, rel=0.08)
