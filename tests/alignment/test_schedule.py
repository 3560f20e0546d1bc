from __future__ import annotations

import csv
import math
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from haa.alignment import Alignment
from haa.alignment.schedule import GradientNorm, constant, cosine_decay, linear_warmup
from haa.errors import InputError

BATCH = {"image": torch.zeros(2, 3, 32, 32), "fixations": torch.tensor([[[3.0, 4.0]], [[20.0, 8.0]]]), "id": ["a", "b"]}


def test_values():
    assert [constant(p) for p in (0, 0.5, 1)] == [1, 1, 1]
    assert [linear_warmup(p, share=0.5) for p in (0, 0.125, 0.5, 0.7, 1)] == [0, 0.25, 1, 1, 1]
    assert linear_warmup(0.0, share=0.0) == 1
    for p in (0.0, 0.2, 0.7, 1.0):
        assert cosine_decay(p) == pytest.approx(max(1 + math.cos(math.pi * p), 0) / 2)
    assert cosine_decay(1.0, final=0.1) == pytest.approx(0.1)


def test_the_weight_in_force_multiplies_the_alignment_and_is_logged():
    alignment = Alignment(weight=0.8, schedule=partial(linear_warmup, share=0.5))
    attention = torch.rand(2, 4, 4, requires_grad=True)
    unweighted = alignment(attention, BATCH)
    for progress, weight in ((0.125, 0.2), (0.9, 0.8)):
        loss, log = alignment.join(torch.tensor(3.0), attention, BATCH, progress)
        torch.testing.assert_close(loss, 3 + weight * unweighted)
        assert log["align_weight"].item() == pytest.approx(weight)
        torch.testing.assert_close(log["align_loss"], unweighted)


@pytest.mark.parametrize(
    ("weight", "schedule", "progress"), [(0.0, constant, 0.5), (1.0, linear_warmup, 0.0), (0.0, GradientNorm(), 0.5)]
)
def test_a_weight_of_nothing_keeps_no_graph(weight, schedule, progress):
    attention = torch.rand(2, 4, 4, requires_grad=True)
    task = attention.sum()
    loss, log = Alignment(weight=weight, schedule=schedule).join(task, attention, BATCH, progress)
    assert loss is task
    assert log["align_weight"] == 0
    assert not log["align_loss"].requires_grad


def test_a_map_without_gradient_is_refused():
    with pytest.raises(InputError, match="no gradient"):
        Alignment(weight=0.1).join(torch.tensor(1.0), torch.rand(2, 4, 4), BATCH)
    Alignment(weight=0.0).join(torch.tensor(1.0), torch.rand(2, 4, 4), BATCH)


def test_gradient_norm_makes_both_pull_alike():
    """Against the gradients that two separate backward passes leave in the parameters."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.Conv2d(4, 1, 1))
    head = nn.Linear(16, 3)
    batch = {**BATCH, "image": torch.rand(2, 3, 32, 32)}
    alignment = Alignment(weight=0.3, schedule=GradientNorm())
    named = [*model.named_parameters(), *head.named_parameters("head")]

    def losses():
        attention = model(batch["image"])[:, 0].flatten(1).softmax(1).view(2, 4, 4)
        return attention, nn.functional.cross_entropy(100 * head(attention.flatten(1)), torch.tensor([0, 1]))

    def norm(loss):
        for _, p in named:
            p.grad = None
        loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()]).norm()

    task, pull = norm(losses()[1]), norm(alignment(losses()[0], batch))
    assert not math.isclose(task, pull, rel_tol=0.5)
    attention, loss = losses()
    total, log = alignment.join(loss, attention, batch, parameters=named)
    torch.testing.assert_close(log["align_weight"], 0.3 * task / pull)
    assert not log["align_weight"].requires_grad
    norm(total - loss)
    torch.testing.assert_close(norm(losses()[1]) * 0.3, (log["align_weight"] * pull))

    restricted = GradientNorm(only=r"^0\.")
    attention, loss = losses()
    factor = restricted(loss, alignment(attention, batch), named)
    norm(losses()[1])
    first = torch.cat([model[0].weight.grad.flatten(), model[0].bias.grad]).norm()
    norm(alignment(losses()[0], batch))
    torch.testing.assert_close(factor, first / torch.cat([model[0].weight.grad.flatten(), model[0].bias.grad]).norm())


def test_gradient_norm_of_a_batch_without_gaze_is_finite():
    w = nn.Parameter(torch.ones(2))
    assert GradientNorm()(w.sum(), 0 * w.sum(), [("w", w)]) == 1


def test_gradient_norm_without_a_shared_parameter_is_refused():
    w, v = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match="both"):
        GradientNorm()(w.sum(), v.sum(), [("w", w), ("v", v)])
    with pytest.raises(ValueError, match="only=x"):
        GradientNorm(only="x")(w.sum(), w.sum(), [("w", w)])


@pytest.mark.parametrize("steps", [-1, 0, math.inf])
def test_a_schedule_needs_an_end(steps):
    with pytest.raises(InputError, match="max_epochs"):
        Alignment(weight=1, schedule=cosine_decay).progress(0, steps)
    assert Alignment(weight=1).progress(0, steps) == 0


def test_progress_counts_optimiser_steps_under_accumulation():
    class Watched(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen, self.alignment = nn.Linear(1, 1), [], Alignment(weight=1, schedule=cosine_decay)

        def training_step(self, batch, batch_idx):
            trainer = self.trainer
            self.seen.append(self.alignment.progress(trainer.global_step, trainer.estimated_stepping_batches))
            return self.layer(batch).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Watched()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(max_epochs=2, accumulate_grad_batches=2, accelerator="cpu", **quiet)
    trainer.fit(module, torch.utils.data.DataLoader(torch.ones(4, 1)))
    assert module.seen == [0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]


@pytest.mark.parametrize("schedule", ["cosine_decay", "linear_warmup"])
def test_a_run_logs_the_weight_in_force(haa, schedule):
    """Two steps an epoch, three epochs: the mean of the two steps' weights."""
    small = (
        "data.train=16",
        "data.val=8",
        "data.test=8",
        "loader.batch_size=8",
        "callbacks.pictures=null",
        "test=false",
    )
    share = ["alignment.schedule.share=0.5"] if schedule == "linear_warmup" else []
    run = haa(
        "train", "task=vqa", "align_weight=0.5", f"weight_schedule={schedule}", *share, *small,
        "trainer=debug", "trainer.max_epochs=3", "trainer.limit_train_batches=2",
    )  # fmt: skip
    rows = [row for row in csv.DictReader((run / "metrics.csv").open()) if row["train/align_weight"]]
    factor = {"cosine_decay": cosine_decay, "linear_warmup": partial(linear_warmup, share=0.5)}[schedule]
    expected = [0.5 * (factor(2 * e / 6) + factor((2 * e + 1) / 6)) / 2 for e in range(3)]
    assert [float(row["train/align_weight"]) for row in rows] == pytest.approx(expected, abs=1e-6)
