"""A run whose folder is damaged is a line on the page, counts as lost, and takes nothing of the others with it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tests.reporting.simulated import study_runs, write

from haa.cli.main import main
from haa.digests import signed
from haa.errors import InputError
from haa.printing.console import Console
from haa.reporting import plan, table
from haa.reporting.arms import studies
from haa.reporting.caveats import caveats, damaged, overall
from haa.reporting.collect import collect, read
from haa.reporting.gallery import gallery
from haa.reporting.page import write as write_page
from haa.reporting.verdict import claims
from haa.run_folder import Maps

HUMAN, SHUFFLED = (0.5, "human"), (0.5, "shuffled")
MADE = ("haa", "role", "label", "matched", "data", "sigma")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Four baselines, four with human gaze (4 to 7), four shuffled; each with the digests that haa writes."""
    runs = study_runs(np.random.default_rng(3), {HUMAN: 0.4, SHUFFLED: 0.0}, 4, samples=200)
    folder = write(runs, tmp_path_factory.mktemp("whole") / "runs", maps=3)
    for place in folder.iterdir():
        summary = json.loads((place / "metrics.json").read_text())
        (place / "made.json").write_text(json.dumps({key: summary[key] for key in MADE}))
        sign(place)
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "runs")


def sign(place: Path) -> None:
    path = place / "metrics.json"
    summary = json.loads(path.read_text())
    summary.pop("files", None)
    path.write_text(json.dumps(signed(place, summary)))


def change(path: Path, **values) -> None:
    load, dump = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    content = load(path.read_text())
    content.update(values)
    path.write_text(dump(content))
    if path.name == "metrics.json":
        sign(path.parent)


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def declared(shape: tuple[int, ...]) -> bytes:
    """An .npz that says that it holds an array of this shape, and does not."""
    header, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("id.npy", header.getvalue())
    return file.getvalue()


ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 60))
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{k}: &a{k}\n  <<: [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 60))
DAMAGE: list[tuple[str, bytes]] = [
    ("metrics.json", b""),
    ("metrics.json", b'{"metrics": {}}'),
    ("metrics.json", b"[1, 2]"),
    ("metrics.json", b"[" * 200_000),
    ("metrics.json", b"\xff\xfe\x00"),
    ("metrics.json", b'{"metrics": {"accuracy": NaN}}'),
    ("metrics.json", b'{"metrics": {}, "metrics": {}}'),
    ("config.yaml", b"a: ["),
    ("config.yaml", b"- 1"),
    ("config.yaml", b"[" * 100_000),
    ("config.yaml", ALIASES.encode()),
    ("config.yaml", MERGED.encode()),
    ("config.yaml", b"a: &a [*a]"),
    ("config.yaml", b"a: 1\na: 2"),
    ("config.yaml", b"a: !!python/object/apply:os.getcwd []"),
    ("config.yaml", b"#" * (2 << 20)),
    ("made.json", b"{"),
    ("samples.parquet", b"PAR1"),
    ("maps.npz", b"PK"),
]


@pytest.mark.parametrize(("name", "content"), DAMAGE, ids=[f"{name}-{content[:24]!r}" for name, content in DAMAGE])
def test_a_damaged_file_is_a_line_and_the_other_runs_are_compared(folder, name, content):
    (folder / "5" / name).write_bytes(content)
    runs, lost = read([folder])
    assert len(runs) == 11
    (line,) = damaged(lost)
    assert line.startswith("Damaged, and not compared: runs/5: ")
    assert "runs/5" in line.split(": ", 2)[2]
    assert line.endswith("run again, or take the folder away")
    assert "\n" not in line
    (study,) = studies(runs, None, lost)
    told = [text for text in caveats(study) if "counted in the answer at their worst" in text or "Damaged" in text]
    assert len(told) == 1
    assert line in overall([study], lost)


