"""Console output of a run: what it is before it starts, and its scores at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only
from rich import box
from rich.table import Table
from rich.text import Text

from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.predict.condition import Predicted
from haa.printing.console import Console
from haa.printing.plain import plain, short
from haa.run_folder import class_name
from haa.tasks.aligned_module import AlignedModule

NAME = 80
"""Characters of the longest name in a table."""
ORACLE = (
    "oracle: the human map is the attention, at test time too: an upper bound, no model; its attention metrics are the "
    "human map's own"
)


@rank_zero_only
def announce(cfg: DictConfig, data: DataModule, folder: Path, module: AlignedModule) -> None:
    """Print one line that says what is trained or scored on what, and what has to be known of it."""
    splits = {split: data.missing_gaze(split) for split in get_args(Split)}
    nobody = not any(data.some_gaze(split) for split in splits)
    gaze = "no gaze" if nobody else "simulated gaze" if data.dataset("train").simulated else "recorded gaze"
    counts = ", ".join(
        f"{total} {split}" + (f" ({missing} without gaze, masked)" if missing and not nobody else "")
        for split, (missing, total) in splits.items()
    )
    source = f" attention={class_name(cfg.attention)}" if cfg.get("attention") else ""
    choice = f"align_weight={cfg.align_weight} condition={data.condition.label}{source}"  # type: ignore[union-attr]
    console = Console()
    line = f" {cfg.task.name} {choice} seed={cfg.seed} ({gaze}; {counts})"
    console.print(Text.assemble(("haa", "bold"), plain(line)))
    for note in data.dataset("train").notes:
        console.print(f"    {note}")
    if module.backbone_weights is not None:
        part = "backbone" if cfg.get("backbone") else "model"
        console.print(f"    {part}: {class_name(cfg[part])}, weights {plain(module.backbone_weights)}")
    if module.oracle:
        console.print(f"    {ORACLE}")
    if isinstance(data.condition, Predicted):
        console.print(f"    {_predicted_by(data.condition)}")
    console.print(f"    writes to {folder}")


@rank_zero_only
def tell_processes(trainer: pl.Trainer, data: DataModule) -> None:
    """Print how many samples a step has, where several processes share it."""
    if (world := trainer.world_size) > 1:
        whole, share = data.batch_sizes(world)
        Console().print(f"    {world} processes: {whole} samples a step, {share} in each process")


def show_scores(summary: dict[str, Any], valid: dict[str, int], data: DataModule, unmeasured: str = "") -> None:
    """Print the table of a split's scores, and what has to be known of it.

    Args:
        summary: What metrics.json holds.
        valid: Number of samples for which each metric is defined, where that is not all of them.
        data: Data that were scored.
        unmeasured: Why faithfulness could not be measured, where it was asked for.
    """
    split = summary["split"]
    gaze = " (simulated gaze)" if summary["simulated_gaze"] else ""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("samples", justify="right")
    references = summary.get("references", {})
    for reference in references:
        table.add_column(short(reference, NAME), justify="right", style="dim")
    looked = data.some_gaze(split)
    for name, value in summary["metrics"].items():
        if value is None and not looked and name.startswith("attention_"):
            continue  # told below
        beside = [f"{row[name]:.4f}" if name in row else "" for row in references.values()]
        shown = "undefined" if value is None else f"{value:.4f}"
        table.add_row(short(name, NAME), shown, str(valid.get(name, summary["samples"])), *beside)
    console = Console()
    console.print(Text.assemble((f"\n{summary['split']} split", "bold"), f", {summary['samples']} samples{gaze}"))
    console.print(table)
    if summary["inserts_map"]:
        console.print(ORACLE)
    if isinstance(data.condition, Predicted):
        console.print(_predicted_by(data.condition))
    if not looked:
        console.print(f"nobody's gaze was recorded in the {split} split: attention_nss and its like are undefined")
    if unmeasured:
        console.print(f"faithfulness was not measured: {unmeasured}")


def _predicted_by(condition: Predicted) -> str:
    return f"predicted gaze, not recorded: the training split's is predicted by {condition.checkpoint}"
