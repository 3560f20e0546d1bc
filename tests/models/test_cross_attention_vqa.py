"""The cross-attention transformer, compared with the same layers built from PyTorch's own decoder layer."""

import torch
from torch import nn

from haa.models.backbone import Tiny
from haa.models.cross_attention_vqa import CrossAttentionLayer, CrossAttentionVQA


def model(**arguments) -> CrossAttentionVQA:
    torch.manual_seed(0)
    return CrossAttentionVQA(
        Tiny(channels=16), question_vocab=20, answer_vocab=5, hidden=16, heads=2, **arguments
    ).eval()


def pytorch_twin(ours: CrossAttentionLayer, channels: int, heads: int) -> nn.TransformerDecoderLayer:
    theirs = nn.TransformerDecoderLayer(
        channels, heads, 4 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    state = {}
    for name, attention in (("self_attn", ours.self_attention), ("multihead_attn", ours.cross_attention)):
        layers = (attention.query, attention.key, attention.value)
        state[f"{name}.in_proj_weight"] = torch.cat([layer.weight for layer in layers])
        state[f"{name}.in_proj_bias"] = torch.cat([layer.bias for layer in layers])
        state[f"{name}.out_proj.weight"], state[f"{name}.out_proj.bias"] = attention.out.weight, attention.out.bias
    for i, layer in enumerate((ours.network[0], ours.network[2]), start=1):
        state[f"linear{i}.weight"], state[f"linear{i}.bias"] = layer.weight, layer.bias
    for i, norm in enumerate(ours.norms, start=1):
        state[f"norm{i}.weight"], state[f"norm{i}.bias"] = norm.weight, norm.bias
    theirs.load_state_dict(state)
    return theirs


def test_a_layer_equals_pytorchs_decoder_layer():
    torch.manual_seed(0)
    ours = CrossAttentionLayer(16, 2)
    tokens, memory = torch.randn(3, 4, 16), torch.randn(3, 6, 16)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).bool()
    given, _ = ours(tokens, memory, mask[:, None], torch.zeros(6, 16))
    expected = pytorch_twin(ours, 16, 2)(tokens, ours.memory_norm(memory), tgt_key_padding_mask=~mask)
    torch.testing.assert_close(given[mask], expected[mask])


def test_padding_changes_nothing():
    ours = model()
    image, question = torch.rand(2, 3, 16, 40), torch.tensor([[4, 5], [6, 7]])
    padded = torch.cat([question, torch.zeros(2, 3, dtype=torch.long)], 1)
    torch.testing.assert_close(ours(image, padded, padded != 0), ours(image, question, question != 0))


def test_words_know_their_order_and_cells_their_place():
    ours = model()
    features = torch.ones(1, 16, 3, 5)
    one, other = torch.tensor([[4, 5]]), torch.tensor([[5, 4]])
    answers, attention = ours(None, one, one != 0, features=features)
    swapped, _ = ours(None, other, other != 0, features=features)
    assert not torch.allclose(answers, swapped)
    assert attention.shape == (1, 3, 5)
    assert attention.std() > 0


def test_the_map_sums_to_one_and_is_differentiable():
    ours = model()
    question = torch.tensor([[4, 5], [6, 0]])
    _, attention = ours(torch.rand(2, 3, 16, 24), question, question != 0)
    torch.testing.assert_close(attention.sum((1, 2)), torch.ones(2))
    attention[0, 0, 0].backward()
    assert ours.backbone.body[0].weight.grad.abs().sum() > 0


def test_cached_features_replace_the_image():
    ours = model()
    image, question = torch.rand(2, 3, 16, 16), torch.tensor([[4, 5], [6, 7]])
    expected = ours(image, question, question != 0)
    torch.testing.assert_close(ours(None, question, question != 0, features=ours.backbone(image)), expected)
