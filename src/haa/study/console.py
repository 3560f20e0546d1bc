"""Console output of a study: a line for each run that ends, wherever it runs, and what to do next."""

from __future__ import annotations

import atexit
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from haa.run_folder import RunFolder, read_config
from haa.study.runs import PLAN

_ENDS = (RunFolder(Path()).metrics.name, RunFolder(Path()).error.name)


class StudyConsole(Callback):
    """Watch over the folder of a sweep, since its runs may be other processes, or on other machines.

    It ends the program with status 1 if a run failed.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        global _watch
        if _watch is not None:
            _watch.stop()
        total = OmegaConf.select(config, "hydra.sweeper.n_trials")
        _watch = _Watch(Path(config.hydra.sweep.dir), total)
        _watch.start()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        assert _watch is not None
        if _watch.end():
            sys.exit(1)


def stop_watching() -> None:
    """Say of a study that was cut off how to go on with it; nothing of one that has ended."""
    if _watch is not None and not _watch.over.is_set():
        _watch.stop()
        _watch.cut_off()


# not in the callback, which launchers send to other processes: a thread cannot travel
_watch: _Watch | None = None


class _Watch(threading.Thread):
    def __init__(self, folder: Path, total: int | None) -> None:
        super().__init__(daemon=True)
        self.folder, self.total, self.out = folder, total, sys.stdout
        self.since, self.over = time.time(), threading.Event()
        self.shown: set[Path] = set()
        self.failures: dict[str, str] = {}
        atexit.register(self.cut_off)

    def run(self) -> None:
        while not self.over.wait(0.25):
            self.look()

    def look(self) -> None:
        for kind in _ENDS:
            for path in sorted(self.folder.glob(f"*/{kind}"), key=lambda path: path.stat().st_mtime):
                if path not in self.shown and path.stat().st_mtime >= self.since:
                    self.shown.add(path)
                    self.say(path)

    def say(self, path: Path) -> None:
        content = json.loads(path.read_text())
        name, run = path.parent.name, RunFolder(path.parent)
        if path == run.error:
            self.failures[name] = content["message"]
            result = f"failed: {content['message'].splitlines()[0]}"
        else:
            metric = read_config(run.config)["task"]["monitor"].removeprefix("val/")
            value = content["metrics"].get(metric)
            result = f"{metric} {'undefined' if value is None else f'{value:.3f}'}"
        names = self.names()
        done = sum(RunFolder(self.folder / other).metrics.is_file() or other in self.failures for other in names)
        total = self.total or len(names)
        started = run.lock.stat().st_mtime
        seconds = path.stat().st_mtime - started
        count = f"{done:>{len(str(total))}}/{total}"
        print(f"  {count}  {name.replace(',', ' ')}  {result}  {_time(seconds)}", file=self.out, flush=True)

    def names(self) -> list[str]:
        plan = self.folder / PLAN
        if self.total is None and plan.is_file():
            return json.loads(plan.read_text())["runs"]
        return [path.parent.name for path in self.folder.glob("*/.hydra")]

    def end(self) -> bool:
        """Say what failed and what to do next; return whether anything failed."""
        self.stop()
        self.join()
        self.look()
        by_message: dict[str, list[str]] = {}
        for name, message in self.failures.items():
            by_message.setdefault(message, []).append(name)
        if self.failures:
            print(f"\n{len(self.failures)} failed; the same command tries them again:", file=self.out)
        for message, names in by_message.items():
            print(f"  {message}", file=self.out)
            for name in names:
                print(f"    {RunFolder(self.folder / name).log}", file=self.out)
        print(f"\nhaa report {self.folder}    compares them", file=self.out, flush=True)
        return bool(self.failures)

    def stop(self) -> None:
        self.over.set()
        atexit.unregister(self.cut_off)

    def cut_off(self) -> None:
        plan = self.folder / PLAN
        if not self.total and not (plan.is_file() and plan.stat().st_mtime >= self.since):
            return  # nothing had begun
        how = f"study={self.folder.relative_to('studies')}" if self.folder.is_relative_to("studies") else None
        how = how or f"hydra.sweep.dir={self.folder}"
        at = ", ".join(self.begun())
        where = f" in {at}" if at else ""
        line = f"haa: the study was cut off{where}; the same command with {how} goes on with it"
        print(line, file=self.out, flush=True)

    def begun(self) -> list[str]:
        """Return the runs that have begun since the study has, and not ended."""
        runs = [RunFolder(self.folder / name) for name in self.names()]
        begun = [run for run in runs if run.lock.is_file() and run.lock.stat().st_mtime >= self.since]
        return [run.path.name for run in begun if not (run.finished or run.error.is_file())]


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
