"""Pixels of a scene of `Shapes`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.mark import blend_mark
from haa.data.shapes.scene import RGB, SHAPES, Background, Scene

_INNER = 0.45
"""Radius of a star's inner corners; the outer corners are at 1."""
_EDGE = np.array([_INNER * math.sin(math.pi / 5), 1 - _INNER * math.cos(math.pi / 5)])
_STAR_NORMAL = _EDGE / np.linalg.norm(_EDGE)


def render(scene: Scene, size: int, noise: float, rng: Generator) -> NDArray[np.uint8]:
    """Render a scene as an RGB picture, ``(3, size, size)``.

    The background's colour, stripes and shading come first. Specks lie over them, then antialiased objects, and noise
    over all.

    Args:
        scene: Scene to show.
        size: Height and width in pixels.
        noise: Standard deviation, in [0, 1], of each of two Gaussian noises per channel: one of pixels, and one of
            blotches that are a sixteenth of the side wide.
        rng: Generator that draws the noise.
    """
    canvas = _paint(scene.background, size)
    layout = scene.layout
    for kind, colour, x, y, radius, strength in zip(
        scene.shape.tolist(),
        scene.colour.tolist(),
        layout.x.tolist(),
        layout.y.tolist(),
        layout.radius.tolist(),
        scene.strength.tolist(),
        strict=True,
    ):
        _blend(canvas, SHAPES[kind], x, y, radius, RGB[colour], strength)
    if scene.marks is not None:
        centres = scene.marks.centres(layout).tolist()
        for (x, y), radius, kind in zip(centres, layout.radius.tolist(), scene.marks.kind.tolist(), strict=True):
            blend_mark(canvas, x, y, radius, kind)
    if noise > 0:
        canvas += noise * rng.standard_normal(canvas.shape, dtype=np.float32)
        blotch_of_pixel = np.arange(size) * 16 // size
        blotches = noise * rng.standard_normal((3, 16, 16), dtype=np.float32)
        canvas += blotches.take(blotch_of_pixel, 1).take(blotch_of_pixel, 2)
    return (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)


def _paint(background: Background, size: int) -> NDArray[np.float32]:
    offset = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5  # of a pixel's centre from the picture's
    # y points down in the picture and up in the angles
    wave = 2 * math.pi * background.frequency
    along_x = np.exp(1j * (wave * math.sin(background.stripes) * offset + background.phase))
    along_y = np.exp(1j * wave * math.cos(background.stripes) * offset)
    grey = background.contrast * np.outer(along_y, along_x).imag
    toward_light = math.cos(background.light) * offset - math.sin(background.light) * offset[:, None]
    grey += 2 * background.shading * toward_light
    canvas = background.rgb.astype(np.float32)[:, None, None] + grey.astype(np.float32)
    if len(background.specks):
        # a round spot is separable, so the sum of all spots is one product of two thin matrices per channel
        x, y, radius, *rgb = background.specks.astype(np.float32).T[..., None]
        columns = np.exp(-(((offset + 0.5 - x) / radius) ** 2))
        rows = np.exp(-(((offset + 0.5 - y) / radius) ** 2))
        tint = np.stack(rgb) - background.rgb.astype(np.float32)[:, None, None]
        canvas += (0.8 * tint * rows).transpose(0, 2, 1) @ columns
    return canvas


def _blend(
    canvas: NDArray[np.float32],
    shape: str,
    x: float,
    y: float,
    radius: float,
    rgb: NDArray[np.float32],
    strength: float,
) -> None:
    """Draw one shape into the part of the canvas that it touches; centre and radius are in shares of the side."""
    rows, columns, cover = _cover(shape, x, y, radius, canvas.shape[-1])
    part = canvas[:, rows, columns]
    part += cover * np.float32(strength) * (rgb[:, None, None] - part)


def silhouette(scene: Scene, objects: Sequence[int], size: int) -> NDArray[np.uint8]:
    """Return the mask of these objects, ``(size, size)``: 255 in pixels that they cover by half or more, else 0."""
    mask = np.zeros((size, size), np.uint8)
    layout = scene.layout
    for k in objects:
        x, y, radius = float(layout.x[k]), float(layout.y[k]), float(layout.radius[k])
        rows, columns, cover = _cover(SHAPES[scene.shape[k]], x, y, radius, size)
        mask[rows, columns] |= np.where(cover >= 0.5, 255, 0).astype(np.uint8)
    return mask


def _cover(shape: str, x: float, y: float, radius: float, size: int) -> tuple[slice, slice, NDArray[np.floating]]:
    """Return the rows and columns that a shape touches, and the share of each of their pixels that it covers."""
    reach = 1.3 * radius * size + 1
    left, right = max(0, int(x * size - reach)), min(size, int(x * size + reach) + 1)
    top, bottom = max(0, int(y * size - reach)), min(size, int(y * size + reach) + 1)
    u = ((np.arange(left, right, dtype=np.float32) + 0.5) / size - x) / radius
    v = ((np.arange(top, bottom, dtype=np.float32) + 0.5) / size - y) / radius
    # the share comes from the distance of the pixel's centre to the outline
    cover = np.clip(0.5 - outline(shape, u, v[:, None]) * (radius * size), 0, 1)
    return slice(top, bottom), slice(left, right), cover


def outline(shape: str, u: NDArray[np.floating], v: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the signed distance to the outline of a shape of radius 1 around 0.

    The distance is negative inside, and exact near edges.

    Args:
        shape: Name of the shape, one of `haa.data.shapes.scene.SHAPES`.
        u: Coordinates to the right.
        v: Coordinates downwards.
    """
    if shape == "circle":
        return np.sqrt(u * u + v * v) - 1
    if shape == "square":
        return np.maximum(abs(u), abs(v)) - 0.85
    if shape == "triangle":
        return np.maximum(v - 0.6, 0.866 * abs(u) - 0.5 * v - 0.6)
    if shape == "ring":
        return abs(np.sqrt(u * u + v * v) - 0.72) - 0.28
    if shape == "cross":
        return np.minimum(np.maximum(abs(u) - 1, abs(v) - 0.36), np.maximum(abs(v) - 1, abs(u) - 0.36))
    # a star is ten times the same edge: measure the angle from the upper tip, and fold it onto one edge
    distance = np.sqrt(u * u + v * v) / 1.1
    angle = np.arctan2(u, -v) % (2 * math.pi / 5)
    angle = np.minimum(angle, 2 * math.pi / 5 - angle)
    normal = _STAR_NORMAL.astype(np.float32)
    return (normal[1] * distance * np.sin(angle) + normal[0] * (distance * np.cos(angle) - 1)) * 1.1
