"""`haa score`: results that lie in files, scored against any data set: a table, a page, csv and LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from haa import build
from haa.disk import make_folder, write_whole
from haa.errors import InputError
from haa.printing.console import Console
from haa.scoring.page import write_page
from haa.scoring.score import METRICS, score
from haa.scoring.scores import Scores
from haa.scoring.table import differences_csv, latex, samples_csv, show, table_csv


def run(cfg: DictConfig) -> Scores:
    """Score what ``cfg.maps`` names against ``cfg.data``, write the table and the page, and return the scores.

    Args:
        cfg: Config composed from ``conf/score.yaml``.

    Raises:
        InputError: If the data, a file or a key cannot be used.
    """
    scores = scored(cfg)
    show(scores)
    folder = Path(str(cfg.output)).expanduser()
    Console().print(f"page: {write(scores, folder, cfg.pictures)}")
    return scores


def write(scores: Scores, folder: Path, pictures: int = 3) -> Path:
    """Write score.csv, samples.csv, differences.csv, score.tex and the page index.html, and return the page's path.

    Args:
        scores: The table.
        folder: Folder to write to.
        pictures: Number of samples of each kind that the page shows; 0 shows none.

    Raises:
        InputError: If the disk refuses a file, or a picture cannot be read.
    """
    make_folder(folder)
    write_whole(folder / "score.csv", table_csv(scores))
    write_whole(folder / "samples.csv", samples_csv(scores))
    write_whole(folder / "differences.csv", differences_csv(scores))
    write_whole(folder / "score.tex", latex(scores))
    return write_page(scores, folder, pictures)


def scored(cfg: DictConfig) -> Scores:
    """Return the scores of a config composed from ``conf/score.yaml``.

    Raises:
        InputError: If the data, a file or a key cannot be used.
    """
    if OmegaConf.is_missing(cfg, "maps"):
        raise InputError("maps is missing: give maps=DIR, or several between commas")
    if "_target_" not in (cfg.get("data") or {}):
        raise InputError("data is missing: give data=NAME (haa train --help lists them) and mostly data.root=DIR")
    for key, least in (("pictures", 0), ("num_workers", 0)):
        if cfg[key] is not None and (type(cfg[key]) is not int or cfg[key] < least):
            raise InputError(f"{key}={cfg[key]}: give a whole number from {least} on")
    built = build.checked(cfg, cfg.trust)
    data = build.datamodule(built)
    metrics = _plain(cfg.metrics)
    arguments = {key: cfg[key] for key in ("split", "on_error", "references", "num_workers", "seed")}
    task: Any = cfg.task.name
    if isinstance(metrics, str):
        metrics = list(METRICS.get(task, {})) if metrics == "all" else metrics.split(",")
    return score(_plain(cfg.maps), data, task, metrics=metrics, **arguments)


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
