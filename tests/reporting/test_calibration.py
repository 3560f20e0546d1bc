"""Error rates of the verdict's words in a few designs of benchmarks/calibration.py: few studies, always the same."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.calibration import TRUTHS, UNEQUAL, Design, as_runs, chosen, count, draw, p_values, pair, pairs, quasi
from scipy import stats

from haa.reporting.arms import studies
from haa.reporting.crossed import contrast, over_stimuli
from haa.reporting.verdict import claims, decide

STUDIES = 1000
MOST = int(stats.binom.ppf(0.999, STUDIES, 0.05))
"""False words in 1,000 studies that a rule which is false in 5 % has no more often than once in 1,000 tries."""
DESIGNS = [
    Design(3),
    Design(3, pictures=1.0),
    Design(3, weights=4, controls=1, pictures=4.0),
    Design(5, noise="collapsing", shared=0.0),
    Design(8, noise="t3", pictures=1.0),
]


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_a_word_is_false_in_at_most_five_percent_of_studies(design):
    for name, counts in count(design, STUDIES).items():
        false = sum(counts[word] for word in TRUTHS[name].false)
        assert false <= MOST, name


def test_the_rule_is_not_idle():
    """Where one comparison alone is uncertain, it is false nearly as often as it may be; and it finds a large gain."""
    truths = {name: TRUTHS[name] for name in ("no control", "only controls lose", "+δ, large")}
    for name, counts in count(Design(8, pictures=1.0), STUDIES, truths=truths).items():
        assert sum(counts[word] for word in TRUTHS[name].false) > 0.02 * STUDIES, name
    gain = {"gain": TRUTHS["nothing"]._replace(human=3.0)}
    assert count(Design(3, shared=0.3), STUDIES, truths=gain)["gain"]["gaze helps"] > 0.75 * STUDIES


@pytest.mark.parametrize(
    ("design", "rule"),
    [
        (Design(3, pictures=1.0), lambda own, d: contrast(own.differences, own.others)),
        (Design(3, pictures=1.0, questions=8), lambda own, d: contrast(*own[:2], over_stimuli(d))),
    ],
    ids=["pictures ignored", "questions taken for pictures"],
)
def test_other_rules_are_false_more_often(design, rule):
    """They break the bound that the shipped rule keeps in these designs."""
    scores = draw(design, STUDIES, design.rng()).scores
    found = pair(design, scores, 1, 0)
    assert (rule(found, scores[:, 1] - scores[:, 0]).p() < 0.05).sum() > MOST
    assert (contrast(*found).p() < 0.05).sum() <= MOST


def test_moderation_is_not_full_pooling():
    """Human gaze's runs vary four times as much as the others': the rule's known weakness, and how far it goes."""
    design = Design(8, shared=0.0, pictures=0.0, spread=UNEQUAL["human ×4"])
    found = pair(design, draw(design, STUDIES, design.rng()).scores, 1, 0)
    assert (contrast(*found).p() < 0.05).mean() < 0.1 < (quasi(found, np.inf).p() < 0.05).mean()


@pytest.mark.parametrize("design", [Design(3, 4, 2, pictures=1.0, questions=2), Design(5, 1, 1)], ids=str)
def test_studies_as_runs_get_the_same_words(design):
    rng = np.random.default_rng(0)
    for truth in TRUTHS.values():
        if truth.control:
            outcomes = draw(design, 1, rng)
            word = decide(p_values(design, pairs(design, chosen(design, outcomes)), truth), design.weights)[0]
            assert claims(studies(as_runs(design, outcomes, truth))[0])[0].word == word
