"""A LightningModule that has never heard of haa, with an answer at its end: did human attention help?

    python examples/existing_module.py

Lines that end in "haa" were added; the module is as it was. It classifies with timm's smallest vision transformer; the
attention of its last block is pulled to the patch that (made-up) people looked at.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytorch_lightning as pl
import timm
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

import haa  # haa
from haa.attention import SelfAttention  # haa


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = timm.create_model("test_vit", img_size=64, num_classes=2)

    def training_step(self, batch: dict, batch_idx: int) -> torch.Tensor:
        return F.cross_entropy(self.model(batch["image"]), batch["label"])

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        self.log("val/loss", self.training_step(batch, batch_idx))

    def test_step(self, batch: dict, batch_idx: int) -> None:
        self.log("test/loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def pictures(count: int, seed: int) -> list[dict[str, torch.Tensor]]:
    """Noise with a bright patch or a dark one in one of 16 places, at which everybody looked."""
    rng = torch.Generator().manual_seed(seed)
    image, label = torch.rand(count, 3, 64, 64, generator=rng), torch.arange(count) % 2
    corner = 16 * torch.randint(0, 4, (count, 2), generator=rng)
    for picture, k, (x, y) in zip(image, label.tolist(), corner.tolist(), strict=True):
        picture[:, y : y + 16, x : x + 16] += 0.5 if k else -0.5
    looks = corner[:, None] + 7.5 + 4 * torch.randn(count, 5, 2, generator=rng)
    return [{"image": i, "label": k, "fixations": f} for i, k, f in zip(image, label, looks, strict=True)]


def right(output: torch.Tensor, batch: dict) -> dict[str, torch.Tensor]:  # haa
    return {"accuracy": output.argmax(1) == batch["label"]}  # haa


def train(condition: str, weight: float, seed: int, place: Path, samples: int = 128, epochs: int = 6) -> None:
    pl.seed_everything(seed, verbose=False)
    told = {"condition": condition, "seed": seed, "task": "light or dark", "data": "noise", "simulated": True}  # haa
    evaluate = haa.Evaluation(place / f"{condition}_{weight}_{seed}", right, "accuracy", **told)  # haa
    callback = haa.AlignmentCallback(
        SelfAttention(query="mean"), haa.Alignment(weight=weight), evaluate=evaluate
    )  # haa
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", callbacks=[callback], **quiet)  # haa
    data = haa.Exchanged(pictures(samples, seed=1), condition)  # haa
    val, test = (DataLoader(pictures(100, seed=k), batch_size=50) for k in (2, 3))
    trainer.fit(module := Classifier(), DataLoader(data, batch_size=16, shuffle=True), val)
    trainer.test(module, test, verbose=False)


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp())
    for run in range(3):
        for whose, pull in (("human", 0.0), ("human", 0.3), ("shuffled", 0.3)):
            train(whose, pull, run, folder)
    subprocess.run([sys.executable, "-m", "haa", "report", str(folder)], check=True)
