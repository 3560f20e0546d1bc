"""The paragraph of methods says what the configs say: a changed key changes it, and what it does not know it names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.reporting.simulated import Drawn, study_runs

from haa.reporting.arms import studies
from haa.reporting.paper import captions
from haa.reporting.paper.citations import Cite, bib, cited, entries, latex, markdown, numbered, reference
from haa.reporting.paper.methods import methods, sentences
from haa.reporting.verdict import family

ARMS = {(0.5, "human"): 0.2, (0.5, "shuffled"): 0.0, (0.5, "center"): 0.0}
CONFIG = {
    "data": {"_target_": "haa.data.readers.osie.OSIE", "root": "/data/osie"},
    "backbone": {
        "_target_": "haa.models.backbone.Timm",
        "name": "resnet50.a1_in1k",
        "stages": [-2],
        "pretrained": True,
    },
    "model": {"_target_": "haa.models.stacked_attention.StackedAttention", "layers": 1},
    "attention": {"_target_": "haa.attention.GradCAM", "layer": "backbone"},
    "alignment": {
        "_target_": "haa.alignment.Alignment",
        "loss": {"_target_": "haa.losses.correlation", "_partial_": True},
    },
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.001},
    "scheduler": {"_target_": "haa.run.learning_rate.warmup_cosine"},
    "trainer": {"_target_": "pytorch_lightning.Trainer", "accelerator": "auto", "devices": 1, "max_epochs": 25},
    "callbacks": {"early_stopping": {"_target_": "haa.run.callbacks.EarlyStopping", "patience": 20}},
    "geometry": "receptive_field",
}
SUMMARY = {
    "simulated_gaze": False,
    "people": [12, 15],
    "backbone_weights": "trained on ImageNet, frozen",
    "versions": {"torch": "2.6.0", "timm": "1.0.11"},
}
SIZES = {"train": {"samples": 500}, "val": {"samples": 100}, "test": {"samples": 60, "ids": "d1"}}


def made(run: Drawn, changes: dict, summary: dict) -> Drawn:
    config = {**run.config, **CONFIG}
    config["alignment"] = {**CONFIG["alignment"], "weight": run.weight}
    for key, value in changes.items():
        place = config
        *parents, last = key.split(".")
        for name in parents:
            place[name] = dict(place.get(name, {}))
            place = place[name]
        place[last] = value
    return replace(run, config=config, summary={**run.summary, **SUMMARY, "data": SIZES, **summary})


def study(changes: dict | None = None, summary: dict | None = None, seeds: int = 3):
    runs = study_runs(np.random.default_rng(0), ARMS, seeds, samples=60, pictures=30)
    (found,) = studies([made(run, changes or {}, summary or {}) for run in runs])
    return found


def said(changes: dict | None = None, **summary) -> str:
    found = study(changes, summary)
    texts = methods([found], family([found]))
    return "\n".join(numbered(text, cited(texts)) for text in texts)


def test_it_says_what_the_config_says():
    text = said()
    for words in (
        "The task is VQA on OSIE",
        "500 samples for training, 100 samples for validation and 60 samples for testing",
        "The test samples show 30 images.",
        "Gaze was recorded (12 to 15 people for each test image).",
        "The model is stacked attention",
        "(layers = 1)",
        "The backbone is a ResNet-50",
        "(weights a1_in1k)",
        "from timm",
        "weights before training: trained on ImageNet, frozen",
        "Its attention is Grad-CAM",
        "(layer = backbone)",
        "the negative correlation (1 − CC)",
        "a weight λ (0, 0.5)",
        "3 % of the image's longer side",
        "Trained with human gaze.",
        "Controls: centred gaze (",
        "another image's gaze (the gaze at another image",
        "3 seeds (0 to 2;",
        "for 25 epochs, or until 20 epochs bring no improvement",
        "by AdamW",
        "a learning rate of 0.001",
        "batches of 32",
        "The score is VQA accuracy.",
        "over seeds and test images together",
        "haa 0.2 was used, with PyTorch 2.6.0",
        "timm 1.0.11",
    ):
        assert words in text, words
    assert "Not covered" not in text
    assert "_target_" not in text
    assert "/data" not in text


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("epochs", 7, "for 7 epochs"),
        ("lr", 0.5, None),
        ("optimizer.lr", 0.02, "a learning rate of 0.02"),
        ("optimizer.weight_decay", 0.3, "weight_decay = 0.3"),
        ("loader.batch_size", 8, "batches of 8"),
        ("loader.per_class", 5, "uses 5 samples of each class"),
        ("loader.transform.size", [384, 512], "384 × 512 pixels"),
        ("loader.transform.flip", True, "flip = True"),
        ("model.layers", 2, "layers = 2"),
        ("backbone.stages", [-1], "stages = [-1]"),
        ("backbone.name", "vgg16", "a VGG-16"),
        ("attention.layer", "backbone.body.layer3", "layer = backbone.body.layer3"),
        ("alignment.loss._target_", "haa.losses.nss", "the negative NSS"),
        ("alignment.sigma", 0.05, "5 % of the image's longer side"),
        ("alignment.schedule._target_", "haa.alignment.schedule.cosine_decay", "falling along half a cosine"),
        ("data.release", 2017, "release = 2017"),
        ("data._target_", "haa.data.readers.salicon.SALICON", "recorded by the mouse"),
        ("geometry", "stretched", "stretched over the image"),
        ("trainer.precision", "bf16-mixed", "precision = bf16-mixed"),
        ("trainer.devices", 4, "devices = 4"),
        ("callbacks.early_stopping.patience", 3, "until 3 epochs"),
        ("task.module.label_smoothing", 0.1, "label_smoothing = 0.1"),
        ("task.monitor", "val/attention_nss", "with the best attention NSS"),
        ("scheduler.warmup", 0.2, "warmup = 0.2"),
    ],
)
def test_a_changed_key_changes_it(key, value, words):
    text = said({key: value})
    assert (words in text) if words else True
    assert (text != said()) == (words is not None)


def test_a_setting_that_is_the_runs_seed_is_told_as_a_seed():
    runs = study_runs(np.random.default_rng(0), ARMS, 3, samples=60, pictures=30)
    handed_on = [
        made(run, {"loader.per_class": 5, "loader.per_class_seed": run.seed, "model.mask_seed": run.seed}, {})
        for run in runs
    ]
    (found,) = studies(handed_on)
    text = "".join(map(str, methods([found], family([found]))))
    assert "Training uses 5 samples of each class, which each seed draws anew, the same in all conditions." in text
    assert "mask_seed = the run's seed" in text
    assert "per_class_seed" not in text
    fixed = said({"loader.per_class": 5, "loader.per_class_seed": 7})
    assert "5 samples of each class, the same in every run (per_class_seed = 7)." in fixed
    assert "the same in every run (per_class_seed = 0)." in said({"loader.per_class": 5})


@pytest.mark.parametrize("key", ["teacher.temperature", "callbacks.mine.every", "note"])
def test_what_it_does_not_know_is_told(key):
    text = said({key: 2.5})
    assert f"Not covered by this paragraph, and to be told by hand: {key} = 2.5." in text


@pytest.mark.parametrize(
    "key", ["output_dir", "study", "loader.num_workers", "callbacks.checkpoint.dirpath", "data.root"]
)
def test_what_is_no_method_is_left_out(key):
    assert "elsewhere" not in said({key: "/home/me/elsewhere"})


@pytest.mark.parametrize(
    "key", ["alignment.sigma", "epochs", "loader.transform.size", "lora.rank", "backbone.name", "geometry"]
)
def test_what_is_of_another_kind_is_told_as_it_is(key):
    assert "odd" in said({key: "odd"})


def test_whose_gaze_it_was():
    assert "simulated observer, and says nothing about people" in said(simulated_gaze=True)
    assert "an unrecorded number of people for each test image" in said(people=None)
    assert "The version" not in said()


def test_texts_of_a_config_do_nothing(tmp_path):
    text = "\\input{x} [@he2016] <b>*x*</b> \x1b[31m"
    found = study({"data.note": text})
    parts = sentences(found, family([found])[0])["data"]
    assert "\\input" not in latex(parts)
    assert "\\cite{xu2014}" in latex(parts)
    assert "[@he2016]" not in markdown(parts)
    assert "<b>" not in markdown(parts)
    assert "\x1b" not in latex(parts) + markdown(parts) + numbered(parts, ["xu2014"])


def test_studies_share_what_holds_for_all():
    runs = study_runs(np.random.default_rng(0), ARMS, 3, samples=60)
    every = [
        replace(made(run, {"backbone.name": name}, {}), folder=Path(f"{name}-{run.folder}"))
        for name in ("resnet18", "resnet50")
        for run in runs
    ]
    found = studies(every)
    model, training, evaluation, *others = [numbered(text, list(entries())) for text in methods(found, family(found))]
    assert "The backbone" not in model + training + evaluation
    assert [text.split(": The")[0] for text in others if "backbone" in text] == [
        "VQA on OSIE, ResNet-18",
        "VQA on OSIE, ResNet-50",
    ]
    assert "corrected together (Holm) for 2 claims" in evaluation


def test_captions_say_of_how_many():
    found = study(seeds=4)
    assert captions.n([found]) == (
        "n: 4 seeds for each condition, 30 test images (60 test samples), the gaze of 12 to 15 people for each image"
    )
    # by hand: one condition with the image's own gaze, two controls
    assert captions.holm(found) == (
        "p: two-sided, corrected (Holm) for 1 condition with the image's own gaze and 2 controls, each apart"
    )
    assert captions.weight(found) == "the weight of the alignment loss is 0.5"
    assert "95 % intervals over seeds and test images together" in captions.paired([found])
    assert captions.family(3) == "corrected together (Holm) for 3 claims"


def test_captions_of_a_corpus_score_have_intervals_over_seeds_alone():
    runs = study_runs(np.random.default_rng(0), ARMS, 3, samples=60)
    for run in runs:
        del run.columns["accuracy"]
    (found,) = studies(runs)
    assert "over seeds alone" in captions.paired([found])
    assert "Student's, over seeds" in "".join(
        part for part in sentences(found, family([found])[0])["statistics"] if isinstance(part, str)
    )


def test_the_bibliography_is_whole():
    for key, entry in entries().items():
        assert re.fullmatch(r"@\w+\{\w+,\n(  \w+ = \{.*\},\n)+\}\n", entry), key
        fields = set(re.findall(r"^  (\w+) =", entry, re.M))
        assert {"author", "title", "year"} < fields
        assert key[-4:] == re.search(r"year = \{(\d{4})\}", entry)[1]
        assert entry.count("{") == entry.count("}")
        assert "\\" not in reference(key)
    assert list(entries()) == sorted(entries())
    assert bib(["he2016", "he2016"]) == entries()["he2016"]


def test_what_is_not_in_the_bibliography_is_not_cited():
    text = ["A thing", Cite(("nobody2020",)), "."]
    assert (latex(text), markdown(text), cited([text])) == ("A thing.", "A thing.", [])


def own_loop(run: Drawn, alignment: dict) -> Drawn:
    """Return a run whose config is as `haa.Evaluation` writes it."""
    config = {key: run.config[key] for key in ("align_weight", "seed", "condition")} | {
        "task": {"name": "light or dark", "monitor": "val/accuracy", "mode": "max"},
        "data": {"_target_": "own.noise"},
        "alignment": {"_target_": "haa.alignment.Alignment", "weight": run.weight, **alignment},
        "own": {"epochs": 6},
    }
    return replace(run, config=config)


@pytest.mark.parametrize(
    ("alignment", "loss"),
    [
        ({"loss": "correlation", "sigma": 0.05, "schedule": "constant"}, "is the negative correlation (1 − CC); it"),
        ({}, "is the loss that is to be told by hand; it"),
    ],
)
def test_of_a_loop_of_ones_own_it_says_what_is_known(alignment, loss):
    runs = study_runs(np.random.default_rng(0), ARMS, 3, samples=60, pictures=30)
    (found,) = studies([own_loop(run, alignment) for run in runs])
    texts = methods([found], family([found]))
    text = re.sub(r" \[[\d, –]+\]", "", "\n".join(numbered(one, cited(texts)) for one in texts))
    for words in (
        "The task is light or dark on noise",
        "The model, where its attention is read, and its training are the authors' own: to be told by hand.",
        loss,
        "trained from 3 seeds (0 to 2).",
        "The score is accuracy.",
        "to be told by hand: own.epochs = 6.",
    ):
        assert words in text, words
    for word in ("None", "VQA", "The model is", "the model's own attention", "The checkpoint", "schedule ="):
        assert word not in text, word
