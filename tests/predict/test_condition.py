"""Predicted gaze: drawn from a saliency checkpoint's density, cached, and controlled like recorded gaze."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from hydra import compose, initialize_config_dir

from haa import build
from haa.cli import main as cli
from haa.cli.overrides import conf
from haa.conditions import Center, Corrupted, Inverted, Predicted, Random, Shuffled
from haa.conditions.draw import sample
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.gaze import counts
from haa.predict.cache import CELLS, predicted_maps
from haa.predict.predictor import Predictor, at_size

SMALL = (
    "trainer=debug",
    "data.train=16",
    "data.val=8",
    "data.test=8",
    "loader.batch_size=8",
    "callbacks.pictures=null",
)


@pytest.fixture(scope="module")
def saliency(tmp_path_factory):
    """A checkpoint of a saliency model after a few steps."""
    folder = tmp_path_factory.mktemp("saliency")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["haa"])
        cli.main(["train", "task=saliency", "hydra.run.dir=run", "lr=0.02", *SMALL])
    return folder / "run" / "checkpoints" / "best.ckpt"


def test_sampling_gives_each_cell_its_share():
    density = torch.rand(3, 5, dtype=torch.float64) ** 3
    density /= density.sum()
    points = sample(density, 500, (6, 10), torch.Generator().manual_seed(0))
    seen = counts(points[None], (6, 10))[0].view(3, 2, 5, 2).sum((1, 3))
    expected = 500 * density
    assert ((seen >= expected.floor()) & (seen <= expected.floor() + 1)).all()


def test_the_fixations_are_those_of_the_models_density(saliency, tmp_path):
    data = Shapes("train", task="vqa", train=4, size=48)
    condition = Predicted(saliency, points=2000, cache=tmp_path)
    predictor = Predictor(saliency, device="cpu")
    for index in (0, 3):
        gaze = condition.gaze(data, index)
        assert gaze.size == (48, 48)
        (maps,) = predictor([data[index]["image"]])
        expected = at_size("saliency", maps["saliency"], (4, 4))
        fine = at_size("saliency", maps["saliency"], (CELLS, CELLS)).view(4, 16, 4, 16).sum((1, 3))
        seen = counts(gaze.points[None], (48, 48))[0].view(4, 12, 4, 12).sum((1, 3)) / 2000
        torch.testing.assert_close(seen, fine, atol=0.02, rtol=0)
        assert (seen - expected).abs().max() < 0.1
    assert not torch.equal(condition.gaze(data, 0).points, condition.gaze(data, 1).points)


def test_maps_are_computed_once_and_not_for_another_checkpoint_or_dataset(saliency, tmp_path, monkeypatch):
    data = Shapes("train", task="vqa", train=3)
    first = predicted_maps(saliency, data, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("haa.predict.cache.Predictor", lambda *_: pytest.fail("computed again"))
        again = predicted_maps(saliency, Shapes("train", task="vqa", train=3), tmp_path)
    assert torch.equal(first.map(2), again.map(2))
    assert torch.equal(pickle.loads(pickle.dumps(first)).map(1), first.map(1))
    predicted_maps(saliency, Shapes("train", task="vqa", train=3, seed=1), tmp_path)
    content = torch.load(saliency, weights_only=True)
    content["state_dict"]["model.centre_bias"] += torch.randn_like(content["state_dict"]["model.centre_bias"])
    torch.save(content, tmp_path / "other.ckpt")
    other = predicted_maps(tmp_path / "other.ckpt", data, tmp_path)
    assert not torch.equal(other.map(2), first.map(2))
    assert len(list(tmp_path.glob("gaze-*/maps.npy"))) == 3


def test_damaged_maps_are_an_error_that_names_the_file(saliency, tmp_path):
    data = Shapes("train", task="vqa", train=4)

    def everything():
        maps = predicted_maps(saliency, data, tmp_path)
        return torch.stack([maps.map(i) for i in range(4)]), [maps.size(i) for i in range(4)]

    expected, _ = everything()
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for at in (0, 70, len(whole) // 2, len(whole) - 1):
            at = min(at, len(whole) - 1)
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
            with pytest.raises(InputError, match=rf"{path}.*: delete the folder {folder}, it is made again"):
                everything()
        path.write_bytes(whole)
    shutil.rmtree(folder)
    again, sizes = everything()
    assert torch.equal(again, expected)
    assert sizes == [(64, 64)] * 4


def test_predicting_draws_nothing_from_the_runs_generator(saliency, tmp_path):
    state = torch.get_rng_state()
    Predicted(saliency, cache=tmp_path).gaze(Shapes("train", train=2), 0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("control", [Shuffled(), Random(), Center(), Inverted(), Corrupted()])
def test_a_control_acts_on_predicted_gaze_as_on_recorded(saliency, tmp_path, control):
    data = Shapes("train", train=6, share_with_gaze=0.0)
    plain, controlled = Predicted(saliency, cache=tmp_path), Predicted(saliency, control, cache=tmp_path)
    view = plain.fitted(data)
    for index in range(6):
        assert data.gaze(index) is None
        mine, theirs = plain.gaze(data, index), controlled.gaze(data, index)
        assert not torch.equal(mine.points, theirs.points)
        assert torch.equal(theirs.points, control.gaze(view, index).points)


@pytest.mark.parametrize("control", [Random(), Center(cluster=0.0), Inverted(), Corrupted(0.0)])
def test_a_control_has_the_number_of_the_predicted_fixations(saliency, tmp_path, control):
    data = Shapes("train", train=4, share_with_gaze=0.0)
    assert len(Predicted(saliency, control, points=150, cache=tmp_path).gaze(data, 1).points) == 150


def test_a_predicted_map_takes_the_place_of_a_published_one(saliency, tmp_path):
    class Published(Shapes):
        def __getitem__(self, index):
            return {**super().__getitem__(index), "density": torch.eye(self.size) / self.size}

    data, condition = Published("train", train=4, share_with_gaze=0.0), Predicted(saliency, cache=tmp_path)
    given = condition.density(data, 2)
    maps = predicted_maps(saliency, data, tmp_path)
    torch.testing.assert_close(given, maps.map(2) / maps.map(2).sum())  # a picture of 64 x 64, as the map that is kept
    moved = Predicted(saliency, Random(seed=1), cache=tmp_path).density(data, 2)
    torch.testing.assert_close(moved.flatten().sort().values, given.flatten().sort().values)
    partners = Predicted(saliency, Shuffled(seed=1), cache=tmp_path)
    others = [condition.density(data, i) for i in (0, 1, 3)]
    assert any(torch.allclose(partners.density(data, 2), other) for other in others)


@pytest.mark.parametrize("condition", ["predicted", "predicted_shuffled", "predicted_center", "predicted_inverted"])
def test_data_without_gaze_is_aligned_with_predictions(haa, saliency, capsys, condition):
    words = ("task=vqa", f"condition={condition}", f"condition.checkpoint={saliency}", "data.share_with_gaze=0")
    run = haa("train", *words, "align_weight=0.5", *SMALL)
    summary = json.loads((run / "metrics.json").read_text())
    assert summary["gaze"] == "predicted"
    assert summary["gaze_by"] == str(saliency)
    assert summary["metrics"]["attention_nss"] is None
    shown = " ".join(capsys.readouterr().out.split())
    assert "predicted gaze, not recorded" in shown
    assert "attention_nss and its like are undefined" in shown
    control = condition.removeprefix("predicted").removeprefix("_")
    assert f"condition={control} predicted".replace("= ", "=") in shown
    assert (summary["role"], summary["label"]) == (
        "control" if control else "treatment",
        f"{control} predicted".strip(),
    )


@pytest.mark.parametrize("control", [Shuffled, Random, Center, Inverted, Corrupted])
def test_every_control_of_predicted_gaze_has_an_option(control):
    with initialize_config_dir(str(conf()), version_base="1.3"):
        name = control.__name__.lower()
        node = compose("train", [f"condition=predicted_{name}", "++condition.control.seed=3", "seed=5"]).condition
        node.checkpoint = "best.ckpt"
        node.cache = None
        condition = build.make(node)
    assert isinstance(condition, Predicted)
    assert condition.seed == 5
    assert type(condition.control) is control
    assert condition.control.seed == 3


@pytest.mark.slow
def test_gaze_is_predicted_by_a_saliency_model_alone(haa, saliency):
    run = haa("train", "task=vqa", *SMALL, name="vqa")
    words = ("task=vqa", "condition=predicted", "align_weight=0.5", *SMALL)
    with pytest.raises(SystemExit, match=r"is of task=vqa"):
        haa("train", *words, f"condition.checkpoint={run}/checkpoints/best.ckpt")
    with pytest.raises(SystemExit, match=r"condition\.checkpoint is missing"):
        haa("train", *words)
    with pytest.raises(SystemExit, match=r"nowhere\.ckpt is not a file"):
        haa("train", *words, "condition.checkpoint=nowhere.ckpt")
