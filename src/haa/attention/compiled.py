"""What hooks do in a model that torch.compile compiles: it is done outside of the compiled code, which is cut there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from haa.errors import InputError

T = TypeVar("T")


def original(model: nn.Module) -> nn.Module:
    """Return the module that torch.compile was given; another one as it is."""
    # torch has no public name for a compiled module; it keeps the original one as _orig_mod
    inner = getattr(model, "_orig_mod", model)
    return inner if isinstance(inner, nn.Module) else model


def compiled_parts(model: nn.Module) -> dict[str, nn.Module]:
    """Return the parts of a model that torch.compile or ``module.compile()`` has been called for, by name.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> model[0].compile()
        >>> list(compiled_parts(model))
        ['0']
    """
    return {
        name: module
        for name, module in model.named_modules()
        # module.compile() leaves no other trace
        if original(module) is not module or getattr(module, "_compiled_call_impl", None) is not None
    }


def notice_hooks() -> None:
    """Have torch.compile tell a layer with hooks from one of the same class without, which by default it does not.

    It would run a block that is watched by what it compiled for the block before it, and the hooks would see nothing.
    """
    # no public name; it only adds guards, and stays as it is when a source is detached, which a guard has to notice too
    torch._dynamo.config.skip_nnmodule_hook_guards = False  # type: ignore[attr-defined]


@torch.compiler.disable
def outside(function: Callable[..., T], *args: object) -> T:
    """Call a function outside of compiled code, as all that it calls.

    Example:
        >>> torch.compile(lambda x: outside(torch.compiler.is_dynamo_compiling), backend="eager")(torch.ones(1))
        False
    """
    return function(*args)


def differentiates(source: str, what: str, reads_layers: bool) -> InputError:
    """Return the error to raise where a source differentiates through what is compiled.

    Args:
        source: Name of the source.
        what: What is compiled.
        reads_layers: Whether it differentiates by a layer, before which parts may be compiled.
    """
    parts = "compile only parts before the layer that it reads, model.layer1.compile() for one"
    return InputError(
        f"{source} differentiates the score through {what}, and a loss of its map does so once more, which compiled "
        f"code cannot: {parts if reads_layers else 'leave the model uncompiled'}, or take feature_norm, self_attention "
        "or rollout"
    )
