"""Reader of a user's own images, with what is known of them in plain folders and csv tables: no code needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from haa.data.dataset import Split
from haa.data.files.table import number, one_value, read_table
from haa.data.index import IndexedDataset, Missing
from haa.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}

TABLES = ("fixations", "maps", "masks", "captions", "questions", "labels", "splits")


class Folder(IndexedDataset):
    """Images in ``root/images`` (or in ``root`` itself), at any depth, with folders and tables beside them.

    Any of these may lie there:

    - ``fixations.csv``: ``image,x,y`` and, if known, ``duration`` (ms) and ``subject``. A person's lines are in order.
    - ``maps/``: a human map per image, grey, named as the image is. It takes the place of fixations.
    - ``masks/``: a mask of the salient objects per image, named as the image is.
    - ``captions.csv``: ``image,caption``, a line for each caption.
    - ``questions.csv``: ``image,question,answer``, a line for each answer. A question with several answers is repeated.
    - ``labels.csv``: ``image,label``. Without it, images that lie in sub-folders have the sub-folder's name as label.
    - ``splits.csv``: ``image,split``. Without it, sub-folders ``train``, ``val``, ``test`` give the split. The fixed
      rule divides what they leave open (7 : 1 : 2, label by label). Lines of labels and splits may be repeated, but
      not contradict each other.

    Tables name an image by its path below the images' folder, with or without the ending, or by the file's name alone
    where that is unique. With questions a sample is a question, else an image.

    One degree of visual angle, where you know it, goes into ``data.sigma``, as a share of the images' longer side: it
    blurs the human maps that maps are scored against (`haa.data.dataset.GazeDataset.sigma`).

    Args:
        root: The folder.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out lines whose image is absent, and images that lack a caption, question, label or
            mask where others have one. Images without gaze always stay: they are masked.
        cache: See `haa.data.index.IndexedDataset`.
        fixations, maps, masks, captions, questions, labels, splits: Other names of these, relative to ``root``; null
            leaves one out.
        first_pixel: 0 where coordinates count pixels from 0 (an integer is a pixel's centre), 1 where they count them
            from 1.

    Raises:
        InputError: If something does not fit together; the error names the file and the line.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        fixations: str | None = "fixations.csv",
        maps: str | None = "maps",
        masks: str | None = "masks",
        captions: str | None = "captions.csv",
        questions: str | None = "questions.csv",
        labels: str | None = "labels.csv",
        splits: str | None = "splits.csv",
        first_pixel: int = 0,
    ) -> None:
        names = (fixations, maps, masks, captions, questions, labels, splits)
        self.names: dict[str, str | None] = dict(zip(TABLES, names, strict=True))
        if first_pixel not in (0, 1):
            raise InputError(f"data.first_pixel={first_pixel}: pixels count from 0 or from 1")
        self.first_pixel = first_pixel
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        files = [path for path in map(self._given, self.names) if path is not None]
        folders = [self._images, *(path for path in files if path.is_dir())]
        return [*files, *folders, *(below for folder in folders for below in folder.rglob("*") if below.is_dir())]

    def scan(self) -> Iterator[dict[str, Any]]:
        if self._given("fixations") and self._given("maps"):
            raise InputError(
                f"{self.root} holds both {self.names['fixations']} and {self.names['maps']}: set data.maps=null to use "
                "the fixations, or data.fixations=null to use the maps"
            )
        images = self._list_images()
        if not images:
            raise InputError(f"{self._images} holds no image ({', '.join(sorted(SUFFIXES))}): correct data.root")
        samples: dict[str, dict[str, Any]] = {name: {} for name in images}
        yield from self._place(samples)
        yield from self._add_gaze(samples)
        yield from self._add_texts(samples)
        below = self._images.relative_to(self.root)
        for name, sample in samples.items():
            lacking = self._lacking(sample)
            if lacking:
                message = f"{self._images / name} has no {lacking}, and others have"
                yield {"fault": "image without annotation", "message": message}
                continue
            questions = sample.pop("questions", None)
            sample |= {"id": Path(name).with_suffix("").as_posix(), "image": (below / name).as_posix()}
            for position, (question, answers) in enumerate((questions or {}).items(), 1):
                own_keys = {"question": question, "answers": answers, "id": f"{sample['id']}_{position}"}
                yield {**sample, **own_keys}
            if questions is None:
                yield sample

    @property
    def _images(self) -> Path:
        return self.root / "images" if (self.root / "images").is_dir() else self.root

    def _given(self, key: str) -> Path | None:
        """Return the path of a table or folder, None without it; refuse a name that a user chose and that is absent."""
        name = self.names[key]
        if name is None:
            return None
        path = self.root / name
        if not path.exists():
            if Path(name).stem != key:
                raise InputError(f"data.{key}={name}: {path} is missing, correct the name")
            return None
        return path

    def _list_images(self) -> list[str]:
        excluded = [path for path in (self._given("maps"), self._given("masks")) if path is not None]
        pictures = (path for path in sorted(self._images.rglob("*")) if path.suffix.lower() in SUFFIXES)
        images = (path for path in pictures if not any(path.is_relative_to(folder) for folder in excluded))
        return [path.relative_to(self._images).as_posix() for path in images]

    def _place(self, samples: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Add splits and labels, from the tables or from the folders; yield the faults."""
        for name, sample in samples.items():
            folders = list(Path(name).parts[:-1])
            if folders and folders[0] in get_args(Split):
                sample["split"] = folders.pop(0)
            if folders and self._given("labels") is None:
                sample["label"] = folders[-1]
        for key in ("split", "label"):
            values: dict[str, tuple[str, str]] = {}
            for image, row, where in self._lines(f"{key}s", ["image", key], samples):
                if image is None:
                    yield row
                else:
                    one_value(values, image, row[key], where)
                    samples[image][key] = row[key]
        labels = {sample["label"] for sample in samples.values() if "label" in sample}
        self.classes = sorted(labels, key=lambda label: (int(label) if label.isdecimal() else -1, label))
        numbers = {label: index for index, label in enumerate(self.classes)}
        for sample in samples.values():
            if "label" in sample:
                sample["label"] = numbers[sample["label"]]

    def _add_gaze(self, samples: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
        subjects: dict[str, int] = {}
        for name, row, where in self._lines("fixations", ["image", "x", "y"], samples):
            if name is None:
                yield row
                continue
            sample = samples[name]
            for key in ("x", "y", "duration"):
                if key in row:
                    value = number(row, key, where)
                    sample.setdefault(key, []).append(value - self.first_pixel if key in "xy" else value)
            if "subject" in row:
                sample.setdefault("subject", []).append(subjects.setdefault(row["subject"], len(subjects) + 1))
        for key in ("maps", "masks"):
            folder = self._given(key)
            pictures = {} if folder is None else _by_stem(folder)
            for image, image_sample in samples.items():
                path = pictures.pop(Path(image).with_suffix("").as_posix(), None)
                if path is not None:
                    file = path.relative_to(self.root).as_posix()
                    image_sample |= {"density": [file]} if key == "maps" else {"mask": file}
            for path in pictures.values():
                yield {
                    "fault": "annotation without image",
                    "message": f"{path} is the {key[:-1]} of no image in {self._images}",
                }

    def _add_texts(self, samples: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for name, row, _ in self._lines("captions", ["image", "caption"], samples):
            if name is None:
                yield row
            else:
                samples[name].setdefault("captions", []).append(row["caption"])
        for name, row, where in self._lines("questions", ["image", "question", "answer"], samples):
            if name is None:
                yield row
            elif not row["answer"]:
                message = f"{where}: the question {row['question']!r} has no answer: give one, or delete the line"
                yield {"fault": "question without answer", "message": message}
            else:
                samples[name].setdefault("questions", {}).setdefault(row["question"], []).append(row["answer"])

    def _lines(
        self, key: str, columns: Sequence[str], samples: dict[str, dict[str, Any]]
    ) -> Iterator[tuple[str | None, dict[str, Any], str]]:
        """Yield the lines of a table as (name of the image, line, file and line number).

        Where the image is absent, its name is None, and the line is the fault.
        """
        path = self._given(key)
        if path is None:
            return
        names = _names(samples)
        for where, row in read_table(path, columns):
            images = names.get(row["image"], [])
            if len(images) > 1:
                raise InputError(f"{where}: {row['image']} may be {images[0]} or {images[1]}: give the path")
            if images:
                yield images[0], row, where
            else:
                message = f"{where}: there is no image {row['image']!r} in {self._images}"
                yield None, {"fault": "annotation without image", "message": message}, where

    def _lacking(self, sample: dict[str, Any]) -> str | None:
        """Return what this image lacks and others have, gaze apart; None where it lacks nothing."""
        tables = {"captions": "captions", "questions": "questions", "mask": "masks"}
        lacking = [key for key, table in tables.items() if self._given(table) is not None and key not in sample]
        if self.classes and "label" not in sample:
            lacking.append("label")
        return lacking[0] if lacking else None


def _by_stem(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            first = paths.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
            if first != path:
                raise InputError(f"{first} and {path.name} are both there, of one image: take one of them away")
    return paths


def _names(images: Iterable[str]) -> dict[str, list[str]]:
    """Return the images that each name may mean: a path, a path without ending, a file's name, or its stem."""
    names: dict[str, list[str]] = defaultdict(list)
    for image in images:
        path = Path(image)
        for name in dict.fromkeys((image, path.with_suffix("").as_posix(), path.name, path.stem)):
            names[name].append(image)
    return names
