"""Captions: of how many seeds, images and people, with which intervals, corrected for how many comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from haa.reporting import names
from haa.reporting.arms import Study
from haa.reporting.statistics import LEVEL

MEAN = f"Mean over seeds with Student's {LEVEL:.0%} interval".replace("%", " %")
PAIRED = (
    "differences are paired by seed, with 95 % intervals over seeds and test {units} together "
    "(variance components, Satterthwaite's degrees of freedom)"
)
SEEDS_ALONE = (
    "differences are paired by seed, with 95 % intervals over seeds alone, since the score is no mean over samples"
)

SOME_CROSSED = (
    "differences are paired by seed, with 95 % intervals over seeds and, where the score is a mean over samples, over "
    "test images together"
)


def units(study: Study) -> str:
    """Return what the test split is made of: images or videos."""
    return "videos" if study.settings.get("task.name") == "action" else "images"


def images(study: Study) -> int | None:
    """Return the number of test images or videos; None where no run says it."""
    if study.stimuli is not None:
        return int(study.stimuli.max()) + 1
    return None if study.ids is None else len(study.ids)


def samples(study: Study) -> int:
    """Return the number of test samples, which may be more than images: questions, clips."""
    return max(int(run.summary["samples"]) for run in study.runs)


def gaze(study: Study) -> str:
    """Return where a study's gaze is from: recorded, predicted or simulated."""
    return "simulated" if study.simulated else "predicted" if any(arm.predicted for arm in study.arms) else "recorded"


def people(study: Study) -> str:
    """Return how many people looked at a test image, as the runs say it.

    Example:
        >>> from types import SimpleNamespace as Of
        >>> people(Of(runs=[Of(summary={"people": [15, 15]})])), people(Of(runs=[Of(summary={})]))
        ('15 people', 'an unrecorded number of people')
    """
    found = {
        tuple(said) for run in study.runs if isinstance(said := run.summary.get("people"), list) and len(said) == 2
    }
    if not found:
        return "an unrecorded number of people"
    least, most = min(low for low, _ in found), max(high for _, high in found)
    return _range([least, most], "person", "people")


def looked(study: Study) -> str:
    """Return whose gaze attention is scored against: how many people's, or a simulated observer's."""
    unit = units(study)[:-1]
    if study.simulated:
        return "the gaze of a simulated observer"
    return f"the gaze of {people(study)} for each {unit}"


def n(studies: Sequence[Study]) -> str:
    """Return of how many seeds, images and people numbers are.

    Args:
        studies: The studies that a table or figure shows, one at least.
    """
    seeds = _range([len(arm.runs) for study in studies for arm in study.arms if arm.runs], "seed", "seeds")
    counts = [count for study in studies if (count := images(study)) is not None]
    unit = units(studies[0])
    shown = f"test {unit} of an unknown number" if not counts else _range(counts, f"test {unit[:-1]}", f"test {unit}")
    more = [samples(study) for study in studies]
    if counts and max(more) > max(counts):
        shown += f" ({_range(more, 'test sample', 'test samples')})"
    each = " for each condition" if len(studies) == 1 else " for each condition of each study"
    whose = " or ".join(dict.fromkeys(looked(study) for study in studies))
    return f"n: {seeds}{each}, {shown}, {whose}"


def paired(studies: Iterable[Study]) -> str:
    """Return how differences have their intervals: over seeds and images, or over seeds alone."""
    listed = list(studies)
    crossed = [any(study.column(run, study.metric) is not None for run in study.runs) for study in listed]
    if all(crossed):
        return PAIRED.format(units=units(listed[0]))
    return SOME_CROSSED if any(crossed) else SEEDS_ALONE


def holm(study: Study) -> str:
    """Return for how many comparisons p-values by condition are corrected.

    Each part of a comparison is a family of its own, as in `haa.reporting.compare.rows`.
    """
    families = {
        "treatment": ("condition with the image's own gaze", "conditions with the image's own gaze"),
        "control": ("control", "controls"),
        "less gaze": ("condition with less gaze", "conditions with less gaze"),
        "oracle": ("upper bound", "upper bounds"),
    }
    counts = {role: sum(arm.runs != {} for arm in study.of(role)) for role in families}
    told = [
        f"{count} {one if count == 1 else many}" for role, (one, many) in families.items() if (count := counts[role])
    ]
    if not told:
        return "no p-values"
    return f"p: two-sided, corrected (Holm) for {names.joined(told)}{', each apart' if len(told) > 1 else ''}"


def family(claims: int) -> str:
    """Return for how many claims the answers of a report are corrected together."""
    return (
        "not corrected, since there is one claim" if claims == 1 else f"corrected together (Holm) for {claims} claims"
    )


def weight(study: Study) -> str:
    """Return at which weights the study's conditions were aligned."""
    weights = sorted({arm.weight for arm in study.arms if arm.weight})
    if not weights:
        return "nothing was aligned"
    if len(weights) == 1:
        return f"the weight of the alignment loss is {weights[0]:g}"
    return f"the weights of the alignment loss are {names.joined([f'{each:g}' for each in weights])}"


def direction(study: Study, metrics: Sequence[str]) -> str:
    """Return of which metrics less is better, as a sentence; nothing where there is none."""
    less = [names.metric(name) for name in metrics if study.sign(name) < 0]
    return f" Lower is better: {names.joined(less)}." if less else ""


def _range(values: Sequence[int], one: str, many: str) -> str:
    least, most = min(values), max(values)
    return f"{least} {one if least == 1 else many}" if least == most else f"{least} to {most} {many}"
