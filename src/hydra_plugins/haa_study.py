"""Hydra's sweeper and launcher for studies (`haa.study.runs`). Hydra looks for plugins in this package."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf, open_dict


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
        from haa.disk import make_folder, write_whole
        from haa.errors import InputError
        from haa.study import runs as study
        from haa.study.config import difference

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides(modern([*self._parse_config(), *arguments]))
        swept = {override.get_key_element().lstrip("+") for override in overrides if override.is_sweep_override()}
        folder = Path(self.config.hydra.sweep.dir)
        jobs: dict[str, list[str]] = {}
        configs: dict[str, dict[str, Any]] = {}
        states: dict[str, str] = {}
        try:
            _check(self.config.get("parallel", 1), self.launcher)
            make_folder(folder)
            write_whole(folder / "multirun.yaml", OmegaConf.to_yaml(self.config))
            for words in self.split_arguments(overrides, None)[0]:
                cfg = self._compose(words)
                if study.is_baseline(cfg):
                    words = [word for word in words if word.lstrip("+").split("=")[0].split(".")[0] != "condition"]
                    cfg = self._compose(words)
                name, state, config = _place(folder, words, swept, cfg)
                if name in jobs and (changed := difference(configs[name], config)):
                    raise InputError(f"two runs would be named {folder / name}, with {changed}: give them two studies")
                configs.setdefault(name, config)
                states.setdefault(name, state)
                jobs.setdefault(name, [*words, f"hydra.sweep.subdir='{name}'"])
            write_whole(folder / study.PLAN, json.dumps({"runs": list(jobs)}, indent=2) + "\n")
        except InputError as error:
            sys.exit(f"haa: {error}")
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


class StudyLauncher(BasicLauncher):
    """Launcher that does the runs of a study here, one after the other, or several at a time in as many processes.

    Args:
        parallel: How many at a time.
    """

    def __init__(self, parallel: int = 1) -> None:
        super().__init__()
        self.parallel = parallel

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        if self.parallel == 1:
            from haa.memory.held import ALONE, HELD, STUDY

            HELD.clear(STUDY)
            try:
                return super().launch(job_overrides, initial_job_idx)
            finally:
                HELD.clear(ALONE)
        from haa.run.parallel import Sweep, run_all

        task: Any = self.task_function
        if not isinstance(task, partial):  # a function within a function cannot be sent to another process
            from haa.cli.main import work

            task = partial(work, self.config.hydra.job.name, sys.argv[0])
        jobs = [self._composed(initial_job_idx + i, words) for i, words in enumerate(job_overrides)]
        return run_all(Sweep(task, self.hydra_context), jobs, min(self.parallel, len(jobs)))

    def _composed(self, number: int, words: Sequence[str]) -> DictConfig:
        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(words))
        with open_dict(cfg):
            cfg.hydra.job.id = cfg.hydra.job.num = number
        return cfg


def _check(parallel: Any, launcher: Any) -> None:
    """Refuse a number of runs at a time that is none, or that another launcher knows nothing of."""
    from haa.errors import InputError

    if type(parallel) is not int or parallel < 1:
        raise InputError(f"parallel={parallel}: give a number of runs at a time, 1 or more")
    if parallel > 1 and not isinstance(launcher, StudyLauncher):
        own = "hydra.launcher.n_jobs" if "joblib" in type(launcher).__module__ else "a setting of that launcher"
        raise InputError(
            f"parallel={parallel} is not for {type(launcher).__name__}: give {own}, or leave out hydra/launcher"
        )


def _place(
    folder: Path, words: Sequence[str], swept: Collection[str], cfg: DictConfig
) -> tuple[str, str, dict[str, Any]]:
    """Return the name of a run's folder, what it holds, and the run's config there.

    The name is an earlier version's where a folder of it is this run's, else today's.

    Raises:
        InputError: If what is there is another run's.
    """
    from haa.errors import InputError
    from haa.study.config import resolved
    from haa.study.names import name, names_before
    from haa.study.runs import state

    today = name(words, swept)
    for old in names_before(words, swept):
        if old != today and not (folder / today).is_dir():
            with contextlib.suppress(InputError):
                config = resolved(cfg, (folder / old).absolute())
                if (found := state(folder / old, config)) != "new":
                    return old, found, config
    config = resolved(cfg, (folder / today).absolute())
    return today, state(folder / today, config), config
