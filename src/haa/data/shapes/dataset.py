"""Embedded dataset for all tasks: `Shapes`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torchvision import tv_tensors

from haa.data.dataset import GazeDataset, Identity, Split, digest
from haa.data.shapes.arguments import between, choice, whole
from haa.data.shapes.draw_sample import Sample, Task, World, about_background, about_objects, classes, video
from haa.data.shapes.layout import draw_layout
from haa.data.shapes.observer import Observer
from haa.data.shapes.question import ANSWERS, POSE
from haa.data.shapes.render import render, silhouette
from haa.errors import InputError
from haa.gaze import Gaze

_SPLITS = ("train", "val", "test")
_SCENE, _NOISE, _GAZE = range(3)
_CLIPS = 2
"""Number of clips of each video."""
_VERSION = {"image": 1, "clip": 2}
"""Version of the generator, for each kind of picture. It is raised whenever the same arguments give other pictures,
gaze or texts, so that no stale feature cache is used, and no two runs on different data are compared."""


class Shapes(GazeDataset):
    """Coloured shapes among distractors, with questions, captions and fixations of a *simulated* observer.

    Nothing is downloaded and nothing is stored. Sample i is a function of (seed, split, i) and the arguments, the same
    in every process. A picture takes about 0.4 ms to render at 64 px and is then kept in memory (12 kB at 64 px,
    55 kB a clip; ``cache=False`` renders it anew). The split's questions, captions and gaze need no picture.

    A scene holds ``objects`` shapes of six kinds, six colours and several sizes, which do not overlap. They lie on a
    striped, shaded and noisy background with ``clutter`` small specks. Each task adds to this:

    vqa
        One question per scene, of the kinds in ``questions``: ``colour`` (what colour is the star?), ``shape`` (what
        shape is the red one?), ``count`` (how many circles are there?, 0 to 4), ``exists`` (is there a red star?, with
        one object that shares the shape and one that shares the colour), ``left`` (what is left of the star?: the
        nearest object in its row). The scene is drawn to suit the question, so that all answers to it are equally
        likely: a guess from the question alone is right with probability `prior`. The observer looks for the objects
        that the question is about.
    captioning
        Five references about the two objects that stand out most. The observer looks for these two as well.
    saliency
        No text. The observer looks freely, by contrast, size and centre bias.
    sos
        The mask of the two objects that stand out most. The observer looks for these two.
    finegrained
        Every object bears a bar of one of eight kinds. The class is the kind of the bar on the only circle. The
        observer looks at bars, and at the circle's above all.
    action
        Clips of ``frames`` frames, two of each video. Every object swings or circles in its place, where it has room.
        The class is the motion of the only star. The observer follows objects, and the star above all, with one
        fixation per frame.

    There are two worlds:

    relevant
        As above. The answer depends on a small part of the scene, and the observer looks there.
    irrelevant
        The background's hue, stripes and light mean something. Questions (``background``, ``stripes``, ``light``) and
        captions are about them alone, and they can be read at any place equally well. They deviate from the named
        value by the same amount all over the picture (``ambiguity``), so that some pictures stay uncertain wherever
        one looks: the best possible accuracy about hue and stripes is 0.80. The observer looks for one object that is
        drawn at random, and regards neither contrast nor size, so that fixations carry no information about the
        answer. For saliency and sos the observer looks at the places of another scene's objects: fixations are
        independent of the picture, and nothing beats the centre bias. The fine-grained class is the background's hue;
        the action is the direction in which its stripes drift.

    Example:
        >>> data = Shapes("train", train=2)
        >>> sample = data[0]
        >>> sample["image"].shape, sample["question"], sample["answers"]
        (torch.Size([3, 64, 64]), 'what colour is the star?', ['red'])
        >>> data.gaze(0).points.shape
        torch.Size([20, 2])

    Args:
        split: Part of the dataset: train, val or test; the same index in another split is another scene.
        task: Task, which decides what a sample holds besides picture and gaze.
        world: World, which decides whether it helps to look where people look: relevant or irrelevant.
        size: Height and width of the pictures in pixels, 16 to 4096; a scene is the same at every size, but for the
            noise. None is 64, and 48 for clips.
        train: Samples in the training split.
        val: Samples in the validation split.
        test: Samples in the test split.
        seed: Seed of the draws; another seed gives another dataset.
        objects: Shapes per scene, 4 to 16; None is 6, and 4 for clips.
        clutter: Specks per scene.
        noise: Standard deviation of the pixel noise, and of the blotches, for pictures in [0, 1].
        questions: Weight of each kind of question; None takes `DEFAULT_QUESTIONS`.
        ambiguity: Ambiguity of the irrelevant world's background, see `scene.draw_telling_background`.
        subjects: People per picture; for this and all that follow up to ``duration_spread`` see `observer.Observer`.
        fixations: Fixations per subject.
        task_gain: Attraction of the objects that the task is about, `Observer.task`.
        contrast_gain: Attraction by contrast, `Observer.contrast`.
        size_gain: Attraction by size, `Observer.size`.
        centre: Width of the centre bias.
        miss: Probability of a fixation on no object.
        spread: Spatial noise of a fixation.
        duration: Median duration of a fixation in ms.
        duration_spread: Standard deviation of the duration's logarithm.
        share_with_gaze: Probability, in every split, that a sample has gaze at all; a sample that has gaze at a small
            share has it at a larger share too.
        cache: Keep rendered pictures in memory.
        frames: Frames of a clip.

    Raises:
        InputError: If an argument is out of its range, or a name is not known.
    """

    simulated = True

    DEFAULT_QUESTIONS: ClassVar[dict[str, dict[str, float]]] = {
        "relevant": {"colour": 1.0},
        "irrelevant": {"background": 1.0},
    }

    def __init__(
        self,
        split: Split,
        task: Task = "vqa",
        world: World = "relevant",
        size: int | None = None,
        train: int = 1000,
        val: int = 250,
        test: int = 500,
        seed: int = 0,
        objects: int | None = None,
        clutter: int = 4,
        noise: float = 0.05,
        questions: Mapping[str, float] | None = None,
        ambiguity: float = 0.78,
        subjects: int = 5,
        fixations: int = 4,
        task_gain: float = 4.0,
        contrast_gain: float = 2.0,
        size_gain: float = 2.0,
        centre: float = 0.3,
        miss: float = 0.1,
        spread: float = 0.03,
        duration: float = 250.0,
        duration_spread: float = 0.35,
        share_with_gaze: float = 1.0,
        cache: bool = True,
        frames: int = 8,
    ) -> None:
        choice("split", split, _SPLITS)
        choice("task", task, get_args(Task))
        choice("world", world, ("relevant", "irrelevant"))
        size = (48 if task == "action" else 64) if size is None else size
        objects = (4 if task == "action" else 6) if objects is None else objects
        whole(16, 4096, size=size)
        whole(4, 16, objects=objects)
        whole(0, inf, seed=seed, clutter=clutter)
        whole(1, inf, train=train, val=val, test=test, subjects=subjects, fixations=fixations, frames=frames)
        between(0, 1, miss=miss, share_with_gaze=share_with_gaze, noise=noise)
        between(0.01, inf, centre=centre, duration=duration)
        between(0, inf, spread=spread, ambiguity=ambiguity, duration_spread=duration_spread)
        self.split, self.task, self.world, self.size, self.seed = split, task, world, size, seed
        self.length = {"train": train, "val": val, "test": test}[split]
        self.objects, self.clutter, self.noise, self.ambiguity = objects, clutter, noise, ambiguity
        self.questions = self._mix(self.DEFAULT_QUESTIONS[world] if questions is None else questions)
        self.share_with_gaze, self.cache, self.frames = share_with_gaze, cache, frames
        self.classes = classes(task, world)
        self.observer = Observer(
            subjects,
            fixations,
            task_gain,
            contrast_gain,
            size_gain,
            centre,
            miss,
            spread,
            duration,
            duration_spread,
        )
        self._samples: dict[int, Sample] = {}
        self._gaze: dict[int, Gaze | None] = {}
        self._images: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        drawn = self.sample(index)
        pixels = "image" if drawn.path is None else "clip"
        sample: dict[str, Any] = {
            "id": f"shapes-{self.split}-{index:05d}",
            pixels: torch.from_numpy(self.image(index).copy()),
            "gaze": self.gaze(index),
        }
        if drawn.question is not None:
            sample |= {"question": drawn.question.text, "answers": [drawn.question.answer]}
        if drawn.captions:
            sample["captions"] = list(drawn.captions)
        if drawn.label is not None:
            sample["label"] = drawn.label
        if self.task == "sos":
            sample["mask"] = tv_tensors.Mask(torch.from_numpy(silhouette(drawn.scene, drawn.about, self.size)))
        if self.task == "action":
            sample["video"] = self.stimulus(index)
        return sample

    def gaze(self, index: int) -> Gaze | None:
        if index not in self._gaze:
            rng = self._rng(index, _GAZE)
            has_gaze = rng.random() < self.share_with_gaze
            self._gaze[index] = self._look(rng, self.sample(index)) if has_gaze else None
        return self._gaze[index]

    def native_sizes(self) -> Iterable[tuple[int, int]]:
        return [(self.size, self.size)] * len(self)

    def stimulus(self, index: int) -> str:
        return f"shapes-{self.split}-{self._scene(index):05d}"

    def strings(self, key: str) -> Iterator[str]:
        keys = {"vqa": ("question", "answers"), "captioning": ("captions",)}.get(self.task, ())
        if key not in keys:
            raise KeyError(f"Shapes with task={self.task} has no {key}, only {', '.join(keys) or 'pictures and gaze'}")
        for index in range(len(self)):
            drawn = self.sample(index)
            if drawn.question is not None:
                yield drawn.question.text if key == "question" else drawn.question.answer
            yield from drawn.captions

    def fingerprint(self) -> str:
        version = _VERSION["clip" if self.task == "action" else "image"]
        identity = (version, self.split, self.length, self.seed, self.size, self.task, self.world, self.objects)
        appearance = (self.clutter, self.noise, self.ambiguity, sorted(self.questions.items()), self.frames)
        return hashlib.sha256(repr((identity, appearance)).encode()).hexdigest()[:16]

    def identity(self) -> Identity:
        # samples are a function of the arguments: none needs be drawn to tell two splits apart
        scenes = self.fingerprint()
        # the observer's taste decides which objects captions and masks are about
        labels = self.observer if self.task in ("captioning", "sos") else None
        return {
            "ids": digest([self.split, self.length, self.task == "action"]),
            "stimuli": scenes,
            "gaze": digest([scenes, vars(self.observer), self.share_with_gaze]),
            "labels": digest([scenes, labels and vars(labels)]),
        }

    @property
    def prior(self) -> float:
        """Accuracy of a guess from the question without the picture: the sum over kinds of weight / answers.

        Example:
            >>> Shapes("test", questions={"colour": 1, "exists": 1}).prior.__round__(3)  # (1/6 + 1/2) / 2
            0.333
        """
        return sum(weight / ANSWERS[kind] for kind, weight in self.questions.items())

    def sample(self, index: int) -> Sample:
        """Return sample ``index`` without its pixels and its gaze.

        Raises:
            IndexError: If the split has no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"shapes has {len(self)} samples in split {self.split}, no sample {index}")
        if index not in self._samples:
            rng = self._rng(self._scene(index), _SCENE)
            kind = self._kind(rng) if self.task == "vqa" else None
            if self.task == "action":
                half = index % _CLIPS
                drawn = video(rng, self.world, self.objects, self.clutter, self.ambiguity, _CLIPS * self.frames)
                drawn = drawn.cut(half * self.frames, self.frames)
            elif self.world == "irrelevant" and self.task != "sos":
                drawn = about_background(rng, self.task, kind, self.objects, self.clutter, self.ambiguity)
            else:
                drawn = about_objects(rng, self.task, kind, self.objects, self.clutter, self.observer)
            self._samples[index] = drawn
        return self._samples[index]

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return the pixels of sample ``index``: ``(3, size, size)``, or ``(frames, 3, size, size)`` for a clip."""
        image = self._images.get(index)
        if image is None:
            drawn, rng = self.sample(index), self._rng(index, _NOISE)
            frames = [render(drawn.frame(k), self.size, self.noise, rng) for k in range(len(drawn.positions()))]
            image = frames[0] if drawn.path is None else np.stack(frames)
            if self.cache:
                self._images[index] = image
        return image

    def _look(self, rng: Generator, drawn: Sample) -> Gaze:
        layout = drawn.scene.layout
        contrast = drawn.scene.contrast() if self.world == "relevant" else None
        aims = drawn.positions()
        if self.world == "irrelevant" and self.task in ("saliency", "sos"):
            layout = draw_layout(rng, self.objects)
            aims = np.stack([layout.x, layout.y], 1)[None]
        if self.task != "action":
            aims = aims.repeat(self.observer.fixations, 0)
        points, subject, duration = self.observer.look(rng, layout, contrast, drawn.about, aims)
        moving = self.task == "action"
        return Gaze(
            torch.from_numpy((points * self.size - 0.5).astype(np.float32)),
            (self.size, self.size),
            torch.from_numpy(subject),
            None if moving else torch.from_numpy(duration.astype(np.float32)),
            torch.arange(self.frames).repeat(self.observer.subjects) if moving else None,
        )

    def _scene(self, index: int) -> int:
        """Return the number of the scene or video that sample ``index`` shows."""
        return index // _CLIPS if self.task == "action" else index

    def _rng(self, index: int, stream: int) -> Generator:
        # streams are separate, so that gaze needs no picture, and neither observer nor noise changes the scene
        return np.random.default_rng((self.seed, _SPLITS.index(self.split), index, stream))

    def _kind(self, rng: Generator) -> str:
        kinds, weights = list(self.questions), list(self.questions.values())
        # rounding may leave the sum of the weights just below the number drawn
        return kinds[min(int(np.searchsorted(np.cumsum(weights), rng.random(), "right")), len(kinds) - 1)]

    def _mix(self, questions: Mapping[str, float]) -> dict[str, float]:
        possible = list(POSE) if self.world == "relevant" else [kind for kind in ANSWERS if kind not in POSE]
        for kind, weight in questions.items():
            if kind not in possible:
                choices = ", ".join(possible)
                raise InputError(f"shapes questions={kind} is not asked in world={self.world}: choose among {choices}")
            between(0, inf, **{f"questions.{kind}": weight})
        total = sum(questions.values())
        if total <= 0:
            raise InputError("shapes questions: all weights are 0: give one that is not")
        return {kind: questions[kind] / total for kind in possible if questions.get(kind)}
