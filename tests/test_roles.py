"""Which classes and functions a key of a config may name: by the role of the key, not by where they come from."""

from __future__ import annotations

import re

import pytest
import yaml

from haa.cli.overrides import conf
from haa.errors import InputError
from haa.roles import ROLES, locate

LOADERS_AND_WRITERS = [
    "os.system",
    "builtins.eval",
    "builtins.exec",
    "subprocess.Popen",
    "distutils.spawn.spawn",
    "shutil.rmtree",
    "pickle.loads",
    "importlib.import_module",
    "torch.load",
    "torch.hub.load",
    "torch.nn.modules.module.torch.load",
    "torch.optim.optimizer.torch.load",
    "torch.nn.Module.load_state_dict",
    "torch.nn.init.warnings.warn",
    "numpy.load",
    "hydra.utils.instantiate",
    "omegaconf.OmegaConf.load",
    "pytorch_lightning.LightningDataModule.load_from_checkpoint",
    "pytorch_lightning.LightningModule.load_from_checkpoint",
    "pytorch_lightning.core.saving.save_hparams_to_yaml",
    "pytorch_lightning.callbacks.model_checkpoint.os.system",
    "pytorch_lightning.callbacks.ModelCheckpoint.on_exception",
    "torchmetrics.Metric.load_state_dict",
    "torchvision.datasets.utils.download_url",
    "haa.build._split",
    "haa.build.make",
    "haa.checkpoint.load",
    "haa.checkpoint.torch.load",
    "haa.disk.write_whole",
    "haa.disk.shutil.rmtree",
    "haa.predict.cache.predicted_maps",
    "haa.data.care.get.get",
    "haa.data.care.unpack.unpack",
    "haa.tasks.vqa.VQA.load_from_checkpoint",
    "haa.models.weights.load",
    "haa.models.weights.torch.load",
    "haa.__main__.main",
    "haa.losses.nss.torch.load",
    "haa.losses.__loader__.exec_module",
    "haa.run.train.train",
    "haa.cli.main.main",
]


@pytest.mark.parametrize("path", [*(path.replace("*", "x") for path in ROLES), "extra", "task", "model.x.y", "hydra.x"])
def test_no_key_may_name_what_reads_writes_deletes_loads_or_imports(path):
    for target in LOADERS_AND_WRITERS:
        with pytest.raises(
            InputError, match=rf"{re.escape(path)}._target_={re.escape(target)} (is not trusted|does not)"
        ):
            locate(target, path)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("model", "haa.losses.kl_divergence"),  # a function where a class is due
        ("model", "haa.conditions.Human"),  # a class of another base
        ("model", "pytorch_lightning.Trainer"),
        ("data", "haa.data.loading.datamodule.DataModule"),
        ("optimizer", "torch.optim.lr_scheduler.LambdaLR"),
        ("callbacks.x", "pytorch_lightning.callbacks.model_checkpoint.deepcopy"),
        ("logger.csv", "haa.losses.kl_divergence"),
        ("task.module", "haa.tasks.aligned_module.MetricCollection"),
        ("alignment.loss", "haa.run.loggers.csv"),
        ("loader.transform", "haa.run.loggers.csv"),
    ],
)
def test_a_trusted_name_in_the_wrong_place_does_not_fit(path, target):
    with pytest.raises(InputError, match=r"is not trusted|does not fit"):
        locate(target, path)


@pytest.mark.parametrize(
    "target", [None, 5, "", "print", ["os.system"], {"a": 1}, "haa..losses", "haa.losses.", ".haa"]
)
def test_a_target_is_a_public_dotted_path(target):
    with pytest.raises(InputError, match="not trusted"):
        locate(target, "alignment.loss")


def _targets(node, path):
    if isinstance(node, dict):
        if "_target_" in node:
            yield path, node["_target_"]
        for key, value in node.items():
            yield from _targets(value, f"{path}.{key}".lstrip("."))


def test_every_target_of_the_shipped_configs_fits_its_role():
    places = {"loss": "alignment.loss", "weight_schedule": "alignment.schedule"}
    seen = 0
    for file in sorted(conf().glob("**/*.yaml")):
        text = file.read_text()
        group = file.parent.relative_to(conf()).as_posix()
        if group.startswith("hydra"):
            continue
        said = re.search(r"# @package (\S+)", text)  # of a file in a group of its own, model/task say
        package = "" if group == "." or "# @package _global_" in text else places.get(group, group)
        package = said[1] if said and "/" in group and said[1] != "_global_" else package
        if group == "callbacks":
            package = "callbacks"
        for path, target in _targets(yaml.safe_load(text), package):
            if path.startswith("hydra"):
                continue
            assert callable(locate(target, path)), (file, path)
            seen += 1
    assert seen > 70


def test_a_package_of_ones_own_is_trusted_by_role_too(tmp_path, monkeypatch):
    (tmp_path / "own_package.py").write_text(
        "import os\nfrom torch import nn\n"
        "class Net(nn.Module):\n    pass\n"
        "def build():\n    return Net()\n"
        "def loss(attention, human):\n    return attention\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert locate("own_package.Net", "model", ["own_package"]).__name__ == "Net"
    assert locate("own_package.loss", "alignment.loss", ["own_package"]).__name__ == "loss"
    with pytest.raises(InputError, match=r"give trust=\[own_package\]"):
        locate("own_package.Net", "model")
    for path, target in [
        ("model", "own_package.build"),
        ("data", "own_package.Net"),
        ("model", "own_package.os.system"),
    ]:
        with pytest.raises(InputError, match="does not fit"):
            locate(target, path, ["own_package"])


def test_a_module_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import there_is_no_such_package\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="there_is_no_such_package"):
        locate("broken_package.Net", "model", ["broken_package"])
    with pytest.raises(InputError, match="cannot be imported"):
        locate("haa.models.no_such_module.Net", "model")
