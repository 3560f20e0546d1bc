"""Words of the commands that compose a config, ``key=value``: which belong somewhere, and what Hydra is told."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NoReturn

from haa.errors import suggest

OLD = {
    "alignment": "loss",
    "hydra.sweeper.params.alignment": "hydra.sweeper.params.loss",
    "experiment=align_action": "experiment=align_study task=action",
    "experiment=align_captioning": "experiment=align_study task=captioning",
    "experiment=align_finegrained": "experiment=align_study task=finegrained",
    "experiment=align_saliency": "experiment=align_study task=saliency faithfulness=0",
    "experiment=align_sos": "experiment=align_study task=sos",
    "experiment=align_vqa": "experiment=align_study task=vqa",
}
"""Keys and words of version 0.1, and those that say the same today."""


def conf() -> Path:
    """Return the folder of the configs: inside the package when installed, beside src/ in a checkout."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def modern(words: list[str]) -> list[str]:
    """Put today's words of ``haa train`` in the place of those of version 0.1 (`OLD`).

    Example:
        >>> modern(["alignment=kl,cc", "alignment.sigma=0.05"])
        ['loss=kl,cc', 'alignment.sigma=0.05']
        >>> modern(["experiment=align_vqa"])
        ['experiment=align_study', 'task=vqa']
        >>> modern(["experiment=align_vqa", "task=sos"])
        ['experiment=align_study', 'task=sos']
    """
    keys = {_key(word) for word in words}
    out = []
    for word in words:
        key, value = _key(word), word.partition("=")[2]
        if value and word in OLD:
            first, *others = OLD[word].split()
            out += [first, *(other for other in others if _key(other) not in keys)]
        # a value in braces is no option of the group, but the node itself
        elif value and key in OLD and not value.startswith("{"):
            out.append(word.replace(key, OLD[key], 1))
        else:
            out.append(word)
    return out


def open_signatures(name: str, overrides: list[str]) -> list[str]:
    """Let ``model.hidden=256`` set an argument that yaml leaves to its default; refuse a key that belongs nowhere.

    Defaults live in signatures, so a composed config does not list them. `haa.build.checked` holds every key against
    its signature later, when importing the code has a purpose.

    Args:
        name: The command's name, which is its config's.
        overrides: Words of the command line.
    """
    known = keys(name)
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


def shown(words: list[str]) -> list[str]:
    """Return the words of ``haa show`` and ``probe`` as Hydra takes them.

    To it ``0,1`` is a sweep, and ``task`` a group elsewhere.

    Example:
        >>> shown(["index=0,1", "task=vqa"])
        ['index=[0,1]', 'task.name=vqa']
    """
    out = []
    for word in words:
        key, _, value = word.partition("=")
        if key == "index" and value.replace(",", "").isdigit():
            word = f"index=[{value}]"
        out.append(f"task.name={value}" if key == "task" else word)
    return out


def scored(words: list[str]) -> list[str]:
    """Return the words of ``haa score`` as Hydra takes them: to it, ``maps=a,b`` and ``metrics=a,b`` are sweeps.

    Example:
        >>> scored(["maps=a,b", "metrics=nss,cc", "task=sos"])
        ["maps='a,b'", 'metrics=[nss,cc]', 'task.name=sos']
    """
    out = []
    for word in shown(words):
        key, _, value = word.partition("=")
        if key == "metrics" and "," in value and not value.startswith("["):
            word = f"metrics=[{value}]"
        elif key == "maps" and value and value[0] not in "'\"[{":
            word = "maps='" + value.replace("'", "\\'") + "'"
        out.append(word)
    return out


def stop(message: object) -> NoReturn:
    """End the program, its status being 1, with one line that says why."""
    sys.exit(f"haa: {message}")


def keys(name: str) -> list[str]:
    """Return the groups and keys of a command's config.

    Example:
        >>> "align_weight" in keys("train"), "condition" in keys("train")
        (True, True)
    """
    import yaml

    config = yaml.safe_load((conf() / f"{name}.yaml").read_text())
    groups = [key for item in config["defaults"] if isinstance(item, dict) for key in item]
    groups = [re.split("[@/]", key)[0] for key in groups]
    return sorted({key for key in [*groups, *config] if key not in ("defaults", "hydra") and " " not in key})


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+")
