"""Overlap of a predicted mask with the true one: Dice coefficient and intersection over union."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.metrics.functional.salient_objects import of_objects

THRESHOLD = 0.5


def dice(
    prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"], threshold: float = THRESHOLD
) -> Float[Tensor, " b"]:
    r"""Return the Dice coefficient of each predicted mask, which is the F1 score of its pixels.

    .. math:: \frac{2 |P \cap M|}{|P| + |M|}

    P are the pixels whose probability exceeds the threshold, M those of the objects
    (`haa.metrics.functional.salient_objects.of_objects`). Predictions are taken as they are, and not stretched as the
    measures of salient objects stretch them. An empty mask gives 1 where nothing is predicted, and else 0. Pixels are
    counted as whole numbers, so that the value is exact on every device. A prediction that holds NaN gives NaN.

    Segmentation of polyps reports it as mDice: the mean over images, at 0.5 in some papers and over 256 thresholds in
    others (PraNet). MONAI leaves out images whose mask is empty.

    Args:
        prediction: Probabilities, or uint8 of which 255 is 1.
        mask: Masks of the objects.
        threshold: Probability above which a pixel is said to belong to the object.

    Returns:
        One value in [0, 1] per sample, float64 (float32 where the device has no float64).

    Raises:
        InputError: If the shapes differ.

    Example:
        >>> mask = torch.tensor([[[0, 255, 255]]], dtype=torch.uint8)
        >>> dice(torch.tensor([[[0.6, 0.7, 0.2]]]), mask)  # 2 * 1 / (2 + 2)
        tensor([0.5000], dtype=torch.float64)

    L. R. Dice, Measures of the Amount of Ecologic Association Between Species, Ecology 26(3), 1945.
    """
    both, predicted, true = _counts(prediction, mask, threshold)
    return _ratio(2 * both, predicted + true, prediction)


def iou(
    prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"], threshold: float = THRESHOLD
) -> Float[Tensor, " b"]:
    r"""Return the intersection over union of each predicted mask, the Jaccard index.

    .. math:: \frac{|P \cap M|}{|P \cup M|}

    All else is as for `dice`, of which it is ``dice / (2 - dice)``. It is of the object alone: a mean over the classes
    object and background is another number.

    Args:
        prediction: Probabilities, or uint8 of which 255 is 1.
        mask: Masks of the objects.
        threshold: Probability above which a pixel is said to belong to the object.

    Returns:
        One value in [0, 1] per sample, as `dice`.

    Raises:
        InputError: If the shapes differ.

    Example:
        >>> mask = torch.tensor([[[0, 255, 255]]], dtype=torch.uint8)
        >>> iou(torch.tensor([[[0.6, 0.7, 0.2]]]), mask)  # 1 / 3
        tensor([0.3333], dtype=torch.float64)

    P. Jaccard, The Distribution of the Flora in the Alpine Zone, New Phytologist 11(2), 1912.
    """
    both, predicted, true = _counts(prediction, mask, threshold)
    return _ratio(both, predicted + true - both, prediction)


def _counts(
    prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"], threshold: float
) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Return the numbers of pixels in both masks, in the predicted one and in the true one."""
    if prediction.shape != mask.shape:
        raise InputError(f"predictions of {tuple(prediction.shape)} and masks of {tuple(mask.shape)} differ: resize")
    said: Bool[Tensor, "b h w"] = prediction > (255 * threshold if prediction.dtype == torch.uint8 else threshold)
    true = of_objects(mask)
    return (said & true).sum((1, 2)), said.sum((1, 2)), true.sum((1, 2))


def _ratio(
    above: Int[Tensor, " b"], below: Int[Tensor, " b"], prediction: Shaped[Tensor, "b h w"]
) -> Float[Tensor, " b"]:
    kind = torch.float32 if above.device.type == "mps" else torch.float64
    ratio = torch.where(below == 0, 1.0, above.to(kind) / below.clamp_min(1))
    return torch.where(prediction.isnan().flatten(1).any(1), torch.nan, ratio)
