"""A decoder of words that look at an image, for tests of cross attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Cross(nn.Module):
    """Three words that look at the patches of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, 8)
        self.decoder = nn.TransformerDecoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
        self.words, self.head = nn.Parameter(torch.randn(3, 16)), nn.Linear(16, 4)

    def forward(self, image: Tensor) -> Tensor:
        cells = self.patch(image).flatten(2).transpose(1, 2)
        return self.head(self.decoder(self.words.expand(len(image), -1, -1), cells)).mean(1)
