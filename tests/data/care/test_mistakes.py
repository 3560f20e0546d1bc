"""Wrong geometry is named, each kind by its name; right geometry is not."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haa.data.care.contrast import contrast
from haa.data.care.mistakes import Gazed, mistakes

W, H = 800, 600
N = 40


def pictures(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return pictures with two noisy things each, and points of which most lie on them, as people's do."""
    drawn, points = [], []
    for _ in range(N):
        pixels = np.array(Image.fromarray(rng.integers(80, 120, (6, 8, 3), dtype=np.uint8)).resize((W, H)))
        things = rng.uniform([0.1 * W, 0.1 * H], [0.9 * W, 0.9 * H], (2, 2))
        for x, y in things.astype(int):
            area = pixels[max(0, y - 30) : y + 30, max(0, x - 30) : x + 30]
            area[:] = rng.integers(0, 255, area.shape, dtype=np.uint8)
        on = things[rng.integers(0, 2, 20)] + rng.normal(0, 15, (20, 2))
        anywhere = rng.normal([W / 2, H / 2], [W / 4, H / 4], (10, 2))
        drawn.append(pixels)
        points.append(np.clip(np.concatenate([on, anywhere]), 0, [W - 1, H - 1]))
    return drawn, points


DRAWN, POINTS = pictures(np.random.default_rng(0))
CONTRASTS = {n: contrast(pixels) for n, pixels in enumerate(DRAWN)}


def gazed(points: list[np.ndarray], durations: float | None = None, **sizes: tuple[int, int]) -> Gazed:
    joined = np.concatenate(points)
    size = np.tile(np.array(sizes.get("size", (W, H)), float), (len(joined), 1))
    picture = np.repeat(np.arange(len(points)), [len(part) for part in points])
    long = None if durations is None else np.full(len(joined), durations)
    return Gazed(joined, size, picture, long, CONTRASTS)


FIT = 1080 / H  # as large as a screen of 1920 x 1080 holds
Change = Callable[[np.ndarray], np.ndarray]
WRONG: dict[str, list[Change]] = {
    "x and y from 0 to 1": [lambda p: (p + 0.5) / [W, H]],
    "x and y from -1 to 1": [lambda p: 2 * (p + 0.5) / [W, H] - 1],
    "x and y in per cent": [lambda p: 100 * (p + 0.5) / [W, H]],
    "degrees taken for pixels": [lambda p: (p - [W / 2, H / 2]) / 40],
    "counted from the centre": [lambda p: p - [W / 2, H / 2]],
    "y negative": [lambda p: p * [1, -1]],
    "x and y exchanged": [lambda p: p[:, ::-1]],
    "y up": [lambda p: np.stack([p[:, 0], H - 1 - p[:, 1]], 1)],
    "x mirrored": [lambda p: np.stack([W - 1 - p[:, 0], p[:, 1]], 1)],
    "x mirrored and y up": [lambda p: [W - 1, H - 1] - p],
    "counted from 1": [lambda p: np.round(p) + 1],
    "picture shown at another size": [
        lambda p: p * 0.5,
        lambda p: p * 0.75,
        lambda p: (p - [W / 2, H / 2]) * FIT + [W / 2, H / 2],  # about the centre
        lambda p: (p - [W / 2, H / 2]) * 0.6 + [W / 2, H / 2],
    ],
    "coordinates of another size": [lambda p: p * FIT + [(1920 - W * FIT) / 2, 0], lambda p: p * FIT],
    "offset of the picture ignored": [
        lambda p: np.add(p, [(1920 - W) / 2, (1080 - H) / 2]),
        lambda p: np.add(p, [200, 0]),
    ],
    "bars beside the picture ignored": [lambda p: ((p + 0.5) / [W, H] * [0.75, 1] + [0.125, 0]) * [W, H] - 0.5],
}


@pytest.mark.parametrize(("name", "change"), [(name, change) for name, changes in WRONG.items() for change in changes])
def test_wrong_geometry_is_named(name, change):
    assert [found.name for found in mistakes(gazed([change(part) for part in POINTS]))] == [name]


