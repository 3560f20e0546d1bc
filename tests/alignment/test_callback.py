from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from tests.processes import in_processes
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

import haa
from haa.alignment import Alignment
from haa.alignment.callback import AlignmentCallback
from haa.alignment.schedule import GradientNorm, cosine_decay
from haa.attention import FeatureNorm, GradCAM
from haa.attention.measure import measure as map_of
from haa.batch import Output, human_maps
from haa.errors import InputError
from haa.geometry.extent import on_picture
from haa.geometry.receptive_field import extents
from haa.losses import Weighted, kl_divergence, nss
from haa.metrics import functional
from haa.reporting.arms import studies
from haa.reporting.collect import collect
from haa.tasks.aligned_module import AlignedModule


class Net(nn.Module):
    """A classifier that looks through a gate and keeps where it looked."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 6, 4, stride=4), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2))
        self.gate, self.head = nn.Conv2d(6, 1, 1), nn.Linear(6, 3)

    def forward(self, image):
        features = self.backbone(image)
        self.gaze = self.gate(features).flatten(1).softmax(1).view(-1, *features.shape[-2:])
        return self.head((features * self.gaze[:, None]).sum((2, 3)))


def optimizer(parameters):
    return torch.optim.AdamW(parameters, lr=1e-2)


class Foreign(pl.LightningModule):
    """Knows nothing of haa."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Net()

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.model(batch["image"]), batch["label"])

    def configure_optimizers(self):
        return optimizer(self.parameters())


class Hosted(AlignedModule):
    """The same as a task of haa."""

    def step(self, batch):
        loss = F.cross_entropy(self.model(batch["image"]), batch["label"])
        return Output(loss, None, self.model.gaze)

    def make_metrics(self):
        return MetricCollection({})

    def update_metrics(self, metrics, output, batch):
        pass


def native(module):
    return module.model.gaze


def samples(count: int = 24) -> list[dict]:
    rng = torch.Generator().manual_seed(5)
    out = []
    for i in range(count):
        looks = torch.rand(4, 2, generator=rng) * 16
        looks[i % 3 :] = torch.nan if i % 3 else looks[i % 3 :]
        out.append(
            {
                "id": str(i),
                "image": torch.rand(3, 16, 16, generator=rng),
                "label": i % 3,
                "fixations": looks if i % 4 else torch.full((4, 2), torch.nan),
            }
        )
    return out


def fit(module: pl.LightningModule, callbacks=(), **trainer) -> pl.Trainer:
    torch.manual_seed(1)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    settings = {"max_epochs": 2, "accelerator": "cpu", "enable_model_summary": False, **quiet, **trainer}
    made = pl.Trainer(callbacks=list(callbacks), **settings)
    made.fit(module, DataLoader(samples(), batch_size=4))
    return made


def built(kind, *args, **kwargs):
    torch.manual_seed(0)
    return kind(*args, **kwargs)


def hosted(alignment):
    torch.manual_seed(0)
    module = Hosted(Net(), alignment, optimizer)
    module.stretched = True  # as a function's map is, which does not say where its cells look
    return module


