"""Targets: functions from a model's output to the score that is differentiated."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

from haa.errors import InputError


def logits_of(output: Any) -> Float[Tensor, "b n"]:
    """Return the logits of a model's output: itself, its ``logits``, or the first element of a tuple or list.

    Raises:
        InputError: If there are none of shape (b, n).

    Example:
        >>> import torch
        >>> logits_of({"logits": torch.zeros(2, 5)}).shape
        torch.Size([2, 5])
    """
    logits = output
    if isinstance(output, dict) and "logits" in output:
        logits = output["logits"]
    elif isinstance(getattr(output, "logits", None), Tensor):
        logits = output.logits
    elif isinstance(output, tuple | list) and output:
        logits = output[0]
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        description = (
            f"has shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"is a {type(output).__name__}"
        )
        raise InputError(
            f"the model's output {description}, not logits (b, n): give the source a target, output -> (b,)"
        )
    return logits


def top_class(output: Any) -> Float[Tensor, " b"]:
    """Return the logit of the class that the model predicts.

    Example:
        >>> import torch
        >>> top_class(torch.tensor([[1.0, 3.0]]))
        tensor([3.])
    """
    return logits_of(output).max(1).values
