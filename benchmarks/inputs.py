"""What the metrics are measured on: made from a seed, shaped like the real thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from haa import gaze


@dataclass(frozen=True)
class Maps:
    """A batch of saliency maps, densities, a centre bias, and fixations at pixels' centres."""

    prediction: Tensor
    density: Tensor
    baseline: Tensor
    fixations: Tensor

    def in_numpy(self) -> list[tuple[NDArray, NDArray, NDArray, NDArray]]:
        """The same, image by image: prediction, density, baseline, and integer fixations (n, 2)."""
        parts = (self.prediction, self.density, self.baseline, self.fixations.long())
        return list(zip(*(part.numpy() for part in parts), strict=True))


def maps(batch: int, h: int, w: int, n: int, seed: int = 0) -> Maps:
    """Smooth predictions with some noise, and fixations drawn around the same blobs."""
    generator = np.random.default_rng(seed)
    prediction, points = [], []
    for _ in range(batch):
        smooth = gaussian_filter(generator.random((h, w)), 24)
        smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
        prediction.append(smooth**2 + 0.02 * generator.random((h, w)))
        where = generator.choice(h * w, n, p=(smooth**4 / (smooth**4).sum()).ravel())
        points.append(np.stack([where % w, where // w], 1))
    fixations = torch.from_numpy(np.stack(points)).float()
    centre = torch.tensor([[[(w - 1) / 2, (h - 1) / 2]]])
    baseline = gaze.density(centre, (h, w), sigma=h / 4).expand(batch, h, w).contiguous()
    density = gaze.density(fixations, (h, w), sigma=24.0)
    return Maps(torch.from_numpy(np.stack(prediction)).float(), density, baseline, fixations)


def objects(batch: int, h: int, w: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """uint8 predictions and masks {0, 255} of blobs near the centre."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    prediction, mask = [], []
    for _ in range(batch):
        hill = np.exp(-(((y - h / 2) / (0.3 * h)) ** 2) - ((x - w / 2) / (0.3 * w)) ** 2)
        blob = hill + 8 * (gaussian_filter(generator.random((h, w)), h / 15) - 0.5)
        truth = blob > np.quantile(blob, 0.8)
        soft = gaussian_filter(truth + 0.3 * generator.standard_normal((h, w)), 4)
        soft = (soft - soft.min()) / (soft.max() - soft.min())
        prediction.append((soft * 255).astype(np.uint8))
        mask.append(truth.astype(np.uint8) * 255)
    return torch.from_numpy(np.stack(prediction)), torch.from_numpy(np.stack(mask))


def _word(generator: np.random.Generator, letters: int) -> str:
    return "".join(generator.choice(list("abcdefghilmnoprstu"), letters))


def captions(images: int, references: int, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    """Captions of 8 to 14 words with the word frequencies of a language, references that resemble each other."""
    generator = np.random.default_rng(seed)
    words = np.array(
        ["".join(generator.choice(list("abcdefghilmnoprstu"), generator.integers(2, 9))) for _ in range(8000)]
    )
    share = 1 / np.arange(1, 8001)
    share /= share.sum()
    said, meant = [], []
    for _ in range(images):
        topic = generator.choice(8000, 12, p=share)
        each = []
        for _ in range(references + 1):
            chosen = topic[generator.random(12) < 0.6]
            filler = generator.choice(8000, generator.integers(3, 6), p=share)
            each.append(" ".join(words[np.concatenate([chosen, filler])]))
        said.append(each[0])
        meant.append(each[1:])
    return said, meant


def answers(questions: int, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    """One answer and ten people's answers per question, about as unanimous as people are."""
    generator = np.random.default_rng(seed)
    stock = [
        "yes",
        "no",
        "2",
        "two",
        "1",
        "3",
        "white",
        "a dog",
        "the man",
        "don't know",
        "U.S.",
        "10:30",
        "red, white",
    ]
    stock += [
        "".join(generator.choice(list("abcdefghilmnoprstu"), 6)) + suffix
        for suffix in ("", "s", ".")
        for _ in range(2000)
    ]
    share = 1 / np.arange(1, len(stock) + 1)
    share /= share.sum()
    drawn = generator.choice(len(stock), (questions, 4), p=share)
    pick = np.minimum(generator.geometric(0.75, (questions, 11)) - 1, 3)
    table = np.take_along_axis(drawn, pick, 1)
    # fresh strings, as a JSON reader makes them
    rows = [[str(bytes(stock[i], "ascii"), "ascii") for i in row] for row in table]
    return [row[0] for row in rows], [row[1:] for row in rows]
