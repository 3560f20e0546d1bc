"""From samples to a batch: points are padded, pictures stacked, texts listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import get_worker_info

from haa.batch import Batch
from haa.data.dataset import size_of
from haa.errors import InputError
from haa.gaze import Gaze, pad, valid


def collate(samples: Sequence[dict[str, Any]]) -> Batch:
    """Return samples as a `Batch`: points padded with NaN, tensors and numbers stacked, texts kept as lists.

    Raises:
        InputError: If images or clips differ in size.

    Example:
        >>> image = torch.zeros(3, 2, 2, dtype=torch.uint8)
        >>> batch = collate([{"id": "a", "image": image, "gaze": None, "answers": ["red", "crimson"]}])
        >>> batch["fixations"].shape, batch["has_human"], batch["answers"]
        (torch.Size([1, 0, 2]), tensor([False]), [['red', 'crimson']])
    """
    picture = "clip" if "clip" in samples[0] else "image"
    sizes = {tuple(sample[picture].shape) for sample in samples}
    if len(sizes) > 1:
        raise InputError(
            f"{picture}s of a batch have {len(sizes)} sizes, {sorted(sizes)[0]} and {sorted(sizes)[1]} for two: "
            "set transform.size=[height,width], with transform.keep_aspect=true where shapes are to be kept"
        )
    frames = len(samples[0]["clip"]) if picture == "clip" else None
    batch: dict[str, Any] = {}
    for key, value in samples[0].items():
        values = [sample[key] for sample in samples]
        if key in _POINTS:
            batch[_POINTS[key]] = _points(values, frames)
            batch |= _weights(values, frames, _POINTS[key].replace("fixations", "weights"))
        elif key == "features":  # whose channels stay side by side in memory
            batch[key] = _stack([each.movedim(-3, -1) for each in values]).movedim(-1, -3)
        elif isinstance(value, Tensor) and key != "native_mask":
            batch[key] = _stack(values)
        elif isinstance(value, bool | int | float):
            batch[key] = torch.tensor(values)
        elif key != "gaze":
            batch[key] = values
    if "density" in batch:
        batch["has_human"] = batch["density"].sum((-2, -1)) > 0
    else:
        gazes = [sample.get("gaze") for sample in samples]
        batch["fixations"] = _points(gazes, frames)
        batch |= _weights(gazes, frames, "weights")
        batch["has_human"] = valid(batch["fixations"], size_of(samples[0])).any(-1)
    return batch  # type: ignore[return-value]


def _stack(values: Sequence[Tensor]) -> Tensor:
    if get_worker_info() is None:
        return torch.stack(list(values)).contiguous()
    # a worker's batch travels in shared memory: written there at once, it is not copied once more
    out = torch.empty(len(values), *values[0].shape, dtype=values[0].dtype).share_memory_()
    return torch.stack(list(values), out=out)


_POINTS = {"own_gaze": "own_fixations", "native_gaze": "native_fixations"}


def _points(gazes: Sequence[Gaze | None], frames: int | None) -> Tensor:
    """Return padded points, ``(b, n, 2)``, or ``(b, t, n, 2)`` for clips of ``frames`` frames."""
    nothing = torch.zeros(0, 2)
    if frames is None:
        return pad([nothing if gaze is None else gaze.points for gaze in gazes])
    each = [nothing if gaze is None else gaze.at(frame).points for gaze in gazes for frame in range(frames)]
    return pad(each).unflatten(0, (len(gazes), frames))


def _weights(gazes: Sequence[Gaze | None], frames: int | None, key: str) -> dict[str, Tensor]:
    """Return the weights of `_points`, padded with 0, under a key; nothing where no gaze has any."""
    if all(gaze is None or gaze.weight is None for gaze in gazes):
        return {}
    nothing = torch.zeros(0)

    if frames is None:
        return {key: pad_sequence([nothing if gaze is None else gaze.weights for gaze in gazes], batch_first=True)}
    each = [nothing if gaze is None else gaze.at(frame).weights for gaze in gazes for frame in range(frames)]
    return {key: pad_sequence(each, batch_first=True).unflatten(0, (len(gazes), frames))}
