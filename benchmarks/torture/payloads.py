"""What an attacker puts into a config, a checkpoint, a run folder or an archive: something that would be noticed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECRET = "haa-torture-s3cr3t"
VARIABLE = "HAA_TORTURE_SECRET"


@dataclass(frozen=True)
class Traps:
    """Where an attack would be noticed.

    Args:
        outside: Folder in which nothing may appear, change or be opened: somebody's files.
    """

    outside: Path

    @property
    def canary(self) -> str:
        """File that an attack makes."""
        return str(self.outside / "PWNED")

    def lay(self) -> dict[str, bytes]:
        """Put somebody's files there, and return them."""
        import numpy as np

        (self.outside / "run/checkpoints").mkdir(parents=True)
        (self.outside / "hub").mkdir()
        touch = f"open({self.canary!r}, 'w').close()\n"
        files: dict[str, bytes] = {
            "run/metrics.csv": b"epoch,val/accuracy\n0,0.5\n",
            "run/metrics.json": b'{"metrics": {}}',
            "run/config.yaml": b"seed: 0\n",
            "run/checkpoints/best.ckpt": b"somebody's",
            "secret.txt": SECRET.encode(),
            "haa_torture_canary.py": touch.encode(),
            "hub/hubconf.py": touch.encode(),
            "evil.yaml": f"hydra: {{x: {SECRET}}}\n".encode(),
        }
        for name, content in files.items():
            (self.outside / name).write_bytes(content)
        import torch

        torch.save({"x": Touch(self.canary)}, self.outside / "evil.pt")
        np.save(self.outside / "evil.npy", np.array([Touch(self.canary)], dtype=object), allow_pickle=True)
        return self.now()

    def now(self) -> dict[str, bytes]:
        """Return what is there."""
        found = sorted(path for path in self.outside.rglob("*") if path.is_file() or path.is_symlink())
        return {str(path.relative_to(self.outside)): path.read_bytes() if path.is_file() else b"link" for path in found}


class Touch:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


Node = Callable[[Traps], Any]


def _call(target: str, /, **arguments: Any) -> Node:
    """A node that calls something; in texts CANARY and OUTSIDE stand for the traps' places."""

    def fill(value: Any, traps: Traps) -> Any:
        if isinstance(value, str):
            return value.replace("CANARY", traps.canary).replace("OUTSIDE", str(traps.outside))
        if isinstance(value, list):
            return [fill(item, traps) for item in value]
        return {key: fill(item, traps) for key, item in value.items()} if isinstance(value, dict) else value

    return lambda traps: fill({"_target_": target, **arguments}, traps)


_SPAWN = {"_target_": "distutils.spawn.spawn", "cmd": ["touch", "CANARY"]}
_TOUCH = "touch CANARY"
_YAML = '_target_: distutils.spawn.spawn\ncmd: [touch, "CANARY"]\n'
_HUB = {"repo_or_dir": "OUTSIDE/hub", "model": "x", "source": "local"}

