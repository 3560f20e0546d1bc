"""Captions and answers in the official result formats, against published values and by hand."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from haa.data.loading.datamodule import DataModule
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.metrics.functional import caption_scores
from haa.metrics.functional.captions import bleu_without_each
from haa.scoring.score import score
from haa.scoring.texts import read_results, score_captions

SAID = ["a red bird on a wall", "two dogs run", "a cat", "the old man sits there now"]
MEANT = [["a red bird sits on a wall", "a bird"], ["two big dogs run fast"], ["the cat sleeps"], ["an old man sits"]]


def test_bleu_without_each_is_that_of_the_rest():
    found = bleu_without_each(SAID, MEANT).numpy()
    for place in range(len(SAID)):
        rest = [i for i in range(len(SAID)) if i != place]
        scores = caption_scores([SAID[i] for i in rest], [MEANT[i] for i in rest])
        assert found[:, place] == pytest.approx([scores[f"bleu{n}"][0] for n in (1, 2, 3, 4)], abs=1e-12)


def test_means_over_images_are_the_values_of_the_set():
    found, scores = score_captions(SAID, MEANT), caption_scores(SAID, MEANT)
    for name, values in found.items():
        assert values.mean() == pytest.approx(scores[name][0], abs=1e-12)
    # the variance of the mean is the jackknife's (Efron and Stein 1981): (n - 1) / n sum (t_i - mean)^2
    without, n = bleu_without_each(SAID, MEANT).numpy()[0], len(SAID)
    jackknife = (n - 1) / n * ((without - without.mean()) ** 2).sum()
    assert found["bleu1"].var(ddof=1) / n == pytest.approx(jackknife)


def test_published_values_of_a_published_set(real_data):
    folder = real_data / "reference" / "captions"
    said, *meant = [(folder / f"{name}.txt").read_text().splitlines() for name in ("hyp", "ref1", "ref2")]
    scores = caption_scores(said, list(zip(*meant, strict=True)))
    published = {"bleu1": 0.55, "bleu2": 0.428174, "bleu3": 0.284043, "bleu4": 0.201143}
    published |= {"rouge_l": 0.522104, "cider": 1.242192}
    for name, value in published.items():
        assert scores[name][0] == pytest.approx(value, abs=1e-6)


def test_answers_are_scored_by_question(tmp_path):
    data = DataModule(partial(Shapes, task="vqa", train=1, val=1, test=4))
    test = data.dataset("test")
    results = [{"question_id": s["id"], "answer": s["answers"][0] if i % 2 else "no"} for i, s in enumerate(test)]
    (tmp_path / "mine.json").write_text(json.dumps(results))
    (row,) = score(tmp_path / "mine.json", data, task="vqa").rows
    assert row.name == "mine"
    assert row.values["accuracy"].tolist() == [float(i % 2 or s["answers"] == ["no"]) for i, s in enumerate(test)]
    (tmp_path / "less.json").write_text(json.dumps(results[1:]))
    with pytest.raises(InputError, match="lacks 1 of 4 samples"):
        score(tmp_path / "less.json", data, task="vqa")


def test_captions_of_a_person_stand_beside_the_models(tmp_path):
    data = DataModule(partial(Shapes, task="captioning", train=1, val=1, test=4))
    results = [{"image_id": s["id"], "caption": s["captions"][0]} for s in data.dataset("test")]
    (tmp_path / "copy.json").write_text(json.dumps(results))
    found = score(tmp_path / "copy.json", data, task="captioning")
    assert [row.name for row in found.rows] == ["copy", "one person"]
    assert np.all(found.row("copy").values["bleu1"] == pytest.approx(1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "is no list"),
        ('[{"image_id": 1}]', "has no 'caption'"),
        ('[{"image_id": 1, "caption": 2}]', "'caption' is 2, not a text"),
        ('[{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}]', "has image_id 1 twice"),
        ("[", "is no JSON file"),
    ],
)
def test_a_file_of_another_format_is_refused_by_name(tmp_path, text, message):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_results(tmp_path / "r.json", "captioning")
    assert "r.json" in str(error.value)
