"""``haa doctor``: what it says, and what it never says."""

from __future__ import annotations

import json
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

import haa
from haa.cli.main import main
from haa.doctor import machine, packages, places
from haa.doctor.examine import examine, text

ROOT = Path(__file__).parents[2]


def hatchlings(file: Path) -> list[str]:
    """Return the requirements of a pyproject.toml as hatchling writes them."""
    project = tomllib.loads(file.read_text())["project"]
    extras = [(name, each) for name, asked in project["optional-dependencies"].items() for each in asked]
    return [*project["dependencies"], *(f'{each}; extra == "{name}"' for name, each in extras)]


@pytest.fixture
def installed(monkeypatch):
    """Put the project's own requirements in the place of what pip has written, and versions in a dict."""
    asked = {"haa": hatchlings(ROOT / "pyproject.toml"), "haa-core": hatchlings(ROOT / "core" / "pyproject.toml")}
    monkeypatch.setattr(metadata, "requires", asked.__getitem__)
    versions = {Requirement(line).name: "999" for line in asked["haa"]}
    versions |= {"hydra-core": "1.3.8", "omegaconf": "2.3.1", "haa": haa.__version__}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    return versions


def test_all_is_well_where_everything_is_installed(installed):
    found = examine()
    assert found["faults"] == []
    assert found["devices"]["torch"] == torch.__version__
    assert found["packages"]["torch"] == {"version": "999", "wrong": None}
    assert {each["install"] for each in found["extras"].values()} == {None}
    assert list(found["extras"]["recordings"]["packages"]) == ["pymovements", "h5py"]


def test_an_extra_that_is_missing_is_told_with_the_line_that_installs_it(installed):
    del installed["hydra-ray-launcher"]
    found = examine()
    assert found["faults"] == []
    assert "ray           missing: pip install 'haa[ray]'" in text(found)


def test_what_has_to_be_cured_is_told(installed):
    installed |= {"haa-core": haa.__version__, "omegaconf": "2.4.0"}
    del installed["timm"]
    faults = "\n".join(examine()["faults"])
    assert "omegaconf 2.4.0 is not <2.4,>=2.3, timm is not installed: run `pip install haa`" in faults
    assert "haa and haa-core have the same files: run `pip uninstall -y haa haa-core`" in faults


def test_haa_core_alone_is_no_fault(installed):
    for name in ("haa", "hydra-core", "pytorch-lightning", "wandb"):
        del installed[name]
    installed["haa-core"] = haa.__version__
    del installed["pot"]
    found = examine()
    assert found["faults"] == []
    assert set(found["packages"]) == {"torch", "torchmetrics", "numpy", "scipy", "jaxtyping", "packaging"}
    assert "commands        none, since haa-core is here alone: pip install haa" in text(found)
    assert "emd           missing: pip install 'haa-core[emd]'" in text(found)


def test_a_torch_that_cannot_be_imported_is_told(installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = examine()
    assert found["devices"]["fault"].startswith("ModuleNotFoundError")
    assert "torch cannot be imported" in found["faults"][0]
    assert "fault: torch cannot be imported" in text(found)


def test_no_key_and_no_home_is_written(installed, monkeypatch, tmp_path, capsys):
    home = tmp_path / "somebody"
    (home / ".cache" / "huggingface").mkdir(parents=True)
    (home / ".cache" / "huggingface" / "token").write_text("hf_secret")
    (home / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password secret_of_netrc\n")
    (home / ".netrc").chmod(0o600)
    for name in ("XDG_CACHE_HOME", "HF_HOME", "NETRC", "WANDB_BASE_URL", "HF_TOKEN", "HAA_CACHE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    main(["doctor", "--json"])
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert found["accounts"] == {"wandb": "~/.netrc", "huggingface": "~/.cache/huggingface/token"}
    assert found["places"]["here"]["place"] == "~"
    assert found["caches"]["huggingface"] == {
        "place": "~/.cache/huggingface",
        "bytes": 9,
        "files": 1,
        "all": True,
    }
    monkeypatch.setenv("WANDB_API_KEY", "secret_of_the_environment")
    main(["doctor"])
    printed += capsys.readouterr().out
    assert "a key in WANDB_API_KEY" in printed
    for secret in ("secret", "somebody"):
        assert secret not in printed


def test_status_is_1_where_something_has_to_be_cured(installed, capsys):
    del installed["haa"]
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    assert stopped.value.code == 1
    assert "fault: pip knows of no haa, " in capsys.readouterr().out


def test_the_extras_of_the_installed_haa_are_read():
    asked = packages.requirements()
    if not asked:
        pytest.skip("haa is not installed")
    assert "torch" in packages.packages(asked)


def test_a_folder_that_cannot_be_written_is_told(installed, monkeypatch, tmp_path):
    def refuse(**kwargs: object) -> None:
        raise PermissionError

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
    assert places.space(tmp_path / "not" / "there")["writable"] is False
    assert any(fault.startswith("nothing can be written in ") for fault in examine()["faults"])


def test_a_group_bounds_cores_and_memory(monkeypatch, tmp_path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("1073741824\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.cores()["quota"] == 1.5
    assert machine.memory()["limit"] == 2**30
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.cores()["quota"] is None
    assert machine.memory()["limit"] is None


def test_counting_a_cache_ends(monkeypatch, tmp_path):
    for i in range(5):
        (tmp_path / str(i)).write_bytes(b"12")
    assert places.size(tmp_path) == {"bytes": 10, "files": 5, "all": True}
    monkeypatch.setattr(places, "MOST_FILES", 5)
    assert places.size(tmp_path)["all"] is False
