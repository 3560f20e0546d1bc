"""Backbones from the Hugging Face hub."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from haa.errors import InputError
from haa.models.backbone.base import Backbone, check_stages
from haa.models.huggingface.classifier import Preparation
from haa.models.huggingface.loading import build, library, read_config


class HuggingFace(Backbone):
    """Vision model of transformers' by name or local folder: ViT, CLIP, SigLIP, DINOv2, DINOv3, Swin, ResNet and more.

    A CNN and a transformer with windows give their stages; a vision transformer its grid of patches, after each block,
    without class and register tokens; its last one as the model's last norm leaves it. Of a model of pictures and texts
    the vision part is taken.

    Args:
        name: Name of the hub's, or a folder with ``config.json`` and ``model.safetensors``.
        pretrained: Read the weights; else they are random.
        stages: Stages (transformers: blocks) to concatenate; negative ones count from the last, None takes all.
        stride: Image pixels per feature cell to which the stages are resized; None takes the finest of them.
        frozen: Fix the weights.

    Raises:
        InputError: If the model cannot be read, a stage is not there, or its features lie on no grid.

    Example:
        >>> import tempfile, transformers
        >>> small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     transformers.Dinov2Model(transformers.Dinov2Config(**small, patch_size=8)).save_pretrained(folder)
        ...     _ = transformers.BitImageProcessor().save_pretrained(folder)
        ...     backbone = HuggingFace(folder, stages=(0, 1))
        >>> backbone.channels, backbone(torch.rand(1, 3, 64, 96)).shape
        (64, torch.Size([1, 64, 8, 12]))

    T. Wolf et al., Transformers: State-of-the-Art Natural Language Processing, EMNLP 2020 (demonstrations).
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = True,
        stages: Sequence[int] | None = (-1,),
        stride: int | None = None,
        frozen: bool = False,
    ) -> None:
        config = read_config(name)
        preparation = Preparation(name, config)
        unchanged = ((0.0,) * 3, (1.0,) * 3)
        super().__init__(*((preparation.mean, preparation.std) if preparation.normalises else unchanged))
        check_stages(stages)
        self.name = name
        model: Any = build(name, library().AutoModel, config, pretrained, keeps=True)[0]
        body = getattr(model, "vision_model", None) or getattr(model, "vision_tower", None)
        self.body = model if body is None else body
        config = getattr(config, "vision_config", config)
        self._resizes = preparation.arguments(self.body)
        patch = getattr(config, "patch_size", None)
        self._patch: tuple[int, int] | None = (patch, patch) if isinstance(patch, int) else patch and tuple(patch)
        size = preparation.size or (224, 224)
        self._chosen: list[int] | None = None
        self.body.eval()  # a pass changes no statistics of batches
        with torch.no_grad():
            maps = self.stages_of(torch.zeros(1, 3, *size))
        self.body.train()
        count = len(maps)
        chosen = list(range(count)) if stages is None else list(stages)
        if not all(-count <= n < count for n in chosen):
            raise InputError(f"backbone.stages={chosen} is not in {name}: it has {count}, from 0 to {count - 1}")
        self._chosen = chosen
        picked = [maps[n] for n in chosen]
        strides = [math.ceil(size[0] / m.shape[2]) for m in picked]
        self.finish([m.shape[1] for m in picked], strides, stride, frozen, [n % count for n in chosen])
        self.trained = f"as {name} holds them" if pretrained else None

    def stages_of(self, image: Tensor) -> list[Tensor]:
        output = self.body(pixel_values=image, output_hidden_states=True, **self._resizes)
        states = getattr(output, "reshaped_hidden_states", None) or output.hidden_states
        states = list(states)[1:]  # the first is what the embedding gives
        # the state of the last block is that before the model's last norm
        last = output.last_hidden_state
        if last.ndim == 3 and states[-1].ndim == 4:
            last = last.mT.unflatten(2, states[-1].shape[2:])
        if last.shape == states[-1].shape:
            states[-1] = last
        picked = states if self._chosen is None else [states[n] for n in self._chosen]
        return [x if x.ndim == 4 else self._on_grid(x, image) for x in picked]

    def _on_grid(self, tokens: Tensor, image: Tensor) -> Tensor:
        if self._patch is None:
            raise InputError(f"backbone.name={self.name} gives tokens, and says no patch_size: take another")
        rows, columns = image.shape[2] // self._patch[0], image.shape[3] // self._patch[1]
        prefix = tokens.shape[1] - rows * columns
        if not 0 <= prefix <= 16:
            raise InputError(
                f"backbone {self.name} gives {tokens.shape[1]} tokens for {rows} x {columns} patches: give images of "
                "the size that it takes (loader.transform.size), or another backbone"
            )
        return tokens[:, prefix:].transpose(1, 2).unflatten(2, (rows, columns))
