"""Where people and the machine looked: a few samples, chosen by rule, under every condition."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from haa.report.answer import number
from haa.report.arms import Arm, Study, sign
from haa.run_folder import Maps

EACH = 4
"""Samples chosen by each rule."""
SIDE = 160


@dataclass(frozen=True)
class Cell:
    """One picture and what is said under it."""

    heading: str
    source: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Shown:
    """One sample: its picture, the human map and every arm's map; for captions a map for each word as well."""

    text: str
    cells: list[Cell]
    words: list[Cell]


@dataclass(frozen=True)
class Section:
    """Samples chosen by one rule."""

    heading: str
    rule: str
    samples: list[Shown]


def gallery(study: Study, arms: Sequence[Arm], treatment: Arm | None) -> list[Section]:
    """The samples of a study that are worth a look, from the maps that its runs kept.

    All arms are shown by one seed, the lowest that they have in common, by which samples are chosen as well: at random
    (drawn once and for all), and those that gained and lost the most from the treatment in the task's metric, or,
    where many are equal in that, in how human the attention is.

    Args:
        study: whose runs may have maps.npz.
        arms: which of its arms are shown.
        treatment: the arm that is compared with the baseline; None chooses at random alone.
    """
    kept_by = [{seed for seed, run in arm.runs.items() if (run.folder / "maps.npz").is_file()} for arm in arms]
    arms = [arm for arm, seeds in zip(arms, kept_by, strict=True) if seeds]
    seeds = set.intersection(*filter(None, kept_by)) if arms else set()
    if not seeds:
        return []
    seed = min(seeds)
    kept = {arm.label: Maps.load(arm.runs[seed].folder / "maps.npz") for arm in arms}
    ids = [name for name in next(iter(kept.values())).id if all(name in maps.id for maps in kept.values())]
    if not ids:
        return []
    rng = np.random.default_rng(0)
    at_random = [ids[i] for i in sorted(rng.permutation(len(ids))[:EACH])]
    chosen = [("At random", "drawn once and for all, the same in every report", at_random)]
    gains = _gains(study, treatment, seed, ids)
    if gains is not None and treatment is not None:
        rule = f"of the {len(ids)} samples kept, by {study.metric} of {treatment.label} less the baseline, seed {seed}"
        order = [ids[i] for i in np.lexsort(gains[::-1])]
        best, worst = gains[0].max() > 0, gains[0].min() < 0
        if best:
            chosen.append(("Most improved", rule, order[::-1][:EACH]))
        if worst:
            chosen.append(("Most worsened", rule, order[:EACH]))
    return [
        Section(heading, rule, [_shown(study, arms, kept, name, seed) for name in names])
        for heading, rule, names in chosen
    ]


def _gains(study: Study, treatment: Arm | None, seed: int, ids: Sequence[str]) -> list[NDArray[np.float64]] | None:
    """What each sample gained: in the task's metric and, to break ties, in the attention's."""
    baseline = study.baseline
    if treatment is None or baseline is None or seed not in treatment.runs or seed not in baseline.runs:
        return None
    out = []
    for metric in (study.metric, study.attention or study.metric):
        values = [_values(arm, metric, seed) for arm in (treatment, baseline)]
        if not values[0] or not values[1]:
            return None
        gain = [sign(metric) * (values[0].get(name, np.nan) - values[1].get(name, np.nan)) for name in ids]
        out.append(np.nan_to_num(np.array(gain)))
    return out


def _values(arm: Arm, metric: str, seed: int) -> dict[str, float]:
    samples = arm.runs[seed].samples
    return dict(zip(samples["id"].tolist(), samples[metric].tolist(), strict=True)) if metric in samples else {}


def _shown(study: Study, arms: Sequence[Arm], kept: dict[str, Maps], name: str, seed: int) -> Shown:
    first = next(iter(kept.values()))
    row = list(first.id).index(name)
    text = str(first.text[row])
    picture = Image.open(io.BytesIO(first.image[row])).convert("RGB")
    about = text or f"sample {name}"
    cells = [Cell("image", _uri(picture), f"The image: {about}", "")]
    whose = "simulated human map" if first.simulated else "human map"
    human = first.human[row].astype(float)
    if np.isfinite(human).all():
        cells.append(Cell(whose, _uri(_overlay(picture, human)), f"The {whose} over the image", ""))
    words = []
    for arm in arms:
        maps = kept[arm.label]
        at = list(maps.id).index(name)
        said = str(maps.said[at])
        scores = [f"{m} {number(_values(arm, m, seed).get(name, np.nan), 2)}" for m in _told(study, arm, seed)]
        caption = ", ".join([*([f"“{said}”"] if said else []), *scores])
        overlay = _overlay(picture, maps.machine[at].astype(float))
        cells.append(Cell(arm.label, _uri(overlay), f"Where {arm.label} looked", caption))
        for k, word in enumerate(said.split()[: maps.words.shape[1]]):
            alt = f"Where {arm.label} looked for the word {word}"
            words.append(Cell(arm.label, _uri(_overlay(picture, maps.words[at, k].astype(float)), 88), alt, word))
    return Shown(text, cells, words)


def _told(study: Study, arm: Arm, seed: int) -> list[str]:
    names = [study.metric, study.attention]
    return [name for name in names if name is not None and name in arm.runs[seed].samples]


def _overlay(picture: Image.Image, values: NDArray[np.float64]) -> Image.Image:
    """The map over the picture: where it is low the picture stays as it is."""
    share = Image.fromarray((values / max(values.max(), 1e-30)).astype(np.float32))
    share = share.resize(picture.size, Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(share), 0, 1)[..., None]
    colour = matplotlib.colormaps["inferno"](strength[..., 0])[..., :3] * 255
    alpha = 0.25 + 0.6 * strength
    mixed = np.asarray(picture, float) * (1 - alpha) + colour * alpha
    return Image.fromarray(mixed.round().astype(np.uint8))


def _uri(picture: Image.Image, side: int = SIDE) -> str:
    scale = side / max(picture.size)
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    file = io.BytesIO()
    picture.resize(size, method).save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
