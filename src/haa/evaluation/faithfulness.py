"""Faithfulness of a trained module's maps: what becomes of its answers without the pixels that the maps mark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from rich.progress import track
from torch import Tensor

from haa.batch import Batch, Output
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent
from haa.metrics import functional
from haa.metrics.faithfulness import Comprehensiveness, Deletion, Insertion, Sufficiency
from haa.metrics.functional.faithfulness import Score
from haa.tasks.aligned_module import AlignedModule

STEPS = 10
"""Parts in which the curves of deletion and insertion replace the pixels."""

REFERENCE = "less that of the same model's random maps"
"""What the values are, in words for metrics.json. Those of version 0.1, which says nothing, are plain."""

MEASURES = (Deletion, Insertion, Comprehensiveness, Sufficiency)


def check_faithfulness(samples: Any) -> None:
    """Refuse what is no number of samples.

    Raises:
        InputError: If it is negative, or no whole number.
    """
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 0:
        raise InputError(f"faithfulness={samples}: give a number of test samples, 0 for none")


def gives_answers(module: AlignedModule) -> bool:
    """Return whether a task gives an answer, in which a model can be more or less confident."""
    return type(module).confidence is not AlignedModule.confidence


def faithfulness(
    module: AlignedModule, data: DataModule, split: Split, indices: Sequence[int]
) -> dict[int, dict[str, float]]:
    """Measure deletion, insertion, comprehensiveness and sufficiency of the maps of some samples.

    What falls is `AlignedModule.confidence`: how probable the model finds the answer that it gave to the whole picture.
    Each measure is less that of random maps of the same model on the same picture: they have the map's own cells, in an
    order that depends on the sample's place alone, and thus is the same for every model. Replaced pixels take the
    picture's mean colour. Of a clip, the pixels of all frames are ranked together. A map that is the same everywhere
    ranks nothing, and gets 0.

    Args:
        module: Module on its device.
        data: Data that it is scored on.
        split: Split of these data.
        indices: Samples that are measured, each by 112 forward passes beside the one that gives its map: 22 of
            the map and of each of 4 random ones, the whole picture and the one without any pixel.

    Returns:
        The values by the sample's place in the split; empty where the model has no attention, or the task no answer.

    Petsiuk et al., RISE, BMVC 2018; DeYoung et al., ERASER, ACL 2020 (see `haa.metrics.functional.faithfulness`).
    """
    if not gives_answers(module):
        return {}
    with module.evaluation():
        return dict(_measured(module, data, split, indices))


def of_picture(
    score: Score,
    image: Float[Tensor, "1 c h w"],
    maps: Float[Tensor, "1 *t i j"],
    place: int,
    batch_size: int,
    extent: Extent = WHOLE,
) -> dict[str, float]:
    """Return the four measures of one sample's map, by their names in metrics.json.

    Args:
        score: Confidence in the answer, as a function of pictures alone.
        image: The sample's picture.
        maps: Its map.
        place: The sample's place in the split, by which the random maps are drawn.
        batch_size: Pictures that are scored at once.
        extent: Where the cells of the map lie in the picture.
    """
    colour = image.mean((2, 3), keepdim=True)
    values = functional.faithfulness(
        score, image, maps, STEPS, baseline=colour, batch_size=batch_size, seed=place, extent=extent
    )
    return {f"attention_{name}": value.item() for name, value in values.items()}


def directions() -> dict[str, bool | None]:
    """Return for each of the four measures, by its name in metrics.json, whether more of it is better."""
    return {f"attention_{kind.__name__.lower()}": kind.higher_is_better for kind in MEASURES}


def _measured(
    module: AlignedModule, data: DataModule, split: Split, indices: Sequence[int]
) -> Iterator[tuple[int, dict[str, float]]]:
    for index in track(indices, description="faithfulness", transient=True):
        (raw,) = data.some(split, [index])
        batch, output = module.probe(raw)
        if output.attention is None:
            return
        scored = _score(module, batch, output), _picture(batch), output.attention
        yield index, of_picture(*scored, index, data.eval_batch_size, output.extent)


def _picture(batch: Batch) -> Tensor:
    """Return the one sample's image; a clip as one tall picture, its frames below each other."""
    return batch["clip"].transpose(1, 2).flatten(2, 3) if "clip" in batch else batch["image"]


def _score(module: AlignedModule, batch: Batch, given: Output) -> Score:
    """Return the confidence in the answer given, as a function of pictures alone."""

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
