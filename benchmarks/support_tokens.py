"""Small vision-language models with random weights, and what they are called with, for `TokenAttention`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from haa.attention import TokenAttention

IMAGE, PAD, BEGIN, END = 90, 0, 1, 2
"""Tokens of all of these models."""
TEXT: dict[str, Any] = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "vocab_size": 100, "max_position_embeddings": 512},
    **{"pad_token_id": PAD, "bos_token_id": BEGIN, "eos_token_id": END},
}
VISION: dict[str, Any] = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2},
}


@dataclass
class TokenFamily:
    """A vision-language model to try.

    Args:
        name: Its name in docs/support.md.
        build: Model for a name of an attention: ``"sdpa"`` or ``"eager"``.
        images: Tokens of each sample's image, with what stands about it.
        inputs: What the model is called with besides tokens.
        grids: Rows and columns of each sample's map.
        tile: Rows and columns of a tile and of the whole, where a picture is seen as both.
    """

    name: str
    build: Callable[[str], nn.Module]
    images: list[list[int]]
    inputs: dict[str, Tensor]
    grids: list[tuple[int, int]]
    tile: int | None = None


def differences(family: TokenFamily) -> dict[str, float]:
    """Each way of reading: its largest difference to the model's own attentions, as a share of the largest value."""
    model = family.build("sdpa")
    inputs, prompt = prompts(family), prompts(family, answers=False)
    out = {}
    for name, rollout in (("answer", False), ("rollout", True)):
        weights = combined(unfused(model, family, inputs), rollout)
        out[name] = _difference(TokenAttention(rollout=rollout), model, family, inputs, weights)
    source = TokenAttention()
    source.attach(model)
    with source.recording():
        ids = model.generate(**prompt, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    at_once = answered(prompt, ids)
    out["generated"] = _largest(source.read_each(), family, at_once, combined(unfused(model, family, at_once)))
    source.detach()
    return out


def combined(layers: list[Tensor], rollout: bool = False, residual: float = 0.5) -> Tensor:
    """The mean (b, n, n) of layers' attention (b, heads, n, n) over heads and layers, or its rollout."""
    means = [weights.mean(1) for weights in layers]
    if not rollout:
        return torch.stack(means).mean(0)
    itself = torch.eye(means[0].shape[-1])
    product = itself
    for weights in means:
        product = ((1 - residual) * weights + residual * itself) @ product
    return product


def _difference(
    source: TokenAttention, model: nn.Module, family: TokenFamily, inputs: dict[str, Tensor], weights: Tensor
) -> float:
    source.attach(model)
    model(**inputs)
    maps = source.read_each()
    source.detach()
    return _largest(maps, family, inputs, weights)


def _largest(maps: list[Tensor], family: TokenFamily, inputs: dict[str, Tensor], weights: Tensor) -> float:
    largest = 0.0
    for sample, found in enumerate(maps):
        before = (inputs["labels"][sample, 1:] != -100).nonzero()[:, 0]
        image = inputs["input_ids"][sample] == IMAGE
        expected = on_grid(weights[sample, before].mean(0), image, family, sample)
        largest = max(largest, float(((found - expected).abs().max() / expected.abs().max()).detach()))
    return largest


def table() -> str:
    head = "| model | answer | rollout | generated |\n| --- | --- | --- | --- |"
    rows = [
        f"| {family.name} | {' | '.join(f'{value:.0e}' for value in differences(family).values())} |"
        for family in families()
    ]
    return "\n".join([head, *rows])


def families() -> list[TokenFamily]:
    import transformers as hf

    def pixels(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=torch.Generator().manual_seed(0))

    def build(kind: str, config: Any) -> Callable[[str], nn.Module]:
        def made(attention: str) -> nn.Module:
            torch.manual_seed(0)
            model = getattr(hf, kind)._from_config(copy.deepcopy(config), attn_implementation=attention)
            return lively(model.eval())

        return made

    clip = hf.CLIPVisionConfig(**VISION, image_size=24, patch_size=6)
    llava = hf.LlavaConfig(
        vision_config=clip, text_config=hf.LlamaConfig(**TEXT), image_token_index=IMAGE, vision_feature_layer=-1
    )
    siglip = hf.SiglipVisionConfig(**VISION, image_size=24, patch_size=6, vision_use_head=False)
    gemma = hf.GemmaConfig(**TEXT, head_dim=8)
    paligemma = hf.PaliGemmaConfig(
        vision_config=siglip, text_config=gemma, image_token_index=IMAGE, projection_dim=32, hidden_size=32
    )
    rope = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}}
    marks = {"image_token_id": IMAGE, "video_token_id": 91, "vision_start_token_id": 92, "vision_end_token_id": 93}
    qwen2 = hf.Qwen2VLConfig(
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4},
        text_config={**TEXT, **rope},
        **marks,
    )
    qwen25 = hf.Qwen2_5_VLConfig(
        vision_config={
            **{"depth": 2, "hidden_size": 32, "out_hidden_size": 32, "num_heads": 2, "intermediate_size": 48},
            **{"patch_size": 4, "window_size": 16, "fullatt_block_indexes": [1]},
        },
        text_config={**TEXT, **rope},
        **marks,
    )
    dynamic = {
        "image_grid_thw": torch.tensor([[1, 4, 6], [1, 8, 4]]),
        "pixel_values": pixels(4 * 6 + 8 * 4, 3 * 2 * 4 * 4) - 0.5,
    }
    in_place = [[92, *[IMAGE] * 6, 93], [92, *[IMAGE] * 8, 93]]
    small = {**VISION, "image_size": 24, "patch_size": 4}
    text = hf.LlamaConfig(**TEXT)
    idefics3 = hf.Idefics3Config(vision_config=small, text_config=text, image_token_id=IMAGE, scale_factor=2)
    smolvlm = hf.SmolVLMConfig(vision_config=small, text_config=text, image_token_id=IMAGE, scale_factor=3)

    def tiled(rows: int, columns: int, length: int) -> list[int]:
        """A picture in tiles, and as a whole: 80 is the mark, 81 ends a row, 82 the tiles, 70 names the whole."""
        ids = []
        for row in range(rows):
            for column in range(columns):
                ids += [80, 10 + 6 * row + column, *[IMAGE] * length]
            ids += [81] if row < rows - 1 else [82]
        return [*ids, 80, 70, *[IMAGE] * length, 80]

    tiles = pixels(2, 7, 3, 24, 24)
    tiles[1, 3:] = 0.0  # what a processor fills up with: the second picture has two tiles and the whole
    return [
        TokenFamily(
            "LLaVA (CLIP, Llama)",
            build("LlavaForConditionalGeneration", llava),
            [[IMAGE] * 16] * 2,
            {"pixel_values": pixels(2, 3, 24, 24)},
            [(4, 4)] * 2,
        ),
        TokenFamily(
            "PaliGemma",
            build("PaliGemmaForConditionalGeneration", paligemma),
            [[IMAGE] * 16] * 2,
            {"pixel_values": pixels(2, 3, 24, 24)},
            [(4, 4)] * 2,
        ),
        TokenFamily("Qwen2-VL", build("Qwen2VLForConditionalGeneration", qwen2), in_place, dynamic, [(2, 3), (4, 2)]),
        TokenFamily(
            "Qwen2.5-VL", build("Qwen2_5_VLForConditionalGeneration", qwen25), in_place, dynamic, [(2, 3), (4, 2)]
        ),
        TokenFamily(
            "Idefics3, in tiles",
            build("Idefics3ForConditionalGeneration", idefics3),
            [tiled(2, 3, 9), tiled(2, 1, 9)],
            {"pixel_values": tiles},
            [(6, 9), (6, 3)],
            tile=3,
        ),
        TokenFamily(
            "SmolVLM, in tiles",
            build("SmolVLMForConditionalGeneration", smolvlm),
            [tiled(2, 3, 4), tiled(2, 1, 4)],
            {"pixel_values": tiles},
            [(4, 6), (4, 2)],
            tile=2,
        ),
    ]


