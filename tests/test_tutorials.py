"""The tutorials run, and say in words what they have stored.

``python tests/test_tutorials.py NAME...`` runs them as they stand, and stores what they show.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
NAMES = ["demo", "own-photos", "lightning-classifier", "vision-language-model", "saliency-benchmark"]
SHORT = "in the test"
"""Key of a cell's metadata that holds what the test runs in its place."""


def read(name: str) -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)


def short(notebook: Any, folder: Path) -> Any:
    """Return a notebook with the shorter cells that it holds for a test, behind one that forgets what ran before."""
    from nbformat.v4 import new_code_cell

    for cell in notebook.cells:
        cell.source = cell.metadata.get("haa", {}).get(SHORT) or cell.source
    notebook.cells.insert(0, new_code_cell(f"%reset -f\n%cd -q {folder}"))
    return notebook


def executed(notebook: Any, folder: Path, kernel: Any = None) -> Any:
    """Run a notebook in an empty folder, by a kernel of its own or one that has run others."""
    client = pytest.importorskip("nbclient")
    client.NotebookClient(notebook, km=kernel, timeout=1200, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    return notebook


def joined(outputs: list[Any]) -> list[Any]:
    """Return outputs with what was printed in one piece, which comes in pieces of any size; warnings are left out."""
    out: list[Any] = []
    for each in outputs:
        if each.get("name") == "stderr":
            continue
        if out and each.output_type == out[-1].output_type == "stream":
            out[-1].text += each.text
        else:
            out.append(each)
    return out


def texts(cell: Any) -> list[str]:
    """Return what a cell says: what it printed, and its result as plain text."""
    return [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.get("outputs", [])]


def bare(text: str) -> str:
    """Return a text without what differs between machines: numbers, spaces, and the folder."""
    return re.sub(r"[\d\s.+-]+|nan|undefined|inf", " ", text).strip()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """The kernel of all tutorials, which import the same: what one of them defines is forgotten before the next."""
    client = pytest.importorskip("nbclient")
    manager = client.NotebookClient(read(NAMES[0])).create_kernel_manager()
    yield manager
    if manager.has_kernel:
        client.util.run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_runs_and_says_what_it_has_stored(name, tmp_path, kernel):
    stored = read(name)
    shortened = any(SHORT in cell.metadata.get("haa", {}) for cell in stored.cells)
    _, *cells = executed(short(read(name), tmp_path), tmp_path, kernel).cells
    for was, cell in zip(stored.cells, cells, strict=True):
        if not shortened:
            assert [bare(text) for text in texts(cell)] == [bare(text) for text in texts(was)]
        assert len(texts(cell)) == len(texts(was))


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_is_stored_as_a_reader_sees_it(name):
    stored = read(name)
    text = (TUTORIALS / f"{name}.ipynb").read_text()
    assert stored.cells[0].cell_type == "markdown"
    assert stored.cells[0].source.startswith("# ")
    assert len(text) < 600_000
    assert not re.search(r"/tmp/|/home/|/root/|/work/|/Users/|site-packages", text)
    for cell in stored.cells:
        kinds = {out.output_type for out in cell.get("outputs", [])}
        assert "error" not in kinds
        assert all(out.name != "stderr" for out in cell.get("outputs", []) if out.output_type == "stream")
    assert any("image/png" in str(out) for cell in stored.cells for out in cell.get("outputs", []))


def test_gaze_that_nobody_recorded_is_called_so():
    for name in NAMES:
        assert re.search("simulated|made up", " ".join(cell.source for cell in read(name).cells)), name


def test_every_notebook_is_tested():
    assert sorted(path.stem for path in TUTORIALS.glob("*.ipynb")) == sorted(NAMES)


def store(name: str) -> None:
    """Run a notebook as it stands, and keep its outputs without what belongs to this machine."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(read(name), Path(folder))
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        notebook.metadata.get("language_info", {}).pop("version", None)
        text = nbformat.writes(notebook).replace(f"{folder}/", "").replace(folder, ".")
    (TUTORIALS / f"{name}.ipynb").write_text(text + "\n")


if __name__ == "__main__":
    for each in sys.argv[1:] or NAMES:
        store(each)
