"""AiR-D: where people looked to answer GQA's questions (Chen et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from haa.data.dataset import Split
from haa.data.files.json_file import field, read_json
from haa.data.files.listing import matching
from haa.data.files.matlab import matrix, read_mat
from haa.data.index import IndexedDataset, Missing
from haa.errors import InputError, reading

FIXATIONS, ANSWERS = "fix", "consolidated_answers.json"

EMPTY = "recording without a fixation"
"""Kind of fault of a person's file that holds none."""

Source = Literal["maps", "fixations"]


class AiRD(IndexedDataset):
    """GQA's questions with human maps or fixations: of all people, or only of those who answered right, or wrong.

    Questions and their answers are GQA's (``val_balanced_questions.json``), as are the images (``images/<image>.jpg``).
    The files do not tell the authors' split: the fixed rule divides the images.

    ``gaze=maps`` reads ``<question>.png`` in ``aggregated_maps/fixmaps``, ``fixmaps_corr`` and ``fixmaps_incorr``. A
    map has its image's proportions, and is resized to the image's size.

    ``gaze=fixations`` reads ``fix/<question>/<subject>.mat``, where ``xy`` has a row for each fixation and ``t`` its
    start and end in milliseconds, and for ``people`` other than ``all`` what each person answered
    (``consolidated_answers.json``). Nobody says in which pixels ``xy`` is. The authors' own scanpath models (Chen et
    al. 2021) divide it by the size of GQA's image file and count from 0, without bounds; so it is read here. Where more
    than a tenth of the fixations lie outside the images, they are refused. Recordings without a fixation are counted.
    A question to which nobody of ``people`` has fixations stays, without gaze. It was not tried on the published files.

    Args:
        root: The folder that holds ``images`` and ``aggregated_maps`` or ``fix``.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out maps whose question or image is absent.
        cache: See `haa.data.index.IndexedDataset`.
        people: Whose gaze: ``all``, ``correct`` (GQA's answer, to the letter) or ``incorrect`` (all others).
        questions: GQA's file of questions, absolute or relative to ``root``.
        gaze: What to read, ``maps`` or ``fixations``.

    Raises:
        InputError: If a file is missing or is not what its name says, or a question has no answer.

    Reference:
        S. Chen, M. Jiang, J. Yang, Q. Zhao. AiR: Attention with Reasoning Capability. ECCV 2020; X. Chen, M. Jiang,
        Q. Zhao. Predicting Human Scanpaths in Visual Question Answering. CVPR 2021.
    """

    outside = "drop"

    FOLDERS = {"all": "fixmaps", "correct": "fixmaps_corr", "incorrect": "fixmaps_incorr"}  # noqa: RUF012

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        people: str = "all",
        questions: str | Path = "val_balanced_questions.json",
        gaze: Source = "maps",
    ) -> None:
        if gaze not in get_args(Source):
            raise InputError(f"data.gaze={gaze}: choose maps or fixations")
        if people not in self.FOLDERS:
            raise InputError(f"data.people={people}: choose one of {', '.join(self.FOLDERS)}")
        self.people, self.source = people, gaze
        self.questions = Path(root).expanduser() / questions
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        if self.source == "maps":
            return [self.questions, self._maps]
        return [self.questions, self.root / ANSWERS, self.root / FIXATIONS, *matching(self.root / FIXATIONS, "*/*.mat")]

    def told(self) -> dict[str, str]:
        return {EMPTY: "left out"}

    def scan(self) -> Iterator[dict[str, Any]]:
        folder = self._maps if self.source == "maps" else self.root / FIXATIONS
        if not folder.is_dir():
            needed = "aggregated_maps/" if self.source == "maps" else f"{FIXATIONS}/, or set data.gaze=maps"
            raise InputError(f"{folder} is missing: data.root must be the folder that holds {needed}")
        questions = read_json(self.questions)
        if not isinstance(questions, dict):
            raise InputError(f"{self.questions} is no object of questions by their number, as GQA's: fetch it again")
        answers = read_json(self.root / ANSWERS) if self.source == "fixations" and self.people != "all" else None
        everybody = sorted({path.stem for path in matching(folder, "*/*.mat")})
        for path in matching(folder, "*.png") if self.source == "maps" else filter(Path.is_dir, matching(folder, "*")):
            if path.stem not in questions:
                message = f"{path}: there is no question {path.stem} in {self.questions}"
                yield {"fault": "annotation without image", "message": message}
                continue
            image, question, answer = (
                field(questions[path.stem], key, str, self.questions) for key in ("imageId", "question", "answer")
            )
            if not answer.strip():
                message = f"{self.questions}: question {path.stem} ({question}) has no answer"
                yield {"fault": "question without answer", "message": message}
                continue
            sample: dict[str, Any] = {"id": path.stem, "stimulus": image, "image": f"images/{image}.jpg"}
            sample |= {"question": question, "answers": [answer]}
            if self.source == "maps":
                yield {**sample, "density": [path.relative_to(self.root).as_posix()]}
                continue
            columns: dict[str, list[Any]] = {"x": [], "y": [], "duration": [], "subject": []}
            for file in matching(path, "*.mat"):
                if not self._counts(file, answers, answer):
                    continue
                if not len(rows := _fixations(file)):
                    yield {"fault": EMPTY, "message": f"{file} holds no fixation"}
                for key, values in zip(
                    columns, (*rows.T.tolist(), [everybody.index(file.stem)] * len(rows)), strict=True
                ):
                    columns[key] += values
            yield {**sample, **columns}

    def _counts(self, file: Path, answers: Any, right: str) -> bool:
        """Return whether a recording is of the people who are asked for."""
        if answers is None:
            return True
        given = answers.get(file.stem) if isinstance(answers, dict) else None
        if not isinstance(given, dict) or file.parent.name not in given:
            raise InputError(
                f"{self.root / ANSWERS} has no answer of {file.stem} to {file.parent.name}: fetch it again"
            )
        return (given[file.parent.name] == right) == (self.people == "correct")

    @property
    def _maps(self) -> Path:
        return self.root / "aggregated_maps" / self.FOLDERS[self.people]


def _fixations(path: Path) -> np.ndarray:
    """Return x, y and duration (ms) of the fixations of one person at one question, ``(n, 3)``."""
    with reading(path, "it must hold xy and t, a row of two numbers for each fixation, fetch it again"):
        xy, times = (matrix(read_mat(path, name, "AiR-D's"), 2) for name in ("xy", "t"))
        duration = times[:, 1] - times[:, 0]
        if len(xy) != len(times) or (duration < 0).any():
            raise ValueError("a fixation has no time" if len(xy) != len(times) else "a fixation ends before it begins")
    return np.column_stack([xy, duration])
