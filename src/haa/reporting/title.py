"""Title of a study: the task, the data, and what sets it apart from the other studies of both, in readable names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haa.printing.plain import plain
from haa.reporting import names
from haa.reporting.collect import Run
from haa.reporting.names import Name
from haa.reporting.settings import differing, flat
from haa.run_folder import class_name

_GROUPS: Mapping[str, Callable[[Mapping[str, Any]], Name]] = {
    "backbone": names.backbone,
    "model": lambda node: names.named(names.MODELS, node),
    "attention": names.attention,
    "optimizer": lambda node: names.named(names.OPTIMIZERS, node),
    "scheduler": lambda node: names.named(names.SCHEDULES, node),
}
"""Groups of a config that have a readable name as a whole."""
_SAID = ("task.", "data._target_", "data.world", "data.task", "model.backbone.")
_DIGESTS = ("data train.", "data val.", "data test.", "test samples")


def subject(run: Run) -> str:
    """Return what a run is about, in the words of its config: runs of two subjects are titled apart."""
    data = flat(run.config["data"])
    world = f", world={data['world']}" if "world" in data else ""
    return f"{run.config['task']['name']} on {class_name(data)}{world}"


def title(run: Run, alike: Sequence[Mapping[str, str]]) -> str:
    """Return the title of a run's study.

    Args:
        run: Any of its runs.
        alike: Settings of all studies of its `subject`, its own among them.
    """
    settings = run.settings
    apart = [key for key in differing(alike) if not key.startswith(_SAID)]
    words = [f"{names.task(run.config['task']['name'])} on {names.data(run.config['data']).text}"]
    for group, name in _GROUPS.items():
        keys = [key for key in apart if key == group or key.startswith(f"{group}.")]
        if keys:
            apart = [key for key in apart if key not in keys]
            words += _of_group(group, name, keys, settings, alike)
    rest = [key for key in apart if key in settings and not key.startswith(_DIGESTS)]
    words += [_told(key, settings[key]) for key in rest]
    words += [f"{key} {settings[key][:6]}" for key in apart if key.startswith(_DIGESTS) and key in settings][:1]
    text = plain(", ".join(words))
    return names.capital(text) if run.config["task"]["name"] in names.TASKS else text


def apart(titles: Sequence[str]) -> tuple[str, list[str]]:
    """Return what all titles of a page say, and what each says beyond that.

    Example:
        >>> apart(["VQA on OSIE, ResNet-18", "VQA on OSIE, ResNet-50"])
        ('VQA on OSIE', ['ResNet-18', 'ResNet-50'])
        >>> apart(["VQA on OSIE"])
        ('', ['VQA on OSIE'])
    """
    parts = [each.split(", ") for each in titles]
    shared = [part for part in parts[0] if all(part in others for others in parts)] if len(parts) > 1 else []
    own = [", ".join(part for part in each if part not in shared) for each in parts]
    return (", ".join(shared), own) if all(own) else ("", list(titles))


def _of_group(
    group: str,
    name: Callable[[Mapping[str, Any]], Name],
    keys: Sequence[str],
    settings: Mapping[str, str],
    alike: Sequence[Mapping[str, str]],
) -> list[str]:
    """Return the readable name of a group, and its own keys where other studies' differ under the same name."""

    def called(one: Mapping[str, str]) -> str:
        node = {key.removeprefix(f"{group}."): value for key, value in one.items() if key.startswith(f"{group}.")}
        return name(node).text if "_target_" in node else "" if group != "attention" else names.NATIVE.text

    own = called(settings)
    values = {tuple(one.get(key) for key in keys) for one in alike if called(one) == own}
    several = len(values) > 1
    rest = [key for key in keys if key in settings and not key.endswith(("_target_", ".name"))] if several else []
    shared = len({called(one) for one in alike}) == 1
    return ([] if shared or not own else [own]) + [_told(key, settings[key]) for key in rest]


def _told(key: str, value: str) -> str:
    return f"{key.removesuffix('._target_')}={value.rsplit('.', 1)[-1] if '_target_' in key else value}"
