"""Words of the command line, ``key=value``: which of them belong somewhere, and what Hydra is to be told."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NoReturn

from haa.errors import suggest


def conf() -> Path:
    """The folder of the configs: inside the package when installed, beside src/ in a checkout."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def open_signatures(name: str, overrides: list[str]) -> list[str]:
    """Let ``model.hidden=256`` set an argument that yaml leaves to its default; refuse a key that belongs nowhere.

    Defaults live in signatures, so a composed config does not list them. `haa.build.check` holds every key against
    its signature later, when importing the code has a purpose.
    """
    known = _keys(name)
    own_config = any(re.match(r"(-cd|--config-dir|-cn|--config-name|-cp|--config-path)\b", word) for word in overrides)
    out = []
    for word in overrides:
        match = re.match(r"(?P<path>[\w]+)(?P<rest>[\w./@:\[\]]*)=", word)
        if match is None or match["path"] == "hydra":
            out.append(word)
            continue
        if match["path"] not in known and not own_config:
            stop(f"there is no key {match['path']} in {name}: {suggest(match['path'], known)}")
        out.append("++" + word if match["rest"].startswith(".") else word)
    return out


def _keys(name: str) -> list[str]:
    import yaml

    text = yaml.safe_load((conf() / f"{name}.yaml").read_text())
    groups = [key for item in text["defaults"] if isinstance(item, dict) for key in item]
    groups = [key.removeprefix("optional ").split("@")[0] for key in groups]
    return sorted({key for key in [*groups, *text] if key not in ("defaults", "hydra") and " " not in key})


def resumed(overrides: list[str]) -> list[str]:
    """``resume=RUN`` continues a run in its own folder, with the command line that it was started with."""
    given = {word.split("=", 1)[0].lstrip("+"): word.split("=", 1)[1] for word in overrides if "=" in word}
    if given.get("resume") in (None, "", "null"):
        return overrides
    path = Path(given["resume"].strip("'\""))
    checkpoint = path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    if not checkpoint.is_file():
        stop(f"resume={path}: no {checkpoint.name} there: give a run folder, or a checkpoint that haa train wrote")
    folder = checkpoint.resolve().parents[1]
    stored: list[str] = []
    if (folder / ".hydra" / "overrides.yaml").is_file():
        import yaml

        stored = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text()) or []
    mine = [word for word in stored if word.split("=", 1)[0].lstrip("+") not in given]
    rest = [word for word in overrides if not word.startswith("resume=")]
    return [*mine, *rest, f"resume='{checkpoint.resolve()}'", f"hydra.run.dir='{folder}'", "hydra.mode=RUN"]


def stop(message: object) -> NoReturn:
    """End the program, its status being 1, with one line that says why."""
    sys.exit(f"haa: {message}")
