"""`haa predict`: maps at native size, resumable, atomic, honest about what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import grid_sample, interpolate

from haa import checkpoint
from haa.cli import main as cli
from haa.data.files.density import read_density

SMALL = (
    "trainer=debug",
    "data.train=8",
    "data.val=4",
    "data.test=4",
    "loader.batch_size=4",
    "callbacks.pictures=null",
    "cache=null",
)


def where_cells_look(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A map of the tiny backbone on a picture: its cells lie about the pixels 0, 8 ... 56 of 64."""
    y, x = (((torch.arange(side) + 0.5) / side * 64 + 3.5) / 64 * 2 - 1 for side in size)
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
    return grid_sample(maps[:, None], places, padding_mode="border", align_corners=False)[0, 0]


def trained(task: str, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(task)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["haa"])
        cli.main(["train", f"task={task}", "hydra.run.dir=run", "loader.transform.size=[64,64]", *SMALL])
    return folder / "run" / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="module")
def saliency(tmp_path_factory):
    return trained("saliency", tmp_path_factory)


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    for name, size in (("a.png", (40, 60)), ("b.jpg", (90, 50)), ("deep/c.png", (64, 64))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def predict(monkeypatch, tmp_path):
    def run(*overrides: str) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["haa"])
        cli.main(["predict", *overrides])

    return run


def test_a_saliency_models_density_at_each_images_size(saliency, images, predict, tmp_path):
    words = (f"checkpoint={saliency}", f"images={images}", "device=cpu")
    predict(*words, "output=png")
    predict(*words, "output=png16", "format=png16")
    predict(*words, "output=npz", "format=npz", "batch_size=1")
    module, _ = checkpoint.load(saliency)
    for name in ("a.png", "b.jpg", "deep/c.png"):
        with Image.open(images / name) as file:
            pixels = torch.from_numpy(np.array(file.convert("RGB"))).permute(2, 0, 1)
        small = interpolate(pixels[None].float(), (64, 64), mode="bilinear", antialias=True).round() / 255
        with torch.no_grad():
            log_density, attention = module.model.eval()(small)
        expected = interpolate(log_density[:, None], pixels.shape[1:], mode="bilinear")[0, 0].exp().numpy()
        arrays = np.load((tmp_path / "npz" / name).with_suffix(".npz"))
        assert arrays["saliency"].shape == tuple(pixels.shape[1:])
        assert arrays["saliency"].sum() == pytest.approx(1, abs=1e-4)
        np.testing.assert_allclose(arrays["saliency"], expected / expected.sum(), rtol=2e-2)
        gate = where_cells_look(attention, pixels.shape[1:]).numpy()
        np.testing.assert_allclose(arrays["attention"], gate / gate.sum(), rtol=2e-2)
        for kind in ("saliency", "attention"):
            for form, mode, white in (("png", "L", 255), ("png16", "I;16", 65535)):
                path = (tmp_path / form / kind / name).with_suffix(".png")
                with Image.open(path) as file:
                    assert file.mode == mode
                    levels = np.array(file).astype(float)
                peaked = arrays[kind] / arrays[kind].max()
                np.testing.assert_allclose(levels / white, peaked, atol=0.6 / white + 1e-5)
                read = read_density(path).numpy()
                np.testing.assert_allclose(read / read.max(), peaked, atol=0.6 / white + 1e-5)
        read = read_density((tmp_path / "npz" / name).with_suffix(".npz")).numpy()
        np.testing.assert_array_equal(read, arrays["saliency"])


def test_a_second_run_does_what_is_missing_and_nothing_else(saliency, images, predict, tmp_path, capsys):
    words = (f"checkpoint={saliency}", f"images={images}", "output=maps", "device=cpu")
    predict(*words)
    files = sorted(path for path in (tmp_path / "maps").rglob("*.png"))
    times = {path: path.stat().st_mtime_ns for path in files}
    gone = tmp_path / "maps" / "attention" / "b.png"
    gone.unlink()
    capsys.readouterr()
    predict(*words)
    assert "of 1 images in maps, 2 were there" in " ".join(capsys.readouterr().out.split())
    after = {path: path.stat().st_mtime_ns for path in files}
    assert {path for path in files if after[path] != times[path]} == {gone, tmp_path / "maps" / "saliency" / "b.png"}
    assert not list((tmp_path / "maps").rglob("*.partial"))
    with pytest.raises(SystemExit, match="another checkpoint, format or question"):
        predict(*words, "format=npz")


