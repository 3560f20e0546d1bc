"""A run's folder as an object: what it scored, how it was trained, and where it looked."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haa.errors import InputError, reading
from haa.interface.html import Picture, block, near, table, text_table
from haa.printing.plain import plain
from haa.reporting.collect import Run as Finished
from haa.reporting.collect import read
from haa.reporting.columns import read_curves
from haa.run_folder import AGAIN, Maps, RunFolder, chosen, class_name, read_config

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 3
"""Samples whose maps a run shows of itself."""


class Run:
    """A run of ``haa train`` or ``haa evaluate``, as its folder says it. It shows itself in a notebook.

    Args:
        folder: The run's folder.

    Raises:
        InputError: If there is no run.

    Example:
        >>> Run("outputs/none")
        Traceback (most recent call last):
        haa.errors.InputError: outputs/none holds no run: give a folder that haa train or haa.train wrote
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._files = RunFolder(Path(folder).expanduser())
        if not self._files.config.is_file():
            raise InputError(f"{folder} holds no run: give a folder that haa train or haa.train wrote")
        self._files = RunFolder(self._files.path.absolute())
        self._files.refuse_links()

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self._files.path

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def finished(self) -> bool:
        """Whether it has results."""
        return self._files.finished

    @cached_property
    def config(self) -> dict[str, Any]:
        """Resolved config, as plain types."""
        return read_config(self._files.config)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What metrics.json says: the metrics, what made the run, and rows to read attention's scores beside."""
        return self._finished.summary

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metrics of the split that was scored; None where one is undefined."""
        return dict(self.summary["metrics"])

    @property
    def references(self) -> dict[str, dict[str, float]]:
        """Scores without a model: of the centre prior, another image's gaze and other people's. Empty without gaze."""
        return self.summary.get("references", {})

    @cached_property
    def samples(self) -> pa.Table:
        """Values of the metrics for each sample, with ``id`` and ``stimulus``; ``.to_pandas()`` makes a data frame."""
        import pyarrow

        return pyarrow.table(self._finished.samples)

    @cached_property
    def curves(self) -> dict[str, dict[int, float]]:
        """Losses and metrics of the training by epoch; empty of an evaluation."""
        return read_curves(self._files.curves) if self._files.curves.is_file() else {}

    @cached_property
    def maps(self) -> Maps | None:
        """Human and machine maps of up to 64 samples; None of a model without attention."""
        return Maps.load(self._files.maps) if self._files.maps.is_file() else None

    @property
    def checkpoint(self) -> Path:
        """Best checkpoint.

        Raises:
            InputError: If there is none, as in an evaluation's folder.
        """
        for path in (self._files.best, self._files.last):
            if path.is_file():
                return path
        raise InputError(f"{self.folder} has no checkpoint: give the folder of a training that came to one")

    def draw_curves(self) -> Picture:
        """Draw the losses and the main metrics by epoch.

        Raises:
            InputError: If nothing was trained.
        """
        from haa.interface.figures import curves

        monitor, attention = self.config["task"]["monitor"], "val/attention_nss"
        names = [name for name in (monitor, attention, "train/task_loss", "train/align_loss") if name in self.curves]
        if not names:
            raise InputError(f"{self.folder} has no curves: it is no training, or one that finished no epoch")
        figure = curves({name: self.curves[name] for name in dict.fromkeys(names)})
        return Picture(figure, f"Learning curves of {self.title}: {', '.join(names)}")

    def draw_attention(self, samples: int = ROWS) -> Picture:
        """Draw where people and the model looked, on samples that are drawn once and for all.

        Args:
            samples: Number of samples, at most.

        Raises:
            InputError: If the run kept no maps.
        """
        from haa.interface.figures import attention

        if self.maps is None:
            raise InputError(f"{self.folder} has no maps: its model has no attention, or the run is not finished")
        with reading(self._files.maps, AGAIN):
            figure = attention(self.maps, chosen(len(self.maps.id), samples))
        whose = "simulated people" if self.maps.simulated else "people"
        return Picture(figure, f"Where {whose} and the model looked, {self.title}")

    @property
    def title(self) -> str:
        """What was trained on what, in a few words."""
        config = self.config
        data = class_name(config["data"]).lower()
        weight = f"{self.condition}, weight {config['align_weight']:g}" if config["align_weight"] else self.condition
        return plain(f"{config['task']['name']} on {data}, {weight}, seed {config['seed']}")

    @property
    def condition(self) -> str:
        """Whose gaze trained it: its arm's name; baseline where nothing was aligned."""
        if self.finished:
            return self._finished.condition
        return class_name(self.config["condition"]).lower() if self.config["align_weight"] else "baseline"

    def __repr__(self) -> str:
        if not self.finished:
            return f"{self._heading()}\n{self._unfinished()}\n{self._place()}"
        return f"{self._heading()}\n\n{text_table(*self._cells())}\n\n{self._place()}"

    def _repr_html_(self) -> str:
        pictures = [self.draw_curves()._repr_html_()] if self.curves else []
        if not self.finished:
            return block(self._heading(), self._unfinished(), *pictures, self._place())
        pictures += [self.draw_attention()._repr_html_()] if self.maps is not None and len(self.maps.id) else []
        return block(self._heading(), table(*self._cells()), *pictures, self._place())

    @cached_property
    def _finished(self) -> Finished:
        finished, lost = read([self.folder], none_finished=True)
        for run in finished:
            if run.folder == self.folder:
                return run
        why = next((run.error for run in lost if run.folder == self.folder and run.error), None)
        raise InputError(why or f"{self.folder} has {self._unfinished()}")

    def _heading(self) -> str:
        if not self.finished:
            return self.title
        gaze = ", simulated gaze" if self.summary.get("simulated_gaze") else ""
        return f"{self.title}: {self.summary['split']} split, {self.summary['samples']} samples{gaze}"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        better = {True: " ↑", False: " ↓"}
        rows = []
        for name, value in self.metrics.items():
            beside = [f"{row[name]:.3f}" if name in row else "" for row in self.references.values()]
            arrow = better.get(self._finished.higher_is_better(name), "")  # type: ignore[arg-type]
            rows.append([name + arrow, "undefined" if value is None else f"{value:.3f}", *beside])
        return ["metric", "value", *self.references], rows

    def _unfinished(self) -> str:
        return "no scores: it was cut off (haa.train(resume=...) goes on with it), or told not to test"

    def _place(self) -> str:
        return f"folder: {near(self.folder)}"
