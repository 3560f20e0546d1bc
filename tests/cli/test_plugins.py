"""What an extra has and is not installed: each such word is answered with the line that installs it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

import haa
from haa.cli.main import main
from haa.cli.plugins import PLUGINS, check_plugins
from haa.errors import InputError

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("word", PLUGINS)
def test_a_plugin_that_is_not_there(word, monkeypatch):
    extra, module = PLUGINS[word]
    assert any(module.partition(".")[2].replace("_", "-") in each for each in EXTRAS[extra])
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"{word} needs {module}: run `pip install 'haa\[{extra}\]'`"):
        check_plugins(["-m", "task=vqa", word])


def test_a_plugin_that_an_experiment_asks_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_optuna_sweeper", None)
    with pytest.raises(InputError, match=r"hydra/sweeper=optuna needs .*pip install 'haa\[sweep\]'"):
        check_plugins(["experiment=weight_search", "task=vqa"])
    check_plugins(["experiment=demo", "hydra/launcher=basic", "experiment=no_such"])


def test_the_command_line_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_ray_launcher", None)
    with pytest.raises(SystemExit) as stopped:
        main(["train", "-m", "task=vqa", "hydra/launcher=ray_local"])
    missing = "hydra/launcher=ray_local needs hydra_plugins.hydra_ray_launcher"
    assert stopped.value.code == f"haa: {missing}: run `pip install 'haa[ray]'`"


def test_so_does_python(monkeypatch):
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_joblib_launcher", None)
    with pytest.raises(InputError, match=r"hydra/launcher=joblib needs .*pip install 'haa\[sweep\]'"):
        haa.train(task="vqa", seed=[0, 1], progress=False, **{"hydra/launcher": "joblib"})


@pytest.mark.parametrize("flags", [("-m", "--cfg", "job"), ("--cfg=job", "--multirun"), ("-c", "job", "-m")])
def test_a_sweep_has_no_one_config_to_show(flags, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "task=vqa", *flags])
    assert "shows the config of one run" in str(stopped.value.code)
    assert "leave out -" in str(stopped.value.code)


def test_where_there_is_no_slurm(monkeypatch, tmp_path):
    monkeypatch.setattr("haa.cli.plugins.needs", lambda *_: None)  # the plugin is there
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="hydra/launcher=slurm: there is no srun here"):
        check_plugins(["-m", "task=vqa", "hydra/launcher=slurm"])
    check_plugins(["task=vqa", "hydra/launcher=slurm", "--cfg", "hydra"])  # only shows it
    check_plugins(["-m", "task=vqa", "hydra/launcher=submitit_local"])
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    check_plugins(["-m", "task=vqa", "hydra/launcher=slurm"])


@pytest.mark.parametrize("command", ["train", "report", "data", "wandb-dashboard"])
def test_haa_core_alone_has_no_commands(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "hydra", None)
    with pytest.raises(SystemExit) as stopped:
        main([command, "a"])
    assert stopped.value.code == f"haa: haa {command} needs hydra: run `pip install haa`"
