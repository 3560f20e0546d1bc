"""Vision transformer whose map, to read and to align, is the attention of its class token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from haa.attention import SelfAttention
from haa.errors import InputError
from haa.models.backbone import Backbone


class ClassToken(nn.Module):
    """Classifier by the class token of a timm transformer; the self-attention of the token is the map.

    The map is the mean over heads of the class token's attention to the patches, in the layers that are read. The token
    is made from what this attention weighs, so alignment of the map changes what is classified.
    `haa.attention.SelfAttention` recomputes the map beside the fused kernel, with its gradient.

    Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, section 3.1.

    Args:
        backbone: A `haa.models.backbone.Timm` with the name of a transformer that has a class token.
        class_vocab: Number of classes.
        layers: Names or patterns of the attention layers to read, ``blocks.*.attn`` for all; None is the last.
        dropout: Probability of dropout on the class token, in training.

    Raises:
        InputError: If the backbone is no transformer with a class token.

    Example:
        >>> import torch
        >>> from haa.models.backbone import Timm
        >>> logits, attention = ClassToken(Timm("test_vit"), class_vocab=5)(torch.rand(2, 3, 64, 96))
        >>> logits.shape, attention.shape
        (torch.Size([2, 5]), torch.Size([2, 4, 6]))
    """

    def __init__(
        self, backbone: Backbone, class_vocab: int, layers: str | Sequence[str] | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        transformer: Any = getattr(getattr(backbone, "body", None), "model", None)
        if getattr(transformer, "cls_token", None) is None:
            backbone_name = getattr(backbone, "name", type(backbone).__name__)
            cure = "give backbone=vit_tiny, or model=attention_pooling"
            raise InputError(f"model=class_token: the backbone {backbone_name} has no class token: {cure}")
        self.norm = nn.LayerNorm(backbone.channels)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(backbone.channels, class_vocab)
        self.source = SelfAttention(layers)
        self.source.attach(transformer)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b i j"]]:
        """Return the logits, and the class token's attention to the patches; its share for itself is left out."""
        body: Any = self.backbone.body
        transformer = body.model
        tokens = transformer.forward_features((image - self.backbone.mean) / self.backbone.std)
        logits = self.classify(self.dropout(self.norm(tokens[:, 0])))
        return logits, self.source.read()
