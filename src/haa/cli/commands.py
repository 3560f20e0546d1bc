"""The commands whose arguments are no config: ``haa report``, ``study-plan``, ``data ...``, ``doctor`` and the like.

Nothing heavy is imported here but by the command that needs it. What is at fault in the input is raised as an
`haa.errors.InputError`, which `haa.cli.main.main` prints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from haa.cli.overrides import conf, modern, open_signatures
from haa.cli.paths import taken_literally
from haa.cli.words import parse, split, usage, wants_help
from haa.errors import InputError, suggest
from haa.printing.plain import plain

REPORT = {
    "metric": "Metric that the answer is about. Default: the one that the task selects checkpoints by.",
    "difference": "Smallest difference worth having, in units of the metric; the report says whether a larger one is "
    "excluded. Default: what the runs were given, else 2 % of the baseline's score.",
    "output": "Folder that the page goes to. Default: report/ in the first of the folders.",
}

STUDY_PLAN = {
    "difference": "Smallest difference that you would not want to miss, in units of the metric. It has no default.",
    "power": "Probability that the report finds that difference. Default: 0.8.",
    "alpha": "Level of the two-sided tests. Default: 0.05.",
    "metric": "Metric that is compared. Default: the one that the task selects checkpoints by.",
}

DASHBOARD = {
    "task": "Task whose metric is shown. Default: vqa.",
    "attention": "Metric of attention that is shown beside it. Default: attention_nss.",
    "name": "First word of the workspace's name. Default: haa.",
}

CHECK = {"picture": "File that the page of overlays goes to; null draws none. Default: data-check.png."}
GET = {"root": "Folder that the data set goes to."}
UNPACK = {
    "output": "New folder that the data set goes to.",
    "image": "What the files call the image. Default: image.",
    "map": "What they call the human map. Default: heatmap.",
    "label": "What they call the class, a whole number. Default: label.",
}


def report(argv: list[str]) -> None:
    """Compare finished runs: ``haa report``."""
    if wants_help(argv):
        summary = (
            "Compares finished runs, by condition and weight: a table here, and a page with the answer, its\n"
            "intervals, figures and caveats (index.html, which needs no network; summary.csv; for a paper tables/,\n"
            "figures/, text/ with methods and references, and paper.tex, which has them all).\n"
            "RUNS are run folders, or folders that hold some, such as a study's."
        )
        line = "haa report RUNS... [metric=NAME] [difference=NUMBER] [output=DIR]"
        print(usage(line, summary, REPORT, "haa report studies/mine metric=accuracy output=answer"))
        return
    words, values = parse("report", argv, REPORT)
    folders = _folders(words)
    from haa.reporting.collect import read
    from haa.reporting.judged import judge
    from haa.reporting.page import write
    from haa.reporting.table import show, show_answers

    difference = _number("difference", values["difference"]) if "difference" in values else None
    if difference is not None and difference <= 0:
        raise InputError(f"difference={values['difference']}: give a positive number, in units of the metric")
    found = read(folders, none_finished=True)
    show(folders, found=found)
    output = Path(values["output"]) if "output" in values else folders[0] / "report"
    judged = judge(found, values.get("metric"), difference)
    page = write(folders, output, judged=judged)
    show_answers(judged)
    print(plain(f"page: {page}"))


def study_plan(argv: list[str]) -> None:
    """Say how many seeds a study needs, as a pilot's runs vary: ``haa study-plan``."""
    if wants_help(argv):
        summary = (
            "Says how many seeds a study needs for haa report to find a given difference, and when the test split\n"
            "is too small for any number of them. It simulates studies that vary as a pilot does: two or more runs\n"
            "each of weight 0, with human gaze and with condition=shuffled, of the same seeds.\n"
            "RUNS are the pilot's run folders, or folders that hold them."
        )
        line = "haa study-plan RUNS... difference=NUMBER [power=NUMBER] [alpha=NUMBER] [metric=NAME]"
        print(usage(line, summary, STUDY_PLAN, "haa study-plan studies/pilot difference=0.05"))
        return
    words, values = parse("study-plan", argv, STUDY_PLAN)
    if "difference" not in values:
        raise InputError("difference is missing: give the one that you would not want to miss, e.g. difference=0.05")
    folders = _folders(words)
    from haa.reporting.plan import show

    texts = {"power": "0.8", "alpha": "0.05", **values}
    difference, power, alpha = (_number(key, texts[key]) for key in ("difference", "power", "alpha"))
    show(folders, difference, power, alpha, values.get("metric"))


