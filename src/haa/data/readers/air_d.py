"""AiR-D: where people looked to answer GQA's questions (Chen et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.json_file import field, read_json
from haa.data.files.listing import matching
from haa.data.index import IndexedDataset, Missing
from haa.errors import InputError


class AiRD(IndexedDataset):
    """GQA's questions that have a human map: of all people, or only of those who answered right, or wrong.

    Maps are files ``<question>.png`` in ``aggregated_maps/fixmaps``, ``fixmaps_corr`` and ``fixmaps_incorr``. The
    authors publish the raw fixations too, but do not say in which pixels they are; so they are not read. Questions and
    their answers are GQA's (``val_balanced_questions.json``), as are the images (``images/<image>.jpg``). The files do
    not tell the authors' split: the fixed rule divides the images. A map has its image's proportions, and is resized to
    the image's size.

    Args:
        root: The folder that holds ``aggregated_maps`` and ``images``.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out maps whose question or image is absent.
        cache: See `haa.data.index.IndexedDataset`.
        people: Whose map: ``all``, ``correct`` or ``incorrect``.
        questions: GQA's file of questions, absolute or relative to ``root``.

    Raises:
        InputError: If a file is missing or is not what its name says, or a question has no answer.

    Reference:
        S. Chen, M. Jiang, J. Yang, Q. Zhao. AiR: Attention with Reasoning Capability. ECCV 2020.
    """

    FOLDERS = {"all": "fixmaps", "correct": "fixmaps_corr", "incorrect": "fixmaps_incorr"}  # noqa: RUF012

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        people: str = "all",
        questions: str | Path = "val_balanced_questions.json",
    ) -> None:
        if people not in self.FOLDERS:
            raise InputError(f"data.people={people}: choose one of {', '.join(self.FOLDERS)}")
        self.people = people
        self.questions = Path(root).expanduser() / questions
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        return [self.questions, self._maps]

    def scan(self) -> Iterator[dict[str, Any]]:
        if not self._maps.is_dir():
            raise InputError(f"{self._maps} is missing: data.root must be the folder that holds aggregated_maps/")
        questions = read_json(self.questions)
        if not isinstance(questions, dict):
            raise InputError(f"{self.questions} is no object of questions by their number, as GQA's: fetch it again")
        for path in matching(self._maps, "*.png"):
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
            yield {
                "id": path.stem,
                "stimulus": image,
                "image": f"images/{image}.jpg",
                "density": [path.relative_to(self.root).as_posix()],
                "question": question,
                "answers": [answer],
            }

    @property
    def _maps(self) -> Path:
        return self.root / "aggregated_maps" / self.FOLDERS[self.people]
