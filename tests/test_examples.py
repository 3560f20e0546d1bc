"""The examples are short, run, and show what they say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from haa.reporting.arms import studies
from haa.reporting.collect import collect

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path):
    assert len(path.read_text().splitlines()) < 80


def test_own_model_looks_where_people_do():
    train = example("own_model").train
    (_, free), (_, aligned) = train(weight=0.0, steps=60), train(weight=0.2, steps=60)
    assert aligned > free + 0.3


def test_existing_loop_has_its_answer(tmp_path):
    answered("existing_loop", tmp_path, "cross or ring on noise", samples=32, epochs=2)


def test_existing_module_has_its_answer(tmp_path):
    answered("existing_module", tmp_path, "light or dark on noise", samples=32, epochs=1)


@pytest.mark.slow
def test_hugging_face_trainer_has_its_answer(tmp_path):
    answered("hugging_face_trainer", tmp_path, "light or dark on noise", samples=32, epochs=1)


def answered(name: str, folder: Path, title: str, **short: int) -> None:
    train = example(name).train
    for condition, weight in (("human", 0.0), ("human", 0.3), ("shuffled", 0.3)):
        train(condition, weight, 0, folder, **short)
    (study,) = studies(collect([folder]))
    assert [arm.label for arm in study.arms] == ["baseline", "human, weight 0.3", "shuffled, weight 0.3"]
    assert study.title == title
    assert study.simulated


def test_the_page_says_how_many_lines_were_added():
    page = (EXAMPLES.parent / "docs" / "any-loop.md").read_text()
    told = dict(re.findall(r"\| \[[^]]+\]\(\.\./examples/(\w+)\.py\) \| [^|]+ \| (\d+) \|", page))
    marked = {
        path.stem: str(sum(line.endswith("# haa") for line in path.read_text().splitlines()))
        for path in EXAMPLES.glob("*.py")
    }
    assert told == {name: marked[name] for name in ("existing_loop", "existing_module", "hugging_face_trainer")}
    assert all(int(count) for count in told.values())


def test_own_dataset_is_learnt(tmp_path):
    module = example("own_dataset")
    module.make_folder(tmp_path)
    assert module.train(tmp_path, epochs=8) > 4 > module.train(tmp_path, epochs=1)


@pytest.mark.slow
def test_words_of_a_vision_language_model_look_where_people_do():
    train = example("vision_language").train
    free, aligned = train(0.0, steps=25), train(1.0, steps=25)
    assert len(free) == len(aligned) == 2
    assert min(score for _, score in aligned) > max(score for _, score in free) + 0.3
