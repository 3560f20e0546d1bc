"""`haa predict`: the maps of a folder of images, at their own size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from haa.data.files.density import write_levels
from haa.data.files.image import read_image
from haa.data.files.listing import files_below
from haa.disk import make_folder, write_whole
from haa.disk.bounded import read_object
from haa.errors import InputError, writing
from haa.predict.cache import file_hash
from haa.predict.predictor import Predictor, at_size
from haa.printing.console import Console
from haa.printing.progress import progress

Form = Literal["png", "png16", "npz"]
BITS = {"png": 8, "png16": 16}
"""Bits of a grey value, by format."""
LISTED = 10
"""Number of images that are named on the console."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")


def predict(cfg: DictConfig) -> dict[str, int]:
    """Write the maps of every image in a folder and below; what is there already is left alone.

    Args:
        cfg: Config composed from ``conf/predict.yaml``.

    Returns:
        How many images were ``written``, ``there`` before, and ``skipped`` because they could not be read.

    Raises:
        InputError: If the checkpoint, the folders or, with ``on_error=stop``, an image cannot be used.
    """
    _check(cfg)
    source, target = Path(str(cfg.images)).expanduser(), Path(str(cfg.output)).expanduser()
    names = _images(source, target)
    predictor = Predictor(cfg.checkpoint, cfg.question, cfg.device, cfg.trust)
    _claim(target, {"checkpoint": file_hash(cfg.checkpoint), **_made(cfg.format), "question": cfg.question})
    kinds = ("saliency", "attention") if predictor.predicts_gaze else ("attention",)
    there = {name for name in names if all(path.is_file() for path in _paths(target, name, kinds, cfg.format))}
    todo = [name for name in names if name not in there]
    console, skipped, written = Console(), dict[str, str](), 0
    loader = DataLoader(_Images(source, todo), cfg.batch_size, num_workers=cfg.num_workers, collate_fn=list)
    with progress() as bar:
        task = bar.add_task("looking", total=len(names), completed=len(there))
        for part in loader:
            for name, problem in [(name, image) for name, image in part if not isinstance(image, Tensor)]:
                if cfg.on_error == "stop":
                    raise InputError(f"{problem}; or give on_error=skip")
                skipped[name] = problem
            good = [(name, image) for name, image in part if isinstance(image, Tensor)]
            for (name, image), maps in zip(good, predictor([image for _, image in good]), strict=True):
                _write(target, name, maps, image.shape[-2:], cfg.format)
                written += 1
            bar.update(task, advance=len(part))
    counts = {"written": written, "there": len(there), "skipped": len(skipped)}
    before = f", {len(there)} were there" if there else ""
    console.print(f"{' and '.join(kinds)} of {written} images in {target}{before}")
    _tell_skipped(target / "skipped.json", skipped, console)
    return counts


def _tell_skipped(path: Path, skipped: dict[str, str], console: Console) -> None:
    if not skipped:
        with writing(path):
            path.unlink(missing_ok=True)  # an earlier call's
        return
    write_whole(path, json.dumps(skipped, indent=2))
    console.print(f"{len(skipped)} could not be read, see {path}:")
    for name in list(skipped)[:LISTED]:
        console.print(f"    {name}")
    if len(skipped) > LISTED:
        console.print(f"    and {len(skipped) - LISTED} more")


class _Images(Dataset[tuple[str, Tensor | str]]):
    """Images by name; of one that cannot be read, what is wrong with it."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[str, Tensor | str]:
        name = self.names[index]
        try:
            return name, read_image(self.folder / name)
        except InputError as error:
            return name, str(error)


def _check(cfg: DictConfig) -> None:
    for key, example in (("checkpoint", "outputs/.../checkpoints/best.ckpt"), ("images", "DIR"), ("output", "DIR")):
        if OmegaConf.is_missing(cfg, key):
            raise InputError(f"{key} is missing: give {key}={example}")
    for key, choices in (("format", get_args(Form)), ("on_error", ("stop", "skip"))):
        if cfg[key] not in choices:
            raise InputError(f"{key}={cfg[key]}: there are {', '.join(choices)}")
    for key, least in (("batch_size", 1), ("num_workers", 0)):
        if type(cfg[key]) is not int or cfg[key] < least:
            raise InputError(f"{key}={cfg[key]}: give a whole number from {least} on")


def _images(source: Path, target: Path) -> list[str]:
    if not source.is_dir():
        raise InputError(f"images={source} is not a folder: give one that holds images")
    own = target.resolve()
    names, stems = [], dict[str, str]()
    for path in files_below(source, SUFFIXES):
        if not path.is_file() or own in path.resolve().parents:
            continue
        name = path.relative_to(source)
        stem = str(name.with_suffix(""))
        if stem in stems:
            raise InputError(f"{stems[stem]} and {name} would be written to one file: rename one of them")
        stems[stem] = str(name)
        names.append(str(name))
    if not names:
        raise InputError(f"images={source} holds no image ({', '.join(SUFFIXES)})")
    return names


def _claim(target: Path, made_by: dict[str, Any]) -> None:
    """Write into the folder what its maps are made by; refuse a folder of other maps."""
    note = target / "predict.json"
    if note.exists():
        if read_object(note, "give another folder, or take this one away") != made_by:
            raise InputError(
                f"output={target} holds maps of another checkpoint, format or question: give another folder"
            )
        return
    make_folder(target)
    write_whole(note, json.dumps(made_by, indent=2))


def _made(form: Form) -> dict[str, Any]:
    """Return what a folder's maps are, apart from whose: one of 16 bits by an earlier version is no `png` of today."""
    return {"format": form} if form == "npz" else {"format": "png", "bits": BITS[form]}


def _paths(target: Path, name: str, kinds: Sequence[str], form: Form) -> list[Path]:
    if form == "npz":
        return [(target / name).with_suffix(".npz")]
    return [(target / kind / name).with_suffix(".png") for kind in kinds]


def _write(target: Path, name: str, maps: dict[str, Tensor], size: Any, form: Form) -> None:
    sized = {kind: at_size(kind, values, tuple(size)).numpy() for kind, values in maps.items()}
    if not all(np.isfinite(values).all() for values in sized.values()):
        raise InputError(f"{name}: the checkpoint's map of it is not finite; take another checkpoint")
    if form == "npz":
        (path,) = _paths(target, name, (), form)
        make_folder(path.parent)
        write_whole(path, lambda file: np.savez_compressed(file, allow_pickle=False, **sized))
        return
    for kind, values in sized.items():
        (path,) = _paths(target, name, (kind,), form)
        make_folder(path.parent)
        write_whole(path, partial(write_levels(values, BITS[form]).save, format="PNG"))
