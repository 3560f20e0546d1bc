"""What the figures show, where a picture could mislead."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reporting.simulated import Drawn, study_runs

from haa.reporting.arms import studies
from haa.reporting.compare import rows
from haa.reporting.figures import differences


@pytest.mark.parametrize(("gain", "told"), [(0.6, True), (0.1, False)])
def test_an_upper_bound_far_off_is_told_and_does_not_press_the_others_together(gain, told):
    effects = {(0.5, "human"): 0.1, (0.5, "shuffled"): 0.0, (1.0, "human"): gain}
    runs = study_runs(np.random.default_rng(0), effects, 5, samples=100)
    oracle = {"role": "oracle", "label": "oracle"}
    bound = [Drawn(r.folder, r.config, {**r.summary, **(oracle if r.weight == 1 else {})}, r.columns) for r in runs]
    (study,) = studies(bound)
    lines = rows(study, "accuracy")
    (oracle,) = [line for line in lines if line.arm.oracle]
    axis = differences(study, lines).axes[0]
    mean = oracle.comparison.difference.mean
    assert [text.get_text() for text in axis.texts] == ([f"+{mean:.3g}, off the axis"] if told else [])
    assert (mean > axis.get_xlim()[1]) == told
    for line in lines:
        if line.comparison is not None and line is not oracle:
            assert axis.get_xlim()[0] < line.comparison.difference.low
            assert line.comparison.difference.high < axis.get_xlim()[1]
