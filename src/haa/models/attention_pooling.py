"""Classifier that looks at one place: it averages features with the weights of an attention map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.models.backbone import Backbone
from haa.models.insert import inserted, on_grid


class AttentionPooling(nn.Module):
    r"""Classifier with a softmax attention over the cells of a backbone's features, in the place of average pooling.

    .. math:: a = \mathrm{softmax}(w^\top \tanh(V x_{ij})), \qquad \mathrm{logits} = W \sum_{ij} a_{ij} x_{ij}

    Ilse, Tomczak, Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018, section 2.4, with the cells of
    a grid as instances.

    Args:
        backbone: Backbone that gives the features, see `haa.models.backbone`.
        class_vocab: Number of classes.
        hidden: Width of the hidden layer V.
        dropout: Probability of dropout on the averaged features, in training.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> logits, attention = AttentionPooling(Tiny(channels=16), class_vocab=5)(torch.rand(2, 3, 64, 96))
        >>> logits.shape, attention.shape, torch.allclose(attention.sum((1, 2)), torch.ones(2))
        (torch.Size([2, 5]), torch.Size([2, 8, 12]), True)
    """

    def __init__(self, backbone: Backbone, class_vocab: int, hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.score = SpatialScore(backbone.channels, hidden)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(backbone.channels, class_vocab)

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"] | None,
        features: Float[Tensor, "b c i j"] | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b i j"]]:
        """Return the logits, and the attention from which they come (each map sums to 1).

        Args:
            image: RGB in [0, 1]; may be None when ``features`` are given.
            features: Features as the backbone returns them, if the caller has them already.
            attention: Inserted map to look by instead of the model's own attention, at any resolution; an all-zero map
                leaves a sample its own.
        """
        x = self.backbone(image) if features is None else features
        weights = self.score(x, attention)
        return self.classify(self.dropout(pool(x, weights))), weights


class SpatialScore(nn.Module):
    """Softmax over the cells of a grid, scored by a hidden layer of 1 x 1 convolution and tanh, and one of width 1.

    Args:
        channels: Channels of the features.
        hidden: Width of the hidden layer.

    Example:
        >>> SpatialScore(8)(torch.zeros(1, 8, 2, 2))
        tensor([[[0.2500, 0.2500],
                 [0.2500, 0.2500]]], grad_fn=<ViewBackward0>)
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.Tanh(), nn.Conv2d(hidden, 1, 1, bias=False))

    def forward(
        self, x: Float[Tensor, "b c i j"], given: Float[Tensor, "b p q"] | None = None
    ) -> Float[Tensor, "b i j"]:
        """Return weights that sum to 1 over the grid.

        Args:
            x: Features to score.
            given: Inserted map whose weights take their place, see `haa.models.insert.inserted`.
        """
        grid = (x.shape[2], x.shape[3])
        own_weights = self.layers(x).float().flatten(1).softmax(1)
        return inserted(own_weights, None if given is None else on_grid(given, grid)).unflatten(1, grid)


def pool(x: Float[Tensor, "b c i j"], attention: Float[Tensor, "b i j"]) -> Float[Tensor, "b c"]:
    """Return the features averaged over the grid with the weights of an attention map.

    Example:
        >>> pool(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[0.75, 0.25]]]))
        tensor([[1.5000]])
    """
    return torch.einsum("bcij,bij->bc", x, attention.to(x.dtype))