CALLS: dict[str, Node] = {
    "os.system": _call("os.system", command=_TOUCH),
    "posix.system": _call("posix.system", command=_TOUCH),
    "subprocess.Popen": _call("subprocess.Popen", args=["touch", "CANARY"]),
    "subprocess.run": _call("subprocess.run", args=["touch", "CANARY"]),
    "eval": _call("builtins.eval", _args_=[f"__import__('os').system('{_TOUCH}')"]),
    "exec": _call("builtins.exec", _args_=["open('CANARY', 'w')"]),
    "open": _call("builtins.open", file="CANARY", mode="w"),
    "io.open": _call("io.open", file="CANARY", mode="w"),
    "distutils": _call("distutils.spawn.spawn", cmd=["touch", "CANARY"]),
    "rmtree": _call("shutil.rmtree", path="OUTSIDE/run"),
    "os.remove": _call("os.remove", path="OUTSIDE/run/metrics.csv"),
    "torch.load": _call("torch.load", f="OUTSIDE/evil.pt", weights_only=False),
    "torch.hub": _call("torch.hub.load", **_HUB),
    "numpy.load": _call("numpy.load", file="OUTSIDE/evil.npy", allow_pickle=True),
    "pandas": _call("pandas.read_pickle", filepath_or_buffer="OUTSIDE/evil.pt"),
    "import": _call("haa_torture_canary.x"),
    "import_module": _call("importlib.import_module", name="haa_torture_canary"),
    "runpy": _call("runpy.run_path", path_name="OUTSIDE/haa_torture_canary.py"),
    "datamodule from checkpoint": _call(
        "pytorch_lightning.LightningDataModule.load_from_checkpoint",
        checkpoint_path="OUTSIDE/evil.pt",
        weights_only=False,
    ),
    "module from checkpoint": _call(
        "pytorch_lightning.LightningModule.load_from_checkpoint", checkpoint_path="OUTSIDE/evil.pt", weights_only=False
    ),
    "task from checkpoint": _call(
        "haa.tasks.vqa.VQA.load_from_checkpoint", checkpoint_path="OUTSIDE/evil.pt", weights_only=False
    ),
    "pl load": _call("pytorch_lightning.core.saving.pl_load", path_or_url="OUTSIDE/evil.pt", weights_only=False),
    "fabric load": _call(
        "lightning_fabric.utilities.cloud_io._load", path_or_url="OUTSIDE/evil.pt", weights_only=False
    ),
    "hparams to yaml": _call(
        "pytorch_lightning.core.saving.save_hparams_to_yaml", config_yaml="CANARY", hparams={"a": "b"}
    ),
    "hparams from yaml": _call("pytorch_lightning.core.saving.load_hparams_from_yaml", config_yaml="OUTSIDE/evil.yaml"),
    "csv logger": _call("pytorch_lightning.loggers.CSVLogger", save_dir="OUTSIDE/run", name="", version=""),
    "haa csv": _call("haa.run.loggers.csv", folder="OUTSIDE/run"),
    "write_whole": _call("haa.disk.write_whole", path="CANARY", content="x"),
    "make_folder": _call("haa.disk.make_folder", path="CANARY"),
    "predicted_maps": _call(
        "haa.predict.cache.predicted_maps", path="OUTSIDE/evil.pt", dataset=None, directory="CANARY"
    ),
    "file_hash": _call("haa.predict.cache.file_hash", path="OUTSIDE/secret.txt"),
    "checkpoint.load": _call("haa.checkpoint.load", path="OUTSIDE/evil.pt"),
    "read_config": _call("haa.run_folder.read_config", path="OUTSIDE/run/config.yaml"),
    "unpack": _call("haa.data.care.unpack.unpack", path="OUTSIDE/evil.pt", target="OUTSIDE"),
    "split": _call("haa.build._split", split="train", data=_YAML),
    "make": _call("haa.build.make", node=_SPAWN),
    "haa main": _call("haa.cli.main.main", argv=["report", "OUTSIDE/run", "output=CANARY"]),
    "attribute pl": _call(
        "haa.build.pl.LightningDataModule.load_from_checkpoint", checkpoint_path="OUTSIDE/evil.pt", weights_only=False
    ),
    "attribute shutil": _call("haa.disk.shutil.rmtree", path="OUTSIDE/run"),
    "attribute os": _call("haa.disk.os.system", command=_TOUCH),
    "attribute torch": _call("torch.nn.modules.module.torch.load", f="OUTSIDE/evil.pt", weights_only=False),
    "attribute hub": _call("torch.optim.optimizer.torch.hub.load", **_HUB),
    "attribute builtins": _call("haa.errors.__builtins__.eval", _args_=[f"__import__('os').system('{_TOUCH}')"]),
    "torchvision write": _call("torchvision.datasets.utils.download_url", url="http://127.0.0.1:9/x", root="OUTSIDE"),
    "torchvision Lambda": _call("torchvision.transforms.Lambda", lambd=_SPAWN),
    "Sequential": _call("torch.nn.Sequential", _args_=[_SPAWN]),
    "ModuleDict": _call("torch.nn.ModuleDict", modules={"x": _SPAWN}),
    "LambdaCallback": _call("pytorch_lightning.callbacks.LambdaCallback", setup=_SPAWN, on_test_start=_SPAWN),
    "profiler": _call("pytorch_lightning.profilers.SimpleProfiler", dirpath="OUTSIDE", filename="PWNED"),
    "ModelCheckpoint": _call("pytorch_lightning.callbacks.ModelCheckpoint", dirpath="OUTSIDE/run/checkpoints"),
    "instantiate": _call("hydra.utils.instantiate", config=_SPAWN),
    "get_method": _call("hydra.utils.get_method", path="os.system"),
    "get_object": _call("hydra.utils.get_object", path="haa_torture_canary.x"),
    "resolver": _call("omegaconf.OmegaConf.register_new_resolver", name="x", resolver=_SPAWN),
    "omegaconf save": _call("omegaconf.OmegaConf.save", config={"a": 1}, f="CANARY"),
    "methodcaller": _call("operator.methodcaller", _args_=["system", _TOUCH]),
    "timm hub": _call("haa.models.backbone.Timm", name="hf-hub:nobody/nothing"),
    "timm folder": _call("haa.models.backbone.Timm", name="local-dir:OUTSIDE/hub"),
    "timm load": _call("timm.models.load_checkpoint", model=None, checkpoint_path="OUTSIDE/evil.pt"),
    "BERTScore": _call("torchmetrics.text.BERTScore", model_name_or_path="nobody/nothing"),
    "Folder": _call("haa.data.readers.folder.Folder", root="OUTSIDE"),
    "Predicted": _call("haa.predict.condition.Predicted", checkpoint="OUTSIDE/evil.pt"),
    "wandb": _call("wandb.init", project="x", mode="offline", dir="OUTSIDE"),
    "Image.open": _call("PIL.Image.open", fp="OUTSIDE/secret.txt"),
    "load_state_dict": _call("torch.nn.Module.load_state_dict", state_dict={}),
    "Linear bomb": _call("torch.nn.Linear", in_features=10**6, out_features=10**6),
    "private": _call("haa.data.index._parts", column=None),
    "partial": _call("os.system", _partial_=True, command=_TOUCH),
    "not recursive": _call("haa.alignment.Alignment", _recursive_=False, loss=_SPAWN),
    "converted": _call("haa.alignment.Alignment", _convert_="object", loss=_SPAWN),
}
"""Nodes of a config that call something they must not."""

