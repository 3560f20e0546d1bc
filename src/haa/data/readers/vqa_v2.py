"""VQA v2: open questions about COCO's photos with ten answers each (Goyal et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from haa.data.dataset import Split
from haa.data.files.json_file import by_number, field, read_json
from haa.data.files.listing import matching
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.coco_images import coco_folders, coco_images
from haa.data.readers.salicon import SALICON, Release
from haa.data.readers.salicon_gaze import SaliconGaze, salicon_sources
from haa.errors import InputError


class VQAv2(IndexedDataset):
    """Questions about COCO's images, with their answers, in the official files.

    These are ``v2_OpenEnded_mscoco_train2014_questions.json``, ``v2_mscoco_train2014_annotations.json`` and their like,
    in ``root``, ``root/questions`` or ``root/annotations``. COCO's images lie in any of their usual folders.

    The answers of the official test questions are not public. Where no test file has answers, the fixed rule divides
    the validation questions, image by image, into validation and test (1 : 2). Test questions without an annotation
    file are left aside.

    Args:
        root: The folder that holds the files and the images.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out questions whose image is absent.
        cache: See `haa.data.index.IndexedDataset`.
        salicon: SALICON's folder. Its pictures are COCO's, so questions about them get its gaze, which was recorded
            without the question. `haa data check` says how many of them lie in the split that you test on.
        release: SALICON's release, 2015 or 2017.

    Raises:
        InputError: If a file is missing or is not what its name says, or a question has no answer.

    Reference:
        Y. Goyal, T. Khot, D. Summers-Stay, D. Batra, D. Parikh. Making the V in VQA Matter. CVPR 2017.
    """

    prefix: ClassVar[str] = "v2_"
    """Prefix of the official file names; VQA v1 has none."""

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        salicon: str | Path | None = None,
        release: Release = 2017,
    ) -> None:
        self.salicon, self.release = None if salicon is None else Path(salicon).expanduser(), release
        super().__init__(root, split, missing, cache)
        self.sigma = None if salicon is None else SALICON.sigma  # not before: it is no part of the index

    def sources(self) -> Sequence[Path]:
        files = [path for pair in self._parts().values() for path in pair]
        return [*files, *coco_folders(self.root), *salicon_sources(self.salicon)]

    def scan(self) -> Iterator[dict[str, Any]]:
        images = coco_images(self.root)
        gaze = None if self.salicon is None else SaliconGaze(self.salicon, self.release, self.cache)
        parts = self._parts()
        has_test = any(part.startswith("test") for part in parts)
        for part, (questions, answered) in parts.items():
            split = "train" if part.startswith("train") else "test" if part.startswith("test") else "val"
            content = read_json(answered, keys=["annotations"])
            answers = by_number(field(content, "annotations", list, answered), "question_id", answered)
            content = read_json(questions, keys=["questions"])
            for item in field(content, "questions", list, questions):
                number, image = field(item, "question_id", int, questions), field(item, "image_id", int, questions)
                question = field(item, "question", str, questions)
                annotation = answers.pop(number, None)
                if not annotation or not annotation.get("answers"):
                    message = f"question {number} ({question}) of {questions} has no answer in {answered.name}"
                    yield {"fault": "question without answer", "message": f"{message}: fetch both again"}
                    continue
                if (other := field(annotation, "image_id", int, answered)) != image:
                    raise InputError(
                        f"question {number} is about image {image} in {questions} and about {other} in "
                        f"{answered.name}: the files do not belong together, fetch both again"
                    )
                yield {
                    "id": str(number),
                    "stimulus": str(image),
                    "image": images.get(image, f"{part}/COCO_{part}_{image:012d}.jpg"),
                    "split": "val+test" if split == "val" and not has_test else split,
                    "question": question,
                    "answers": [
                        field(answer, "answer", str, answered)
                        for answer in field(annotation, "answers", list, answered)
                    ],
                    **({} if gaze is None else gaze.columns(image)),
                }
            for number in answers:
                message = f"{answered}: question {number} is answered, but not in {questions.name}: fetch both again"
                yield {"fault": "answer without question", "message": message}

    def _parts(self) -> dict[str, tuple[Path, Path]]:
        """Return the files (questions, annotations) by part (``train2014`` ...), of parts that have both."""
        start, end = f"{self.prefix}OpenEnded_mscoco_", "_questions.json"
        files_by_part: dict[str, tuple[Path, Path]] = {}
        folders = [folder for folder in (self.root, self.root / "questions", self.root / "annotations")]
        for questions in sorted(path for folder in folders for path in matching(folder, f"{start}*{end}")):
            part = questions.name.removeprefix(start).removesuffix(end)
            name = f"{self.prefix}mscoco_{part}_annotations.json"
            annotations = next((folder / name for folder in folders if (folder / name).is_file()), None)
            if annotations is not None:
                files_by_part[part] = questions, annotations
            elif not part.startswith("test"):
                raise InputError(f"{questions} has no {name} beside it: fetch the annotations too")
        if not files_by_part:
            raise InputError(
                f"{self.root} holds no {start}train2014{end} with {self.prefix}mscoco_train2014_annotations.json: "
                "data.root must be the folder that holds them and the images"
            )
        return files_by_part
