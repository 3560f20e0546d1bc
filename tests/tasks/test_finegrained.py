"""The fine-grained task: its loss and scores against torch's and counts, its classes on their way, both its models."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.tasks.taught import taught

from haa.alignment import Alignment
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.models.attention_pooling import AttentionPooling
from haa.models.backbone import Tiny
from haa.tasks.finegrained import FineGrained
from haa.text import Classes


def task(train=16, **options) -> tuple[FineGrained, dict]:
    torch.manual_seed(0)
    data = Shapes("train", task="finegrained", train=train)
    words = FineGrained.build_vocabularies(data)
    model = AttentionPooling(Tiny(channels=32), class_vocab=len(words["class"]))
    batch = collate(list(data))
    batch["image"] = batch["image"].float() / 255
    return FineGrained(model, vocabularies=words, **options), batch


def test_loss_equals_pytorch_and_score_is_the_log_probability():
    module, batch = task()
    output = module.step(batch)
    logits = module.model(batch["image"])[0]
    torch.testing.assert_close(output.loss, F.cross_entropy(logits, batch["label"]))
    torch.testing.assert_close(output.score, -F.cross_entropy(logits, batch["label"], reduction="none"))
    torch.testing.assert_close(module.eval().step(batch).score, logits.log_softmax(1).amax(1))


def test_scores_are_the_counted_ones():
    module, batch = task()
    metrics, output = module.make_metrics(), module.step(batch)
    module.update_metrics(metrics, output, batch)
    right = output.prediction.argmax(1) == batch["label"]
    assert metrics.compute()["top1"].item() == pytest.approx(right.float().mean().item())
    assert metrics["top1"].values.tolist() == right.float().tolist()
    assert set(metrics.compute()) == {"top1", "top5", "class_accuracy"}


def test_it_learns_and_alignment_pulls_the_attention():
    module, batch = task(alignment=Alignment(weight=0.5))
    loss, alignment = taught(module, batch, steps=80)
    assert loss < 0.5
    assert alignment < 0.5


def test_classes_are_the_datasets_and_others_are_refused():
    classes = FineGrained.build_vocabularies(Shapes("train", task="finegrained"))["class"]
    assert classes == Classes(Shapes("test", task="finegrained").classes)
    classes.check(Shapes("test", task="finegrained"))
    with pytest.raises(InputError, match="dark horizontal where the data has red"):
        classes.check(Shapes("test", task="finegrained", world="irrelevant"))
    with pytest.raises(InputError, match="no classes"):
        FineGrained.build_vocabularies(Shapes("train"))


@pytest.mark.parametrize("names", [[], ["one"], ["a", "a"]])
def test_too_few_classes_or_the_same_twice_are_refused(names):
    with pytest.raises(InputError):
        Classes(names)


def test_data_without_labels_is_refused():
    module, batch = task()
    del batch["label"]
    with pytest.raises(InputError, match="label"):
        module.step(batch)
