"""METEOR and SPICE, whose only faithful implementations are Java programs: run them where they are found."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from haa.errors import InputError
from haa.metrics.functional.ngrams import check


def java_caption_scores(
    candidates: Sequence[str], references: Sequence[Sequence[str]], names: Sequence[str] = ("meteor",)
) -> dict[str, tuple[float, Float[Tensor, " b"]]]:
    """METEOR 1.5 and SPICE of a set of captions, by the Java programs that pycocoevalcap ships or downloads.

    Args:
        candidates: one caption per image, tokenised by `ptb_tokenize`.
        references: at least one caption per image, likewise.
        names: of "meteor" and "spice".

    Returns:
        name -> (value of the set, float64 value per image).

    Raises:
        InputError: if Java, pycocoevalcap or (for SPICE) the Stanford models are absent, with what to install.

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
    if importlib.util.find_spec("pycocoevalcap") is None:
        raise InputError(f"{' and '.join(names)} need the jars of pycocoevalcap: pip install pycocoevalcap")
    truths = dict(enumerate(map(list, references)))
    said: dict[int, list[Any]] = {i: [c] for i, c in enumerate(candidates)}
    found: dict[str, tuple[float, Float[Tensor, " b"]]] = {}
    if "meteor" in names:
        from pycocoevalcap.meteor.meteor import Meteor

        value, each = Meteor().compute_score(truths, said)
        found["meteor"] = float(value), torch.tensor(each, dtype=torch.float64)
    if "spice" in names:
        from pycocoevalcap import spice

        if not list(Path(spice.__path__[0]).glob("lib/stanford-corenlp*.jar")):
            raise InputError(
                "spice needs the Stanford CoreNLP 3.6.0 jars in pycocoevalcap/spice/lib: "
                "run pycocoevalcap.spice.get_stanford_models once where there is a network"
            )
        from pycocoevalcap.spice.spice import Spice

        value, parses = Spice().compute_score(truths, said)
        found["spice"] = float(value), torch.tensor([p["All"]["f"] for p in parses], dtype=torch.float64)
    return {name: found[name] for name in names}
