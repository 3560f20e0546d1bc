"""Gallery of where people and the machine looked: a few samples, chosen by rule, under every condition."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from haa.errors import InputError, reading
from haa.printing.plain import short
from haa.reporting.answer import number
from haa.reporting.arms import Arm, Study
from haa.run_folder import AGAIN, Maps, RunFolder

EACH = 4
"""Number of samples that each rule chooses."""
PIXELS = 1_000_000
"""Largest number of pixels of a picture that a run kept."""
TEXT = 1_000
"""Characters of the longest text below a picture."""
SIDE = 160
"""Longer side of a picture in the gallery, in pixels."""


@dataclass(frozen=True)
class Cell:
    """One picture, and the caption under it."""

    heading: str
    source: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Shown:
    """One sample: its image, the human map and every arm's attention; for captions, also a map for each word."""

    text: str
    cells: list[Cell]
    words: list[Cell]


@dataclass(frozen=True)
class Section:
    """Samples that one rule chose."""

    heading: str
    rule: str
    samples: list[Shown]


def gallery(study: Study, arms: Sequence[Arm], treatment: Arm | None) -> tuple[list[Section], list[str]]:
    """Return the samples of a study that are worth a look, from the maps that its runs kept, and what is left out.

    All arms are shown by one seed: the lowest that they have in common. The samples are chosen from the
    runs of that seed: some at random (drawn once and for all), others because they gained or lost the most from the
    treatment. The gain is in the task's metric or, where many are equal in that, in how human the attention is.

    Args:
        study: Study whose runs may have maps.npz.
        arms: Arms of the study that are shown.
        treatment: Arm that is compared with the baseline; None chooses at random alone.
    """
    seeds_with_maps = [{seed for seed, run in arm.runs.items() if RunFolder(run.folder).maps.is_file()} for arm in arms]
    arms = [arm for arm, seeds in zip(arms, seeds_with_maps, strict=True) if seeds]
    seeds = set.intersection(*filter(None, seeds_with_maps)) if arms else set()
    if not seeds:
        return [], []
    seed = min(seeds)
    maps_by_label, damaged = _maps(arms, seed)
    arms = [arm for arm in arms if arm.label in maps_by_label]
    if not arms:
        return [], damaged
    ids = [
        name
        for name in next(iter(maps_by_label.values())).id
        if all(name in maps.id for maps in maps_by_label.values())
    ]
    if not ids:
        return [], damaged
    rng = np.random.default_rng(0)
    random_ids = [ids[i] for i in sorted(rng.permutation(len(ids))[:EACH])]
    chosen = [("At random", "drawn once and for all, the same in every report", random_ids)]
    gains = _gains(study, treatment, seed, ids)
    if gains is not None and treatment is not None:
        rule = f"of the {len(ids)} samples kept, by {study.metric} of {treatment.label} less the baseline, seed {seed}"
        order = [ids[i] for i in np.lexsort(gains[::-1])]
        any_improved, any_worsened = gains[0].max() > 0, gains[0].min() < 0
        if any_improved:
            chosen.append(("Most improved", rule, order[::-1][:EACH]))
        if any_worsened:
            chosen.append(("Most worsened", rule, order[:EACH]))
    return [
        Section(heading, rule, [_shown(study, arms, maps_by_label, name, seed) for name in names])
        for heading, rule, names in chosen
    ], damaged


def _maps(arms: Sequence[Arm], seed: int) -> tuple[dict[str, Maps], list[str]]:
    """Return the maps of each arm, and what is wrong with those that are damaged."""
    found, damaged = {}, []
    for arm in arms:
        try:
            path = RunFolder(arm.runs[seed].folder).maps
            maps = Maps.load(path)
            with reading(path, AGAIN):
                for content in maps.image:
                    opened(content)
            found[arm.label] = maps
        except InputError as error:
            damaged.append(str(error))
    return found, damaged


