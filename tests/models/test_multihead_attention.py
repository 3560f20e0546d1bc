"""Multi-head attention whose softmax can be seen, compared with PyTorch's own."""

import pytest
import torch
from torch import nn

from haa.models.multihead_attention import MultiheadAttention


def twin(ours: MultiheadAttention, channels: int, heads: int) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(channels, heads, batch_first=True)
    layers = (ours.query, ours.key, ours.value)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([layer.weight for layer in layers]),
            "in_proj_bias": torch.cat([layer.bias for layer in layers]),
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    return theirs


@pytest.mark.parametrize("heads", [1, 4])
def test_values_equal_pytorch(heads):
    torch.manual_seed(0)
    ours = MultiheadAttention(16, heads)
    queries, memory = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    mask = torch.rand(3, 5, 7) > 0.4
    mask[..., 0] = True
    theirs = twin(ours, 16, heads)
    for ours_mask, theirs_mask in ((None, None), (mask, ~mask.repeat_interleave(heads, 0))):
        seen, weights = ours(queries, memory, ours_mask)
        expected, expected_weights = theirs(queries, memory, memory, attn_mask=theirs_mask, average_attn_weights=False)
        torch.testing.assert_close(seen, expected)
        torch.testing.assert_close(weights, expected_weights)


def test_position_moves_the_weights_and_not_the_values():
    torch.manual_seed(0)
    ours = MultiheadAttention(16, 2)
    queries, memory, position = torch.randn(1, 2, 16), torch.randn(1, 6, 16), torch.randn(6, 16)
    seen, weights = ours(queries, memory, position=position)
    expected, expected_weights = twin(ours, 16, 2)(queries, memory + position, memory, average_attn_weights=False)
    torch.testing.assert_close(seen, expected)
    torch.testing.assert_close(weights, expected_weights)
