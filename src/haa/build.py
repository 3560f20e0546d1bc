"""From a config to objects: the only place that instantiates, and only what fits the key that names it."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, get_args

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from haa.attention.source import Source
from haa.conditions import Condition
from haa.conditions.condition import check_role
from haa.data.dataset import GazeDataset, Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError, reason, suggest
from haa.models.backbone import Backbone
from haa.models.huggingface import Writer
from haa.roles import locate
from haa.tasks.aligned_module import AlignedModule
from haa.tasks.writing import Writing
from haa.text import Vocabularies

_OWN_KEYS = {"_target_", "_partial_", "_convert_"}
"""Keys of a node that are no arguments; everything is converted to plain Python, so that ``_convert_`` says nothing."""

GEOMETRIES = ("receptive_field", "stretched")
"""What ``geometry`` may say of where the cells of maps lie."""

_OTHERS = ("_args_", "_recursive_")


def device(name: str | None) -> torch.device:
    """Return the device of a name, where there is such a one; without a name an accelerator, else the processor.

    Raises:
        InputError: If there is none.

    Example:
        >>> device("cpu")
        device(type='cpu')
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name is None:
        return accelerator or torch.device("cpu")
    try:
        found = torch.device(name)
        torch.zeros(1, device=found).cpu()  # which a device that is not there refuses, and meta, which holds nothing
    except Exception as error:  # each kind of device raises its own
        there = "cpu" if accelerator is None else f"cpu or {accelerator.type}"
        raise InputError(
            f"device={name} is not there ({reason(error)}): choose {there}, or null for the best"
        ) from None
    return found


def checked(cfg: DictConfig, trust: Sequence[str] = ()) -> DictConfig:
    """Resolve a config once, and refuse one that names what does not fit, or an argument that a target does not take.

    What is returned is what is to be built: it holds no interpolation, so that nothing in it changes any more.

    Args:
        cfg: Composed config. Defaults live in signatures, so this is where a mistyped key is found.
        trust: Packages (yours) whose classes may be named, beside haa's own and those of `haa.roles.ROLES`.

    Raises:
        InputError: If something does not fit; the message names the key and the choices.
    """
    content = plain(cfg)
    for path, node in _nodes(content):
        missing = [f"{path}.{key}" for key, value in node.items() if value == "???"]
        if missing:
            raise InputError(f"{missing[0]} is missing: give {missing[0]}=...")
        for key in _OTHERS:
            if key in node:
                raise InputError(f"{path}.{key} is not understood here: name the arguments, key by key")
        target = locate(node["_target_"], path, trust)
        signature = inspect.signature(target)
        if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            continue
        for key in node:
            if (path, key) == ("data", "sigma"):  # of any data set, and the DataModule's: see `datamodule`
                continue
            if key not in _OWN_KEYS and key not in signature.parameters:
                choices = [k for k in signature.parameters if k != "self"]
                raise InputError(f"{path}.{key} is not an argument of {node['_target_']}: {suggest(str(key), choices)}")
    return OmegaConf.create(content)