TEXTS: dict[str, str] = {
    "environment": "${oc.env:" + VARIABLE + "}",
    "environment in text": "a ${oc.env:" + VARIABLE + "} b",
    "create": "${oc.create:'{_target_: distutils.spawn.spawn, cmd: [touch, CANARY]}'}",
    "create environment": "${oc.create:${oc.env:" + VARIABLE + "}}",
    "decode": "${oc.decode:${oc.env:" + VARIABLE + "}}",
    "escaped": "\\${oc.create:'{_target_: distutils.spawn.spawn, cmd: [touch, CANARY]}'}",
    "escaped twice": "\\\\\\${oc.env:" + VARIABLE + "}",
    "escaped environment": "\\${oc.env:" + VARIABLE + "}",
    "hydra": "${hydra:runtime.cwd} ${oc.env:" + VARIABLE + "}",
    "dict": "${oc.dict.values:model} ${oc.env:" + VARIABLE + "}",
    "yaml": _YAML,
    "python": f'!!python/object/apply:os.system ["{_TOUCH}"]',
    "itself": "${model}",
    "missing": "???",
    "path": "OUTSIDE/../OUTSIDE/PWNED",
    "broken": "${oc.env",
}
"""Texts that say something else than they seem to, where they are resolved or read again."""


def _aliases() -> Any:
    node: Any = ["x"] * 10
    for _ in range(12):
        node = [node] * 10
    return node


def _deep() -> Any:
    node: Any = "x"
    for _ in range(3000):
        node = {"a": node}
    return node


def _cycle() -> Any:
    node: dict[str, Any] = {}
    node["a"] = node
    return node


