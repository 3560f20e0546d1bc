"""Alignment losses: pure functions ``(B, h, w) x (B, h, w) -> (B,)``, one paper each, float32 inside any autocast."""

from haa.losses.correlation import correlation
from haa.losses.kl_divergence import kl_divergence

__all__ = ["correlation", "kl_divergence"]
