"""A model that haa did not train: its scores are haa's, and the report answers for it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import nn

import haa
from haa.attention import FeatureNorm, GradCAM
from haa.attention.measure import measure as map_of
from haa.batch import human_maps
from haa.errors import InputError
from haa.geometry.extent import on_picture
from haa.geometry.receptive_field import extents
from haa.metrics import Spearman, functional
from haa.reporting.arms import studies
from haa.reporting.collect import collect
from haa.reporting.page import write
from haa.reporting.verdict import claims


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    grid = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.BatchNorm2d(6), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
    return nn.Sequential(grid, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 3))


def batches(count: int = 3, seed: int = 0) -> list[dict]:
    rng = torch.Generator().manual_seed(seed)
    out = []
    for k in range(count):
        points = torch.rand(4, 5, 2, generator=rng) * 30
        points[1] = torch.nan
        image = torch.rand(4, 3, 32, 40, generator=rng)
        out.append(
            {
                "image": image,
                "fixations": points,
                "label": torch.tensor([0, 1, 2, k % 3]),
                "id": [f"{k}{j}" for j in range(4)],
            }
        )
    return out


def right(output, batch):
    return {
        "accuracy": output.argmax(1) == batch["label"],
        "loss": F.cross_entropy(output, batch["label"], reduction="none"),
    }


def test_scores_are_the_models_and_attention_that_of_the_metrics(tmp_path):
    model = network()
    found = haa.measure(tmp_path / "a", model, GradCAM("0"), batches(), right, metric="accuracy", settings={"lr": 0.1})
    model.eval()
    accuracy, nss, spearman = [], [], Spearman(grid=(14, 14))
    for batch in batches():
        maps = map_of(GradCAM("0"), model, batch["image"])
        shown = on_picture(maps, (32, 40), extents(model[0], batch["image"])[0])
        values = functional.nss(shown, batch["fixations"])
        human, seen = human_maps(batch, None, 0.03)
        spearman.update(prediction=shown[seen].detach(), density=human[seen])
        nss += values[human_maps(batch, (1, 1), 0.03)[1]].tolist()
        accuracy += (model(batch["image"]).argmax(1) == batch["label"]).float().tolist()
    assert found["accuracy"] == pytest.approx(sum(accuracy) / len(accuracy))
    assert found["attention_nss"] == pytest.approx(sum(nss) / len(nss), abs=1e-5)
    assert found["attention_spearman"] == pytest.approx(
        spearman.compute().item(), abs=1e-5
    )  # on VQA-HAT's 14 x 14 cells
    summary = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert (summary["samples"], summary["undefined"]["attention_nss"], summary["undefined"]["accuracy"]) == (12, 3, 0)
    assert summary["higher_is_better"]["attention_kl"] is False
    rows = pd.read_parquet(tmp_path / "a" / "samples.parquet")
    assert rows["accuracy"].tolist() == accuracy
    assert rows["id"].tolist() == [name for batch in batches() for name in batch["id"]]


def test_the_model_is_left_as_it_was(tmp_path):
    model = network().train()
    model[0][2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    haa.measure(tmp_path / "a", model, GradCAM("0"), batches(), right, metric="accuracy")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not model[0][2].training
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert all(value.grad is None for value in model.parameters())


def test_a_study_of_any_loop_has_its_answer(tmp_path):
    """Arms whose scores are planted: human gaze gains .3, another picture's none."""
    gains = {("human", 0.0): 0.0, ("human", 0.5): 0.3, ("shuffled", 0.5): 0.0}
    many = batches(25)
    for (condition, weight), gain in gains.items():
        for seed in range(4):
            rng = torch.Generator().manual_seed(seed + 100 * len(condition) + int(1000 * gain))

            def score(output, batch, gain=gain, rng=rng):
                return {"accuracy": torch.rand(len(output), generator=rng) < 0.4 + gain}

            haa.measure(
                tmp_path / f"{condition}{weight}{seed}",
                network(),
                FeatureNorm("0"),
                many,
                score,
                metric="accuracy",
                condition=condition,
                align_weight=weight,
                seed=seed,
                task="counting",
                data="marbles",
                settings={"epochs": 3},
            )
    (study,) = studies(collect([tmp_path]))
    assert study.title == "counting on marbles"
    assert [(arm.role, arm.label, len(arm.runs)) for arm in study.arms] == [
        ("baseline", "baseline", 4),
        ("treatment", "human, weight 0.5", 4),
        ("control", "shuffled, weight 0.5", 4),
    ]
    assert claims(study)[0].word == "gaze helps"
    page = write([tmp_path], tmp_path / "report").read_text()
    assert "Human gaze helps" in page


