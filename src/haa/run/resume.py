"""Taking up a run that was cut off: it has to be the same run, of the same config and the same data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from haa.errors import InputError, reading
from haa.run_folder import RunFolder, read_config
from haa.study.config import difference, resolved


def check_resumed(cfg: DictConfig) -> None:
    """Refuse to take up a run with another config, which would file the results of two under one.

    Raises:
        InputError: If something that decides the results is not what the run's config.yaml says.
    """
    if not cfg.get("resume"):
        return
    run = RunFolder(Path(cfg.output_dir))
    if changed := difference(read_config(run.config), resolved(cfg)):
        key = changed.partition("=")[0]
        raise InputError(
            f"resume={run.path}: it was begun with {changed}: leave {key} as it was, or train anew in another folder"
        )


def check_data(run: RunFolder, made: dict[str, Any]) -> None:
    """Refuse to take up a run whose data have changed since it began.

    Args:
        run: The run's folder.
        made: What makes the run now (`haa.run.made.made_by`).

    Raises:
        InputError: If a split has other samples, stimuli, gaze or labels. What is unknown of either is not compared.
    """
    if not run.made.is_file():
        return
    with reading(run.made, "train anew in another folder"):
        before: dict[str, dict[str, Any]] = json.loads(run.made.read_bytes())["data"]
        changed = [
            f"{what} of its {split} split"
            for split, now in made["data"].items()
            for what, digest in now.items()
            if None not in (digest, was := before.get(split, {}).get(what)) and digest != was
        ]
    if changed:
        raise InputError(
            f"resume={run.path}: the {', '.join(changed)} are not what they were when the run began: "
            "bring the data back, or train anew in another folder"
        )
