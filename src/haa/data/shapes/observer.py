"""Simulated observer of `Shapes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.layout import Layout


@dataclass(frozen=True)
class Observer:
    """Simulated people who look at objects; no claim is made that people are so simple.

    Each of ``subjects`` people makes ``fixations`` fixations. Fixation t = 0, 1, ... goes to an object with probability
    ``1 - miss``. It goes to object k with probability ``w_k / sum(w)``,

    ``log w_k = task [k is what the task is about, t > 0] + contrast C_k + size S_k - d_k^2 / (2 centre^2)``,

    and lands beside its centre by a Gaussian of standard deviation ``spread``. Otherwise it lands around the picture's
    middle by a Gaussian of standard deviation ``centre``. C_k and S_k are the object's contrast and radius, divided by
    the scene's mean, less 1; d_k is its distance from the middle. The first fixation does not know the task yet: a
    person must first find the object. Durations are log-normal.

    Args:
        subjects: People per picture.
        fixations: Fixations per person.
        task: Attraction of the objects that the question or caption is about, in nats.
        contrast: Attraction by contrast, in nats per mean contrast.
        size: Attraction by size, in nats per mean radius.
        centre: Width of the centre bias, in shares of the picture's side.
        miss: Probability of a fixation on no object.
        spread: Spatial noise around an object's centre, in shares of the picture's side.
        duration: Median duration of a fixation, in milliseconds.
        duration_spread: Standard deviation of the duration's logarithm.
    """

    subjects: int
    fixations: int
    task: float
    contrast: float
    size: float
    centre: float
    miss: float
    spread: float
    duration: float
    duration_spread: float

    def preference(
        self,
        layout: Layout,
        contrast: NDArray[np.float64] | None,
        about: Sequence[int],
        first: bool = False,
    ) -> NDArray[np.float64]:
        """Return the probability ``w_k / sum(w)`` of every object.

        Args:
            layout: Places of the objects.
            contrast: Contrast of each object; None for an observer who regards neither contrast nor size.
            about: Indices of the objects that the task is about.
            first: Give the probabilities of the first fixation.
        """
        squared_distance = (layout.x - 0.5) ** 2 + (layout.y - 0.5) ** 2
        score = -squared_distance / (2 * self.centre**2)
        if contrast is not None:
            score = score + self.contrast * (contrast / contrast.mean() - 1)
            score = score + self.size * (layout.radius / layout.radius.mean() - 1)
        if not first:
            score[list(about)] += self.task
        weight = np.exp(score - score.max())
        return weight / weight.sum()

    def look(
        self,
        rng: Generator,
        layout: Layout,
        contrast: NDArray[np.float64] | None,
        about: Sequence[int],
        aims: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Draw the fixations of all people on one picture.

        A point that would leave the picture stays at its border.

        Args:
            rng: Generator that draws the fixations.
            layout: Places of the objects.
            contrast: Contrast of each object; None for an observer who regards neither contrast nor size.
            about: Indices of the objects that the task is about.
            aims: Points of the objects at which people look, ``(t, objects, 2)``, one for each of a person's t
                fixations; None takes the objects' centres, ``fixations`` times.

        Returns:
            The fixations in order, person after person: points ``(n, 2)``, x and y in shares of the side; subjects
            ``(n,)``, counted from 0; durations ``(n,)`` in ms.
        """
        if aims is None:
            aims = np.stack([layout.x, layout.y], 1)[None].repeat(self.fixations, 0)
        shape = (self.subjects, len(aims))
        later_cumulated = np.cumsum(self.preference(layout, contrast, about))
        first_cumulated = np.cumsum(self.preference(layout, contrast, about, first=True))
        chance = rng.random(shape)
        target = np.searchsorted(later_cumulated, chance * later_cumulated[-1], side="right")
        target[:, :1] = np.searchsorted(first_cumulated, chance[:, :1] * first_cumulated[-1], side="right")
        aim = aims[np.arange(len(aims)), target]
        missed = (rng.random(shape) < self.miss)[..., None]
        offset = rng.standard_normal((*shape, 2))
        points = np.where(missed, 0.5 + self.centre * offset, aim + self.spread * offset)
        duration = self.duration * np.exp(self.duration_spread * rng.standard_normal(shape))
        subject = np.repeat(np.arange(self.subjects), len(aims))
        return points.clip(0, 1 - 1e-6).reshape(-1, 2), subject, duration.ravel()
