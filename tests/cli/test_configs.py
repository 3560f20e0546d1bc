"""What the yamls in conf/ compose to, against tables written by hand."""

from __future__ import annotations

import json

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import MissingConfigException
from omegaconf import OmegaConf

from haa.cli.overrides import conf, modern, open_signatures

TASKS = ["action", "captioning", "finegrained", "saliency", "sos", "vqa"]

# batch size and size of the image of each data set; None: that of the stimulus
LOADER = {
    "actions_in_the_eye": (4, [112, 208]),
    "air_d": (32, 224),
    "capgaze": (16, [384, 512]),
    "cat2000": (16, [288, 512]),
    "coco_captions": (32, 224),
    "coco_search18": (16, [320, 512]),
    "cub": (32, 224),
    "cxr_p": (16, 224),
    "daquar": (64, 224),
    "dhf1k": (4, [112, 200]),
    "dut_omron": (16, 224),
    "duts": (16, 224),
    "ecssd": (16, 224),
    "egd_cxr": (16, 224),
    "egtea": (4, [120, 160]),
    "flickr": (32, 224),
    "folder": (32, 224),
    "gaze_med_seg": (16, 224),
    "gaze_search": (16, 224),
    "hollywood2": (4, [112, 208]),
    "huggingface_dataset": (32, 224),
    "mit1003": (16, [384, 512]),
    "osie": (16, [384, 512]),
    "pascal_s": (16, 224),
    "reflacx": (16, 224),
    "salicon": (16, [384, 512]),
    "shapes": (32, None),
    "ucf_sports": (4, 112),
    "video_folder": (4, 112),
    "vqa_hat": (64, 224),
    "vqa_v2": (64, 224),
    "webdataset": (32, 224),
}
VIDEOS = {"actions_in_the_eye", "dhf1k", "egtea", "hollywood2", "ucf_sports", "video_folder"}
EPOCHS_ON_SHAPES = {"action": 8, "captioning": 25, "finegrained": 25, "saliency": 25, "sos": 10, "vqa": 25}


def composed(*words: str, name: str = "train"):
    with initialize_config_dir(str(conf()), version_base="1.3"):
        return compose(name, open_signatures(name, modern(list(words))), return_hydra_config=True)


def test_every_data_set_is_in_the_table():
    assert sorted(path.stem for path in conf().glob("data/*.yaml")) == list(LOADER)
    assert sorted(path.stem for path in conf().glob("task/*.yaml")) == TASKS


@pytest.mark.parametrize("data", LOADER)
def test_the_recipe_of_a_task_on_data(data):
    """Every task on one set of each kind; on the others saliency, of which videos are frames, VQA, and one in turn."""
    every = data in ("dhf1k", "osie", "shapes")
    for task in TASKS if every else {"saliency", "vqa", TASKS[list(LOADER).index(data) % len(TASKS)]}:
        cfg = composed(f"task={task}", f"data={data}", "data.root=x")
        epochs, lr = (EPOCHS_ON_SHAPES[task], 3e-3) if data == "shapes" else (10, 1e-3)
        assert (cfg.epochs, cfg.lr) == (epochs, lr)
        assert (cfg.trainer.max_epochs, cfg.optimizer.lr) == (epochs, lr)
        batch_size, size = LOADER[data]
        frames = data in VIDEOS and task == "saliency"
        assert cfg.loader.batch_size == (32 if frames else batch_size)
        assert cfg.loader.transform.get("size") == size
        assert cfg.data.get("frames") == (1 if frames else None)
        assert "epochs_on_shapes" not in cfg.task


def test_a_task_says_what_it_says_on_its_own_data():
    assert {task: composed(f"task={task}").epochs for task in TASKS} == EPOCHS_ON_SHAPES


@pytest.mark.parametrize(
    ("words", "epochs", "lr"),
    [
        ("task=sos epochs=3", 3, 3e-3),
        ("task=sos lr=0.5", 10, 0.5),
        ("task=sos recipe=short", 10, 1e-3),
        ("task=sos recipe=default", 25, 1e-3),
        ("task=vqa data=osie recipe=shapes", 25, 3e-3),
        ("task=vqa data=osie recipe=shapes epochs=2 lr=1", 2, 1),
        ("experiment=conditions", 20, 3e-3),
        ("experiment=conditions epochs=4", 4, 3e-3),
    ],
)
def test_words_of_the_command_line_win(words, epochs, lr):
    cfg = composed(*words.split())
    assert (cfg.epochs, cfg.lr) == (epochs, lr)


@pytest.mark.parametrize(
    ("text", "epochs", "lr"),
    [
        ("{}", 25, 1e-3),
        ("{epochs: 5}", 5, 1e-3),
        ("{defaults: [override /recipe: short], lr: 1}", 10, 1),
        ("{defaults: [shapes, _self_], epochs: 5}", 5, 3e-3),
    ],
)
def test_data_of_ones_own_may_choose_a_recipe_or_not(tmp_path, text, epochs, lr):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    for task in ("vqa", "sos"):
        cfg = composed(f"task={task}", "data=mine", f"hydra.searchpath=[file://{tmp_path}]")
        assert (cfg.epochs, cfg.lr) == (epochs, lr)