BEYOND: list[dict] = [
    {"samples": -1},
    {"samples": "200"},
    {"samples": 199},
    {"metrics": {"accuracy": "0.5"}},
    {"metrics": {"accuracy": 1e308}},
    {"metrics": {"accuracy": True}},
    {"metrics": ["accuracy"]},
    {"metrics": {"other": 0.5}},
    {"undefined": {"accuracy": -1}},
    {"undefined": {"accuracy": 1000}},
    {"faithfulness": 1e9},
    {"role": "winner"},
    {"role": "baseline"},
    {"role": ["treatment"]},
    {"label": " "},
    {"validation": "high"},
    {"sigma": []},
    {"references": [1]},
    {"references": {"centre prior": {"attention_nss": "high"}}},
    {"higher_is_better": {"accuracy": "yes"}},
    {"data": 5},
    {"split": 1},
]


@pytest.mark.parametrize("values", BEYOND, ids=str)
def test_results_that_no_run_has_are_not_believed(folder, values):
    change(folder / "5" / "metrics.json", **values)  # and signed again: what it says is wrong by itself
    runs, lost = read([folder])
    assert len(runs) == 11
    assert [run.damaged for run in lost] == [True]
    assert next(iter(values)).split("_")[0] in lost[0].error or "samples.parquet" in lost[0].error


@pytest.mark.parametrize(
    "values",
    [
        {"seed": "1"},
        {"seed": True},
        {"align_weight": "0.5"},
        {"align_weight": -0.5},
        {"align_weight": float("nan")},
        {"task": {"name": "vqa", "monitor": "val/accuracy", "mode": "most"}},
        {"task": None},
        {"data": {}},
        {"difference": -1},
        {"alignment": [1]},
    ],
    ids=str,
)
def test_a_config_of_other_kinds_is_not_believed(folder, values):
    change(folder / "5" / "config.yaml", **values)
    sign(folder / "5")
    runs, lost = read([folder])
    assert (len(runs), [run.damaged for run in lost], lost[0].run) == (11, [True], None)


def test_results_count_for_the_config_that_made_them_alone(folder):
    """A run that was killed in the folder of a finished one has left its config beside the other's results."""
    shutil.copy(folder / "9" / "config.yaml", folder / "1" / "config.yaml")
    shutil.copy(folder / "9" / "made.json", folder / "1" / "made.json")
    runs, lost = read([folder])
    assert len(runs) == 11
    assert "1/metrics.json was not made by " in lost[0].error
    assert lost[0].run is not None
    assert lost[0].run.condition == "shuffled"
    page = write_page([folder], folder / "report")
    assert "was not made by" in page.read_text()
    with (folder / "report" / "summary.csv").open() as file:
        (baseline,) = [row for row in csv.DictReader(file) if (row["metric"], row["arm"]) == ("accuracy", "baseline")]
    assert baseline["runs"] == "3"


def test_a_file_that_was_changed_or_taken_away_is_noticed(folder):
    table_ = pq.read_table(folder / "2" / "samples.parquet")
    pq.write_table(table_.slice(0, 200), folder / "2" / "samples.parquet", compression="none")
    (folder / "3" / "maps.npz").unlink()
    metrics = folder / "4" / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"samples": 200', '"samples": 201', 1))
    errors = {run.folder.name: run.error for run in read([folder])[1]}
    assert "samples.parquet" in errors.pop("2")
    assert "maps.npz" in errors.pop("3")
    assert "has changed" in errors.pop("4")
    assert not errors


def word(folder: Path) -> tuple[str, bool]:
    runs, lost = read([folder])
    (study,) = studies(runs, None, lost)
    (claim,) = claims(study)
    return claim.word, claim.overturned


