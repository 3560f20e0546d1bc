"""Reader of a user's own images, with what is known of them in plain folders and csv tables: no code needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.density import ARRAYS
from haa.data.files.listing import composed, files_below
from haa.data.index import Missing
from haa.data.readers.known import Known
from haa.data.readers.names import Names, Tails
from haa.data.readers.own import By, OwnData, Units
from haa.data.scan import Outside
from haa.errors import InputError
from haa.gaze import Weight

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}

TABLES = ("images", "fixations", "maps", "masks", "captions", "questions", "labels", "splits")


class Folder(OwnData):
    """Images in ``root/images`` (or in ``root`` itself), at any depth, with folders and tables beside them.

    Any of these may lie there:

    - ``fixations.csv``: ``image,x,y`` and, if known, ``duration`` (ms) and ``subject``. A person's lines are in order,
      or are numbered in ``index``. The names of EyeLink's Data Viewer are understood (``CURRENT_FIX_X`` ...,
      `haa.data.files.table.EYELINK`). A duration that is left empty is not known: the fixation counts, with 0 ms.
      Instead there may be a folder ``fixations/`` with such a table for each person; one without ``subject`` is called
      by its person, ``P01.csv``.
    - ``maps/``: a human map per image, grey or ``.npy``, ``.npz``, named as the image is, in the same sub-folders, or
      in fewer or more where that is unique (`haa.data.files.density`). It takes the place of fixations.
    - ``masks/``: a mask of the salient objects per image, named as maps are (`haa.data.files.mask`).
    - ``captions.csv``: ``image,caption``, a line for each caption.
    - ``questions.csv``: ``image,question,answer``, a line for each answer. A question with several answers is repeated.
    - ``labels.csv``: ``image,label``. Without it, images that lie in sub-folders have the sub-folder's name as label,
      or what ``label_pattern`` finds in their names.
      Where an image may have several: ``image,labels`` with names between semicolons (all others are absent), or
      ``image`` and a column for each class with 1 (present), 0 (absent) or nothing (unknown).
    - ``splits.csv``: ``image,split``, or a column ``split`` in another table, or lists ``train.txt``, ``val.txt``,
      ``test.txt`` with an image in each line. Without them, sub-folders of these names give the split; ``valid``,
      ``validation``, ``dev``, ``Train``, ``testing`` and their like are understood. The fixed rule divides what they
      leave open (7 : 1 : 2, label by label), and says so.

    Lines may be repeated, but not contradict each other. Other columns are not read. Tables name an image by its path
    below the images' folder, with or without the ending, or by the file's name alone where that is unique. Hidden
    files, and what systems leave (``.DS_Store``, ``Thumbs.db``), are no data; linked folders are followed. With
    questions a sample is a question, else an image.

    One degree of visual angle, where you know it, goes into ``data.sigma``, as a share of the images' longer side: it
    blurs the human maps that maps are scored against (`haa.data.dataset.GazeDataset.sigma`).

    Args:
        root: The folder.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out lines whose image is absent, and images that lack a caption, question, label or
            mask where others have one. Images without gaze always stay: they are masked.
        cache: See `haa.data.index.IndexedDataset`.
        images: Folder of the images, relative to ``root``; null is ``root`` itself.
        fixations, maps, masks, captions, questions, labels, splits: Other names of these, relative to ``root``; null
            leaves one out. Without ``splits`` no list, column or folder says a split.
        label_pattern: Regular expression with one group, which is an image's label, searched for in its path below the
            images' folder: ``(real|fake)_``. For images whose names, and not their folders, say what they are.
        first_pixel: 0 where coordinates count pixels from 0 (an integer is a pixel's centre), 1 where they count them
            from 1.
        outside: What to do about fixations outside their image: ``raise``, ``drop`` them, or ``clip`` them to the
            image's border. Samples at which the tracker had lost the eye (empty, ``nan``, infinite, EyeLink's 1e8) are
            left out by the latter two. Both are counted and told.
        split_by: ``stimulus`` puts an image into one split. ``subject`` divides the people instead, by the same rule
            or by ``splits.csv`` with ``subject,split``: every split then has all images at which its people looked.
        folds: Number of folds of a cross-validation, in the place of 7 : 1 : 2; an image (a person, by ``split_by``) is
            tested on in one of them.
        fold: The fold that is the test split, from 0. The next one is validation.
        weight: What fixations weigh by in human maps, for the loss and for the scores that take maps (CC, SIM, KL):
            their ``duration``, or so that every ``subject`` weighs the same. Scores of points (NSS, AUC, information
            gain) count each once.
        units: ``pixels``, or ``share`` where coordinates are shares of the image's width and height, from 0 at the left
            (the top) to 1. None is pixels, but a table whose coordinates are all between 0 and 1 is refused.
        simulated: Whether the gaze is a simulated observer's, or made up; it is called so wherever it is shown.

    Raises:
        InputError: If something does not fit together; the error names the file and the line.
    """

    word = "image"
    suffixes = SUFFIXES

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        images: str | None = "images",
        fixations: str | None = "fixations.csv",
        maps: str | None = "maps",
        masks: str | None = "masks",
        captions: str | None = "captions.csv",
        questions: str | None = "questions.csv",
        labels: str | None = "labels.csv",
        splits: str | None = "splits.csv",
        first_pixel: int = 0,
        outside: Outside = "raise",
        split_by: By = "stimulus",
        folds: int | None = None,
        fold: int = 0,
        weight: Weight | None = None,
        units: Units | None = None,
        label_pattern: str | None = None,
        simulated: bool = False,
    ) -> None:
        self.simulated = simulated
        names = (images, fixations, maps, masks, captions, questions, labels, splits)
        self.take(dict(zip(TABLES, names, strict=True)), outside, split_by, folds, fold, first_pixel, weight, units)
        self.label_pattern = _pattern(label_pattern)
        super().__init__(root, split, missing, cache)

    def scan(self) -> Iterator[dict[str, Any]]:
        if (gaze := self.tables("fixations")) and self.given("maps"):
            raise InputError(
                f"{self.root} holds both {gaze[0].relative_to(self.root)} and {self.names['maps']}: set data.maps=null "
                "to use the fixations, or data.fixations=null to use the maps"
            )
        if self.label_pattern is not None and self.given("labels"):
            raise InputError(f"data.label_pattern and {self.given('labels')} both say labels: set data.labels=null")
        known = Known(self, self.listed_stimuli())
        samples: dict[str, dict[str, Any]] = {name: {} for name in known.names}
        yield from known.place()
        yield from known.look()
        yield from self._add_pictures(samples)
        yield from self._add_texts(samples, known)
        yield from known.settle()
        for name, sample in samples.items():
            sample |= known.sample(name)
            if lacking := self._lacking(sample):
                message = f"{self.top / name} has no {lacking}, and others have"
                yield {"fault": "image without annotation", "message": message}
            else:
                yield from known.divided(self._samples(name, sample | known.gaze.get(name, {})))

    def _samples(self, name: str, sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the samples of an image: one for each question, or one."""
        questions = sample.pop("questions", None)
        image = (self.top.relative_to(self.root) / name).as_posix()
        sample |= {"id": composed(Path(name).with_suffix("").as_posix()), "image": image}
        if not image.isascii():
            sample["stimulus"] = composed(image)
        for position, (question, answers) in enumerate((questions or {}).items(), 1):
            yield {**sample, "question": question, "answers": answers, "id": f"{sample['id']}_{position}"}
        if questions is None:
            yield sample

    def _add_pictures(self, samples: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for key in ("maps", "masks"):
            folder = self.given(key)
            endings = SUFFIXES | set(ARRAYS if key == "maps" else ())
            pictures = {} if folder is None else _by_stem(folder, endings)
            found: dict[str, Path] = {}
            for image in samples if pictures else ():
                path = pictures.pop(composed(Path(image).with_suffix("").as_posix()), None)
                if path is not None:
                    found[image] = path
            left = (Tails(samples), Names(samples, self.top)) if pictures else None
            for stem, path in pictures.items():  # those that lie in fewer or more folders than their images
                assert left is not None
                if (name := left[0].get(stem, path)) is None:
                    message = f"{path} is the {key[:-1]} of no image in {self.top}{left[1].hint(stem)}"
                    yield {"fault": "annotation without image", "message": message}
                elif found.setdefault(name, path) != path:
                    raise InputError(f"{found[name]} and {path} are both there, of one image: take one of them away")
            for image, path in found.items():
                file = path.relative_to(self.root).as_posix()
                samples[image] |= {"density": [file]} if key == "maps" else {"mask": file}

    def _add_texts(self, samples: dict[str, dict[str, Any]], known: Known) -> Iterator[dict[str, Any]]:
        for name, row, _ in known.lines("captions", ["caption"]):
            if name is None:
                yield row
            else:
                samples[name].setdefault("captions", []).append(row["caption"])
        for name, row, where in known.lines("questions", ["question", "answer"]):
            if name is None:
                yield row
            elif not row["answer"]:
                message = f"{where}: the question {row['question']!r} has no answer: give one, or delete the line"
                yield {"fault": "question without answer", "message": message}
            else:
                samples[name].setdefault("questions", {}).setdefault(row["question"], []).append(row["answer"])

    def _lacking(self, sample: dict[str, Any]) -> str | None:
        """Return what this image lacks and others have, gaze apart; None where it lacks nothing."""
        tables = {"captions": "captions", "questions": "questions", "mask": "masks"}
        lacking = [key for key, table in tables.items() if self.given(table) is not None and key not in sample]
        if self.classes and not {"label", "labels"} & set(sample):
            lacking.append("label")
        return lacking[0] if lacking else None


def _pattern(text: str | None) -> str | None:
    try:
        if text is None or re.compile(text).groups == 1:
            return text
    except re.error as error:
        raise InputError(f"data.label_pattern={text} is no regular expression ({error}): correct it") from None
    raise InputError(f"data.label_pattern={text} needs one group in brackets, which is the label: (real|fake)_")


def _by_stem(folder: Path, suffixes: set[str]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in files_below(folder, suffixes):
        first = paths.setdefault(composed(path.relative_to(folder).with_suffix("").as_posix()), path)
        if first != path:
            raise InputError(f"{first} and {path.name} are both there, of one image: take one of them away")
    return paths
