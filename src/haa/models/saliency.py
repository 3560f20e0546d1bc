"""Saliency model: frozen or trained features, a small readout, a centre bias and a blur."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from haa.errors import InputError
from haa.gaze import Size, density, valid
from haa.geometry.extent import WHOLE, Extent, on_picture
from haa.geometry.receptive_field import extents, looks_at
from haa.models.insert import inserted, on_grid


class SaliencyReadout(nn.Module):
    r"""Saliency model that predicts where people look at an image, as a log-density.

    .. math:: \log p = \log\mathrm{softmax}\big(G_\sigma * (r(f) + \log a(f)) + \log c\big)

    with the backbone's features f, a readout r and an attention gate a of 1 x 1 convolutions, a Gaussian blur whose
    :math:`\sigma` is learned, and a centre bias c: a small map of log-density that is learned too. The gate is a
    softmax over the grid of features and a factor of the density: where it vanishes, the model predicts that nobody
    looks. The gate is the map that alignment acts upon.

    Args:
        backbone: Backbone that gives the features, see `haa.models.backbone`.
        hidden: Widths of the readout's layers; the gate has one hidden layer, as wide as the first of them.
        dropout: Probability that a whole channel of a hidden layer is dropped in training.
        scale: Factor by which the grid of the density is finer than that of the features.
        blur: Initial value of sigma, in cells of the features.
        bias_grid: Height and width of the centre bias, which is interpolated to any size.

    Raises:
        InputError: If there is no hidden layer, ``scale`` is below 1, or ``blur`` is not above 0.

    M. Kümmerer, T. S. A. Wallis, L. A. Gatys, M. Bethge, Understanding low- and high-level contributions to fixation
    prediction (DeepGaze II), ICCV 2017: readout of 1 x 1 convolutions on frozen features, blur, centre bias, softmax.
    M. Jiang et al., SALICON, CVPR 2015 and K. Xu et al., ICML 2015 (softmax attention over a grid of features).

    Example:
        >>> from haa.models.backbone import Tiny
        >>> log_density, attention = SaliencyReadout(Tiny(channels=16))(torch.rand(2, 3, 64, 64))
        >>> log_density.shape, attention.shape
        (torch.Size([2, 32, 32]), torch.Size([2, 8, 8]))
        >>> torch.allclose(log_density.exp().sum((1, 2)), torch.ones(2))
        True
    """

    def __init__(
        self,
        backbone: nn.Module,
        hidden: Sequence[int] = (32,),
        dropout: float = 0.0,
        scale: int = 4,
        blur: float = 0.5,
        bias_grid: Sequence[int] = (12, 16),
    ) -> None:
        super().__init__()
        if not len(hidden) or min(hidden) < 1:
            raise InputError(f"model.hidden={list(hidden)}: give the width of at least one layer")
        if scale < 1 or blur <= 0:
            raise InputError(f"model.scale={scale}, model.blur={blur}: give a scale of 1 or more and a blur above 0")
        self.backbone = backbone
        self.scale = scale
        channels: int = backbone.channels  # type: ignore[assignment]
        self.normalise = ChannelNorm(channels)
        self.gate = nn.Sequential(*_layers(self.normalise, hidden[:1], dropout), nn.Conv2d(hidden[0], 1, 1))
        self.readout = nn.Sequential(*_layers(self.normalise, hidden, dropout), nn.Conv2d(hidden[-1], 1, 1))
        self.log_blur = nn.Parameter(torch.tensor(math.log(blur)))
        self.centre_bias = nn.Parameter(torch.zeros(*bias_grid))

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"],
        features: Float[Tensor, "b c i j"] | None = None,
        size: Size | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Float[Tensor, "b p q"], Float[Tensor, "b i j"]]:
        """Return the log-density and the attention.

        Args:
            image: RGB in [0, 1].
            features: Features as the backbone returns them, if the caller has them already.
            size: Size (height, width) of the log-density; None is that of the finer grid. The density sums to 1 over
                the returned grid.
            attention: Inserted map to look by instead of the model's own attention, at any resolution; an all-zero map
                leaves a sample its own.
        """
        x = self.normalise(self.backbone(image) if features is None else features)
        b, _, i, j = x.shape
        log_gate = self.gate(x).float().flatten(1).log_softmax(1).view(b, 1, i, j)
        if attention is not None:
            gate = inserted(log_gate.flatten(1).exp(), on_grid(attention, (i, j)))
            log_gate = gate.clamp_min(1e-6).log().view(b, 1, i, j)  # e ** -14 where the map is 0: rare, not impossible
        logits = self.readout(x).float() + log_gate
        grid = (i * self.scale, j * self.scale)
        logits = looks_at(on_picture(logits, grid, self._extent(image)), WHOLE)
        logits = gaussian_blur(logits, self.log_blur.exp() * self.scale, radius=3 * self.scale)
        logits = logits + F.interpolate(self.centre_bias[None, None], grid, mode="bilinear", align_corners=False)
        if size is not None and size != grid:
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        log_density = logits.flatten(1).log_softmax(1).view(b, *logits.shape[2:])
        return log_density, log_gate[:, 0].exp()

    def _extent(self, image: Tensor) -> Extent:
        """Return where the cells of the features look; the density is stretched over the picture."""
        return WHOLE if getattr(self.backbone, "stretched", True) else extents(self.backbone, image)[0]

    @torch.no_grad()
    def fit_centre_bias(self, points: Float[Tensor, "b n 2"], size: Size, sigma: float = 0.05) -> None:
        """Set the centre bias to the log-density of all these fixations together, whatever their image.

        Args:
            points: Fixations on any number of images, in pixels of ``size``; NaN pads.
            size: Size (height, width) to which the points of all images were resized.
            sigma: Standard deviation of the Gaussian around each fixation, as a share of the longer side.

        Raises:
            InputError: If no fixation lies on its image.
        """
        all_points = points.reshape(1, -1, 2)
        if not valid(all_points, size).any():
            raise InputError("no fixation lies on its image: a centre bias cannot be fitted")
        grid = (self.centre_bias.shape[0], self.centre_bias.shape[1])
        relative_density = density(all_points, size, sigma * max(size), grid=grid)[0] * grid[0] * grid[1]
        self.centre_bias.copy_(relative_density.clamp_min(1e-3).log())


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each cell, whose scale and shift are applied by the layers behind it.

    What it returns has mean 0 and variance 1 in each cell, and depends on the features alone: those of a frozen
    backbone need no gradient.

    J. L. Ba, J. R. Kiros, G. E. Hinton, Layer Normalization, arXiv 1607.06450, 2016; as in DeepGaze IIE's readout.

    Example:
        >>> ChannelNorm(2)(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)).flatten()
        tensor([-1.0000,  1.0000])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Float[Tensor, "b c i j"]) -> Float[Tensor, "b c i j"]:
        return F.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=self.norm.eps).movedim(-1, 1)


class NormalisedConv(nn.Conv2d):
    """1 x 1 convolution of what a `ChannelNorm` returns, with that one's scale and shift multiplied into its weights.

    Args:
        normalise: The normalisation, which stays a part of the model that has both.
        width: Number of channels to return.

    Example:
        >>> normalise = ChannelNorm(2)
        >>> conv, x = NormalisedConv(normalise, 1), torch.rand(1, 2, 4, 4)
        >>> affine = normalise.norm(x.movedim(1, -1)).movedim(-1, 1)
        >>> torch.allclose(conv(normalise(x)), F.conv2d(affine, conv.weight, conv.bias), atol=1e-6)
        True
    """

    def __init__(self, normalise: ChannelNorm, width: int) -> None:
        super().__init__(normalise.norm.normalized_shape[0], width, 1)
        self._normalise = (normalise,)  # within a tuple it is no part of this layer

    def forward(self, x: Float[Tensor, "b c i j"]) -> Float[Tensor, "b n i j"]:
        norm = self._normalise[0].norm
        assert self.bias is not None
        bias = self.bias + self.weight.flatten(1) @ norm.bias
        return F.conv2d(x, self.weight * norm.weight[:, None, None], bias)


def gaussian_blur(x: Float[Tensor, "b 1 h w"], sigma: Tensor, radius: int) -> Float[Tensor, "b 1 h w"]:
    """Blur maps with a Gaussian whose standard deviation is differentiable; the border is repeated outwards.

    Args:
        x: Maps to blur.
        sigma: Standard deviation in pixels.
        radius: Radius of the filter in pixels.

    Example:
        >>> impulse = torch.zeros(1, 1, 1, 3).index_fill(3, torch.tensor(1), 1.0)
        >>> gaussian_blur(impulse, torch.tensor(0.5), radius=1).round(decimals=3)
        tensor([[[[0.1070, 0.7870, 0.1070]]]])
    """
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.to(x.dtype)) ** 2)
    kernel = kernel / kernel.sum()

    def blurred_lines(length: int) -> Tensor:
        """Return, in each row, how one pixel of a line is spread over it."""
        pixels = torch.eye(length, dtype=x.dtype, device=x.device)[:, None]
        return F.conv1d(F.pad(pixels, (radius, radius), mode="replicate"), kernel.view(1, 1, -1))[:, 0]

    # two products of matrices: the gradient of a convolution of one channel takes ten times as long
    return blurred_lines(x.shape[-2]).T @ (x @ blurred_lines(x.shape[-1]))


def _layers(normalise: ChannelNorm, hidden: Sequence[int], dropout: float) -> list[nn.Module]:
    widths = itertools.pairwise(hidden)
    convs = [NormalisedConv(normalise, hidden[0]), *(nn.Conv2d(before, width, 1) for before, width in widths)]
    return [layer for conv in convs for layer in (conv, nn.Softplus(), nn.Dropout2d(dropout))]
