"""A LightningModule that has never heard of haa, with human attention: one callback.

    python examples/existing_module.py

The module classifies with timm's smallest vision transformer; the attention of its last block is pulled to the patch
that (made-up) people looked at. The weight falls along a cosine, as in AiR.
"""

from __future__ import annotations

import pytorch_lightning as pl
import timm
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

import haa
from haa.alignment.schedule import cosine_decay
from haa.attention import SelfAttention


class Classifier(pl.LightningModule):
    """As it was before."""

    def __init__(self) -> None:
        super().__init__()
        self.model = timm.create_model("test_vit", img_size=64, num_classes=4)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = F.cross_entropy(self.model(batch["image"]), batch["label"])
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def pictures(count: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Noise with a bright patch in one of the four quarters, at which everybody looked."""
    rng = torch.Generator().manual_seed(seed)
    image = torch.rand(count, 3, 64, 64, generator=rng)
    label = torch.randint(0, 4, (count,), generator=rng)
    for picture, k in zip(image, label.tolist(), strict=True):
        picture[:, 32 * (k // 2) + 8 : 32 * (k // 2) + 24, 32 * (k % 2) + 8 : 32 * (k % 2) + 24] += 0.5
    centre = torch.stack([32.0 * (label % 2), 32.0 * (label // 2)], 1) + 15.5
    looks = centre[:, None] + 4 * torch.randn(count, 5, 2, generator=rng)
    return [{"image": i, "label": k, "fixations": f} for i, k, f in zip(image, label, looks, strict=True)]


def train(weight: float, samples: int = 256) -> float:
    """The alignment loss of the last epoch."""
    pl.seed_everything(0, verbose=False)
    alignment = haa.Alignment(weight=weight, schedule=cosine_decay)
    callback = haa.AlignmentCallback(SelfAttention(query="mean"), alignment)
    trainer = pl.Trainer(
        max_epochs=3,
        callbacks=[callback],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Classifier(), DataLoader(pictures(samples), batch_size=32, shuffle=True))
    return trainer.callback_metrics["train/align_loss"].item()


if __name__ == "__main__":
    for weight in (0.0, 1.0):
        print(f"weight {weight}: alignment loss {train(weight):.3f}")
