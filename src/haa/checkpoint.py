"""Checkpoints that rebuild themselves: weights, the resolved config and the vocabularies, and no pickled object."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from haa import build, text
from haa.errors import InputError
from haa.models.weights import weights_come_later
from haa.run_folder import modern
from haa.tasks.aligned_module import AlignedModule


def read(path: str | Path) -> dict[str, Any]:
    """Return the content of a checkpoint that haa wrote.

    Raises:
        InputError: If the file is absent, truncated, holds a pickle of anything but tensors, or is not haa's.
    """
    path = Path(path)
    if not path.is_file():
        found = sorted(path.glob("**/*.ckpt")) if path.is_dir() else sorted(path.parent.glob("*.ckpt"))
        here = f"; there is {', '.join(str(f) for f in found[:3])}" if found else ""
        raise InputError(f"checkpoint={path} is not a file{here}: give the path of a .ckpt that haa train wrote")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"checkpoint={path} holds a pickle of something other than tensors and is not loaded, since that could run "
            "code: give a checkpoint that haa train wrote"
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise InputError(f"checkpoint={path} is truncated or not a checkpoint: copy it again or train anew") from error
    if not isinstance(content, dict) or "haa" not in content or content["haa"].get("config") is None:
        raise InputError(f"checkpoint={path} was not written by haa train: it has no config to rebuild a model from")
    return content


def load(path: str | Path, trust: Sequence[str] = ()) -> tuple[AlignedModule, DictConfig]:
    """Return the module of a checkpoint, rebuilt from the checkpoint alone, and the config that it was built from.

    Args:
        path: A .ckpt file that `haa train` wrote; one of version 0.1 is read, too.
        trust: Further packages whose targets its config may call.

    Raises:
        InputError: If it cannot be read or rebuilt.
    """
    content = read(path)
    cfg = OmegaConf.create(modern(content["haa"]["config"]))
    assert isinstance(cfg, DictConfig)
    build.check(cfg, trust)
    with weights_come_later():
        module = build.module(cfg, text.unpack(content["haa"]["vocabularies"]))
    try:
        module.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        written = content["haa"]["version"]
        first = str(error).splitlines()[1:2]
        raise InputError(
            f"checkpoint={path} (haa {written}) does not fit this haa: {''.join(first).strip()}"
        ) from error
    module.on_load_checkpoint(content)
    return module, cfg
