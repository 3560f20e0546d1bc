"""Faithfulness of a map to the model that it explains; each update runs the model on masked images.

The classes have the plain values of the papers, which rise and fall with the model's confidence whatever the map:
compare maps of one model with them. `haa.metrics.functional.faithfulness` subtracts the values of random maps, as
metrics.json has them.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

from haa.metrics.base import SampleMean
from haa.metrics.functional.faithfulness import Score, comprehensiveness, deletion, insertion, sufficiency


class Deletion(SampleMean):
    """Plain area under the deletion curve, low is faithful, see `haa.metrics.functional.faithfulness.deletion`.

    Args:
        options: Options of the function: ``steps``, ``baseline``, ``batch_size``.

    Example:
        >>> import torch
        >>> metric = Deletion(steps=4)
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> metric.update(lambda x: x.sum((1, 2, 3)), image, image[:, 0])
        >>> metric.compute()
        tensor(3.7500)
    """

    higher_is_better = False

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def update(self, score: Score, image: Float[Tensor, "b c h w"], maps: Float[Tensor, "b i j"]) -> None:
        self.add(deletion(score, image, maps, **self.options)[0])


class Insertion(Deletion):
    """Plain area under the insertion curve, high is faithful, see `haa.metrics.functional.faithfulness.insertion`."""

    higher_is_better = True

    def update(self, score: Score, image: Float[Tensor, "b c h w"], maps: Float[Tensor, "b i j"]) -> None:
        self.add(insertion(score, image, maps, **self.options)[0])


class Comprehensiveness(Deletion):
    """Plain fall of the score without the marked pixels, see `haa.metrics.functional.faithfulness.comprehensiveness`.

    Args:
        options: Options of the function: ``shares``, ``baseline``, ``batch_size``.
    """

    higher_is_better = True

    def update(self, score: Score, image: Float[Tensor, "b c h w"], maps: Float[Tensor, "b i j"]) -> None:
        self.add(comprehensiveness(score, image, maps, **self.options))


class Sufficiency(Deletion):
    """Plain fall of the score with only the marked pixels, see `haa.metrics.functional.faithfulness.sufficiency`.

    Args:
        options: Options of the function: ``shares``, ``baseline``, ``batch_size``.
    """

    def update(self, score: Score, image: Float[Tensor, "b c h w"], maps: Float[Tensor, "b i j"]) -> None:
        self.add(sufficiency(score, image, maps, **self.options))
