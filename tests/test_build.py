"""From a config to objects: what is checked is what is built."""

from __future__ import annotations

import functools

import pytest
import torch
from omegaconf import OmegaConf

from haa import build
from haa.errors import InputError


def test_a_config_is_resolved_once():
    cfg = build.checked(OmegaConf.create({"a": "${b}", "b": {"c": [1, "x"]}, "d": "${oc.env:HOME}"}))
    assert OmegaConf.to_container(cfg, resolve=False)["a"] == {"c": [1, "x"]}
    assert "${" not in OmegaConf.to_yaml(cfg)


@pytest.mark.parametrize("text", ["\\${oc.env:HOME}", "\\${oc.create:'{_target_: os.system}'}", "a \\${b} c"])
@pytest.mark.parametrize(
    "where", [lambda t: {"data": {"x": t}}, lambda t: {"list": [{"x": t}]}, lambda t: {"x": [[t]]}]
)
def test_a_text_that_the_next_reader_would_resolve_is_refused(text, where):
    with pytest.raises(InputError, match="after it was resolved"):
        build.checked(OmegaConf.create(where(text)))


@pytest.mark.parametrize("text", ["${nothing}", "${oc.env:HAA_NO_SUCH_VARIABLE}", "${no_resolver:1}"])
def test_what_cannot_be_resolved_is_named(text):
    with pytest.raises(InputError, match=r"a\.x cannot be resolved"):
        build.checked(OmegaConf.create({"a": {"x": text}}))


def test_a_node_builds_what_lies_within_it():
    alignment = build.make(
        {
            "_target_": "haa.alignment.Alignment",
            "loss": {
                "_target_": "haa.losses.Weighted",
                "losses": {"kl": {"_target_": "haa.losses.kl_divergence", "_partial_": True}},
                "weights": {"kl": 2.0},
            },
            "weight": 0.5,
        }
    )
    assert alignment.weight == 0.5
    inner = alignment.loss.losses["kl"]
    assert isinstance(inner, functools.partial)
    assert inner.func.__name__ == "kl_divergence"


def test_arguments_given_as_objects_win_and_partial_waits():
    later = build.make({"_target_": "torch.optim.SGD", "lr": 0.1}, _partial_=True)
    assert isinstance(later, functools.partial)
    assert later.keywords == {"lr": 0.1}
    assert build.make(None) is None


def test_what_a_class_refuses_is_an_error_of_the_input():
    with pytest.raises(InputError, match=r"haa.alignment.Alignment: alignment needs weight >= 0"):
        build.make({"_target_": "haa.alignment.Alignment", "weight": -1})


@pytest.mark.parametrize("key", ["_args_", "_recursive_"])
def test_keys_that_change_what_a_node_means_are_refused(key):
    cfg = OmegaConf.create({"model": {"_target_": "torch.nn.Identity", key: []}})
    with pytest.raises(InputError, match=f"model.{key} is not understood"):
        build.checked(cfg)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "", "cpu:x"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name):
    with pytest.raises(InputError, match=rf"^device={name} is not there \(.*\): choose cpu") as error:
        build.device(name)
    assert "\n" not in str(error.value)


def test_without_a_name_the_device_is_an_accelerator_or_the_processor():
    best = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert build.device(None) == best
