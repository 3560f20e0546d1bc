"""The command, on the embedded data."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from haa.data.shapes import Shapes

SMALL = ("data=shapes", "data.train=4", "data.val=1", "data.test=4")


@pytest.fixture
def maps(tmp_path):
    draw = np.random.default_rng(0)
    for model in ("runs/one/saliency", "runs/two/saliency"):
        (tmp_path / model).mkdir(parents=True)
        for sample in Shapes("test", task="saliency", train=4, val=1, test=4):
            np.save(tmp_path / model / f"{sample['id']}.npy", draw.random((32, 32)))
    return f"{tmp_path}/runs/one/saliency,{tmp_path}/runs/two/saliency"


def test_a_table_a_page_and_files(haa, maps, capsys, tmp_path):
    folder = haa("score", f"maps={maps}", *SMALL, "metrics=nss,cc", "pictures=1", f"output={tmp_path}/out")
    assert folder.name == "run"
    rows = list(csv.DictReader((tmp_path / "out" / "score.csv").open()))
    assert [row["kind"] for row in rows] == ["model"] * 2 + ["reference"] * 6
    samples = list(csv.DictReader((tmp_path / "out" / "samples.csv").open()))
    assert len(samples) == 4 * len(rows)
    for row in rows:
        values = [float(line["nss"]) for line in samples if line["row"] == row["row"]]
        assert float(row["nss"]) == pytest.approx(np.mean(values), abs=1e-7)
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4 + 4 * 3
    assert "http" not in page.replace("http://www.w3.org", "")
    out = capsys.readouterr().out
    assert all(text in out for text in ("simulated gaze", "centre prior, mixture", "4 of 4 maps resized", "one", "two"))
    assert "\\toprule" in (tmp_path / "out" / "score.tex").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data=shapes",), "maps is missing"),
        (("maps=x",), "data is missing"),
        (("maps=absent", *SMALL), "maps=absent is no folder"),
        (("maps=absent", *SMALL, "task=sso"), "task=sso: did you mean sos"),
        (("maps=absent", *SMALL, "metrics=ns"), "metrics=ns: did you mean nss"),
        (("maps=absent", *SMALL, "on_error=go"), "on_error=go: there are: stop, skip"),
        (("maps={one person: absent}", *SMALL), "maps=absent are called 'one person', as a row that needs no model is"),
        (("maps=absent", *SMALL, "split=tests"), "split=tests: did you mean test"),
        (("maps=absent", *SMALL, "map=x"), "there is no key map in score: did you mean maps"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(haa, words, message):
    with pytest.raises(SystemExit) as stop:
        haa("score", *words)
    assert message in str(stop.value)
