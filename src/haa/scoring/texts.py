"""Scores of captions and answers in the result formats of COCO's and VQA's official evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haa.data.dataset import GazeDataset
from haa.data.files.json_file import field, read_json
from haa.errors import InputError
from haa.metrics.functional import caption_scores, ptb_tokenize, vqa_accuracy
from haa.metrics.functional.captions import bleu_without_each
from haa.scoring.scores import Metric

CAPTIONS = {
    "cider": Metric("CIDEr-D", True),
    "bleu4": Metric("BLEU-4", True),
    "rouge_l": Metric("ROUGE-L", True),
    "bleu1": Metric("BLEU-1", True),
    "bleu2": Metric("BLEU-2", True),
    "bleu3": Metric("BLEU-3", True),
}
ANSWERS = {"accuracy": Metric("accuracy", True)}
"""Metrics by name, as it is in metrics.json."""
KEYS = {"captioning": ("image_id", "caption"), "vqa": ("question_id", "answer")}
"""Keys of a result, by task: whose it is, and what it says."""

Floats = NDArray[np.float64]


def read_results(path: Path, task: str) -> dict[str, str]:
    """Return the results of a JSON file, ``[{image_id, caption}]`` or ``[{question_id, answer}]``, by their number.

    Args:
        path: The file.
        task: captioning or vqa.

    Raises:
        InputError: If it is no such file, or has two results of one number.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results.json"
        >>> _ = path.write_text('[{"image_id": 42, "caption": "a dog"}]')
        >>> read_results(path, "captioning")
        {'42': 'a dog'}
    """
    whose, what = KEYS[task]
    if not path.is_file():
        raise InputError(f"maps={path} is no file: task={task} scores a JSON file, [{{{whose}, {what}}}, ...]")
    records: Any = read_json(path)
    if not isinstance(records, list):
        raise InputError(f"{path} is no list: task={task} scores [{{{whose}, {what}}}, ...]")
    found: dict[str, str] = {}
    for record in records:
        number = record.get(whose) if isinstance(record, dict) else None
        kind: Any = str if isinstance(number, str) else int
        name = str(field(record, whose, kind, path))
        if name in found:
            raise InputError(f"{path} has {whose} {name} twice: keep one of them")
        found[name] = field(record, what, str, path)
    return found


def truths(dataset: GazeDataset, indices: Sequence[int], task: str) -> list[list[str]]:
    """Return what people wrote, or answered, for each of some samples.

    Raises:
        InputError: If the data have no such texts.
    """
    key = {"captioning": "captions", "vqa": "answers"}[task]
    found = [dataset.record(index).get(key) for index in indices]
    if not all(found):
        raise InputError(f"task={task} needs {key}, and {type(dataset).__name__} has none: give other data")
    return [list(texts) for texts in found if texts]


def score_captions(said: Sequence[str], meant: Sequence[Sequence[str]]) -> dict[str, Floats]:
    """Return the caption scores of each image, whose means are those of the set.

    ROUGE-L and CIDEr-D are means over images; the document frequencies of CIDEr-D are those of the evaluated
    references. BLEU is computed from the counts of the set. An image's value of it is what the set's value owes to
    it: the set's value, and the image's pseudo-value of the jackknife less their mean.

    Args:
        said: One caption per image, as written.
        meant: What people wrote.

    Raises:
        InputError: If an image has no reference.
    """
    tokens = ptb_tokenize([*said, *(text for texts in meant for text in texts)])
    own, rest = tokens[: len(said)], iter(tokens[len(said) :])
    references = [[next(rest) for _ in texts] for texts in meant]
    scores = caption_scores(own, references, tuple(CAPTIONS))
    found = {name: of_images.numpy() for name, (_, of_images) in scores.items()}
    without = bleu_without_each(own, references).numpy() if len(own) > 1 else None
    for n in range(4):
        value = scores[f"bleu{n + 1}"][0]
        found[f"bleu{n + 1}"] = np.full(len(own), value)
        if without is not None:
            pseudo = -(len(own) - 1) * without[n]
            found[f"bleu{n + 1}"] += pseudo - pseudo.mean()
    return {name: found[name] for name in CAPTIONS}


def score_answers(said: Sequence[str], meant: Sequence[Sequence[str]]) -> dict[str, Floats]:
    """Return the official accuracy of each answer, see `haa.metrics.functional.vqa_accuracy`."""
    return {"accuracy": vqa_accuracy(list(said), [list(texts) for texts in meant]).double().numpy()}


def one_caption_of_each(meant: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]] | None:
    """Return the first caption of each image, as a model's, and the others; None where one has no other."""
    if any(len(texts) < 2 for texts in meant):
        return None
    return [texts[0] for texts in meant], [list(texts[1:]) for texts in meant]


def by_metric(values: Mapping[str, Floats], metrics: Sequence[str]) -> Floats:
    """Return values by metric as an array ``(samples, metrics)``."""
    return np.stack([values[name] for name in metrics], 1)
