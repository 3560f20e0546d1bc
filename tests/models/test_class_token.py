"""The class token's map against softmax(q k) by hand, and gradients into the transformer."""

from __future__ import annotations

import pytest
import torch

from haa.alignment import Alignment
from haa.errors import InputError
from haa.models.backbone import Timm, Tiny
from haa.models.class_token import ClassToken

IMAGE = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ClassToken(Timm("test_vit"), class_vocab=5).eval()


def test_the_map_is_the_class_tokens_softmax(model):
    attention = model.backbone.body.model.blocks[-1].attn
    seen = []
    hook = attention.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    _, got = model(IMAGE)
    hook.remove()
    x, heads = seen[0], attention.num_heads
    q, k, _ = attention.qkv(x).view(2, x.shape[1], 3, heads, -1).permute(2, 0, 3, 1, 4)
    q, k = attention.q_norm(q), attention.k_norm(k)
    weights = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)[:, :, 0].mean(1)
    patches = weights[:, -24:].view(2, 4, 6)
    torch.testing.assert_close(got, patches)


def test_alignment_changes_what_is_classified(model):
    logits, attention = model(IMAGE)
    batch = {"image": IMAGE, "fixations": torch.tensor([[[5.0, 5.0]], [[60.0, 30.0]]])}
    Alignment()(attention, batch).backward()
    qkv = model.backbone.body.model.blocks[-1].attn.qkv
    assert qkv.weight.grad.abs().sum() > 0
    with torch.no_grad():
        qkv.weight -= 10 * qkv.weight.grad
    assert not torch.allclose(model(IMAGE)[0], logits)


@pytest.mark.parametrize("backbone", [Tiny(), Timm("resnet18")])
def test_what_has_no_class_token_is_refused(backbone):
    with pytest.raises(InputError, match="no class token"):
        ClassToken(backbone, class_vocab=3)
