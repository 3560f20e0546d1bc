"""Verdict on each treatment: does it help? docs/decisions/0040 says what has to be true before the page says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from haa.report import statistics
from haa.report.arms import Arm, Study
from haa.report.compare import Comparison, compare, corrected

Word = Literal["helps", "unspecific", "uncontrolled", "harms", "inconclusive", "no comparison"]
LEVEL = 0.05
_PRIORITY: tuple[Word, ...] = ("helps", "unspecific", "uncontrolled", "harms", "inconclusive", "no comparison")


@dataclass(frozen=True)
class Claim:
    """Claim about one treatment, as compared with the baseline and with every control of the same weight."""

    word: Word
    arm: Arm
    baseline: Comparison | None
    controls: list[Comparison]
    p: float | None
    """p-value of the whole claim: the largest of all comparisons that it needs, then Holm's over the claims."""


def claims(study: Study, metric: str | None = None) -> list[Claim]:
    """Return a claim for each treatment of a study; the one that the answer is about comes first.

    The words of a claim mean:

    helps
        better than the baseline and than every control of the same weight (at least one): the intervals over seeds and
        over test samples exclude zero, and the p-value of the whole claim, corrected for the number of treatments, is
        below 0.05.
    unspecific
        better than the baseline, but not shown to be better than every control: the gain may not be due to where
        people looked.
    uncontrolled
        better than the baseline, and there is no control.
    harms
        worse than the baseline, by the same standard.
    inconclusive
        neither better nor worse by that standard.
    no comparison
        no baseline, or no seed in common with it.

    Args:
        study: Study of one setting.
        metric: Metric that is compared; None is the study's own.
    """
    metric = metric or study.metric
    arms = study.of("treatment")
    to_baseline = corrected([None if study.baseline is None else compare(arm, study.baseline, metric) for arm in arms])
    to_controls = [[compare(arm, control, metric) for control in study.controls(arm)] for arm in arms]
    # Every comparison has to hold: the claim is as uncertain as its most uncertain comparison.
    claim_p_values = statistics.holm(
        [_largest([base, *controls]) for base, controls in zip(to_baseline, to_controls, strict=True)]
    )
    study_claims = [
        Claim(_word(base, controls, p), arm, base, [c for c in controls if c is not None], p)
        for arm, base, controls, p in zip(arms, to_baseline, to_controls, claim_p_values, strict=True)
    ]
    return sorted(study_claims, key=lambda c: (_PRIORITY.index(c.word), -_gain(c)))


def _word(baseline: Comparison | None, controls: list[Comparison | None], p: float | None) -> Word:
    if baseline is None:
        return "no comparison"
    if baseline.corrected is None or baseline.corrected >= LEVEL or baseline.better == 0:
        return "inconclusive"
    if baseline.better < 0:
        return "harms"
    if not controls:
        return "uncontrolled"
    beaten = all(control is not None and control.better > 0 for control in controls)
    return "helps" if beaten and p is not None and p < LEVEL else "unspecific"


def _largest(comparisons: list[Comparison | None]) -> float | None:
    p_values = [None if c is None else c.difference.p for c in comparisons]
    return None if None in p_values else max(p for p in p_values if p is not None)


def _gain(claim: Claim) -> float:
    return 0.0 if claim.baseline is None else claim.baseline.difference.mean * claim.arm.sign(claim.baseline.metric)