SHAPES: dict[str, Callable[[], Any]] = {
    "aliases": _aliases,
    "deep": _deep,
    "cycle": _cycle,
    "long": lambda: "x" * 30_000_000,
    "wide": lambda: dict.fromkeys(range(300_000), 0),
    "bytes": lambda: b"\0" * 8,
    "set": lambda: {1, 2},
    "tuple": lambda: (1, (2,)),
    "huge": lambda: 10**400,
    "nan": lambda: float("nan"),
    "processes": lambda: 10**5,
    "much": lambda: 10**11,
    "list": lambda: [{"_target_": "haa.losses.kl_divergence"}] * 3,
    "none": lambda: None,
    "number as key": lambda: {1: 2, None: 3},
}
"""Values that no config has: too large, too deep, endless, of another kind."""

PLACES = [
    *("model", "model.backbone", "model.hidden", "model.x", "task", "task.module", "task.module.x", "task.monitor"),
    *("alignment", "alignment.loss", "alignment.schedule", "alignment.weight", "alignment.loss.losses.x"),
    *("optimizer", "optimizer.lr", "scheduler", "callbacks.x", "callbacks.checkpoint", "logger.x", "logger.csv.run"),
    *("loader", "loader.transform", "loader.transform.size", "loader.num_workers", "data", "data.world", "data.test"),
    *(
        "condition",
        "condition.control",
        "condition.checkpoint",
        "attention",
        "attention.model",
        "trainer",
        "trainer.plugins",
    ),
    *("trainer.profiler", "note", "seed", "output_dir", "cache", "trust", "hydra", "checkpoint", "resume", "recipe"),
    *("trainer.default_root_dir", "data.root", "faithfulness", "model._args_", "model._target_"),
]
"""Keys of a config at which an attack is put."""


def put(config: dict[str, Any], place: str, value: Any) -> None:
    """Set a key of nested dicts, which are made where they are not there."""
    *path, last = place.split(".")
    for key in path:
        if not isinstance(config.get(key), dict):
            config[key] = {}
        config = config[key]
    config[last] = value


def words_of_overrides(traps: Traps) -> Mapping[str, list[str]]:
    """Return, by name, words that a run folder may claim to have been started with."""
    spawn = f"{{_target_: distutils.spawn.spawn, cmd: [touch, '{traps.canary}']}}"
    return {
        "hydra callback": [f"+hydra.callbacks.z={spawn}"],
        "hydra callback without plus": [f"++hydra.callbacks.z={spawn}"],
        "hydra folder": [f"hydra.run.dir={traps.canary}"],
        "hydra launcher": [f"hydra.launcher={spawn}", "hydra.mode=MULTIRUN"],
        "hydra sweeper": ["hydra/sweeper=basic", f"hydra.sweep.dir={traps.canary}", "hydra.mode=MULTIRUN"],
        "hydra output": [f"hydra.output_subdir={traps.canary}"],
        "search path": [f"hydra.searchpath=[file://{traps.outside}]", "+evil=evil"],
        "environment set": ["+hydra.job.env_set.LD_PRELOAD=x"],
        "job logging": [f"+hydra.job_logging.handlers.file.filename={traps.canary}"],
        "flag": ["--config-dir", str(traps.outside)],
        "multirun": ["-m", "seed=0,1"],
        "trust": ["trust=[os,distutils,builtins]", f"model={spawn}"],
        "trust alone": ["trust=[haa_torture_canary]", "model._target_=haa_torture_canary.x"],
        "target": ["model._target_=os.system", f"+model.command=touch {traps.canary}"],
        "environment": ["+note=${oc.env:" + VARIABLE + "}"],
        "environment in study": ["study=${oc.env:" + VARIABLE + "}"],
        "create": ["+note=${oc.create:'" + spawn + "'}"],
        "output": [f"output_dir={traps.canary}"],
        "cache": [f"cache={traps.canary}"],
        "checkpoint": [f"resume={traps.outside}/evil.pt"],
        "condition": ["condition=predicted", f"condition.checkpoint={traps.outside}/evil.pt"],
        "logger": ["logger=wandb", f"+logger.wandb.save_dir={traps.outside}"],
        "callback": [f"++callbacks.x={spawn}"],
        "checkpoints": [f"callbacks.checkpoint.dirpath={traps.outside}/run/checkpoints"],
        "not a text": [{"a": 1}, 5, None],  # type: ignore[list-item]
    }
