"""A Hugging Face Trainer whose model looks where people look: compute_loss, and one line in it.

    python examples/hugging_face_trainer.py          (pip install transformers accelerate)

The model is a tiny vision transformer with random weights; the attention of its last layer is pulled to the patch
that (made-up) people looked at.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

import haa
from haa.attention import SelfAttention

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.1}


class AlignedTrainer(Trainer):
    """Adds the alignment to the loss, and logs it."""

    def __init__(self, *args: Any, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # a mean per batch, which the Trainer divides where it accumulates
        self.aligned = haa.align(self.model, SelfAttention(query="mean"), weight=weight)

    def compute_loss(self, model: Any, inputs: dict, return_outputs: bool = False, **kwargs: Any) -> Any:
        batch = {"image": inputs["pixel_values"], "fixations": inputs.pop("fixations")}
        loss, output = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
        loss = self.aligned(loss, batch, progress=self.state.global_step / max(1, self.state.max_steps))
        self.log({name: value.item() for name, value in self.aligned.log.items()})
        return (loss, output) if return_outputs else loss


def pictures(count: int) -> list[dict[str, torch.Tensor]]:
    """Noise with a bright patch in one of the four quarters, at which everybody looked."""
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(count, 3, 64, 64, generator=rng)
    label = torch.randint(0, 4, (count,), generator=rng)
    for picture, k in zip(image, label.tolist(), strict=True):
        picture[:, 32 * (k // 2) + 8 : 32 * (k // 2) + 24, 32 * (k % 2) + 8 : 32 * (k % 2) + 24] += 0.5
    centre = torch.stack([32.0 * (label % 2), 32.0 * (label // 2)], 1) + 15.5
    looks = centre[:, None] + 4 * torch.randn(count, 5, 2, generator=rng)
    return [{"pixel_values": i, "labels": k, "fixations": f} for i, k, f in zip(image, label, looks, strict=True)]


def train(weight: float, folder: str, samples: int = 256) -> float:
    """The mean alignment loss of the last epoch."""
    set_seed(0)
    model = ViTForImageClassification(ViTConfig(**TINY, image_size=64, patch_size=16, num_labels=4))
    arguments = TrainingArguments(
        folder,
        num_train_epochs=4,
        per_device_train_batch_size=16,
        gradient_accumulation_steps=2,
        learning_rate=5e-3,
        remove_unused_columns=False,  # the gaze is no argument of the model
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
        logging_strategy="no",
    )
    trainer = AlignedTrainer(model, arguments, train_dataset=pictures(samples), weight=weight)
    trainer.train()
    losses = [row["align_loss"] for row in trainer.state.log_history if "align_loss" in row]
    return sum(losses[-samples // 16 :]) / (samples // 16)


if __name__ == "__main__":
    for weight in (0.0, 1.0):
        with TemporaryDirectory() as folder:
            print(f"weight {weight}: alignment loss {train(weight, folder):.3f}")
