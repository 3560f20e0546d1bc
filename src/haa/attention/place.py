"""Where in the picture a layer's cells lie: found by changing the picture, not by counting tokens.

The right number of tokens says nothing of their order. Before the first forward pass that a source watches, some small
regions of the picture are changed, one in each copy, and it is seen where the layer changes. That is where these cells
lie. Tokens in random order, channels, pooled tokens and a grid that is turned or begins at another token change
elsewhere, and are refused.

While this is tried, attention hands on each token's own value, so that a token depends on its own patch alone, as deep
as the layer may lie; the weights that a source reads are those of the real softmax.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode

from haa.attention.softmax import PRODUCT, SOFTMAX

REGIONS = 12
"""Number of regions of the picture that are changed."""
COPIES = 4
"""Number of pictures in a pass, at least, where a model takes nothing but pictures."""
AGREEMENT = 0.8
"""Least correlation between where the picture is changed and where the layer is, in each direction."""

ABOUT = 0.5
"""The same where a region changes cells all about it. Twelve regions in no order agree so by chance in about one of 400
cases, in both directions."""

MEAN_OFF = 0.45
"""Largest mean distance between the two, in cells, where each cell has a part of the picture of its own."""


def regions(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return cells of a grid that are spread evenly over it, in no order.

    Example:
        >>> regions(2, 3)[:4]
        [(1, 1), (0, 0), (0, 1), (1, 0)]
    """
    # the plastic number's multiples fill a square evenly (Roberts 2018)
    shares = [((0.5 + 0.7548776662 * k) % 1, (0.5 + 0.5698402910 * k) % 1) for k in range(REGIONS)]
    return [(int(y * rows), int(x * columns)) for y, x in shares]


