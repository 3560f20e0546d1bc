"""Verdict: does it help, and is it the gaze that does? docs/decisions/0052 says what has to be true for each word."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from haa.reporting import statistics
from haa.reporting.arms import Arm, Study
from haa.reporting.compare import Comparison, compare, others_on_seeds
from haa.reporting.crossed import Contrast, Floats, contrast

Word = Literal[
    "gaze helps",
    "gaze harms",
    "alignment helps, whosever gaze it is",
    "alignment costs, whosever gaze it is",
    "no difference above δ",
    "no control",
    "inconclusive",
    "no baseline",
]
LEVEL = 0.05
CLAIMS: tuple[Word, ...] = get_args(Word)[:6]
"""Words that need a p-value, in the order in which they are tried."""
SHARE = 0.02
"""Where a study names no smallest difference worth having: this share of the baseline's score."""


@dataclass(frozen=True)
class Claim:
    """Claim about one treatment, as compared with the baseline and with the controls of the same weight."""

    word: Word
    arm: Arm
    baseline: Comparison | None
    controls: list[Comparison]
    """The treatment less each control."""
    gains: list[Comparison]
    """Each of these controls less the baseline."""
    p_values: Mapping[Word, float]
    """p-value of each word that could have been said, before any correction."""
    tests: float
    """What they are multiplied by: the number of treatments tried, and Holm's factor over the page's claims."""
    margin: float | None
    """δ, the smallest difference worth having."""
    rivals: list[Arm]
    """Arms of the same condition, among which the validation split chose; the arm itself is one of them."""
    chosen: bool
    """Whether it did: without validation scores no arm is singled out."""
    overturned: bool
    """Whether runs that were lost could turn what would have been said."""

    @property
    def p(self) -> float | None:
        """Corrected p-value of the word, or of the strongest that was not said; None where there is none."""
        known = self.p_values.get(self.word, min(self.p_values.values(), default=None))
        return None if known is None or np.isnan(known) else min(1.0, known * self.tests)


def claims(study: Study, metric: str | None = None) -> list[Claim]:
    """Return a claim for each condition under treatment (human gaze, predicted gaze): one weight of it, not the best.

    Where several weights, or losses, were tried, the validation split says which one the claim is about, and the test
    split is asked once; its p-values are multiplied by the number tried all the same, since a run that had luck has it
    on both. Two contrasts decide together, in both directions:

    gaze helps
        better than the baseline and than every control of the same weight, among them one that is `matched`: gaze of
        another stimulus, which has the same centre bias.
    gaze harms
        worse than all of these.
    alignment helps, whosever gaze it is
        better than the baseline, as the matched controls are, too.
    alignment costs, whosever gaze it is
        worse than the baseline, as they are, too.
    no difference above δ
        the difference to the baseline is shown to be smaller than δ (two one-sided tests).
    no control
        better or worse than the baseline, and there is no matched control.
    inconclusive
        none of these is shown.
    no baseline
        nothing to compare with, or no seed in common with it.

    A claim that needs several comparisons is as uncertain as the most uncertain of them. Runs that failed or did not
    finish are taken at their worst: what they could overturn is not said.

    Args:
        study: Study of one setting.
        metric: Metric that is compared; None is the study's own.
    """
    metric = metric or study.metric
    treatments = study.of("treatment")
    by_condition: dict[tuple[str, str], list[Arm]] = {}
    for arm in treatments:
        by_condition.setdefault((arm.condition, arm.predictor), []).append(arm)
    return [_claim(study, rivals, metric, len(treatments)) for rivals in by_condition.values()]


def family(studies: Sequence[Study]) -> list[list[Claim]]:
    """Return the claims of all studies of a page, corrected together by Holm: any false one in 5 % of pages."""
    every = [claims(study) for study in studies]
    flat = list(itertools.chain.from_iterable(every))
    p_values = [min(1.0, min(claim.p_values.values(), default=1.0) * claim.tests) for claim in flat]
    factors = {
        id(claim): max(1.0, adjusted / p) if p > 0 else float(len(flat))
        for claim, p, adjusted in zip(flat, p_values, statistics.holm(p_values), strict=True)
        if adjusted is not None
    }
    return [[_recorrected(claim, factors[id(claim)]) for claim in found] for found in every]


