"""What a run's folder may say when the run is taken up, which may come from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from haa.cli.resume import LONGEST, MOST_BYTES, MOST_WORDS, resumed
from haa.errors import InputError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / ".hydra").mkdir()
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / "config.yaml").write_text("seed: 0")
    return folder


def keep(run: Path, *words: object) -> None:
    (run / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(words)))


def place(run: Path, checkpoint: str = "last") -> list[str]:
    return [f"resume='{run}/checkpoints/{checkpoint}.ckpt'", f"hydra.run.dir='{run}'", "hydra.mode=RUN"]


def test_a_run_is_resumed_with_the_words_that_it_was_started_with(run):
    keep(
        run, "experiment=align_vqa", "alignment=cc", "align_weight=0.5", "++alignment.sigma=0.05", "~callbacks.pictures"
    )
    again = ["experiment=align_study", "task=vqa", "loss=cc", "align_weight=0.5", "++alignment.sigma=0.05"]
    assert resumed([f"resume={run}"]) == [*again, "~callbacks.pictures", *place(run)]
    given = resumed([f"resume={run}", "alignment=kl"])
    assert given == [*again[:2], *again[3:], "~callbacks.pictures", "loss=kl", *place(run)]


def test_a_run_is_resumed_from_another_of_its_checkpoints(run):
    (run / "checkpoints" / "best.ckpt").touch()
    assert resumed([f"resume={run}/checkpoints/best.ckpt"]) == place(run, "best")


def test_where_a_folder_lay_and_what_it_cached_is_not_taken_from_it(run):
    keep(run, "output_dir=/elsewhere", "cache=/elsewhere", "study=a", "resume=/elsewhere/last.ckpt", "seed=1")
    assert resumed([f"resume={run}"]) == ["seed=1", *place(run)]
    assert resumed([f"resume={run}", f"output_dir={run}"]) == ["seed=1", *place(run)]
    with pytest.raises(InputError, match="stays in its folder"):
        resumed([f"resume={run}", "output_dir=other"])


@pytest.mark.parametrize(
    "word",
    [
        *("hydra.callbacks.a._target_=os.system", "+hydra.callbacks.z={_target_: os.system}", "hydra/launcher=joblib"),
        *(
            "hydra.searchpath=[/evil]",
            "trust=[os]",
            "+trust=[os]",
            "++trust=[os]",
            "logger=wandb",
            "logger.wandb.project=x",
        ),
        *("logger@a=wandb", "+logger={a: {_target_: x}}", "seed=${oc.env:HOME}", "data.root='${oc.env:SECRET}'"),
        *("+callbacks.x._target_=haa.run.callbacks.Pictures", "callbacks.pictures.folder=/elsewhere"),
        *("callbacks.last.dirpath=../..", "callbacks={last: {dirpath: a}}", "trainer.default_root_dir=/elsewhere"),
        *("callbacks.checkpoint.filename=a/b", "condition.checkpoint=evil.ckpt", "condition.control.checkpoint=a"),
    ],
)
def test_a_folder_does_not_say_what_is_run_or_where_is_written(run, word):
    keep(run, "seed=1", word)
    with pytest.raises(InputError, match="not taken from a folder: give it on the command line"):
        resumed([f"resume={run}"])


def test_what_a_folder_may_not_say_the_user_may(run):
    keep(run, "logger=wandb", "trust=[mine]", "condition.checkpoint=a.ckpt")
    given = ["logger=wandb", "trust=[mine]", "condition.checkpoint=a.ckpt"]
    assert resumed([f"resume={run}", *given]) == [*given, *place(run)]


@pytest.mark.parametrize(
    "content",
    [
        *("--config-dir=/evil", "-m", "seed", "=1", "seed=1\nhydra.mode=MULTIRUN", "a b=1", 5, {"a": 1}, ["a=1"], None),
        "seed=" + "1" * LONGEST,
    ],
)
def test_what_is_no_plain_word_is_refused(run, content):
    keep(run, "seed=1", content)
    with pytest.raises(InputError, match=r"overrides.yaml holds .* no word key=value"):
        resumed([f"resume={run}"])


@pytest.mark.parametrize(
    "text",
    [
        *("seed: 1", "a", "- [", "- !!python/object/apply:os.system [true]", "- a=1\n" * (MOST_WORDS + 1)),
        *("[" * 5000, "- a=" + "1" * MOST_BYTES, "\x00", b"\xff\xfe\xfa"),
    ],
)
def test_a_damaged_list_of_words_is_one_line(run, text):
    content = text if isinstance(text, bytes) else text.encode()
    (run / ".hydra" / "overrides.yaml").write_bytes(content)
    with pytest.raises(InputError, match="give the words that the run was started with") as error:
        resumed([f"resume={run}"])
    assert "\n" not in str(error.value)


def test_words_that_share_a_text_are_no_bomb(run):
    aliases = "- &a a=1\n" + "- *a\n" * 99
    (run / ".hydra" / "overrides.yaml").write_text(aliases)
    assert resumed([f"resume={run}"]) == ["a=1"] * 100 + place(run)


def test_a_finished_run_says_so(run, capsys):
    (run / "metrics.json").write_text('{"metrics": {}}')
    with pytest.raises(SystemExit) as stop:
        resumed([f"resume={run}"])
    assert stop.value.code == 0
    assert "is finished" in capsys.readouterr().out


@pytest.mark.parametrize("gone", ["checkpoints/last.ckpt", "config.yaml"])
def test_what_is_no_run_is_not_taken_up(run, gone):
    (run / gone).unlink()
    with pytest.raises(InputError, match=f"no .*{Path(gone).name} there"):
        resumed([f"resume={run}"])


@pytest.mark.parametrize("path", ["nowhere", "/", "/nowhere", "''"])
def test_a_run_that_is_not_there_is_named(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="resume="):
        resumed([f"resume={path}"])
