"""Finished runs, read from their folders."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from haa.errors import InputError


@dataclass(frozen=True)
class Run:
    """One finished run: where it is, the config that it was made with and what came out."""

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any]

    @property
    def condition(self) -> str:
        """baseline where nothing was aligned, else the condition's name and arguments."""
        if self.config["align_weight"] == 0:
            return "baseline"
        options = {key: value for key, value in self.config["condition"].items() if key not in ("_target_", "seed")}
        name = self.config["condition"]["_target_"].rsplit(".", 1)[-1].lower()
        return " ".join([name, *(f"{key}={value}" for key, value in options.items())])

    @property
    def seed(self) -> int:
        return self.config["seed"]


def collect(folders: Iterable[Path]) -> list[Run]:
    """All runs in these folders and below.

    Raises:
        InputError: if a folder is not there or no run in any of them has finished.
    """
    runs = []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: give a run's folder, or a sweep's")
        for path in sorted(folder.glob("**/metrics.json")):
            if not (path.parent / "config.yaml").is_file():
                raise InputError(f"{path.parent} holds metrics.json and no config.yaml: it is not a run of haa")
            config = yaml.safe_load((path.parent / "config.yaml").read_text())
            runs.append(Run(path.parent, config, json.loads(path.read_text())))
    if not runs:
        raise InputError(f"no finished run in {', '.join(map(str, folders))}: a finished run has a metrics.json")
    return runs
