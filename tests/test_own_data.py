"""docs/own-data.md: its commands run, one after the other, and print what it shows, numbers aside."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.recordings.planted import PEOPLE, eyelink, truth
from tests.test_extend import bare

from haa.cli.main import main
from haa.recordings.layouts import LAYOUTS
from haa.recordings.words import HELP

PAGE = Path(__file__).parents[1] / "docs" / "own-data.md"
TINY = ["backbone=tiny", "trainer=debug", "epochs=1", "callbacks.pictures=null", "loader.batch_size=4"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def recordings(folder: Path) -> None:
    """Lay photos of two classes and the fixation report of three people, one of whom glances off a picture."""
    planted = truth(folder / "planted", pictures=16)
    for number, image in enumerate(planted.sizes):
        place = folder / "photos" / ("cat" if number % 2 else "dog") / image
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(planted.images / image, place)
    report = Path(eyelink(planted)[0]).read_text()
    first = next(iter(planted.sizes))
    report += f"{PEOPLE[0]}\t1\t50\t9000\t200\t5.0\t540.0\timages\\{first}\n"
    (folder / "report.txt").write_text(report)
    shutil.rmtree(folder / "planted")


@pytest.mark.slow
def test_the_commands_lead_from_an_export_to_a_report(tmp_path, monkeypatch, capsys):
    recordings(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    [commands], [shown] = blocks("sh"), blocks("text")
    printed = []
    for line in commands.splitlines():
        _, *words = shlex.split(line)
        if words[0] == "train":
            words += TINY
        code = None
        try:
            main(words)
        except SystemExit as end:
            code = end.code
        assert not code, line
        printed.append(capsys.readouterr().out)
    for line in shown.splitlines():
        assert bare(line) in bare(printed[0]), line
    assert "no faults found" in printed[1]
    assert len(list(Path("studies/mine").glob("*/metrics.json"))) == 6
    assert Path("studies/mine/report/index.html").is_file()
    assert Path("mine/import.html").is_file()


def test_the_page_names_every_word_and_every_program():
    text = PAGE.read_text()
    lacking = [key for key in HELP if not re.search(rf"`[^`]*\b{key.partition('.')[0]}[.=]", text)]
    assert not lacking
    for layout in LAYOUTS[:-1]:
        assert layout.name.split()[0].split("/")[0] in text.replace("WebGazer", "WebGazer predictions"), layout.name


@pytest.mark.slow
def test_one_map_for_each_picture_leads_to_a_report(tmp_path, monkeypatch, capsys):
    """Classes by name, maps as pictures and arrays: trained with them and with a control, evaluated and compared."""
    rng = np.random.default_rng(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAA_CACHE", str(tmp_path / "cache"))
    for folder in ("mine/faces", "mine/heat"):
        Path(folder).mkdir(parents=True)
    for n in range(24):
        name, (x, y) = f"{('fake', 'real')[n % 2]}_{n}", rng.integers(8, 40, 2)
        pixels = rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"mine/faces/{name}.png")
        row, column = np.mgrid[:48, :48]
        map_ = np.exp(-((row - y) ** 2 + (column - x) ** 2) / 32)
        if n % 3 == 0:
            Image.fromarray(np.uint8(255 * map_)).save(f"mine/heat/{name}.png")
        elif n % 3 == 1:
            np.save(f"mine/heat/{name}.npy", map_)
        else:
            np.savez(f"mine/heat/{name}.npz", image=pixels, heatmap=map_, label=n % 2)
    data = ["data=folder", "data.root=mine", "data.images=faces", "data.maps=heat", "data.label_pattern=(real|fake)_"]
    main(["data", "check", *data, "picture=null"])
    assert "no faults found" in capsys.readouterr().out
    arms = ["align_weight=0,0.5", "condition=human,shuffled", "seed=0", "study=maps"]
    main(["train", "-m", "task=finegrained", *data, *arms, *TINY])
    [checkpoint] = Path("studies/maps").glob("*human*/checkpoints/best.ckpt")
    main(["evaluate", f"checkpoint={checkpoint}"])
    assert re.search(r"attention_cc +-?\d", capsys.readouterr().out)
    main(["report", "studies/maps"])
    assert re.search(r"attention_cc +-?\d", capsys.readouterr().out)
