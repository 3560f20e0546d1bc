"""Words and cells of studies that were simulated."""

from __future__ import annotations

import numpy as np
from tests.reporting.pays.made import X, drawn, study
from tests.reporting.simulated import study_runs

from haa.reporting.arms import studies
from haa.reporting.pays.answer import HEADINGS, cells, pays, sample_cells, sentences
from haa.reporting.pays.standard import standardise
from haa.reporting.verdict import claims


def test_the_table_has_a_row_for_every_study():
    rng = np.random.default_rng(12)
    effects = {(0.5, "human"): 0.2, (0.5, "shuffled"): 0.0}
    (made,) = studies(study_runs(rng, effects, 4, samples=200, pictures=50))
    alone = study(*drawn(shape=(3, 1)))
    empty = study(*drawn(shape=(3, 2)), tuple((1, seed) for seed in range(2)))
    first, second, third = standardise([made, alone, empty], [claims(made), claims(alone), claims(empty)])
    assert len(cells(first)) == len(HEADINGS)
    assert cells(first)[:3] == [f"{made.title} (simulated human gaze)", "4", "50"]
    assert cells(first)[3].startswith("+")
    assert cells(second)[1:] == ["1", "–", "–", "–", "–", "–"]
    assert cells(third)[3:] == ["–"] * 4


def test_what_a_study_says_in_words():
    rng = np.random.default_rng(13)
    effects = {(w, c): 0.0 for w in (0.1, 0.5) for c in ("human", "shuffled")}
    (made,) = studies(study_runs(rng, effects, 4, samples=200, pictures=50))
    found = pays(made, claims(made))
    words = sentences(found)
    assert words[0].startswith("Within conditions, runs that look more as people do")
    assert "20 runs" in words[0]
    assert "11 degrees of freedom" in words[0]  # 20 runs, less 5 conditions, 3 more seeds and the slope
    assert "conditions set both" in words[1]
    assert "200 test samples of 50 pictures" in words[2]
    assert [row[0] for row in sample_cells(found.samples)] == [arm.label for arm in made.arms]
    assert "None" not in " ".join(words)
    assert "nan" not in " ".join(words)


def test_a_task_that_is_scored_by_its_attention_has_no_relation():
    made = study(*drawn(), metric=X)
    assert pays(made, claims(made)) is None
