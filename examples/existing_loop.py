"""A training loop that has never heard of haa, with an answer at its end: did human attention help?

    python examples/existing_loop.py

Lines that end in "haa" were added: `haa.Exchanged` (whose gaze), `haa.align` (the loss), `haa.measure` (a run for the
report). The gaze is made up: everybody looks at the mark that tells the class.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

import haa  # haa
from haa.attention import FeatureNorm  # haa


def pictures(count: int, seed: int) -> list[dict]:
    """Noise with a small cross or a small ring somewhere, at which everybody looked."""
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(9) - 4, torch.arange(9) - 4, indexing="ij")
    marks = ((y.abs() <= 1) | (x.abs() <= 1)).float(), ((y**2 + x**2 - 12).abs() < 6).float()
    out = []
    for k in range(count):
        top, left = torch.randint(0, 55, (2,), generator=rng).tolist()
        image = torch.rand(3, 64, 64, generator=rng)
        image[:, top : top + 9, left : left + 9] += marks[k % 2]
        looks = torch.tensor([left + 4.0, top + 4.0]) + 2 * torch.randn(5, 2, generator=rng)
        out.append({"id": str(k), "image": image, "label": k % 2, "fixations": looks.clamp(0, 63)})
    return out


def right(output: torch.Tensor, batch: dict) -> dict[str, torch.Tensor]:  # haa
    return {"accuracy": output.argmax(1) == batch["label"]}  # haa


def train(condition: str, weight: float, seed: int, folder: Path, samples: int = 64, epochs: int = 12) -> None:
    torch.manual_seed(seed)
    model = timm.create_model("test_resnet", num_classes=2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    data = pictures(samples, seed=1)
    data = haa.Exchanged(data, condition)  # haa
    aligned = haa.align(model, FeatureNorm("layer2"), weight=weight)  # haa
    for batch in (batch for _ in range(epochs) for batch in DataLoader(data, batch_size=16, shuffle=True)):
        loss = F.cross_entropy(model(batch["image"]), batch["label"])
        loss = aligned(loss, batch)  # haa
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    aligned.detach()  # haa
    test = DataLoader(pictures(200, seed=2), batch_size=50)
    told = {"condition": condition, "align_weight": weight, "seed": seed, "simulated": True}  # haa
    told |= {"metric": "accuracy", "task": "cross or ring", "data": "noise", "settings": {"epochs": epochs}}  # haa
    haa.measure(folder / f"{condition}_{weight}_{seed}", model, aligned.source, test, right, **told)  # haa


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp())
    for run in range(3):
        for whose, pull in (("human", 0.0), ("human", 0.3), ("shuffled", 0.3)):
            train(whose, pull, run, place)
    subprocess.run([sys.executable, "-m", "haa", "report", str(place)], check=True)
