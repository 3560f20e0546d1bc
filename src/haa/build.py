"""From a config to objects: the only place that instantiates, and only what it trusts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, get_args

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from haa.conditions import Condition
from haa.conditions.condition import check_role
from haa.data.dataset import GazeDataset, Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError, suggest
from haa.tasks.aligned_module import AlignedModule
from haa.text import Vocabularies

TRUSTED = ("haa", "torch.optim", "torch.nn", "pytorch_lightning", "torchmetrics", "torchvision.transforms")
"""Packages whose names a config may call. A checkpoint carries its config: this is all a downloaded file can reach."""

_HYDRA_KEYS = {"_target_", "_partial_", "_recursive_", "_convert_", "_args_"}


def check(cfg: DictConfig, trust: Sequence[str] = ()) -> None:
    """Refuse a config that names an untrusted target, or an argument that a target does not take, before work begins.

    Args:
        cfg: Composed config. Defaults live in signatures, so this is where a mistyped key is found.
        trust: Further packages (yours) whose targets may be called.

    Raises:
        InputError: If something does not fit; the message names the key and the choices.
    """
    for path, node in _nodes(cfg):
        missing = [f"{path}.{key}" for key in node if OmegaConf.is_missing(node, key)]
        if missing:
            raise InputError(f"{missing[0]} is missing: give {missing[0]}=...")
        target = _locate(node["_target_"], path, trust)
        signature = inspect.signature(target)
        if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            continue
        for key in node:
            if (path, key) == ("data", "sigma"):  # of any data set, and the DataModule's: see `datamodule`
                continue
            if key not in _HYDRA_KEYS and key not in signature.parameters:
                choices = [k for k in signature.parameters if k != "self"]
                raise InputError(f"{path}.{key} is not an argument of {node['_target_']}: {suggest(str(key), choices)}")


def datamodule(cfg: DictConfig) -> DataModule:
    """Return the loader over ``cfg.data``, with ``cfg.condition`` on its training split."""
    dataset = partial(_split, OmegaConf.to_yaml(data_node(cfg)))
    condition = make(cfg.condition)
    check_role(condition)  # here, before work begins: what a run writes at its end says the part
    return make(cfg.loader, dataset=dataset, condition=condition, sigma=cfg.data.get("sigma"))


def data_node(cfg: DictConfig) -> DictConfig:
    """Return what builds a dataset: ``cfg.data`` without ``sigma``, which is about how maps are scored on it."""
    node = OmegaConf.to_container(cfg.data, resolve=True)
    return OmegaConf.create({key: value for key, value in node.items() if key != "sigma"})  # type: ignore[union-attr]


@lru_cache(maxsize=len(get_args(Split)))
def _split(data: str, split: Split) -> GazeDataset:
    # the runs of a study that share a process share what a dataset has read, rendered and simulated
    return make(OmegaConf.create(data), split=split)


def module(cfg: DictConfig, vocabularies: Vocabularies) -> AlignedModule:
    """Return the task's module, its model built for these vocabularies."""
    sizes = {f"{name}_vocab": len(vocabulary) for name, vocabulary in vocabularies.items()}
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
    if condition_class(cfg).inserts:
        built.insert_human_maps()
    built.config = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    return built


def task_class(cfg: DictConfig) -> type[AlignedModule]:
    """Return the class that ``cfg.task.module`` names."""
    return get_object(cfg.task.module["_target_"])


def condition_class(cfg: DictConfig) -> type[Condition]:
    """Return the class that ``cfg.condition`` names."""
    return get_object(cfg.condition["_target_"])


def trainer(cfg: DictConfig) -> pl.Trainer:
    """Return the Trainer with its callbacks and loggers."""
    callbacks = [make(node) for node in (cfg.get("callbacks") or {}).values() if node is not None]
    loggers = [make(node) for node in (cfg.get("logger") or {}).values() if node is not None]
    return make(cfg.trainer, callbacks=callbacks, logger=loggers or False, use_distributed_sampler=False)


def make(node: Any, **arguments: Any) -> Any:
    """Return what one node of a config builds; what goes wrong inside comes out as it was raised."""
    if node is None:
        return None
    try:
        return instantiate(node, _convert_="all", **arguments)
    except InstantiationException as wrapped:
        if isinstance(wrapped.__cause__, InputError):
            raise wrapped.__cause__ from None
        if isinstance(wrapped.__cause__, TypeError | ValueError):
            raise InputError(f"{node.get('_target_')}: {wrapped.__cause__}") from wrapped
        raise


def _nodes(cfg: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(cfg, DictConfig):
        if "_target_" in cfg:
            yield path, cfg  # type: ignore[misc]
        for key in cfg:
            if not OmegaConf.is_missing(cfg, key) and isinstance(cfg[key], DictConfig | ListConfig):
                yield from _nodes(cfg[key], f"{path}.{key!s}".lstrip("."))
    elif isinstance(cfg, ListConfig):
        for i, item in enumerate(cfg):
            yield from _nodes(item, f"{path}[{i}]")


def _locate(target: str, path: str, trust: Sequence[str]) -> Callable[..., Any]:
    trusted = (*TRUSTED, *trust)
    cure = f"a config may call {', '.join(trusted)}; to trust a package of yours, give trust=[{target.split('.')[0]}]"
    if not _within(target, trusted):
        raise InputError(f"{path}._target_={target} is not trusted: {cure}")
    try:
        found = get_object(target)
    except Exception as error:
        raise InputError(f"{path}._target_={target} cannot be imported: {error}".replace("\n", " ")) from error
    # 'haa.run.results.os.system' begins well and is not haa's
    if not _within(getattr(found, "__module__", ""), trusted):
        raise InputError(f"{path}._target_={target} is not trusted: it belongs to {found.__module__}; {cure}")
    return found


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)
