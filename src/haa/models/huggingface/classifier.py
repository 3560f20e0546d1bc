"""Image classifiers of the Hugging Face hub's, whose self-attention is the map."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from haa.attention import SelfAttention
from haa.attention.layers import attention_layers
from haa.errors import InputError
from haa.models.huggingface.adapted import Adapted, Lora
from haa.models.huggingface.loading import build, library, read_config, read_processor


class Classifier(Adapted):
    """Image classifier of transformers', with a head of its own for the data's classes.

    The map is the self-attention of a vision transformer: of its class token, or the patches' mean where it has none.
    It is computed again from queries and keys, beside the fused kernel (`haa.attention.SelfAttention`). Models without
    attention, such as ResNet and ConvNeXt, and those with attention within windows, have no map of their own: give
    ``attention=gradcam``, or take them as ``backbone=huggingface``.

    Images are normalised as the model's image processor says, and resized to the size that the model takes, without a
    crop, where it takes only one.

    Args:
        name: Name of the hub's, or a folder with ``config.json`` and ``model.safetensors``.
        class_vocab: Number of classes.
        pretrained: Read the weights; else they are random.
        frozen: Fix all but the head.
        lora: Adapters; the rest, but the head, is fixed.
        layers: Names or patterns of the attention layers to read; None is the last.
        gradient_checkpointing: Compute activations again in the backward pass, for less memory.

    Raises:
        InputError: If the model cannot be read, or classifies no images.

    Example:
        >>> import tempfile, transformers
        >>> small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     transformers.ViTModel(transformers.ViTConfig(**small, patch_size=8)).save_pretrained(folder)
        ...     _ = transformers.ViTImageProcessor().save_pretrained(folder)
        ...     logits, attention = Classifier(folder, class_vocab=5)(torch.rand(2, 3, 32, 32))
        >>> logits.shape, attention.shape
        (torch.Size([2, 5]), torch.Size([2, 4, 4]))
    """

    def __init__(
        self,
        name: str,
        class_vocab: int,
        pretrained: bool = True,
        frozen: bool = False,
        lora: Lora | None = None,
        layers: str | Sequence[str] | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        config, lora = read_config(name), lora or Lora()
        kinds = library().AutoModelForImageClassification
        if type(config) not in kinds._model_mapping:
            raise InputError(f"model.name={name} is a {config.model_type}, which classifies no images: give another")
        config.num_labels = class_vocab
        self.body, new = build(name, kinds, config, pretrained, not (frozen or lora.rank), ignore_mismatched_sizes=True)
        self.trained = f"as {name} holds them" if pretrained else None
        self.choose(new, pretrained, frozen, lora)
        self.preparation = Preparation(name, config)
        if gradient_checkpointing:
            self.checkpoint_activations()
        self.source = own_source(self.body, layers)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b i j"] | None]:
        """Return the logits, and where the model looked; None where it has no attention.

        Args:
            image: RGB in [0, 1].
        """
        logits = self.body(**self.preparation(image, self.body)).logits
        return logits, self.own_map(lambda: self.source.read())


class Preparation:
    """What is done to an image before a vision model of the hub's takes it: its mean and deviation, its size.

    Args:
        name: Where its image processor is read.
        config: The model's configuration, or that of its vision part.
    """

    def __init__(self, name: str, config: Any) -> None:
        processor = read_processor(name, "AutoImageProcessor")
        self.mean, self.std = tuple(processor.image_mean), tuple(processor.image_std)
        self.normalises = bool(processor.do_normalize)
        size = getattr(getattr(config, "vision_config", config), "image_size", None)
        self.size: tuple[int, int] | None = (size, size) if isinstance(size, int) else tuple(size) if size else None

    def __call__(self, image: Float[Tensor, "b 3 h w"], model: Any) -> dict[str, Any]:
        """Return the arguments by which the model is called on images in [0, 1]."""
        extra = self.arguments(model)
        if not extra and self.size is not None and tuple(image.shape[2:]) != self.size and _has_positions(model):
            image = torch.nn.functional.interpolate(image, self.size, mode="bilinear", antialias=True)
        if self.normalises:
            mean, std = (image.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
            image = (image - mean) / std
        return {"pixel_values": image, **extra}

    @staticmethod
    def arguments(model: Any) -> dict[str, bool]:
        """Return the arguments that let a model take images of any size."""
        takes = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
        return {"interpolate_pos_encoding": True} if takes else {}


def own_source(model: Any, layers: str | Sequence[str] | None = None) -> SelfAttention | None:
    """Return a source that watches a vision model's own attention; None where no layer is called so."""
    try:
        if layers is None:
            attention_layers(model)
    except InputError:
        return None
    source = SelfAttention(layers, query="class" if _has_class_token(model) else "mean")
    source.attach(model)
    return source


def _has_class_token(model: Any) -> bool:
    return any(name.rpartition(".")[2] in ("cls_token", "class_embedding") for name, _ in model.named_parameters())


def _has_positions(model: Any) -> bool:
    return any("position_embedding" in name for name, _ in model.named_parameters())
