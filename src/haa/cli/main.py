"""The command line: ``haa train | evaluate | predict | export | probe | score | report | study-plan | data | ...``.

Here are those that compose a config with Hydra (`COMPOSED`), two of which train.py and evaluate.py call. The others are
in `haa.cli.commands`. Nothing heavy is imported here, so that ``--help`` and ``--cfg job`` answer at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from haa.cli.commands import data, doctor, report, study_plan, wandb_dashboard
from haa.cli.overrides import conf, open_signatures, scored, shown, stop
from haa.cli.paths import taken_literally
from haa.cli.plugins import check_flags, check_plugins
from haa.cli.resume import resumed
from haa.errors import InputError, needs, suggest
from haa.run.stopping import printing, rank, stoppable

USAGE = """\
haa: train vision models to look where people look, and measure honestly whether it helped.

  haa train           train a model, with or without human attention haa train task=vqa align_weight=0.5
  haa evaluate        score a checkpoint on a split, or other data   haa evaluate checkpoint=outputs/.../best.ckpt
  haa predict         write the maps of a folder of images           haa predict checkpoint=... images=DIR output=DIR
  haa export          a model for others: weights, a graph, a card   haa export checkpoint=.../best.ckpt format=onnx
  haa probe           which stage of a network looks like people     haa probe data=osie data.root=DIR backbone=resnet18
  haa score           a table of metrics of maps, captions, answers  haa score maps=DIR,DIR data=osie data.root=DIR
  haa report          compare finished runs: a table and a page      haa report studies/...
  haa study-plan      how many seeds a study needs                   haa study-plan studies/... difference=0.05
  haa data            check a data set, fetch one, import recordings haa data check data=osie data.root=DIR
  haa show            draw samples: who looked where                 haa show data=shapes index=0,1,2
  haa wandb-dashboard save the report's panels in W&B                haa wandb-dashboard ENTITY/PROJECT task=vqa
  haa doctor          what is installed, for a report of a fault     haa doctor

`haa COMMAND --help` says more. Arguments are key=value everywhere; `haa train -m` sweeps over lists, key=a,b.\
"""

COMPOSED = {
    "train": "haa.run.train:train",
    "evaluate": "haa.run.evaluate:evaluate",
    "predict": "haa.predict.folder:predict",
    "export": "haa.export.folder:export",
    "probe": "haa.probe.folder:run",
    "score": "haa.scoring.folder:run",
    "show": "haa.pictures.show:show",
}
"""Commands that compose the config of their name, and the function that takes it."""

TRANSLATED: dict[str, Callable[[list[str]], list[str]]] = {
    "train": resumed,
    "show": shown,
    "probe": shown,
    "score": scored,
}
"""Commands some of whose words Hydra takes in another form."""


def main(argv: list[str] | None = None) -> None:
    """Run one command; exit with a message and status 1 where the input is at fault."""
    argv = sys.argv[1:] if argv is None else argv
    with printing():
        _run(*((argv[0], argv[1:]) if argv else ("--help", [])))


def _run(command: str, rest: list[str]) -> None:
    commands: dict[str, Callable[[list[str]], None]] = {
        **{name: partial(composed, name) for name in COMPOSED},
        "report": report,
        "study-plan": study_plan,
        "data": data,
        "wandb-dashboard": wandb_dashboard,
        "doctor": doctor,
    }
    if command in ("--help", "-h", "help"):
        print(USAGE)
    elif command == "--version":
        import haa

        print(f"haa {haa.__version__}")
    elif command in commands:
        try:
            with stoppable():
                if command != "doctor":
                    needs(f"haa {command}", "haa", "hydra")  # haa-core alone has the metrics and no commands
                commands[command](rest)
        except InputError as error:
            stop(error)
    else:
        stop(f"there is no command {command}: {suggest(command, list(commands))}")


def composed(name: str, argv: list[str]) -> None:
    """Compose the config of a command with Hydra, and hand it to the command's function.

    Args:
        name: The command, one of `COMPOSED`.
        argv: Its words of the command line.
    """
    import hydra

    from haa.cli.folders import release

    program = sys.argv[0]

    @hydra.main(version_base="1.3", config_path=str(conf()), config_name=name)
    def job(cfg: Any) -> Any:
        return work(name, program, cfg)

    try:
        check_flags(argv)
        words = translated(name, argv)
    except InputError as error:
        stop(error)
    # Hydra takes flags before the first override only
    words = sorted(words, key=lambda word: word not in ("-m", "--multirun"))
    sys.argv = [program, *words]
    try:
        with stoppable():
            job()
    finally:
        release()


def translated(name: str, words: list[str]) -> list[str]:
    """Return the words of a command as Hydra takes them.

    Args:
        name: The command, one of `COMPOSED`.
        words: Its words of the command line.

    Raises:
        InputError: If a word cannot be used, or asks for a plugin of Hydra's that is not installed.

    Example:
        >>> translated("show", ["task=vqa", "data.root=a(1)", "index=0,1"])
        ['++task.name=vqa', "++data.root='a(1)'", 'index=[0,1]']
    """
    words = taken_literally(words)
    words = TRANSLATED[name](words) if name in TRANSLATED else words
    words = open_signatures(name, words)
    check_plugins(words)
    return words


def work(name: str, program: str, cfg: Any) -> Any:
    """Do the work of a command whose config is composed: one run, or one of a study's.

    Args:
        name: The command, one of `COMPOSED`.
        program: Program by which the other processes of a distributed run are started.
        cfg: The composed config.

    Returns:
        What the command's function returns.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from haa.run_folder import RunFolder, quoted  # which loads numpy

    module, _, function = COMPOSED[name].partition(":")

    def command(cfg: Any) -> Any:
        importlib.import_module("haa.metrics.sooner")  # before Lightning, which imports torchmetrics
        return getattr(importlib.import_module(module), function)(cfg)

    # Lightning starts the other processes of a distributed job by the command line: let it be this job's alone
    own = [f"{key}={quoted(cfg[key])}" for key in ("output_dir", "resume") if cfg.get(key)]
    words = HydraConfig.get().overrides.task
    sys.argv = [program, *([] if Path(program).stem == name else [name]), *words, *own, "hydra.mode=RUN"]
    with stoppable(end=False):  # a launcher may call this in another process
        if name == "train" and HydraConfig.get().mode == RunMode.MULTIRUN:
            from haa.study import runs as study

            return study.job(cfg, command)
        try:
            if own and rank() == 0 and not cfg.get("resume"):
                RunFolder(Path(cfg.output_dir)).keep_words(words)
            result = command(cfg)
        except InputError as error:
            stop(error)
    if isinstance(result, Path):  # of what was drawn
        print(result)
    return result


train = partial(composed, "train")
evaluate = partial(composed, "evaluate")
