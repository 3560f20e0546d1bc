"""docs/extend.md: its files are laid as it says, its commands run, and they print what it shows, numbers aside."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.processes import Command
from tests.reporting.simulated import Drawn, study_runs, write

from haa.cli.main import main

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extend.md"
INSIDE, OWN = ("src/", "conf/"), ("mine/", "my_conf/")
TINY = ["trainer=debug", "epochs=1", "callbacks.pictures=null"]
TINY_SHAPES = ["data.train=16", "data.val=8", "data.test=8"]

RUN = """
import contextlib, doctest, importlib, io, json, subprocess, sys
from haa.cli.main import main

plan, printed = json.load(open(sys.argv[1])), []
examples = [doctest.testmod(importlib.import_module(name)) for name in plan["modules"]]
for command, *words in plan["commands"]:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main(words) if command == "haa" else print(subprocess.check_output([command, *words], text=True))
        except SystemExit as end:
            if end.code:
                print(end.code)
    printed.append(out.getvalue())
failed = sum(result.failed for result in examples)
json.dump({"printed": printed, "failed": failed}, open(plan["answer"], "w"))
"""


@dataclass
class Block:
    """A block of code, and the files that the line above it names."""

    language: str
    text: str
    files: list[str]


@dataclass
class Recipe:
    """A section of the page: what it states, and its blocks."""

    heading: str
    text: str = ""
    blocks: list[Block] = field(default_factory=list)

    def new(self, way: tuple[str, ...]) -> dict[str, str]:
        """Return the files that are to be written, with what they hold."""
        languages = ("python", "yaml")
        laid = [(file, block.text) for block in self.blocks if block.language in languages for file in block.files]
        return {file: text for file, text in laid if file.startswith(way)}

    def edits(self) -> list[tuple[str, str]]:
        """Return the files of haa that are to be changed, with the change."""
        return [(block.files[0], block.text) for block in self.blocks if block.language == "diff"]

    def steps(self) -> Iterator[tuple[list[str], str]]:
        """Yield every command with what it is to print: its own text block, else that of the command before."""
        expected = ""
        for block, after in zip(self.blocks, [*self.blocks[1:], Block("", "", [])], strict=True):
            if block.language != "sh":
                continue
            if after.language == "text":
                expected = "" if after.files else after.text
            for line in block.text.replace("\\\n", " ").splitlines():
                yield shlex.split(line), expected

    def answers(self) -> list[str]:
        """Return what a report's page is to say, in the order of the section."""
        return [block.text for block in self.blocks if block.language == "text" and block.files]


def recipes() -> list[Recipe]:
    found: list[Recipe] = []
    above, block = "", None
    for line in PAGE.read_text().splitlines():
        if block is not None:
            if line == "```":
                found[-1].blocks.append(block)
                block = None
            else:
                block.text += line + "\n"
        elif line.startswith("```"):
            files = re.findall(r"`([\w./]+/[\w./]+)`", above) if above.startswith("`") else []
            block = Block(line[3:].strip(), "", files)
        elif line.startswith("## "):
            found.append(Recipe(line[3:]))
        elif found and line:
            found[-1].text += line + "\n"
        above = line or above
    return found


def counts(text: str) -> tuple[int, int]:
    """Return how many files a sentence says are new and edited."""
    new, edited = re.search(r"(\d) new files?", text), re.search(r"(\d) edited", text)
    return int(new[1]), int(edited[1]) if edited else 0


def own(command: list[str]) -> bool:
    return any(word == "trust=[mine]" or word == "--config-dir" for word in command)


def small(command: list[str]) -> list[str]:
    """Return the command on little data; of several seeds only the first."""
    if command[:2] != ["haa", "train"]:
        return command
    words = [re.sub(r"^(seed=\d+),.*", r"\1", word) for word in command]
    return [*words, *TINY, *(["loader.batch_size=4"] if "data.root=DIR" in command else TINY_SHAPES)]


def bare(text: str) -> str:
    """Return a text without its numbers and drawn lines, and with single spaces."""
    text = re.sub(r"([<=] )?[-+−]?\d[\d.,]*(e-\d+)?", "#", text)
    return " ".join(re.sub(r"[─━]+", " ", text).split())


