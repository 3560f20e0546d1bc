"""A model of the Hugging Face hub's, read without running any code of its publisher's and without unpickling."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from haa.errors import InputError, needs, reason
from haa.models.weights import are_read, not_finite

SAFE: dict[str, Any] = {"trust_remote_code": False}
"""Arguments with which a hub's files are read: none of the code that may lie beside them is run."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' hints and progress bars from the console."""
    logging = library().utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def library() -> Any:
    """Return transformers.

    Raises:
        InputError: If it is not installed.
    """
    needs("a model of the Hugging Face hub's", "haa[huggingface]", "transformers")
    import transformers

    return transformers


def read_config(name: str) -> Any:
    """Return the configuration of a model of the hub's, or of one in a local folder.

    Raises:
        InputError: If there is none.
    """
    return _read(library().AutoConfig.from_pretrained, name)


def read_processor(name: str, kind: str = "AutoProcessor") -> Any:
    """Return what prepares the inputs of a model: its processor, image processor or tokenizer.

    Raises:
        InputError: If it cannot be read.
    """
    return _read(getattr(library(), kind).from_pretrained, name)


def build(
    name: str, kind: Any, config: Any, pretrained: bool, keeps: bool, **options: Any
) -> tuple[nn.Module, list[str]]:
    """Return a model, and the names of those of its parameters that ``name`` has no weights for.

    Args:
        name: Name of the hub's, or local folder.
        kind: Class of transformers' (or one of its ``Auto`` classes).
        config: The model's configuration.
        pretrained: Read the weights; else they are random.
        keeps: Whether a checkpoint of haa's holds all of the weights, so that they are not read where one is loaded.
        options: Further arguments of ``from_pretrained``, such as ``ignore_mismatched_sizes``.

    Raises:
        InputError: If the weights cannot be had, are no safetensors, or are not finite.
    """
    make = getattr(kind, "from_config", None) or kind._from_config
    if not pretrained or (keeps and (on_meta() or not are_read())):
        model = make(config)
        return model.train(), [key for key, _ in model.named_parameters()]
    with torch.device("cpu"):  # what no checkpoint holds is read, also where a model is built without memory at first
        model, told = _read(
            kind.from_pretrained, name, config=config, use_safetensors=True, output_loading_info=True, **options
        )
    new = [*told["missing_keys"], *(key if isinstance(key, str) else key[0] for key in told["mismatched_keys"])]
    if (bad := not_finite(model.state_dict())) is not None:
        raise InputError(f"model.name={name}: {bad} is not finite (NaN or infinite): give other weights")
    tied = _tied(model)
    return model.train(), [key for key in new if key not in tied]


def quantization(kind: str | None) -> dict[str, Any]:
    """Return the arguments by which weights are read in fewer bits; none for None.

    Raises:
        InputError: If there is no such kind, or bitsandbytes is not installed.
    """
    if kind is None:
        return {}
    if kind not in ("8bit", "4bit"):
        raise InputError(f"model.quantize={kind}: give 8bit, 4bit or null")
    needs(f"model.quantize={kind}", "bitsandbytes", "bitsandbytes")
    return {"quantization_config": library().BitsAndBytesConfig(**{f"load_in_{kind}": True})}


def on_meta() -> bool:
    """Return whether models are built without memory now."""
    return torch.empty(0).device.type == "meta"


def digest(model: nn.Module, names: list[str]) -> Tensor:
    """Return the SHA-256 of some of a model's parameters and buffers, by their names, as 32 bytes.

    Example:
        >>> digest(nn.Linear(1, 1, bias=False).requires_grad_(False), ["weight"]).shape
        torch.Size([32])
    """
    found = hashlib.sha256()
    tensors = dict([*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)])
    for name in sorted(names):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return torch.frombuffer(bytearray(found.digest()), dtype=torch.uint8)


def _tied(model: Any) -> set[str]:
    """Return the names of parameters that are others by another name."""
    return set(getattr(model, "all_tied_weights_keys", None) or ())


def _read(read: Callable[..., Any], name: str, **arguments: Any) -> Any:
    place = Path(name).expanduser()
    looks_local = place.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_local and not place.is_dir():
        raise InputError(f"model.name={name} is not a folder: give the folder of a model, or its name on the hub")
    known = not are_read()  # a checkpoint says the name: what a file from elsewhere says opens no connection
    try:
        with quiet():
            return read(str(place) if looks_local else name, local_files_only=known, **SAFE, **arguments)
    except Exception as error:  # files that are missing or damaged, and a hub out of reach, fail in many ways
        if looks_local:
            cure = "give a folder as save_pretrained writes it, with safetensors"
        elif known:
            cure = (
                f"a checkpoint fetches nothing itself: run `hf download {name}` if you trust it, or work in the folder "
                f"in which its own folder {name} lies"
            )
        else:
            cure = "give a name of the hub's that has safetensors and can be reached, or a local folder"
        raise InputError(f"model.name={name} cannot be read ({reason(error)}): {cure}") from error
