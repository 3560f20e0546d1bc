"""Alignment: the loss between the machine's map and the human one, and the ways to bring it into training.

`Alignment` is the loss; `haa.alignment.schedule` changes its weight over training; `haa.alignment.loop` holds
`haa.align` for a training loop of one's own, and `haa.alignment.callback` the `haa.AlignmentCallback` for a
LightningModule of one's own. The last one is not imported here, since it needs Lightning.
"""

from haa.alignment.alignment import Alignment, Loss

__all__ = ["Alignment", "Loss"]
