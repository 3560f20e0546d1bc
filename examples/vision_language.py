"""A Hugging Face captioner whose words look where people look: its cross-attention, aligned, and seen word by word.

    python examples/vision_language.py          (pip install 'haa[huggingface]')

BLIP with a tiny configuration and random weights, nothing is downloaded. Its captions say in which quarter of a
picture a bright patch lies, "top left" or the like, at which (made-up) people looked; sixty steps are enough to look
there, not to write well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BlipConfig, BlipForConditionalGeneration

import haa
from haa.attention import CrossAttention
from haa.metrics.functional import nss

WORDS = ["[pad]", "[start]", "[end]", "top", "bottom", "left", "right"]
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.1}
MARKS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "encoder_hidden_size": 32}


def captioner() -> BlipForConditionalGeneration:
    text = {**SMALL, **MARKS, "vocab_size": len(WORDS), "max_position_embeddings": 8}
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    return BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))


def pictures(count: int, rng: torch.Generator) -> dict[str, Tensor]:
    """Noise with a bright patch in a quarter, where everybody looked; the caption names it."""
    below, right = torch.randint(0, 2, (2, count), generator=rng)
    image = torch.rand(count, 3, 32, 32, generator=rng)
    for picture, row, column in zip(image, (16 * below).tolist(), (16 * right).tolist(), strict=True):
        picture[:, row + 4 : row + 12, column + 4 : column + 12] += 1
    centre = torch.stack([16.0 * right, 16.0 * below], 1) + 7.5
    caption = torch.stack([torch.ones_like(below), 3 + below, 5 + right, torch.full_like(below, 2)], 1)
    looks = centre[:, None] + 1.5 * torch.randn(count, 5, 2, generator=rng)
    return {"image": image, "fixations": looks, "caption": caption}


def train(weight: float, steps: int = 60) -> list[tuple[str, float]]:
    """The words written for the first of a hundred new pictures; the NSS over all of where words there looked."""
    torch.manual_seed(0)
    data, model = torch.Generator().manual_seed(1), captioner().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    source = CrossAttention()
    with haa.align(model, source, weight=weight) as aligned:
        for _ in range(steps):
            batch = pictures(32, data)
            output = model(pixel_values=batch["image"], input_ids=batch["caption"], labels=batch["caption"])
            loss = aligned(output.loss, batch)  # the mean over the words; source.read_words() has each
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    model.eval()
    source.attach(model)
    batch = pictures(100, torch.Generator().manual_seed(2))
    with torch.no_grad(), source.recording():
        written = model.generate(pixel_values=batch["image"], max_new_tokens=3, num_beams=1, do_sample=False)
    maps = source.read_words()  # (100, passes, 4, 4): what is read in a pass writes the next word
    scores = []
    for t in range(2):
        seen = F.interpolate(maps[:, t : t + 1], (32, 32), mode="bilinear")[:, 0]
        scores.append((WORDS[written[0, t + 1]], nss(seen, batch["fixations"]).mean().item()))
    return scores


if __name__ == "__main__":
    for weight in (0.0, 1.0):
        words = ", ".join(f"NSS {score:.2f} at words like '{word}'" for word, score in train(weight))
        print(f"weight {weight}: {words}")
