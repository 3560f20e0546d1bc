"""Points of the screen become points of the picture: hand-computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from haa.errors import InputError
from haa.recordings.geometry import Geometry, on_picture, placed
from haa.recordings.recording import Meaning

SCREEN = (1920, 1080)
FRAMES = {
    ("fit", None, None): (240, 0, 1440, 1080),
    ("fill", None, None): (0, -180, 1920, 1440),
    ("stretch", None, None): (0, 0, 1920, 1080),
    ("pixels", None, None): (560, 240, 800, 600),
    ("0.5", None, None): (760, 390, 400, 300),
    ("1000x500", None, None): (460, 290, 1000, 500),
    ("fit", (800, 300), None): (760, 390, 400, 300),
    ("pixels", None, (10, 20)): (10, 20, 800, 600),
}


@pytest.mark.parametrize(("words", "frame"), FRAMES.items())
def test_frames(words, frame):
    shown, box, position = words
    assert Geometry(SCREEN, shown, box, position).frame((600, 800)) == frame


MEANINGS = {  # the middle of the upper left pixel, and of the lower right one, of an area of 200 x 100
    Meaning(): [(0, 0), (199, 99)],
    Meaning("share"): [(0.0025, 0.005), (0.9975, 0.995)],
    Meaning("percent"): [(0.25, 0.5), (99.75, 99.5)],
    Meaning("share", "lower-left", "up"): [(0.0025, 0.995), (0.9975, 0.005)],
    Meaning("pixels", "lower-left", "up"): [(0, 99), (199, 0)],
    Meaning("pixels", "center", "up"): [(-99.5, 49.5), (99.5, -49.5)],
    Meaning("pixels", "center", "down"): [(-99.5, -49.5), (99.5, 49.5)],
    Meaning("norm", "center", "up"): [(-0.995, 0.99), (0.995, -0.99)],
    Meaning("height", "center", "up"): [(-0.995, 0.495), (0.995, -0.495)],
    Meaning("pixels", "upper-left", "up"): [(0, -1), (199, -100)],
}


@pytest.mark.parametrize("meaning", MEANINGS, ids=str)
def test_units_and_origins(meaning):
    found = placed(np.array(MEANINGS[meaning], float), meaning, np.array([200, 100]))
    np.testing.assert_allclose(found, [[0, 0], [199, 99]], atol=1e-9)


def test_pixels_that_count_from_one():
    found = Geometry(SCREEN, first_pixel=1).on_screen(np.array([[1.0, 1.0]]), Meaning())
    assert found.tolist() == [[0, 0]]


def test_degrees():
    geometry = Geometry(SCREEN, distance=60, pixels_per_cm=40)
    x = 60 * math.tan(math.radians(10)) * 40
    found = geometry.on_screen(np.array([[10.0, -10.0]]), Meaning("degrees", "center", "up"))
    np.testing.assert_allclose(found, [[959.5 + x, 539.5 + x]])
    assert geometry.degree == pytest.approx(60 * math.tan(math.radians(1)) * 40)
    found = Geometry(SCREEN, pixels_per_degree=40).on_screen(np.array([[2.0, 1.0]]), Meaning("degrees", "center", "up"))
    assert found.tolist() == [[959.5 + 80, 539.5 - 40]]


def test_sigma_is_a_share_of_the_longer_side_as_it_was_shown():
    geometry = Geometry(SCREEN, "fit", pixels_per_degree=36)
    assert geometry.sigma((600, 800), geometry.frame((600, 800))) == pytest.approx(36 / 1440)
    assert geometry.sigma((800, 600), geometry.frame((800, 600))) == pytest.approx(36 / 1080)


def test_corners_of_a_picture_are_those_of_its_frame():
    frame = np.array([[240.0, 0.0, 1440.0, 1080.0]] * 2)
    sizes = np.array([[800, 600]] * 2)
    found = on_picture(np.array([[239.5, -0.5], [1679.5, 1079.5]]), frame, sizes)
    np.testing.assert_allclose(found, [[-0.5, -0.5], [799.5, 599.5]])


@pytest.mark.parametrize(
    ("geometry", "meaning", "message"),
    [
        (Geometry(), Meaning("share"), "give screen=WIDTHxHEIGHT"),
        (Geometry(SCREEN), Meaning("degrees", "center", "up"), "give distance=CM and screen_cm"),
        (Geometry(SCREEN), Meaning("norm"), "give origin=center"),
    ],
)
def test_what_lacks_is_named(geometry, meaning, message):
    with pytest.raises(InputError, match=message):
        geometry.on_screen(np.zeros((1, 2)), meaning)
