"""Attention in each frame that depends on the frames before, and weights over time."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.models.additive_attention import AdditiveAttention
from haa.models.backbone import Backbone
from haa.models.insert import inserted, on_grid
from haa.models.position import grid_position


class RecurrentAttention(nn.Module):
    r"""Classifier of clips with spatial attention in every frame, a recurrent state, and attention over time.

    .. math:: a_t = \mathrm{att}(v_t, h_{t-1}),\quad h_t = \mathrm{GRU}(\textstyle\sum a_{t,ij} v_{t,ij},\, h_{t-1}),
              \quad \mathrm{logits} = W \textstyle\sum_t \beta_t h_t

    with ``v`` the frame's features and their positions on the grid, and beta a softmax over the states' scores. The
    state knows where it looked, so it sees motion as a change of place.

    S. Sharma, R. Kiros, R. Salakhutdinov, "Action Recognition using Visual Attention", 2015, arXiv:1511.04119; here
    with a GRU in place of their LSTM, and with weights over time.

    Args:
        backbone: Backbone that reads the frames, see `haa.models.backbone`.
        class_vocab: Number of classes.
        hidden: Width of state and attention, a multiple of four.
        dropout: Probability of dropout on the summed states, in training.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> logits, attention = RecurrentAttention(Tiny(channels=16), class_vocab=5)(torch.rand(2, 4, 3, 64, 64))
        >>> logits.shape, attention.shape
        (torch.Size([2, 5]), torch.Size([2, 4, 8, 8]))
    """

    def __init__(self, backbone: Backbone, class_vocab: int, hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone, self.hidden = backbone, hidden
        self.values = nn.Conv2d(backbone.channels, hidden, 1)
        self.look = AdditiveAttention(hidden, hidden, hidden)
        self.remember = nn.GRUCell(hidden, hidden)
        self.moment = nn.Linear(hidden, 1)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(hidden, class_vocab)

    def forward(
        self, clip: Float[Tensor, "b t 3 h w"], attention: Float[Tensor, "b t p q"] | None = None
    ) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b t i j"]]:
        """Return the logits, and the attention in each frame (each map sums to 1).

        Args:
            clip: Frames, RGB in [0, 1].
            attention: Inserted map to look by instead of the model's own attention, at any resolution; an all-zero map
                leaves a frame its own.
        """
        b, t = clip.shape[:2]
        grid = self.values(self.backbone(clip.flatten(0, 1)))
        height, width = grid.shape[2:]
        position = grid_position(height, width, self.hidden, like=grid)
        values = (grid.flatten(2).transpose(1, 2) + position).unflatten(0, (b, t))
        projected = self.look.values(values)
        state, states, maps = values.new_zeros(b, self.hidden), [], []
        for step in range(t):
            inserted_map = None if attention is None else on_grid(attention[:, step], (height, width))
            weights = inserted(self.look.look(projected[:, step], state), inserted_map)
            state = self.remember(torch.einsum("bn,bnc->bc", weights, values[:, step]), state)
            states.append(state)
            maps.append(weights)
        all_states = torch.stack(states, 1)
        time_weights = self.moment(all_states).softmax(1)
        logits = self.classify(self.dropout((time_weights * all_states).sum(1)))
        return logits, torch.stack(maps, 1).unflatten(2, (height, width))
