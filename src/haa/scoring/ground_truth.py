"""What a map is scored against: the fixations on its stimulus, the human map, a baseline, and everybody's elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from haa.conditions import Shuffled
from haa.conditions.condition import published_map
from haa.data.dataset import GazeDataset
from haa.data.loading.datamodule import HumanSigma
from haa.errors import InputError
from haa.evaluation.centre_prior import CentrePrior, fit_centre_prior
from haa.evaluation.people import People as Others
from haa.evaluation.people import fit_people
from haa.evaluation.reference import centre_prior, evenly, split_people
from haa.gaze import Gaze, Size, density, resize
from haa.printing.progress import progress

FOLDS = 10
"""Parts of the pictures, of which the other nine make the centre prior of one, where no training split does."""
PEOPLE = 5
"""Most people of a picture that are left out one by one: of more, so many evenly spaced, others at each picture."""
REFERENCES = {
    "centre prior": "where people look at other pictures, blurred as human maps are",
    "centre prior, mixture": "the same, its kernel and uniform share fitted to pictures left out: the baseline of IG",
    "another image": "where people looked at another picture",
    "human ceiling": "half of the people, scored by the others",
    "one person": "all people but one, scored by that one; mean over people",
    "one person, mixture": "the same, kernels, centre and uniform shares fitted to people left out",
}
"""Rows beside the models', and what they are: see `GroundTruth.references`."""


@dataclass(frozen=True)
class Seen:
    """What is known of where people looked at one stimulus, in float64.

    Args:
        fixations: Points ``(1, n, 2)`` in pixels of the stimulus; None where maps are published in their place.
        human: Human map ``(1, h, w)`` that sums to 1.
        baseline: Density ``(1, h, w)`` of the centre prior that information gain is told beyond; None without.
        others: Points ``(m, 2)`` fixated on all other stimuli, each pixel once, with how often; None without.
    """

    fixations: Float[Tensor, "1 n 2"] | None
    human: Float[Tensor, "1 h w"]
    baseline: Float[Tensor, "1 h w"] | None
    others: tuple[Float[Tensor, "m 2"], Float[Tensor, " m"]] | None


