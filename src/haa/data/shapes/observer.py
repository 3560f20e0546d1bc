"""The simulated observer of `Shapes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.scene import Layout


@dataclass(frozen=True)
class Observer:
    """People who look at objects, simulated; no claim is made that people are so simple.

    Each of ``subjects`` people makes ``fixations`` fixations. Fixation t = 0, 1, ... goes with probability ``1 - miss``
    to an object, to object k with probability ``w_k / sum(w)``,

    ``log w_k = task [k is what the task is about, t > 0] + contrast C_k + size S_k - d_k^2 / (2 centre^2)``,

    and lands beside its centre by a Gaussian of standard deviation ``spread``; otherwise it lands around the picture's
    middle by a Gaussian of standard deviation ``centre``. C_k and S_k are the object's contrast and radius, divided by
    the scene's mean, less 1; d_k is its distance from the middle. The first fixation does not know the task yet: what
    is looked for must be found. Durations are log-normal.

    Args:
        subjects: people per picture.
        fixations: per person.
        task: attraction of what question or caption is about, in nats.
        contrast: attraction by contrast, in nats per mean contrast.
        size: attraction by size, in nats per mean radius.
        centre: width of the centre bias, in shares of the picture's side.
        miss: probability of a fixation on no object.
        spread: spatial noise around an object's centre, in shares of the picture's side.
        duration: median, in milliseconds.
        duration_spread: standard deviation of the logarithm.
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
        """``w_k / sum(w)`` for every object.

        Args:
            layout: where the objects are.
            contrast: of each object; None for an observer who regards neither contrast nor size.
            about: the objects that the task is about.
            first: whether for the first fixation.
        """
        middle = (layout.x - 0.5) ** 2 + (layout.y - 0.5) ** 2
        score = -middle / (2 * self.centre**2)
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
        """Fixations in order, person after person: ``(n, 2)`` x, y in shares of the side, ``(n,)`` subjects from 0,
        ``(n,)`` durations in ms. A point that would leave the picture stays at its border.

        ``aims`` says where on the objects people look, and when: ``(t, objects, 2)``, for each of t fixations a person;
        None is at their centres, ``fixations`` times.
        """
        if aims is None:
            aims = np.stack([layout.x, layout.y], 1)[None].repeat(self.fixations, 0)
        shape = (self.subjects, len(aims))
        later = np.cumsum(self.preference(layout, contrast, about))
        first = np.cumsum(self.preference(layout, contrast, about, first=True))
        chance = rng.random(shape)
        target = np.searchsorted(later, chance * later[-1], side="right")
        target[:, :1] = np.searchsorted(first, chance[:, :1] * first[-1], side="right")
        aim = aims[np.arange(len(aims)), target]
        missed = (rng.random(shape) < self.miss)[..., None]
        offset = rng.standard_normal((*shape, 2))
        points = np.where(missed, 0.5 + self.centre * offset, aim + self.spread * offset)
        duration = self.duration * np.exp(self.duration_spread * rng.standard_normal(shape))
        subject = np.repeat(np.arange(self.subjects), len(aims))
        return points.clip(0, 1 - 1e-6).reshape(-1, 2), subject, duration.ravel()
