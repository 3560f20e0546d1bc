"""A frozen network's forward pass, sooner: the values of the plain one to a few units in the last place of float32."""

from __future__ import annotations

import copy
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

Forward = Callable[[Tensor], Tensor]
"""Pictures ``(b, 3, h, w)`` in [0, 1] to features ``(b, c, i, j)``."""

NORM = 1e-5
"""Largest norm of the difference from the plain forward pass, as a share of the features' norm."""

LARGEST = 1e-4
"""Largest difference of a single feature, as a share of the features' root mean square."""

PIXELS = 200_000
"""Pixels that a processor is given at a time: memory for more is fetched anew from the system for every layer."""

FEW = 10
"""Pictures from which on it pays to fold and to try, which takes four forward passes."""

GRAPH_PIXELS = 20_000_000
"""Pixels of pictures from which on making a graph, which takes several seconds, saves more than it costs."""

RUNTIME = ("onnx", "onnxscript", "onnxruntime")

_MADE_BY = "_haa_made_by"
_LOG = logging.getLogger(__name__)


class Inference:
    """Forward pass of a frozen network, by the first of these ways that gives what the network itself gives.

    1. On a processor, if ``pip install 'haa[export]'`` has brought onnxruntime and many pictures wait: a graph that it
       runs.
    2. A copy whose batch normalisation is folded into its convolutions and whose memory is in the order channels last.
    3. The network as it is; always where it is no convolutional network, which gains nothing, or trains.

    A processor is given few pictures at a time (`PIXELS`).

    A way is tried with the first pictures of a size, and not taken where it raises anything or differs by more than
    `NORM` or `LARGEST`. The network stays as it is, its mode included. What is made is kept until pictures of another
    size come, and is of the weights that the network had then.

    Args:
        module: A network, pictures ``(b, 3, h, w)`` in [0, 1] to ``(b, c, i, j)``, in evaluation mode.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
        >>> inference, images = Inference(network), torch.rand(2, 3, 16, 16)
        >>> torch.testing.assert_close(inference(images), network(images).detach())
        >>> inference.way
        'folded'
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.way: str | None = None
        """How the last pictures were computed: ``graph``, ``folded`` or ``plain``."""
        self._size: Any = None
        self._made: dict[tuple[str, ...], tuple[str, Forward]] = {}

    @torch.inference_mode()
    def __call__(self, images: Float[Tensor, "b 3 h w"], count: int = 0) -> Float[Tensor, "b c i j"]:
        """Return the features of pictures.

        Args:
            images: Pictures on the network's device, all of one size.
            count: Number of pictures that wait, these among them; the way depends on it and on their size alone.
                0 is not known.
        """
        pixels, on_processor = images[0, 0].numel(), images.device.type == "cpu"
        if images.shape[1:] != self._size:
            self._made, self._size = {}, images.shape[1:]
        ways: tuple[str, ...] = () if 0 < count < FEW else ("folded",)
        if on_processor and count * pixels >= GRAPH_PIXELS and all(find_spec(name) is not None for name in RUNTIME):
            ways = ("graph", *ways)
        if ways not in self._made:
            self._made[ways] = _first_that_agrees(self.module, images[:1], ways)
        self.way, forward = self._made[ways]
        at_once = max(1, PIXELS // pixels) if on_processor else len(images)
        return torch.cat([forward(some) for some in images.split(at_once)])


def folded(module: nn.Module, image: Float[Tensor, "1 3 h w"]) -> nn.Module:
    """Return a copy of a network in which batch normalisation is part of the convolution before it.

    Which convolution's output a batch normalisation reads is seen in a forward pass. Folded are `nn.BatchNorm2d` itself
    and timm's, which has an activation behind it.

    Args:
        module: A network in evaluation mode.
        image: A picture to run it with.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
        >>> folded(network, torch.rand(1, 3, 8, 8))[1]
        Identity()
    """
    copied = copy.deepcopy(module)
    runs: Counter[nn.Module] = Counter()
    before: dict[Any, nn.Conv2d] = {}  # of each batch normalisation

    def see(part: nn.Module, given: Any, output: Any) -> None:
        runs[part] += 1
        if isinstance(part, nn.Conv2d):
            setattr(output, _MADE_BY, (part, output._version))
        elif isinstance(part, nn.BatchNorm2d) and hasattr(given[0], _MADE_BY):
            convolution, version = getattr(given[0], _MADE_BY)
            if version == given[0]._version:  # nothing has changed it in place
                before[part] = convolution

    with torch.inference_mode(False), torch.no_grad():
        image = image.clone()  # one made in inference mode has no versions
        copied(image)  # a network of haa's finds where its cells look in its first pass
        seen = [part for part in copied.modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]
        hooks = [part.register_forward_hook(see) for part in seen]
        copied(image)
        for hook in hooks:
            hook.remove()
        behind = {
            norm: nn.Sequential(norm.drop, norm.act) if hasattr(norm, "act") else nn.Identity()
            for norm, convolution in before.items()
            if runs[norm] == runs[convolution] == 1 and (hasattr(norm, "act") or type(norm) is nn.BatchNorm2d)
        }
        for norm in behind:
            of, learned = before[norm], (norm.eps, norm.weight, norm.bias)
            of.weight, of.bias = fuse_conv_bn_weights(of.weight, of.bias, norm.running_mean, norm.running_var, *learned)
        for parent in list(copied.modules()):
            for name, child in list(parent.named_children()):
                if child in behind:
                    setattr(parent, name, behind[child])
    return copied.requires_grad_(False)


def channels_last(module: nn.Module, image: Float[Tensor, "1 3 h w"]) -> Forward | None:
    """Return the forward pass of a network that is `folded`, in the memory order channels last.

    Args:
        module: A network in evaluation mode.
        image: A picture to run it with.

    Returns:
        None where there is no batch normalisation: this order alone gains nothing that is sure.
    """
    if not any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
        return None
    order = torch.channels_last
    quick: Any = folded(module, image)
    quick.to(memory_format=order)
    return lambda images: quick(images.contiguous(memory_format=order)).contiguous()


def graph(module: nn.Module, image: Float[Tensor, "1 3 h w"]) -> Forward:
    """Return a network as a graph that onnxruntime runs on the processor, with as many threads as torch has.

    Args:
        module: A network in evaluation mode.
        image: A picture of the size that the graph takes.

    Raises:
        Exception: Any that the packages raise; they are of a dozen kinds.
    """
    import onnxruntime

    with torch.inference_mode(False), torch.no_grad(), quietly():
        program: Any = torch.onnx.export(module, (image.clone(),), dynamo=True, verbose=False, input_names=["image"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores, too
    options.log_severity_level = 3
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        found = [session.run(None, {"image": one.numpy()}) for one in images.split(1)]
        return torch.cat([torch.from_numpy(features) for (features,) in found])

    return run


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the remarks of torch's exporters to themselves, which are about their own code."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def agree(found: Tensor, plain: Tensor) -> bool:
    """Return whether features are those of the plain forward pass, to `NORM` and `LARGEST`.

    Example:
        >>> plain = torch.rand(1, 4, 8, 8)
        >>> agree(plain * (1 + 1e-6), plain), agree(plain * (1 + 1e-4), plain)
        (True, False)
    """
    if found.shape != plain.shape or found.dtype != plain.dtype:
        return False
    difference, size = (found - plain).double(), plain.double().square().mean().sqrt()
    return bool(difference.square().mean().sqrt() <= NORM * size) and bool(difference.abs().max() <= LARGEST * size)


@torch.inference_mode()
def _first_that_agrees(module: nn.Module, image: Tensor, ways: Sequence[str]) -> tuple[str, Forward]:
    parts = list(module.modules())
    if sum(isinstance(part, nn.Conv2d) for part in parts) < 2 or any(part.training for part in parts):
        return "plain", module
    plain = module(image) if ways else image
    for way in ways:
        try:
            forward = graph(folded(module, image), image) if way == "graph" else channels_last(module, image)
            if forward is not None and agree(forward(image), plain):
                return way, forward
        except Exception:  # whatever a network from elsewhere, or an exporter, does not bear: it runs as it is
            _LOG.debug("%s: no way %s", type(module).__name__, way, exc_info=True)
    return "plain", module
