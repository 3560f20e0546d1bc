"""Hydra's sweeper for ``haa train``: a study (`haa.study.runs`). Hydra looks for plugins in this package."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf


class StudySweeper(BasicSweeper):
    """Sweeper that runs every combination once, in a folder named by it, and none that is finished.

    Without alignment the condition changes nothing, so that a baseline is one run per seed however many conditions are
    swept. A run that fails does not stop the others.

    Args:
        params: What is swept, beside what the command line says.
    """

    def __init__(self, params: DictConfig | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)  # type: ignore[arg-type]

    def sweep(self, arguments: list[str]) -> Any:
        from haa.cli.overrides import modern
        from haa.disk import write_whole
        from haa.errors import InputError
        from haa.study import runs as study

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides(modern([*self._parse_config(), *arguments]))
        swept = {override.get_key_element().lstrip("+") for override in overrides if override.is_sweep_override()}
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        jobs: dict[str, list[str]] = {}
        states: dict[str, str] = {}
        try:
            for words in self.split_arguments(overrides, None)[0]:
                cfg = self._compose(words)
                if study.is_baseline(cfg):
                    words = [word for word in words if word.lstrip("+").split("=")[0].split(".")[0] != "condition"]
                    cfg = self._compose(words)
                name = _name(folder, words, swept)
                if name not in jobs:
                    jobs[name] = [*words, f"hydra.sweep.subdir='{name}'"]
                    states[name] = study.state(folder / name, study.resolved(cfg, (folder / name).absolute()))
        except InputError as error:
            sys.exit(f"haa: {error}")
        write_whole(folder / study.PLAN, json.dumps({"runs": list(jobs)}, indent=2) + "\n")
        todo = [words for name, words in jobs.items() if states[name] != "finished"]
        labels = {"finished": "finished before", "half": "half done"}
        already = [f"{n} {labels[state]}" for state in labels if (n := list(states.values()).count(state))]
        print(f"haa study: {len(jobs)} runs in {folder}" + (f" ({', '.join(already)})" if already else ""))
        print("    a line for each when it is over; what it prints goes to log.txt in its folder", flush=True)
        return self.launcher.launch(todo, initial_job_idx=0) if todo else []

    def _compose(self, words: list[str]) -> DictConfig:
        assert self.config is not None
        assert self.hydra_context is not None
        return self.hydra_context.config_loader.load_sweep_config(self.config, words)


def _name(folder: Path, words: Sequence[str], swept: Collection[str]) -> str:
    """Return the name of a run's folder: the one that version 0.1 gave it, where it is there, else today's."""
    from haa.study.runs import name

    before = {"loss": "alignment"}
    old_words = [before.get(key, key) + equals + value for key, equals, value in (w.partition("=") for w in words)]
    old = name(old_words, {before.get(key, key) for key in swept})
    return old if (folder / old).is_dir() else name(words, swept)