def lively(model: nn.Module) -> nn.Module:
    """The model with noise on its weights: as libraries initialise them, attention is all but uniform."""
    for parameter in model.parameters():
        if parameter.ndim < 4:
            size = parameter.shape[-1] ** -0.5 if parameter.ndim == 2 else 0.1
            parameter.data += size * torch.randn_like(parameter)
    return model


def prompts(family: TokenFamily, side: str = "left", answers: bool = True) -> dict[str, Tensor]:
    """What a model is called with: the image, a question and, with its labels, an answer; padded on one side."""
    texts = [([20, 21, 22], [30, 31]), ([23, 24, 25, 26, 27], [32, 33, 34, END])]
    ids, labels = [], []
    for image, (question, answer) in zip(family.images, texts, strict=True):
        prompt = [*image, BEGIN, *question] if family.name == "PaliGemma" else [BEGIN, 19, *image, *question]
        ids.append(torch.tensor(prompt + answer * answers))
        labels.append(torch.tensor([-100] * len(prompt) + answer * answers))
    mask = [torch.ones_like(of_sample) for of_sample in ids]

    def padded(samples: list[Tensor], value: int) -> Tensor:
        return nn.utils.rnn.pad_sequence(samples, batch_first=True, padding_value=value, padding_side=side)

    inputs = {**family.inputs, "input_ids": padded(ids, PAD), "attention_mask": padded(mask, 0)}
    if answers:
        inputs["labels"] = padded(labels, -100)
    if "image_grid_thw" in inputs:
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == IMAGE).int()
    if family.name == "PaliGemma":
        # 0 is the prefix, whose tokens see each other, 1 the answer
        inputs["token_type_ids"] = padded(labels, 0).ge(1).long()
    return inputs


def answered(inputs: dict[str, Tensor], ids: Tensor) -> dict[str, Tensor]:
    """What a model is called with to learn what it has generated: prompt and answer ``ids`` at once."""
    new = ids[:, inputs["input_ids"].shape[1] :]
    more = {"input_ids": ids, "labels": torch.cat([torch.full_like(inputs["input_ids"], -100), new], 1)}
    for name, value in (("attention_mask", 1), ("mm_token_type_ids", 0), ("token_type_ids", 1)):
        if name in inputs:
            more[name] = torch.cat([inputs[name], torch.full_like(new, value).to(inputs[name])], 1)
    return {**inputs, **more}


def on_grid(row: Tensor, image: Tensor, family: TokenFamily, sample: int) -> Tensor:
    """The map of a row of attention, worked out without haa.

    Args:
        row: Attention (n,) of a word to each token.
        image: True for each of the image's tokens.
    """
    rows, columns = family.grids[sample]
    shares = row[image]
    if family.tile is None:
        return shares.view(rows, columns)
    side = family.tile
    *tiles, whole = shares.view(-1, side, side)
    down, across = rows // side, columns // side
    out = torch.kron(whole, torch.ones(down, across)) / (down * across)
    for number, tile in enumerate(tiles):
        top, left = side * (number // across), side * (number % across)
        out[top : top + side, left : left + side] += tile
    return out


def unfused(model: nn.Module, family: TokenFamily, inputs: dict[str, Tensor]) -> list[Tensor]:
    """The attention (b, heads, n, n) of a model's language layers, by the model itself."""
    eager = family.build("eager")
    eager.load_state_dict(model.state_dict())
    return list(eager(**inputs, output_attentions=True).attentions)
