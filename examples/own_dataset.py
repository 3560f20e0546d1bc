"""A dataset of one's own: one class with three methods, and every task, control and report works with it.

Here it is a folder with pictures and one table, gaze.csv: picture, person, x, y (pixels, 0-based, x to the right).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image

from haa.data.dataset import GazeDataset, Split
from haa.data.loading.datamodule import DataModule
from haa.data.loading.transforms import Transform
from haa.gaze import Gaze
from haa.models.backbone import Tiny
from haa.models.saliency import SaliencyReadout
from haa.tasks.saliency import Saliency


class Folder(GazeDataset):
    def __init__(self, root: str | Path, split: Split) -> None:
        rows: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in csv.DictReader((Path(root) / "gaze.csv").open()):
            rows[row["picture"]].append(row)
        names = sorted(rows)
        self.root, self.rows = Path(root), rows
        self.names = names[{"train": 0, "val": 1, "test": 2}[split] :: 3]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict:
        image = torch.from_numpy(np.array(Image.open(self.root / self.names[index]).convert("RGB"))).permute(2, 0, 1)
        return {"id": self.names[index], "image": image, "gaze": self.gaze(index)}

    def gaze(self, index: int) -> Gaze | None:
        rows = self.rows[self.names[index]]
        points = torch.tensor([[float(row["x"]), float(row["y"])] for row in rows])
        with Image.open(self.root / self.names[index]) as image:
            return Gaze(points, (image.height, image.width), torch.tensor([int(row["person"]) for row in rows]))


def make_folder(root: Path, count: int = 24) -> None:
    """Grey pictures with a bright disc, which two people look at."""
    rng = np.random.default_rng(0)
    rows = ["picture,person,x,y"]
    for i in range(count):
        x, y = rng.uniform(15, 80), rng.uniform(15, 60)
        column, row = np.meshgrid(np.arange(96), np.arange(72))
        disc = np.hypot(column - x, row - y) < 10
        Image.fromarray(np.where(disc, 230, rng.integers(0, 120, disc.shape)).astype("uint8")).save(root / f"{i}.png")
        rows += [f"{i}.png,{k % 2},{x + rng.normal(0, 3):.1f},{y + rng.normal(0, 3):.1f}" for k in range(8)]
    (root / "gaze.csv").write_text("\n".join(rows) + "\n")


def train(root: Path, epochs: int = 20) -> float:
    pl.seed_everything(0, verbose=False)
    data = DataModule(lambda split: Folder(root, split), Transform(size=(48, 64)), batch_size=4)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", use_distributed_sampler=False, **quiet)
    module = Saliency(SaliencyReadout(Tiny(channels=16)), optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2))
    trainer.fit(module, data)
    return trainer.test(module, data, verbose=False)[0]["test/nss"]


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        make_folder(Path(folder))
        print(f"NSS on pictures not seen in training: {train(Path(folder)):.2f}")