def missing(expected: str, printed: str) -> list[str]:
    """Return the lines that were to be printed, in this order, and were not."""
    where, lines, printed = 0, [], bare(printed)
    for line in map(bare, expected.splitlines()):
        line = line.removesuffix("...").strip()
        place = printed.find(line, where)
        if place < 0:
            lines.append(line)
        else:
            where = place + len(line)
    return lines


def webcam_photos(folder: Path) -> None:
    """Draw 20 photos that five people look at."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True)
    lines = ["photo,person,x,y,ms"]
    for number in range(20):
        pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:02}.jpg")
        for person in range(5):
            x, y = rng.uniform(0.1, 0.9, 2)
            lines.append(f"{number:02}.jpg,{person},{x:.4f},{y:.4f},{rng.integers(150, 400)}")
    (folder / "gaze.csv").write_text("\n".join(lines) + "\n")


def lay(files: dict[str, str], folder: Path) -> None:
    for name, text in files.items():
        path = folder / name
        assert not path.exists(), f"{name} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def edit(path: Path, change: str) -> None:
    """Add the lines that begin with + below the line that stands above them."""
    lines = path.read_text().splitlines()
    here = -1
    for line in change.splitlines():
        if line.startswith("+"):
            lines.insert(here + 1, line[1:])
            here += 1
        elif line != "@@":
            assert lines.count(line[1:]) == 1, f"{path.name} has {lines.count(line[1:])} lines {line[1:]!r}"
            here = lines.index(line[1:])
    path.write_text("\n".join(lines) + "\n")


def run(steps: list[tuple[list[str], str]], modules: list[str], source: Path | None, folder: Path) -> list[str]:
    """Run commands in one process, which finds haa in ``source``, and return what is not printed that was to be.

    Without a ``source`` it is a fork of one that has imported haa.
    """
    plan = {"commands": [small(command) for command, _ in steps], "modules": modules, "answer": str(folder / "printed")}
    (folder / "plan").write_text(json.dumps(plan))
    told = {"HAA_CACHE": str(folder / ".cache"), "COLUMNS": "160", "OMP_NUM_THREADS": "1"}
    if source is None:
        said = Command([str(folder / "plan")], folder, RUN, told).finish()
    else:
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(folder / "plan")],
            cwd=folder,
            env=os.environ | told | {"PYTHONPATH": os.pathsep.join(map(str, (source, folder)))},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = done.stdout
        assert done.returncode == 0, said
    answer = json.loads((folder / "printed").read_text())
    assert not answer["failed"], said
    problems = []
    for (command, expected), printed in zip(steps, answer["printed"], strict=True):
        lines = missing(expected, printed)
        problems += [f"{shlex.join(command)}\ndid not print: {lines}\nbut:\n{printed}\n{said[-2000:]}"] if lines else []
    return problems


def outcomes(study: Path, gains: dict[str, dict[str, float]]) -> None:
    """Put eight seeds of drawn outcomes in the place of a study's runs, which keep what they say of themselves.

    Args:
        study: Folder of a study, one run of each arm.
        gains: For each metric the true gain of each condition at weight 0.5; a distance falls by it.
    """
    real = {}
    for path in study.glob("*/metrics.json"):
        summary = json.loads(path.read_text())
        real[summary["label"]] = yaml.safe_load((path.parent / "config.yaml").read_text()), summary
    shutil.rmtree(study)
    runs: dict[tuple[str, int], Drawn] = {}
    for metric, gain in gains.items():
        assert set(real) == {"baseline", *gain}
        effects = {(0.5, condition): value for condition, value in gain.items()}
        for drawn in study_runs(np.random.default_rng(0), effects, seeds=8):
            label, right = drawn.summary["label"], drawn.columns["accuracy"]
            config, summary = real[label]
            summary = {**summary, "samples": len(right), "metrics": dict(summary["metrics"])}
            summary.pop("files", None)  # digests of what the run itself wrote
            columns = {"id": drawn.columns["id"]}
            blank = replace(drawn, config={**config, "seed": drawn.seed}, summary=summary, columns=columns)
            run = runs.setdefault((label, drawn.seed), blank)
            run.columns[metric] = 20 - 10 * right if metric.endswith("distance") else right
            run.summary["metrics"][metric] = run.columns[metric].mean()
    write(list(runs.values()), study, maps=0)


def reported(command: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return what a report prints, and the text of its page."""
    capsys.readouterr()
    main(command[1:])
    page = (Path(command[2]) / "report" / "index.html").read_text()
    return capsys.readouterr().out, html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_the_page_states_how_many_files_a_recipe_takes():
    rows = re.findall(r"^\| \[[^|]*\]\(#[^|]*\) \| ([^|]*) \| ([^|]*) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len(recipes()) == 7
    for recipe, row in zip(recipes(), rows, strict=True):
        inside, of_your_own = re.search(r"Inside haa: (.*\.) In a package of your own: (.*)\.", recipe.text).groups()
        edited = {file for file, _ in recipe.edits()}
        assert counts(inside) == counts(row[0]) == (len(recipe.new(INSIDE)), len(edited)), recipe.heading
        assert counts(of_your_own) == counts(row[1]) == (len(recipe.new(OWN)), 0), recipe.heading
        assert sum(counts(inside)) <= 2
        assert not any(file.startswith("src/haa/reporting") for file in [*recipe.new(INSIDE), *edited])
        lines = [line for _, change in recipe.edits() for line in change.splitlines() if line.startswith("+")]
        assert not lines or f"({len(lines)} lines)" in inside


def test_the_code_is_as_make_check_wants_it(tmp_path):
    for recipe in recipes():
        lay(recipe.new(INSIDE), tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for words in (["check", "--config=lint.isort.known-first-party=['haa']"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache", "."]
        done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_every_recipe_works_inside_haa_and_the_report_needs_no_change(tmp_path, monkeypatch, capsys):
    for part in ("src", "conf"):
        shutil.copytree(ROOT / part, tmp_path / part)
    files: dict[str, str] = {}
    for recipe in recipes():
        files |= recipe.new(INSIDE)
        for file, change in recipe.edits():
            edit(tmp_path / file, change)
    lay(files, tmp_path)
    webcam_photos(tmp_path / "DIR")
    steps = [step for recipe in recipes() for step in recipe.steps() if not own(step[0])]
    reports = [step for step in steps if step[0][1] == "report"]
    modules = [name[4:-3].replace("/", ".") for name in files if name.endswith(".py")]
    problems = run([step for step in steps if step not in reports], modules, tmp_path / "src", tmp_path)
    assert not problems, "\n".join(problems)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    study, rest = Path("studies"), "align_weight=0.5,seed=0/metrics.json"
    summary = json.loads((study / "distance" / f"condition=human,{rest}").read_text())
    assert summary["higher_is_better"]["attention_centroid_distance"] is False
    assert json.loads((study / "mirrored" / f"condition=mirrored,{rest}").read_text())["role"] == "control"
    outcomes(study / "distance", {"attention_centroid_distance": {"human": 0.3, "shuffled": 0.0}})
    outcomes(study / "mirrored", {"accuracy": {"human": 0.3, "mirrored": 0.0}})
    answers = [answer for recipe in recipes() for answer in recipe.answers()]
    # a mirrored map is not gaze at another picture
    words = ["Simulated human gaze helps.", "there is no control with gaze at other pictures."]
    for (command, expected), answer, word in zip(reports, answers, words, strict=True):
        printed, page = reported(command, capsys)
        assert not missing(expected, printed), printed
        assert not missing(answer, page), page
        assert word in page


@pytest.mark.slow
def test_every_recipe_works_in_a_package_of_ones_own(tmp_path):
    for recipe in recipes():
        lay(recipe.new(OWN), tmp_path)
    webcam_photos(tmp_path / "DIR")
    steps = [step for recipe in recipes() for step in recipe.steps() if own(step[0])]
    modules = [f"mine.{path.stem}" for path in sorted((tmp_path / "mine").glob("*.py"))]
    problems = run(steps, modules, None, tmp_path)
    assert not problems, "\n".join(problems)
