"""`haa evaluate` gives what training's own test gave, for every sample: a part of ``benchmarks.torture evaluate``."""

from __future__ import annotations

import pytest
from benchmarks.torture.equal import TOLERANCE, difference, results

SMALL = ["data.train=16", "data.val=8", "data.test=11", "epochs=1", "loader.batch_size=8", "align_weight=0.5"]
SMALL += ["trainer=cpu", "callbacks.progress=null", "callbacks.pictures=null"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["vqa", "captioning"])
def test_batches_and_workers_make_no_difference(haa, task):
    run = haa("train", f"task={task}", *SMALL)
    for name, words in (("threes", ["loader.batch_size=3"]), ("workers", ["loader.num_workers=2"])):
        again = haa("evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "trainer=cpu", *words, name=name)
        worst, where = difference(results(again), results(run))
        assert worst <= TOLERANCE, where
    assert len(results(run)) == 12  # the metrics, and 11 samples


@pytest.mark.parametrize(
    ("found", "worst"),
    [
        ({"a": {"x": 1.0, "y": float("nan")}}, 0.0),
        ({"a": {"x": 1.5, "y": float("nan")}}, 0.5),
        ({"a": {"x": 1.0, "y": 0.0}}, float("inf")),
        ({"a": {"x": 1.0}}, float("inf")),
        ({"b": {"x": 1.0, "y": float("nan")}}, float("inf")),
    ],
)
def test_a_difference_is_seen(found, worst):
    assert difference(found, {"a": {"x": 1.0, "y": float("nan")}})[0] == worst
