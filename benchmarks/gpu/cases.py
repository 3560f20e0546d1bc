"""Every metric and every loss with something to compute: measured on a device, and run by the tests without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

import haa.metrics as M
from benchmarks import inputs
from haa import losses
from haa.gaze import Gaze
from haa.metrics.mean_loss import MeanLoss

CLASSES = 200
DISTINCT = 4
"""Pictures that are made; a larger batch repeats them."""


class Pictures:
    """Maps, points and labels of a batch on the CPU."""

    def __init__(self, batch: int, h: int, w: int, points: int = 60) -> None:
        made, draw = inputs.maps(min(batch, DISTINCT), h, w, points), torch.Generator().manual_seed(1)
        rows = torch.arange(batch) % DISTINCT
        self.prediction, self.density, self.baseline, self.fixations = (
            part[rows] for part in (made.prediction, made.density, made.baseline, made.fixations)
        )
        self.mask = self.density > self.density.mean((1, 2), keepdim=True)
        self.image = torch.rand(batch, 3, h, w, generator=draw)
        self.logits = torch.randn(batch, CLASSES, generator=draw)
        self.label = torch.randint(CLASSES, (batch,), generator=draw)
        self.labels = torch.randint(-1, 2, (batch, CLASSES), generator=draw).to(torch.int8)
        self.names = [f"picture {row}" for row in rows.tolist()]
        self.said = ["A dog runs.", "two cats", "red é", "the end"] * (batch // 4 + 1)
        self.said = self.said[:batch]
        self.meant = [["a dog is running", text] for text in self.said]


def brightness(images: Tensor) -> Tensor:
    """Return what stands for a model's confidence where faithfulness is measured."""
    return images.mean((1, 2, 3))


def other_gaze() -> list[tuple[str, Gaze]]:
    draw = torch.Generator().manual_seed(2)
    size = (480, 640)
    points = [torch.rand(60, 2, generator=draw) * torch.tensor([639.0, 479.0]) for _ in range(DISTINCT + 4)]
    return [(f"picture {number}", Gaze(each, size)) for number, each in enumerate(points)]


@dataclass(frozen=True)
class Case:
    """A metric and the arguments of its ``update``.

    Args:
        make: Builds the metric.
        given: Returns the arguments from pictures.
        batch: Largest batch that is timed; the metric is slow on a processor.
        waits: Why the host waits in ``update``, where it has to.
        compiles: Whether ``update`` is one graph to torch.compile; what works on texts is none.
        timed: Whether it is timed; what works on texts is not.
        like: Name of the metric whose computation it shares, so that it need not be timed or compiled once more.
    """

    make: Callable[[], Metric]
    given: Callable[[Pictures], tuple[Any, ...]]
    batch: int = 64
    waits: str = ""
    compiles: bool = True
    timed: bool = True
    like: str = ""


def _points(p: Pictures) -> tuple[Any, ...]:
    return p.prediction, p.fixations


def _maps(p: Pictures) -> tuple[Any, ...]:
    return p.prediction, p.density


def _masks(p: Pictures) -> tuple[Any, ...]:
    return p.prediction, p.mask


def _model(p: Pictures) -> tuple[Any, ...]:
    return brightness, p.image, p.prediction


def _classes(p: Pictures) -> tuple[Any, ...]:
    return p.logits, p.label


def _labels(p: Pictures) -> tuple[Any, ...]:
    return p.logits, p.labels


def _texts(p: Pictures) -> tuple[Any, ...]:
    return p.said, p.meant


CASES: dict[str, Case] = {
    **{kind.__name__: Case(kind, _points) for kind in (M.NSS, M.AUCJudd, M.AUCUniform, M.AUCBorji, M.LogLikelihood)},
    "AUCShuffled": Case(lambda: M.AUCShuffled(other_gaze()), lambda p: (*_points(p), p.names), compiles=False),
    "InformationGain": Case(M.InformationGain, lambda p: (p.prediction, p.baseline, p.fixations)),
    **{kind.__name__: Case(kind, _maps) for kind in (M.CC, M.Similarity, M.KLDivergence, M.KLDivergenceMIT, M.TopKIoU)},
    "Spearman": Case(M.Spearman, _maps, batch=16),
    "EarthMoversDistance": Case(M.EarthMoversDistance, _maps, 2, "a linear program on the processor", compiles=False),
    "PointingGame": Case(M.PointingGame, _masks, batch=16),
    "SalientObjects": Case(M.SalientObjects, _masks, batch=16),
    **{
        kind.__name__: Case(kind, _masks, like="SalientObjects")
        for kind in (M.MAE, M.FAdaptive, M.FMean, M.FMax, M.FWeighted, M.SMeasure, M.EAdaptive, M.EMean, M.EMax)
    },
    "Dice": Case(M.Dice, _masks),
    "IoU": Case(M.IoU, _masks),
    **{
        kind.__name__: Case(kind, _model, batch=2, compiles=False)
        for kind in (M.Deletion, M.Insertion, M.Comprehensiveness, M.Sufficiency)
    },
    "TopAccuracy": Case(lambda: M.TopAccuracy(CLASSES, k=5), _classes),
    "ClassAccuracy": Case(lambda: M.ClassAccuracy(CLASSES), _classes),
    "VideoAccuracy": Case(M.VideoAccuracy, lambda p: (*_classes(p), p.names), compiles=False),
    **{kind.__name__: Case(kind, _labels) for kind in (M.TopLabel, M.LabelAccuracy, M.RankingPrecision)},
    "ClassCurves": Case(M.ClassCurves, _labels, compiles=False),
    "VQAAccuracy": Case(M.VQAAccuracy, _texts, compiles=False, timed=False),
    "VQAAccuracyByType": Case(M.VQAAccuracyByType, lambda p: (*_texts(p), p.names), compiles=False, timed=False),
    **{
        kind.__name__: Case(kind, _texts, compiles=False, timed=False)
        for kind in (M.CaptionScores, M.BLEU, M.ROUGEL, M.CIDEr)
    },
    "MeanLoss": Case(MeanLoss, lambda p: (p.logits.mean(), p.label.max()), timed=False),
}
"""By the name of the class."""

_ASK = {"human": lambda p: p.density, "fixations": lambda p: p.fixations}
MIXTURE = losses.Weighted({"kl": losses.kl_divergence, "cc": losses.correlation, "nss": losses.nss}, {"kl": 10.0})
LOSSES: dict[str, Callable[..., Tensor]] = {
    **{
        name: getattr(losses, name)
        for name in losses.__all__
        if name not in ("Weighted", "asks_for")  # a loss of losses, and what a loss takes
    },
    "Weighted": MIXTURE,
}
"""By name: every function of `haa.losses`, and a mixture."""


def loss_arguments(loss: Callable[..., Tensor], pictures: Pictures) -> list[Tensor]:
    """Return the attention and the forms of gaze that a loss asks for."""
    return [pictures.prediction, *(_ASK[form](pictures) for form in losses.asks_for(loss))]
