"""A run on several labels a picture, from training over the other commands to what it leaves behind."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from haa.cli import main as cli


def plant(root: Path) -> None:
    """Write noise with a bright square for each label, gaze at it (simulated), and labels with some unknown."""
    rng = np.random.default_rng(0)
    labels, gaze = ["image,split,edema,mass"], ["image,x,y"]
    for n in range(24):
        pixels = rng.integers(0, 90, (32, 32, 3), dtype=np.uint8)
        present = [n % 2, n // 2 % 2]
        for k in (k for k in range(2) if present[k]):
            pixels[4:12, 4 + 14 * k : 12 + 14 * k, k] = 255
            gaze.append(f"{n}.png,{8 + 14 * k},8")
        values = ["" if n % 5 == k else str(present[k]) for k in range(2)]
        labels.append(f"{n}.png,{('train', 'train', 'val', 'test')[n % 4]},{','.join(values)}")
        (root / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / "images" / f"{n}.png")
    (root / "labels.csv").write_text("\n".join(labels))
    (root / "fixations.csv").write_text("\n".join(gaze))


@pytest.mark.slow
def test_all_commands_on_several_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["haa"])
    plant(tmp_path / "mine")
    words = ["task=finegrained", "data=folder", "data.root=mine", "loader.transform.size=32", "cache=null", "epochs=2"]
    cli.main(["train", *words, "align_weight=0.5", "trainer=cpu", "faithfulness=1", "hydra.run.dir=run"])
    summary = json.loads((tmp_path / "run/metrics.json").read_text())
    assert {"top1", "label_accuracy", "ranking_precision", "auroc", "mean_ap", "scored_classes"} < set(
        summary["metrics"]
    )
    assert summary["higher_is_better"]["auroc"] is True
    rows = pq.read_table(tmp_path / "run/samples.parquet").to_pydict()
    top1 = [value for value in rows["top1"] if not math.isnan(value)]
    assert summary["metrics"]["top1"] == pytest.approx(np.mean(top1), abs=1e-6)
    assert summary["undefined"]["top1"] == len(rows["id"]) - len(top1)
    assert "auroc" not in rows
    checkpoint = "checkpoint=run/checkpoints/best.ckpt"
    cli.main(["evaluate", checkpoint, "hydra.run.dir=again"])
    again = json.loads((tmp_path / "again/metrics.json").read_text())
    assert again["metrics"]["auroc"] == pytest.approx(summary["metrics"]["auroc"], abs=1e-6, nan_ok=True)
    cli.main(["predict", checkpoint, "images=mine/images", "output=maps"])
    assert len(list((tmp_path / "maps/attention").glob("*.png"))) == 24
    cli.main(["show", checkpoint, "hydra.run.dir=shown"])
    assert (tmp_path / "shown/show.png").is_file()
    said = set(np.load(tmp_path / "run/maps.npz")["text"].tolist())
    assert said <= {"edema", "mass", "edema, mass", "none"}
