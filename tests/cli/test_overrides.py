from __future__ import annotations

import pytest

from haa.cli.overrides import modern, open_signatures, resumed, shown


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


def test_a_run_is_resumed_with_the_words_that_it_was_started_with(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    (tmp_path / ".hydra").mkdir()
    stored = "- experiment=align_vqa\n- alignment=cc\n- align_weight=0.5\n- ++alignment.sigma=0.05\n"
    (tmp_path / ".hydra" / "overrides.yaml").write_text(stored)
    place = [f"resume='{tmp_path}/checkpoints/last.ckpt'", f"hydra.run.dir='{tmp_path}'", "hydra.mode=RUN"]
    again = ["experiment=align_study", "task=vqa", "loss=cc", "align_weight=0.5", "++alignment.sigma=0.05"]
    assert resumed([f"resume={tmp_path}"]) == [*again, *place]
    assert resumed([f"resume={tmp_path}", "alignment=kl"]) == [*again[:2], *again[3:], "loss=kl", *place]


def test_show_takes_a_list_of_samples_and_a_task():
    assert shown(["data=osie", "index=0,1,2", "task=vqa"]) == ["data=osie", "index=[0,1,2]", "task.name=vqa"]
    assert shown(["index=[4]", "index=5"]) == ["index=[4]", "index=[5]"]


@pytest.mark.parametrize("word", ["recipe=short", "epochs=3", "lr=0.1", "loss=cc", "recipe/task=shapes_sos"])
def test_keys_of_groups_are_known(word):
    assert open_signatures("train", [word]) == [word]


def test_an_argument_that_yaml_leaves_out_can_be_set():
    assert open_signatures("train", ["alignment.sigma=0.05"]) == ["++alignment.sigma=0.05"]
