"""Several labels an image in the fine-grained task: the loss and scores by hand, what Grad-CAM explains, classes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.tasks.taught import taught

from haa.alignment import Alignment
from haa.attention import GradCAM
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.models.attention_pooling import AttentionPooling
from haa.models.backbone import Tiny
from haa.tasks.action import Action
from haa.tasks.finegrained import FineGrained
from haa.tasks.multilabel import labelled, probability_of_given, with_loss
from haa.text import Classes, Labels, pack, unpack

NAMES = ["edema", "fracture", "mass"]


class Findings(Shapes):
    """Shapes (simulated) whose colour, one of eight, is three findings: its bits. Of every fourth, one is unknown."""

    multilabel = True

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.classes = NAMES

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        number = sample.pop("label")
        sample["labels"] = torch.tensor([number >> bit & 1 for bit in range(3)], dtype=torch.int8)
        if index % 4 == 0:
            sample["labels"][index // 4 % 3] = -1
        return sample


def task(train=16, **options) -> tuple[FineGrained, dict]:
    torch.manual_seed(0)
    data = Findings("train", task="finegrained", train=train)
    words = FineGrained.build_vocabularies(data)
    model = AttentionPooling(Tiny(channels=32), class_vocab=len(words["class"]))
    batch = collate(list(data))
    batch["image"] = batch["image"].float() / 255
    return FineGrained(model, vocabularies=words, **options), batch


def test_loss_is_the_mean_over_known_labels():
    module, batch = task()
    assert batch["labels"].dtype == torch.int8
    output, logits = module.step(batch), module.model(batch["image"])[0]
    known = batch["labels"] >= 0
    expected = F.binary_cross_entropy_with_logits(logits[known], batch["labels"][known].float())
    torch.testing.assert_close(output.loss, expected)
    assert output.count == known.sum() == 16 * 3 - 4
    nothing = module.step({**batch, "labels": torch.full((16, 3), -1)})
    assert (nothing.loss.item(), nothing.count.item()) == (0, 0)


def test_scores_are_the_counted_ones_and_each_image_has_a_value_of_the_first():
    module, batch = task()
    metrics, output = module.make_metrics(), module.step(batch)
    module.update_metrics(metrics, output, batch)
    found = metrics.compute()
    assert set(found) == {"top1", "label_accuracy", "ranking_precision", "auroc", "mean_ap", "scored_classes"}
    known, said = batch["labels"] >= 0, output.prediction > 0
    shares = [(said[i] == (batch["labels"][i] == 1))[known[i]].float().mean() for i in range(16)]
    assert found["label_accuracy"].item() == pytest.approx(torch.stack(shares).mean().item())
    assert metrics["top1"].values.shape == (16,)
    said = module.directions()
    assert all(said[name] for name in set(found) - {"scored_classes"})
    assert said["scored_classes"] is None


def test_it_learns_and_alignment_pulls_the_attention():
    module, batch = task(alignment=Alignment(weight=0.5))
    loss, alignment = taught(module, batch, steps=80)
    assert loss < 0.5
    assert alignment < 0.5


def test_an_attribution_explains_the_labels_that_are_present_or_said():
    logits = torch.tensor([[2.0, -1.0, 4.0], [-3.0, -1.0, -2.0]], requires_grad=True)
    output = labelled(logits, None)
    assert output.score.tolist() == [3.0, -1.0]  # the two that are said; the most probable where none is
    batch = {"id": ["a", "b"], "labels": torch.tensor([[0, 1, 1], [0, 0, -1]])}
    assert with_loss(output, batch, training=True).score.tolist() == [1.5, -1.0]
    assert with_loss(output, batch, training=False).score.tolist() == [3.0, -1.0]
    p = logits.sigmoid()
    torch.testing.assert_close(probability_of_given(output, output), (p[:, 0] + p[:, 2]) / 2)


def test_grad_cam_trains_through_it():
    module, batch = task(alignment=Alignment(weight=1.0))
    module.watch(GradCAM("backbone"))
    output = module.look(batch)
    loss, _ = module.alignment.join(output.loss, output.attention, batch)
    loss.backward()
    gradient = module.model.classify.weight.grad
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_classes_travel_as_labels_and_other_data_is_refused():
    data = Findings("train", task="finegrained")
    words = FineGrained.build_vocabularies(data)
    assert words["class"] == Labels(NAMES) != Classes(NAMES)
    assert unpack(pack(words)) == words
    words["class"].check(data)
    with pytest.raises(InputError, match="trained for several, and the data has one class for each sample"):
        words["class"].check(Shapes("train", task="finegrained"))
    with pytest.raises(InputError, match="trained for one class for each sample, and the data has several"):
        Classes(NAMES).check(data)
    assert len(Labels(["one"])) == 1
    with pytest.raises(InputError):
        Labels([])


def test_data_without_labels_and_clips_with_several_are_refused():
    module, batch = task()
    del batch["labels"]
    with pytest.raises(InputError, match="several classes of each sample"):
        module.step(batch)
    with pytest.raises(InputError, match="task=action"):
        Action.build_vocabularies(Findings("train", task="finegrained"))