def changed(
    image: Float[Tensor, "b c h w"], cells: list[tuple[int, int]], grid: tuple[int, int]
) -> Float[Tensor, "b c h w"]:
    """Return pictures of which each has noise, of twice its own contrast, in its cell of a grid."""
    out = image.clone()
    (rows, columns), (height, width) = grid, image.shape[-2:]
    generator = torch.Generator().manual_seed(0)
    for picture, (row, column) in zip(out, cells, strict=False):
        top, left = row * height // rows, column * width // columns
        bottom, right = -(-(row + 1) * height // rows), -(-(column + 1) * width // columns)
        contrast = picture.float().std()
        noise = torch.randn(len(picture), bottom - top, right - left, generator=generator).to(image.device)
        noise = picture.float().mean() + 2 * torch.where(contrast > 0, contrast, 1.0) * noise
        picture[:, top:bottom, left:right] = noise.to(picture.dtype)
    return out


def misplaced(change: Float[Tensor, "k i j"], cells: list[tuple[int, int]], spreads: bool = False) -> bool | None:
    """Return whether a layer changes elsewhere than in the cells where the picture was; None where nothing changes.

    Args:
        change: How much each cell of the layer has changed, for each region.
        cells: Row and column of each region, on the grid of the layer.
        spreads: Whether the layer is a convolution's: then nothing is said where no cell has half of the change, nor
            of a grid of fewer than 4 cells to a side.

    Example:
        >>> cells = regions(4, 4)
        >>> change = torch.zeros(len(cells), 4, 4)
        >>> for number, (row, column) in enumerate(cells): change[number, row, column] = 1
        >>> misplaced(change, cells), misplaced(change.mT, cells), misplaced(change.roll(1, 2), cells)
        (False, True, True)
    """
    whole = change.sum((1, 2))
    change = (change - change.flatten(1).median(1).values[:, None, None]).clamp_min(0)
    peak = change.flatten(1).amax(1)
    seen = (peak > 0) & peak.isfinite()
    if int(seen.sum()) < min(4, len(cells)):
        return None
    narrow = bool((peak[seen] / whole[seen]).median() >= 0.5)
    if spreads and not (narrow and min(change.shape[1:]) >= 4):
        return None
    apart = narrow and not spreads  # attention to what convolutions have made changes about the place, too
    share = (change[seen] / peak[seen][:, None, None]).pow(4)
    share = share / share.sum((1, 2), keepdim=True)
    expected = torch.tensor(cells, dtype=torch.float64)[seen.cpu()]
    for axis, marginal in ((0, share.sum(2)), (1, share.sum(1))):
        length = marginal.shape[1]
        if length == 1:
            continue
        found = (marginal.double().cpu() * torch.arange(length)).sum(1)
        off, agrees = found - expected[:, axis], _agreement(found, expected[:, axis])
        # a picture that is padded up to whole patches is off by up to a cell at its end
        if agrees < (0.0 if spreads else AGREEMENT if apart else ABOUT):
            return True
        if apart and not (abs(off.median()) < 0.75 and off.abs().mean() < MEAN_OFF):
            return True
    return False


def _agreement(found: Tensor, expected: Tensor) -> float:
    if expected.std() == 0:
        return 1.0
    return float(torch.corrcoef(torch.stack([found, expected]))[0, 1]) if found.std() > 0 else -1.0


def difference(after: Mapping[str, Tensor], before: Mapping[str, Tensor], logs: bool) -> dict[str, Tensor]:
    """Return how much each cell of each layer has changed, ``(b, i, j)``.

    Args:
        after: Values ``(b, c, i, j)`` with the changed picture, by layer.
        before: Those with the picture as it is.
        logs: Whether they are logarithms of shares: then a change that all cells have in common is that of their sum.
    """
    out = {}
    for layer, values in after.items():
        change = values.double() - before[layer].double()
        if logs:
            change = change - change.flatten(2).median(2).values[..., None, None]
            # of most queries: the one that lies in the region itself changes what it has for all keys
            size, least = change.abs().median(1).values, torch.tensor(1e-6)
        else:
            # what rounding alone may do
            size, least = change.norm(dim=1), 1e-5 * before[layer].double().norm(dim=1).amax((1, 2), keepdim=True)
        out[layer] = torch.where(size > least.to(size.device), size, 0.0)
    return out


class OwnValue(TorchFunctionMode):
    """Mode in which each token attends to itself alone, wherever a sequence attends to itself."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[int, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            return func(**_to_itself(args, kwargs))
        output = func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            value = args[2] if len(args) > 2 else kwargs["value"]
            query = args[0] if args else kwargs["query"]
            key = args[1] if len(args) > 1 else kwargs["key"]
            return _own(value, output) if query.shape[-2] == value.shape[-2] and not _asks(query, key) else output
        if func in SOFTMAX:
            self._seen[id(output)] = output
        elif func not in PRODUCT and args and id(args[0]) in self._seen:
            # dropout, casts, a mixture of heads
            if isinstance(output, Tensor) and output.numel() == args[0].numel():
                self._seen[id(output)] = output
        elif func in PRODUCT and len(args) == 2 and all(isinstance(x, Tensor) for x in args):
            for weights, value in (args, args[::-1]):
                if id(weights) in self._seen and weights.shape[-1] == weights.shape[-2]:
                    return _own(value, output)
        return output


def _asks(query: Tensor, key: Tensor) -> bool:
    """Return whether queries are those of the model, the same for all pictures, and not of the picture's own tokens."""
    return len(query) > 1 and bool((query == query[:1]).all()) and not bool((key == key[:1]).all())


def _own(value: Tensor, output: Tensor) -> Tensor:
    """Return the values in the place of their mixture; several heads of queries may share a head of values."""
    if value.ndim > 2 and value.shape[-3] and value.shape[-3] != output.shape[-3]:
        value = value.repeat_interleave(output.shape[-3] // value.shape[-3], -3)
    return value.clone() if value.shape == output.shape else output


def _to_itself(args: Any, kwargs: Any) -> dict[str, Any]:
    bound = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs)
    arguments = bound.arguments
    length = arguments["query"].shape[0]
    if (
        arguments["query"] is arguments["key"]
        and arguments.get("bias_k") is None
        and not arguments.get("add_zero_attn")
    ):
        others = ~torch.eye(length, dtype=torch.bool, device=arguments["query"].device)
        arguments |= {"attn_mask": others, "key_padding_mask": None, "is_causal": False}
    return arguments
