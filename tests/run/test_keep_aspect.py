"""Pictures that keep their shape, by the real commands: every task trains, scores and shows them, each once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SIZES = ((40, 60), (60, 40), (48, 48))
EACH = {"train": 8, "val": 4, "test": 7}
SMALL = ("trainer=cpu", "epochs=1", "loader.batch_size=3", "loader.transform.size=32", "align_weight=0.5")
SHAPE = ("loader.transform.keep_aspect=true", "loader.transform.multiple=8")
TABLES = {"finegrained": ("labels",), "sos": (), "saliency": (), "captioning": ("captions",), "vqa": ("questions",)}


def folder_of(root: Path, task: str) -> None:
    """Pictures of three shapes with a bright square where two people looked."""
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    if task == "sos":
        (root / "masks").mkdir()
    lines: dict[str, list[str]] = {"fixations": ["image,x,y,subject"], "splits": ["image,split"]}
    lines |= {"labels": ["image,label"], "captions": ["image,caption"], "questions": ["image,question,answer"]}
    for split, count in EACH.items():
        for k in range(count):
            height, width = SIZES[k % 3]
            name = f"{split}{k}.png"
            y, x = (int(rng.integers(8, side - 8)) for side in (height, width))
            mask = np.zeros((height, width), np.uint8)
            mask[y - 6 : y + 6, x - 6 : x + 6] = 255
            picture = rng.integers(0, 99, (height, width, 3)).astype(np.uint8)
            picture[mask > 0] = 230
            Image.fromarray(picture).save(root / "images" / name)
            if task == "sos":
                Image.fromarray(mask).save(root / "masks" / name)
            lines["fixations"] += [f"{name},{x},{y},1", f"{name},{x + 2},{y - 1},2"]
            lines["splits"].append(f"{name},{split}")
            lines["labels"].append(f"{name},{'ab'[k % 2]}")
            lines["captions"].append(f"{name},a square of {'ab'[k % 2]}")
            lines["questions"] += [f"{name},which {word}?,{'ab'[k % 2]}" for word in ("one", "other")]
    for table in ("fixations", "splits", *TABLES[task]):
        (root / f"{table}.csv").write_text("\n".join(lines[table]) + "\n")


@pytest.mark.parametrize("task", TABLES)
@pytest.mark.slow
def test_every_task_keeps_shapes(task, tmp_path, index_cache, haa):
    folder_of(tmp_path / "data", task)
    data = (f"task={task}", "data=folder", f"data.root={tmp_path / 'data'}")
    folder = haa("train", *data, *SMALL, *SHAPE)
    rows = pd.read_parquet(folder / "samples.parquet")
    samples = EACH["test"] * (2 if task == "vqa" else 1)
    stimuli = [f"test{k}" for k in range(EACH["test"]) for _ in range(samples // EACH["test"])]
    assert [Path(name).stem for name in rows["stimulus"]] == stimuli  # in the order of the data, whatever the batches
    assert len(set(rows["id"])) == samples
    summary = json.loads((folder / "metrics.json").read_text())
    assert summary["samples"] == samples
    assert np.isfinite(rows["attention_nss"]).all()
    maps = np.load(folder / "maps.npz")
    assert np.isfinite(maps["machine"].astype(float)).all()
    again = haa(
        "evaluate", f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}", "loader.eval_batch_size=1", name="again"
    )
    alone = pd.read_parquet(again / "samples.parquet")
    for column in rows.columns.drop(["id", "stimulus"]):
        np.testing.assert_allclose(rows[column], alone[column], rtol=2e-3, atol=2e-3, err_msg=column)
    assert (
        haa("show", f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}", "index=0,1,2", name="shown") / "show.png"
    ).is_file()


@pytest.mark.slow
def test_features_of_shapes_are_cached_and_training_is_the_same(tmp_path, index_cache, haa):
    folder_of(tmp_path / "data", "finegrained")
    work = ("task=finegrained", "data=folder", f"data.root={tmp_path / 'data'}", *SMALL, *SHAPE, "backbone.frozen=true")
    plain, cached = (
        haa("train", *work, "cache=null", name="plain"),
        haa("train", *work, f"cache={tmp_path / 'cache'}", name="cached"),
    )
    one, other = (pd.read_parquet(folder / "samples.parquet") for folder in (plain, cached))
    for column in one.columns.drop(["id", "stimulus"]):
        np.testing.assert_allclose(one[column], other[column], rtol=2e-3, atol=2e-3, err_msg=column)
