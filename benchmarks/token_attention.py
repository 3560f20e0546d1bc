"""What reading a vision-language model's attention costs, as ratios within one run, into docs/token-attention.md.

OMP_WAIT_POLICY=passive python -m benchmarks.token_attention

A model like LLaVA of 100 million parameters with random weights learns one sample, with its fused attention, with
`haa.attention.TokenAttention` aligned, and with eager attention whose weights for all tokens are returned and aligned.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import haa
from benchmarks.peak import peak
from haa.attention import TokenAttention

PAGE = Path(__file__).parent.parent / "docs" / "token-attention.md"
VARIANTS = ("fused", "fused, TokenAttention", "eager, all attentions")
IMAGE, ANSWER, QUESTION = 31999, 8, 56
SIDE = 24
"""Patches along a side of the picture, of 14 pixels, as LLaVA 1.5 has them."""
ROUNDS = 3


def build(variant: str, side: int = SIDE) -> nn.Module:
    import transformers as hf

    torch.manual_seed(0)
    vision = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 6}
    text = {"hidden_size": 640, "intermediate_size": 1728, "num_hidden_layers": 12, "num_attention_heads": 10}
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**vision, image_size=14 * side, patch_size=14),
        text_config=hf.LlamaConfig(**text, num_key_value_heads=5, vocab_size=32000),
        image_token_index=IMAGE,
    )
    attention = "eager" if variant.startswith("eager") else "sdpa"
    return hf.LlavaForConditionalGeneration._from_config(config, attn_implementation=attention).train()


def batch(side: int = SIDE) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(3, 30000, (1, QUESTION + ANSWER), generator=generator)
    ids = torch.cat([torch.full((1, side * side), IMAGE), words], 1)
    labels = torch.cat([torch.full((1, ids.shape[1] - ANSWER), -100), ids[:, -ANSWER:]], 1)
    pixels = torch.rand(1, 3, 14 * side, 14 * side, generator=generator)
    gaze = 14 * side * torch.rand(1, 60, 2, generator=generator)
    return {"input_ids": ids, "labels": labels, "pixel_values": pixels, "image": pixels, "fixations": gaze}


def step(model: nn.Module, variant: str, given: dict[str, Tensor]) -> None:
    """A forward and a backward pass; gradients are dropped, so that each step is the same."""
    inputs: dict[str, Any] = {name: given[name] for name in ("input_ids", "labels", "pixel_values")}
    side = given["image"].shape[-1] // 14
    if variant == "fused":
        model(**inputs).loss.backward()
    elif variant.startswith("fused"):
        with haa.align(model, TokenAttention(), stretched=True) as aligned:
            aligned(model(**inputs).loss, given).backward()
    else:
        output = model(**inputs, output_attentions=True)
        rows = torch.stack([weights[:, :, -ANSWER - 1 : -1].mean((1, 2)) for weights in output.attentions]).mean(0)
        maps = rows[:, : side * side].view(1, side, side)
        haa.align(model, lambda _: maps)(output.loss, given).backward()
    model.zero_grad(set_to_none=True)


def times() -> dict[str, list[float]]:
    """Seconds of the processor in each round; the variants take turns."""
    models = {variant: build(variant) for variant in VARIANTS}
    given = batch()
    for variant, model in models.items():
        step(model, variant, given)
    taken: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(ROUNDS):
        for variant, model in models.items():
            began = time.process_time()
            step(model, variant, given)
            taken[variant].append(time.process_time() - began)
    return taken


def memory(variant: str) -> float:
    """MB that a step adds to the peak of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.token_attention", "memory", variant]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def table() -> str:
    lines = ["| attention | processor time | / fused | peak memory | / fused |", "| --- | --- | --- | --- | --- |"]
    taken = times()
    held = {variant: memory(variant) for variant in VARIANTS}
    for variant in VARIANTS:
        ratio = statistics.median(a / b for a, b in zip(taken[variant], taken["fused"], strict=True))
        lines.append(
            f"| {variant} | {statistics.median(taken[variant]):.1f} s | {ratio:.2f} | "
            f"{held[variant]:,.0f} MB | {held[variant] / held['fused']:.2f} |"
        )
        print(lines[-1], taken[variant], flush=True)
    return "\n".join(lines)


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["memory"]:
        model, given = build(sys.argv[2]), batch()
        before = peak()
        step(model, sys.argv[2], given)
        print(peak() - before)
        return
    found = table()
    marks = "<!-- table -->", "<!-- end -->"
    page = PAGE.read_text()
    above, below = page.split(marks[0])[0], page.split(marks[1])[1]
    PAGE.write_text(f"{above}{marks[0]}\n{found}\n{marks[1]}{below}")


if __name__ == "__main__":
    main()
