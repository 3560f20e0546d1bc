"""`haa export`: a checkpoint's model in a folder for others, with a model card."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from omegaconf import DictConfig, OmegaConf

from haa import build, checkpoint, exported
from haa.data.loading.transforms import Transform
from haa.disk import built_new, check_new, write_whole
from haa.errors import InputError, reading
from haa.export import graph
from haa.export.card import card, results
from haa.export.push import target
from haa.printing.console import Console
from haa.printing.progress import progress
from haa.run_folder import class_name
from haa.tasks.aligned_module import AlignedModule

LEFT = ("output_dir", "resume", "study", "cache", "trust", "logger", "callbacks", "hydra")
"""Keys of a config that say how and where a run was made, and nothing of its model."""

KEPT = ("version", "vocabularies", "align_loss_at_start", "gaze_by_digest", "backbone_weights")
"""What a checkpoint says of itself, beside its config, that an export says, too."""


def export(cfg: DictConfig) -> Path:
    """Write a checkpoint's model into a new folder, and push it somewhere if asked to.

    Args:
        cfg: Config composed from ``conf/export.yaml``.

    Returns:
        The folder.

    Raises:
        InputError: If the checkpoint cannot be read, its model cannot be of this format, or a folder is there already.
    """
    _check(cfg)
    source, form = Path(str(cfg.checkpoint)).expanduser(), str(cfg.format)
    output = _output(source, form) if cfg.output is None else Path(str(cfg.output)).expanduser()
    check_new(output)
    push = None if cfg.push_to is None else target(str(cfg.push_to))
    content = checkpoint.read(source)
    module, trained = checkpoint.load(source, cfg.trust)
    run = results(source, cfg.results, build.plain(trained))
    note = _note(content, build.plain(trained))
    name = str(cfg.name or _name(note["haa"]["config"]))
    with built_new(output) as folder:
        model = folder / exported.FILES[form]
        if form == "safetensors":
            _write_weights(module, model)
        else:
            note["graph"] = _write_graph(module, trained, cfg, model)
        exported.write(folder, form, note)
        size = model.stat().st_size
        write_whole(folder / exported.CARD, card(name, note["haa"], form, size, run, note))
    console = Console()
    told = f", largest difference to the model {note['graph']['difference']:.1e}" if "graph" in note else ""
    console.print(f"{name}: {exported.FILES[form]}, {size / 2**20:.2f} MiB{told}")
    console.print("scores: none, see results= in haa export --help" if run is None else f"scores: of {run.folder}")
    if push is not None:
        console.print(f"pushed to {push.push(output)}")
    return output


def _check(cfg: DictConfig) -> None:
    if OmegaConf.is_missing(cfg, "checkpoint"):
        raise InputError("checkpoint is missing: give checkpoint=outputs/.../checkpoints/best.ckpt")
    if cfg.format not in exported.FILES:
        raise InputError(f"format={cfg.format}: there are {', '.join(exported.FILES)}")
    for key in ("words", "frames"):
        if (key == "words" or cfg[key] is not None) and (type(cfg[key]) is not int or cfg[key] < 1):
            raise InputError(f"{key}={cfg[key]}: give a whole number from 1 on")
    for key in ("size", "frames"):
        if cfg[key] is not None and cfg.format == "safetensors":
            raise InputError(f"{key}={cfg[key]} is what a graph takes: leave it out, or give format=onnx")


def _output(source: Path, form: str) -> Path:
    """Return where an export goes that nobody gave a place: into the run's folder, or beside the checkpoint."""
    home = source.parent.parent if source.parent.name == "checkpoints" else source.parent
    return home / "export" / form


def _name(config: Mapping[str, Any]) -> str:
    condition, data = class_name(config["condition"]).lower(), class_name(config["data"]).lower()
    arm = f"{condition}-{config['align_weight']}" if config.get("align_weight") else "baseline"
    return f"haa-{config['task']['name']}-{data}-{arm}-seed{config.get('seed')}"


def _note(content: Mapping[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return what an export says of its model: as the checkpoint does, without paths of the machine it was made on."""
    own = {key: content["haa"].get(key) for key in KEPT}
    own["config"] = {key: value for key, value in config.items() if key not in LEFT}
    paths = {value for _, value in build.leaves(own["config"]) if isinstance(value, str) and _is_path(value)}
    training = {key: content[key] for key in ("epoch", "global_step") if isinstance(content.get(key), int)}
    if isinstance(own.get("backbone_weights"), str):
        for path in paths:
            own["backbone_weights"] = own["backbone_weights"].replace(path, _last(path))
    note = {"haa": {**own, "config": _without_paths(own["config"])}, **training}
    with reading("the checkpoint", "give one that haa train wrote"):
        return json.loads(json.dumps(note, allow_nan=False))


def _without_paths(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_paths(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_paths(value) for value in node]
    return _last(node) if isinstance(node, str) and _is_path(node) else node


def _is_path(text: str) -> bool:
    return os.path.isabs(text) or text.startswith("~") or PureWindowsPath(text).is_absolute()


def _last(path: str) -> str:
    return PureWindowsPath(path).name


def _write_weights(module: AlignedModule, path: Path) -> None:
    from safetensors.torch import save

    # a tensor of its own for each name: the format knows no two names of one
    write_whole(path, save({name: tensor.contiguous().clone() for name, tensor in module.state_dict().items()}))


def _write_graph(module: AlignedModule, trained: DictConfig, cfg: DictConfig, path: Path) -> dict[str, Any]:
    graph.check(module, cfg.format)
    shape = graph.Shape(_size(trained, cfg), cfg.words, _frames(module, cfg))
    with progress() as bar:
        task = bar.add_task("exporting", total=3)

        def step(what: str) -> None:
            bar.update(task, description=what, completed=("tracing", "writing", "comparing").index(what))

        found = graph.export(module, cfg.format, shape, path, step)
        bar.update(task, completed=3)
    return found


def _size(trained: DictConfig, cfg: DictConfig) -> tuple[int, int]:
    transform = build.make(trained.loader.transform)
    if cfg.size is not None:
        with reading(f"size={cfg.size}", "give size=[HEIGHT,WIDTH]"):
            transform = Transform(build.plain(cfg).get("size"))
    if transform.varies or transform.size is None:
        raise InputError(
            f"format={cfg.format} has pictures of one size, and this model was trained on pictures of several: give "
            "size=[HEIGHT,WIDTH], to which haa predict then brings every picture, or format=safetensors"
        )
    return transform.size


def _frames(module: AlignedModule, cfg: DictConfig) -> int | None:
    if "clip" not in module.needs:
        return None
    if cfg.frames is None:
        raise InputError(
            f"format={cfg.format} has clips of one length, which a checkpoint does not know: give frames=NUMBER, the "
            "frames of the clips that it was trained on"
        )
    return cfg.frames
