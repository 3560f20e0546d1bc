"""The upper bound: the human map as the attention itself."""

from __future__ import annotations

from haa.conditions.condition import Human


class Oracle(Human):
    """An upper bound: the human map inserted as the attention itself, in training and in evaluation.

    It uses human gaze at test time, so it is an upper bound and no model. `AlignedModule` inserts the map
    where the model's own attention would be (its ``forward`` takes ``attention=``); samples without gaze keep the
    machine's. There is nothing left to align, so the weight has no effect, and the attention metrics are the human
    map's own, on the model's grid.
    """

    role = "oracle"
    inserts = True
