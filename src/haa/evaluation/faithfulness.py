"""Whether a trained module's maps show what its answers rest on: the answers without what the maps mark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from rich.progress import track
from torch import Tensor
from torch.nn.functional import interpolate

from haa.batch import Batch, Output, in_unit_range
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.metrics import functional
from haa.metrics.functional.faithfulness import Score
from haa.tasks.aligned_module import AlignedModule

STEPS = 10
"""Parts in which the curves of deletion and insertion replace the pixels."""


def answers(module: AlignedModule) -> bool:
    """Whether a task gives an answer, in which a model can be more or less confident."""
    return type(module).confidence is not AlignedModule.confidence


def faithfulness(
    module: AlignedModule, data: DataModule, split: Split, indices: Sequence[int]
) -> dict[int, dict[str, float]]:
    """Deletion, insertion, comprehensiveness and sufficiency of the maps of some samples.

    What falls is `AlignedModule.confidence`: how probable the model finds the answer that it gave to the whole picture.
    Replaced pixels take the picture's mean colour. Of a clip, the pixels of all frames are ranked together. A map that
    is the same everywhere ranks nothing, and its pixels go in the order of reading.

    Args:
        module: on its device.
        data: what it is scored on.
        split: of these data.
        indices: of the samples that are measured, each by 26 forward passes beside the one that gives its map.

    Returns:
        The values by the sample's place in the split; empty where the model has no attention, or the task no answer.

    Petsiuk et al., RISE, BMVC 2018; DeYoung et al., ERASER, ACL 2020 (see `haa.metrics.functional.faithfulness`).
    """
    if not answers(module):
        return {}
    was_training = module.training
    module.eval()
    try:
        return dict(_measured(module, data, split, indices))
    finally:
        module.train(was_training)


def _measured(
    module: AlignedModule, data: DataModule, split: Split, indices: Sequence[int]
) -> Iterator[tuple[int, dict[str, float]]]:
    for index in track(indices, description="faithfulness", transient=True):
        (raw,) = data.some(split, [index])
        moved: Any = {key: value.to(module.device) if torch.is_tensor(value) else value for key, value in raw.items()}
        batch = in_unit_range(moved)
        with torch.no_grad():
            given = module.look(batch)
        if given.attention is None:
            return
        image, maps = _picture(batch, given.attention)
        colour = image.mean((2, 3), keepdim=True)
        found = functional.faithfulness(_score(module, batch, given), image, maps, STEPS, baseline=colour)
        yield index, {f"attention_{name}": value.item() for name, value in found.items()}


def _picture(batch: Batch, attention: Tensor) -> tuple[Tensor, Tensor]:
    """The one sample's image and map; a clip as one tall picture, its frames below each other."""
    if "clip" not in batch:
        return batch["image"], attention
    clip = batch["clip"]
    maps = interpolate(attention.float(), clip.shape[-2:], mode="bilinear", align_corners=False)
    return clip.transpose(1, 2).flatten(2, 3), maps.flatten(1, 2)


def _score(module: AlignedModule, batch: Batch, given: Output) -> Score:
    """The confidence in what was given, as a function of pictures alone."""

    def score(images: Tensor) -> Tensor:
        count = len(images)
        # features were computed from the whole picture
        rest: dict[str, Any] = {
            key: value.expand(count, *value.shape[1:]) if torch.is_tensor(value) else value * count  # type: ignore[operator]
            for key, value in batch.items()
            if key != "features"
        }
        if "clip" in batch:
            rest["clip"] = images.unflatten(2, (batch["clip"].shape[1], -1)).transpose(1, 2)
        else:
            rest["image"] = images
        return module.confidence(rest, given)  # type: ignore[arg-type]

    return score