def test_right_geometry_is_not():
    assert mistakes(gazed(POINTS, durations=250)) == []
    rng = np.random.default_rng(1)
    glances = [np.concatenate([part, part[:1] + rng.choice([-1, 1], 2) * [W, H]]) for part in POINTS]
    assert mistakes(gazed(glances)) == []
    some = (rng.uniform(size=len(part)) for part in POINTS)
    shifts = [np.where(share < 0.2, W, np.where(share > 0.95, -W, 0)) for share in some]
    [found] = mistakes(gazed([part + np.outer(shift, [1, 0]) for part, shift in zip(POINTS, shifts, strict=True)]))
    assert (found.name, found.certain) == ("many points off the pictures", False)


def test_exchanged_axes_of_square_pictures_show_by_the_contrast_alone():
    squares = [np.asarray(Image.fromarray(pixels).resize((H, H))) for pixels in DRAWN]
    points = [part * [H / W, 1] for part in POINTS]
    contrasts = {n: contrast(pixels) for n, pixels in enumerate(squares)}
    size = np.full((N * 30, 2), float(H))
    for turned, names in ((False, []), (True, ["x and y exchanged"])):
        joined = np.concatenate(points)[:, ::-1] if turned else np.concatenate(points)
        found = mistakes(Gazed(joined, size, np.repeat(np.arange(N), 30), None, contrasts))
        assert [mistake.name for mistake in found] == names
        assert not any(mistake.certain for mistake in found)


def test_zeros_and_durations_are_named_beside_the_rest():
    lost = [np.concatenate([part, np.zeros((1, 2))]) for part in POINTS]
    assert [found.name for found in mistakes(gazed(lost))] == ["lost samples at 0, 0"]
    names = [found.name for found in mistakes(gazed([part / [W, H] for part in lost], durations=0.25))]
    assert names == ["durations in seconds", "lost samples at 0, 0", "x and y from 0 to 1"]
    assert [found.name for found in mistakes(gazed(POINTS, durations=250_000))] == ["durations in microseconds"]


def test_little_gaze_says_nothing():
    assert mistakes(gazed([POINTS[0][:5]])) == []
    assert mistakes(gazed([np.zeros((0, 2))])) == []


@pytest.mark.slow
def test_no_alarm_on_published_gaze_that_is_right():
    root = Path(os.environ.get("HAA_REAL_DATA", "absent")) / "birds100_gaze"
    if not root.is_dir():
        pytest.skip("HAA_REAL_DATA names no folder with birds100_gaze")
    by_image: dict[str, list[tuple[float, float]]] = {}
    with (root / "fixations.csv").open() as file:
        for row in csv.DictReader(file):
            by_image.setdefault(row["image"], []).append((float(row["x"]), float(row["y"])))
    below = ((path.relative_to(root / "images"), path) for path in (root / "images").rglob("*.jpg"))
    paths = {name.with_suffix("").as_posix(): path for name, path in below}
    rng = np.random.default_rng(0)
    by_image = {name.removesuffix(".jpg"): gaze for name, gaze in by_image.items()}
    names = sorted(by_image.keys() & paths.keys())
    assert len(names) > 5000
    alarms = []
    for draw in range(10):
        chosen = [names[i] for i in rng.permutation(len(names))[:40]]
        points, sizes, contrasts = [], [], {}
        for n, name in enumerate(chosen):
            pixels = np.asarray(Image.open(paths[name]).convert("RGB"))
            contrasts[n] = contrast(pixels)
            points.append(np.array(by_image[name]))
            sizes.append(pixels.shape[1::-1])
        counts = [len(part) for part in points]
        size = np.repeat(np.array(sizes, float), counts, axis=0)
        gaze = Gazed(np.concatenate(points), size, np.repeat(np.arange(len(points)), counts), None, contrasts)
        alarms += [(draw, found.name) for found in mistakes(gaze)]
    assert alarms == []
