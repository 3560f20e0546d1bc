"""Base class of the sources that read attention weights: layers, heads, and one softmax per layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from haa.attention.compiled import outside
from haa.attention.grid import Grid
from haa.attention.layers import find_layers
from haa.attention.softmax import AttentionMode, Call, Rows
from haa.attention.source import Source, unseen
from haa.errors import InputError

ALL = slice(None)


class AttentionWeights(Source):
    """Base of the sources that read the attention weights of layers.

    Args:
        layers: Names or patterns of attention modules, or of blocks with one attention each. None looks for them.
        heads: Numbers of the heads whose mean is read; None takes all.
        grid: Grid of the patches, see `haa.attention.grid.Grid`.
        prefix: Number of tokens before the patches, see `haa.attention.grid.Grid`.
    """

    reads_layers = True
    reads_logs = True

    def __init__(
        self,
        layers: str | Sequence[str] | None = None,
        heads: Sequence[int] | None = None,
        grid: Sequence[int] | str | None = None,
        prefix: int | None = None,
    ) -> None:
        super().__init__(Grid(grid, prefix))
        self.layers, self.heads = layers, None if heads is None else list(heads)
        self._modules: dict[str, nn.Module] = {}
        self._packed: frozenset[str] = frozenset()
        self._modes: dict[str, list[AttentionMode]] = {}

    def default_layers(self, model: nn.Module) -> dict[str, nn.Module]:
        """Return the layers to read where none is named, by name."""
        raise NotImplementedError

    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        self._modules = self.default_layers(model) if self.layers is None else find_layers(model, self.layers)
        handles = []
        for name, module in self._modules.items():
            # methods, so that the hooks of a copied model are those of a copied source
            enter, leave = partial(self._enter_layer, name), partial(self._leave_layer, name)
            handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            handles.append(module.register_forward_hook(leave, always_call=True, prepend=True))
        return handles

    def end(self, output: Any) -> None:
        """Keep nothing of the output, whose logits may be larger than all that is read."""

    def cells(self) -> dict[str, Tensor]:
        # head by head: what all keys of a query lose to one of them is a common factor in a head alone
        shares = {
            layer: torch.cat([self._by_head(layer, call, ALL).flatten(1, 2) for call in self.calls(layer)], 1)
            for layer in self._modules
        }
        return {layer: self.grid.tokens(values.clamp_min(1e-30).log(), layer) for layer, values in shares.items()}

    def weights(self, layer: str, call: Call, rows: Rows = ALL) -> Float[Tensor, "b rows k"]:
        """Return the attention weights of a layer's queries, averaged over the chosen heads.

        Args:
            layer: Name of the layer.
            call: Attention that the layer computed.
            rows: Queries to return; see `haa.attention.softmax.Rows`.

        Raises:
            InputError: If batch and heads cannot be told apart, the weights are not one set for each image, or a head
                is not there.
        """
        return self._by_head(layer, call, rows).mean(1)

    def _by_head(self, layer: str, call: Call, rows: Rows) -> Float[Tensor, "b heads rows k"]:
        weights = call.weights(rows)
        batch = self.batch_of(layer)
        if call.folded:
            if batch is None or weights.shape[0] % batch:
                raise InputError(f"layer {layer} folds batch and heads: haa cannot tell them apart without the image")
            weights = weights.unflatten(0, (batch, -1))
        if weights.ndim != 4 or (batch is not None and weights.shape[0] != batch):
            raise InputError(
                f"layer {layer} ({type(self._modules[layer]).__name__}) gave {tuple(weights.shape)} weights for "
                f"{batch} images (windows, beams?), which lie on no grid: use gradcam or feature_norm there"
            )
        self._check_heads(layer, weights.shape[1])
        # not weights[:, self.heads]: a list as an index is copied to the device, and the host waits
        return weights if self.heads is None else torch.stack([weights[:, head] for head in self.heads], 1)

    def batch_of(self, layer: str) -> int | None:
        """Return how many samples a layer saw in the last forward pass; None where it is not known."""
        return self.grid.batch_of(layer) or (self._image[0] if self._image is not None else None)

    def keep(self, layer: str, calls: list[Call]) -> list[Any]:
        """Return what to keep of the attentions that a layer has computed, while the model goes on."""
        return calls

    def calls(self, layer: str) -> list[Any]:
        """Return the attentions that a layer computed in the last forward pass, at least one.

        Raises:
            InputError: If the layer did not run, or computed no attention that can be read.
        """
        calls = self._taken.get(layer)
        if layer in self._packed:
            raise InputError(
                f"layer {layer} ({type(self._modules[layer]).__name__}) packs the patches of all images into one "
                "sequence, in the order in which they are merged or in windows (cu_seqlens): they lie on no grid here; "
                "TokenAttention reads them where the language model looks"
            )
        if calls is None:
            raise unseen(self, f"layer {layer}")
        if not calls:
            raise self.unreadable(layer)
        return calls

    def unreadable(self, layer: str) -> InputError:
        """Return the error to raise where a layer leaves no attention to read."""
        kind, kernel = type(self._modules[layer]).__name__, kernel_of(self._modules[layer])
        if kernel not in ("sdpa", "eager", ""):
            return InputError(
                f"layer {layer} ({kind}) attends with {kernel}, which leaves no attention that can be read: load the "
                "model with attn_implementation='sdpa'"
            )
        return InputError(
            f"layer {layer} ({kind}) ran, but computed no attention that can be read: it "
            "holds none, has a kernel of its own, or changes the softmax before it weighs the values"
        )

    def only_call(self, layer: str) -> Call:
        """Return the only attention that a layer computed in the last forward pass.

        Raises:
            InputError: If there is none, or more than one.
        """
        calls = self.calls(layer)
        if len(calls) > 1:
            kind = type(self._modules[layer]).__name__
            raise InputError(
                f"layer {layer} ({kind}) computed {len(calls)} attentions in one forward pass: name a layer with one"
            )
        return calls[0]

    def _check_heads(self, layer: str, count: int) -> None:
        if self.heads is not None and not all(-count <= head < count for head in self.heads):
            raise InputError(f"heads={self.heads} are not all in layer {layer}: it has heads 0 to {count - 1}")
        module = self._modules[layer]
        declared = getattr(module, "num_attention_heads", getattr(module, "num_heads", count))
        if isinstance(declared, int) and declared != count:
            raise InputError(f"layer {layer} has {declared} heads but attends with {count}: haa cannot read it")

    def _enter_layer(self, layer: str, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if torch.compiler.is_dynamo_compiling():
            outside(self._run_apart, layer, module, args, kwargs)
            return
        if not self.watching:
            return
        if kwargs.get("cu_seqlens") is not None:
            self._packed |= {layer}
        mode = AttentionMode()
        self._modes.setdefault(layer, []).append(mode)
        mode.__enter__()

    def _leave_layer(self, layer: str, module: nn.Module, args: object, output: object) -> None:
        if torch.compiler.is_dynamo_compiling() or not self._modes.get(layer):
            return
        mode = self._modes[layer].pop()
        mode.__exit__(None, None, None)
        self._keep_calls(layer, mode)

    def _run_apart(self, layer: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        # within compiled code no mode sees a call: the layer computes its attention once more, outside of it
        if self.watching:
            with AttentionMode() as mode:
                module.forward(*args, **kwargs)
            self._keep_calls(layer, mode)

    def _keep_calls(self, layer: str, mode: AttentionMode) -> None:
        # where a part of the model is called by itself, every call counts as a forward pass
        starts_a_pass = self._depth == 0 and not self._recording
        before = [] if starts_a_pass else self._taken.get(layer, [])
        self._taken = {**self._taken, layer: before + self.keep(layer, mode.calls)}


def kernel_of(layer: nn.Module) -> str:
    """Return the name of the attention that a layer's config asks for; an empty text where it has none."""
    name = getattr(getattr(layer, "config", None), "_attn_implementation", None)
    return name if isinstance(name, str) else ""
