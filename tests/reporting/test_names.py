"""Readable names: every option of the groups that a reader meets has one, and no key of a config is shown for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from haa.reporting import names
from haa.reporting.paper.citations import entries
from haa.reporting.title import apart

CONF = Path(__file__).parents[2] / "conf"


def options(group: str) -> list[Path]:
    return sorted((CONF / group).glob("*.yaml"))


def node(path: Path) -> dict:
    content = yaml.safe_load(path.read_text()) or {}
    return content.get("data", content) if path.parent.name == "data" else content


@pytest.mark.parametrize("path", options("backbone"), ids=lambda path: path.stem)
def test_every_backbone_has_a_name(path):
    own = node(path)
    if given := own.get("name") == "???":
        own["name"] = "swin_tiny"  # any name of timm's or of the hub's, which stays what it is
    called = names.backbone(own)
    assert called.known
    assert "haa." not in called.text
    assert "_target_" not in called.text
    assert given or called.text not in (path.stem, own.get("name"))


@pytest.mark.parametrize("path", options("attention"), ids=lambda path: path.stem)
def test_every_source_has_a_name(path):
    assert names.attention(node(path)).known
    assert (names.attention(node(path)) == names.NATIVE) == (path.stem == "native")


@pytest.mark.parametrize("path", options("loss"), ids=lambda path: path.stem)
def test_every_loss_has_a_name(path):
    assert names.loss(node(path)).known


def test_no_two_losses_share_a_name():
    called = [names.loss(node(path)).text for path in options("loss")]
    assert len(set(called)) == len(called)


@pytest.mark.parametrize("path", options("data"), ids=lambda path: path.stem)
def test_every_data_set_has_a_name(path):
    assert names.data(node(path)).known


@pytest.mark.parametrize("path", options("model"), ids=lambda path: path.stem)
def test_every_model_has_a_name(path):
    own = node(path)
    assert names.named(names.MODELS, own.get("model", own)).known


@pytest.mark.parametrize("group", ["optimizer", "scheduler", "weight_schedule", "task"])
def test_so_have_the_rest(group):
    tables = {"optimizer": names.OPTIMIZERS, "scheduler": names.SCHEDULES, "weight_schedule": names.WEIGHT_SCHEDULES}
    for path in options(group):
        known = path.stem in names.TASKS if group == "task" else names.named(tables[group], node(path)).known
        assert known, path


@pytest.mark.parametrize("path", options("condition"), ids=lambda path: path.stem)
def test_every_condition_has_a_name(path):
    control = path.stem.removeprefix("predicted_")
    label = f"{control} predicted" if path.stem.startswith("predicted_") else path.stem
    called = names.condition(label)
    assert called != label
    assert ("predicted" in called) == path.stem.startswith("predicted")


def test_no_two_conditions_share_a_name():
    labels = [path.stem for path in options("condition") if "_" not in path.stem]
    assert len({names.condition(label) for label in [*labels, "baseline"]}) == len(labels) + 1


@pytest.mark.parametrize("label", ["mine", "human=3", "", "shuffled human predicted", "<b> =x"])
def test_a_condition_of_ones_own_keeps_its_name(label):
    assert names.condition(label) == label


def test_metrics_of_every_task_have_a_name():
    monitors = {node(path)["task"]["monitor"].removeprefix("val/") for path in options("task")}
    assert monitors <= names.METRICS.keys()
    assert names.metric("attention_kl") == "attention KL divergence"


def test_what_a_name_cites_is_in_the_bibliography():
    tables = (names.ATTENTION, names.LOSSES, names.MODELS, names.DATA, names.OPTIMIZERS, names.SCHEDULES)
    cited = {key for table in tables for name in table.values() for key in name.cite}
    cited |= {key for _, _, keys in names.FAMILIES for key in keys}
    assert cited <= entries().keys()


def test_a_class_of_ones_own_with_a_known_name_is_not_taken_for_ours():
    assert names.named(names.LOSSES, {"_target_": "mine.correlation"}) == names.Name("correlation", (), False)


@pytest.mark.parametrize(
    ("titles", "shared", "own"),
    [
        (["A on B, x, y", "A on B, z"], "A on B", ["x, y", "z"]),
        (["A on B", "A on B, z"], "", ["A on B", "A on B, z"]),  # one would have no name
        (["A", "B"], "", ["A", "B"]),
    ],
)
def test_titles_say_once_what_they_share(titles, shared, own):
    assert apart(titles) == (shared, own)
