"""Checkpoints that rebuild themselves: weights, the resolved config and the vocabularies, and no pickled object.

An export of ``format=safetensors`` is read as a checkpoint is.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from haa import build, exported, text
from haa.disk import check_zip
from haa.disk.bounded import check_extent
from haa.errors import InputError, reading, reason
from haa.models.weights import not_finite, weights_come_later
from haa.run_folder import modern
from haa.tasks.aligned_module import AlignedModule

MOST_VALUES, DEEPEST, LONGEST = 20_000, 32, 100_000
"""Bounds of a config from elsewhere: values and keys in all, nodes within nodes, characters of a text."""


def read(path: str | Path) -> dict[str, Any]:
    """Return the content of a checkpoint that haa wrote, a .ckpt file or the folder of an export.

    It is known to be whole, by the checksums in the file, and its weights to be finite. Nothing in it has been called.

    Raises:
        InputError: If the file is absent or damaged, holds a pickle of anything but tensors and plain values, is not
            haa's, is an export of another format, or has weights that are not finite.
    """
    path = Path(path)
    content = _read_export(path) if exported.is_export(path) else _read_file(path)
    own = content.get("haa") if isinstance(content, dict) else None
    if not isinstance(own, dict) or not isinstance(own.get("config"), dict):
        raise InputError(f"checkpoint={path} was not written by haa train: it has no config to rebuild a model from")
    _check_weights(path, content.get("state_dict"))
    return content


PARTS = ("condition", "data", "loader", "model", "task", "trainer")
"""Parts that the config of every run has."""


def to_resume(path: str | Path) -> dict[str, Any]:
    """Return the content of a checkpoint from which training goes on, in the folder in which the checkpoint lies.

    It says which checkpoints were kept so far. Those of its own folder are meant, wherever it was made: a callback
    deletes the old best one for a new one, and a file from elsewhere names nothing else that is deleted.

    Raises:
        InputError: See `read`.
    """
    content, home = read(path), Path(path).resolve().parent
    with reading(f"checkpoint={path}", "train anew"):
        for state in content.get("callbacks", {}).values():
            if not isinstance(state, dict) or "best_model_path" not in state:
                continue
            state["dirpath"] = str(home)
            for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
                state[key] = _at(home, state.get(key))
            kept = state.get("best_k_models") or {}
            state["best_k_models"] = {_at(home, name): score for name, score in kept.items() if _at(home, name)}
    return content


def load(path: str | Path, trust: Sequence[str] = ()) -> tuple[AlignedModule, DictConfig]:
    """Return the module of a checkpoint, rebuilt from the checkpoint alone, and the config that it was built from.

    Where that config kept its caches is not in what is returned: a file from elsewhere does not say where is written.

    Args:
        path: A .ckpt file that `haa train` wrote, or the folder of an export; a file of version 0.1 is read, too.
        trust: Packages of the user's whose classes its config may name.

    Raises:
        InputError: If it cannot be read or rebuilt.
    """
    content = read(path)
    try:
        with reading("it", "give a checkpoint that haa train wrote"):
            module, cfg = _rebuilt(content, trust)
    except InputError as error:
        raise InputError(f"checkpoint={path}: {error}") from error
    module.on_load_checkpoint(content)
    for node in (cfg, cfg.data, cfg.condition):
        node.pop("cache", None)
    return module, cfg


def _rebuilt(content: dict[str, Any], trust: Sequence[str]) -> tuple[AlignedModule, DictConfig]:
    own, weights = content["haa"], content["state_dict"]
    vocabularies, cfg = text.unpack(own["vocabularies"]), config_of(own, trust)
    try:
        with weights_come_later():
            # first without memory: a config may ask for any size, and the file has its weights
            with torch.device("meta"), warnings.catch_warnings(action="ignore"):
                build.module(cfg, vocabularies).load_state_dict(weights)
            module = build.module(cfg, vocabularies)
        module.load_state_dict(weights)
    except RuntimeError as error:
        first = "".join(str(error).splitlines()[1:2]).strip() or reason(error)
        raise InputError(f"it (haa {own.get('version')}) does not fit this haa: {first}") from error
    return module, cfg


def config_of(own: Mapping[str, Any], trust: Sequence[str] = ()) -> DictConfig:
    """Return the config that a checkpoint or an export brings, as far as it can be told without its weights.

    Args:
        own: What it says of itself, ``haa`` in its content.
        trust: Packages of the user's whose classes the config may name.

    Raises:
        InputError: If haa did not write it, or it names what does not fit.
    """
    cfg = build.checked(OmegaConf.create(modern(_from_elsewhere(own["config"]))), trust)
    for key in PARTS:
        if not isinstance(cfg.get(key), DictConfig):
            raise InputError(f"its config has no {key}: it was not written by haa train")
    return cfg


def _read_file(path: Path) -> Any:
    if not path.is_file():
        found = sorted(path.glob("**/*.ckpt")) if path.is_dir() else sorted(path.parent.glob("*.ckpt"))
        here = f"; there is {', '.join(str(f) for f in found[:3])}" if found else ""
        raise InputError(f"checkpoint={path} is not a file{here}: give the path of a .ckpt that haa train wrote")
    cure = "it is truncated, damaged or no checkpoint: copy it again or train anew"
    check_zip(path, cure)
    with reading(f"checkpoint={path}", cure):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise InputError(
                f"checkpoint={path} holds a pickle of something other than tensors and is not loaded, since that could "
                "run code: give a checkpoint that haa train wrote"
            ) from error


def _read_export(path: Path) -> dict[str, Any]:
    """Return the content of an export as that of a checkpoint, its weights known to be those that were exported."""
    export = exported.read(path)
    if export.format == "onnx":
        raise InputError(
            f"checkpoint={path} is an onnx export, which haa predict alone reads: give the .ckpt, or an export of "
            "format=safetensors"
        )
    if export.format == "torch_export":
        raise InputError(
            f"checkpoint={path} is an export of format=torch_export and is not loaded, since torch.export.load "
            "unpickles and could run code: give the .ckpt, or an export of format=safetensors or onnx"
        )
    from safetensors.torch import load_file

    with reading(export.model, exported.CURE):
        weights = load_file(export.model)
    training = {key: export.note.get(key) for key in ("epoch", "global_step")}
    return {"haa": export.note["haa"], "state_dict": weights, **training}


def _from_elsewhere(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config from elsewhere, which has to be plain, of a sane size, and without interpolation."""
    try:
        check_extent(config, MOST_VALUES, DEEPEST)
    except ValueError as error:
        raise InputError(f"its config is too large or too deep ({error}): it was not written by haa train") from error
    for key, value in build.leaves(config):
        if isinstance(value, str):
            if "${" in value or len(value) > LONGEST:
                raise InputError(
                    f"{key} of its config holds ${{, or a very long text, which haa train does not write: it was "
                    "changed, and is not used"
                )
        elif not (value is None or isinstance(value, bool | int | float)):
            raise InputError(f"{key} of its config is a {type(value).__name__}, no plain value")
    return config


def _check_weights(path: Path, weights: Any) -> None:
    if not isinstance(weights, dict):
        raise InputError(f"checkpoint={path} holds no weights: give a checkpoint that haa train wrote")
    for name, tensor in weights.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(f"checkpoint={path}: {name} claims to be larger than the file is: copy it again")
    if (name := not_finite(weights)) is not None:
        raise InputError(
            f"checkpoint={path}: {name} is not finite (NaN or infinite): the training diverged; train again with a "
            "lower learning rate, lr=..., or a smaller align_weight"
        )


def _at(home: Path, name: Any) -> str:
    """Return where a checkpoint lies that was kept beside one in ``home``; nothing where that is no checkpoint."""
    return str(home / Path(name).name) if isinstance(name, str) and name.endswith(".ckpt") else ""
