"""The examples are short, run, and show what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

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


def test_existing_module_is_aligned():
    train = example("existing_module").train
    assert train(weight=1.0, samples=64) < train(weight=0.0, samples=64)


def test_own_dataset_is_learnt(tmp_path):
    module = example("own_dataset")
    module.make_folder(tmp_path)
    assert module.train(tmp_path, epochs=8) > 4 > module.train(tmp_path, epochs=1)
