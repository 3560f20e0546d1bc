"""The command line: ``haa train | evaluate | report``, which train.py and evaluate.py call too.

Nothing heavy is imported here, so that ``--help`` and ``--cfg job`` answer at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        commands[command](rest)
    else:
        _stop(f"there is no command {command}: {suggest(command, list(commands))}")


def train(argv: list[str]) -> None:
    """``haa train``: compose the config, then `haa.run.train`."""

    def work(cfg: Any) -> Any:
        from haa import run

        return run.train(cfg)

    _hydra("train", _resumed(argv), work)


def evaluate(argv: list[str]) -> None:
    """``haa evaluate``: compose the config, then `haa.run.evaluate`."""

    def work(cfg: Any) -> Any:
        from haa import run

        return run.evaluate(cfg)

    _hydra("evaluate", argv, work)


def show(argv: list[str]) -> None:
    """``haa show``: compose the config, then `haa.show.show`."""

    def work(cfg: Any) -> Any:
        from haa.show import show as draw

        print(draw(cfg))

    # a comma would be a sweep to Hydra, and task= is a group elsewhere: the words that people write
    words = [re.sub(r"^index=([\d,]+)$", r"index=[\1]", word) for word in argv]
    _hydra("show", [re.sub(r"^task=", "task.name=", word) for word in words], work)


def predict(argv: list[str]) -> None:
    """``haa predict``: compose the config, then `haa.predict_folder.predict`."""

    def work(cfg: Any) -> Any:
        from haa.predict_folder import predict

        predict(cfg)

    _hydra("predict", argv, work)


def report(argv: list[str]) -> None:
    """``haa report``: a table over finished runs, and a page that answers what they were run for."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="haa report",
        description="Compare finished runs, by condition and weight: a table here, and a page with the answer, its "
        "intervals, figures and caveats (index.html, which needs no network; summary.csv; figures/).",
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, or folders that hold some (a sweep's)")
    parser.add_argument("--output", type=Path, help="where the page goes; default: report/ in the first of the folders")
    parser.add_argument("--metric", help="what the answer is about; default: what the task selects checkpoints by")
    arguments = parser.parse_args(argv)
    from haa.report.page import write
    from haa.report.table import show

    try:
        show(arguments.runs)
        print(f"page: {write(arguments.runs, arguments.output or arguments.runs[0] / 'report', arguments.metric)}")
    except InputError as error:
        _stop(str(error))


def study_plan(argv: list[str]) -> None:
    """``haa study-plan``: the seeds that a study needs, from the variance of a pilot."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="haa study-plan",
        usage="haa study-plan RUNS... difference=0.05 [power=0.8] [alpha=0.05] [metric=accuracy]",
        description="How many seeds a study needs to see a given difference, from the variance over seeds of a pilot: "
        "a few runs of weight 0, with human gaze and with a control, of the same seeds.",
    )
    parser.add_argument(
        "words", nargs="+", metavar="RUNS", help="run folders, or folders that hold some, and key=value"
    )
    words = parser.parse_args(argv).words
    given = dict(word.split("=", 1) for word in words if "=" in word and not Path(word).exists())
    keys = {"difference": float, "power": float, "alpha": float, "metric": str}
    from haa.report.plan import show

    try:
        values: dict[str, Any] = {}
        for key, text in given.items():
            if key not in keys:
                raise InputError(f"study-plan has no {key}: {suggest(key, list(keys))}")
            try:
                values[key] = keys[key](text)
            except ValueError:
                raise InputError(f"{key}={text} is not a number: give one, e.g. {key}=0.05") from None
        if "difference" not in values:
            raise InputError(
                "difference is missing: give the one that you would not want to miss, e.g. difference=0.05"
            )
        folders = [Path(word) for word in words if word.split("=", 1)[0] not in given]
        if not folders:
            raise InputError("no folder is given: name the pilot's run folders, or a folder that holds them")
        values["wanted"] = values.pop("power", 0.8)
        show(folders, **values)
    except InputError as error:
        _stop(str(error))


DATA_USAGE = """\
haa data check data=NAME data.root=DIR ...
    Reads every sample of a data set, prints what there is and every fault, and draws a page of overlays.
    Ends with status 1 where there are faults.
      picture=FILE.png                  where the page is drawn (default: data-check.png); picture=null draws none
      against data=NAME data.root=DIR   also: is gaze recorded on pictures that this other data set tests on?
    haa data check data=salicon data.root=A against data=coco_captions data.root=B data.karpathy=dataset_coco.json

haa data get NAME root=DIR
    Fetches a data set from its publisher and unpacks it; goes on where it was cut off. Mind its terms of use.
    There are: {names}\
"""


def data(argv: list[str]) -> None:
    """``haa data check``, ``haa data get``."""
    command, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    try:
        if "--help" in argv or "-h" in argv or not argv:
            from haa.data.sources import SOURCES

            print(DATA_USAGE.format(names=", ".join(sorted(SOURCES))))
        elif command == "check":
            _check(rest)
        elif command == "get":
            _get(rest)
        else:
            _stop(f"there is no command data {command}: {suggest(command, ['check', 'get'])}")
    except InputError as error:
        _stop(str(error))


def _check(words: list[str]) -> None:
    given = dict(word.split("=", 1) for word in words if word.startswith("picture="))
    words = [word for word in words if not word.startswith("picture=")]
    place = words.index("against") if "against" in words else len(words)
    if not any(word.startswith("data=") for word in words[:place]):
        raise InputError("haa data check needs data=NAME (haa train --help lists them) and mostly data.root=DIR")
    make = _dataset(words[:place])
    against = _dataset(words[place + 1 :]) if place < len(words) else None
    from haa.data.check import check

    picture = given.get("picture", "data-check.png")
    if not check(make, against, None if picture == "null" else Path(picture)):
        sys.exit(1)


def _dataset(words: list[str]) -> Callable[..., Any]:
    """What ``data=NAME data.root=DIR`` says, as a function of the split."""
    import hydra
    from hydra.errors import ConfigCompositionException

    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf())):
        try:
            cfg = hydra.compose("train", _open_signatures("train", words))
        except ConfigCompositionException as error:
            raise InputError(" ".join(str(error.__cause__ or error).split())) from None
    from omegaconf import OmegaConf

    from haa import build

    build.check(OmegaConf.create({"data": cfg.data}), cfg.trust)
    return build.make(cfg.data, _partial_=True)


def _get(words: list[str]) -> None:
    names = [word for word in words if "=" not in word]
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if len(names) != 1 or set(given) != {"root"}:
        raise InputError("give one name and a folder: haa data get osie root=DIR")
    from haa.data.get import get

    get(names[0], Path(given["root"]).expanduser())


def wandb_dashboard(argv: list[str]) -> None:
    """``haa wandb-dashboard``: save a workspace with the report's panels in a Weights & Biases project."""
    import argparse

    tasks = sorted(path.stem for path in conf().glob("task/*.yaml"))
    parser = argparse.ArgumentParser(
        prog="haa wandb-dashboard",
        description="Save a workspace with the panels of the report in a Weights & Biases project (docs/wandb.md).",
        epilog="example: haa wandb-dashboard my_team/haa --task vqa",
    )
    parser.add_argument("project", help="ENTITY/PROJECT, to which runs with logger=wandb were synced")
    parser.add_argument("--task", choices=tasks, default="vqa", help="whose metric is shown (default: vqa)")
    parser.add_argument("--attention", default="attention_nss", help="the attention metric beside it (attention_nss)")
    parser.add_argument("--name", default="haa", help="of the workspace (default: haa)")
    arguments = parser.parse_args(argv)
    entity, slash, project = arguments.project.partition("/")
    if not slash:
        _stop(f"{arguments.project} names no project: give ENTITY/PROJECT, such as my_team/haa")
    import yaml

    monitor = yaml.safe_load((conf() / "task" / f"{arguments.task}.yaml").read_text())["task"]["monitor"]
    metric = monitor.removeprefix("val/")
    from haa.dashboard import workspace

    try:
        saved = workspace(entity, project, metric, arguments.attention, f"{arguments.name} {arguments.task}").save()
    except InputError as error:
        _stop(str(error))
    print(saved.url)


def conf() -> Path:
    """The folder of the configs: inside the package when installed, beside src/ in a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


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
            from haa import study

            return study.job(cfg, work)
        try:
            return work(cfg)
        except InputError as error:
            _stop(str(error))

    # Hydra takes flags before the first override only
    words = sorted(overrides, key=lambda word: word not in ("-m", "--multirun"))
    sys.argv = [program, *_open_signatures(name, words)]
    job()


def _command(name: str, program: str) -> list[str]:
    return [] if Path(program).stem == name else [name]


def _open_signatures(name: str, overrides: list[str]) -> list[str]:
    """Let ``model.hidden=256`` set an argument that yaml leaves to its default; refuse a key that belongs nowhere.

    Defaults live in signatures, so a composed config does not list them. `haa.build.check` holds every key against
    its signature later, when importing the code has a purpose.
    """
    known = _keys(name)
    own_config = any(re.match(r"(-cd|--config-dir|-cn|--config-name|-cp|--config-path)\b", word) for word in overrides)
    out = []
    for word in overrides:
        match = re.match(r"(?P<path>[\w]+)(?P<rest>[\w./@:\[\]]*)=", word)
        if match is None or match["path"] == "hydra":
            out.append(word)
            continue
        if match["path"] not in known and not own_config:
            _stop(f"there is no key {match['path']} in {name}: {suggest(match['path'], known)}")
        out.append("++" + word if match["rest"].startswith(".") else word)
    return out


def _keys(name: str) -> list[str]:
    import yaml

    text = yaml.safe_load((conf() / f"{name}.yaml").read_text())
    groups = [key for item in text["defaults"] if isinstance(item, dict) for key in item]
    groups = [key.removeprefix("optional ").split("@")[0] for key in groups]
    return sorted({key for key in [*groups, *text] if key not in ("defaults", "hydra") and " " not in key})


def _resumed(overrides: list[str]) -> list[str]:
    """``resume=RUN`` continues a run in its own folder, with the command line that it was started with."""
    given = {word.split("=", 1)[0].lstrip("+"): word.split("=", 1)[1] for word in overrides if "=" in word}
    if given.get("resume") in (None, "", "null"):
        return overrides
    path = Path(given["resume"].strip("'\""))
    checkpoint = path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    if not checkpoint.is_file():
        _stop(f"resume={path}: no {checkpoint.name} there: give a run folder, or a checkpoint that haa train wrote")
    folder = checkpoint.resolve().parents[1]
    stored: list[str] = []
    if (folder / ".hydra" / "overrides.yaml").is_file():
        import yaml

        stored = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text()) or []
    mine = [word for word in stored if word.split("=", 1)[0].lstrip("+") not in given]
    rest = [word for word in overrides if not word.startswith("resume=")]
    return [*mine, *rest, f"resume='{checkpoint.resolve()}'", f"hydra.run.dir='{folder}'", "hydra.mode=RUN"]


def _stop(message: str) -> None:
    sys.exit(f"haa: {message}")


if __name__ == "__main__":
    main()
