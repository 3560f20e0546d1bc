"""Maps of a trained module for a few samples of a split."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from haa.batch import Batch, Output, human_maps, image_size, middle, shape, text_of, where_human
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.geometry.extent import over_picture
from haa.run_folder import SAMPLES, Maps, chosen
from haa.tasks.aligned_module import AlignedModule
from haa.text import Labels

SIDE = 192
"""Pixels of an image's longer side, at most."""
_MAPS = ("human", "machine", "words")
HUMAN = 48
"""Cells of a human map's longer side."""
WORDS = 16


def gather(module: AlignedModule, data: DataModule, split: Split, samples: int = SAMPLES) -> Maps | None:
    """Return the maps of a trained module, or None where its model has no attention.

    Args:
        module: Module on its device.
        data: Data that it is scored on.
        split: Split of these data.
        samples: How many samples are kept.
    """
    rows: list[dict[str, Any]] = []
    for batch in data.some(split, chosen(len(data.dataset(split)), samples)):
        part = _rows(module, batch)
        if not part:
            return None
        rows += part
    if not rows:
        return None
    stacked: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0] if name not in _MAPS}
    stacked |= {name: _stacked([row[name] for row in rows]) for name in _MAPS}
    return Maps(**stacked, simulated=data.dataset(split).simulated)


def _rows(module: AlignedModule, raw: Batch) -> list[dict[str, Any]]:
    """Return a row for each sample of a loader's batch; none where the model has no attention."""
    batch, output = module.probe(raw)
    if output.attention is None:
        return []
    texts = [_text(module, batch, i) for i in range(len(batch["id"]))]
    pictures, machine = middle(batch, output.attention)
    assert machine is not None
    height, width = image_size(pictures)
    shrink = max(1.0, max(height, width) / HUMAN)
    grid = (round(height / shrink), round(width / shrink))
    machine = over_picture(machine, grid, output.extent)
    human, has_human = human_maps(pictures, grid, module.score_sigma)
    human = where_human(has_human, human, torch.nan)
    words = _words(output)
    words = None if words is None else over_picture(words, grid, output.extent)
    said = _said(module, output, len(texts))
    return [
        {
            "id": batch["id"][i],
            "image": _jpeg(pictures["image"][i], shape(pictures, i)),
            "text": text,
            "said": said[i],
            "human": human[i].float().cpu(),
            "machine": machine[i].float().cpu(),
            "words": torch.zeros(0, *output.attention.shape[-2:]) if words is None else words[i].float().cpu(),
        }
        for i, text in enumerate(texts)
    ]


def _stacked(maps: list[Tensor]) -> NDArray[np.float16]:
    """Return maps on one grid, the largest of theirs: where pictures differ in shape, their maps are stretched to it.

    The values of each are divided by the largest of them, so that nothing underflows; words by their common one.
    """
    grid = tuple(max(values.shape[side] for values in maps) for side in (-2, -1))
    out = []
    for values in maps:
        if not values.numel():
            values = values.new_zeros(*values.shape[:-2], *grid)
        elif tuple(values.shape[-2:]) != grid:
            planes = values.reshape(1, -1, *values.shape[-2:])
            values = interpolate(planes, grid, mode="bilinear").reshape(*values.shape[:-2], *grid)
        out.append((values / values.amax().clamp_min(1e-30) if values.numel() else values).half().numpy())
    return np.stack(out)


def _words(output: Output) -> Tensor | None:
    maps = getattr(output.prediction, "attention", None)
    if maps is None:
        return None
    short = WORDS - maps.shape[1]
    return torch.nn.functional.pad(maps[:, :WORDS], (0, 0, 0, 0, 0, max(0, short)))


def _said(module: AlignedModule, output: Output, count: int) -> list[str]:
    written = output.prediction if isinstance(output.prediction, list) else getattr(output.prediction, "text", None)
    if written is not None:
        return list(written)
    if "class" in module.vocabularies:
        return module.vocabularies["class"].chosen(output.prediction)  # type: ignore[union-attr]
    if "answer" in module.vocabularies:
        return list(module.vocabularies["answer"].decode(output.prediction))
    return [""] * count


def _text(module: AlignedModule, batch: Batch, i: int) -> str:
    text = text_of(batch, i)
    classes = module.vocabularies.get("class")
    if not text and isinstance(classes, Labels):
        return classes.listed(batch["labels"][i : i + 1])[0]
    if not text and classes is not None:
        return classes.decode(batch["label"][i : i + 1])[0]
    return text


def _jpeg(image: Tensor, shape: float) -> bytes:
    """Return a small JPEG of an image in the shape (height over width) in which it was shown."""
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(pixels)
    side = min(SIDE, max(picture.size))
    size = max(1, round(side / max(1.0, shape))), max(1, round(side * min(1.0, shape)))
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()
