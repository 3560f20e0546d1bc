"""Grid of a model's tokens in the image: patches on their grid, without class and register tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.attention.compiled import outside
from haa.attention.layers import find_layers, nearest
from haa.errors import InputError

# what timm and Hugging Face call the parameters of tokens that come before the patches
_EXTRA = {
    *("cls_token", "class_token", "class_embedding", "cls_embedding"),
    *("reg_token", "register_tokens", "dist_token", "distillation_token"),
}
_SHUFFLED = {"ViltEmbeddings": "draws its patches in random order"}


class Grid:
    """Patch grid of the last forward pass, on which tokens are put.

    The grid is the shape of what the model's patch embedding gave (a convolution whose stride is its kernel), so it is
    right for any image size and shape. The tokens before the patches are those that the model declares: class,
    distillation and register tokens. Where the tokens do not add up to that, it raises and asks, and never guesses.

    Args:
        grid: Rows and columns ``(i, j)``, or the name of the layer whose output ``(b, c, i, j)`` has them. None looks
            for that layer.
        prefix: Number of tokens before the patches; None takes what the model declares.
    """

    def __init__(self, grid: Sequence[int] | str | None = None, prefix: int | None = None) -> None:
        self.grid, self.prefix = grid, prefix
        self.batch: int | None = None
        """Batch size of the last forward pass, where the grid was measured in it."""
        self._model: nn.Module | None = None
        self._measured: dict[str, torch.Size] = {}
        self.refusals: dict[str, str] = {}
        """Why the cells of a layer lie elsewhere than the picture's (`haa.attention.placing`), by layer."""

    def attach(self, model: nn.Module) -> list[torch.utils.hooks.RemovableHandle]:
        """Start to measure the grid in each forward pass, and return the handles of the hooks that do so."""
        self._model, self._measured = model, {}
        if isinstance(self.grid, str):
            layers = find_layers(model, self.grid)
        elif self.grid is None:
            layers = {name: module for name, module in model.named_modules() if _embeds_patches(name, module)}
        else:
            layers = {}
        return [module.register_forward_hook(partial(self._measure, name)) for name, module in layers.items()]

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._measured.clear()

    def batch_of(self, layer: str) -> int | None:
        """Return how many images the patch embedding nearest to a layer saw; None without a patch embedding."""
        name = nearest(layer, list(self._measured))
        return None if name is None else self._measured[name][0]

    def tokens(self, x: Float[Tensor, "*b n"], layer: str) -> Float[Tensor, "*b i j"]:
        """Put the last dimension, one value per token, on the grid.

        Raises:
            InputError: If the number of tokens is not what the grid and the prefix add up to.
        """
        size, prefix = self.size(layer), self.prefix_of(x.shape[-1], layer)
        self.refuse_misplaced(layer)
        return x[..., prefix : prefix + size[0] * size[1]].unflatten(-1, size)

    def features(self, x: Tensor, layer: str, image: Sequence[int] | None = None) -> Float[Tensor, "b c i j"]:
        """Return a layer's output with channels first: maps as they are, ``(b, i, j, c)`` turned, tokens on the grid.

        Args:
            x: Output of the layer.
            layer: Name of the layer.
            image: Height and width of the image, which tell the two orders of dimensions apart. None takes channels to
                be first.

        Raises:
            InputError: If the output is neither maps nor tokens, or has not the image's shape.
        """
        if x.ndim == 3:
            return self.tokens(x.transpose(1, 2), layer)
        if x.ndim != 4:
            raise InputError(
                f"layer {layer} gives {tuple(x.shape)}: give a layer of feature maps (b, c, i, j) or tokens (b, n, c)"
            )
        self.refuse_misplaced(layer)
        if image is None or _alike(x.shape[2:], image):
            return x
        if _alike(x.shape[1:3], image):
            return x.permute(0, 3, 1, 2)
        raise InputError(f"layer {layer} gives {tuple(x.shape)}, which has not the shape of an image of {tuple(image)}")

    def size(self, layer: str) -> tuple[int, int]:
        """Return the grid (i, j) that a layer's tokens lie on.

        Raises:
            InputError: If no patch embedding was seen, or the model draws its patches in random order.
        """
        self._refuse_shuffled(layer)
        if self.grid is not None and not isinstance(self.grid, str):
            rows, columns = self.grid
            return rows, columns
        name = nearest(layer, list(self._measured))
        if name is None:
            raise InputError(
                f"no patch embedding was seen on the way to layer {layer}: give grid, as (rows, columns) or as the "
                "name of the layer whose output (b, c, i, j) has it"
            )
        shape = self._measured[name]
        return shape[-2], shape[-1]

    def prefix_of(self, count: int, layer: str) -> int:
        """Return how many of ``count`` tokens come before the patches.

        Raises:
            InputError: If ``count`` is not what the grid and the prefix add up to.
        """
        rows, columns = self.size(layer)
        patches = rows * columns
        if self.prefix is not None:
            if count < self.prefix + patches:
                raise InputError(
                    f"layer {layer} has {count} tokens: too few for prefix={self.prefix} and {rows} x {columns}"
                )
            return self.prefix
        declared = self._declared(layer)[0]
        if count != patches + declared:
            raise InputError(
                f"layer {layer} has {count} tokens, but the grid is {rows} x {columns} and {declared} tokens are "
                "declared before it (windows, pooling or dropped patches?): name another layer, or give grid and prefix"
            )
        return declared

    def has_class_token(self, count: int, layer: str) -> bool:
        """Return whether the first of ``count`` tokens is a class token, not a register or a patch."""
        prefix = self.prefix_of(count, layer)
        return prefix > 0 if self.prefix is not None else self._declared(layer)[1]

    def _declared(self, layer: str) -> tuple[int, bool]:
        assert self._model is not None
        modules = dict(self._model.named_modules())
        name = nearest(layer, list(self._measured)) or layer
        while True:
            module = modules[name]
            count = getattr(module, "num_prefix_tokens", None)
            if isinstance(count, int):
                return count, getattr(module, "cls_token", None) is not None
            tokens = {n: p for n, p in module.named_parameters(recurse=False) if n in _EXTRA}
            if tokens:
                total = sum(p.shape[1] if p.ndim == 3 else 1 for p in tokens.values())
                return total, any(n.startswith("cl") for n in tokens)
            if not name:
                return 0, False
            name = name.rpartition(".")[0]

    def refuse_misplaced(self, layer: str) -> None:
        """Refuse a layer whose cells lie elsewhere than the picture's.

        Raises:
            InputError: If they do (`haa.attention.placing`).
        """
        if layer in self.refusals:
            raise InputError(self.refusals[layer])

    def _refuse_shuffled(self, layer: str) -> None:
        assert self._model is not None
        for module in self._model.modules():
            reason = _SHUFFLED.get(type(module).__name__)
            if reason:
                raise InputError(
                    f"layer {layer}: {type(module).__name__} {reason}, its tokens lie on no grid: use input_gradient"
                )

    def _measure(self, name: str, module: nn.Module, args: object, output: object) -> None:
        if torch.compiler.is_dynamo_compiling():
            outside(self._measure, name, module, args, output)
            return
        output = first_tensor(output)
        if output is None or output.ndim != 4:
            raise InputError(f"grid={name} does not give maps (b, c, i, j): name another layer")
        self._measured[name] = output.shape


def first_tensor(output: object) -> Tensor | None:
    """Return the tensor that a layer's output is or begins with; None where there is none.

    Example:
        >>> first_tensor((torch.zeros(2), None)).shape
        torch.Size([2])
    """
    if isinstance(output, Tensor):
        return output
    hidden = getattr(output, "last_hidden_state", None)
    if isinstance(hidden, Tensor):
        return hidden
    if isinstance(output, list | tuple) and output and isinstance(output[0], Tensor):
        return output[0]
    return None


def _embeds_patches(name: str, module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d):
        return False
    strided = module.kernel_size == module.stride and min(module.kernel_size) > 1
    return strided or name.endswith("patch_embed.proj")


def _alike(grid: Sequence[int], image: Sequence[int]) -> bool:
    """Return whether a grid has an image's shape, up to a cell of rounding."""
    return abs(grid[0] * image[1] - grid[1] * image[0]) <= max(image)
