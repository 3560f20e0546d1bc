"""Salient object segmentation: the mask of what stands out in an image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import Batch, Output
from haa.errors import InputError
from haa.metrics import SalientObjects
from haa.tasks.aligned_module import AlignedModule, Optimizer, Scheduler, Vocabularies


class SOS(AlignedModule):
    """Segments salient objects; the model is ``(image, features) -> (logits of a mask at several scales, attention)``.

    Every scale learns the whole mask (side supervision), the finest is the prediction. The nine measures of
    `haa.metrics.SalientObjects` are taken at the size of the mask as published. The best checkpoint is chosen by the
    S-measure, which has a value per image, unlike the maximal F.

    Args:
        model, alignment, optimizer, scheduler, vocabularies: see `haa.tasks.aligned_module.AlignedModule`.
        iou: weight of the IoU loss beside binary cross-entropy, as in Qin et al., BASNet, CVPR 2019.
    """

    main_metrics = ("s_measure", "f_max", "mae")

    def __init__(
        self,
        model: nn.Module,
        alignment: Alignment | None = None,
        optimizer: Optimizer = torch.optim.AdamW,
        scheduler: Scheduler | None = None,
        vocabularies: Vocabularies | None = None,
        iou: float = 0.0,
    ) -> None:
        super().__init__(model, alignment, optimizer, scheduler, vocabularies)
        if iou < 0:
            raise InputError(f"task.module.iou={iou}: give a weight of 0 or more")
        self.iou = iou

    def step(self, batch: Batch) -> Output:
        if "mask" not in batch:
            raise InputError("task=sos learns masks, and this data has none: give data=shapes, or data with masks")
        sides, attention = self.model(batch["image"], features=batch.get("features"), **self.insertion(batch))
        mask = (batch["mask"] > 127).float()
        sides = [_upsampled(side, mask) for side in sides]
        loss = torch.stack([self.loss(side, mask) for side in sides]).sum()
        seen = mask if self.training else (sides[-1] > 0).float()
        score = (sides[-1] * seen).flatten(1).sum(1) / seen.flatten(1).sum(1).clamp_min(1)
        return Output(loss, sides[-1].sigmoid(), attention, score=score)

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        """The mean probability of the pixels that were said to be salient; of all, where none was."""
        salient = given.prediction[0] > 0.5
        return self.step(batch).prediction[:, salient if salient.any() else torch.ones_like(salient)].mean(1)

    def loss(self, logits: Float[Tensor, "b h w"], mask: Float[Tensor, "b h w"]) -> Float[Tensor, ""]:
        """Binary cross-entropy, and the weighted IoU loss, of one scale."""
        value = F.binary_cross_entropy_with_logits(logits, mask)
        return value + self.iou * iou_loss(logits.sigmoid(), mask).mean() if self.iou else value

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"s_measure": SalientObjects()})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        (metric,) = metrics.values()
        assert isinstance(metric, SalientObjects)
        masks = batch.get("native_mask", list(batch["mask"]))
        sizes = [(mask.shape[0], mask.shape[1]) for mask in masks]
        columns: dict[str, Tensor] = {}
        for size in sorted(set(sizes)):
            rows = [i for i, s in enumerate(sizes) if s == size]
            maps = F.interpolate(output.prediction[rows, None].float(), size, mode="bilinear", align_corners=False)
            metric.update(maps[:, 0], torch.stack([masks[i] for i in rows]))
            for name, values in metric.per_sample.items():
                columns.setdefault(name, values.new_full((len(masks),), torch.nan))[rows] = values
        # an image's own maximum is not what the field calls f_max and e_max: those are of the mean curve
        metric.per_sample = {name: values for name, values in columns.items() if not name.endswith("max")}
        metric.values = columns["s_measure"]


def iou_loss(prediction: Float[Tensor, "b h w"], mask: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    r"""One minus the soft intersection over union.

    .. math:: 1 - \frac{\sum p m}{\sum (p + m - p m)}

    Example:
        >>> iou_loss(torch.tensor([[[1.0, 0.5, 0.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]]))  # 1 - 1.5 / 2
        tensor([0.2500])
    """
    both = (prediction * mask).flatten(1).sum(1)
    either = (prediction + mask).flatten(1).sum(1) - both
    return 1 - both / either.clamp_min(torch.finfo(either.dtype).tiny)


def _upsampled(logits: Tensor, mask: Tensor) -> Tensor:
    size = (mask.shape[1], mask.shape[2])
    return F.interpolate(logits[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
