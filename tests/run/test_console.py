"""What a run says at its end, where scores are missing."""

from __future__ import annotations

from types import SimpleNamespace

from haa.run.console import show_scores


def test_scores_against_gaze_that_nobody_recorded_have_no_row_and_others_without_a_value_have_one(capsys):
    data = SimpleNamespace(some_gaze=lambda split: False, condition=None)
    metrics = {"attention_nss": None, "cider": None, "loss": 1.5}
    summary = {"split": "test", "samples": 2, "simulated_gaze": False, "inserts_map": False, "metrics": metrics}
    show_scores(summary, {}, data, "the model has no attention")
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert ["cider", "undefined", "2"] in lines
    assert ["loss", "1.5000", "2"] in lines
    assert not any(line[0] == "attention_nss" and len(line) == 3 for line in lines)
    said = " ".join(word for line in lines for word in line)
    assert "nobody's gaze was recorded in the test split: attention_nss and its like are undefined" in said
    assert "faithfulness was not measured: the model has no attention" in said