class GroundTruth:
    """Where people looked at every stimulus of a split.

    Args:
        dataset: The split that is scored.
        train: Split whose fixations make the centre prior; None, or one without fixations, takes the other pictures of
            the split itself, in `FOLDS` parts.
        sigma: Standard deviation of the human density, as a share of the stimulus' longer side.
        seed: Seed of the draws of the other image and of the halves.

    Raises:
        InputError: If gaze is on the frames of clips, which have no one map.
    """

    def __init__(self, dataset: GazeDataset, train: GazeDataset | None, sigma: float, seed: int = 0) -> None:
        self.dataset, self.sigma, self.seed = dataset, sigma, seed
        self.looked = [index for index in range(len(dataset)) if dataset.looked(index)]
        gaze = {index: own for index in self.looked if (own := dataset.gaze(index)) is not None}
        if any(own.frame is not None for own in gaze.values()):
            raise InputError(
                f"{type(dataset).__name__} is of videos, whose frames have a map each: haa score takes still pictures"
            )
        self._pool = Pool({index: (dataset.stimulus(index), own.inside()) for index, own in gaze.items()})
        self._places = {index: place for place, index in enumerate(gaze)}
        self._train = train
        self._blurred: list[Float[Tensor, "1 h w"]] = []
        self._fold: dict[str, int] = {}
        self.prior: CentrePrior | None = None
        self.people: Others | None = None
        self._other: Shuffled | None = Shuffled(seed)
        try:
            self._other.fitted(dataset)
        except InputError:  # too few stimuli to give each another one's gaze
            self._other = None

    def fit(self, people: bool = True) -> None:
        """Make the centre priors and, where people are told apart, the mixture that predicts one by the others.

        Args:
            people: Whether the latter is wanted.
        """
        if not self._places:
            return
        images = [self._gaze(index) for index in self._places]
        pictures = [self.dataset.stimulus(index) for index in self._places]
        train = self._train
        if train is not None and any(train.gaze(index) is not None for index in range(len(train))):
            self._blurred = [centre_prior(train, self.sigma)]
        else:
            self._blurred = self._crossed(list(dict.fromkeys(pictures)))
        try:
            with progress() as bar:
                task = bar.add_task("fitting the centre prior", total=100)
                self.prior = fit_centre_prior(images, pictures, progress=lambda x: bar.update(task, completed=100 * x))
                if people:
                    task = bar.add_task("fitting the human ceiling", total=100)
                    self.people = fit_people(images, self.prior, progress=lambda x: bar.update(task, completed=100 * x))
        except InputError:  # one picture, or people who are not told apart: there is no such row
            pass

    def _gaze(self, index: int) -> Gaze:
        gaze = self.dataset.gaze(index)
        assert gaze is not None
        return gaze

    def _crossed(self, names: Sequence[str]) -> list[Float[Tensor, "1 h w"]]:
        """Return a prior for each part of the pictures, made of the others."""
        folds = min(FOLDS, len(names))
        if folds < 2:
            return []
        self._fold = {name: place % folds for place, name in enumerate(names)}
        parts = [[i for i in self._places if self._fold[self.dataset.stimulus(i)] != fold] for fold in range(folds)]
        return [centre_prior(Part(self.dataset, part), self.sigma) for part in parts]

    def told(self, sigma: HumanSigma) -> list[str]:
        """Return what a reader has to know of the human maps and of the baseline, a sentence each."""
        if not self._places:
            return ["human maps as published; without fixations, no metric of points"]
        found = [f"human maps: Gaussians of {sigma.share:.4g} of the longer side ({sigma.origin})"]
        if self.prior is not None:
            width, uniform = self.prior.bandwidth, self.prior.uniform
            found.append(
                f"baseline of IG: centre prior of the other pictures, kernel {width:.3g}, uniform {uniform:.2g}"
            )
        elif self._blurred:
            found.append("baseline of IG: centre prior, blurred as human maps are")
        if self._fold:
            found.append("centre prior of the other pictures of this split: there is no other with fixations")
        return found

    def seen(self, index: int) -> Seen:
        """Return what a map of sample ``index`` is scored against."""
        gaze = self.dataset.gaze(index)
        if gaze is None:
            human = published_map(self.dataset, index)
            assert human is not None
            return Seen(None, human[None].double(), None, None)
        points = gaze.inside().points.double()[None]
        baseline = self._mixture(index, gaze.size)
        baseline = self._blur(index, gaze.size) if baseline is None else baseline
        others = self._pool.others(self.dataset.stimulus(index), gaze.size)
        return Seen(points, human_map(gaze, self.sigma), baseline, others)

    def _mixture(self, index: int, size: Size) -> Float[Tensor, "1 h w"] | None:
        return None if self.prior is None else self.prior.map(self._places[index], size)[None]

    def _blur(self, index: int, size: Size) -> Float[Tensor, "1 h w"] | None:
        if not self._blurred:
            return None
        prior = self._blurred[self._fold.get(self.dataset.stimulus(index), 0)]
        return interpolate(prior[None].double(), size, mode="bilinear", align_corners=False)[0]

    def references(self, index: int, seen: Seen) -> Iterator[tuple[str, Float[Tensor, "1 h w"], Seen, bool]]:
        """Yield predictions of sample ``index`` that need no model, and what each is scored against.

        Yields:
            Name (`REFERENCES`), map, what it is scored against, and whether it has scores of fixations alone, since a
            single person's human map says little.
        """
        gaze = self.dataset.gaze(index)
        if gaze is None:
            if self._other is not None and (other := self._other.density(self.dataset, index)) is not None:
                yield "another image", other[None].double(), seen, False
            return
        if (blurred := self._blur(index, gaze.size)) is not None:
            yield "centre prior", blurred, seen, False
        if self.prior is not None and seen.baseline is not None:
            yield "centre prior, mixture", seen.baseline, seen, False
        if self._other is not None and (stranger := self._other.gaze(self.dataset, index)) is not None:
            yield "another image", human_map(stranger, self.sigma), seen, False
        yield from self._people(index, gaze.inside(), seen)

    def _people(self, index: int, own: Gaze, seen: Seen) -> Iterator[tuple[str, Float[Tensor, "1 h w"], Seen, bool]]:
        """Yield predictions by other people: half of them, and all but one for each."""
        halves = split_people(own, torch.Generator().manual_seed(self.seed * 1_000_003 + index))
        if halves is not None and all(len(half.points) for half in halves):
            half, rest = halves
            theirs = replace(seen, fixations=rest.points.double()[None], human=human_map(rest, self.sigma))
            yield "human ceiling", human_map(half, self.sigma), theirs, False
        if own.subject is None or len(people := own.subject.unique().tolist()) < 2:
            return
        turn = index % len(people)
        for person in evenly([*people[turn:], *people[:turn]], PEOPLE):
            theirs = replace(seen, fixations=own.of(person).points.double()[None])
            yield "one person", human_map(own.of(*(p for p in people if p != person)), self.sigma), theirs, True
            if self.people is not None:
                yield "one person, mixture", self.people.map(self._places[index], person)[None], theirs, True


