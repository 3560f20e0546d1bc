"""Mediation: the quantiles of a product, by integration, and effects that were put in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats
from tests.reporting.pays.made import known, study

from haa.reporting.pays.answer import pays, sentences
from haa.reporting.pays.mediation import STRETCH, doses, mediate, product
from haa.reporting.pays.relation import Slope, relate
from haa.reporting.verdict import claims


def test_a_product_with_one_certain_factor_is_students_interval():
    low, high = product(known(2.0, 1e-12, 5), Slope(0.5, 0.1, 7))
    half = stats.t.ppf(0.975, 7) * 0.1
    assert (low, high) == pytest.approx((2 * (0.5 - half), 2 * (0.5 + half)), abs=0.01)


def test_a_product_of_normal_estimates_has_the_quantiles_of_its_distribution():
    low, high = product(known(1.0, 0.5, 1e6), Slope(2.0, 1.0, 1e6))

    def below(end: float) -> float:
        def given(a: float) -> float:
            side = stats.norm.cdf(end / a, 2.0, 1.0)
            return stats.norm.pdf(a, 1.0, 0.5) * (side if a > 0 else 1 - side)

        return integrate.quad(given, -3, 0, limit=200)[0] + integrate.quad(given, 0, 5, limit=200)[0]

    assert (below(low), below(high)) == pytest.approx((0.025, 0.975), abs=0.003)
    assert product(known(1.0, math.nan, math.nan), Slope(1.0, 1.0, 5)) is None


def test_a_known_mediation_is_recovered():
    """Alignment moves attention by 2, and a point of attention is worth 0.5: 1 of the total of 1.3."""
    rng = np.random.default_rng(8)
    x = rng.normal(0, 1, (3, 400)) + np.array([[0.0], [2.0], [0.0]])
    y = 0.5 * x + rng.normal(0, 0.5, (3, 400)) + np.array([[0.0], [0.3], [0.0]]) + rng.normal(0, 1, (1, 400))
    made = study(x, y)
    found = mediate(made, claims(made)[0], relate(made).slope)
    assert found.attention.difference.mean == pytest.approx(x[1].mean() - x[0].mean())
    assert found.indirect == pytest.approx(found.attention.difference.mean * relate(made).slope.value)
    assert found.low < 1.0 < found.high < 1.2
    assert found.total.difference.mean == pytest.approx(1.3, abs=0.15)
    assert found.share == pytest.approx(1 / 1.3, abs=0.1)
    assert found.stretch == pytest.approx(2, abs=0.2)


def test_a_share_is_of_a_total_that_is_shown_and_of_a_slope_that_was_seen():
    rng = np.random.default_rng(9)
    x, y = rng.normal(0, 1, (3, 5)), rng.normal(0, 1, (3, 5))
    made = study(x, y)
    found = mediate(made, claims(made)[0], relate(made).slope)
    assert found.total.difference.sign == 0
    assert found.share is None
    x[1] += 50
    y[1] += 50
    made = study(x, y)
    found = mediate(made, claims(made)[0], relate(made).slope)
    assert found.total.difference.sign == 1
    assert found.stretch > STRETCH
    assert found.share is None
    assert "carried far" in " ".join(sentences(pays(made, claims(made))))


def test_doses_follow_the_weights_from_the_baseline():
    x = np.array([[0.0, 0.0], [1.0, 1.2], [3.0, 3.0], [2.0, 2.0], [0.5, 0.5]])
    y = np.array([[5.0, 5.0], [4.0, 4.0], [3.0, 3.0], [1.0, 1.0], [5.0, 5.0]])
    human, shuffled = doses(study(x, y))
    assert human.weights == pytest.approx([0, 0.1, 0.2, 0.3])
    assert (human.attention, human.score) == (1, -1)
    assert human.attention_rank == pytest.approx(stats.spearmanr(human.weights, [0, 1.1, 3, 2]).statistic)
    assert human.score_rank == pytest.approx(-1)
    assert (shuffled.attention, shuffled.score, shuffled.attention_rank) == (1, 0, None)  # two weights have no rank
    words = " ".join(sentences(pays(study(x, y), [])))
    assert "accuracy falls (rank correlation −1.000)" in words