DATA_USAGE = """\
haa data check data=NAME data.root=DIR ... [against data=NAME data.root=DIR ...]

Reads every sample of a data set, prints what there is and every fault, and draws a page of overlays.
Ends with status 1 where there are faults.

  picture=  {picture}
  against   Also says whether gaze is recorded on pictures that this other data set tests on.

Example: haa data check data=salicon data.root=A data.release=2017 against data=coco_captions data.root=B

haa data get NAME root=DIR

Fetches a data set from its publisher and unpacks it; goes on where it was cut off. Mind its terms of use.
There are: {names}

  root=     {root}

Example: haa data get cub root=data

haa data unpack SHARDS... output=DIR

Makes a data set for data=folder of TFRecords or .npz files that hold image, human map and label, such as ClickMe's.
SHARDS are files, or folders of them.

  output=   {output}
  image=    {image}
  map=      {map}
  label=    {label}

Example: haa data unpack clickme/train clickme/val output=mine

haa data import EXPORTS... images=DIR output=DIR [screen=WIDTHxHEIGHT shown=fit] ...

Makes a data set of an eye tracker's exports and the pictures that were shown, for data=folder.
`haa data import --help` says more.\
"""


def data(argv: list[str]) -> None:
    """Check a data set, fetch one, or make one: ``haa data check``, ``get``, ``unpack``, ``import``."""
    if not argv or (wants_help(argv) and argv[0] != "import"):
        from haa.data.care.sources import SOURCES

        print(DATA_USAGE.format(names=", ".join(sorted(SOURCES)), **CHECK, **GET, **UNPACK))
        return
    command, *words = argv
    commands = {"check": _check, "get": _get, "unpack": _unpack, "import": _import}
    if command not in commands:
        raise InputError(f"there is no command data {command}: {suggest(command, list(commands))}")
    commands[command](words)


def _check(argv: list[str]) -> None:
    words, values = split(argv, CHECK)
    end = words.index("against") if "against" in words else len(words)
    if not any(word.startswith("data=") for word in words[:end]):
        raise InputError("haa data check needs data=NAME (haa train --help lists them) and mostly data.root=DIR")
    make = _dataset(words[:end])
    against = _dataset(words[end + 1 :]) if end < len(words) else None
    from haa.data.care.check import check

    picture = values.get("picture", "data-check.png")
    if not check(make, against, None if picture == "null" else Path(picture)):
        sys.exit(1)


def _dataset(words: list[str]) -> Callable[..., Any]:
    """Return the data set that ``data=NAME data.root=DIR`` names, as a function of the split."""
    import hydra
    from hydra.errors import ConfigCompositionException

    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf())):
        try:
            cfg = hydra.compose("train", open_signatures("train", modern(taken_literally(words))))
        except ConfigCompositionException as error:
            raise InputError(" ".join(str(error.__cause__ or error).split())) from None
    from omegaconf import OmegaConf

    from haa import build

    node = build.checked(OmegaConf.create({"data": build.plain(cfg.data)}), cfg.trust)
    return build.make(build.data_node(node), _partial_=True)


def _get(argv: list[str]) -> None:
    names, values = parse("data get", argv, GET)
    if len(names) != 1 or "root" not in values:
        raise InputError("give one name and a folder: haa data get osie root=DIR")
    from haa.data.care.get import get

    get(names[0], Path(values["root"]).expanduser())