LOSSES = {
    "cc": "correlation",
    "cosine": "cosine",
    "information_gain": "information_gain",
    "jensen_shannon": "jensen_shannon",
    "kl": "kl_divergence",
    "mse": "mse",
    "nss": "nss",
    "pyramid_mse": "pyramid_mse",
    "ranking": "ranking",
    "right_reasons": "right_reasons",
    "similarity": "similarity",
}


def alignment(*words: str):
    return OmegaConf.to_container(composed(*words, "align_weight=0.5").alignment, resolve=True)


@pytest.mark.parametrize("option", LOSSES)
def test_a_loss_is_chosen_by_a_word(option):
    loss = {"_target_": f"haa.losses.{LOSSES[option]}", "_partial_": True}
    expected = {"_target_": "haa.alignment.Alignment", "weight": 0.5, "loss": loss}
    assert alignment(f"loss={option}") == alignment(f"alignment={option}") == expected


def test_kl_is_the_default_and_has_two_directions():
    assert alignment() == alignment("loss=kl")
    assert alignment("loss=kl_reverse")["loss"] == {**alignment("loss=kl")["loss"], "reverse": True}
    assert sorted(path.stem for path in conf().glob("loss/*.yaml")) == sorted([*LOSSES, "kl_reverse", "sum"])


def test_a_weighted_sum_of_losses():
    assert alignment("loss=sum")["loss"]["weights"] == {"kl": 1.0, "cc": 0.1, "nss": 0.1}
    words = (
        "alignment=sum",
        "alignment.loss.weights.nss=0.2",
        "+alignment.loss.losses.mine={_target_: haa.losses.mse}",
    )
    loss = alignment(*words)["loss"]
    assert loss["weights"] == {"kl": 1.0, "cc": 0.1, "nss": 0.2}
    assert list(loss["losses"]) == ["kl", "cc", "nss", "mine"]


def test_schedule_and_width_stand_beside_the_loss():
    node = alignment("weight_schedule=linear_warmup", "loss=cc", "alignment.sigma=0.05", "alignment.schedule.share=0.5")
    assert node == {
        "_target_": "haa.alignment.Alignment",
        "weight": 0.5,
        "loss": {"_target_": "haa.losses.correlation", "_partial_": True},
        "schedule": {"_target_": "haa.alignment.schedule.linear_warmup", "_partial_": True, "share": 0.5},
        "sigma": 0.05,
    }


@pytest.mark.parametrize("task", TASKS)
def test_an_old_experiment_is_the_align_study_of_its_task(task):
    cfg = composed(f"experiment=align_{task}")
    assert cfg.task.name == task
    assert cfg.faithfulness == (0 if task == "saliency" else 32)
    assert cfg.hydra.sweeper.params == {"seed": "0,1,2", "condition": "human,shuffled", "align_weight": "0,0.1,0.5"}
    assert cfg.hydra.mode.name == "MULTIRUN"


@pytest.mark.parametrize(
    ("name", "word"), [("train", "experiment=typo"), ("evaluate", "data=typo"), ("show", "data=typo")]
)
def test_an_option_that_is_not_there_is_refused(name, word):
    with pytest.raises(MissingConfigException, match="typo"):
        composed(word, name=name)


@pytest.mark.parametrize("name", ["evaluate", "show"])
@pytest.mark.parametrize("data", ["shapes", "osie"])
def test_commands_that_train_nothing_take_data_with_a_recipe(name, data):
    assert composed(f"data={data}", name=name).loader.batch_size == LOADER[data][0]


def test_a_sweep_is_a_study_unless_an_experiment_says_otherwise():
    hydra = composed("task=vqa", "study=mine").hydra
    assert hydra.sweeper["_target_"] == "hydra_plugins.haa_study.StudySweeper"
    assert hydra.sweep.dir == "studies/mine"
    assert "Optuna" in composed("experiment=weight_search").hydra.sweeper["_target_"]


@pytest.mark.slow
def test_a_study_begun_with_old_words_finds_its_folders(haa, capsys):
    small = (
        "data.train=8",
        "data.val=8",
        "data.test=8",
        "trainer=debug",
        "callbacks.pictures=null",
        "align_weight=0.5",
    )
    folder = haa("train", "-m", *small, "loss=kl,cc")
    today, old = "loss=cc,align_weight=0.5", "alignment=cc,align_weight=0.5"
    assert sorted(path.parent.name for path in folder.glob("*/metrics.json")) == [today, "loss=kl,align_weight=0.5"]
    (folder / today).rename(folder / old)
    for sweep in ("loss=kl,cc", "alignment=kl,cc", "+hydra.sweeper.params.alignment='kl,cc'"):
        capsys.readouterr()
        haa("train", "-m", *small, sweep)
        assert "2 runs" in (out := capsys.readouterr().out)
        assert "2 finished before" in out
        assert json.loads((folder / "study.json").read_text())["runs"] == ["loss=kl,align_weight=0.5", old]
