"""A Hugging Face Trainer, with an answer at its end: did human attention help?

    python examples/hugging_face_trainer.py          (pip install 'haa[huggingface]')

Lines that end in "haa" were added, or changed. The model is a tiny vision transformer with random weights; the
attention of its last layer is pulled to where (made-up) people looked.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

import haa  # haa
from haa.attention import SelfAttention  # haa

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.1}


def pictures(count: int, seed: int) -> list[dict[str, torch.Tensor]]:
    """Noise with a bright patch or a dark one in one of 16 places, at which everybody looked."""
    rng = torch.Generator().manual_seed(seed)
    image, label = torch.rand(count, 3, 64, 64, generator=rng), torch.arange(count) % 2
    corner = 16 * torch.randint(0, 4, (count, 2), generator=rng)
    for picture, k, (x, y) in zip(image, label.tolist(), corner.tolist(), strict=True):
        picture[:, y : y + 16, x : x + 16] += 0.7 if k else -0.7
    looks = corner[:, None] + 7.5 + 4 * torch.randn(count, 5, 2, generator=rng)
    return [{"pixel_values": i, "labels": k, "fixations": f} for i, k, f in zip(image, label, looks, strict=True)]


def right(output: dict, batch: dict) -> dict[str, torch.Tensor]:  # haa
    return {"accuracy": output["logits"].argmax(1) == batch["labels"]}  # haa


def train(condition: str, weight: float, seed: int, place: Path, samples: int = 96, epochs: int = 6) -> None:
    set_seed(seed)
    arguments = TrainingArguments(
        str(place / "trainer"),
        num_train_epochs=epochs,
        per_device_train_batch_size=16,
        learning_rate=5e-3,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    told = {"condition": condition, "seed": seed, "task": "light or dark", "data": "noise", "simulated": True}  # haa
    parts = lambda s: {"image": s["pixel_values"], "fixations": s["fixations"]}  # noqa: E731  # haa
    trainer = haa.AlignedTrainer(  # haa
        ViTForImageClassification(ViTConfig(**TINY, image_size=64, patch_size=16, num_labels=2)),
        arguments,
        train_dataset=haa.Exchanged(pictures(samples, 1), condition, sample=parts),  # haa
        eval_dataset=pictures(50, 2),
        source=SelfAttention(query="mean"),  # haa
        alignment=haa.Alignment(weight=weight),  # haa
        evaluate=haa.Evaluation(place / f"{condition}_{weight}_{seed}", right, "accuracy", **told),  # haa
    )
    trainer.train()
    trainer.evaluate()
    trainer.predict(pictures(100, 3))


if __name__ == "__main__":
    studies = Path(tempfile.mkdtemp())
    for run in range(3):
        for whose, pull in (("human", 0.0), ("human", 0.3), ("shuffled", 0.3)):
            train(whose, pull, run, studies)
    subprocess.run([sys.executable, "-m", "haa", "report", str(studies)], check=True)