def evidence(
    baseline: Contrast, controls: Sequence[Contrast], gains: Sequence[Contrast], matched: Sequence[bool], margin: float
) -> dict[Word, Floats]:
    """Return the p-value of each word, for one study or for arrays of them.

    Args:
        baseline: The treatment less the baseline, in units in which more is better.
        controls: The treatment less each control.
        gains: Each control less the baseline.
        matched: Which of the controls are gaze of another stimulus.
        margin: δ; 0 is none.
    """
    both = baseline.p()
    one = np.ones_like(both)
    words: dict[Word, Floats] = {
        "no difference above δ": baseline.p(margin) if margin > 0 else one,
        "no control": one if any(matched) else both,
    }
    if any(matched):
        others = [gain for gain, own in zip(gains, matched, strict=True) if own]
        words["gaze helps"] = _all(1, [baseline, *controls])
        words["gaze harms"] = _all(-1, [baseline, *controls])
        words["alignment helps, whosever gaze it is"] = _all(1, [baseline, *others])
        words["alignment costs, whosever gaze it is"] = _all(-1, [baseline, *others])
    return {word: np.where(np.isnan(words[word]), 1.0, words[word]) for word in CLAIMS if word in words}


def decide(p_values: Mapping[Word, Floats], tests: float = 1.0, level: float = LEVEL) -> np.ndarray:
    """Return the word, or an array of words, that the p-values of `evidence` allow: the first of `CLAIMS` to hold.

    Args:
        p_values: p-value of each word, numbers or arrays of one shape.
        tests: What they are multiplied by.
        level: Level of the tests.
    """
    shown = [np.asarray(p_values[word]) * tests <= level for word in CLAIMS if word in p_values]
    return np.select(shown, [word for word in CLAIMS if word in p_values], default="inconclusive")


def _all(direction: int, contrasts: Sequence[Contrast]) -> Floats:
    """Return the p-value of all of several differences lying in one direction: the largest, or 1 where one does not."""
    return np.max([np.where(direction * c.mean > 0, c.p(), 1.0) for c in contrasts], axis=0)


def _claim(study: Study, rivals: list[Arm], metric: str, tried: int) -> Claim:
    arm = _by_validation(study, rivals)
    if arm is not None:
        return _about(study, arm, rivals, metric, tried)
    each = [_about(study, rival, rivals, metric, tried) for rival in rivals]
    agreed = len({claim.word for claim in each}) == 1
    return replace(each[0], chosen=False, word=each[0].word if agreed else "inconclusive")


def _by_validation(study: Study, rivals: list[Arm]) -> Arm | None:
    """Return the arm with the best validation score; None where one whose runs have finished has none."""
    rivals = [arm for arm in rivals if arm.runs] or rivals[:1]
    if len(rivals) == 1:
        return rivals[0]
    scores = [arm.validation for arm in rivals]
    if any(score is None for score in scores):
        return None
    sign = 1 if study.runs[0].config["task"]["mode"] == "max" else -1
    return max(zip(scores, rivals, strict=True), key=lambda pair: sign * pair[0])[1]  # type: ignore[operator]


def _about(study: Study, arm: Arm, rivals: list[Arm], metric: str, tried: int) -> Claim:
    baseline = None if study.baseline is None else compare(study, arm, study.baseline, metric)
    margin = _margin(study, metric)
    if baseline is None or study.baseline is None:
        return Claim("no baseline", arm, None, [], [], {}, tried, margin, rivals, True, False)
    pairs = [
        (compare(study, arm, control, metric), compare(study, control, study.baseline, metric))
        for control in study.controls(arm)
    ]
    known = [(own, gain) for own, gain in pairs if own is not None and gain is not None]
    controls, gains = [own for own, _ in known], [gain for _, gain in known]
    matched = [own.other.matched for own in controls]
    # a control of which no run has come to an end has not been beaten
    untold = len(known) < len(pairs)
    shown = _evidence(study, baseline, controls, gains, matched, margin or 0.0, untold)
    claim = Claim("inconclusive", arm, baseline, controls, gains, shown, tried, margin, rivals, True, False)
    word = _word(claim)
    worst = _at_worst(study, claim, matched, untold)
    claim = replace(claim, p_values={key: max(p, worst[key]) for key, p in shown.items()})
    return replace(claim, word=_word(claim), overturned=_word(claim) != word)


