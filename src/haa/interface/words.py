"""Keyword arguments as words of the command line: ``loader={"batch_size": 8}``, ``seed=[0, 1]``."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from haa.cli.overrides import keys
from haa.cli.paths import understood
from haa.errors import InputError

LISTS = ("trust", "index", "targets", "metrics")
"""Keys, by their last part, whose value is a list: one that is given for them is no sweep."""

F = TypeVar("F", bound=Callable[..., Any])


def command_words(words: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return keyword arguments as words of the command line, and whether they sweep over lists.

    ``group__key``, ``{"group.key": ...}`` and a dict within a dict say the same. A list, or a range, is swept over; a
    tuple is one value which is a list. An object with a path, such as `pathlib.Path` or `haa.Run`, is that path.

    Args:
        words: Values by key.

    Raises:
        InputError: If a value is nothing that a config can hold, or a key is given twice.

    Example:
        >>> command_words({"task": "vqa", "loader": {"batch_size": 8}, "optimizer__lr": 1e-4, "cache": None})
        (['task=vqa', 'loader.batch_size=8', 'optimizer.lr=0.0001', 'cache=null'], False)
        >>> command_words({"seed": range(3), "condition": ["human", "shuffled"], "lora": {"targets": ("q", "v")}})
        (['seed=0,1,2', 'condition=human,shuffled', 'lora.targets=[q,v]'], True)
    """
    texts: dict[str, str] = {}
    sweeps = False
    for key, value in _flat(words):
        if key in texts:
            raise InputError(f"{key} is given twice: give it once")
        swept = isinstance(value, list | range) and key.rpartition(".")[2] not in LISTS
        if swept and not value:
            raise InputError(f"{key}=[] is an empty list: give the values to sweep over")
        sweeps |= swept
        texts[key] = ",".join(value_text(key, each) for each in value) if swept else value_text(key, value)
    return [f"{key}={text}" for key, text in texts.items()], sweeps


def completed(command: str) -> Callable[[F], F]:
    """Return a decorator that tells `inspect.signature`, and so a notebook's completion, the keys of a command.

    Args:
        command: The command, whose config has them.
    """

    def decorate(function: F) -> F:
        own = inspect.signature(function)
        first = [part for part in own.parameters.values() if part.kind is not part.VAR_KEYWORD]
        rest = [part for part in own.parameters.values() if part.kind is part.VAR_KEYWORD]
        names = [key for key in keys(command) if key not in own.parameters]
        keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=...) for name in names]
        function.__signature__ = own.replace(parameters=[*first, *keywords, *rest])  # type: ignore[attr-defined]
        return function

    return decorate


def value_text(key: str, value: Any) -> str:
    """Return a value as Hydra's command line takes it.

    Args:
        key: Its key, for the message.
        value: A text, a number, None, a truth value, a path, or a list or dict of them.

    Raises:
        InputError: If no config can hold it.

    Example:
        >>> value_text("maps", {"mine": "a,b", "theirs": "c"})
        "{mine:'a,b',theirs:c}"
    """
    from haa.run_folder import quoted  # which loads numpy

    if hasattr(value, "__fspath__"):
        return quoted(os.path.abspath(os.path.expanduser(value)))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        # a number or null is one, as on the command line; what means something to Hydra beside is a text here
        plain = re.fullmatch(r"[\w./+-]+", value) and understood(f"{key}={value}") is not None
        return value if plain or "${" in value else quoted(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # of numpy or torch
        value = value.item()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Sequence):
        return "[" + ",".join(value_text(key, each) for each in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{value_text(key, each)}" for name, each in value.items()) + "}"
    raise InputError(f"{key}={value!r}: a config holds texts, numbers, true, false, null, lists and dicts of them")


def _flat(words: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in words.items():
        if not isinstance(name, str):
            raise InputError(f"{before}{name!r} is no key: a key is a text")
        key = before + name.replace("__", ".")
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{key}.")
        else:
            yield key, value
