"""Random generators that depend on numbers alone, so that every process and every resumed run draws the same."""

from __future__ import annotations

import numpy as np
import torch


def generator(*key: int) -> torch.Generator:
    """Return a random generator that depends on these non-negative integers alone.

    Example:
        >>> torch.equal(torch.rand(2, generator=generator(0, 1)), torch.rand(2, generator=generator(0, 1)))
        True
    """
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
