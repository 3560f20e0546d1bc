"""Alignment, attention, score: how much of an effect goes together with attention, and what more weight does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from haa.reporting.arms import Arm, Study
from haa.reporting.compare import Comparison, compare
from haa.reporting.crossed import Contrast
from haa.reporting.pays.relation import Slope, constant
from haa.reporting.pays.standard import DRAWS, percentiles, spread
from haa.reporting.verdict import Claim

STRETCH = 3.0
"""Standard deviations within conditions beyond which a slope is not trusted with a share."""


@dataclass(frozen=True)
class Mediation:
    """Alignment -> attention more human -> better score."""

    total: Comparison
    """Effect on the score: the treatment less the baseline."""
    attention: Comparison
    """Effect on attention, a."""
    indirect: float
    """a b, in units of the score; b is the slope of the score on attention within conditions."""
    low: float | None
    high: float | None
    stretch: float | None
    """Effect on attention in standard deviations of a run's attention within conditions: how far b is carried."""
    share: float | None
    """a b as a share of the total effect.

    None where the total is not shown to differ from zero, or b is carried further than `STRETCH`.
    """


@dataclass(frozen=True)
class Dose:
    """How attention and score move along the weights of a condition, from the baseline on."""

    name: str
    weights: list[float]
    attention: int
    """Sign of the slope on the weight's rank."""
    score: int
    attention_rank: float | None
    """Spearman's correlation of the means with the weight; None with fewer than three weights."""
    score_rank: float | None


def mediate(study: Study, claim: Claim, slope: Slope | None) -> Mediation | None:
    """Return how much of the effect of alignment goes together with the attention that it changed.

    The indirect effect is a b: the treatment's effect on attention, times the slope of the score on attention within
    conditions. Both are estimated from different parts of the data (arms' means; what arms and seeds leave), so that
    they err independently; see `product` for the interval.

    Only alignment was varied on purpose. Attention was not: a lucky run may look more humanly because it learned more.
    What says that the path is causal is an assumption (Imai, Keele and Yamamoto, Identification, inference and
    sensitivity analysis for causal mediation effects, Statistical Science 2010), not this number. Nor is a small a b
    evidence against the path: noise in x makes the slope flatter. Alignment often changes attention far more than
    seeds do (`Mediation.stretch`): the slope is then carried to where no run of one condition was.

    Args:
        study: Study of one setting.
        claim: Claim about the treatment.
        slope: Slope within conditions, as `relate` returns it.

    Returns:
        None without a baseline, attention's metric or a slope.
    """
    if claim.baseline is None or slope is None or study.attention is None:
        return None
    attention = compare(study, claim.arm, claim.baseline.other, study.attention)
    if attention is None:
        return None
    indirect = attention.difference.mean * slope.value
    low, high = product(attention.contrast, slope) or (None, None)
    total = claim.baseline.difference
    sd, _ = spread([arm for arm in study.arms if not arm.oracle], study.attention)
    stretch = abs(attention.difference.mean) / sd if sd > 0 else None
    share = indirect / total.mean if total.sign and stretch is not None and stretch <= STRETCH else None
    return Mediation(claim.baseline, attention, indirect, low, high, stretch, share)


def product(effect: Contrast, slope: Slope) -> tuple[float, float] | None:
    r"""Return the interval of a product of two independent estimates, by Monte Carlo.

    The ends are percentiles of draws :math:`(\hat a + s_a t_{\nu_a}) (\hat b + s_b t_{\nu_b})` (MacKinnon, Lockwood and
    Williams, Confidence limits for the indirect effect, Multivariate Behavioral Research 2004), with Student's t where
    they draw normal values, since few seeds hardly know a standard error. A product's distribution is skewed: no
    symmetric interval is right.

    Args:
        effect: First estimate, of no dimension.
        slope: Second estimate.

    Returns:
        None where the first has no standard error.
    """
    if not math.isfinite(effect.se):
        return None
    generator = np.random.default_rng(0)
    a = float(effect.mean) + float(effect.se) * generator.standard_t(float(effect.df), DRAWS)
    b = slope.value + slope.se * generator.standard_t(slope.df, DRAWS)
    return percentiles(a * b)


def doses(study: Study) -> list[Dose]:
    """Return for each condition how attention and score move along its weights; the baseline is weight 0.

    Three or four weights bear no test: only the slope's sign is said, and Spearman's correlation of the means.
    """
    if study.attention is None:
        return []
    lines: dict[tuple[str, str, str], list[Arm]] = {}
    for arm in study.arms:
        if arm.role not in ("baseline", "oracle"):
            lines.setdefault((arm.condition, arm.loss, arm.predictor), []).append(arm)
    found = []
    for line in lines.values():
        arms = [*filter(None, [study.baseline]), *sorted(line, key=lambda arm: arm.weight)]
        pairs = [(arm.weight, arm.values(study.attention), arm.values(study.metric)) for arm in arms]
        known = [(w, float(np.mean([*x.values()])), float(np.mean([*y.values()]))) for w, x, y in pairs if x and y]
        if len(known) < 2:
            continue
        weights, x, y = (list(column) for column in zip(*known, strict=True))
        name = line[0].label.replace(f", weight {line[0].weight:g}", "")
        found.append(Dose(name, weights, _trend(x), _trend(y), _ranks(weights, x), _ranks(weights, y)))
    return found


def _trend(means: Sequence[float]) -> int:
    """Return the sign of the least-squares slope on 0, 1, 2 ..."""
    places = np.arange(len(means)) - (len(means) - 1) / 2
    y = np.asarray(means, float)
    return 0 if constant(y) else int(np.sign(np.round(places @ (y - y.mean()) / np.abs(y).max(), 12)))


def _ranks(weights: Sequence[float], means: Sequence[float]) -> float | None:
    """Return Spearman's correlation, or None where there is none."""
    if len(weights) < 3 or constant(np.asarray(means, float)):
        return None
    return float(np.corrcoef(stats.rankdata(weights), stats.rankdata(means))[0, 1])
