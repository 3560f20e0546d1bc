"""A study's folder as an object: its runs, those that failed, and its report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from haa.errors import InputError
from haa.interface.html import block, near, table, text_table
from haa.interface.report import Report, report
from haa.interface.run import Run
from haa.printing.plain import plain
from haa.reporting.arms import studies
from haa.reporting.collect import Found, read
from haa.reporting.table import spread


class Study:
    """Runs of a sweep, as its folder holds them. It shows itself in a notebook.

    Args:
        folder: Folder of the study, or any that holds runs.

    Attributes:
        folder: That folder.

    Raises:
        InputError: If there is no run in it.

    Example:
        >>> Study("studies/none")
        Traceback (most recent call last):
        haa.errors.InputError: studies/none holds no runs: give the folder of a study
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser().absolute()
        if not self.folder.is_dir() or not any(self._found):
            raise InputError(f"{folder} holds no runs: give the folder of a study")

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def runs(self) -> list[Run]:
        """Runs that finished, in the order of their names."""
        return [Run(run.folder) for run in self._found[0]]

    @cached_property
    def failed(self) -> dict[str, str]:
        """What went wrong, by the name of each run that failed or was cut off."""
        return {run.folder.name: run.error or "not finished" for run in self._found[1]}

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def report(self, **words: Any) -> Report:
        """Compare the runs: `haa.report` of the study's folder, with the same words."""
        return report(self, **words)

    def __repr__(self) -> str:
        parts = [f"{title}\n\n{text_table(headings, rows)}" for title, headings, rows in self._tables()]
        return "\n\n".join([*parts, *self._lost(), self._next()])

    def _repr_html_(self) -> str:
        parts = [block(title, table(headings, rows)) for title, headings, rows in self._tables()]
        return block(f"{len(self.runs)} runs", *parts, *self._lost(), self._next())

    @cached_property
    def _found(self) -> Found:
        return read([self.folder], none_finished=True)

    def _tables(self) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Yield what each group of comparable runs is, and its metrics by arm."""
        runs, lost = self._found
        for study in studies(runs, None, lost):
            gaze = ", simulated gaze" if study.simulated else ""
            rows = [[name, *(spread(arm, name) for arm in study.arms)] for name in study.metrics]
            rows.append(["seeds", *(str(len(arm.runs)) for arm in study.arms)])
            title = f"{study.title}{gaze}: mean ± standard deviation over seeds, test split"
            yield title, ["metric", *(arm.label for arm in study.arms)], rows

    def _lost(self) -> list[str]:
        return [plain(f"{name} failed: {error}") for name, error in self.failed.items()]

    def _next(self) -> str:
        return f"folder: {near(self.folder)}; .report() compares them, with intervals"
