"""What a condition says of itself: its part in a comparison, its name there, whether it exchanges or inserts."""

from __future__ import annotations

import hydra
import pytest
import torch

from haa import build
from haa.cli.overrides import conf
from haa.conditions import Center, Condition, Corrupted, Human, Inverted, Oracle, Predicted, Random, Shuffled, Subset
from haa.conditions.condition import arm
from haa.errors import InputError
from haa.gaze import Gaze


class Corner(Condition):
    """Everybody looked at the first pixel."""

    role = "control"

    def __init__(self, points: int = 1) -> None:
        self.points = points

    def gaze(self, dataset, index):
        return Gaze(torch.zeros(self.points, 2), dataset.gaze(index).size)


class Silent(Condition):
    """Does not say which part it plays."""

    def gaze(self, dataset, index):
        return None


class Stranger:
    """Is not derived from `Condition`."""

    exchanges = True

    def gaze(self, dataset, index):
        return None


@pytest.mark.parametrize(
    ("condition", "role", "label"),
    [
        (Human(), "treatment", "human"),
        (Shuffled(seed=3), "control", "shuffled"),
        (Random(keep_shape=True), "control", "random"),
        (Random(keep_shape=False), "control", "random keep_shape=False"),
        (Center(), "control", "center"),
        (Center(points=500), "control", "center points=500"),
        (Center(cluster=0.0), "control", "center cluster=0.0"),
        (Inverted(), "control", "inverted"),
        (Inverted(points=200), "control", "inverted points=200"),
        (Inverted(sigma=0.1), "control", "inverted sigma=0.1"),
        (Corrupted(), "less gaze", "corrupted p=0.5"),
        (Corrupted(p=0.25, seed=2), "less gaze", "corrupted p=0.25"),
        (Subset(share=0.1), "less gaze", "subset share=0.1"),
        (Oracle(), "oracle", "oracle"),
        (Predicted("a.ckpt"), "treatment", "predicted"),
        (Predicted("a.ckpt", Shuffled()), "control", "shuffled predicted"),
        (Predicted("a.ckpt", Corrupted(p=0.25), points=9), "less gaze", "corrupted p=0.25 predicted points=9"),
        (Corner(), "control", "corner"),
        (Corner(points=2), "control", "corner points=2"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_condition_says_its_part_and_its_name(condition, role, label):
    assert arm(condition, 0.5) == (role, label)


def test_without_a_weight_a_run_is_a_baseline_unless_its_condition_inserts_the_map():
    assert arm(Shuffled(), 0) == arm(Predicted("a.ckpt"), 0.0) == ("baseline", "baseline")
    assert arm(Oracle(), 0) == ("oracle", "oracle")


def test_a_control_is_matched_where_its_gaze_is_real_gaze_of_another_stimulus():
    unmatched = (Human(), Random(), Center(), Inverted(), Corrupted(), Subset(observers=1), Oracle(), Corner())
    assert not any(condition.matched for condition in (*unmatched, Predicted("a"), Predicted("a", Random())))
    assert all(condition.matched for condition in (Shuffled(), Predicted("a", Shuffled())))


def test_only_human_gaze_and_the_oracle_exchange_nothing():
    assert not Human().exchanges
    assert not Oracle().exchanges
    others = (Shuffled(), Random(), Center(), Inverted(), Corrupted(), Subset(observers=1), Predicted("a"), Corner())
    assert all(condition.exchanges for condition in others)


def test_a_condition_that_does_not_say_its_part_is_refused_with_the_cure():
    with pytest.raises(InputError, match=r"Silent does not say .* one of treatment, control, oracle, less gaze"):
        arm(Silent(), 0.5)


@pytest.mark.parametrize("name", ["Silent", "Stranger"])
def test_a_run_with_such_a_condition_is_refused_before_it_begins(name):
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf())):
        cfg = hydra.compose("train", ["task=vqa"])
    cfg.condition = {"_target_": f"{__name__}.{name}"}
    with pytest.raises(InputError, match=f"{name} does not say which part it plays"):
        build.datamodule(cfg)


def test_a_control_of_predicted_gaze_has_to_say_its_part_too():
    with pytest.raises(InputError, match="Silent does not say which part it plays"):
        Predicted("a.ckpt", Silent())
