"""Scenes of coloured shapes with a simulated observer: the embedded dataset."""

from haa.data.shapes.dataset import Shapes

__all__ = ["Shapes"]
