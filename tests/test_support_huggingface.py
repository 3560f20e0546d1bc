"""docs/support_huggingface.md says of every family what comes out when it is run."""

from __future__ import annotations

import pytest
from benchmarks.huggingface_families import SEERS, WRITERS
from benchmarks.support_huggingface import COLUMNS, NO, PAGE, SEEING, of_seer, of_writer


def said(family: str, columns: tuple[str, ...]) -> dict[str, str]:
    rows = [line.strip("| \n").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    (cells,) = (row[1:] for row in rows if row[0] == family and len(row) == len(columns) + 1)
    return dict(zip(columns, cells, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("family", WRITERS)
def test_the_page_is_true_of_what_writes(family: str) -> None:
    found = of_writer(family)
    assert found == said(family, COLUMNS)
    assert {found[column] for column in ("captioning", "train", "LoRA", "write", "checkpoint")} == {"yes"}
    assert found["aligned"] == (NO if found["map"] == NO else "yes")


@pytest.mark.parametrize("family", SEERS)
def test_the_page_is_true_of_what_sees(family: str) -> None:
    found = of_seer(family)
    assert found == said(family, SEEING)
    assert found["backbone"] == "yes"
    assert "NO" not in found.values()


def test_the_page_has_every_family() -> None:
    rows = {line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines() if line.startswith("| ")}
    assert rows - {"family", "---"} == {*WRITERS, *SEERS}
