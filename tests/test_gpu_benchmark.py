"""benchmarks/gpu without an accelerator: all of it runs, and what is wrong is told."""

from __future__ import annotations

import json

import pytest
import torch
from benchmarks.gpu import __main__ as program
from benchmarks.gpu import steps
from benchmarks.gpu.measure import difference, on, read_bytes

import haa.metrics as M

QUICK = ["--device", "cpu", "--quick"]
nan = torch.nan


def test_the_difference_is_relative_to_the_greatest_value():
    expected = torch.tensor([1.0, -4.0, nan])
    assert difference(torch.tensor([1.0, -4.0, nan]), expected) == 0
    assert difference(torch.tensor([1.0, -4.002, nan]), expected) == pytest.approx(5e-4, rel=1e-3)
    assert difference({"a": torch.tensor(2.0), "b": [expected]}, {"a": torch.tensor(1.0), "b": [expected]}) == 1
    for other in (torch.tensor([1.0, -4.0, 0.0]), torch.tensor([1.0, nan, nan]), expected[:2], {"a": 1}):
        assert difference(other, expected) == float("inf")
    assert difference([torch.ones(1), "red"], [torch.ones(1), "rot"]) == float("inf")


def test_one_read_is_that_of_the_maps():
    maps, points = torch.zeros(2, 5, 7), torch.zeros(2, 60, 2)
    assert read_bytes((maps, points, ["a", "b"])) == 2 * 5 * 7 * 4


def test_samples_are_taken_from_tensors_and_lists():
    maps, names, number = on((torch.zeros(3, 2), ["a", "b", "c"], torch.tensor(1)), torch.device("cpu"), 2)
    assert (maps.shape, names, number.ndim) == ((2, 2), ["a", "b"], 0)


def test_values_agree_and_a_wrong_one_is_a_fault(tmp_path, monkeypatch, capsys):
    words = [*QUICK, "--only", "correctness", "--out", str(tmp_path / "found.json")]
    assert program.main(words) == 0
    found = {row["name"]: row["difference"] for row in json.loads((tmp_path / "found.json").read_text())["correctness"]}
    assert max(found.values()) < 1e-5
    assert found["KLDivergence"] > 0  # computed in another way, and not compared with itself

    def wrong(self, prediction, density):
        self.add(M.functional.cc(prediction, density) + errors.pop())

    errors = [0.0, 1e-4]  # on the processor none
    monkeypatch.setattr(M.CC, "update", wrong)
    assert program.main(words) == 1
    assert "CC (metric) differs by" in capsys.readouterr().err


def test_a_wait_is_a_fault_where_the_host_need_not():
    rows = [{"name": "NSS", "waits": 2, "may wait": ""}, {"name": "EMD", "waits": 2, "may wait": "it has to"}]
    assert program.faults({"metrics": rows, "losses": [{"name": "kl", "waits": 0}]}) == [
        "NSS: the host waits 2 times for the device"
    ]


@pytest.mark.slow
def test_its_parts_run_on_the_processor(tmp_path, monkeypatch):
    table = tmp_path / "table.md"
    monkeypatch.setattr(steps, "TASKS", ("vqa",))
    assert program.main([*QUICK, "--table", str(table), "--only", "metrics", "losses", "tasks"]) == 0
    text = table.read_text()
    assert all(f"| {name} |" in text for name in ("NSS", "SalientObjects", "kl_divergence"))
    assert "| vqa, bf16: align_weight=0.5 |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") in (4, 6, 7, 9) for line in rows)


def test_a_device_that_is_not_there_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(["--device", "cuda:77"])
    assert ended.value.code == 2
    assert "--device cpu --quick" in capsys.readouterr().err
