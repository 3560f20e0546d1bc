"""The commands whose arguments are no config: ``haa report | study-plan | data check | data get | wandb-dashboard``.

Nothing heavy is imported here but by the command that needs it. What is at fault in the input is raised as an
`haa.errors.InputError`, which `haa.cli.main.main` prints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from haa.cli.overrides import conf, open_signatures
from haa.errors import InputError, suggest


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

    show(arguments.runs)
    print(f"page: {write(arguments.runs, arguments.output or arguments.runs[0] / 'report', arguments.metric)}")


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

    values: dict[str, Any] = {}
    for key, text in given.items():
        if key not in keys:
            raise InputError(f"study-plan has no {key}: {suggest(key, list(keys))}")
        try:
            values[key] = keys[key](text)
        except ValueError:
            raise InputError(f"{key}={text} is not a number: give one, e.g. {key}=0.05") from None
    if "difference" not in values:
        raise InputError("difference is missing: give the one that you would not want to miss, e.g. difference=0.05")
    folders = [Path(word) for word in words if word.split("=", 1)[0] not in given]
    if not folders:
        raise InputError("no folder is given: name the pilot's run folders, or a folder that holds them")
    values["wanted"] = values.pop("power", 0.8)
    show(folders, **values)


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
    if "--help" in argv or "-h" in argv or not argv:
        from haa.data.care.sources import SOURCES

        print(DATA_USAGE.format(names=", ".join(sorted(SOURCES))))
    elif command == "check":
        _check(rest)
    elif command == "get":
        _get(rest)
    else:
        raise InputError(f"there is no command data {command}: {suggest(command, ['check', 'get'])}")


def _check(words: list[str]) -> None:
    given = dict(word.split("=", 1) for word in words if word.startswith("picture="))
    words = [word for word in words if not word.startswith("picture=")]
    place = words.index("against") if "against" in words else len(words)
    if not any(word.startswith("data=") for word in words[:place]):
        raise InputError("haa data check needs data=NAME (haa train --help lists them) and mostly data.root=DIR")
    make = _dataset(words[:place])
    against = _dataset(words[place + 1 :]) if place < len(words) else None
    from haa.data.care.check import check

    picture = given.get("picture", "data-check.png")
    if not check(make, against, None if picture == "null" else Path(picture)):
        sys.exit(1)


def _dataset(words: list[str]) -> Callable[..., Any]:
    """What ``data=NAME data.root=DIR`` says, as a function of the split."""
    import hydra
    from hydra.errors import ConfigCompositionException

    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf())):
        try:
            cfg = hydra.compose("train", open_signatures("train", words))
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
    from haa.data.care.get import get

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
        raise InputError(f"{arguments.project} names no project: give ENTITY/PROJECT, such as my_team/haa")
    import yaml

    monitor = yaml.safe_load((conf() / "task" / f"{arguments.task}.yaml").read_text())["task"]["monitor"]
    metric = monitor.removeprefix("val/")
    from haa.report.dashboard import workspace

    saved = workspace(entity, project, metric, arguments.attention, f"{arguments.name} {arguments.task}").save()
    print(saved.url)
