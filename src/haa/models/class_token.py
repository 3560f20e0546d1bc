"""A vision transformer that is read, and aligned, where its class token looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from haa.attention import SelfAttention
from haa.errors import InputError
from haa.models.backbone import Backbone


class ClassToken(nn.Module):
    """Classification by the class token of a timm transformer; its self-attention is the map.

    The map is the mean over heads of the class token's attention to the patches, in the layers that are read: it is
    what the token is made from, so aligning it changes what is classified. See `haa.attention.SelfAttention`, which
    recomputes it beside the fused kernel, with its gradient.

    Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, section 3.1.

    Args:
        backbone: `haa.models.backbone.Timm` with the name of a transformer that has a class token.
        class_vocab: how many classes there are.
        layers: names or patterns of the attention layers to read, ``blocks.*.attn`` for all; None is the last.
        dropout: in training, on the class token.

    Raises:
        InputError: if the backbone is no transformer with a class token.

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
            named = getattr(backbone, "name", type(backbone).__name__)
            cure = "give backbone=vit_tiny, or model=attention_pooling"
            raise InputError(f"model=class_token: the backbone {named} has no class token: {cure}")
        self.norm = nn.LayerNorm(backbone.channels)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(backbone.channels, class_vocab)
        self.source = SelfAttention(layers)
        self.source.attach(transformer)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b i j"]]:
        """Logits, and where the class token looked (what it keeps for itself is missing from the map)."""
        body: Any = self.backbone.body
        transformer = body.model
        tokens = transformer.forward_features((image - self.backbone.mean) / self.backbone.std)
        logits = self.classify(self.dropout(self.norm(tokens[:, 0])))
        return logits, self.source.read()
