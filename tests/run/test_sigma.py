"""The blur that maps are scored with is the data's, wherever a run scores, draws or keeps a human map."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haa.run_folder import Maps

WORK = ("task=vqa", "epochs=1", "data.train=32", "data.val=16", "data.test=16", "loader.batch_size=16")
WORK += ("callbacks.pictures=null", "trainer.enable_progress_bar=false", "callbacks.progress=null")


def summary(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_the_blur_of_the_loss_leaves_every_score_as_it_is(haa):
    one = summary(haa("train", *WORK, name="one"))
    other = summary(haa("train", *WORK, "alignment.sigma=0.2", name="other"))
    assert (one["sigma"], one["sigma_from"]) == (0.03, "default")
    assert one["metrics"] == other["metrics"]
    assert one["references"] == other["references"]
    assert one["align_loss_at_start"] != other["align_loss_at_start"]


def test_a_given_blur_is_what_everything_is_scored_with_and_goes_along_with_the_data(haa):
    plain = haa("train", *WORK, name="plain")
    given = haa("train", *WORK, "data.sigma=0.1", name="given")
    again = haa("evaluate", f"checkpoint={given}/checkpoints/last.ckpt", name="again")
    narrow = haa("evaluate", f"checkpoint={given}/checkpoints/last.ckpt", "data.sigma=0.03", name="narrow")
    other = haa("evaluate", f"checkpoint={given}/checkpoints/last.ckpt", "data=shapes", "data.test=16", name="other")
    a, b, c, d, e = map(summary, (plain, given, again, narrow, other))
    assert (b["sigma"], b["sigma_from"]) == (c["sigma"], c["sigma_from"]) == (0.1, "given")
    assert (d["sigma"], d["sigma_from"]) == (0.03, "given")
    assert (e["sigma"], e["sigma_from"]) == (0.03, "default")
    assert b["metrics"]["attention_cc"] == pytest.approx(c["metrics"]["attention_cc"], abs=1e-6)
    assert a["metrics"]["attention_cc"] == pytest.approx(d["metrics"]["attention_cc"], abs=1e-6)
    assert abs(a["metrics"]["attention_cc"] - b["metrics"]["attention_cc"]) > 1e-3
    assert a["metrics"]["attention_nss"] == b["metrics"]["attention_nss"]
    assert a["references"]["another image"]["attention_cc"] != b["references"]["another image"]["attention_cc"]
    assert a["align_loss_at_start"] == b["align_loss_at_start"] == c["align_loss_at_start"]

    def column(run: Path) -> list[str]:
        rows = csv.DictReader((run / "metrics.csv").open())
        return [row["val/attention_kl"] for row in rows if row["val/attention_kl"]]

    assert column(plain) != column(given)
    sharp, blurred = (Maps.load(run / "maps.npz").human.astype(float) for run in (plain, given))
    assert (blurred.sum((1, 2)) > 1.5 * sharp.sum((1, 2))).all()  # the largest value is 1 in both


def test_published_maps_are_scored_against_as_they_are(haa, tmp_path):
    root = tmp_path / "mine"
    for kind in ("images", "maps"):
        (root / kind).mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(12):
        pixels = generator.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{number}.png")
        Image.fromarray(pixels[..., 0]).save(root / f"maps/{number}.png")
    lines = [f"{number},{'train' if number < 6 else 'val' if number < 9 else 'test'}" for number in range(12)]
    (root / "splits.csv").write_text("\n".join(["image,split", *lines]))
    (root / "labels.csv").write_text("\n".join(["image,label", *(f"{n},{n % 2}" for n in range(12))]))
    words = ("task=finegrained", "data=folder", f"data.root={root}", "data.sigma=0.1", "loader.transform.size=32")
    run = haa("train", *words, *WORK[1:2], "loader.batch_size=4", *WORK[6:], "align_weight=0.1")
    found = summary(run)
    assert (found["sigma"], found["sigma_from"]) == (None, "published maps")
    assert found["metrics"]["attention_cc"] is not None
    assert "references" not in found


def test_data_can_be_checked_and_shown_with_a_blur(haa, capsys):
    sharp, blurred = (
        haa("show", "data=shapes", "data.test=8", f"data.sigma={sigma}", name=f"show{sigma}") / "show.png"
        for sigma in (0.03, 0.1)
    )
    assert sharp.read_bytes() != blurred.read_bytes()
    with pytest.raises(SystemExit, match=r"data\.sigma=-1"):
        haa("show", "data=shapes", "data.sigma=-1")