def _word(claim: Claim) -> Word:
    return str(decide({key: np.asarray(p) for key, p in claim.p_values.items()}, claim.tests))  # type: ignore[return-value]


def _recorrected(claim: Claim, factor: float) -> Claim:
    claim = replace(claim, tests=claim.tests * factor)
    if factor == 1.0 or claim.word in ("no baseline", "inconclusive"):
        return claim
    word = _word(claim)
    return replace(claim, word=word if claim.chosen or word == claim.word else "inconclusive")


def _evidence(
    study: Study,
    baseline: Comparison,
    controls: Sequence[Comparison],
    gains: Sequence[Comparison],
    matched: Sequence[bool],
    margin: float,
    untold: bool,
) -> dict[Word, float]:
    sign = study.sign(baseline.metric)
    found = evidence(
        _better(baseline.contrast, sign),
        [_better(c.contrast, sign) for c in controls],
        [_better(c.contrast, sign) for c in gains],
        matched,
        margin,
    )
    p_values = {word: float(p) for word, p in found.items()}
    return _without_gaze(p_values) if untold else p_values


def _without_gaze(p_values: dict[Word, float]) -> dict[Word, float]:
    return {word: 1.0 if word in ("gaze helps", "gaze harms") else p for word, p in p_values.items()}


def _better(found: Contrast, sign: int) -> Contrast:
    return found._replace(mean=sign * found.mean)


def _margin(study: Study, metric: str) -> float | None:
    if study.difference is not None:
        return study.difference
    values = [] if study.baseline is None else list(study.baseline.values(metric).values())
    return SHARE * abs(sum(values) / len(values)) if values and any(values) else None


def _at_worst(study: Study, claim: Claim, matched: Sequence[bool], untold: bool) -> dict[Word, float]:
    """Return the p-values with each lost run worse, or better, than any other: whichever speaks against the word."""
    assert claim.baseline is not None
    involved = [claim.baseline, *claim.controls, *claim.gains]
    if not study.astray and not any(c.arm.missing(c.metric) or c.other.missing(c.metric) for c in involved):
        return dict(claim.p_values)
    sides = []
    for direction in (1, -1):
        baseline = _filled(study, claim.baseline, direction)
        controls, gains = ([_filled(study, c, direction) for c in group] for group in (claim.controls, claim.gains))
        sides.append(_evidence(study, baseline, controls, gains, matched, claim.margin or 0.0, untold))
    upward, downward = sides
    against: dict[Word, float] = {}
    for word in claim.p_values:
        up, down = upward[word], downward[word]
        against[word] = up if "helps" in word else down if "harms" in word or "costs" in word else max(up, down)
    return against


def _filled(study: Study, comparison: Comparison, direction: int) -> Comparison:
    """Return a comparison in which lost runs speak against the arm being better (1) or worse (-1)."""
    metric, sign = comparison.metric, study.sign(comparison.metric)
    everything = [value for arm in study.arms if not arm.oracle for value in arm.values(metric).values()]
    # a run that diverged may be worse than any that did not: as far beyond the worst as that is from the best
    reach = max(everything) - min(everything)
    low, high = min(everything) - reach, max(everything) + reach
    against, for_ = (low, high) if sign * direction > 0 else (high, low)
    own, theirs = comparison.arm.values(metric), comparison.other.values(metric)
    gone, gone_too = comparison.arm.missing(metric), comparison.other.missing(metric)
    lost = {*gone, *gone_too} & {*own, *gone} & {*theirs, *gone_too}
    if not lost and not study.astray:
        return comparison
    seeds = [*comparison.seeds, *sorted(lost)]
    differences = [own.get(seed, against) - theirs.get(seed, for_) for seed in seeds]
    differences += [against - for_] * len(study.astray)  # which may be of either arm
    seen = comparison.contrast
    found = contrast(differences, others_on_seeds(study, comparison.arm, comparison.other, metric, comparison.seeds))
    # the test split's part of the uncertainty stays what it was
    split = seen.share * seen.se**2
    found = found._replace(se=np.sqrt(found.se**2 + np.nan_to_num(split)))
    return replace(comparison, contrast=found, seeds=seeds)