def human_map(gaze: Gaze, sigma: float) -> Float[Tensor, "1 h w"]:
    """Return the density of fixations at their stimulus' size, in float64.

    Args:
        gaze: The fixations, with their weights.
        sigma: Standard deviation of the Gaussian, as a share of the stimulus' longer side.
    """
    return density(gaze.points.double()[None], gaze.size, sigma * max(gaze.size), weights=gaze.weights.double()[None])


class Part(GazeDataset):
    """The gaze of some samples."""

    def __init__(self, dataset: GazeDataset, indices: Sequence[int]) -> None:
        self._dataset, self._indices = dataset, indices

    def __len__(self) -> int:
        return len(self._indices)

    def gaze(self, index: int) -> Gaze | None:
        return self._dataset.gaze(self._indices[index])


class Pool:
    """All fixations, of which those on other stimuli are the negatives of shuffled AUC.

    At each size of stimuli they are counted by pixel once, so that millions cost no more than there are pixels.
    """

    def __init__(self, gaze: Mapping[int, tuple[str, Gaze]]) -> None:
        self.rows: dict[str, list[Gaze]] = {}
        for name, own in gaze.values():
            self.rows.setdefault(name, []).append(own)
        self._counts: tuple[Size, NDArray[np.int64]] | None = None

    def others(self, stimulus: str, size: Size) -> tuple[Float[Tensor, "m 2"], Float[Tensor, " m"]] | None:
        """Return the pixels that were fixated on other stimuli, at the size of this one, and how often."""
        if self._counts is None or self._counts[0] != size:
            self._counts = size, self._counted([own for each in self.rows.values() for own in each], size)
        counts = self._counts[1] - self._counted(self.rows.get(stimulus, []), size)
        pixels = np.flatnonzero(counts)
        if not len(pixels):
            return None
        y, x = np.divmod(pixels, size[1])
        return torch.from_numpy(np.stack([x, y], 1)).double(), torch.from_numpy(counts[pixels]).double()

    def _counted(self, gazes: Sequence[Gaze], size: Size) -> NDArray[np.int64]:
        h, w = size
        points = torch.cat([torch.zeros(0, 2).double(), *(resize(g.points.double(), g.size, size) for g in gazes)])
        column, row = (points + 0.5).floor().long().unbind(1)
        return torch.bincount(row.clamp(0, h - 1) * w + column.clamp(0, w - 1), minlength=h * w).numpy()