def test_runs_of_other_settings_or_gaze_are_not_compared(tmp_path):
    for name, changes, data in (
        ("a", {}, batches()),
        ("b", {"settings": {"lr": 2}}, batches()),
        ("c", {}, batches(seed=1)),
    ):
        haa.measure(tmp_path / name, network(), FeatureNorm("0"), data, right, metric="accuracy", **changes)
    assert len(studies(collect([tmp_path]))) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "f1"}, "metric=f1 is not among what score gives: accuracy, loss"),
        ({"condition": "humans"}, "condition=humans: did you mean human"),
        ({"batches": []}, "no batch to score"),
        ({"batches": [(torch.zeros(1, 3, 4, 4), 1)]}, r"the batch is a tuple: give batch=lambda b: {\"image\": b\[0\]"),
        ({"batches": batches() * 2}, "two samples are called 00"),
        ({"score": lambda output, batch: {"accuracy": output.argmax()}}, "score gives 1 values of accuracy for 4"),
        (
            {"batches": [batches()[0], {k: v for k, v in batches(2)[1].items() if k != "fixations"}]},
            "not there in every",
        ),
    ],
    ids=["metric", "condition", "none", "tuple", "twice", "mean", "half"],
)
def test_what_cannot_be_measured_is_said_and_leaves_nothing(tmp_path, change, message):
    given = {"batches": batches(), "score": right, "metric": "accuracy", **change}
    with pytest.raises(InputError, match=message):
        haa.measure(tmp_path / "a", network(), FeatureNorm("0"), given.pop("batches"), given.pop("score"), **given)
    assert not (tmp_path / "a").exists()


def test_a_finished_run_is_not_written_over(tmp_path):
    work = (network(), FeatureNorm("0"), batches(), right)
    haa.measure(tmp_path / "a", *work, metric="accuracy")
    with pytest.raises(InputError, match="holds a finished run"):
        haa.measure(tmp_path / "a", *work, metric="accuracy")


def test_a_function_says_where_a_model_looked(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, image):
            self.map = self.net[0](image).sum(1)
            return self.net(image)

    found = haa.measure(tmp_path / "a", Own(), lambda model: model.map, batches(), right, metric="accuracy")
    assert found["attention_nss"]


def test_batches_of_another_form_give_the_same(tmp_path):
    tuples = [(batch["label"], batch["image"], batch["fixations"]) for batch in batches()]
    score = lambda output, batch: {"accuracy": output.argmax(1) == batch[0]}  # noqa: E731
    parts = lambda b: {"image": b[1], "fixations": b[2]}  # noqa: E731
    found = haa.measure(tmp_path / "a", network(), GradCAM("0"), tuples, score, metric="accuracy", batch=parts)
    named = haa.measure(tmp_path / "b", network(), GradCAM("0"), batches(), right, metric="accuracy")
    assert found == {name: value for name, value in named.items() if name != "loss"}
    in_bytes = [(a, (255 * b).byte(), c) for a, b, c in tuples]
    in_floats = [(a, (255 * b).byte() / 255, c) for a, b, c in tuples]
    one, other = (
        haa.measure(tmp_path / name, network(), GradCAM("0"), data, score, metric="accuracy", batch=parts)
        for name, data in (("c", in_bytes), ("d", in_floats))
    )
    assert one == pytest.approx(other, rel=1e-4)


def test_validation_is_scored_where_batches_are_given(tmp_path):
    model = network().eval()
    haa.measure(
        tmp_path / "a", model, FeatureNorm("0"), batches(), right, metric="accuracy", validation=batches(2, seed=9)
    )
    haa.measure(tmp_path / "b", model, FeatureNorm("0"), batches(), right, metric="accuracy", validation=0.25)
    hits = [(model(batch["image"]).argmax(1) == batch["label"]).float() for batch in batches(2, seed=9)]
    told = [json.loads((tmp_path / name / "metrics.json").read_text())["validation"] for name in ("a", "b")]
    assert told == pytest.approx([torch.cat(hits).mean().item(), 0.25])


def sure(output, batch):
    return {**right(output, batch), "probability": output.softmax(1).gather(1, batch["label"][:, None])[:, 0]}


