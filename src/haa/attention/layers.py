"""Layers of a model, found by dotted name or pattern."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Sequence

import torch
from torch import nn

from haa.errors import InputError

CROSS_ATTENTION = ("*cross*att*", "*encoder_attn", "*EncDecAttention", "*multihead_attn")
"""Names that timm, torch and Hugging Face give the attention of a decoder to its encoder."""


def find_layers(model: nn.Module, patterns: str | Sequence[str]) -> dict[str, nn.Module]:
    """Return the layers that a dotted name or a pattern (``*`` matches dots too) means, in the model's order.

    A match inside another match is dropped: ``blocks.*`` means the blocks, not what is in them.

    Args:
        model: Model to search.
        patterns: One name or pattern, or several, as `fnmatch` reads them.

    Raises:
        InputError: If a pattern means nothing; the message has the names there are.

    Example:
        >>> list(find_layers(nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU()), "*"))
        ['0', '1']
    """
    modules = {name: module for name, module in model.named_modules() if name}
    matching: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = {pattern} if pattern in modules else set(fnmatch.filter(modules, pattern))
        if not matches:
            raise InputError(f"layer {pattern} is not in {type(model).__name__}{_suggestion(pattern, list(modules))}")
        matching |= matches
    return {name: module for name, module in modules.items() if name in matching and not _ancestors(name) & matching}


def refuse_scripted(model: nn.Module) -> None:
    """Refuse a model of which a part is compiled by torch.jit: no hook sees its layers.

    Raises:
        InputError: If there is one.
    """
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"{type(module).__name__} is scripted and hides its layers: attach the attention source to the module "
                "that torch.jit was given, or use torch.compile"
            )


def attention_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the innermost modules whose class is called attention, by name.

    Pooling, and attention to another sequence, are left out. In a model that has a part called ``backbone``, only that
    part is searched: the attention outside of it reads words.

    Raises:
        InputError: If there is none; the message has the names there are.
    """
    part = "backbone." if isinstance(getattr(model, "backbone", None), nn.Module) else ""
    pools = {name for name, module in model.named_modules() if name and "pool" in type(module).__name__.lower()}
    attending = {
        name: module
        for name, module in model.named_modules()
        if name.startswith(part) and name and _attends(name, module) and not (_ancestors(name) | {name}) & pools
    }
    containers = set().union(*(_ancestors(name) for name in attending)) if attending else set()
    innermost = {name: module for name, module in attending.items() if name not in containers}
    if not innermost:
        raise InputError(
            f"no layer of {part.rstrip('.') or type(model).__name__} is called attention: "
            f"name one{_suggestion('', [name for name in _names(model) if name.startswith(part)])}"
        )
    return innermost


def nearest(name: str, candidates: Sequence[str]) -> str | None:
    """Return the candidate that shares most of the dotted path with ``name``; the first of equals; None without any.

    Example:
        >>> nearest("vision.blocks.0", ["text.embed", "vision.embed"])
        'vision.embed'
    """

    def shared(other: str) -> int:
        pairs = zip(name.split("."), other.split("."), strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), min(name.count("."), other.count(".")) + 1)

    return max(candidates, key=shared, default=None)


def _attends(name: str, module: nn.Module) -> bool:
    kind = type(module).__name__
    if not re.search(r"att(entio)?n", kind, re.IGNORECASE):
        return False
    crosses = any(fnmatch.fnmatch(name, f"{pattern}{end}") for pattern in CROSS_ATTENTION for end in ("", ".*"))
    return not crosses and any(isinstance(part, nn.Linear) for part in module.modules())


def _ancestors(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:i]) for i in range(1, len(parts))}


def _names(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_modules() if name]


def _suggestion(pattern: str, names: list[str]) -> str:
    close = difflib.get_close_matches(pattern, names, n=3)
    if len(names) > 40:  # numbered layers are listed once: blocks.*.attn
        names = list(dict.fromkeys(re.sub(r"(?<=\.)\d+|^\d+", "*", name) for name in names))
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{hint}; there are: {', '.join(names) or 'no layers'}"
