"""Maps for pictures from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from haa import build, checkpoint, exported
from haa.batch import in_unit_range
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.gaze import Size
from haa.geometry.extent import Extent, over_picture
from haa.predict import graph
from haa.predict.graph import OnnxModel
from haa.tasks.aligned_module import AlignedModule


class Predictor:
    """Model of a checkpoint: where it looks at pictures and, of a saliency model, where it predicts people to look.

    Args:
        path: A checkpoint that `haa train` wrote, or the folder of an export; pictures are brought to the size at which
            it was trained.
        question: Question asked of every picture, which a VQA model cannot do without.
        device: Device to run on; None takes an accelerator where there is one.
        trust: Further packages whose targets the checkpoint's config may call.

    Raises:
        InputError: If the checkpoint cannot be read, or its model cannot look at a picture alone.
    """

    def __init__(
        self, path: str | Path, question: str | None = None, device: str | None = None, trust: Sequence[str] = ()
    ) -> None:
        self.question = question
        self.transform: Transform
        self.predicts_gaze: bool
        self.task: str
        self.model: AlignedModule | OnnxModel
        export = exported.read(path) if exported.is_export(path) else None
        if export is not None and export.format == "onnx":
            self.model = graph.load(export, question, device, trust)
            self.transform, self.predicts_gaze, self.task = (
                self.model.transform,
                self.model.predicts_gaze,
                self.model.task,
            )
            return
        # weights are drawn before they are read: a training run does not notice
        with torch.random.fork_rng(devices=[]):
            module, cfg = checkpoint.load(path, trust)
        if module.oracle:
            raise InputError(
                f"checkpoint={path} is an oracle, which is told where people look and has no map of its own"
            )
        if module.asks and not question:
            raise InputError(
                f"checkpoint={path} answers questions and looks where the question is about: give question='what ...?'"
            )
        self.model = module.to(build.device(device))
        self.transform, self.predicts_gaze = build.make(cfg.loader.transform), module.predicts_gaze
        self.task = cfg.task.name

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
        prediction, attention, extent = self._run(images)
        maps: list[dict[str, Tensor]] = [{} for _ in range(count)]
        if attention is not None:
            attention = over_picture(attention, (images.shape[-2], images.shape[-1]), extent)
        for row, into in enumerate(maps):
            if self.predicts_gaze:
                into["saliency"] = prediction[row].float().cpu()
            if attention is not None:
                into["attention"] = attention[row].float().cpu()
        if not any(maps):
            raise InputError(f"the model of this {self.task} checkpoint has neither a saliency map nor attention")
        return maps

    def _run(self, images: UInt8[Tensor, "b 3 h w"]) -> tuple[Any, Tensor | None, Extent]:
        """Return the prediction, the attention, and where its cells lie."""
        batch: Any = {"image": images, "id": [str(i) for i in range(len(images))]}
        if isinstance(self.model, OnnxModel):
            return *self.model(in_unit_range(batch)["image"]), self.model.extent
        if self.model.asks:
            batch["question"] = [self.question] * len(images)
        _, output = self.model.probe(batch)
        return output.prediction, output.attention, output.extent


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
