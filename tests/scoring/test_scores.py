"""Intervals, differences and ranks, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from haa.scoring.scores import Metric, Rank, Row, Scores
from haa.scoring.table import differences_csv, latex, table_csv


def scores(values, higher=True, stimuli=None, references=()):
    rows = [Row(name, "reference" if name in references else "model", {"m": x}) for name, x in values.items()]
    count = len(next(iter(values.values())))
    names = [str(i) for i in range(count)]
    return Scores("saliency", "Mine", "test", {"m": Metric("M_1", higher)}, rows, names, stimuli or names)


DRAW = np.random.default_rng(0)
BASE = DRAW.normal(size=30)
VALUES = {"a": BASE, "b": BASE + 1 + 0.1 * DRAW.normal(size=30), "c": BASE + 0.02 * DRAW.normal(size=30)}


def test_a_difference_is_students_over_pictures():
    found = scores(VALUES).difference("b", "a", "m")
    expected = stats.ttest_rel(VALUES["b"], VALUES["a"])
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_ranks_say_which_places_are_not_excluded():
    assert scores(VALUES).ranks("m")["b"] == Rank(1, 1, 1)
    ranks = scores(VALUES).ranks("m")
    assert {(ranks[name].best, ranks[name].worst) for name in "ac"} == {(2, 3)}
    assert {ranks[name].rank for name in "ac"} == {2, 3}
    assert scores(VALUES, higher=False).ranks("m")["b"] == Rank(3, 3, 3)


def test_p_values_are_corrected_for_all_pairs():
    p = {(pair.first, pair.second): pair.corrected for pair in scores(VALUES).pairs("m")}
    plain = stats.ttest_rel(VALUES["a"], VALUES["c"]).pvalue  # the largest of three keeps its own
    assert p["a", "c"] == pytest.approx(plain)
    assert len(p) == 3


def test_samples_of_one_picture_are_one():
    twice = {name: np.repeat(x[:5], 2) for name, x in VALUES.items()}
    found = scores(twice, stimuli=[str(i // 2) for i in range(10)]).estimate("a", "m")
    alone = scores({name: x[:5] for name, x in VALUES.items()}).estimate("a", "m")
    assert (found.mean, found.low, found.n) == pytest.approx((alone.mean, alone.low, 5))


def test_references_stand_below_and_have_no_rank():
    table = scores(VALUES, references=("b",)).table()
    assert [line["row"] for line in table][-1] == "b"
    assert table[-1]["m_rank"] is None


def test_files_have_every_number_and_no_formula():
    table = scores({"=1+1": VALUES["a"], "b_1": VALUES["b"]})
    assert table_csv(table).splitlines()[0] == "row,kind,m,m_low,m_high,m_rank"
    assert "'=1+1" in table_csv(table)
    assert differences_csv(table).splitlines()[1].startswith("m,'=1+1,b_1,")
    tex = latex(table)
    assert "M\\_1" in tex
    assert "b\\_1 & $\\mathbf{" in tex