def _unpack(argv: list[str]) -> None:
    shards, values = parse("data unpack", argv, UNPACK)
    if not shards or "output" not in values:
        raise InputError("name the files to unpack and a new folder: haa data unpack SHARDS... output=DIR")
    from haa.data.care.shards import NAMES, unpack_samples

    names = {**NAMES, **{key: value for key, value in values.items() if key in NAMES}}
    unpack_samples([Path(word).expanduser() for word in shards], Path(values["output"]).expanduser(), names)


def _import(argv: list[str]) -> None:
    from haa.recordings.words import HELP, KEYS

    if not argv or wants_help(argv):
        summary = (
            "Makes a data set for data=folder of an eye tracker's exports and the pictures that were shown: points in\n"
            "pixels of the pictures, a page to look at (import.html) and a record (import.json). It says what it\n"
            "recognises, counts what it leaves out, and names likely mistakes in the geometry; ends with status 1\n"
            "where one is certain. EXPORTS are files, or folders of them. docs/own-data.md goes through an example."
        )
        line = "haa data import EXPORTS... images=DIR output=DIR [screen=WIDTHxHEIGHT shown=HOW] ..."
        example = "haa data import fixations.tsv images=photos output=mine screen=1920x1080 shown=fit"
        print(usage(line, summary, HELP, example))
        return
    words, values = parse("data import", argv, KEYS)
    from haa.recordings.importing import import_recordings
    from haa.recordings.options import options

    if not import_recordings(options([Path(word).expanduser() for word in words], values), argv):
        sys.exit(1)


def wandb_dashboard(argv: list[str]) -> None:
    """Save a workspace with the report's panels in a Weights & Biases project: ``haa wandb-dashboard``."""
    tasks = sorted(path.stem for path in conf().glob("task/*.yaml"))
    if wants_help(argv):
        summary = (
            "Saves a workspace with the panels of the report in a Weights & Biases project, to which runs with\n"
            f"logger=wandb were synced (docs/wandb.md). Tasks: {', '.join(tasks)}."
        )
        line = "haa wandb-dashboard ENTITY/PROJECT [task=NAME] [attention=NAME] [name=WORD]"
        print(usage(line, summary, DASHBOARD, "haa wandb-dashboard my_team/haa task=captioning"))
        return
    words, values = parse("wandb-dashboard", argv, DASHBOARD)
    if len(words) != 1 or "/" not in words[0]:
        raise InputError(f"give one project, ENTITY/PROJECT, such as my_team/haa, not {' '.join(words) or 'none'}")
    task = values.get("task", "vqa")
    if task not in tasks:
        raise InputError(f"task={task}: {suggest(task, tasks)}")
    import yaml

    monitor = yaml.safe_load((conf() / "task" / f"{task}.yaml").read_text())["task"]["monitor"]
    from haa.reporting.dashboard import save, workspace

    entity, _, project = words[0].partition("/")
    name = f"{values.get('name', 'haa')} {task}"
    attention = values.get("attention", "attention_nss")
    print(save(workspace(entity, project, monitor.removeprefix("val/"), attention, name)))


def doctor(argv: list[str]) -> None:
    """Say what is installed here and what the machine has: ``haa doctor``."""
    if wants_help(argv):
        summary = (
            "Says which versions, devices, extras, caches and places there are, as text for a report of a fault;\n"
            "--json writes the same as JSON. It writes no key, and the home folder as ~. Ends with status 1 where\n"
            "something has to be cured first."
        )
        print(usage("haa doctor [--json]", summary, {}, "haa doctor > doctor.txt"))
        return
    if argv not in ([], ["--json"]):
        raise InputError(f"haa doctor takes --json or nothing, not {' '.join(argv)}")
    import json

    from haa.doctor.examine import examine, text

    found = examine()
    print(json.dumps(found, indent=2) if argv else plain(text(found)))
    if found["faults"]:
        sys.exit(1)


def _folders(words: list[str]) -> list[Path]:
    if not words:
        raise InputError("no folder is given: name run folders, or a folder that holds some, such as studies/mine")
    return [Path(word) for word in words]


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{key}={value} is not a number: give one, e.g. {key}=0.05") from None
