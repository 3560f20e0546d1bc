"""The earth mover's distance of two densities on reduced maps."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import eye, kron, vstack
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from haa.errors import InputError
from haa.metrics.functional.maps import density_parts, flat


def earth_movers_distance(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], reduction: int = 32
) -> Float[Tensor, " b"]:
    """Earth mover's distance: the least work that turns one density into the other, on maps reduced by ``reduction``.

    Both maps are averaged over cells of about ``reduction`` pixels and divided by their sums; work is mass times the
    distance of cell centres, in cells. Exact: solved as a linear program, by POT's network simplex where that package
    is installed (``pip install pot``, about a hundred times as fast) and by scipy's HiGHS elsewhere. Follows the
    definition of the MIT benchmark, whose code resizes by Matlab's imresize and calls FastEMD.

    Not differentiable, and computed on the CPU: the maps wait for it.

    Args:
        prediction: saliency maps; negative values shift the map to minimum 0; an all-zero one is a uniform density.
        density: blurred fixation maps, treated alike. State their sigma.
        reduction: pixels per cell's side.

    Returns:
        Per sample, at least 0, in cells; lower is better.

    Raises:
        InputError: if the shapes differ, or the reduction is below 1.

    Example:
        >>> a, b = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 0.5, 0.5]]])
        >>> earth_movers_distance(a, b, reduction=1)
        tensor([1.5000])

    Rubner et al., The earth mover's distance as a metric for image retrieval, IJCV 2000; Bylinskii et al., PAMI 2019.
    """
    if reduction < 1:
        raise InputError(f"earth_movers_distance got reduction={reduction}: give pixels per side of a cell, at least 1")
    s = flat(prediction)
    g = flat(density, like=prediction)
    h, w = prediction.shape[1:]
    grid = max(round(h / reduction), 1), max(round(w / reduction), 1)
    broken = s.isnan().any(1) | g.isnan().any(1)
    y, x = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    distance = np.hypot(y[:, None] - y, x[:, None] - x)
    cells = []
    for maps in (s, g):
        shifted, _ = density_parts(maps.detach().double().cpu())
        reduced = adaptive_avg_pool2d(shifted.view(-1, 1, h, w), grid).flatten(1)
        cells.append((reduced / reduced.sum(1, keepdim=True)).numpy())
    work = [np.nan if bad else _least_work(p, q, distance) for p, q, bad in zip(*cells, broken.tolist(), strict=True)]
    return torch.tensor(work, dtype=s.dtype, device=s.device)


def _least_work(p: NDArray[np.float64], q: NDArray[np.float64], distance: NDArray[np.float64]) -> float:
    # the distance is a metric, so mass that both have in a cell stays where it is
    surplus, lack = np.flatnonzero(p > q), np.flatnonzero(q > p)
    supply, demand = (p - q)[surplus], (q - p)[lack]
    if not len(surplus) or not len(lack):
        return 0.0
    moved = supply.sum()
    supply, demand = supply / moved, demand / demand.sum()
    cost = np.ascontiguousarray(distance[np.ix_(surplus, lack)])
    try:
        from ot import emd2
    except ImportError:
        n, m = cost.shape
        rows = vstack([kron(eye(n), np.ones((1, m))), kron(np.ones((1, n)), eye(m))]).tocsr()[:-1]
        exact = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        found = linprog(cost.ravel(), A_eq=rows, b_eq=np.r_[supply, demand][:-1], method="highs-ds", options=exact)
        if not found.success:
            raise RuntimeError(f"the transport problem was not solved: {found.message}") from None
        return float(found.fun * moved)
    return float(emd2(supply, demand, cost, numItermax=10_000_000) * moved)
