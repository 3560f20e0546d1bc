"""Models that docs/token-attention.md names besides those of docs/support.md: right, or refused by name."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from benchmarks.support_tokens import BEGIN, IMAGE, TEXT, VISION, TokenFamily, lively, unfused
from torch import Tensor, nn

from haa.attention import TokenAttention
from haa.errors import InputError

CLIP = {**VISION, "image_size": 24, "patch_size": 6}
SIDES = {"image_size": [24, 24], "patch_size": [4, 4]}
ROTARY = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
OPT = {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 100}


def pixels(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def family(kind: str, config: Any, image: list[int], grids: list[tuple[int, int]], **inputs: Tensor) -> TokenFamily:
    import transformers as hf

    def build(attention: str) -> nn.Module:
        torch.manual_seed(0)
        return lively(getattr(hf, kind)._from_config(copy.deepcopy(config), attn_implementation=attention).eval())

    inputs["input_ids"] = torch.tensor([[BEGIN, *image, 20, 21]])
    return TokenFamily(kind, build, [], inputs, grids)


def read(source: TokenAttention, model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    source.attach(model)
    model(**inputs)
    return source.read_each()[0]


def right() -> list[TokenFamily]:
    import transformers as hf

    qwen3 = hf.Qwen3VLConfig(
        vision_config={
            **{"depth": 2, "hidden_size": 32, "out_hidden_size": 32, "num_heads": 2, "intermediate_size": 48},
            **{"patch_size": 4, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
        },
        text_config={**TEXT, "head_dim": 8, "rope_parameters": ROTARY},
        **{"image_token_id": IMAGE, "video_token_id": 91, "vision_start_token_id": 92, "vision_end_token_id": 93},
    )
    internvl = hf.InternVLConfig(
        vision_config={**VISION, **SIDES}, text_config=hf.Qwen2Config(**TEXT), image_token_id=IMAGE
    )
    mistral3 = hf.Mistral3Config(
        vision_config=hf.PixtralVisionConfig(**VISION, image_size=32, patch_size=4),
        text_config=hf.MistralConfig(**TEXT, sliding_window=None),
        **{"image_token_index": IMAGE, "spatial_merge_size": 2, "vision_feature_layer": -1},
    )
    patches = {"pixel_values": pixels(24, 96), "image_grid_thw": torch.tensor([[1, 4, 6]])}
    types = torch.tensor([[0, 0, *[1] * 6, 0, 0, 0]])
    sizes = {"pixel_values": pixels(1, 3, 16, 24), "image_sizes": torch.tensor([[16, 24]])}
    return [
        family(
            "Qwen3VLForConditionalGeneration",
            qwen3,
            [92, *[IMAGE] * 6, 93],
            [(2, 3)],
            mm_token_type_ids=types,
            **patches,
        ),
        family("InternVLForConditionalGeneration", internvl, [IMAGE] * 9, [(3, 3)], pixel_values=pixels(1, 3, 24, 24)),
        family("Mistral3ForConditionalGeneration", mistral3, [*[IMAGE] * 3, 91, *[IMAGE] * 3, 92], [(2, 3)], **sizes),
    ]


@pytest.mark.parametrize("family", right(), ids=lambda family: family.name)
def test_values(family: TokenFamily) -> None:
    model, inputs = family.build("sdpa"), family.inputs
    weights = torch.stack(unfused(model, family, inputs)).mean((0, 2))[0, -1]
    expected = weights[inputs["input_ids"][0] == IMAGE].view(family.grids[0])
    torch.testing.assert_close(read(TokenAttention(query="last"), model, inputs), expected, atol=1e-6, rtol=0)
    assert expected.std() > 0.02 * expected.mean()


def refused() -> list[TokenFamily]:
    import transformers as hf

    clip, llama = hf.CLIPVisionConfig(**CLIP), hf.LlamaConfig(**TEXT)
    named = {"image_token_index": IMAGE, "vision_feature_layer": -1}
    next_ = hf.LlavaNextConfig(vision_config=clip, text_config=llama, image_grid_pinpoints=[[48, 48]], **named)
    internvl = hf.InternVLConfig(
        vision_config={**VISION, **SIDES}, text_config=hf.Qwen2Config(**TEXT), image_token_id=IMAGE
    )
    blip2 = hf.Blip2Config(
        vision_config=CLIP,
        qformer_config={**VISION, "vocab_size": 30, "encoder_hidden_size": 32},
        text_config=hf.OPTConfig(**OPT, max_position_embeddings=100, word_embed_proj_dim=32),
        **{"num_query_tokens": 8, "image_token_index": IMAGE},
    )
    perceiver = {"hidden_size": 32, "resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 2}
    idefics2 = hf.Idefics2Config(
        vision_config=CLIP,
        perceiver_config={**perceiver, "resampler_head_dim": 16, "num_key_value_heads": 1},
        text_config=hf.MistralConfig(**TEXT, sliding_window=None),
        image_token_id=IMAGE,
    )
    one = pixels(1, 3, 24, 24)
    tiles = {"pixel_values": pixels(1, 5, 3, 24, 24), "image_sizes": torch.tensor([[48, 48]])}
    return [
        family("LlavaNextForConditionalGeneration", next_, [IMAGE] * 88, [(4, 4)], **tiles),
        family("InternVLForConditionalGeneration", internvl, [IMAGE] * 18, [], pixel_values=pixels(2, 3, 24, 24)),
        family("Blip2ForConditionalGeneration", blip2, [IMAGE] * 8, [], pixel_values=one),
        family("Idefics2ForConditionalGeneration", idefics2, [IMAGE] * 4, [], pixel_values=one[None]),
    ]


@pytest.mark.parametrize("family", refused(), ids=lambda family: family.name)
def test_what_lies_on_no_grid_is_refused(family: TokenFamily) -> None:
    model = family.build("sdpa")
    name = family.name.removesuffix("ForConditionalGeneration")
    with pytest.raises(InputError, match=rf"image tokens of {name} stand side by side.*give grid"):
        read(TokenAttention(query="last"), model, family.inputs)
    if family.grids:  # the whole picture comes before its tiles
        source = TokenAttention(query="last", grid=family.grids[0], prefix=0)
        weights = torch.stack(unfused(model, family, family.inputs)).mean((0, 2))[0, -1]
        whole = weights[1:17].view(family.grids[0])
        torch.testing.assert_close(read(source, model, family.inputs), whole, atol=1e-6, rtol=0)


def test_eager_attention_with_capped_scores() -> None:
    import transformers as hf

    text = hf.Gemma2Config(**TEXT, head_dim=8, query_pre_attn_scalar=8, attn_logit_softcapping=2.0)
    vision = hf.SiglipVisionConfig(**CLIP, vision_use_head=False)
    config = hf.PaliGemmaConfig(
        vision_config=vision, text_config=text, image_token_index=IMAGE, projection_dim=32, hidden_size=32
    )
    paligemma2 = family(
        "PaliGemmaForConditionalGeneration", config, [IMAGE] * 16, [(4, 4)], pixel_values=pixels(1, 3, 24, 24)
    )
    model = paligemma2.build("eager")
    for with_graph in (True, False):
        with torch.set_grad_enabled(with_graph):
            maps = read(TokenAttention(query="last"), model, paligemma2.inputs)
        weights = torch.stack(unfused(model, paligemma2, paligemma2.inputs)).mean((0, 2))[0, -1]
        torch.testing.assert_close(maps, weights[1:17].view(4, 4), atol=1e-6, rtol=0)
