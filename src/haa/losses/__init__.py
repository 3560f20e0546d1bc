"""Alignment losses: pure functions, one value per sample, one paper each, float32 inside any autocast.

Most compare maps: ``(attention (b, h, w), human (b, h, w)) -> (b,)``. A loss whose second argument is named
``fixations`` takes points ``(b, n, 2)`` in the attention's pixels. Every loss falls as the attention comes closer to
people's.
"""

from haa.losses.correlation import correlation
from haa.losses.cosine import cosine
from haa.losses.information_gain import information_gain
from haa.losses.jensen_shannon import jensen_shannon
from haa.losses.kl_divergence import kl_divergence
from haa.losses.mse import mse
from haa.losses.nss import nss
from haa.losses.pyramid_mse import pyramid_mse
from haa.losses.ranking import ranking
from haa.losses.right_reasons import right_reasons
from haa.losses.similarity import similarity
from haa.losses.weighted import Weighted, asks_for

__all__ = [
    "Weighted",
    "asks_for",
    "correlation",
    "cosine",
    "information_gain",
    "jensen_shannon",
    "kl_divergence",
    "mse",
    "nss",
    "pyramid_mse",
    "ranking",
    "right_reasons",
    "similarity",
]
