"""`haa probe`: which stage of a network looks most like people, as a table, a figure and pictures."""

from __future__ import annotations

import csv
import inspect
import io
import json
from pathlib import Path
from typing import Any, get_args

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from haa import build
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.disk import make_folder, write_whole
from haa.errors import InputError, suggest
from haa.models.backbone import Backbone
from haa.models.weights import weights_come_later
from haa.printing.plain import cell
from haa.probe.figures import looks, scores
from haa.probe.scores import METRICS, Probe, Row, probe
from haa.probe.stages import Stages
from haa.probe.table import show
from haa.roles import locate
from haa.run_folder import PROBE, class_name


def run(cfg: DictConfig) -> Path:
    """Probe the backbone ``cfg.backbone`` on ``cfg.data``, and return the folder with what was found.

    Args:
        cfg: Config composed from ``conf/probe.yaml``.

    Raises:
        InputError: If the data, the backbone or a key cannot be used.
    """
    cfg = _checked(cfg)
    stretched = build.is_stretched(cfg)
    layers = [cfg.layers] if isinstance(cfg.layers, str) else cfg.layers and list(cfg.layers)
    data = build.datamodule(cfg)
    device = build.device(cfg.device)
    model = _network(cfg, device)
    untrained = None
    if cfg.random and isinstance(model, Backbone) and model.trained is not None:
        with weights_come_later():
            untrained = _network(cfg, device)
    found = probe(model, data, cfg.split, layers, stretched, cfg.samples, untrained)
    about = _about(cfg, data, model)
    folder = Path(cfg.output).expanduser()
    make_folder(folder)
    write_whole(folder / "probe.csv", _csv(found))
    write_whole(folder / PROBE, json.dumps(_json(found, about), indent=2, allow_nan=False) + "\n")
    drawn = scores(found)
    write_whole(folder / "stages.png", lambda file: drawn.savefig(file, format="png", dpi=150, facecolor="white"))
    if cfg.pictures:
        pictures = looks(Stages(model, layers, stretched), data, cfg.split, found, cfg.pictures)
        write_whole(folder / "maps.png", lambda file: pictures.savefig(file, format="png", dpi=130))
    show(found, about, cfg.metric)
    return folder


def _checked(cfg: DictConfig) -> DictConfig:
    """Return the resolved config, or refuse a key of it."""
    if "_target_" not in (cfg.get("data") or {}):
        raise InputError("data is missing: give data=NAME (haa train --help lists them) and mostly data.root=DIR")
    for key, choices in (("split", get_args(Split)), ("metric", METRICS)):
        if cfg[key] not in choices:
            raise InputError(f"{key}={cfg[key]}: {suggest(str(cfg[key]), choices)}")
    for key, least in (("samples", 1), ("pictures", 0)):
        if cfg[key] is not None and (type(cfg[key]) is not int or cfg[key] < least):
            raise InputError(f"{key}={cfg[key]}: give a whole number from {least} on")
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    if cfg.backbone.get("stages") is None and "_target_" in cfg.backbone:
        target = locate(cfg.backbone["_target_"], "backbone", cfg.trust)
        if "stages" not in inspect.signature(target).parameters:  # of a module that is no backbone of haa
            cfg.backbone.pop("stages", None)
    return build.checked(cfg, cfg.trust)


def _network(cfg: DictConfig, device: torch.device) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        model: nn.Module = build.make(cfg.backbone)
    return model.to(device)


def _about(cfg: DictConfig, data: DataModule, model: nn.Module) -> dict[str, Any]:
    """Return what was probed on what, in words that the console and probe.json share."""
    dataset = data.dataset(cfg.split)
    if not isinstance(model, Backbone):
        weights = f"as {type(model).__name__} makes them: haa does not know whether they are trained"
    elif model.trained is None:
        weights = "random: nothing here was learned"
    else:
        weights = f"trained {model.trained}"
    return {
        "network": cfg.backbone.get("name") or class_name(cfg.backbone),
        "weights": weights,
        "data": type(dataset).__name__,
        "split": cfg.split,
        "simulated_gaze": dataset.simulated,
        "geometry": cfg.geometry,
        "size": list(_size(data, cfg.split)),
    }


def _size(data: DataModule, split: Split) -> tuple[int, int]:
    batch = next(data.some(split, [0]))
    picture = batch["clip"] if "clip" in batch else batch["image"]
    return picture.shape[-2], picture.shape[-1]


def _rows(found: Probe) -> list[tuple[str, Row]]:
    """Return all rows, each with whose it is."""
    return [
        *(("network", row) for row in found.stages),
        *(("network with random weights", row) for row in found.untrained),
        *(("no network", row) for row in found.references),
    ]


def _csv(found: Probe) -> str:
    text = io.StringIO()
    names = [f"{metric}{end}" for metric in found.higher_is_better for end in ("", "_low", "_high")]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "of", "read", "stride", "rows", "columns", "stimuli", *names])
    for of, row in _rows(found):
        numbers: list[Any] = []
        for metric in found.higher_is_better:
            estimate = row.estimate(metric)
            numbers += [None] * 3 if estimate is None else [estimate.mean, estimate.low, estimate.high]
        grid = row.grid or (None, None)
        writer.writerow([cell(row.name), of, row.kind, row.stride, *grid, len(found.stimuli), *numbers])
    return text.getvalue()


def _json(found: Probe, about: dict[str, Any]) -> dict[str, Any]:
    closest = {metric: row.name for metric in found.higher_is_better if (row := found.closest(metric)) is not None}
    return {
        **about,
        "samples": len(found.indices),
        "stimuli": len(found.stimuli),
        "sigma": found.sigma,
        "higher_is_better": dict(found.higher_is_better),
        "closest": closest,
        "rows": [
            {
                "name": row.name,
                "of": of,
                "read": row.kind,
                "stride": row.stride,
                "grid": row.grid,
                "metrics": {metric: _estimate(row, metric) for metric in found.higher_is_better},
            }
            for of, row in _rows(found)
        ],
    }


def _estimate(row: Row, metric: str) -> dict[str, Any] | None:
    estimate = row.estimate(metric)
    return None if estimate is None else {key: getattr(estimate, key) for key in ("mean", "low", "high", "n")}