def assert_same_weights(one, other):
    for (name, a), (_, b) in zip(one.model.state_dict().items(), other.model.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize(
    ("alignment", "trainer"),
    [
        ({}, {}),
        ({}, {"accumulate_grad_batches": 3}),
        ({}, {"gradient_clip_val": 0.05, "accumulate_grad_batches": 4}),
        ({}, {"precision": "bf16-mixed", "accumulate_grad_batches": 3}),
        ({"schedule": cosine_decay}, {"accumulate_grad_batches": 3}),
        ({"schedule": GradientNorm()}, {"accumulate_grad_batches": 3}),
        ({"loss": Weighted({"kl": kl_divergence, "nss": nss}, {"nss": 0.1})}, {}),
        ({"weight": 0.0}, {}),
    ],
    ids=["1", "3", "clipped", "amp", "scheduled", "balanced", "sum", "baseline"],
)
def test_the_callback_gives_the_hosted_forms_weights_bit_for_bit(alignment, trainer):
    alignment = {"weight": 0.7, **alignment}
    inside = hosted(Alignment(**alignment))
    one = fit(inside, **trainer)
    outside = built(Foreign)
    other = fit(outside, [AlignmentCallback(native, Alignment(**alignment))], **trainer)
    assert_same_weights(inside, outside)
    for name in ("train/align_loss", "train/align_weight"):
        assert torch.equal(one.callback_metrics[name], other.callback_metrics[name])

    untouched = built(Foreign)
    fit(untouched, **trainer)
    same = all(torch.equal(a, b) for a, b in zip(untouched.parameters(), outside.parameters(), strict=True))
    assert same == (alignment["weight"] == 0)


def test_the_callback_is_a_loop_written_by_hand():
    """Against torch alone: three batches to a step, each a third of the sum."""
    outside = built(Foreign)
    fit(outside, [AlignmentCallback(native, Alignment(weight=0.7))], accumulate_grad_batches=3, max_epochs=1)
    byhand = built(Foreign)
    steps = optimizer(byhand.parameters())
    torch.manual_seed(1)
    alignment = Alignment()
    for i, batch in enumerate(DataLoader(samples(), batch_size=4)):
        loss = F.cross_entropy(byhand.model(batch["image"]), batch["label"])
        ((loss + 0.7 * alignment(byhand.model.gaze, batch)) / 3).backward()
        if i % 3 == 2:
            steps.step()
            steps.zero_grad()
    assert_same_weights(outside, byhand)


def test_a_source_watches_the_model_and_leaves():
    module = built(Foreign)
    callback = AlignmentCallback(GradCAM("backbone.2"), Alignment(weight=0.7))
    trainer = fit(module, [callback])
    assert trainer.callback_metrics["train/align_loss"] > 0
    assert "training_step" not in vars(module)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    fit(module, [callback])  # and may come again
    untouched = built(Foreign)
    fit(untouched)
    assert not torch.equal(module.model.gate.weight, untouched.model.gate.weight)


def test_a_dict_of_outputs_and_a_batch_of_another_form():
    class Pairs(Foreign):
        def training_step(self, batch, batch_idx):
            return {"loss": super().training_step(batch[0], batch_idx), "more": 3}

        def on_train_batch_end(self, outputs, batch, batch_idx):
            assert outputs["more"] == 3

    class Nested(torch.utils.data.Dataset):
        def __len__(self):
            return 24

        def __getitem__(self, index):
            return samples()[index], index

    module, plain = built(Pairs), built(Foreign)
    callback = AlignmentCallback(native, Alignment(weight=0.7), batch=lambda pair: pair[0])
    torch.manual_seed(1)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    pl.Trainer(max_epochs=2, accelerator="cpu", enable_model_summary=False, callbacks=[callback], **quiet).fit(
        module, DataLoader(Nested(), batch_size=4)
    )
    fit(plain, [AlignmentCallback(native, Alignment(weight=0.7))])
    assert_same_weights(module, plain)


def test_two_callbacks_add_up_and_both_leave():
    module = built(Foreign)
    first, second = (AlignmentCallback(native, Alignment(weight=w)) for w in (0.5, 0.2))
    fit(module, [first, second])
    assert "training_step" not in vars(module)
    one = built(Foreign)
    fit(one, [AlignmentCallback(native, Alignment(weight=0.7))])
    torch.testing.assert_close(module.model.gate.weight, one.model.gate.weight, atol=1e-4, rtol=1e-3)


class ByHand(Foreign):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False


class CompiledPart(Foreign):
    def __init__(self):
        super().__init__()
        self.model = torch.compile(self.model, backend="eager")


class CompiledInPlace(Foreign):
    def setup(self, stage):
        self.model.compile(backend="eager")


@pytest.mark.parametrize(
    ("make", "callback", "message"),
    [
        (ByHand, {}, "optimises by hand"),
        (CompiledPart, {"source": GradCAM("backbone.2")}, "GradCAM differentiates the score through the whole model"),
        (Foreign, {"model": "net"}, "model=net is no part of Foreign: there are model"),
        (Foreign, {"source": GradCAM("nowhere")}, "nowhere"),
        (Foreign, {"source": lambda module: module.model.gaze.detach()}, "no gradient"),
        (Foreign, {"batch": lambda batch: (batch["image"],)}, "is a tuple"),
        (Foreign, {"batch": lambda batch: {"pixels": batch["image"]}}, "has pixels"),
    ],
)
def test_what_cannot_be_aligned_is_refused_with_the_reason_and_left_alone(make, callback, message):
    module = make()
    with pytest.raises(InputError, match=message):
        fit(module, [AlignmentCallback(**{"source": native, "alignment": Alignment(weight=1.0), **callback})])
    assert "training_step" not in vars(module)


def test_a_compiled_lightning_module_is_refused():
    module = torch.compile(Foreign(), backend="eager")
    with pytest.raises(InputError, match="Foreign is compiled whole"):
        fit(module, [AlignmentCallback(native, Alignment(weight=1.0))])


@pytest.mark.parametrize("kind", [CompiledPart, CompiledInPlace])
@pytest.mark.parametrize("source", [native, FeatureNorm("backbone.2")], ids=["function", "features"])
def test_a_compiled_model_is_aligned_as_it_is_uncompiled(kind, source):
    if source is native and kind is CompiledPart:
        source = lambda module: module.model._orig_mod.gaze  # noqa: E731
    torch.compiler.reset()
    plain, compiled = built(Foreign), built(kind)
    for module in (plain, compiled):
        reader = native if module is plain and not isinstance(source, FeatureNorm) else source
        fit(module, [AlignmentCallback(reader, Alignment(weight=0.7))])
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    torch.compiler.reset()


class Checkpointed(Foreign):
    """Recomputes its backbone in the backward pass, in either of torch's two ways."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        plain, net = self.model.backbone.forward, self.model.backbone
        net.forward = lambda image: checkpoint(plain, image.requires_grad_(), use_reentrant=reentrant)


def test_gradient_checkpointing_is_right():
    plain, saved = built(Foreign), built(Checkpointed, False)
    for module in (plain, saved):
        fit(module, [AlignmentCallback(FeatureNorm("backbone.2"), Alignment(weight=0.7))])
    for a, b in zip(plain.parameters(), saved.parameters(), strict=True):
        assert torch.equal(a, b)


def test_reentrant_checkpointing_is_refused_where_the_layer_is_inside_and_right_outside():
    inside = AlignmentCallback(FeatureNorm("backbone.2"), Alignment(weight=0.7))
    with pytest.raises(InputError, match="reentrant checkpoint"):
        fit(built(Checkpointed, True), [inside])
    plain, saved = built(Foreign), built(Checkpointed, True)
    for module in (plain, saved):
        fit(module, [AlignmentCallback(native, Alignment(weight=0.7))])
    for a, b in zip(plain.parameters(), saved.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_plain_loop_is_the_same_again(accumulate):
    one, other = built(Net), built(Foreign)
    aligned = haa.align(one, source=lambda net: net.gaze, weight=0.7, schedule=cosine_decay)
    steps = optimizer(one.parameters())
    torch.manual_seed(1)
    for epoch in range(2):
        for i, batch in enumerate(DataLoader(samples(), batch_size=4)):
            loss = F.cross_entropy(one(batch["image"]), batch["label"])
            done = (6 * epoch + i) // accumulate / (12 // accumulate)
            (aligned(loss, batch, progress=done) / accumulate).backward()
            if i % accumulate == accumulate - 1:
                steps.step()
                steps.zero_grad()
    callback = AlignmentCallback(native, Alignment(weight=0.7, schedule=cosine_decay))
    fit(other, [callback], accumulate_grad_batches=accumulate)
    for a, b in zip(one.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_align_as_a_context_leaves_the_model():
    model = built(Net)
    with haa.align(model, GradCAM("backbone.2"), weight=0.0) as aligned:
        batch = next(iter(DataLoader(samples(), batch_size=4)))
        loss = F.cross_entropy(model(batch["image"]), batch["label"])
        assert aligned(loss, batch) is loss
        assert aligned.log["align_weight"] == 0
    assert not any(part._forward_hooks for part in model.modules())


def fitted_by_two(rank: int, folder: Path, port: int) -> None:
    told = {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(told)  # as torchrun tells the processes that it starts
    for kind, accumulate in (("hosted", 1), ("callback", 1), ("hosted", 3), ("callback", 3)):
        module = hosted(Alignment(weight=0.7)) if kind == "hosted" else built(Foreign)
        callbacks = [] if kind == "hosted" else [AlignmentCallback(native, Alignment(weight=0.7))]
        trainer = fit(module, callbacks, devices=2, strategy="ddp", accumulate_grad_batches=accumulate)
        assert trainer.world_size == 2
        if rank == 0:
            torch.save(module.model.state_dict(), folder / f"{kind}{accumulate}.pt")


@pytest.mark.slow
def test_two_processes_give_the_hosted_forms_weights_too(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    in_processes(fitted_by_two, 2, tmp_path, port)
    for accumulate in (3, 1):
        one, other = (
            torch.load(tmp_path / f"{kind}{accumulate}.pt", weights_only=True) for kind in ("hosted", "callback")
        )
        assert all(torch.equal(one[name], other[name]) for name in one)
    alone = built(Foreign)
    fit(alone, [AlignmentCallback(native, Alignment(weight=0.7))])
    assert not torch.equal(alone.model.gate.weight, one["gate.weight"])


def one_step(net, called, chosen):
    """A step of a plain loop; ``called`` is the net, or what wraps it."""
    aligned = haa.align(net, source=lambda net: net.gaze, weight=0.7)
    (batch,) = DataLoader(chosen, batch_size=len(chosen))
    aligned(F.cross_entropy(called(batch["image"]), batch["label"]), batch).backward()


def stepped_by_two(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    net = built(Net).eval()
    one_step(net, DistributedDataParallel(net), samples()[6 * rank : 6 * rank + 6])
    if rank == 0:
        torch.save([p.grad for p in net.parameters()], folder / "two.pt")


@pytest.mark.slow
def test_a_plain_loop_in_two_processes_has_the_gradient_of_all_samples_together(tmp_path):
    in_processes(stepped_by_two, 2, tmp_path)
    net = built(Net).eval()
    one_step(net, net, samples()[:12])
    # four of six samples in one process have gaze, and five of six in the other
    for alone, together in zip(net.parameters(), torch.load(tmp_path / "two.pt", weights_only=True), strict=True):
        torch.testing.assert_close(together, alone.grad, rtol=1e-4, atol=1e-7)


class Evaluated(Foreign):
    """Knows nothing of haa, and has an evaluation of its own, with a metric that is made in inference mode."""

    def __init__(self) -> None:
        super().__init__()
        self.accuracy = MulticlassAccuracy(3, average="micro")

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.accuracy.update(self.model(batch["image"] * 2), batch["label"])
        self.log("val/accuracy", self.accuracy, on_epoch=True)

    def test_step(self, batch, batch_idx):
        self.validation_step(batch, batch_idx)


def right(output, batch):
    return {"accuracy": output.argmax(1) == batch["label"]}


def evaluated(folder, source, module=None, weight=0.7, loaders=None, callbacks=(), **trainer):
    module = built(Evaluated) if module is None else module
    torch.manual_seed(1)
    evaluate = haa.Evaluation(folder, right, "accuracy", condition="human", seed=3) if folder else None
    callback = AlignmentCallback(source, Alignment(weight=weight), evaluate=evaluate)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    settings = {**quiet, "max_epochs": 2, "enable_checkpointing": False, **trainer}
    made = pl.Trainer(callbacks=[callback, *callbacks], **settings)
    validation = DataLoader(samples(), batch_size=5) if loaders is None else loaders
    made.fit(module, DataLoader(samples(), batch_size=4), validation)
    return made, module


SOURCES = {"function": native, "features": FeatureNorm("backbone.2"), "gradient": GradCAM("backbone.2")}


@pytest.mark.parametrize("source", SOURCES)
def test_the_attention_in_the_modules_own_steps_is_scored(tmp_path, source):
    """Against the maps of passes of their own, and the metric as a function."""
    source = SOURCES[source]
    trainer, module = evaluated(tmp_path / "a", source)
    shown = trainer.callback_metrics["val/attention_nss"].item()
    own = trainer.test(module, DataLoader(samples(), batch_size=5), verbose=False)[0]
    module.eval()
    (batch,) = DataLoader(samples(), batch_size=24)
    seen = human_maps(batch, (1, 1), 0.03)[1]
    if source is native:
        with torch.no_grad():
            module.model(batch["image"] * 2)
        maps = on_picture(native(module), (16, 16))
    else:
        maps = map_of(source, module.model, batch["image"] * 2)
        maps = on_picture(maps, (16, 16), extents(module.model.backbone[:3], batch["image"])[0])
    expected = functional.nss(maps, batch["fixations"])[seen].mean().item()
    assert own["test/attention_nss"] == pytest.approx(expected, abs=1e-4)
    assert shown == pytest.approx(expected, abs=2e-2)  # cells lie there where they lay as training began
    summary = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert summary["metrics"]["attention_nss"] == pytest.approx(expected, abs=1e-4)
    assert summary["metrics"]["accuracy"] == pytest.approx(own["val/accuracy"])
    assert summary["undefined"]["attention_nss"] == 24 - int(seen.sum())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_the_run_is_one_of_haas_for_the_report(tmp_path):
    for weight in (0.0, 0.7):
        trainer, module = evaluated(tmp_path / str(weight), FeatureNorm("backbone.2"), weight=weight)
        trainer.test(module, DataLoader(samples(), batch_size=5), verbose=False)
    (study,) = studies(collect([tmp_path]))
    assert [(arm.role, arm.weight, list(arm.runs)) for arm in study.arms] == [
        ("baseline", 0.0, [3]),
        ("treatment", 0.7, [3]),
    ]
    rows = pd.read_parquet(tmp_path / "0.7" / "samples.parquet")
    module.eval()
    (batch,) = DataLoader(samples(), batch_size=24)
    hits = module.model(batch["image"] * 2).argmax(1) == batch["label"]
    assert rows["accuracy"].tolist() == hits.float().tolist()
    assert rows["id"].tolist() == batch["id"]


@pytest.mark.parametrize("source", SOURCES)
def test_an_evaluation_leaves_the_training_as_it_was(tmp_path, source):
    _, plain = evaluated(None, SOURCES[source], num_sanity_val_steps=2)
    _, module = evaluated(tmp_path / "a", SOURCES[source], num_sanity_val_steps=2)
    assert_same_weights(plain, module)
    assert not (tmp_path / "a").exists()  # which is a test's


def test_nothing_is_scored_in_the_sanity_check(tmp_path):
    seen = []

    class Peeks(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            seen.append((trainer.sanity_checking, "val/attention_nss" in trainer.callback_metrics))

    evaluated(tmp_path / "a", native, callbacks=[Peeks()], num_sanity_val_steps=2, max_epochs=1)
    assert seen == [(True, False), (False, True)]


def test_the_validation_is_that_of_the_weights_that_are_tested(tmp_path):
    values = []

    class Epochs(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            if not trainer.sanity_checking:
                values.append(trainer.callback_metrics["val/accuracy"].item())

    class Answers(pl.Callback):
        """Has the model answer 1, 0 and 2 in its three epochs, of which 0 is right most often."""

        def on_validation_start(self, trainer, pl_module):
            with torch.no_grad():
                pl_module.model.head.bias.copy_(100 * torch.eye(3)[(1, 0, 2)[trainer.current_epoch]])

    keep = pl.callbacks.ModelCheckpoint(tmp_path, monitor="val/accuracy", mode="max")
    few = DataLoader(samples()[:7], batch_size=5)
    trainer, module = evaluated(
        tmp_path / "a",
        native,
        loaders=few,
        callbacks=[Answers(), Epochs(), keep],
        enable_checkpointing=True,
        max_epochs=3,
    )
    assert values == pytest.approx([2 / 7, 3 / 7, 2 / 7])
    trainer.test(module, few, ckpt_path="best", verbose=False)
    summary = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert summary["validation"] == pytest.approx(3 / 7)
    assert summary["metrics"]["accuracy"] == pytest.approx(3 / 7)  # the same samples


def test_what_cannot_be_evaluated_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="one loader, and there are several"):
        evaluated(tmp_path / "a", native, loaders=[DataLoader(samples(), batch_size=4)] * 2)
    module = built(Evaluated)
    module.validation_step = lambda batch, batch_idx: None
    with pytest.raises(InputError, match="Net was not called in this step of the evaluation"):
        evaluated(tmp_path / "a", FeatureNorm("backbone.2"), module)
    trainer, module = evaluated(tmp_path / "b", native, max_epochs=1)
    trainer.test(module, DataLoader(samples(), batch_size=5), verbose=False)
    with pytest.raises(InputError, match="holds a finished run"):  # before the training, not after it
        evaluated(tmp_path / "b", native)


def validated_by_two(rank: int, folder: Path, port: int) -> None:
    told = {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(told)
    module = built(Evaluated)
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.0)  # batch norm's statistics apart
    module.model.backbone[1].momentum = 0.0
    trainer, module = evaluated(folder / "a", native, module, devices=2, strategy="ddp", max_epochs=1)
    scores = {key: value.item() for key, value in trainer.callback_metrics.items() if "attention" in key}
    (folder / f"{rank}.json").write_text(json.dumps([scores, trainer.callbacks[0]._validation]))
    with pytest.raises(InputError, match="this test runs in 2 processes"):
        trainer.test(module, DataLoader(samples(), batch_size=5), verbose=False)


@pytest.mark.slow
def test_two_processes_validate_all_samples_and_do_not_test(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    in_processes(validated_by_two, 2, tmp_path, port)
    module = built(Evaluated)
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.0)
    module.model.backbone[1].momentum = 0.0
    trainer, _ = evaluated(tmp_path / "b", native, module, max_epochs=1)
    for rank in range(2):
        scores, validation = json.loads((tmp_path / f"{rank}.json").read_text())
        assert scores["val/attention_nss"] == pytest.approx(
            trainer.callback_metrics["val/attention_nss"].item(), abs=1e-5
        )
        assert validation == pytest.approx(trainer.callbacks[0]._validation)


@pytest.mark.parametrize("source", ["features", "gradient"])
def test_faithfulness_and_references_are_those_of_a_measurement(tmp_path, source):
    source = SOURCES[source]

    def sure(output, batch):
        return {**right(output, batch), "probability": output.softmax(1).gather(1, batch["label"][:, None])[:, 0]}

    told = {"faithfulness": 3, "confidence": "probability", "references": samples()}
    module = built(Evaluated)
    evaluate = haa.Evaluation(tmp_path / "a", sure, "accuracy", **told)
    callback = AlignmentCallback(source, Alignment(weight=0.0), evaluate=evaluate)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(accelerator="cpu", enable_model_summary=False, callbacks=[callback], **quiet)
    data = DataLoader(samples(), batch_size=5)
    trainer.test(module, data, verbose=False)
    run = lambda model, batch: model(batch["image"] * 2)  # noqa: E731
    haa.measure(tmp_path / "b", module.model, source, data, sure, metric="accuracy", run=run, **told)
    one, other = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in "ab")
    assert one["references"] == other["references"] != {}
    assert one["faithfulness"] == 3
    # the callback replaces pixels of what the model was given, twice as bright, and thus by twice the colour
    assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-4)
