"""Tiny vision-language models and vision models of transformers', of random weights, as folders of the hub's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

T: Any = pytest.importorskip("transformers")

WORDS = [
    *(
        "what",
        "colour",
        "is",
        "the",
        "?",
        "red",
        "blue",
        "green",
        "yellow",
        "cyan",
        "purple",
        "circle",
        "cross",
        "ring",
    ),
    *(
        "square",
        "star",
        "triangle",
        "a",
        "an",
        "and",
        "in",
        "of",
        "on",
        "to",
        "left",
        "right",
        "top",
        "bottom",
        "centre",
    ),
    *("middle", "above", "below", "next", "there", ",", ".", "user", "assistant"),
]
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
MARKS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
IMAGE_CHAT = (
    "{% for m in messages %}{{ m['role'] }} {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE {% else %}{{ c['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


def tokenizer(special: list[str] = [], named: dict[str, str] | None = None) -> Any:  # noqa: B006
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: k for k, word in enumerate(["<pad>", "<unk>", "<s>", "</s>", *special, *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    made = T.PreTrainedTokenizerFast(tokenizer_object=words, **marks, extra_special_tokens=named or {})
    if special:
        made.add_special_tokens({"additional_special_tokens": special})
    return made


def llama(words: Any) -> dict[str, Any]:
    return {**SMALL, **MARKS, "num_key_value_heads": 2, "vocab_size": len(words), "max_position_embeddings": 256}


def square(size: int = 32) -> dict[str, int]:
    return {"height": size, "width": size}


def clip_pictures(kind: str = "CLIPImageProcessor", **options: Any) -> Any:
    return getattr(T, kind)(size={"shortest_edge": 32}, crop_size=square(), **options)


def llava(folder: Path) -> Any:
    words, chat = tokenizer(["<image>"]), IMAGE_CHAT.replace("IMAGE", "<image>")
    vision = T.CLIPVisionConfig(**VISION, projection_dim=32)
    config = T.LlavaConfig(
        vision_config=vision, text_config=T.LlamaConfig(**llama(words)), image_token_index=4, image_seq_length=16
    )
    processor = T.LlavaProcessor(
        image_processor=clip_pictures(),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=chat,
        num_additional_image_tokens=1,
    )
    return saved(folder, T.LlavaForConditionalGeneration(config), processor)


def llava_next(folder: Path) -> Any:
    words, chat = tokenizer(["<image>"]), IMAGE_CHAT.replace("IMAGE", "<image>")
    sizes = [[32, 64], [64, 32], [64, 64]]
    config = T.LlavaNextConfig(
        vision_config=T.CLIPVisionConfig(**VISION, projection_dim=32),
        text_config=T.LlamaConfig(**llama(words)),
        image_token_index=4,
        image_grid_pinpoints=sizes,
    )
    processor = T.LlavaNextProcessor(
        image_processor=clip_pictures("LlavaNextImageProcessor", image_grid_pinpoints=sizes),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=chat,
        num_additional_image_tokens=1,
    )
    return saved(folder, T.LlavaNextForConditionalGeneration(config), processor)


def qwen(folder: Path, version: str, vision: dict[str, Any], videos: str = "Qwen2VLVideoProcessor") -> Any:
    special = ["<|vision_start|>", "<|image_pad|>", "<|video_pad|>", "<|vision_end|>"]
    words = tokenizer(special)
    start, image, video, end = (words.convert_tokens_to_ids(word) for word in special)
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    vision = {"depth": 2, "num_heads": 4, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, **vision}
    config = getattr(T, f"{version}Config")(
        text_config={**llama(words), "head_dim": 8, "rope_parameters": rope},
        vision_config=vision,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    pictures = T.Qwen2VLImageProcessor(
        patch_size=8, merge_size=2, temporal_patch_size=2, min_pixels=16**2, max_pixels=128**2
    )
    processor = getattr(T, f"{version}Processor")(
        image_processor=pictures,
        tokenizer=words,
        video_processor=getattr(T, videos)(patch_size=8, merge_size=2),
        chat_template=IMAGE_CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return saved(folder, getattr(T, f"{version}ForConditionalGeneration")(config), processor)


def qwen2_vl(folder: Path) -> Any:
    return qwen(folder, "Qwen2VL", {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2})


def qwen25_vl(folder: Path) -> Any:
    widths = {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64}
    return qwen(folder, "Qwen2_5_VL", {**widths, "window_size": 32, "fullatt_block_indexes": [1]})


def qwen3_vl(folder: Path) -> Any:
    widths = {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64}
    vision = {**widths, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    return qwen(folder, "Qwen3VL", vision, "Qwen3VLVideoProcessor")


def paligemma(folder: Path) -> Any:
    words = tokenizer(["<image>"])
    config = T.PaliGemmaConfig(
        vision_config=T.SiglipVisionConfig(**VISION, vision_use_head=False).to_dict(),
        text_config={**llama(words), "model_type": "gemma", "num_key_value_heads": 1, "head_dim": 8},
        image_token_index=4,
        projection_dim=32,
        hidden_size=32,
    )
    pictures = T.SiglipImageProcessor(size=square())
    pictures.image_seq_length = 16
    processor = T.PaliGemmaProcessor(image_processor=pictures, tokenizer=words)
    return saved(folder, T.PaliGemmaForConditionalGeneration(config), processor)


def idefics3(folder: Path) -> Any:
    tiles = [f"<row_{row}_col_{column}>" for row in (1, 2, 3) for column in (1, 2, 3)]
    words = tokenizer(["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *tiles])
    config = T.Idefics3Config(
        vision_config=VISION, text_config=T.LlamaConfig(**llama(words)), image_token_id=5, scale_factor=2
    )
    longest = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
    processor = T.Idefics3Processor(
        image_processor=T.Idefics3ImageProcessor(**longest, do_image_splitting=True),
        tokenizer=words,
        image_seq_len=4,
        chat_template=IMAGE_CHAT.replace("IMAGE", "<image>"),
    )
    return saved(folder, T.Idefics3ForConditionalGeneration(config), processor)


def gemma3(folder: Path) -> Any:
    marks = {"boi_token": "<start_of_image>", "image_token": "<image_soft_token>", "eoi_token": "<end_of_image>"}
    words = tokenizer(list(marks.values()), marks)
    first, image, last = (words.convert_tokens_to_ids(mark) for mark in marks.values())
    config = T.Gemma3Config(
        text_config={**llama(words), "head_dim": 8, "sliding_window": 64},
        vision_config=VISION,
        mm_tokens_per_image=4,
        image_token_index=image,
        boi_token_index=first,
        eoi_token_index=last,
    )
    processor = T.Gemma3Processor(
        image_processor=T.Gemma3ImageProcessor(size=square()),
        tokenizer=words,
        image_seq_length=4,
        chat_template=IMAGE_CHAT.replace("IMAGE", "<start_of_image>"),
    )
    return saved(folder, T.Gemma3ForConditionalGeneration(config), processor)


def internvl(folder: Path) -> Any:
    marks = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    words = tokenizer([*marks.values(), "<video>"], {**marks, "video_token": "<video>"})
    config = T.InternVLConfig(
        vision_config={**SMALL, "image_size": [32, 32], "patch_size": [8, 8]},
        text_config=T.LlamaConfig(**llama(words)),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        downsample_ratio=0.5,
        image_seq_length=4,
    )
    processor = T.InternVLProcessor(
        image_processor=T.GotOcr2ImageProcessor(size=square(), crop_to_patches=False),
        tokenizer=words,
        image_seq_length=4,
        chat_template=IMAGE_CHAT.replace("IMAGE", "<IMG_CONTEXT>"),
        video_processor=T.InternVLVideoProcessor(size=square()),
    )
    return saved(folder, T.InternVLForConditionalGeneration(config), processor)


def blip(folder: Path, kind: str = "BlipForConditionalGeneration") -> Any:
    words = tokenizer()
    text = {**SMALL, **MARKS, "vocab_size": len(words), "max_position_embeddings": 64, "encoder_hidden_size": 32}
    config = T.BlipConfig(text_config={**text, "sep_token_id": 3}, vision_config=VISION, projection_dim=32)
    processor = T.BlipProcessor(image_processor=T.BlipImageProcessor(size=square()), tokenizer=words)
    return saved(folder, getattr(T, kind)(config), processor)


def blip_answers(folder: Path) -> Any:
    return blip(folder, "BlipForQuestionAnswering")


def blip2(folder: Path) -> Any:
    words = tokenizer(["<image>"])
    text = {**SMALL, **MARKS, "model_type": "opt", "ffn_dim": 64, "vocab_size": len(words), "word_embed_proj_dim": 32}
    config = T.Blip2Config(
        vision_config=VISION,
        qformer_config={**SMALL, "encoder_hidden_size": 32, "vocab_size": len(words)},
        text_config={**text, "max_position_embeddings": 128},
        num_query_tokens=4,
        image_token_index=4,
    )
    pictures = T.BlipImageProcessor(size=square())
    processor = T.Blip2Processor(image_processor=pictures, tokenizer=words, num_query_tokens=4)
    return saved(folder, T.Blip2ForConditionalGeneration(config), processor)


def encoder_decoder(folder: Path) -> Any:
    words = tokenizer()
    decoder = T.GPT2Config(
        **MARKS, n_embd=32, n_layer=2, n_head=4, vocab_size=len(words), n_positions=64, add_cross_attention=True
    )
    config = T.VisionEncoderDecoderConfig.from_encoder_decoder_configs(T.ViTConfig(**VISION), decoder)
    model = T.VisionEncoderDecoderModel(config)
    for place in (model.config, model.generation_config):
        place.decoder_start_token_id, place.pad_token_id, place.eos_token_id = 2, 0, 3
    T.ViTImageProcessor(size=square()).save_pretrained(folder)
    return saved(folder, model, words)


def git(folder: Path) -> Any:
    words = tokenizer()
    text = {**SMALL, **MARKS, "vocab_size": len(words), "max_position_embeddings": 64}
    processor = T.GitProcessor(image_processor=clip_pictures(), tokenizer=words)
    return saved(folder, T.GitForCausalLM(T.GitConfig(vision_config=VISION, **text)), processor)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "LLaVA": llava,
    "LLaVA-NeXT": llava_next,
    "Qwen2-VL": qwen2_vl,
    "Qwen2.5-VL": qwen25_vl,
    "Qwen3-VL": qwen3_vl,
    "PaliGemma": paligemma,
    "Idefics3": idefics3,
    "Gemma 3": gemma3,
    "InternVL": internvl,
    "BLIP": blip,
    "BLIP, answers": blip_answers,
    "BLIP-2": blip2,
    "ViT and GPT-2": encoder_decoder,
    "GIT": git,
}
"""Families of models that write about pictures; each makes a folder with a model and its processor."""

TWO = {**SMALL, "vocab_size": 50}
SEERS: dict[str, tuple[Callable[[], Any], str]] = {
    "ViT": (lambda: T.ViTConfig(**VISION), "ViTImageProcessor"),
    "DeiT": (lambda: T.DeiTConfig(**VISION), "DeiTImageProcessor"),
    "BEiT": (lambda: T.BeitConfig(**VISION), "BeitImageProcessor"),
    "DINOv2": (lambda: T.Dinov2Config(**VISION), "BitImageProcessor"),
    "DINOv2, registers": (lambda: T.Dinov2WithRegistersConfig(**VISION, num_register_tokens=2), "BitImageProcessor"),
    "DINOv3": (lambda: T.DINOv3ViTConfig(**VISION, num_register_tokens=4), "DINOv3ViTImageProcessor"),
    "CLIP": (lambda: T.CLIPConfig(vision_config=VISION, text_config=TWO), "CLIPImageProcessor"),
    "SigLIP": (lambda: T.SiglipConfig(vision_config=VISION, text_config=TWO), "SiglipImageProcessor"),
    "Swin": (
        lambda: T.SwinConfig(image_size=64, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4),
        "ViTImageProcessor",
    ),
    "ConvNeXt": (lambda: T.ConvNextConfig(hidden_sizes=[8, 16, 16, 32], depths=[1] * 4), "ConvNextImageProcessor"),
    "ResNet": (
        lambda: T.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 16, 32], depths=[1] * 4),
        "ConvNextImageProcessor",
    ),
}
"""Families of vision models: a configuration, and the image processor that goes with it."""


def seer(family: str, folder: Path) -> Any:
    """Make a folder with a vision model of a family, and return the model."""
    config, processor = SEERS[family]
    torch.manual_seed(0)
    return saved(folder, T.AutoModel.from_config(config()), getattr(T, processor)())


def writer(family: str, folder: Path) -> Any:
    """Make a folder with a model of a family that writes, and return the model."""
    torch.manual_seed(0)
    return WRITERS[family](folder)


def saved(folder: Path, model: Any, processor: Any) -> Any:
    with warnings.catch_warnings(action="ignore"):
        processor.save_pretrained(folder)
        model.save_pretrained(folder)
    return model.eval()
