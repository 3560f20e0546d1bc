"""DAQUAR: questions about indoor scenes (Malinowski and Fritz 2014)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.index import IndexedDataset
from haa.errors import InputError

FILES = ("data_train.csv", "data_eval.csv")
LISTS = {"train_images_list.txt": "train+val", "test_images_list.txt": "test"}


class DAQUAR(IndexedDataset):
    """12,468 questions about the 1,449 photos of NYU Depth v2, each with one answer.

    Some answers are lists (``box, decorative_item``); each list counts as one answer, as it is.

    The files are ``data_train.csv`` and ``data_eval.csv`` (question, answer, image_id), the lists of images of the
    official split, ``train_images_list.txt`` and ``test_images_list.txt``, and ``images/``. The lists give the split:
    6,795 questions about 795 images to train, 5,673 about 654 to test. The two csv files divide the questions
    otherwise, at random, so that most images have questions in both: a split by file would test on images that were
    trained on. Validation is an eighth of the training images, by the fixed rule.

    No gaze was recorded.

    Args:
        root: The folder that holds these files.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out questions whose image is absent.
        cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If a file is missing or is not what its name says, or a question has no answer.

    Reference:
        M. Malinowski, M. Fritz. A Multi-World Approach to Question Answering about Real-World Scenes based on
        Uncertain Input. NeurIPS 2014.
    """

    def sources(self) -> Sequence[Path]:
        return [self.root / name for name in (*FILES, *LISTS)]

    def scan(self) -> Iterator[dict[str, Any]]:
        splits: dict[str, str] = {}
        for name, split in LISTS.items():
            names = self._read(name).split()
            both = next((image for image in names if image in splits), None)
            if both is not None:
                raise InputError(f"{self.root / name}: {both} is in both lists of images: fetch the lists again")
            splits |= dict.fromkeys(names, split)
        count: Counter[str] = Counter()
        for name in FILES:
            rows = csv.DictReader(self._read(name).splitlines())
            if not {"question", "answer", "image_id"} <= set(rows.fieldnames or ()):
                raise InputError(f"{self.root / name} has no columns question, answer, image_id: fetch it again")
            for row in rows:
                if None in row or None in row.values():
                    raise InputError(f"{self.root / name}, line {rows.line_num} has not three fields: fetch it again")
                image, where = row["image_id"], f"{self.root / name}, line {rows.line_num}"
                if image not in splits:
                    raise InputError(f"{where}: {image} is in neither list of images: fetch the lists again")
                if not row["answer"].strip():
                    message = f"{where}: the question {row['question']!r} has no answer: correct it, or fetch the file"
                    yield {"fault": "question without answer", "message": message}
                    continue
                count[image] += 1
                yield {
                    "id": f"{image}_{count[image]}",
                    "stimulus": image,
                    "image": f"images/{image}.jpg",
                    "split": splits[image],
                    "question": row["question"],
                    "answers": [row["answer"].strip()],
                }

    def _read(self, name: str) -> str:
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InputError(f"{self.root / name} is missing or no text: data.root must be DAQUAR's folder") from None
