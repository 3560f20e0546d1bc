"""METEOR and SPICE of captions; only their Java programs compute them faithfully, so these are called if present."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from haa.errors import InputError, needs
from haa.metrics.functional.ngrams import check


def java_caption_scores(
    candidates: Sequence[str], references: Sequence[Sequence[str]], names: Sequence[str] = ("meteor",)
) -> dict[str, tuple[float, Float[Tensor, " b"]]]:
    """Return METEOR 1.5 and SPICE of a set of captions, from the Java programs that pycocoevalcap has or downloads.

    Args:
        candidates: One caption per image, tokenised by `ptb_tokenize`.
        references: At least one caption per image, tokenised alike.
        names: Scores to compute, of "meteor" and "spice".

    Returns:
        Dict name -> (value of the set, float64 value per image).

    Raises:
        InputError: If Java, pycocoevalcap or (for SPICE) the Stanford models are absent; the message says what to
            install. Or if a name is unknown, the lengths differ, or an image has no reference.

    Example:
        >>> java_caption_scores(["a dog"], [["a dog"]], names=("bleu4",))
        Traceback (most recent call last):
        haa.errors.InputError: caption score 'bleu4' does not come from Java: choose from meteor, spice

    Denkowski and Lavie, METEOR universal, WMT 2014; Anderson et al., SPICE, ECCV 2016.
    """
    unknown = sorted(set(names) - {"meteor", "spice"})
    if unknown:
        raise InputError(f"caption score {unknown[0]!r} does not come from Java: choose from meteor, spice")
    check(candidates, references)
    if shutil.which("java") is None:
        raise InputError(f"{' and '.join(names)} need Java, and no java is on the path: install a JRE, 8 or newer")
    needs(f"{' or '.join(names)} of the official programs", "pycocoevalcap", "pycocoevalcap")
    references_by_image = dict(enumerate(map(list, references)))
    candidates_by_image: dict[int, list[Any]] = {i: [c] for i, c in enumerate(candidates)}
    scores: dict[str, tuple[float, Float[Tensor, " b"]]] = {}
    if "meteor" in names:
        from pycocoevalcap.meteor.meteor import Meteor

        value, values = Meteor().compute_score(references_by_image, candidates_by_image)
        scores["meteor"] = float(value), torch.tensor(values, dtype=torch.float64)
    if "spice" in names:
        from pycocoevalcap import spice

        if not list(Path(spice.__path__[0]).glob("lib/stanford-corenlp*.jar")):
            raise InputError(
                "spice needs the Stanford CoreNLP 3.6.0 jars in pycocoevalcap/spice/lib: "
                "run pycocoevalcap.spice.get_stanford_models once where there is a network"
            )
        from pycocoevalcap.spice.spice import Spice

        value, parses = Spice().compute_score(references_by_image, candidates_by_image)
        scores["spice"] = float(value), torch.tensor([p["All"]["f"] for p in parses], dtype=torch.float64)
    return {name: scores[name] for name in names}
