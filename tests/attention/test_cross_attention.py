from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from haa.attention import CrossAttention
from haa.errors import InputError


class Captioner(nn.Module):
    """Six cells of an image, words that look at them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.words = nn.Embedding(10, 8)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, dropout=0.0, batch_first=True), 2)

    def forward(self, image: Tensor, words: Tensor) -> Tensor:
        return self.decoder(self.words(words), self.patches(image).flatten(2).mT)


def captioner() -> tuple[Captioner, Tensor, Tensor]:
    torch.manual_seed(0)
    return Captioner().eval(), torch.rand(2, 3, 8, 12), torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])


def expected(model: Captioner, image: Tensor, words: Tensor) -> Tensor:
    """By torch's own weights, from what each cross-attention is called with."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        kept.append(module.forward(*args, average_attn_weights=True)[1])

    handles = [layer.multihead_attn.register_forward_pre_hook(keep) for layer in model.decoder.layers]
    model(image, words)
    for handle in handles:
        handle.remove()
    return torch.stack(kept).mean(0).unflatten(-1, (2, 3))


def test_values_per_word_and_over_words() -> None:
    model, image, words = captioner()
    maps = expected(model, image, words)
    source = CrossAttention()
    source.attach(model)
    model(image, words)
    torch.testing.assert_close(source.read_words(), maps)
    torch.testing.assert_close(source.read(), maps.mean(1))
    padded = source.read(words > 0)
    torch.testing.assert_close(padded[1], maps[1, :2].mean(0))
    with pytest.raises(InputError, match="words has shape"):
        source.read(words[:, :2] > 0)


def test_word_by_word() -> None:
    model, image, words = captioner()
    source = CrossAttention("decoder.layers.1.multihead_attn")
    source.attach(model)
    with source.recording():
        for word in range(4):
            model(image, words[:, word : word + 1])
    recorded = source.read_words()
    alone = [source_of(model, image, words[:, word : word + 1]) for word in range(4)]
    torch.testing.assert_close(recorded, torch.cat(alone, 1))
    model(image, words)
    assert source.read_words().shape == (2, 4, 2, 3), "a recording ends with its block"


def source_of(model: nn.Module, image: Tensor, words: Tensor) -> Tensor:
    source = CrossAttention("decoder.layers.1.multihead_attn")
    source.attach(model)
    model(image, words)
    found = source.read_words()
    source.detach()
    return found


def test_gradcheck() -> None:
    model, image, words = captioner()
    model.double()
    source = CrossAttention()
    source.attach(model)

    def read(image: Tensor) -> Tensor:
        model(image, words[:1])
        return source.read()

    assert torch.autograd.gradcheck(read, image[:1].double().requires_grad_(), fast_mode=True)


def test_hugging_face_captioner() -> None:
    import transformers as hf

    vision = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "patch_size": 16, "image_size": 64}
    text = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50}
    marks = {"bos_token_id": 1, "eos_token_id": 49, "sep_token_id": 49, "pad_token_id": 0, "encoder_hidden_size": 32}
    torch.manual_seed(0)
    model = hf.BlipForConditionalGeneration(hf.BlipConfig(vision_config=vision, text_config={**text, **marks})).eval()
    image = torch.rand(2, 3, 64, 64)
    source = CrossAttention()
    source.attach(model)
    with source.recording():
        words = model.generate(pixel_values=image, max_new_tokens=5, min_new_tokens=5, num_beams=1, do_sample=False)
    generated = source.read_words()
    # the caption at once: the same words look at the same places
    model(pixel_values=image, input_ids=words[:, : generated.shape[1]])
    assert generated.shape[0] == 2
    assert generated.shape[1] >= 5
    torch.testing.assert_close(generated, source.read_words(), atol=1e-6, rtol=0)
    source.detach()
    source.attach(model)
    with source.recording():
        model.generate(pixel_values=image, max_new_tokens=3, num_beams=2)
    with pytest.raises(InputError, match="beams"):
        source.read_words()


def test_errors() -> None:
    with pytest.raises(InputError, match="no layer is called cross-attention"):
        CrossAttention().attach(nn.Sequential(nn.Linear(2, 2)))
