"""The maps of a trained module for a few samples of a split."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from haa.batch import Output, in_unit_range, middle
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.run_folder import SAMPLES, Maps, chosen
from haa.tasks.aligned_module import AlignedModule

SIDE = 192
"""Pixels of an image's longer side, at most."""
HUMAN = 48
"""Cells of a human map's longer side."""
WORDS = 16


def gather(module: AlignedModule, data: DataModule, split: Split, samples: int = SAMPLES) -> Maps | None:
    """The maps of a trained module, or None where its model has no attention.

    Args:
        module: on its device.
        data: what it is scored on.
        split: of these data.
        samples: how many are kept.
    """
    was_training = module.training
    module.eval()
    parts = []
    with torch.no_grad():
        for batch in data.some(split, chosen(len(data.dataset(split)), samples)):
            moved = {key: value.to(module.device) if torch.is_tensor(value) else value for key, value in batch.items()}
            parts.append(_rows(module, moved))
            if parts[-1] is None:
                break
    module.train(was_training)
    rows = [row for part in parts if part is not None for row in part]
    if not rows:
        return None
    stacked: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Maps(**stacked, simulated=data.dataset(split).simulated)


def _rows(module: AlignedModule, raw: dict[str, Any]) -> list[dict[str, Any]] | None:
    batch = in_unit_range(raw)  # type: ignore[arg-type]
    output = module.look(batch)
    if output.attention is None:
        return None
    batch, machine = middle(batch, output.attention)
    grid = output.attention.shape[-2:]
    height, width = batch["image"].shape[-2:]
    shrink = max(1.0, max(height, width) / HUMAN)
    human, has = module.alignment.human(batch, (round(height / shrink), round(width / shrink)))
    human = torch.where(has[:, None, None], human, torch.nan)
    words = _words(output)
    said = _said(module, output, len(batch["id"]))
    return [
        {
            "id": raw["id"][i],
            "image": _jpeg(batch["image"][i]),
            "text": _text(module, raw, i),
            "said": said[i],
            "human": _half(human[i]),
            "machine": _half(machine[i]),
            "words": np.zeros((0, *grid), np.float16) if words is None else _half(words[i]),
        }
        for i in range(len(batch["id"]))
    ]


def _half(values: Tensor) -> NDArray[np.float16]:
    """Divided by the largest value, so that nothing underflows; words by their common one."""
    values = values.float()
    return (values / values.amax().clamp_min(1e-30)).half().cpu().numpy()


def _words(output: Output) -> Tensor | None:
    maps = getattr(output.prediction, "attention", None)
    if maps is None:
        return None
    short = WORDS - maps.shape[1]
    return torch.nn.functional.pad(maps[:, :WORDS], (0, 0, 0, 0, 0, max(0, short)))


def _said(module: AlignedModule, output: Output, count: int) -> list[str]:
    written = getattr(output.prediction, "text", None)
    if written is not None:
        return list(written)
    if "class" in module.vocabularies:
        return list(module.vocabularies["class"].decode(output.prediction.argmax(1)))
    if "answer" in module.vocabularies:
        return list(module.vocabularies["answer"].decode(output.prediction))
    return [""] * count


def _text(module: AlignedModule, batch: dict[str, Any], i: int) -> str:
    if "question" in batch:
        return f"{batch['question'][i]} {batch['answers'][i][0]}"
    if "captions" in batch:
        return batch["captions"][i][0]
    if "class" in module.vocabularies:
        return module.vocabularies["class"].decode(batch["label"][i : i + 1])[0]
    return ""


def _jpeg(image: Tensor) -> bytes:
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()
