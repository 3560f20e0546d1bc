"""Earth mover's distance of two densities, on reduced maps."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from haa.errors import InputError
from haa.metrics.functional.flat_maps import density_parts, flat


def earth_movers_distance(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], reduction: int = 32
) -> Float[Tensor, " b"]:
    """Return the earth mover's distance: the least work that turns one density into the other, on reduced maps.

    Both maps are averaged over cells of about ``reduction`` pixels per side and divided by their sums. Work is mass
    times the distance of the cells' centres, in cells. The value is exact, the solution of a linear program: POT's
    network simplex solves it where that package is installed (``pip install pot``, about a hundred times as fast), and
    scipy's HiGHS elsewhere. Follows the definition of the MIT benchmark, whose code resizes by Matlab's imresize and
    calls FastEMD.

    It is not differentiable, and the CPU computes it: an accelerator has to wait for the result.

    Args:
        prediction: Saliency maps; negative values shift the map to minimum 0; an all-zero one is a uniform density.
        density: Blurred fixation maps, treated alike. Report their sigma.
        reduction: Pixels per side of a cell.

    Returns:
        Value per sample, at least 0, in cells; lower is better.

    Raises:
        InputError: If the shapes differ, or the reduction is below 1.

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
    has_nan = s.isnan().any(1) | g.isnan().any(1)
    y, x = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    distance = np.hypot(y[:, None] - y, x[:, None] - x)
    cells = []
    for maps in (s, g):
        shifted, _ = density_parts(maps.detach().double().cpu())
        reduced = adaptive_avg_pool2d(shifted.view(-1, 1, h, w), grid).flatten(1)
        cells.append((reduced / reduced.sum(1, keepdim=True)).numpy())
    work = [np.nan if nan else _least_work(p, q, distance) for p, q, nan in zip(*cells, has_nan.tolist(), strict=True)]
    return torch.tensor(work, dtype=s.dtype, device=s.device)


def _least_work(p: NDArray[np.float64], q: NDArray[np.float64], distance: NDArray[np.float64]) -> float:
    # the distance is a metric, so the mass that both densities have in a cell stays there
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
        from scipy.optimize import linprog
        from scipy.sparse import eye, kron, vstack

        n, m = cost.shape
        rows = vstack([kron(eye(n), np.ones((1, m))), kron(np.ones((1, n)), eye(m))]).tocsr()[:-1]
        exact = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        solution = linprog(cost.ravel(), A_eq=rows, b_eq=np.r_[supply, demand][:-1], method="highs-ds", options=exact)
        if not solution.success:
            raise RuntimeError(f"the transport problem was not solved: {solution.message}") from None
        return float(solution.fun * moved)
    return float(emd2(supply, demand, cost, numItermax=10_000_000) * moved)
