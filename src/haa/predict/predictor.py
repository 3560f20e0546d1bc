"""Maps for pictures from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from haa import build, checkpoint
from haa.batch import image_size
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.gaze import Size
from haa.geometry.extent import over_picture


class Predictor:
    """Model of a checkpoint: where it looks at pictures and, of a saliency model, where it predicts people to look.

    Args:
        path: A checkpoint that `haa train` wrote; pictures are brought to the size at which it was trained.
        question: Question asked of every picture, which a VQA model cannot do without.
        device: Device to run on; None takes an accelerator where there is one.
        trust: Further packages whose targets the checkpoint's config may call.

    Raises:
        InputError: If the checkpoint cannot be read, or its model cannot look at a picture alone.
    """

    def __init__(
        self, path: str | Path, question: str | None = None, device: str | None = None, trust: Sequence[str] = ()
    ) -> None:
        # weights are drawn before they are read: a training run does not notice
        with torch.random.fork_rng(devices=[]):
            self.module, cfg = checkpoint.load(path, trust)
        if self.module.oracle:
            raise InputError(
                f"checkpoint={path} is an oracle, which is told where people look and has no map of its own"
            )
        if self.module.asks and not question:
            raise InputError(
                f"checkpoint={path} answers questions and looks where the question is about: give question='what ...?'"
            )
        self.module.to(build.device(device))
        self.transform: Transform = build.make(cfg.loader.transform)
        self.question = question
        self.predicts_gaze = self.module.predicts_gaze
        self.task: str = cfg.task.name

    def __call__(self, images: Sequence[UInt8[Tensor, "3 _ _"]]) -> list[dict[str, Tensor]]:
        """Return the maps of some pictures, each on the model's own grid.

        Returns:
            For each picture ``attention`` (i, j), where the model has one, and ``saliency`` (p, q), a log-density in
            nats, where it is a saliency model.
        """
        small = [self.transform({"image": image})["image"] for image in images]
        maps_of_images: list[dict[str, Tensor]] = [{} for _ in images]
        for shape in dict.fromkeys(tuple(image.shape) for image in small):
            rows = [row for row, image in enumerate(small) if tuple(image.shape) == shape]
            for row, maps in zip(rows, self._look(torch.stack([small[row] for row in rows])), strict=True):
                maps_of_images[row] = maps
        return maps_of_images

    @torch.inference_mode()
    def _look(self, images: Tensor) -> list[dict[str, Tensor]]:
        count = len(images)
        batch: Any = {"image": images, "id": [str(i) for i in range(count)]}
        if self.module.asks:
            batch["question"] = [self.question] * count
        _, output = self.module.probe(batch)
        maps: list[dict[str, Tensor]] = [{} for _ in range(count)]
        attention = output.attention
        if attention is not None:
            attention = over_picture(attention, image_size(batch), output.extent)
        for row, into in enumerate(maps):
            if self.predicts_gaze:
                into["saliency"] = output.prediction[row].float().cpu()
            if attention is not None:
                into["attention"] = attention[row].float().cpu()
        if not any(maps):
            raise InputError(f"the model of this {self.task} checkpoint has neither a saliency map nor attention")
        return maps


def at_size(kind: str, values: Float[Tensor, "p q"], size: Size) -> Float[Tensor, "h w"]:
    """Return a map of `Predictor` as a density at another size.

    A log-density is resized as such, as in `haa.metrics.scoring`.

    Example:
        >>> at_size("saliency", torch.tensor([[0.25, 0.75]]).log(), (1, 2))
        tensor([[0.2500, 0.7500]])
        >>> at_size("attention", torch.tensor([[2.0, 6.0]]), (1, 2))
        tensor([[0.2500, 0.7500]])
    """
    resized = interpolate(values[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    if kind == "saliency":
        return resized.flatten().softmax(0).view(size)
    return resized / resized.sum().clamp_min(torch.finfo(resized.dtype).tiny)
