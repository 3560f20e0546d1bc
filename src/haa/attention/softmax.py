"""Softmax of an attention layer, recorded while the layer runs or computed again from its queries and keys."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

Rows = slice | Tensor
"""Queries to read: a slice that all samples share, or the numbers ``(b, r)`` of each sample's own."""

Weights = Callable[[Rows], Tensor]
"""Function from queries to their weights: ``(b, heads, queries, keys)``, or with batch and heads in one dimension."""

SOFTMAX = {F.softmax, torch.softmax, Tensor.softmax}
SAME = {
    *(F.dropout, torch.dropout, F.dropout1d, Tensor.to, Tensor.type_as, Tensor.type, Tensor.contiguous),
    *(Tensor.float, Tensor.half, Tensor.bfloat16, Tensor.double, Tensor.view, Tensor.reshape),
}
PRODUCT = {torch.matmul, torch.bmm, torch.einsum, Tensor.matmul, Tensor.bmm, Tensor.__matmul__}


@dataclass
class Call:
    """Attention that a layer computed once.

    Attributes:
        weights: Function that gives the weights of some queries.
        folded: Whether batch and heads share the first dimension.
        queries: Number of queries.
    """

    weights: Weights
    folded: bool
    queries: int


class AttentionMode(TorchFunctionMode):
    """Recorder of every attention that is computed while it is active; it computes nothing and changes nothing.

    Fused kernels (`scaled_dot_product_attention`, `nn.MultiheadAttention`) leave no softmax behind. Their queries,
    keys, mask and scale are kept, which already carry normalisation, rotary embeddings and the like. The softmax is
    computed when it is read, for the rows that are read. Elsewhere the softmax itself is kept, if it weighs the values
    as it is (dropout aside). Both are the weights before dropout.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            query = args[0] if args else kwargs["query"]
            self.calls.append(Call(_fused(*args, **kwargs), folded=False, queries=query.shape[-2]))
        elif func is F.multi_head_attention_forward:
            query = args[0] if args else kwargs["query"]
            self.calls.append(Call(_multi_head(args, kwargs), folded=False, queries=query.shape[0]))
        elif func in SOFTMAX:
            self._seen[id(output)] = (output, output)
        elif func in SAME and id(args[0]) in self._seen:
            self._seen[id(output)] = (output, self._seen[id(args[0])][1])
        elif func in PRODUCT:
            # a softmax is attention only if it weighs values; gates and mixtures of heads do not
            for operand in args:
                if id(operand) in self._seen:
                    self.calls.append(_unfused(self._seen[id(operand)][1]))
        return output


class SecondOrder(TorchFunctionMode):
    """Mode that, while ``active``, runs attention on a kernel that can be differentiated twice; fused ones cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.active = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.active and func in (F.scaled_dot_product_attention, F.multi_head_attention_forward):
            with sdpa_kernel(SDPBackend.MATH):
                return func(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def attention_weights(
    query: Float[Tensor, "*b q d"],
    key: Float[Tensor, "*b k d"],
    mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    rows: Rows = slice(None),
) -> Float[Tensor, "*b rows k"]:
    r"""Return the weights that `torch.nn.functional.scaled_dot_product_attention` gives the values, without dropout.

    .. math:: \mathrm{softmax}(s\, Q K^\top + M)

    Args:
        query: Queries Q of each head.
        key: Keys K of each head. Several heads of queries may share a head of keys.
        mask: Mask M: True where a key may be looked at, or a number to add to the score.
        is_causal: Whether queries see only keys up to their own position.
        scale: Scale s; None is ``d ** -0.5``.
        rows: Queries whose weights are returned: a slice, or for each sample the numbers ``(b, rows)`` of its own, with
            queries ``(b, heads, q, d)``. Nothing larger than these rows times the keys is computed.

    Returns:
        Weights in float32 at least, whatever the autocast. A query that may look at nothing gives zeros.

    Example:
        >>> attention_weights(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), is_causal=True)
        tensor([[[1.0000, 0.0000],
                 [0.5000, 0.5000]]])

    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017, equation 1.
    """
    with torch.autocast(query.device.type, enabled=False):
        dtype = torch.promote_types(query.dtype, torch.float32)
        queries, keys = rows_of(query, rows).to(dtype), key.to(dtype)
        scores = _products(queries, keys) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            places = torch.arange(query.shape[-2])[rows] if isinstance(rows, slice) else rows[:, None]
            mask = torch.arange(key.shape[-2], device=query.device) <= places[..., None].to(query.device)
        elif mask is not None and mask.ndim > 1 and mask.shape[-2] > 1:
            mask = rows_of(mask, rows)
        if mask is None:
            return scores.softmax(-1)
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask.to(dtype)
        blind = (scores == -torch.inf).all(-1, keepdim=True)
        return scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)


def rows_of(x: Float[Tensor, "*b q d"], rows: Rows) -> Float[Tensor, "*b rows d"]:
    """Return some rows of queries, of weights, or of a mask that samples or heads may share.

    Example:
        >>> x = torch.arange(6.0).view(2, 1, 3, 1)
        >>> rows_of(x, torch.tensor([[0, 2], [1, 1]])).flatten(1)
        tensor([[0., 2.],
                [4., 4.]])
    """
    if isinstance(rows, slice):
        return x[..., rows, :]
    x = x[(None,) * (4 - x.ndim)].expand(len(rows), -1, -1, -1)
    return x.gather(-2, rows[:, None, :, None].to(x.device).expand(-1, x.shape[1], -1, x.shape[-1]))


def heads_apart(call: Call) -> Call:
    """Return the attention of one token with its heads apart, where those that share keys were given as queries."""

    def weights(rows: Rows) -> Tensor:
        of_heads = call.weights(slice(None)).flatten(1, 2)[:, :, None]
        return of_heads if isinstance(rows, slice) else of_heads[:, :, : rows.shape[1]]

    return Call(weights, folded=False, queries=1)


def _products(queries: Float[Tensor, "*b q d"], keys: Float[Tensor, "*b k d"]) -> Float[Tensor, "*b q k"]:
    """Return the product of each query with each key; heads of queries that share a head of keys stand side by side."""
    if queries.ndim < 4 or queries.shape[-3] == keys.shape[-3]:
        return queries @ keys.mT
    sharing = queries.shape[-3] // keys.shape[-3]
    beside = queries.unflatten(-3, (keys.shape[-3], sharing)).flatten(-3, -2)
    return (beside @ keys.mT).unflatten(-2, (sharing, queries.shape[-2])).flatten(-4, -3)


def _fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Weights:
    return lambda rows: attention_weights(query, key, attn_mask, is_causal, scale, rows)


def _multi_head(args: Any, kwargs: Any) -> Weights:
    bound = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs)
    bound.arguments |= {"need_weights": True, "average_attn_weights": False, "training": False}
    bound.arguments |= {"is_causal": False} if bound.arguments.get("attn_mask") is None else {}

    def weights(rows: Rows) -> Tensor:
        per_head: Tensor = F.multi_head_attention_forward(*bound.args, **bound.kwargs)[1]  # type: ignore[assignment]
        return rows_of(per_head if per_head.ndim == 4 else per_head[None], rows)

    return weights


def _unfused(probabilities: Tensor) -> Call:
    folded = probabilities.ndim == 3

    def weights(rows: Rows) -> Tensor:
        if folded and not isinstance(rows, slice):
            return rows_of(probabilities.unflatten(0, (len(rows), -1)), rows).flatten(0, 1)
        return rows_of(probabilities, rows)

    return Call(weights, folded, queries=probabilities.shape[-2])