def test_a_damaged_run_could_overturn_an_answer_as_a_failed_one_could(folder):
    assert word(folder) == ("gaze helps", False)
    healthy = shutil.copytree(folder, folder.parent / "failed")
    (folder / "5" / "samples.parquet").write_bytes(b"PAR1")
    (study,) = studies(*read([folder])[:1], None, read([folder])[1])
    assert study.of("treatment")[0].lost == {1: "damaged"}
    assert not study.astray
    (healthy / "5" / "metrics.json").unlink()
    assert word(folder) == word(healthy) == ("inconclusive", True)


def test_a_damaged_run_of_no_known_arm_could_have_been_of_any(folder):
    (folder / "5" / "config.yaml").write_bytes(b"\x00")
    assert word(folder) == ("inconclusive", True)
    runs, lost = read([folder])
    (study,) = studies(runs, None, lost)
    assert study.astray == [str(folder / "5")]
    (text,) = [text for text in caveats(study) if "nothing says of which condition" in text]
    assert str(folder / "5") in text
    shutil.rmtree(folder / "5")
    assert not any("Damaged" in text for text in caveats(*studies(collect([folder]))))


def test_a_damaged_run_that_fits_no_study_is_not_harmless(folder):
    change(folder / "5" / "config.yaml", epochs=26)  # one flipped bit
    runs, lost = read([folder])
    (study,) = studies(runs, None, lost)
    assert study.astray == [str(folder / "5")]


def test_the_console_says_it_too(folder):
    (folder / "5" / "maps.npz").write_bytes(b"")
    for print_ in (table.show, lambda folders, console: plan.show(folders, 0.2, console=console)):
        out = io.StringIO()
        print_([folder], console=Console(file=out, width=200))
        assert "Damaged, and not compared: runs/5: " in out.getvalue()


def test_of_damaged_runs_alone_the_first_is_named(folder):
    for place in folder.iterdir():
        (place / "metrics.json").write_text("{")
    with pytest.raises(InputError, match=r"no finished run .* is damaged: .*metrics.json cannot be read"):
        collect([folder])


def test_what_is_no_file_is_not_waited_for(folder):
    import os

    (folder / "5" / "metrics.json").unlink()
    os.mkfifo(folder / "5" / "metrics.json")
    (folder / "6" / "metrics.json").unlink()
    (folder / "6" / "metrics.json").mkdir()
    (folder / "7" / "metrics.json").unlink()
    (folder / "7" / "metrics.json").symlink_to("/dev/zero")
    runs, lost = read([folder])
    assert len(runs) == 9
    assert all(run.damaged for run in lost)
    assert len(lost) == 3


def old(place: Path) -> Path:
    """A run of before digests were kept."""
    path = place / "metrics.json"
    summary = json.loads(path.read_text())
    del summary["files"]
    path.write_text(json.dumps(summary))
    return place


