from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.hydra import Hydra

from haa.run.callbacks import Pictures

# two cores are enough for what the tests compute, and more threads make small models slower
os.environ.setdefault("OMP_NUM_THREADS", "2")

# one row of pictures at the end of a run is drawn as six are, in half a second in the place of two
Pictures.__init__.__defaults__ = (1,)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that have slow tests first, so that no process ends with one of them alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Leave what is imported and collected, which stays to the end, out of every later collection of garbage."""
    gc.collect()
    gc.freeze()


MODE = Hydra.get_mode


def mode(self: Hydra, config_name: str | None, overrides: list[str]) -> object:
    """Return whether the config itself chooses between a run and several, which only an experiment or hydra's do.

    Hydra composes the config once more to see it, which takes as long as a short training does.
    """
    words = [word for word in overrides if not word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))]
    return MODE(self, config_name, overrides) if any("experiment" in w or "hydra" in w for w in words) else None


Hydra.get_mode = mode  # type: ignore[method-assign]


@pytest.fixture
def index_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for the indexes of data sets."""
    monkeypatch.setenv("HAA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets, where there is one."""
    place = os.environ.get("HAA_REAL_DATA")
    if not place:
        pytest.skip("set HAA_REAL_DATA to a folder of real data sets to run this test")
    return Path(place)


@pytest.fixture
def haa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs a command of haa in this process, in an empty folder, and returns the folder that it wrote to."""

    def run(command: str, *overrides: str, name: str = "run") -> Path:
        from haa.cli import main as cli

        folder = tmp_path / name
        place = [f"hydra.sweep.dir={folder}"] if "-m" in overrides else [f"hydra.run.dir={folder}"]
        if any(word.startswith("resume=") for word in overrides):
            place = []
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["haa"])
        cli.main([command, *overrides, *place])
        return folder

    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, where there is one."""
    api = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright: install haa[dev]")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"no chromium: install one, or run playwright install chromium ({str(error).splitlines()[0]})")
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page at one width and colour scheme; the tab notes what it asks for and what goes wrong."""
    contexts = []

    def at(path: Path, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        tab = context.new_page()
        tab.asked, tab.errors = [], []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("console", lambda message: tab.errors.append(message.text))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.goto(path.as_uri())
        return tab

    yield at
    for context in contexts:
        context.close()