def test_faithfulness_is_that_of_the_function(tmp_path):
    """Of each kept picture, on its own, by the function; nothing else changes."""
    told = {"metric": "accuracy", "faithfulness": 5, "confidence": "probability"}
    found = haa.measure(tmp_path / "a", network(), FeatureNorm("0"), batches(), sure, **told)
    rows = pd.read_parquet(tmp_path / "a" / "samples.parquet")
    measured = rows.index[rows["attention_deletion"].notna()].tolist()
    assert len(measured) == 5
    model = network().eval()
    every = {key: torch.cat([batch[key] for batch in batches()]) for key in ("image", "label")}
    for place in measured:
        image, label = every["image"][place : place + 1], int(every["label"][place])
        expected = functional.faithfulness(
            lambda x, label=label: model(x).softmax(1)[:, label].detach(),
            image,
            map_of(FeatureNorm("0"), model, image),
            10,
            baseline=image.mean((2, 3), keepdim=True),
            seed=place,
            extent=extents(model[0], image)[0],
        )
        for name, value in expected.items():
            assert rows[f"attention_{name}"][place] == pytest.approx(value.item(), abs=1e-5)
    assert found["attention_deletion"] == pytest.approx(rows["attention_deletion"].mean())
    summary = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert (summary["faithfulness"], summary["higher_is_better"]["attention_deletion"]) == (5, False)
    again = haa.measure(tmp_path / "b", network(), FeatureNorm("0"), batches(), sure, **told)
    assert again == found  # the same samples, whatever is random
    plain = haa.measure(tmp_path / "c", network(), FeatureNorm("0"), batches(), sure, metric="accuracy")
    assert plain.items() <= found.items()


def test_reference_rows_are_those_of_the_gaze(tmp_path):
    """Everybody looks at one place of a picture of two kinds: the other picture's map is elsewhere, by hand."""

    def looks(x, y, people=4):
        return torch.tensor([[float(x), float(y)]] * people)

    train = [{"image": torch.zeros(3, 40, 60), "fixations": looks(30, 20)}]
    batch = {
        "image": torch.rand(2, 3, 40, 60),
        "label": torch.tensor([0, 1]),
        "fixations": torch.stack([looks(10, 10), looks(45, 30)]),
        "subject": torch.arange(4).expand(2, 4),
    }
    told = {"metric": "accuracy", "sigma": 0.05}
    haa.measure(tmp_path / "a", network(), FeatureNorm("0"), [batch], right, references=train, **told)
    rows = json.loads((tmp_path / "a" / "metrics.json").read_text())["references"]
    assert list(rows) == ["centre prior", "another image", "human ceiling"]

    def blurred(x, y):
        out = np.zeros((40, 60))
        out[y, x] = 1
        return scipy.ndimage.gaussian_filter(out, 3.0, mode="constant", truncate=30)

    def nss(map_, x, y):
        return (map_[y, x] - map_.mean()) / map_.std()

    prior, left, right_ = blurred(30, 20), blurred(10, 10), blurred(45, 30)
    assert rows["centre prior"]["attention_nss"] == pytest.approx(
        (nss(prior, 10, 10) + nss(prior, 45, 30)) / 2, abs=2e-3
    )
    assert rows["another image"]["attention_nss"] == pytest.approx(
        (nss(right_, 10, 10) + nss(left, 45, 30)) / 2, abs=2e-3
    )
    assert rows["human ceiling"]["attention_nss"] == pytest.approx(
        (nss(left, 10, 10) + nss(right_, 45, 30)) / 2, abs=2e-3
    )
    (study,) = studies(collect([tmp_path]))
    assert study.references == rows
    # of the gaze of an exchanged data set, its own
    control = haa.Exchanged(train * 2 + [{**train[0], "fixations": looks(31, 21)}], "random")
    haa.measure(tmp_path / "b", network(), FeatureNorm("0"), [batch], right, references=control, **told)
    other = json.loads((tmp_path / "b" / "metrics.json").read_text())["references"]
    assert other["centre prior"]["attention_nss"] == pytest.approx(rows["centre prior"]["attention_nss"], abs=0.2)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"faithfulness": 3}, "faithfulness=3 needs confidence="),
        ({"faithfulness": -1}, "faithfulness=-1: give a number of test samples"),
        ({"faithfulness": 3, "confidence": "loss"}, r"confidence=loss is not in \[0, 1\]"),
        ({"faithfulness": 3, "confidence": "odds"}, "confidence=odds is not among what score gives: accuracy, loss"),
        ({"references": [(1, 2)]}, "sample 0: the sample is a tuple"),
    ],
)
def test_options_that_cannot_be_met_are_refused(tmp_path, told, message):
    with pytest.raises(InputError, match=message):
        haa.measure(tmp_path / "a", network(), FeatureNorm("0"), batches(), right, metric="accuracy", **told)
    assert not (tmp_path / "a").exists()