ROWS = 200
IDS = np.arange(ROWS).astype(str)
TABLES = {
    "other ids": {"id": [None] * ROWS, "accuracy": np.ones(ROWS)},
    "ids twice": {"id": ["a"] * ROWS, "accuracy": np.ones(ROWS)},
    "numbers as ids": {"id": np.arange(ROWS), "accuracy": np.ones(ROWS)},
    "no ids": {"accuracy": np.ones(ROWS)},
    "texts as values": {"id": IDS, "accuracy": IDS},
    "no values": {"id": IDS, "accuracy": [None] * ROWS},
    "lists": {"id": IDS, "accuracy": [[1.0]] * ROWS},
    "absurd": {"id": IDS, "accuracy": np.full(ROWS, 1e308)},
    "infinite": {"id": IDS, "accuracy": np.full(ROWS, -np.inf)},
    "fewer": {"id": IDS[:-1], "accuracy": np.ones(ROWS - 1)},
    "many": {"id": pa.array(["a"] * 1000).dictionary_encode(), "accuracy": np.ones(1000)},
    "long ids": {"id": [f"{k}{'x' * 500_000}" for k in range(3)] + IDS[3:].tolist(), "accuracy": np.ones(ROWS)},
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_old_runs_are_held_against_what_they_should_be(folder, name):
    pq.write_table(pa.table(TABLES[name]), old(folder / "5") / "samples.parquet")
    runs, lost = read([folder])
    assert len(runs) == 11
    assert "samples.parquet cannot be read" in lost[0].error


@pytest.mark.parametrize(
    "content",
    [
        b"epoch,val/accuracy\nx,y\n",
        b"epoch,val/accuracy\n-1,0.5\n",
        b"epoch,val/accuracy\n99999999999,0.5\n",
        b"epoch,val/accuracy\n1,0.5,7\n",
        b"val/accuracy\n0.5\n",
        b"\xff\xfe",
        b'epoch,val/accuracy\n1,"0.5',
    ],
)
def test_curves_are_held_against_what_they_should_be(folder, content):
    (folder / "5" / "metrics.csv").write_bytes(content)
    runs, lost = read([folder])
    assert len(runs) == 11
    assert "metrics.csv cannot be read" in lost[0].error


def pictures() -> dict[str, bytes]:
    from PIL import Image

    file, gif = io.BytesIO(), io.BytesIO()
    Image.new("L", (4000, 4000)).save(file, "JPEG")
    Image.new("L", (4, 4)).save(gif, "GIF")
    return {"large": file.getvalue(), "gif": gif.getvalue(), "cut": file.getvalue()[:200], "none": b"x"}


MAPS = {
    "objects": npz(id=np.array([{}], dtype=object)),
    "declared": declared((1 << 40,)),
    "negative": declared((-1,)),
    "other arrays": npz(id=np.array(["a"])),
    "cut": npz(id=np.zeros(1000))[:-900],
}


@pytest.mark.parametrize("name", [*MAPS, *pictures(), "shapes", "kinds", "infinite"])
def test_pictures_of_an_old_run_that_are_damaged_are_left_out(folder, name):
    path = old(folder / "4") / "maps.npz"
    maps = vars(Maps.load(path))
    if name in pictures():
        maps["image"] = np.array([pictures()[name]] * 3)
    changed = {
        "shapes": {"machine": maps["machine"][:1]},
        "kinds": {"human": maps["human"].astype(str)},
        "infinite": {"machine": maps["machine"] * np.inf},
    }
    path.write_bytes(MAPS[name] if name in MAPS else npz(**{**maps, **changed.get(name, {})}))
    runs, lost = read([folder])
    (study,) = studies(runs, None, lost)
    sections, left_out = gallery(study, study.arms, study.of("treatment")[0])
    assert len(left_out) == 1
    assert left_out[0].startswith(f"{path} cannot be read")
    headings = {cell.heading for section in sections for sample in section.samples for cell in sample.cells}
    assert headings >= {"image", "no alignment"}
    assert "human, weight 0.5" not in headings


def test_a_report_that_cannot_be_written_says_so(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/x cannot be written \(Not a directory\)"):
        write_page([folder], tmp_path / "file" / "x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "figures").touch()
    with pytest.raises(InputError, match=r"figures cannot be written \(File exists\)"):
        write_page([folder], tmp_path / "out")


def test_of_damaged_runs_alone_there_is_a_page_too(folder, tmp_path):
    """The status is 1 all the same: nothing was compared."""
    for place in folder.iterdir():
        (place / "metrics.json").write_text("{")
    with pytest.raises(SystemExit, match="no finished run"):
        main(["report", str(folder), f"output={tmp_path / 'out'}"])
    assert (tmp_path / "out" / "index.html").read_text().count("Damaged, and not compared: runs/") == 12
    assert (tmp_path / "out" / "summary.csv").read_text().startswith("study,metric")
    for place in folder.iterdir():
        (place / "metrics.json").unlink()
    with pytest.raises(SystemExit, match="no finished run"):
        main(["report", str(folder), f"output={tmp_path / 'none'}"])
    assert not (tmp_path / "none").exists()
