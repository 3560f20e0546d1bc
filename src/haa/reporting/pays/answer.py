"""All that a study says of attention and score, in words and in tables.

Lai et al. (Understanding more about human and machine attention in deep neural networks, arXiv 1906.08764) ask how
close machine attention is to human attention, and whether performance rises with it. This answers it for studies in
which alignment was varied on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from haa.reporting.answer import gaze, interval, number, p_value, signed
from haa.reporting.arms import Study
from haa.reporting.pays.mediation import STRETCH, Dose, Mediation, doses, mediate
from haa.reporting.pays.relation import Correlation, Relation, relate
from haa.reporting.pays.samples import Samples, per_sample
from haa.reporting.pays.standard import Effect, Standardised
from haa.reporting.verdict import Claim

SAMPLE_HEADINGS = ("condition", "r over test samples", "95 % interval", "p")
"""Headings of the table that `sample_cells` fills."""

HEADINGS = (
    "study",
    "seeds",
    "test pictures or videos",
    "score: human gaze − no alignment",
    "score: human gaze − other people's gaze (matched control)",
    "attention: human gaze − no alignment",
    "attention: human gaze − other people's gaze (matched control)",
)
"""Headings of the table that `cells` fills."""

CAPTION = (
    "In standard deviations of a run: how far training once more, from another seed, moves the score, or attention, of "
    "the same study. More is better, or more human. In brackets: 95 % intervals. No mean over studies is given: those "
    "of one page may share pictures, gaze or backbone, and so do not err independently."
)
"""Text below the table that `cells` fills."""


@dataclass(frozen=True)
class Pays:
    """All that one study says."""

    study: Study
    relation: Relation
    samples: Samples | None
    mediation: Mediation | None
    doses: list[Dose]


def pays(study: Study, claims: Sequence[Claim]) -> Pays | None:
    """Return all that a study says of attention and score.

    Args:
        study: Study of one setting.
        claims: Its claims, as `haa.reporting.verdict.claims` or `family` returns them; the first is looked into.

    Returns:
        None where attention was not scored, or is itself what the task is scored by.
    """
    if study.attention is None or study.attention == study.metric:
        return None
    relation = relate(study)
    mediation = mediate(study, claims[0], relation.slope) if claims else None
    return Pays(study, relation, per_sample(study), mediation, doses(study))


def sentences(found: Pays) -> list[str]:
    """Return what a study says of attention and score, a sentence or two for each part."""
    study, relation = found.study, found.relation
    x, y = study.attention, study.metric
    said = []
    if relation.within is not None:
        c, what = relation.within, _verb(study, relation.sign, "score better", "score worse", "score")
        said.append(
            f"Within conditions, runs that look more as people do {what}: r = {_correlation(c)}; {relation.runs} runs, "
            f"each condition's and each seed's effect taken out, {_degrees(c)}"
            + (f", and {p_value(relation.slope.p)} if conditions may differ in spread." if relation.slope else ".")
        )
    else:
        said.append(
            "Within conditions nothing can be said: it takes more runs, such as two conditions with three seeds."
        )
    if relation.between is not None:
        said.append(
            f"Between the means of {relation.arms} conditions and weights: r = {_correlation(relation.between)}. The "
            "conditions set both, so this alone does not show that the one brings the other."
        )
    said += _about_samples(found)
    if found.mediation is not None:
        said.append(_path(found.mediation))
    said += [_dose(dose, x or "", y) for dose in found.doses]
    said += [
        f"Less {metric} is {word}: mind the sign of r."
        for metric, word in ((x, "more human"), (y, "better"))
        if metric is not None and study.sign(metric) < 0
    ]
    return said


def _about_samples(found: Pays) -> list[str]:
    samples, study = found.samples, found.study
    if samples is None:
        return [f"Sample by sample nothing can be said: {study.metric} or {study.attention} has no values per sample."]
    said = []
    units = f"{samples.samples} test samples" + (
        f" of {samples.stimuli} {'videos' if study.settings.get('task.name') == 'action' else 'pictures'}"
        if samples.stimuli < samples.samples
        else ""
    )
    if (c := samples.within_runs) is not None:
        what = _verb(study, c.sign, "does better", "does worse", "do")
        said.append(
            f"Where a model looks more as people do, it {what}, over {units} within each run: r = {_correlation(c)}. "
            "Easy pictures alone could make this up."
        )
    if (c := samples.within_samples) is not None:
        what = _verb(study, c.sign, "does better on it", "does worse on it", "do")
        said.append(
            f"The run that looks at a picture more as people do than other runs {what}: r = {_correlation(c)}; each "
            "sample's and each run's mean taken out."
        )
    return said


def _path(found: Mediation) -> str:
    a, total = found.attention, found.total
    share = "" if found.share is None else f", {100 * found.share:.0f} % of it".replace("-", "−")
    far = ""
    if found.stretch is not None and found.stretch > STRETCH:
        far = (
            f" And it is carried far: the change is {number(found.stretch, 0)} times the standard deviation of "
            f"{a.metric} between runs of one condition."
        )
    return (
        f"{_capital(total.arm.label)} changes {a.metric} by {signed(a.difference.mean)} "
        f"({interval(a.difference.low, a.difference.high)}) and {total.metric} by {signed(total.difference.mean)} "
        f"({interval(total.difference.low, total.difference.high)}) against the baseline. By the slope within "
        f"conditions, that much {a.metric} goes with {signed(found.indirect)} {total.metric} "
        f"({interval(found.low, found.high)}){share}. This slope is observed, not set: "
        f"what made a run look more humanly may have made it better, too.{far}"
    )


def _dose(found: Dose, x: str, y: str) -> str:
    moves = {1: "rises", -1: "falls", 0: "stays the same"}
    weights = ", ".join(f"{weight:g}" for weight in found.weights)

    def told(metric: str, sign: int, rank: float | None) -> str:
        way = "goes up and down" if rank is not None and sign * rank <= 0 else moves[sign]
        return f"{metric} {way}" + ("" if rank is None else f" (rank correlation {signed(rank)})")

    parts = [told(x, found.attention, found.attention_rank), told(y, found.score, found.score_rank)]
    return f"{_capital(found.name)}, along the weights {weights}, in the means over seeds: {' and '.join(parts)}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _verb(study: Study, sign: int, better: str, worse: str, verb: str) -> str:
    way = sign * (study.sign(study.attention or "") or 1) * study.sign(study.metric)
    return {1: better, -1: worse, 0: f"{'is' if verb == 'do' else 'are'} not shown to {verb} better or worse"}[way]


def _degrees(found: Correlation) -> str:
    return "one degree of freedom" if found.df == 1 else f"{number(found.df, 0)} degrees of freedom"


def _correlation(found: Correlation) -> str:
    spread_of_it = "no interval" if found.low is None else f"95 % interval {interval(found.low, found.high)}"
    return f"{signed(found.r)} ({spread_of_it}; {p_value(found.p)})"


def sample_cells(found: Samples) -> list[list[str]]:
    """Return a row for every arm: its correlation over test samples, within runs."""
    return [
        [arm.label, signed(c.r), interval(c.low, c.high), p_value(c.p).removeprefix("p = ").removeprefix("p ")]
        for arm, c in found.by_arm
    ]


def cells(found: Standardised) -> list[str]:
    """Return the row of a study in the table across studies, under `HEADINGS`."""
    effects = (found.to_baseline, found.to_control, found.attention_to_baseline, found.attention_to_control)
    pictures = "–" if found.stimuli is None else f"{found.stimuli:,}"
    whose = gaze(found.study, found.arm)
    title = found.study.title + (f" ({whose})" if whose != "human gaze" else "")
    return [title, str(found.seeds), pictures, *map(_cell, effects)]


def _cell(found: Effect | None) -> str:
    if found is None:
        return "–"
    text = ("" if found.value < 0 else "+") + number(found.value, 1)
    return text + (" (no interval)" if found.low is None else f" ({number(found.low, 1)} to {number(found.high, 1)})")
