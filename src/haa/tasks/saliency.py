"""Saliency: predict where people look at an image, or at each frame of a video."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import Batch, Output, human_maps, stills
from haa.metrics.saliency import saliency_metrics
from haa.metrics.scoring import score
from haa.tasks.aligned_module import AlignedModule, Optimizer, Scheduler, Vocabularies


class Saliency(AlignedModule):
    """Prediction of fixations; the model is ``(image, features) -> (log-density, attention)``.

    It learns by the divergence of its density from that of the fixations; samples without gaze are masked. The metrics
    score the density at the stimulus' own size against the gaze recorded there. An attribution (``attention=gradcam``)
    explains the log-density at its peak, as it explains the top class of a classifier.

    Each frame of a clip is a picture of its own to the model, with the gaze on that frame: the frame-wise model that
    models of video are compared with. A clip's log-density is ``(b, t, p, q)``. Frames without gaze are masked; the
    metrics count every frame, and a clip's row of samples.parquet has the mean over its frames with gaze.

    Args:
        model, alignment, optimizer, scheduler, vocabularies: See `haa.tasks.aligned_module.AlignedModule`.
        sigma: Standard deviation of the Gaussian around a fixation in the training target, as a share of the image's
            longer side. Where it is small, the target comes close to the log-likelihood of the fixations, which NSS
            rewards. The human densities of CC, SIM and KL have the data's own (`haa.data.dataset.GazeDataset.sigma`).
    """

    predicts_gaze = True

    def __init__(
        self,
        model: nn.Module,
        alignment: Alignment | None = None,
        optimizer: Optimizer = torch.optim.AdamW,
        scheduler: Scheduler | None = None,
        vocabularies: Vocabularies | None = None,
        sigma: float = 0.01,
    ) -> None:
        super().__init__(model, alignment, optimizer, scheduler, vocabularies)
        # the same rasterisation, mask and mean over processes as for a map that is aligned
        self.divergence = Alignment(loss=divergence, sigma=sigma)

    def predict(self, batch: Batch) -> Output:
        pictures = stills(batch)
        maps, attention = self.model(pictures["image"], features=pictures.get("features"), **self.insertion(pictures))
        peaks = maps.flatten(1).amax(1)
        if "clip" not in batch:
            return Output(None, maps, attention, score=peaks)
        frames = batch["clip"].shape[:2]
        attention = None if attention is None else attention.unflatten(0, frames)
        return Output(None, maps.unflatten(0, frames), attention, score=peaks.unflatten(0, frames).sum(1))

    def step(self, batch: Batch) -> Output:
        output, batch = self.predict(batch), own_gaze(batch)
        _, has_human = human_maps(stills(batch), (1, 1), self.divergence.sigma)
        # in training the divergence is the mean over all processes already
        count = None if self.training else has_human.sum()
        return replace(output, loss=self.divergence(output.prediction, batch), count=count)

    def make_metrics(self) -> MetricCollection:
        return saliency_metrics()

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> dict[str, Tensor]:
        return score(metrics, output.prediction, batch, self.score_sigma, log=True)


def own_gaze(batch: Batch) -> Batch:
    """Return the batch with each sample's own fixations or map: a condition acts on what is aligned, not on the target.

    Example:
        >>> batch = {"fixations": torch.ones(1, 1, 2), "has_human": torch.tensor([True])}
        >>> own_gaze({**batch, "own_fixations": torch.zeros(1, 1, 2)})
        {'fixations': tensor([[[0., 0.]]])}
    """
    if "own_density" in batch:
        own = batch["own_density"]
        kept = {key: value for key, value in batch.items() if key != "own_density"}
        return {**kept, "density": own, "has_human": own.sum((-2, -1)) > 0}  # type: ignore[typeddict-item]
    if "own_fixations" not in batch:
        return batch
    apart = ("own_fixations", "own_weights", "weights", "has_human")
    rest = {key: value for key, value in batch.items() if key not in apart}
    weights = {"weights": batch["own_weights"]} if "own_weights" in batch else {}
    return {**rest, "fixations": batch["own_fixations"], **weights}  # type: ignore[typeddict-item]


def divergence(log_density: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    r"""Return the KL divergence of a predicted density from the human one, from the prediction's logarithm.

    .. math:: \sum_i H_i (\log H_i - \log p_i)

    Its gradient is that of the cross-entropy :math:`-\sum_i H_i \log p_i`, the negative log-likelihood of fixations
    drawn from the human density.

    Args:
        log_density: Predicted density, as its logarithm in nats, normalised.
        human: Human map that sums to 1 (all zero gives 0).

    Returns:
        One value per sample, in nats.

    Example:
        >>> divergence(torch.tensor([[[0.5, 0.5]]]).log(), torch.tensor([[[1.0, 0.0]]]))  # log 2
        tensor([0.6931])
    """
    return (torch.special.xlogy(human, human) - human * log_density).sum((1, 2))