def opened(content: bytes) -> Image.Image:
    """Return a picture that a run kept.

    Args:
        content: JPEG file.

    Raises:
        ValueError: If it has more than `PIXELS` pixels; or what Pillow raises if it is damaged.
    """
    picture = Image.open(io.BytesIO(content), formats=["JPEG"])
    if picture.width * picture.height > PIXELS:
        raise ValueError(f"a picture has more than {PIXELS} pixels")
    return picture.convert("RGB")


def _gains(study: Study, treatment: Arm | None, seed: int, ids: Sequence[str]) -> list[NDArray[np.float64]] | None:
    """Return what each sample gained in the task's metric and, to break ties, in the attention's."""
    baseline = study.baseline
    if treatment is None or baseline is None or seed not in treatment.runs or seed not in baseline.runs:
        return None
    out = []
    for metric in (study.metric, study.attention or study.metric):
        values = [_values(arm, metric, seed) for arm in (treatment, baseline)]
        if not values[0] or not values[1]:
            return None
        gain = [study.sign(metric) * (values[0].get(name, np.nan) - values[1].get(name, np.nan)) for name in ids]
        out.append(np.nan_to_num(np.array(gain)))
    return out


def _values(arm: Arm, metric: str, seed: int) -> dict[str, float]:
    samples = arm.runs[seed].samples
    return dict(zip(samples["id"].tolist(), samples[metric].tolist(), strict=True)) if metric in samples else {}


def _shown(study: Study, arms: Sequence[Arm], kept: dict[str, Maps], name: str, seed: int) -> Shown:
    first_maps = next(iter(kept.values()))
    row = list(first_maps.id).index(name)
    text = short(str(first_maps.text[row]), TEXT)
    picture = opened(first_maps.image[row])
    description = text or f"sample {name}"
    cells = [Cell("image", data_uri(picture), f"The image: {description}", "")]
    human_name = "simulated human map" if first_maps.simulated else "human map"
    human = first_maps.human[row].astype(float)
    if np.isfinite(human).all():
        cells.append(Cell(human_name, data_uri(overlay(picture, human)), f"The {human_name} over the image", ""))
    word_cells = []
    for arm in arms:
        maps = kept[arm.label]
        arm_row = list(maps.id).index(name)
        output = short(str(maps.said[arm_row]), TEXT)
        scores = [f"{m} {number(_values(arm, m, seed).get(name, np.nan), 2)}" for m in _told(study, arm, seed)]
        caption = ", ".join([*([f"“{output}”"] if output else []), *scores])
        drawn = overlay(picture, maps.machine[arm_row].astype(float))
        cells.append(Cell(arm.label, data_uri(drawn), f"Where {arm.label} looked", caption))
        for k, word in enumerate(output.split()[: maps.words.shape[1]]):
            alt = f"Where {arm.label} looked for the word {word}"
            word_cells.append(
                Cell(arm.label, data_uri(overlay(picture, maps.words[arm_row, k].astype(float)), 88), alt, word)
            )
    return Shown(text, cells, word_cells)


def _told(study: Study, arm: Arm, seed: int) -> list[str]:
    names = [study.metric, study.attention]
    return [name for name in names if name is not None and name in arm.runs[seed].samples]


def overlay(picture: Image.Image, values: NDArray[np.float64]) -> Image.Image:
    """Lay a map over the picture; where the map is low, the picture stays visible."""
    share = Image.fromarray((values / max(values.max(), 1e-30)).astype(np.float32))
    share = share.resize(picture.size, Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(share), 0, 1)[..., None]
    colour = matplotlib.colormaps["inferno"](strength[..., 0])[..., :3] * 255
    alpha = 0.25 + 0.6 * strength
    mixed = np.asarray(picture, float) * (1 - alpha) + colour * alpha
    return Image.fromarray(mixed.round().astype(np.uint8))


def data_uri(picture: Image.Image, side: int = SIDE) -> str:
    """Return a picture as a small JPEG within the page."""
    scale = side / max(picture.size)
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    file = io.BytesIO()
    picture.resize(size, method).save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
