"""The models of docs/support.md, small and with random weights, and their attention without fused kernels."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn

from haa.attention import top_class

Target = Callable[[Any], Tensor]


@dataclass
class Family:
    """A model to try, and how its maps are computed without haa.

    Args:
        build: a model with random weights; ``"eager"`` asks for attention that is not fused.
        inputs: what it is called with.
        options: of the source, by its name; a source without an entry is not tried.
        eager: the weights of the layers (b, heads, q, k), from a model whose attention is not fused.
        prefix: tokens before the patches.
        grid: rows and columns of patches.
    """

    name: str
    library: str
    build: Callable[[str], nn.Module]
    inputs: dict[str, Any]
    options: dict[str, dict[str, Any]]
    eager: Callable[[nn.Module, dict[str, Any]], list[Tensor]] | None = None
    prefix: int = 1
    grid: tuple[int, int] = (4, 4)
    target: Target = top_class
    query: str = "class"


def call(model: nn.Module, inputs: dict[str, Any]) -> Any:
    return model(inputs["x"]) if "x" in inputs else model(**inputs)


def unfused_timm(model: nn.Module, inputs: dict[str, Any]) -> list[Tensor]:
    """What timm's own unfused path gives its dropout."""
    model, kept = copy.deepcopy(model), []
    for module in model.modules():
        if hasattr(module, "fused_attn") and hasattr(module, "attn_drop"):
            module.fused_attn = False
            module.attn_drop.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    call(model, inputs)
    return kept


def dropped(pattern: str) -> Callable[[nn.Module, dict[str, Any]], list[Tensor]]:
    """What the dropouts of a name are given: the softmax, in models without fused attention."""

    def eager(model: nn.Module, inputs: dict[str, Any]) -> list[Tensor]:
        kept: list[Tensor] = []
        for name, module in model.named_modules():
            if fnmatch.fnmatch(name, pattern):
                module.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
        call(model, inputs)
        return kept

    return lambda model, inputs: eager(copy.deepcopy(model), inputs)


def timm_families() -> list[Family]:
    def build(name: str, **options: Any) -> Callable[[str], nn.Module]:
        return lambda _: timm.create_model(name, num_classes=5, **options)

    def image(rows: int = 64, columns: int = 64) -> dict[str, Any]:
        return {"x": torch.rand(2, 3, rows, columns, generator=torch.Generator().manual_seed(0))}

    gradients: dict[str, dict[str, Any]] = {"input_gradient": {}, "gradient_times_input": {}}

    def every(layer: str) -> dict[str, dict[str, Any]]:
        at = {"layer": layer}
        return {"self_attention": {}, "rollout": {}, "gradcam": at, **gradients, "feature_norm": at}

    def conv(layer: str) -> dict[str, dict[str, Any]]:
        return {"gradcam": {"layer": layer}, **gradients, "feature_norm": {"layer": layer}}

    small: dict[str, Any] = {"depth": 2, "embed_dim": 48, "num_heads": 2}
    unprefixed: dict[str, Any] = {"layer": "blocks.0", "prefix": 0}  # CaiT's class token comes after these blocks
    swin: dict[str, Any] = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "img_size": (64, 96)}
    return [
        Family("ResNet (resnet18)", "timm", build("resnet18"), image(64, 96), conv("layer4")),
        Family(
            "ConvNeXt (convnext_atto)",
            "timm",
            build("convnext_atto", depths=(1, 1, 1, 1)),
            image(64, 96),
            conv("stages.3"),
        ),
        Family(
            "EfficientNet (efficientnet_lite0)", "timm", build("efficientnet_lite0"), image(64, 96), conv("conv_head")
        ),
        Family(
            "ViT (vit_tiny_patch16)",
            "timm",
            build("vit_tiny_patch16_224", img_size=(64, 96), **small),
            image(64, 96),
            every("blocks.1.norm1"),
            unfused_timm,
            grid=(4, 6),
        ),
        Family(
            "ViT, qk-norm, mean pooling (vit_base_patch16_siglip)",
            "timm",
            build("vit_base_patch16_siglip_224", img_size=64, qk_norm=True, **small),
            image(),
            every("blocks.1"),
            unfused_timm,
            prefix=0,
            query="mean",
        ),
        Family(
            "DeiT, distilled (deit_tiny_distilled_patch16)",
            "timm",
            build("deit_tiny_distilled_patch16_224", img_size=64, **small),
            image(),
            every("blocks.1.norm1"),
            unfused_timm,
            prefix=2,
        ),
        Family(
            "Swin (swin_tiny_patch4_window7)",
            "timm",
            build("swin_tiny_patch4_window7_224", window_size=4, **swin),
            image(64, 96),
            every("layers.3"),
        ),
        Family(
            "DINOv2 with registers (vit_small_patch14_reg4_dinov2)",
            "timm",
            build("vit_small_patch14_reg4_dinov2", img_size=(56, 84), **small),
            image(56, 84),
            every("blocks.1.norm1"),
            unfused_timm,
            prefix=5,
            grid=(4, 6),
        ),
        Family(
            "DINOv3, rotary (vit_small_patch16_dinov3)",
            "timm",
            build("vit_small_patch16_dinov3", img_size=64, **small),
            image(),
            every("blocks.1.norm1"),
            unfused_timm,
            prefix=5,
        ),
        Family(
            "EVA-02, rotary (eva02_tiny_patch14)",
            "timm",
            build("eva02_tiny_patch14_224", img_size=(56, 84), **small),
            image(56, 84),
            every("blocks.1.norm1"),
            unfused_timm,
            grid=(4, 6),
        ),
        Family(
            "CaiT, talking heads (cait_xxs24)",
            "timm",
            build("cait_xxs24_224", img_size=64, **small),
            image(),
            {"self_attention": {"layers": "blocks.1"}, "rollout": {"layers": "blocks.*"}}
            | {**conv("blocks.1"), "gradcam": unprefixed, "feature_norm": unprefixed},
            prefix=0,
        ),
        Family(
            "ViT with differential attention (vit_dlittle_patch16_reg1_gap)",
            "timm",
            build("vit_dlittle_patch16_reg1_gap_256", img_size=64, depth=2, embed_dim=64, num_heads=4),
            image(),
            every("blocks.1"),
            query="mean",
        ),
    ]


