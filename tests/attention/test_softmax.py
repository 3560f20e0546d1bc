from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from haa.attention.softmax import AttentionMode, attention_weights

ROWS = torch.tensor([[0, 4, 2], [5, 1, 1]])


def by_torch(query: Tensor, key: Tensor, **arguments: object) -> Tensor:
    """The weights: what attention makes of values that are each a direction of its own."""
    values = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:2], -1, -1)
    return F.scaled_dot_product_attention(query, key, values, **arguments)


@pytest.mark.parametrize("heads", [4, 2, 1])
@pytest.mark.parametrize("mask", ["none", "causal", "of all", "of samples", "of heads", "added", "of keys"])
def test_rows_of_each_sample(heads: int, mask: str) -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 4, 6, 8, dtype=torch.float64), torch.randn(2, heads, 6, 8, dtype=torch.float64)
    allowed = torch.rand(2, 4, 6, 6) > 0.4
    allowed[..., 0] = True
    masks = {
        **{"none": None, "causal": None, "of all": allowed[0, 0], "of samples": allowed[:, :1]},
        **{"of heads": allowed[:1], "added": torch.randn(2, 1, 6, 6).double(), "of keys": allowed[:, :1, :1]},
    }
    arguments = {"attn_mask": masks[mask], "is_causal": mask == "causal", "scale": 0.3, "enable_gqa": True}
    expected = by_torch(query, key, **arguments)
    for rows, part in ((slice(None), expected), (slice(2, 4), expected[:, :, 2:4])):
        torch.testing.assert_close(attention_weights(query, key, masks[mask], mask == "causal", 0.3, rows), part)
    of_samples = torch.stack([expected[0][:, ROWS[0]], expected[1][:, ROWS[1]]])
    torch.testing.assert_close(attention_weights(query, key, masks[mask], mask == "causal", 0.3, ROWS), of_samples)


@pytest.mark.parametrize("folded", [False, True])
def test_rows_of_a_softmax_that_was_computed(folded: bool) -> None:
    torch.manual_seed(0)
    scores, values = torch.randn(2, 3, 6, 6), torch.randn(2, 3, 6, 4)
    with AttentionMode() as mode:
        weights = scores.softmax(-1)
        torch.bmm(weights.flatten(0, 1), values.flatten(0, 1)) if folded else weights @ values
    with AttentionMode() as mode:
        given = scores.flatten(0, 1) if folded else scores
        given.softmax(-1) @ (values.flatten(0, 1) if folded else values)
    (call,) = mode.calls
    assert (call.folded, call.queries) == (folded, 6)
    expected = torch.stack([weights[0][:, ROWS[0]], weights[1][:, ROWS[1]]])
    torch.testing.assert_close(call.weights(ROWS).reshape(expected.shape), expected)
