"""The command, on the embedded data."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from haa.models.backbone import Timm

SMALL = ("data=shapes", "data.train=8", "data.val=2", "data.test=4")


def test_a_probe_writes_a_table_a_figure_and_pictures(haa, capsys, tmp_path):
    run = haa("probe", *SMALL, "backbone=tiny", "pictures=2", f"output={tmp_path}/run")
    with (run / "probe.csv").open() as file:
        rows = list(csv.DictReader(file))
    told = json.loads((run / "probe.json").read_text())
    names = ["stage 0", "stage 1", "stage 2", "centre prior", "another image", "human ceiling"]
    assert [row["row"] for row in rows] == [row["name"] for row in told["rows"]] == names
    for line, row in zip(rows, told["rows"], strict=True):
        assert float(line["nss"]) == row["metrics"]["nss"]["mean"]
        assert row["metrics"]["nss"]["n"] == told["stimuli"] == 4
    assert (told["weights"], told["simulated_gaze"]) == ("random: nothing here was learned", True)
    for picture in ("stages.png", "maps.png"):
        with Image.open(run / picture) as drawn:
            assert min(drawn.size) > 300
    out = capsys.readouterr().out
    assert all(name in out for name in [*names, "looks most like people", "simulated gaze", "weights: random"])


def test_trained_weights_are_told_and_have_random_ones_beside_them(haa, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = Timm("test_resnet").body
    save_file({name: x.contiguous() for name, x in model.state_dict().items()}, tmp_path / "w.safetensors")
    words = ("backbone=timm", "backbone.name=test_resnet", f"backbone.weights={tmp_path}/w.safetensors")
    run = haa("probe", *SMALL, *words, "backbone.stages=[1,4]", "pictures=0", "loader.transform.size=64")
    told = json.loads((run / "probe.json").read_text())
    assert told["weights"] == f"trained as {tmp_path}/w.safetensors holds them"
    of = {(row["of"], row["name"]): row["metrics"]["nss"]["mean"] for row in told["rows"]}
    for stage in ("stage 1", "stage 4"):
        assert of["network", stage] != of["network with random weights", stage]
    assert not (run / "maps.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "data is missing: give data=NAME"),
        ((*SMALL, "metric=ns"), "metric=ns: did you mean nss"),
        ((*SMALL, "split=tests"), "split=tests: did you mean test"),
        ((*SMALL, "samples=0"), "samples=0: give a whole number from 1 on"),
        ((*SMALL, "geometry=round"), "geometry=round: give receptive_field or stretched"),
        ((*SMALL, "layers=[body.7x]"), "layer body.7x is not in Tiny"),
        ((*SMALL, "backbone.stages=[9]"), "backbone.stages=[9] is not in tiny"),
        ((*SMALL, "backbone.stags=[1]"), "backbone.stags is not an argument"),
        ((*SMALL, "datas=1"), "there is no key datas in probe: did you mean data"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(haa, words, message):
    with pytest.raises(SystemExit) as stop:
        haa("probe", *words, "backbone=tiny")
    assert message in str(stop.value)
    assert "\n" not in str(stop.value)


@pytest.mark.slow
def test_stages_of_lite0_on_osie(haa, real_data, index_cache):
    """The deepest stages see objects; the first see contrast; people are far above both."""
    run = haa("probe", "data=osie", f"data.root={real_data}/osie/data", "samples=12", "pictures=0", "random=false")
    told = json.loads((run / "probe.json").read_text())
    nss = {row["name"]: row["metrics"]["nss"]["mean"] for row in told["rows"]}
    assert told["weights"].startswith("trained on ImageNet-1k")
    assert nss["human ceiling"] == pytest.approx(3.55, abs=0.6)
    assert nss["centre prior"] == pytest.approx(0.88, abs=0.3)
    assert max(value for name, value in nss.items() if name.startswith("stage")) < nss["human ceiling"]
