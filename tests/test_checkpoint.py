"""Checkpoints from elsewhere: nothing in them is called, and what is damaged is named."""

from __future__ import annotations

import copy
import json
import os
import random
import zipfile

import pytest
import torch

from haa import checkpoint
from haa.cli.main import main
from haa.errors import InputError

COMMAND = ["train", "task=vqa", "trainer=debug", "epochs=1", "align_weight=0.5", "data.train=16", "data.val=8"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A checkpoint that haa train wrote."""
    folder = tmp_path_factory.mktemp("run")
    main([*COMMAND, "data.test=8", "test=false", "callbacks.pictures=null", f"hydra.run.dir={folder}", "cache=null"])
    return folder / "checkpoints" / "last.ckpt"


@pytest.fixture
def changed(written, tmp_path):
    """Writes a checkpoint that is changed by a function, and returns its path."""
    content = torch.load(written, weights_only=True)

    def write(change):
        change(content)
        path = tmp_path / "changed.ckpt"
        torch.save(content, path)
        return path

    return write


def test_it_loads_as_it_was_written(written):
    module, cfg = checkpoint.load(written)
    assert cfg.task.name == "vqa"
    weights = torch.load(written, weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in module.state_dict().items())


class Runs:
    """Pickles as a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_is_not_loaded(written, tmp_path):
    ran = tmp_path / "ran"
    torch.save({"haa": {}, "x": Runs(f"touch {ran}")}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="could run code"):
        checkpoint.read(tmp_path / "evil.ckpt")
    assert not ran.exists()


NODE = {"_target_": "os.system", "command": "false"}


@pytest.mark.parametrize(
    "place",
    [
        ("model",),
        ("model", "backbone"),
        ("model", "anything"),
        ("task", "module", "x"),
        ("task", "x"),
        ("alignment", "loss"),
        ("optimizer",),
        ("scheduler",),
        ("attention",),
        ("data",),
        ("data", "x"),
        ("condition",),
        ("condition", "control"),
        ("loader", "transform"),
        ("trainer", "profiler"),
        ("callbacks", "x"),
        ("logger", "x"),
        ("anything",),
    ],
)
def test_a_target_is_refused_wherever_it_stands(changed, place):
    def change(content):
        node = content["haa"]["config"]
        for key in place[:-1]:
            node = node.setdefault(key, {})
            assert isinstance(node, dict)
        node[place[-1]] = NODE

    with pytest.raises(InputError, match=r"changed\.ckpt: .*(is not trusted|is not an argument)"):
        checkpoint.load(changed(change))


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "\\${oc.env:HOME}", "\\\\${oc.create:1}", "a${b}", "${"])
def test_nothing_in_its_config_is_resolved(changed, text):
    for change in (
        lambda c: c["haa"]["config"].update(note=text),
        lambda c: c["haa"]["config"].update(note=[{"x": text}]),
        lambda c: c["haa"]["config"].update({text: 1, "note": 0}),
    ):
        with pytest.raises(InputError, match="was changed, and is not used"):
            checkpoint.load(changed(change))


def _nested(depth):
    node = {}
    for _ in range(depth):
        node = {"a": node}
    return node


def _aliases():
    node = [0] * 10
    for _ in range(9):
        node = [node] * 10
    return node


def _cycle():
    node = {}
    node["a"] = node
    return node


@pytest.mark.parametrize("make", [lambda: _nested(40), _aliases, _cycle, lambda: list(range(30_000))])
def test_its_config_is_bounded(changed, make):
    with pytest.raises(InputError, match="too large or too deep"):
        checkpoint.load(changed(lambda c: c["haa"]["config"].update(note=make())))


def test_its_config_holds_plain_values(changed):
    with pytest.raises(InputError, match="note of its config is a Tensor"):
        checkpoint.load(changed(lambda c: c["haa"]["config"].update(note=torch.zeros(2))))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["haa"].pop("config"),
        lambda c: c["haa"].update(config=None),
        lambda c: c["haa"].update(config=[1]),
        lambda c: c.update(haa=5),
        lambda c: c.pop("haa"),
        lambda c: c["haa"].pop("vocabularies"),
        lambda c: c["haa"].update(vocabularies=3),
        lambda c: c["haa"].update(vocabularies={"answer": ["Answers", "[]"]}),
        lambda c: c["haa"].update(vocabularies={"answer": ["Answers", '{"answers": [1, 2]}']}),
        lambda c: c["haa"].update(vocabularies={"question": ["Vocabulary", '{"model": {"vocab": {"a": 7}}}']}),
        lambda c: c["haa"].update(vocabularies={"question": ["Vocabulary", "[" * 100_000]}),
        lambda c: c["haa"].update(vocabularies={"question": [["Vocabulary"], "{}"]}),
        lambda c: c["haa"]["config"].pop("model"),
        lambda c: c["haa"]["config"].pop("task"),
        lambda c: c["haa"]["config"].update(task=[]),
        lambda c: c["haa"]["config"].update(condition=None),
        lambda c: c["haa"]["config"].update(condition="???"),
        lambda c: c["haa"]["config"]["model"].update(hidden="large"),
        lambda c: c["haa"]["config"]["model"].update(hidden=-1),
        lambda c: c.update(state_dict=None),
        lambda c: c.update(state_dict={}),
        lambda c: c.update(state_dict={"a": 5}),
        lambda c: c["state_dict"].popitem(),
    ],
)
def test_whatever_is_missing_or_of_another_kind_is_one_line(changed, change):
    path = changed(change)
    with pytest.raises(InputError) as error:
        checkpoint.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(changed, value):
    def change(content):
        list(content["state_dict"].values())[-1].view(-1)[0] = value

    with pytest.raises(InputError, match=r"not finite.*diverged"):
        checkpoint.read(changed(change))


