"""Classifier of two streams, appearance and motion, whose probabilities are averaged."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from haa.errors import InputError
from haa.models.attention_pooling import SpatialScore, pool
from haa.models.backbone import Backbone, Tiny


class TwoStream(nn.Module):
    r"""Classifier of clips with a spatial stream of frames and a temporal stream of stacked frame differences.

    One spatial attention ``a_t`` sees the features of both streams and pools both, frame by frame. Each stream has its
    own classifier, whose scores are averaged over frames. Late fusion averages the two streams' probabilities:

    .. math:: p = \tfrac12 \big(\mathrm{softmax}(\overline{W_s \textstyle\sum a_t x_t})
              + \mathrm{softmax}(\overline{W_m \textstyle\sum a_t m_t})\big)

    K. Simonyan, A. Zisserman, "Two-Stream Convolutional Networks for Action Recognition in Videos", NIPS 2014: streams,
    stacking and late fusion by averaging. They stack optical flow; Wang et al., "Temporal Segment Networks", ECCV 2016,
    section 3.2, offer differences of neighbouring frames in its place. Attention is an addition.

    Args:
        backbone: Backbone of the spatial stream, see `haa.models.backbone`.
        class_vocab: Number of classes.
        motion: Backbone of the temporal stream, with ``inputs`` equal to ``stack``; None is a narrow `Tiny` of 16
            channels, as coarse as ``backbone``.
        stack: Number of differences around each frame that the temporal stream sees; at the ends the outermost repeat.
        hidden: Width of the attention's hidden layer.
        dropout: Probability of dropout on the pooled features, in training.

    Raises:
        InputError: If ``stack`` is not positive or not the number of channels that ``motion`` takes, or if a clip has a
            single frame.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> logits, attention = TwoStream(Tiny(channels=16), class_vocab=5)(torch.rand(2, 4, 3, 64, 64))
        >>> logits.shape, attention.shape
        (torch.Size([2, 5]), torch.Size([2, 4, 8, 8]))
        >>> logits.exp().sum(1).detach().round(decimals=3)
        tensor([1., 1.])
    """

    def __init__(
        self,
        backbone: Backbone,
        class_vocab: int,
        motion: Backbone | None = None,
        stack: int = 4,
        hidden: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if stack < 1:
            raise InputError(f"model.stack={stack}: give a positive number of frame differences")
        self.backbone, self.stack = backbone, stack
        motion_stride = 2 ** max(1, round(math.log2(backbone.stride)))
        self.motion = Tiny(16, motion_stride, inputs=stack) if motion is None else motion
        inputs = self.motion.mean.shape[1]
        if inputs != stack:
            raise InputError(f"model.motion takes {inputs} channels, model.stack={stack} gives others: make them equal")
        self.score = SpatialScore(backbone.channels + self.motion.channels, hidden)
        self.dropout = nn.Dropout(dropout)
        self.seen = nn.Linear(backbone.channels, class_vocab)
        self.moved = nn.Linear(self.motion.channels, class_vocab)

    def forward(
        self, clip: Float[Tensor, "b t 3 h w"], attention: Float[Tensor, "b t p q"] | None = None
    ) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b t i j"]]:
        """Return log-probabilities, and the attention in each frame (each map sums to 1).

        Args:
            clip: Frames, RGB in [0, 1].
            attention: Inserted map to look by instead of the model's own attention, at any resolution; an all-zero map
                leaves a frame its own.
        """
        b, t = clip.shape[:2]
        appearance = self.backbone(clip.flatten(0, 1))
        motion = self.motion(stacked_differences(clip, self.stack).flatten(0, 1))
        if motion.shape[2:] != appearance.shape[2:]:
            motion = F.interpolate(motion, appearance.shape[2:], mode="bilinear", align_corners=False)
        inserted_map = None if attention is None else attention.flatten(0, 1)
        weights = self.score(torch.cat([appearance, motion], 1), inserted_map)
        streams = []
        for x, classify in ((appearance, self.seen), (motion, self.moved)):
            scores = classify(self.dropout(pool(x, weights))).view(b, t, -1).mean(1)
            streams.append(scores.float().log_softmax(1))
        return torch.stack(streams).logsumexp(0) - math.log(2), weights.view(b, t, *weights.shape[1:])


def stacked_differences(clip: Float[Tensor, "b t 3 h w"], stack: int) -> Float[Tensor, "b t k h w"]:
    """Return the ``stack`` differences of neighbouring grey frames around every frame, as images: 0.5 is no change.

    Difference k is that of frames k and k + 1. Frame f sees the differences ``f - stack // 2`` to
    ``f - stack // 2 + stack - 1``; beyond the clip's ends the outermost repeat.

    Raises:
        InputError: If there is a single frame.

    Example:
        >>> clip = torch.tensor([0.0, 0.2, 0.6]).view(1, 3, 1, 1, 1).expand(1, 3, 3, 1, 1)
        >>> stacked_differences(clip, 2).flatten(2)  # differences 0.2 and 0.4
        tensor([[[0.6000, 0.6000],
                 [0.6000, 0.7000],
                 [0.7000, 0.7000]]])
    """
    t = clip.shape[1]
    if t < 2:
        raise InputError("a clip of one frame has no motion: give clips of two or more frames")
    differences = clip.mean(2).diff(dim=1)
    first = torch.arange(t, device=clip.device)[:, None] - stack // 2
    indices = (first + torch.arange(stack, device=clip.device)).clamp(0, t - 2)
    return 0.5 + 0.5 * differences[:, indices]
