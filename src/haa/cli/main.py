"""The command line: ``haa train | evaluate | predict | report | study-plan | data | show | wandb-dashboard``.

Here are those that compose a config with Hydra: train and evaluate, which train.py and evaluate.py call too, predict
and show. The others are in `haa.cli.commands`.

Nothing heavy is imported here, so that ``--help`` and ``--cfg job`` answer at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from haa.cli.commands import data, report, study_plan, wandb_dashboard
from haa.cli.overrides import conf, open_signatures, resumed, stop
from haa.errors import InputError, suggest

USAGE = """\
haa: train vision models to look where people look, and measure honestly whether it helped.

  haa train     train a model, with or without human attention    haa train task=vqa align_weight=0.5
  haa evaluate  score a checkpoint on a test split, or other data haa evaluate checkpoint=outputs/.../best.ckpt
  haa predict   write the maps of a folder of images              haa predict checkpoint=... images=DIR output=DIR
  haa report    compare finished runs: a table and a page         haa report studies/...
  haa study-plan  how many seeds a study needs                    haa study-plan studies/... difference=0.05
  haa data      check a data set, or fetch one                    haa data check data=osie data.root=DIR
  haa show      draw samples: who looked where                    haa show data=shapes index=0,1,2
  haa wandb-dashboard  save the report's panels in W&B            haa wandb-dashboard ENTITY/PROJECT

`haa COMMAND --help` says more. `train` and `evaluate` take Hydra overrides (key=value); `-m` sweeps over lists.\
"""


def main(argv: list[str] | None = None) -> None:
    """Run one command; exit with a message and status 1 where the input is at fault."""
    argv = sys.argv[1:] if argv is None else argv
    command, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    commands: dict[str, Callable[[list[str]], None]] = {
        "train": train,
        "evaluate": evaluate,
        "predict": predict,
        "report": report,
        "study-plan": study_plan,
        "data": data,
        "show": show,
        "wandb-dashboard": wandb_dashboard,
    }
    if command in ("--help", "-h", "help"):
        print(USAGE)
    elif command == "--version":
        import haa

        print(f"haa {haa.__version__}")
    elif command in commands:
        try:
            commands[command](rest)
        except InputError as error:
            stop(error)
    else:
        stop(f"there is no command {command}: {suggest(command, list(commands))}")


def train(argv: list[str]) -> None:
    """``haa train``: compose the config, then `haa.run.results.train`."""

    def work(cfg: Any) -> Any:
        from haa.run import results as run

        return run.train(cfg)

    _hydra("train", resumed(argv), work)


def evaluate(argv: list[str]) -> None:
    """``haa evaluate``: compose the config, then `haa.run.results.evaluate`."""

    def work(cfg: Any) -> Any:
        from haa.run import results as run

        return run.evaluate(cfg)

    _hydra("evaluate", argv, work)


def show(argv: list[str]) -> None:
    """``haa show``: compose the config, then `haa.pictures.show.show`."""

    def work(cfg: Any) -> Any:
        from haa.pictures.show import show as draw

        print(draw(cfg))

    # a comma would be a sweep to Hydra, and task= is a group elsewhere: the words that people write
    words = [re.sub(r"^index=([\d,]+)$", r"index=[\1]", word) for word in argv]
    _hydra("show", [re.sub(r"^task=", "task.name=", word) for word in words], work)


def predict(argv: list[str]) -> None:
    """``haa predict``: compose the config, then `haa.predict.folder.predict`."""

    def work(cfg: Any) -> Any:
        from haa.predict.folder import predict

        predict(cfg)

    _hydra("predict", argv, work)


def _hydra(name: str, overrides: list[str], work: Callable[[Any], Any]) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    program = sys.argv[0]

    @hydra.main(version_base="1.3", config_path=str(conf()), config_name=name)
    def job(cfg: Any) -> Any:
        # Lightning starts the other processes of a distributed job by the command line: let it be this job's alone
        own = [f"output_dir='{cfg.output_dir}'"] if "output_dir" in cfg else []
        own += ["hydra.mode=RUN"]
        sys.argv = [program, *_command(name, program), *HydraConfig.get().overrides.task, *own]
        if name == "train" and HydraConfig.get().mode == RunMode.MULTIRUN:
            from haa.study import runs as study

            return study.job(cfg, work)
        try:
            return work(cfg)
        except InputError as error:
            stop(error)

    # Hydra takes flags before the first override only
    words = sorted(overrides, key=lambda word: word not in ("-m", "--multirun"))
    sys.argv = [program, *open_signatures(name, words)]
    job()


def _command(name: str, program: str) -> list[str]:
    return [] if Path(program).stem == name else [name]