def test_a_truncated_image_is_named_or_counted(saliency, images, predict, tmp_path, capsys):
    whole = (images / "b.jpg").read_bytes()
    (images / "b.jpg").write_bytes(whole[: len(whole) // 2])
    words = (f"checkpoint={saliency}", f"images={images}", "output=maps", "device=cpu")
    with pytest.raises(SystemExit, match=r"b\.jpg cannot be decoded .*on_error=skip"):
        predict(*words)
    predict(*words, "on_error=skip")
    assert list(json.loads((tmp_path / "maps" / "skipped.json").read_text())) == ["b.jpg"]
    assert "1 could not be read" in capsys.readouterr().out
    assert len(list((tmp_path / "maps" / "saliency").rglob("*.png"))) == 2


@pytest.mark.slow
def test_other_tasks_write_their_attention(images, predict, tmp_path, tmp_path_factory):
    checkpoints = {task: trained(task, tmp_path_factory) for task in ("captioning", "vqa", "sos", "finegrained")}
    for task in ("sos", "finegrained"):
        predict(f"checkpoint={checkpoints[task]}", f"images={images}", f"output={task}", "device=cpu")
    predict(f"checkpoint={checkpoints['captioning']}", f"images={images}", "output=captioning", "device=cpu")
    with pytest.raises(SystemExit, match="question="):
        predict(f"checkpoint={checkpoints['vqa']}", f"images={images}", "output=vqa")
    predict(f"checkpoint={checkpoints['vqa']}", f"images={images}", "output=vqa", "question='what colour is the star?'")
    for task in checkpoints:
        assert len(list((tmp_path / task / "attention").rglob("*.png"))) == 3
        assert not (tmp_path / task / "saliency").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["images=nowhere"], "nowhere is not a folder"),
        (["images=."], "output is missing"),
        (["images=.", "output=maps", "format=tiff"], "there are png, png16, npz"),
        (["images=.", "output=maps", "imges=x"], "did you mean images"),
        (["images=.", "output=maps", "batch_size=two"], "batch_size=two: give a whole number from 1 on"),
        (["images=.", "output=maps", "num_workers=-1"], "num_workers=-1: give a whole number from 0 on"),
    ],
)
def test_what_is_wrong_is_named(saliency, predict, overrides, message):
    more = ["output=maps"] if overrides == ["images=nowhere"] else []
    with pytest.raises(SystemExit, match=message):
        predict(f"checkpoint={saliency}", *overrides, *more)


def test_a_folder_whose_note_is_damaged_says_so(saliency, images, predict, tmp_path):
    (tmp_path / "maps").mkdir()
    for content in ("{", "[" * 100_000, "[1]", '{"checkpoint": NaN}'):
        (tmp_path / "maps" / "predict.json").write_text(content)
        with pytest.raises(SystemExit, match=r"predict\.json cannot be read \(.*give another folder"):
            predict(f"checkpoint={saliency}", f"images={images}", "output=maps", "device=cpu")


def test_what_cannot_be_written_is_one_line(saliency, images, predict, tmp_path):
    (tmp_path / "file").touch()
    words = (f"checkpoint={saliency}", f"images={images}", "device=cpu")
    with pytest.raises(SystemExit, match=r"file/maps cannot be written \(Not a directory\)"):
        predict(*words, "output=file/maps")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "attention").touch()
    with pytest.raises(SystemExit, match="attention cannot be written"):
        predict(*words, "output=maps")


def test_images_of_odd_names_are_written_and_those_skipped_are_named(saliency, predict, tmp_path, capsys):
    folder = tmp_path / "odd"
    folder.mkdir()
    names = ["$a_^.png", "[bold]x.png", "\x1b[31mred.png", "two\nlines.png", "ü😀.png", "a.b.c.png", "-=1.png"]
    for name in names:
        Image.new("RGB", (8, 6)).save(folder / name)
    for number in range(12):
        (folder / f"[b]{number}\x07.jpg").write_bytes(b"no image")
    words = (f"checkpoint={saliency}", "images=odd", "output=maps", "device=cpu", "on_error=skip")
    predict(*words)
    for name in names:
        assert (tmp_path / "maps" / "saliency" / name).is_file()
    said = capsys.readouterr().out
    assert not set(said) & {"\x1b", "\x07"}
    assert "    [b]0\\x07.jpg" in said
    assert "and 2 more" in said
    assert len(json.loads((tmp_path / "maps" / "skipped.json").read_text())) == 12
    for path in folder.glob("*.jpg"):
        path.unlink()
    predict(*words)
    assert not (tmp_path / "maps" / "skipped.json").exists()  # it would tell of an earlier call
