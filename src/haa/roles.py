"""Roles: which classes and functions a key of a config may name.

A checkpoint and a run folder carry their config, so this bounds what a file from elsewhere can do. A key has a role. A
role is a base class, the packages in which its classes are defined, and the modules whose functions fit it; those only
compute. Nothing else is called, whatever a trusted package holds beside.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from haa.errors import InputError, reason


@dataclass(frozen=True)
class Role:
    """What a key may name.

    Args:
        bases: Dotted paths of the classes of which it has to be one, or be derived from one.
        packages: Packages in which such a class may be defined, beside those that the user trusts.
        functions: Modules and packages whose public functions fit, too.
    """

    bases: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


_LIGHTNING = "pytorch_lightning"
_CONDITION = Role(("haa.conditions.Condition",), ("haa.conditions", "haa.predict.condition"))
_MODEL = Role(("torch.nn.Module",), ("haa.models", "torch.nn"))
_LORA = Role(("haa.models.huggingface.adapted.Lora",), ("haa.models",))
_LOSS = Role(("haa.losses.Weighted",), ("haa.losses",), ("haa.losses",))

ROLES: dict[str, Role] = {
    "task.module": Role(("haa.tasks.aligned_module.AlignedModule",), ("haa.tasks",)),
    "model": _MODEL,
    "model.*": _MODEL,
    "lora": _LORA,
    "model.lora": _LORA,
    "backbone": _MODEL,
    "backbone.*": _MODEL,
    "attention": Role(("haa.attention.source.Source",), ("haa.attention",)),
    "alignment": Role(("haa.alignment.Alignment",), ("haa.alignment",)),
    "alignment.loss": _LOSS,
    "alignment.loss.losses.*": _LOSS,
    "alignment.schedule": Role(
        ("haa.alignment.schedule.GradientNorm",), ("haa.alignment",), ("haa.alignment.schedule",)
    ),
    "optimizer": Role(("torch.optim.Optimizer",), ("torch.optim",)),
    "scheduler": Role(("torch.optim.lr_scheduler.LRScheduler",), ("torch.optim",), ("haa.run.learning_rate",)),
    "data": Role(("haa.data.dataset.GazeDataset",), ("haa.data",)),
    "condition": _CONDITION,
    "condition.control": _CONDITION,
    "loader": Role(("haa.data.loading.datamodule.DataModule",), ("haa.data.loading",)),
    "loader.transform": Role(("haa.data.loading.transforms.Transform",), ("haa.data.loading",)),
    "trainer": Role((f"{_LIGHTNING}.Trainer",), (_LIGHTNING,)),
    "trainer.*": Role(
        (
            f"{_LIGHTNING}.strategies.Strategy",
            f"{_LIGHTNING}.profilers.Profiler",
            f"{_LIGHTNING}.accelerators.Accelerator",
            f"{_LIGHTNING}.plugins.Precision",
            "lightning_fabric.plugins.ClusterEnvironment",
        ),
        (_LIGHTNING, "lightning_fabric.plugins"),
    ),
    "callbacks.*": Role((f"{_LIGHTNING}.Callback",), (f"{_LIGHTNING}.callbacks", "haa.run", "haa.alignment")),
    "logger.*": Role((f"{_LIGHTNING}.loggers.Logger",), (f"{_LIGHTNING}.loggers",), ("haa.run.loggers",)),
    "logger.*.run": Role(("haa.run.loggers.Identity",), ("haa.run",)),
    "logger.*.run.condition": _CONDITION,
    "logger.*.run.condition.control": _CONDITION,
}
"""Roles by the path of the key; a star stands for whatever lies there and below."""


def locate(target: Any, path: str | None = None, trust: Sequence[str] = ()) -> Any:
    """Return the class or function that a dotted path names, if it fits the role of the key that names it.

    Args:
        target: Value of ``_target_``.
        path: Path of the node that has it, such as ``model.backbone``; None for one that was held against its role
            before.
        trust: Packages of the user's, whose classes fit if they are of the role's base class, and whose functions fit
            where a role takes functions.

    Raises:
        InputError: If it does not fit, or cannot be imported.

    Example:
        >>> locate("haa.losses.kl_divergence", "alignment.loss").__name__
        'kl_divergence'
        >>> locate("os.system", "model")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        haa.errors.InputError: model._target_=os.system is not trusted: model takes a class derived from ...
    """
    name = f"{path}._target_={target}" if path is not None else f"_target_={target}"
    if path is None:
        return _named(target, name)
    role = _role(path)
    if role is None:
        raise InputError(f"{name} is not trusted: nothing is built from the key {path}")
    wanted = _told(role, path)
    if not isinstance(target, str) or not _public(target):
        raise InputError(f"{name} is not trusted: {wanted}")
    if not _within(target, (*role.packages, *role.functions, *trust)):
        own = target.split(".")[0]
        cure = f"; to trust a package of yours, give trust=[{own}]" if own not in _KNOWN else ""
        raise InputError(f"{name} is not trusted: {wanted}{cure}")
    found = _named(target, name)
    # 'haa.models.base.os.system' begins well and is not haa's
    home = getattr(found, "__module__", None) or ""
    if isinstance(found, type):
        fits = issubclass(found, tuple(_named(base, base) for base in role.bases))
        fits = fits and _within(home, (*role.packages, *trust))
    else:
        fits = inspect.isfunction(found) and bool(role.functions) and _within(home, (*role.functions, *trust))
        fits = fits and found.__qualname__ == found.__name__  # a function of its module, not one of a class
    if not fits:
        raise InputError(f"{name} does not fit: {wanted}")
    return found


_KNOWN = ("haa", "torch", _LIGHTNING, "lightning_fabric")


def _role(path: str) -> Role | None:
    keys = re.sub(r"\[\d+\]", "", path)
    if keys in ROLES:
        return ROLES[keys]
    # of those with stars the most particular one: logger.*.run before logger.*
    patterns = sorted((key for key in ROLES if "*" in key), key=lambda key: -len(key))
    return next((ROLES[key] for key in patterns if _matches(keys, key)), None)


def _matches(path: str, pattern: str) -> bool:
    parts = pattern.split(".")
    if parts[-1] == "*":
        return path.startswith(".".join(parts[:-1]) + ".") and "*" not in parts[:-1]
    inner = [r"[^.]+" if part == "*" else re.escape(part) for part in parts]
    return re.fullmatch(r"\.".join(inner), path) is not None


def _told(role: Role, path: str) -> str:
    bases = " or ".join(role.bases)
    functions = f", or a function of {', '.join(role.functions)}" if role.functions else ""
    return f"{path} takes a class derived from {bases}, of {', '.join(role.packages)}{functions}"


def _public(target: str) -> bool:
    parts = target.split(".")
    return len(parts) > 1 and all(part.isidentifier() and not part.startswith("_") for part in parts)


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _named(target: str, name: str) -> Any:
    """Return what a dotted path names: its longest part that is a module is imported, the rest are attributes."""
    parts = target.split(".")
    problem: Exception | None = None
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            problem = problem or error
            if error.name is None or not (module == error.name or module.startswith(error.name + ".")):
                break  # it is there, and misses something else
            continue
        except Exception as error:
            problem = error
            break
        try:
            for part in parts[end:]:
                found = getattr(found, part)
        except AttributeError as error:
            problem = error
            break
        return found
    raise InputError(f"{name} cannot be imported: {reason(problem) if problem else 'it names no module'}") from problem
