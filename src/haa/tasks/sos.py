"""Salient object segmentation: the mask of what stands out in an image."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import Batch, Output, image_size
from haa.errors import InputError
from haa.gaze import Size
from haa.geometry.to_device import to_device
from haa.metrics import Dice, IoU, SalientObjects
from haa.metrics.values import values_per_sample
from haa.tasks.aligned_module import AlignedModule, Optimizer, Scheduler, Vocabularies


class SOS(AlignedModule):
    """Segmentation of salient objects.

    The model is ``(image, features) -> (logits of a mask at several scales, attention)``. Every scale learns the whole
    mask (side supervision), and the finest is the prediction. The nine measures of `haa.metrics.SalientObjects`, and
    ``dice`` and ``iou`` at a probability of 0.5 (`haa.metrics.Dice`), are taken at the size of the mask as published.
    The best checkpoint is chosen by the S-measure, which has a value per image, unlike the maximal F; for segmentation
    in medicine, by ``task.monitor=val/dice``.

    Args:
        model, alignment, optimizer, scheduler, vocabularies: See `haa.tasks.aligned_module.AlignedModule`.
        iou: Weight of the IoU loss beside binary cross-entropy, as in Qin et al., BASNet, CVPR 2019.
    """

    main_metrics = ("s_measure", "f_max", "mae")
    needs = ("image", "mask")

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

    def predict(self, batch: Batch) -> Output:
        (*_, finest), attention = self._logits(batch)
        return _segmented(finest, attention, finest > 0)

    def step(self, batch: Batch) -> Output:
        if "mask" not in batch:
            raise InputError("task=sos learns masks, and this data has none: give data=shapes, or data with masks")
        sides, attention = self._logits(batch)
        mask = (batch["mask"] > 127).float()
        loss = torch.stack([self.loss(side, mask) for side in sides]).sum()
        output = _segmented(sides[-1], attention, mask if self.training else sides[-1] > 0)
        return replace(output, loss=loss)

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        """Return the mean probability of the pixels that were said to be salient; of all pixels, where none was."""
        salient = given.prediction[0] > 0.5
        return self.predict(batch).prediction[:, salient if salient.any() else torch.ones_like(salient)].mean(1)

    def _logits(self, batch: Batch) -> tuple[list[Tensor], Tensor | None]:
        """Return the logits of every scale at the image's size, the finest last, and where the model looked."""
        sides, attention = self.model(batch["image"], features=batch.get("features"), **self.insertion(batch))
        return [_upsampled(side, image_size(batch)) for side in sides], attention

    def loss(self, logits: Float[Tensor, "b h w"], mask: Float[Tensor, "b h w"]) -> Float[Tensor, ""]:
        """Return the binary cross-entropy of one scale, with the weighted IoU loss."""
        value = F.binary_cross_entropy_with_logits(logits, mask)
        return value + self.iou * iou_loss(logits.sigmoid(), mask).mean() if self.iou else value

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"s_measure": SalientObjects(), "dice": Dice(), "iou": IoU()})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> dict[str, Tensor]:
        masks = batch.get("native_mask", list(batch["mask"]))
        sizes = [(mask.shape[0], mask.shape[1]) for mask in masks]
        columns: dict[str, Tensor] = {}
        for size in sorted(set(sizes)):
            chosen = [i for i, s in enumerate(sizes) if s == size]
            rows = to_device(torch.tensor(chosen), output.prediction.device)
            maps = F.interpolate(output.prediction[rows, None].float(), size, mode="bilinear", align_corners=False)
            metrics.update(maps[:, 0], torch.stack([masks[i] for i in chosen]))
            for name, values in values_per_sample(metrics).items():
                columns.setdefault(name, values.new_full((len(masks),), torch.nan))[rows] = values
        # an image's own maximum is not what the field calls f_max and e_max: those are of the mean curve
        return {name: values for name, values in columns.items() if not name.endswith("max")}


def iou_loss(prediction: Float[Tensor, "b h w"], mask: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    r"""Return one minus the soft intersection over union.

    .. math:: 1 - \frac{\sum p m}{\sum (p + m - p m)}

    Example:
        >>> iou_loss(torch.tensor([[[1.0, 0.5, 0.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]]))  # 1 - 1.5 / 2
        tensor([0.2500])
    """
    both = (prediction * mask).flatten(1).sum(1)
    either = (prediction + mask).flatten(1).sum(1) - both
    return 1 - both / either.clamp_min(torch.finfo(either.dtype).tiny)


def _segmented(logits: Tensor, attention: Tensor | None, explained: Tensor) -> Output:
    """Return the output without a loss; an attribution explains the mean logit of the ``explained`` pixels."""
    pixels = explained.float()
    score = (logits * pixels).flatten(1).sum(1) / pixels.flatten(1).sum(1).clamp_min(1)
    return Output(None, logits.sigmoid(), attention, score=score)


def _upsampled(logits: Tensor, size: Size) -> Tensor:
    return F.interpolate(logits[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
