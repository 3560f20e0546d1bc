"""The command `haa show`: samples with where people looked, what a condition makes of it, where a machine looks."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from haa import build, checkpoint
from haa.batch import Batch, human_maps, image_size, in_unit_range, middle, shape
from haa.data.dataset import Split
from haa.data.loading.collate import collate
from haa.data.loading.samples import Samples
from haa.disk import make_folder, write_whole
from haa.errors import InputError
from haa.geometry.extent import on_picture
from haa.pictures.draw import as_texts, caption, in_shape, overlay, wrapped
from haa.tasks.aligned_module import AlignedModule

Column = tuple[str, Tensor | None, Tensor | None]
"""A heading, points ``(n, 2)``, and a map ``(h, w)``; None where there is nothing to draw."""


def show(cfg: DictConfig) -> Path:
    """Draw the samples ``cfg.index`` and return the picture's path.

    Args:
        cfg: Config composed from ``conf/show.yaml``.

    Raises:
        InputError: If the data, the checkpoint or an index cannot be used.
    """
    module: AlignedModule | None = None
    if cfg.split not in get_args(Split):
        raise InputError(f"split={cfg.split}: there are {', '.join(get_args(Split))}")
    given, cfg = cfg.get("data"), cfg.copy()
    OmegaConf.set_struct(cfg, False)
    if cfg.checkpoint:
        module, trained = checkpoint.load(cfg.checkpoint, cfg.trust)
        cfg.loader, cfg.task = trained.loader, trained.task
        whole = given is not None and "_target_" in given
        cfg.data = given if whole else OmegaConf.merge(trained.data, given or {})
    elif given is None:
        cfg.data = {"_target_": "haa.data.shapes.Shapes", "task": cfg.task.name}
    cfg = build.checked(cfg, cfg.trust)
    data, condition = build.datamodule(cfg), build.make(cfg.condition)
    dataset = data.dataset(cfg.split)
    indices = cfg.index if OmegaConf.is_list(cfg.index) else [cfg.index]
    for index in indices:
        if not isinstance(index, int) or not 0 <= index < len(dataset):
            raise InputError(f"index={index}: the {cfg.split} split has samples 0 to {len(dataset) - 1}")
    samples = Samples(dataset, data.transform)
    control = None if not condition.exchanges else Samples(dataset, data.transform, condition=condition)
    sigma = data.human_sigma(cfg.split).share
    rows = [_row(samples, control, module, index, dataset.simulated, sigma) for index in indices]
    path = Path(cfg.output_dir) / "show.png"
    make_folder(path.parent)
    drawn = figure(rows)
    write_whole(path, lambda file: drawn.savefig(file, format="png", dpi=130, bbox_inches="tight"))
    return path


@as_texts
def figure(rows: list[tuple[Batch, list[Column]]]) -> Figure:
    """Draw one row per sample, with its columns laid over its image.

    Args:
        rows: For each row a batch of one sample, whose image is in [0, 1], and its columns; the first row names them.
    """
    heights = [shape(batch, 0) for batch, _ in rows]
    width = 2.6 * len(rows[0][1])
    drawn = Figure(figsize=(width, 2.6 * sum(heights) + 0.4 * len(rows) + 0.2), layout="constrained")
    axes = drawn.subplots(len(rows), len(rows[0][1]), squeeze=False, gridspec_kw={"height_ratios": heights})
    for number, (line, (batch, columns)) in enumerate(zip(axes, rows, strict=True)):
        image = batch["image"][0].permute(1, 2, 0).clamp(0, 1).numpy()
        for axis, (heading, points, values) in zip(line, columns, strict=True):
            axis.imshow(image, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            if number == 0:
                axis.set_title(wrapped(heading, 36), fontsize=9)
            if values is not None:
                overlay(axis, values)
            if points is not None:
                axis.scatter(*points.T, s=10, facecolors="none", edgecolors="white", linewidths=0.8)
                axis.set_xlim(-0.5, image.shape[1] - 0.5)
                axis.set_ylim(image.shape[0] - 0.5, -0.5)
            if points is None and values is None:
                axis.set_xlabel("no gaze", fontsize=7)
            in_shape(axis, batch["image"], shape(batch, 0))
        text = caption(batch, 0)
        texts = dict.fromkeys([batch["id"][0], text])
        line[0].set_xlabel("\n".join(wrapped(each, 48) for each in texts), fontsize=7)
    return drawn


def _row(
    samples: Samples, control: Samples | None, module: AlignedModule | None, index: int, simulated: bool, sigma: float
) -> tuple[Batch, list[Column]]:
    batch = in_unit_range(collate([samples[index]]))
    attention = None
    if module is not None:
        _, output = module.probe(batch)
        attention = output.attention
        if attention is None:
            raise InputError(f"{type(module.model).__name__} returns no attention: leave checkpoint= out")
    still, machine = middle(batch, attention)
    human = "simulated human map" if simulated else "human map"
    columns = [*_gaze(still, sigma, human)]
    if control is not None:
        other, _ = middle(in_unit_range(collate([control[index]])), None)
        columns.append(_gaze(other, sigma, f"condition={control.condition.label}")[1])  # type: ignore[union-attr]
    if machine is not None:
        size = image_size(still)
        whose = "inserted map" if module is not None and module.oracle else "machine map"
        columns.append((whose, None, on_picture(machine[:1], size, output.extent)[0]))
    return still, columns


def _gaze(batch: Batch, sigma: float, heading: str) -> tuple[Column, Column]:
    maps, has_human = human_maps(batch, image_size(batch), sigma)
    if "density" in batch:
        return ("image", None, None), (f"{heading}, as published", None, maps[0] if bool(has_human[0]) else None)
    if not bool(has_human[0]):
        return ("image, fixations", None, None), (heading, None, None)
    points = batch["fixations"][0] if "fixations" in batch else None
    points = None if points is None else points[points.isfinite().all(-1)]
    return ("image, fixations", points, None), (heading, None, maps[0])
