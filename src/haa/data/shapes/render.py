"""A scene of `Shapes` as pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.mark import blend_mark
from haa.data.shapes.scene import RGB, SHAPES, Background, Scene

_INNER = 0.45
"""Radius of a star's inner corners, the outer ones being at 1."""
_EDGE = np.array([_INNER * math.sin(math.pi / 5), 1 - _INNER * math.cos(math.pi / 5)])
_STAR_NORMAL = _EDGE / np.linalg.norm(_EDGE)


def render(scene: Scene, size: int, noise: float, rng: Generator) -> NDArray[np.uint8]:
    """The picture, ``(3, size, size)``, RGB.

    The background's colour, stripes and shading; over them specks, then antialiased objects; over all, noise.

    Args:
        scene: what to show.
        size: height and width in pixels.
        noise: standard deviation, in [0, 1], of each of two Gaussian noises per channel: one of pixels, one of blotches
            a sixteenth of the side wide.
        rng: draws the noise.
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
        near = np.arange(size) * 16 // size
        blotches = noise * rng.standard_normal((3, 16, 16), dtype=np.float32)
        canvas += blotches.take(near, 1).take(near, 2)
    return (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)


def _paint(background: Background, size: int) -> NDArray[np.float32]:
    at = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    # y points down in the picture and up in the angles
    wave = 2 * math.pi * background.frequency
    along_x = np.exp(1j * (wave * math.sin(background.stripes) * at + background.phase))
    along_y = np.exp(1j * wave * math.cos(background.stripes) * at)
    grey = background.contrast * np.outer(along_y, along_x).imag
    grey += 2 * background.shading * (math.cos(background.light) * at - math.sin(background.light) * at[:, None])
    canvas = background.rgb.astype(np.float32)[:, None, None] + grey.astype(np.float32)
    if len(background.specks):
        # round spots are separable: the sum of all is one product of two thin matrices per channel
        x, y, radius, *rgb = background.specks.astype(np.float32).T[..., None]
        columns = np.exp(-(((at + 0.5 - x) / radius) ** 2))
        rows = np.exp(-(((at + 0.5 - y) / radius) ** 2))
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
    """Draw one shape, its centre and radius in shares of the side, into the part of the canvas that it touches."""
    rows, columns, cover = _cover(shape, x, y, radius, canvas.shape[-1])
    part = canvas[:, rows, columns]
    part += cover * np.float32(strength) * (rgb[:, None, None] - part)


def silhouette(scene: Scene, objects: Sequence[int], size: int) -> NDArray[np.uint8]:
    """The mask of these objects, ``(size, size)``: 255 in pixels of which they cover half or more, else 0."""
    mask = np.zeros((size, size), np.uint8)
    layout = scene.layout
    for k in objects:
        x, y, radius = float(layout.x[k]), float(layout.y[k]), float(layout.radius[k])
        rows, columns, cover = _cover(SHAPES[scene.shape[k]], x, y, radius, size)
        mask[rows, columns] |= np.where(cover >= 0.5, 255, 0).astype(np.uint8)
    return mask


def _cover(shape: str, x: float, y: float, radius: float, size: int) -> tuple[slice, slice, NDArray[np.floating]]:
    """How much of each pixel a shape covers, and of which rows and columns."""
    reach = 1.3 * radius * size + 1
    left, right = max(0, int(x * size - reach)), min(size, int(x * size + reach) + 1)
    top, bottom = max(0, int(y * size - reach)), min(size, int(y * size + reach) + 1)
    u = ((np.arange(left, right, dtype=np.float32) + 0.5) / size - x) / radius
    v = ((np.arange(top, bottom, dtype=np.float32) + 0.5) / size - y) / radius
    # how much of a pixel is covered, from the distance of its centre to the outline
    cover = np.clip(0.5 - outline(shape, u, v[:, None]) * (radius * size), 0, 1)
    return slice(top, bottom), slice(left, right), cover


def outline(shape: str, u: NDArray[np.floating], v: NDArray[np.floating]) -> NDArray[np.floating]:
    """Signed distance to the outline of a shape of radius 1 around 0, negative inside (v down; exact near edges)."""
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
    # a star is ten times the same edge: fold the angle, measured from the upper tip, into one of them
    distance = np.sqrt(u * u + v * v) / 1.1
    angle = np.arctan2(u, -v) % (2 * math.pi / 5)
    angle = np.minimum(angle, 2 * math.pi / 5 - angle)
    normal = _STAR_NORMAL.astype(np.float32)
    return (normal[1] * distance * np.sin(angle) + normal[0] * (distance * np.cos(angle) - 1)) * 1.1
