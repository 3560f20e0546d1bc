"""Attention from words to the image, in encoder-decoders and multimodal transformers."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from haa.attention.captured import AttentionWeights
from haa.attention.layers import CROSS_ATTENTION, find_layers
from haa.errors import InputError


class CrossAttention(AttentionWeights):
    r"""Attention from the words to the image: the mean over layers and heads, per word or over the words.

    With teacher forcing, one forward pass has all words. A captioner that writes word by word makes one pass per word:
    read it within ``with source.recording():``, without beams. With a cache, each pass has the new word only.

    Args:
        layers: Names or patterns of the attentions to the image; None takes all that are called cross-attention.
        heads: Numbers of the heads to read; None takes all.
        grid: Grid of the image's patches, see `haa.attention.grid.Grid`.
        prefix: Number of tokens before the patches, see `haa.attention.grid.Grid`.

    Raises:
        InputError: If a layer is not there (from `attach`), or there is nothing to read (from `read`).

    Example:
        >>> model = nn.TransformerDecoderLayer(8, 2, batch_first=True)
        >>> source = CrossAttention("multihead_attn", grid=(4, 5), prefix=0)
        >>> source.attach(model)
        >>> hidden = model(torch.rand(1, 3, 8), torch.rand(1, 20, 8))  # three words, twenty cells
        >>> source.read_words().shape, source.read().shape
        (torch.Size([1, 3, 4, 5]), torch.Size([1, 4, 5]))

    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.3.
    """

    def default_layers(self, model: nn.Module) -> dict[str, nn.Module]:
        layers: dict[str, nn.Module] = {}
        for pattern in CROSS_ATTENTION:
            try:
                layers |= find_layers(model, pattern)
            except InputError as error:
                if pattern == CROSS_ATTENTION[-1] and not layers:
                    raise InputError(f"no layer is called cross-attention: {error}") from error
        # a norm or a dropout beside an attention may be called by its name
        return {name: layer for name, layer in layers.items() if any(True for _ in layer.children())} or layers

    def read_words(self) -> Float[Tensor, "b t i j"]:
        """Return the map of each word (query), in order, of the last forward pass or of all that were recorded."""
        maps = []
        for layer in list(self._modules) or ["cross-attention"]:
            weights = torch.cat([self.weights(layer, call) for call in self.calls(layer)], 1)
            maps.append(self.grid.tokens(weights, layer))
        return torch.stack(maps).mean(0)

    def read(self, words: Bool[Tensor, "b t"] | None = None) -> Float[Tensor, "b i j"]:
        """Return the mean map over the words, or over those that count.

        Args:
            words: True for each word that counts; padding does not. None takes all.

        Raises:
            InputError: If ``words`` has another shape than the maps that were read.
        """
        maps = self.read_words()
        if words is None:
            return maps.mean(1)
        if words.shape != maps.shape[:2]:
            raise InputError(f"words has shape {tuple(words.shape)}, but {tuple(maps.shape[:2])} maps were read")
        share = words.to(maps) / words.sum(1, keepdim=True).clamp_min(1)
        return torch.einsum("bt,btij->bij", share, maps)
