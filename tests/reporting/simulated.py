"""Studies whose truth is known: outcomes drawn as those of `shapes` runs are spread, in memory or as run folders."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from haa.reporting.collect import Run
from haa.run_folder import Maps

SD_SEED, SD_ARM, SD_INTERACTION = 0.03, 0.06, 0.1
ROLES = {"human": "treatment", "predicted": "treatment", "corrupted": "less gaze", "subset": "less gaze"}


def config(weight: float, condition: str, seed: int) -> dict[str, Any]:
    return {
        "align_weight": weight,
        "seed": seed,
        "epochs": 25,
        "data": {"_target_": "haa.data.shapes.Shapes", "task": "vqa", "world": "relevant"},
        "backbone": {"_target_": "haa.models.backbone.Tiny"},
        "alignment": {"_target_": "haa.alignment.Alignment", "weight": weight, "loss": {"_target_": "haa.losses.kl"}},
        "condition": {"_target_": f"haa.conditions.{condition.capitalize()}"},
        "loader": {"seed": seed, "batch_size": 32},
        "output_dir": f"outputs/{condition}/{weight}/{seed}",
        "task": {"name": "vqa", "monitor": "val/accuracy", "mode": "max"},
    }


@dataclass(frozen=True)
class Drawn(Run):
    """A run whose samples are in memory."""

    columns: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def samples(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        return self.columns


def study_runs(
    rng: np.random.Generator,
    effects: dict[tuple[float, str], float],
    seeds: int,
    samples: int = 500,
    base: float = 0.34,
    sd_seed: float = SD_SEED,
    sd_arm: float = SD_ARM,
    pictures: int | None = None,
) -> list[Drawn]:
    """Runs of every arm and seed. A sample's chance of being right adds up from the arm's effect, the seed's and the
    run's own luck, how hard the sample is, and how the arm happens to suit the sample; the answer is right or wrong.

    Args:
        effects: the true gain of each (weight, condition).
        pictures: number of pictures of the samples, which are then questions about them; None is a picture each. How
            hard a question is and how it suits an arm goes by its picture.
    """
    of = np.arange(samples) * (pictures or samples) // samples
    hard = rng.normal(0, 0.1, pictures or samples)[of]
    luck = rng.normal(0, sd_seed, seeds)
    runs = []
    for (weight, condition), effect in {(0.0, "human"): 0.0, **effects}.items():
        suits = rng.normal(0, SD_INTERACTION, pictures or samples)[of]
        for seed in range(seeds):
            chance = base + effect + luck[seed] + rng.normal(0, sd_arm) + hard + suits
            right = (rng.random(samples) < chance).astype(float)
            nss = rng.normal(2.0 * (condition == "human" and weight > 0), 0.5, samples)
            summary = {
                "split": "test",
                "samples": samples,
                "role": ROLES.get(condition, "control") if weight else "baseline",
                "label": condition if weight else "baseline",
                "matched": condition == "shuffled" and weight > 0,
                "haa": "0.2",
                "data": {"test": {"stimuli": "a1", "gaze": "b1", "labels": "c1", "ids": "d1"}},
                "sigma": 0.03,
                "validation": right.mean() + 0.01 * rng.standard_normal(),
                "align_loss_at_start": None if weight == 0 else 2.3,
                "higher_is_better": {"accuracy": True, "attention_nss": True, "loss": False},
                "simulated_gaze": True,
                "undefined": {"accuracy": 0, "attention_nss": 0},
                "metrics": {"accuracy": right.mean(), "attention_nss": nss.mean(), "loss": 1.0 - right.mean()},
            }
            names = {"id": np.arange(samples).astype(str), "stimulus": of.astype(str)}
            columns = {**names, "accuracy": right, "attention_nss": nss}
            runs.append(Drawn(Path(f"{condition}-{weight}-{seed}"), config(weight, condition, seed), summary, columns))
    return runs


def write(runs: list[Drawn], folder: Path, maps: int = 12) -> Path:
    """The runs as folders that `haa train` could have written."""
    for number, run in enumerate(runs):
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / "config.yaml").write_text(yaml.safe_dump(run.config))
        (place / "metrics.json").write_text(json.dumps(run.summary))
        pq.write_table(pa.table(run.columns), place / "samples.parquet")
        final = run.summary["metrics"]["accuracy"]
        header = "epoch,step,train/task_loss,val/accuracy,val/attention_nss\n"
        attention = run.summary["metrics"]["attention_nss"]
        lines = [
            f"{e},{e},{2 - e / 10:.3f},{final * (e + 1) / 10:.4f},{attention * (e + 1) / 10:.4f}" for e in range(10)
        ]
        (place / "metrics.csv").write_text(header + "\n".join(lines) + "\n")
        if maps:
            _maps(run, maps).save(place / "maps.npz")
    return folder


def _maps(run: Drawn, count: int) -> Maps:
    rng = np.random.default_rng(run.seed)
    file = io.BytesIO()
    Image.fromarray(np.linspace(60, 200, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)).save(file, "JPEG")
    return Maps(
        id=run.columns["id"][:count],
        image=np.array([file.getvalue()] * count),
        text=np.array(["what colour is the star? red"] * count),
        said=np.array(["red" if right else "blue" for right in run.columns["accuracy"][:count]]),
        human=rng.random((count, 12, 12)).astype(np.float16),
        machine=rng.random((count, 8, 8)).astype(np.float16),
        words=np.zeros((count, 0, 8, 8), np.float16),
        simulated=True,
    )