def hugging_face_families() -> list[Family]:
    import transformers as hf

    def build(model: str, config: Any) -> Callable[[str], nn.Module]:
        def made(attention: str) -> nn.Module:
            made = copy.deepcopy(config)
            kind = getattr(hf, model)
            made._attn_implementation = "sdpa" if attention == "fused" and kind._supports_sdpa else "eager"
            return kind(made)

        return made

    def unfused(make: Callable[[str], nn.Module], part: str = "attentions") -> Any:
        def eager(model: nn.Module, inputs: dict[str, Any]) -> list[Tensor]:
            other = make("eager").eval()
            other.load_state_dict(model.state_dict())
            return list(getattr(other(**inputs, output_attentions=True), part))

        return eager

    def image(rows: int = 64, columns: int = 64) -> Tensor:
        return torch.rand(2, 3, rows, columns, generator=torch.Generator().manual_seed(0))

    def every(layer: str) -> dict[str, dict[str, Any]]:
        at = {"layer": layer}
        gradients: dict[str, dict[str, Any]] = {"input_gradient": {}, "gradient_times_input": {}}
        return {"self_attention": {}, "rollout": {}, "gradcam": at, **gradients, "feature_norm": at}

    small: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    sized: dict[str, Any] = {**small, "intermediate_size": 64, "patch_size": 16, "image_size": 64}
    text: dict[str, Any] = {**small, "intermediate_size": 64, "vocab_size": 50, "max_position_embeddings": 16}
    words = torch.tensor([[2, 5, 7, 9], [2, 11, 4, 8]])
    mask = torch.ones_like(words)
    marks = {"bos_token_id": 1, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}

    vit = build("ViTForImageClassification", hf.ViTConfig(**{**sized, "image_size": (64, 96)}))
    deit = build("DeiTForImageClassification", hf.DeiTConfig(**sized))
    registers = {**small, "patch_size": 14, "image_size": 56, "num_register_tokens": 4}
    dino = build("Dinov2WithRegistersForImageClassification", hf.Dinov2WithRegistersConfig(**registers))
    rotary = build("DINOv3ViTModel", hf.DINOv3ViTConfig(**sized, num_register_tokens=4))
    clip = build("CLIPVisionModelWithProjection", hf.CLIPVisionConfig(**sized))
    swin = {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
    blip = {"vision_config": sized, "text_config": {**text, **marks, "encoder_hidden_size": 32}}
    vilt = build("ViltForQuestionAnswering", hf.ViltConfig(**sized, vocab_size=50, max_position_embeddings=16))
    pair = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        hf.ViTConfig(**sized), hf.BertConfig(**text, is_decoder=True, add_cross_attention=True)
    )
    pair.decoder_start_token_id, pair.pad_token_id = 2, 0
    pair_model = build("VisionEncoderDecoderModel", pair)
    crossing = {"input_gradient": {}, "gradient_times_input": {}}

    def spoken(output: Any) -> Tensor:
        return output.logits.amax(-1).sum(1)

    return [
        Family(
            "ViT",
            "transformers",
            vit,
            {"pixel_values": image(64, 96)},
            every("vit.layers.1.layernorm_before"),
            unfused(vit),
            grid=(4, 6),
        ),
        Family(
            "DeiT, distilled",
            "transformers",
            deit,
            {"pixel_values": image()},
            every("deit.layers.1.layernorm_before"),
            unfused(deit),
            prefix=2,
        ),
        Family(
            "Swin",
            "transformers",
            build("SwinForImageClassification", hf.SwinConfig(**swin)),
            {"pixel_values": image()},
            {
                **every("swin.encoder.layers.0.blocks.0.layernorm_before"),
                "gradcam": {"layer": "swin.layernorm", "grid": (8, 8), "prefix": 0},
                "feature_norm": {"layer": "swin.layernorm", "grid": (8, 8), "prefix": 0},
            },
            prefix=0,
            grid=(8, 8),
        ),
        Family(
            "DINOv2 with registers",
            "transformers",
            dino,
            {"pixel_values": image(56, 56)},
            every("dinov2_with_registers.encoder.layer.1.norm1"),
            unfused(dino),
            prefix=5,
        ),
        Family(
            "DINOv3, rotary",
            "transformers",
            rotary,
            {"pixel_values": image()},
            every("model.layer.1.norm1"),
            unfused(rotary),
            prefix=5,
            target=lambda output: output.pooler_output.amax(1),
        ),
        Family(
            "CLIP vision",
            "transformers",
            clip,
            {"pixel_values": image()},
            every("vision_model.encoder.layers.0"),
            unfused(clip),
            target=lambda output: output.image_embeds.amax(1),
        ),
        Family(
            "BLIP captioner",
            "transformers",
            build("BlipForConditionalGeneration", hf.BlipConfig(**blip)),
            {"pixel_values": image(), "input_ids": words, "attention_mask": mask},
            {
                "cross_attention": {},
                "gradcam": {"layer": "vision_model.encoder.layers.1"},
                **crossing,
                "feature_norm": {"layer": "vision_model.encoder.layers.1"},
            },
            dropped("*crossattention.self.dropout"),
            target=spoken,
        ),
        Family(
            "BLIP question answering",
            "transformers",
            build("BlipForQuestionAnswering", hf.BlipConfig(**blip)),
            {"pixel_values": image(), "input_ids": words, "attention_mask": mask, "decoder_input_ids": words},
            {
                "cross_attention": {"layers": "text_encoder.*crossattention"},
                "gradcam": {"layer": "vision_model.encoder.layers.1"},
                **crossing,
                "feature_norm": {"layer": "vision_model.encoder.layers.1"},
            },
            dropped("text_encoder*crossattention.self.dropout"),
            target=lambda output: output.image_embeds.amax((1, 2)),
        ),
        Family(
            "ViT and BERT decoder, encoder-decoder",
            "transformers",
            pair_model,
            {"pixel_values": image(), "decoder_input_ids": words},
            {
                "cross_attention": {},
                "gradcam": {"layer": "encoder.layernorm"},
                **crossing,
                "feature_norm": {"layer": "encoder.layernorm"},
            },
            unfused(pair_model, "cross_attentions"),
            target=spoken,
        ),
        Family(
            "ViLT question answering",
            "transformers",
            vilt,
            {"pixel_values": image(), "input_ids": words, "attention_mask": mask},
            every("vilt.encoder.layer.1.layernorm_before"),
            query="class",
        ),
    ]
