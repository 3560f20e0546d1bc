"""What some steps of aligned training on one batch change."""

from __future__ import annotations

import torch

from haa.batch import Batch
from haa.tasks.aligned_module import AlignedModule


def taught(module: AlignedModule, batch: Batch, steps: int) -> tuple[float, float]:
    """Train on a batch; the task's loss and the alignment's afterwards, as shares of what they were."""
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    first = module.step(batch)
    aligned = module.alignment(first.attention, batch)
    for _ in range(steps):
        output = module.step(batch)
        loss, _ = module.alignment.join(output.loss, output.attention, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    last = module.step(batch)
    return (last.loss / first.loss).item(), (module.alignment(last.attention, batch) / aligned).item()
