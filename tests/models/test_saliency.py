"""The saliency readout: its parts against scipy and the formula written out, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F

from haa.errors import InputError
from haa.models.backbone import Tiny
from haa.models.saliency import ChannelNorm, NormalisedConv, SaliencyReadout, gaussian_blur


def model(**options) -> SaliencyReadout:
    torch.manual_seed(0)
    return SaliencyReadout(Tiny(channels=16), **options).eval()


def test_values_equal_the_formula():
    """On one image, cell by cell in numpy, with scipy's filter."""
    ours = model(hidden=(8, 4), scale=2, blur=0.7)
    ours.backbone.stretched = True
    for parameter in (ours.centre_bias, *ours.normalise.parameters()):
        torch.nn.init.normal_(parameter)
    scale, shift = (parameter.detach().numpy() for parameter in ours.normalise.parameters())
    image = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        log_density, attention = ours(image)
        features = ours.backbone(image)[0].numpy()
        bias = F.interpolate(ours.centre_bias[None, None], (8, 12), mode="bilinear")[0, 0].numpy()

    def network(layers, x):
        convolutions = [m for m in layers if isinstance(m, torch.nn.Conv2d)]
        for m in convolutions:
            x = m.weight.detach().numpy()[:, :, 0, 0] @ x + m.bias.detach().numpy()
            x = x if m is convolutions[-1] else np.log1p(np.exp(x))
        return x[0]

    gate, readout = np.empty((4, 6)), np.empty((4, 6))
    for i in range(4):
        for j in range(6):
            x = features[:, i, j]
            x = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * scale + shift
            gate[i, j], readout[i, j] = network(ours.gate, x), network(ours.readout, x)
    a = np.exp(gate) / np.exp(gate).sum()
    np.testing.assert_allclose(attention[0], a, atol=1e-5)
    fine = F.interpolate(torch.tensor(readout + np.log(a))[None, None], (8, 12), mode="bilinear")[0, 0].numpy()
    logits = scipy.ndimage.gaussian_filter(fine, 0.7 * 2, mode="nearest", radius=6) + bias
    expected = logits - np.log(np.exp(logits).sum())
    np.testing.assert_allclose(log_density[0], expected, atol=1e-4)


def test_gradients_are_those_of_layer_normalisation_and_a_convolution():
    normalise, x = ChannelNorm(5).double(), torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    conv, weights = NormalisedConv(normalise, 2).double(), torch.randn(2, 2, 3, 4, dtype=torch.float64)
    for parameter in normalise.parameters():
        torch.nn.init.normal_(parameter)
    learned = [x, *normalise.parameters(), *conv.parameters()]
    affine = normalise.norm(x.movedim(1, -1)).movedim(-1, 1)
    expected = F.conv2d(affine, conv.weight, conv.bias)
    found = conv(normalise(x))
    torch.testing.assert_close(found, expected)
    gradients = (torch.autograd.grad((each * weights).sum(), learned) for each in (found, expected))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("sigma", [0.4, 1.3, 2.0])
def test_blur_equals_scipys(sigma):
    x = torch.rand(2, 1, 17, 23, dtype=torch.float64)
    ours = gaussian_blur(x, torch.tensor(sigma, dtype=torch.float64), radius=8)
    for row in range(2):
        expected = scipy.ndimage.gaussian_filter(x[row, 0].numpy(), sigma, mode="nearest", radius=8)
        np.testing.assert_allclose(ours[row, 0], expected, atol=1e-12)


def test_density_and_attention_sum_to_one_at_any_size():
    log_density, attention = model()(torch.rand(2, 3, 64, 48), size=(30, 41))
    assert log_density.shape == (2, 30, 41)
    torch.testing.assert_close(log_density.exp().sum((1, 2)), torch.ones(2))
    torch.testing.assert_close(attention.sum((1, 2)), torch.ones(2))
    assert attention.shape == (2, 8, 6)


def test_cached_features_replace_the_image():
    ours = model()
    image = torch.rand(2, 3, 32, 32)
    expected = ours(image)
    given = ours(torch.full_like(image, torch.nan), features=ours.backbone(image))
    torch.testing.assert_close(given, expected)


def test_nothing_is_predicted_where_the_gate_vanishes():
    ours = model(hidden=(8,), scale=1, blur=0.1)
    before, _ = ours(image := torch.rand(1, 3, 64, 64))
    ours.gate[-1].weight.data *= 0
    ours.gate.register_forward_hook(lambda m, i, o: o + torch.where(torch.arange(8) < 4, 0.0, -50.0))
    after, attention = ours(image)
    assert attention[..., 4:].sum() < 1e-18
    assert before.exp()[..., 4:].sum() > 0.1
    assert after.exp()[..., 4:].sum() < 1e-9


def test_gradients_reach_every_parameter():
    ours = model().train()
    log_density, attention = ours(torch.rand(2, 3, 32, 32))
    (log_density[:, 3, 3].sum() + attention[:, 0, 0].sum()).backward()
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_centre_bias_alone_is_the_density_of_the_fixations():
    """Uniform fixations over the left half: as much density there, nearly none on the right."""
    ours = model(bias_grid=(4, 8))
    for parameter in [*ours.gate[-1].parameters(), *ours.readout[-1].parameters()]:
        parameter.data.zero_()
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    points = torch.stack([x, y], -1).view(1, -1, 2).repeat(3, 1, 1)
    points[1] = torch.nan
    ours.fit_centre_bias(points, (32, 64), sigma=0.01)
    log_density, _ = ours(torch.rand(1, 3, 32, 64))
    assert log_density.exp()[..., : log_density.shape[2] * 3 // 8].sum() > 0.7
    assert log_density.exp()[..., log_density.shape[2] * 5 // 8 :].sum() < 0.01
    with pytest.raises(InputError, match="no fixation"):
        ours.fit_centre_bias(points[1:2], (32, 64))


def test_learns_where_people_look():
    """A bright square on noise, everybody looks at it."""
    torch.manual_seed(0)
    ours = SaliencyReadout(Tiny(channels=16, stride=4), hidden=(8,), scale=1)
    image = 0.3 * torch.rand(16, 3, 32, 32)
    corner = torch.randint(0, 7, (16, 2)) * 4
    for sample, (y, x) in zip(image, corner.tolist(), strict=True):
        sample[:, y : y + 8, x : x + 8] += 0.7
    optimiser = torch.optim.Adam(ours.parameters(), lr=1e-2)
    row, column = (corner // 4).unbind(1)
    for _ in range(60):
        log_density, _ = ours(image)
        loss = -log_density[torch.arange(16), row, column].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 2.0  # log 64 = 4.16 is chance, log 4 = 1.39 is anywhere in the square


@pytest.mark.parametrize(("options", "message"), [({"hidden": ()}, "hidden"), ({"scale": 0}, "scale=0")])
def test_error(options, message):
    with pytest.raises(InputError, match=message):
        model(**options)
