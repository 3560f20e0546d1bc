"""benchmarks/growth: exponents of known functions, and each axis at its smallest."""

from __future__ import annotations

import pytest
from benchmarks import growth


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_slope_is_the_power(power):
    sizes = [10, 100, 3000]
    assert growth.slope(sizes, [7 * size**power for size in sizes]) == pytest.approx(power, abs=1e-9)


def test_exponents_are_those_between_neighbours_and_the_whole():
    assert growth.exponents([1, 10, 100], [1.0, 10.0, 1000.0], 0.0) == "1.00, 2.00; 1.50"
    assert growth.exponents([1, 10, 100], [1.0, 10.0, 1000.0], 5.0) == "2.00; 2.00"  # what is too small tells nothing
    assert growth.exponents([1, 10, 100], [0.1, 0.2, 3.0], 1.0) == ""


def test_a_table_tells_what_grows_faster_than_linear_and_whether_values_agree(monkeypatch):
    costs = {
        size: {"flat": (1.0, 9.0), "square": (1e-4 * size**2, 9.0), "late": (0.1 * size, 9.0)} for size in (10, 100)
    }
    del costs[10]["late"]
    monkeypatch.setattr(growth, "measured", lambda axis, size: (costs[size], {"flat": {"nss": 1 + 1e-3 * (size > 10)}}))
    lines, worse = growth.table("points", [10, 100])
    assert worse == ["square: exponent 2.00 between the last two sizes"]
    assert "| flat | 1 s, 9 MB | 1 s, 9 MB | 0.00; 0.00 | 0.00; 0.00 |" in lines
    assert "| late |  | 10 s, 9 MB |  |  |" in lines
    assert lines[-1] == "flat: values differ by 1e-03 at most, relative to their size."


def test_the_smallest_of_points_and_pictures_are_measured(monkeypatch):
    monkeypatch.setattr(growth.Work, "least", 0.0)
    assert growth.points(10)["NSS"][0] > 0
    assert set(growth.pictures(20)) >= {"index built", "index opened", "order of an epoch"}


def test_an_axis_that_is_none_is_told(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["growth", "length"])
    with pytest.raises(SystemExit):
        growth.main()
    assert "choose of pictures, samples, points, runs, processes" in capsys.readouterr().err
