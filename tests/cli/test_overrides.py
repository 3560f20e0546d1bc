from __future__ import annotations

import pytest

from haa.cli.overrides import modern, open_signatures, shown


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ("alignment=cc align_weight=0.5", "loss=cc align_weight=0.5"),
        ("-m alignment=kl,cc seed=0", "-m loss=kl,cc seed=0"),
        ("alignment=choice(kl,cc)", "loss=choice(kl,cc)"),
        ("+hydra.sweeper.params.alignment=kl,cc", "+hydra.sweeper.params.loss=kl,cc"),
        # keys of the node are what they were
        ("alignment.sigma=0.05 alignment.loss.weights.nss=0.2", "alignment.sigma=0.05 alignment.loss.weights.nss=0.2"),
        ("+alignment.loss.losses.mine={a:1}", "+alignment.loss.losses.mine={a:1}"),
        ("alignment={sigma:0.05}", "alignment={sigma:0.05}"),
        ("experiment=align_vqa study=mine", "experiment=align_study task=vqa study=mine"),
        ("task=sos experiment=align_vqa", "task=sos experiment=align_study"),
        ("experiment=align_captioning", "experiment=align_study task=captioning"),
        ("experiment=align_saliency", "experiment=align_study task=saliency faithfulness=0"),
        ("experiment=align_saliency faithfulness=8", "experiment=align_study task=saliency faithfulness=8"),
        ("experiment=align_sos", "experiment=align_study task=sos"),
        ("experiment=align_finegrained", "experiment=align_study task=finegrained"),
        ("experiment=align_action", "experiment=align_study task=action"),
        ("experiment=align_study loss=cc", "experiment=align_study loss=cc"),
    ],
)
def test_old_words_are_said_in_todays(old, today):
    assert modern(old.split()) == today.split()


def test_show_takes_a_list_of_samples_and_a_task():
    assert shown(["data=osie", "index=0,1,2", "task=vqa"]) == ["data=osie", "index=[0,1,2]", "task.name=vqa"]
    assert shown(["index=[4]", "index=5"]) == ["index=[4]", "index=[5]"]


@pytest.mark.parametrize("word", ["recipe=short", "epochs=3", "lr=0.1", "loss=cc", "recipe/task=shapes_sos"])
def test_keys_of_groups_are_known(word):
    assert open_signatures("train", [word]) == [word]


def test_an_argument_that_yaml_leaves_out_can_be_set():
    assert open_signatures("train", ["alignment.sigma=0.05"]) == ["++alignment.sigma=0.05"]
