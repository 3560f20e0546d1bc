"""The model card says whose gaze it was, and how sure its scores are; nothing that it quotes is markup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from scipy import stats

from haa.export.card import card, gaze, scores
from haa.reporting.collect import Run

VALUES = np.array([0.2, 0.5, 0.9, 0.4])


SALIENCY = "haa.tasks.saliency.Saliency"
PREDICTED = "haa.predict.condition.Predicted"


def own(
    data: str = "haa.data.readers.osie.OSIE",
    condition: str = "haa.conditions.Human",
    weight: float = 0.5,
    task: str = "haa.tasks.sos.SOS",
):
    config = {
        "task": {"name": "sos", "monitor": "val/nss", "mode": "max", "module": {"_target_": task}},
        "model": {"_target_": "haa.models.saliency.SaliencyReadout", "backbone": {"_target_": "x.Timm", "name": "vit"}},
        "data": {"_target_": data},
        "condition": {"_target_": condition},
        "alignment": {"_target_": "haa.alignment.Alignment", "weight": weight},
        "align_weight": weight,
        "seed": 3,
    }
    return {"config": config, "version": "0.2", "backbone_weights": "random"}


def run(**summary) -> Run:
    metrics = {"nss": float(VALUES.mean()), "f_max": 0.7, "loss": 2.0, "cc": None}
    told = {"metrics": metrics, "higher_is_better": {"nss": True}, "split": "test", "samples": 4, **summary}
    found = Run(Path("runs/1"), own()["config"], told)
    names = np.array(["a", "b", "c", "d"])
    found.__dict__["samples"] = {"id": names, "stimulus": names, "nss": VALUES, "f_max": VALUES}
    return found


def test_a_score_has_students_interval_where_it_is_the_mean_of_its_samples():
    found = {score.metric: score for score in scores(run())}
    assert found.keys() == {"nss", "f_max"}
    low, high = stats.ttest_1samp(VALUES, 0).confidence_interval()
    assert (found["nss"].low, found["nss"].high) == pytest.approx((low, high))
    assert (found["f_max"].low, found["f_max"].interval) == (None, "–")


def test_the_hub_reads_it():
    text = card("mine", own(), "safetensors", 2**20, run(), {"epoch": 4, "global_step": 50})
    read = ModelCard(text)
    assert [result.metric_type for result in read.data.eval_results] == ["nss", "f_max"]
    assert (read.data.library_name, read.data.model_name, read.data.license) == ("haa", "mine", None)
    low, high = stats.ttest_1samp(VALUES, 0).confidence_interval()
    for line in (
        "| backbone | Timm vit, weights random |",
        "| gaze | recorded |",
        "| align_weight | 0.5 |",
        "| seed | 3 |",
        "| trained for | 5 epochs, 50 steps |",
        "| format | safetensors: model.safetensors, 1.00 MiB |",
        f"| nss | 0.5 | {low:.4g} to {high:.4g} | more |",
    ):
        assert line in read.text


@pytest.mark.parametrize(
    ("about", "ran", "said"),
    [
        (own(), None, "recorded"),
        (own(data="haa.data.shapes.Shapes"), None, "simulated, by an observer that haa models"),
        (own(), run(simulated_gaze=True), "simulated, by an observer that haa models"),
        (own(weight=0), None, "none in training, since align_weight is 0; the data's is recorded"),
        (own(condition=PREDICTED), None, "predicted by a saliency model"),
        (
            {**own(condition=PREDICTED), "gaze_by_digest": "ab12"},
            run(simulated_gaze=True),
            "predicted by a saliency model (SHA-256 ab12)",
        ),
        (own(weight=0, task=SALIENCY), None, "recorded, which it learns to predict"),
        (
            own(condition=PREDICTED, task=SALIENCY),
            None,
            "recorded, which it learns to predict; its attention is aligned with gaze predicted by a saliency model",
        ),
    ],
)
def test_whose_gaze_it_was(about, ran, said):
    assert gaze(about, ran) == said


def test_texts_from_elsewhere_stay_texts():
    about = own()
    evil = "a|b\n---\nlicense: mit <script>alert(1)</script> [x](http://a.b) `c` \x1b[2J"
    about["config"]["task"]["name"], about["backbone_weights"], about["version"] = evil, evil, evil
    text = card(evil, about, "onnx", 1, run(split=evil), {})
    front = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    assert "license" not in front
    body = ModelCard(text).text
    for part in ("<script>", "[x](", "\x1b", "\nlicense:"):
        assert part not in body
    assert "\x1b" not in text
