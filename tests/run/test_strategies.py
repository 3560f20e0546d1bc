"""Two processes train as one does, with whole parameters (DDP) and with divided ones (FSDP)."""

from __future__ import annotations

import os
import re
import socket

import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.processes import in_processes

from haa import build
from haa.cli.overrides import conf, modern, open_signatures
from haa.errors import InputError
from haa.run import strategies
from haa.run.session import equip, session

TASKS = ("action", "captioning", "finegrained", "saliency", "sos", "vqa")
FEW = ("data.train=16", "data.val=4", "data.test=4", "data.share_with_gaze=0.7", "epochs=2")
EXACT = (
    "trainer=cpu",
    "align_weight=0.5",
    "loader.batch_size=8",
    "optimizer=sgd",
    "lr=0.05",
    "trainer.enable_checkpointing=false",
    "trainer.enable_progress_bar=false",
)
"""Momentum alone: where a gradient is nearly zero, Adam makes a step of its sign, which is rounding."""


def composed(*words):
    with initialize_config_dir(str(conf()), version_base="1.3"):
        cfg = compose("train", open_signatures("train", modern([*words, "output_dir=.", "cache=null"])))
    cfg.callbacks, cfg.logger = {}, {}
    return build.checked(cfg)


def trained(task, *words):
    """The model's weights after four steps, whole in every process."""
    cfg = composed(f"task={task}", *FEW, *EXACT, *words)
    with session(cfg):
        data = build.datamodule(cfg)
        module = build.module(cfg, build.task_class(cfg).build_vocabularies(data.dataset("train")))
        trainer = strategies.trainer(cfg)
        equip(trainer)
        trainer.fit(module, datamodule=data)
        assert trainer.global_step == 4
        strategies.make_whole(trainer, module, cfg)
    return module.model.state_dict()


ALL = "task.module.all_references=true"
"""Of several captions each process would draw its own."""
DDP = {task: [ALL] if task == "captioning" else [] for task in TASKS}
FSDP = ("captioning", "saliency", "vqa")  # one has a parameter that is a single number


def by_two(rank, folder, port):
    told = {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(told)
    os.chdir(folder)
    torch.set_num_threads(1)
    words = ("trainer.devices=2", "loader.batch_size_is=whole")
    found = {f"{task} ddp": trained(task, *words, "trainer.strategy=ddp", *more) for task, more in DDP.items()}
    found["captioning drawn"] = trained("captioning", *words, "trainer.strategy=ddp")
    found |= {f"{task} fsdp": trained(task, *words, "trainer.strategy=fsdp") for task in FSDP}
    if rank == 1:
        torch.save(found, folder / "two.pt")


@pytest.mark.slow
def test_two_processes_train_every_task_as_one_does(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    in_processes(by_two, 2, tmp_path, port)
    monkeypatch.chdir(tmp_path)
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    for task, more in DDP.items():
        alone = trained(task, *more)
        torch.testing.assert_close(two[f"{task} ddp"], alone, rtol=1e-5, atol=1e-5)
    for task in FSDP:
        other = two["captioning drawn" if task == "captioning" else f"{task} ddp"]
        torch.testing.assert_close(two[f"{task} fsdp"], other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trainer.strategy=deepspeed_stage_2"], "trainer.strategy=deepspeed_stage_2: DeepSpeed keeps its checkpoints"),
        (["trainer.strategy=ddp_spawn"], "ends its processes before the scores are written: give ddp"),
        (["trainer.strategy=fspd"], "trainer.strategy=fspd: did you mean fsdp?"),
        (["trainer.strategy=fsdp", "weight_schedule=gradient_norm"], "alignment.schedule asks for the gradient"),
        (["trainer.strategy=fsdp", "attention=gradcam"], "attention asks for a gradient"),
        (["trainer.strategy=fsdp", "task=captioning", ALL], "task.module.all_references=true runs the backbone apart"),
        (["trainer.strategy=fsdp", "trainer.precision=16-mixed"], "trainer.precision=16-mixed scales its gradients"),
        (["loader.batch_size_is=mine"], "loader.batch_size_is=mine: choose per_process or whole"),
    ],
)
def test_what_cannot_be_is_refused_by_name(words, said):
    def begun():
        cfg = composed("task=vqa", *FEW, *words)
        build.datamodule(cfg)
        strategies.trainer(cfg)

    with pytest.raises(InputError, match=re.escape(said)):
        begun()