def test_a_tensor_larger_than_its_file_is_refused(changed):
    huge = torch.zeros(1).expand(10**12)
    with pytest.raises(InputError, match="claims to be larger"):
        checkpoint.read(changed(lambda c: c["state_dict"].update(x=huge)))


def test_a_model_larger_than_its_weights_is_not_built(changed):
    # 4 TB, which would be granted and then fill the memory
    path = changed(lambda c: c["haa"]["config"]["model"].update(hidden=10**6))
    with pytest.raises(InputError, match="does not fit this haa: size mismatch"):
        checkpoint.load(path)


def test_where_it_kept_its_caches_is_forgotten(changed, tmp_path):
    def change(content):
        content["haa"]["config"]["cache"] = str(tmp_path / "elsewhere")

    _, cfg = checkpoint.load(changed(change))
    assert "cache" not in cfg


def test_one_flipped_bit_is_an_error(written, tmp_path):
    whole, rng = written.read_bytes(), random.Random(0)
    with zipfile.ZipFile(written) as archive:
        spans = [(m.header_offset + 30 + len(m.filename) + 64, m.file_size) for m in archive.infolist()]
    offsets = [start + rng.randrange(size) for start, size in rng.choices(spans, k=40) if size > 64]
    path, before = tmp_path / "flipped.ckpt", checkpoint.read(written)["state_dict"]
    refused = 0
    for offset in [*offsets, *(rng.randrange(len(whole)) for _ in range(40))]:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            content = checkpoint.read(path)
        except InputError:
            refused += 1
        else:  # a bit of what stands between the members
            assert all(torch.equal(tensor, before[name]) for name, tensor in content["state_dict"].items())
    assert refused > 40


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error(written, tmp_path, share):
    whole = written.read_bytes()
    (tmp_path / "half.ckpt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"half\.ckpt cannot be read"):
        checkpoint.read(tmp_path / "half.ckpt")


def test_a_compressed_one_is_refused(written, tmp_path):
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(tmp_path / "a.ckpt", "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    with pytest.raises(InputError, match="compressed"):
        checkpoint.read(tmp_path / "a.ckpt")


def test_training_goes_on_beside_the_checkpoint_and_deletes_nothing_elsewhere(changed, tmp_path):
    victim = tmp_path / "elsewhere" / "precious.ckpt"

    def change(content):
        for state in content["callbacks"].values():
            if "best_model_path" in state:
                state.update(
                    dirpath=str(victim.parent),
                    best_model_path=str(victim),
                    kth_best_model_path="/etc/passwd",
                    last_model_path=5,
                    best_k_models={str(victim): torch.tensor(1.0), "/etc/passwd": torch.tensor(2.0)},
                )

    path = changed(change)
    states = [s for s in checkpoint.to_resume(path)["callbacks"].values() if "best_model_path" in s]
    assert states
    for state in states:
        assert state["dirpath"] == str(tmp_path.resolve())
        assert state["best_model_path"] == str(tmp_path.resolve() / "precious.ckpt")
        assert list(state["best_k_models"]) == [state["best_model_path"]]
        assert state["kth_best_model_path"] == state["last_model_path"] == ""


def test_reading_leaves_what_was_written_alone(written):
    before = copy.deepcopy(torch.load(written, weights_only=True)["haa"])
    checkpoint.load(written)
    assert torch.load(written, weights_only=True)["haa"] == before


def test_whose_predicted_gaze_it_was_trained_with_is_in_it_and_no_other_checkpoint_is_read(changed, tmp_path):
    other = tmp_path / "other.ckpt"
    other.write_bytes(b"of somebody else")

    def change(content):
        content["haa"]["gaze_by_digest"] = "0123"
        content["haa"]["config"]["condition"] = {"_target_": "haa.conditions.Predicted", "checkpoint": str(other)}

    path = changed(change)
    main(["evaluate", f"checkpoint={path}", "trainer=debug", f"hydra.run.dir={tmp_path / 'evaluated'}"])
    assert json.loads((tmp_path / "evaluated" / "metrics.json").read_text())["gaze_by_digest"] == "0123"


@pytest.mark.parametrize("part", ["data", "condition", "loader", "task"])
@pytest.mark.parametrize("value", [10**400, None, [1], "x"])
def test_a_config_without_one_of_its_parts_is_refused(changed, part, value):
    with pytest.raises(InputError, match=rf"changed.ckpt: .*{part}"):
        checkpoint.load(changed(lambda content: content["haa"]["config"].update({part: value})))
