"""Where a picture has contrast, which draws the eye: enough to tell whether gaze lies on it the right way round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SIDE = 96
"""Longer side of a map of contrast, in pixels."""
SIGMA = 3
"""Standard deviation by which contrast is blurred, in pixels of the map."""


def contrast(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return a picture's local contrast, blurred, with mean 0 and standard deviation 1.

    Args:
        pixels: The picture, ``(h, w, 3)``.

    Example:
        >>> dark = np.zeros((40, 60, 3), np.uint8)
        >>> dark[10, 40] = 255
        >>> found = contrast(dark)
        >>> [int(i) for i in np.unravel_index(found.argmax(), found.shape)]  # of 64 rows and 96 columns
        [16, 64]
    """
    h, w = pixels.shape[:2]
    scale = SIDE / max(h, w)
    size = max(8, round(w * scale)), max(8, round(h * scale))
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.BOX), float)
    edges = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1))
    blurred = ndimage.gaussian_filter(edges, SIGMA)
    return (blurred - blurred.mean()) / max(float(blurred.std()), 1e-9)


def mean_contrast(found: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """Return the mean contrast at points that are given as shares of width and height, ``(n, 2)``."""
    h, w = found.shape
    column = np.clip((shares[:, 0] * w).astype(int), 0, w - 1)
    row = np.clip((shares[:, 1] * h).astype(int), 0, h - 1)
    return float(found[row, column].mean())