def plain(cfg: Any) -> Any:
    """Return a config as dicts, lists and values, its interpolations resolved.

    Raises:
        InputError: If one cannot be resolved, or if what comes out would be resolved again by the next who reads it.
    """
    try:
        content = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key or 'the config'} cannot be resolved: {reason(error)}") from error
    for path, value in leaves(content):
        if isinstance(value, str) and "${" in value:
            raise InputError(f"{path}={value} holds ${{ after it was resolved: write it without")
    return content


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of a config, and every key of it, by path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield path, key
            yield from leaves(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from leaves(value, f"{path}[{i}]")
    else:
        yield path, node


def datamodule(cfg: DictConfig) -> DataModule:
    """Return the loader over ``cfg.data``, with ``cfg.condition``, where there is one, on its training split."""
    dataset = partial(_split, json.dumps(data_node(cfg)))
    condition = make(cfg.get("condition"))
    if condition is not None:
        check_role(condition)  # here, before work begins: what a run writes at its end says the part
    return make(cfg.loader, dataset=dataset, condition=condition, sigma=cfg.data.get("sigma"))


def data_node(cfg: DictConfig) -> dict[str, Any]:
    """Return what builds a dataset: ``cfg.data`` without ``sigma``, which is about how maps are scored on it."""
    return {key: value for key, value in plain(cfg.data).items() if key != "sigma"}


@lru_cache(maxsize=len(get_args(Split)))
def _split(data: str, split: Split) -> GazeDataset:
    # the runs of a study that share a process share what a dataset has read, rendered and simulated
    return make(json.loads(data), split=split)


def module(cfg: DictConfig, vocabularies: Vocabularies) -> AlignedModule:
    """Return the task's module, its model built for these vocabularies."""
    sizes = {f"{name}_vocab": len(vocabulary) for name, vocabulary in vocabularies.items()}
    if cfg.get("lora") and "lora" not in cfg.model:
        raise InputError("lora is of model=huggingface, and this is another model: leave lora.rank out")
    if locate(cfg.model["_target_"]) is Writer and not issubclass(task_class(cfg), Writing):
        raise InputError(
            "model=huggingface writes (task=vqa, captioning) or classifies (task=finegrained): in "
            f"task={cfg.task.name} give backbone=huggingface backbone.name=..."
        )
    # attention=native is an empty node, and checkpoints from before there were sources have none
    attention = make(cfg.attention) if cfg.get("attention") else None
    built: AlignedModule = make(
        cfg.task.module,
        model=make(cfg.model, **sizes),
        alignment=make(cfg.alignment),
        optimizer=make(cfg.optimizer, _partial_=True),
        scheduler=make(cfg.scheduler, _partial_=True) if cfg.get("scheduler") else None,
        vocabularies=vocabularies,
    )
    built.watch(attention)
    built.stretched = is_stretched(cfg)
    for part in (*built.modules(), attention):
        if isinstance(part, Backbone | Source):
            part.stretched = built.stretched
    if condition_class(cfg).inserts:
        built.insert_human_maps()
    built.config = plain(cfg)
    return built


def is_stretched(cfg: DictConfig) -> bool:
    """Return whether grids are stretched over the picture, as they all were before there was a choice.

    Raises:
        InputError: If the choice is none of the two.
    """
    geometry = cfg.get("geometry", "stretched")
    if geometry not in GEOMETRIES:
        raise InputError(f"geometry={geometry}: give {' or '.join(GEOMETRIES)}")
    return geometry == "stretched"


def task_class(cfg: DictConfig) -> type[AlignedModule]:
    """Return the class that ``cfg.task.module`` names."""
    return locate(cfg.task.module["_target_"])


def condition_class(cfg: DictConfig) -> type[Condition]:
    """Return the class that ``cfg.condition`` names."""
    return locate(cfg.condition["_target_"])


def trainer(cfg: DictConfig, **arguments: Any) -> pl.Trainer:
    """Return the Trainer with its callbacks and loggers; arguments take the place of the config's."""
    callbacks = [make(node) for node in (cfg.get("callbacks") or {}).values() if node is not None]
    loggers = [make(node) for node in (cfg.get("logger") or {}).values() if node is not None]
    return make(cfg.trainer, callbacks=callbacks, logger=loggers or False, use_distributed_sampler=False, **arguments)


def make(node: Any, **arguments: Any) -> Any:
    """Return what one node of a config builds, and what the nodes within it build as its arguments.

    Args:
        node: A config, or a part of one, that `checked` has let pass. ``_target_`` names a class or a function, and
            ``_partial_`` says whether it is called later; None makes None.
        arguments: More arguments, as objects; ``_partial_`` among them.

    Raises:
        InputError: If what is built refuses its arguments.
    """
    return None if node is None else _make(node if isinstance(node, dict) else plain(node), **arguments)


def _make(node: Any, **arguments: Any) -> Any:
    if isinstance(node, list):
        return [_make(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "_target_" not in node:
        return {key: _make(value) for key, value in node.items()}
    target: Callable[..., Any] = locate(node["_target_"])
    given = {key: _make(value) for key, value in node.items() if key not in _OWN_KEYS} | arguments
    if given.pop("_partial_", node.get("_partial_", False)):
        return functools.partial(target, **given)
    try:
        return target(**given)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{node['_target_']}: {error}") from error


def _nodes(content: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(content, dict):
        if "_target_" in content:
            yield path, content
        for key, value in content.items():
            yield from _nodes(value, f"{path}.{key!s}".lstrip("."))
    elif isinstance(content, list):
        for i, item in enumerate(content):
            yield from _nodes(item, f"{path}[{i}]")
