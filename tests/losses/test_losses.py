"""The same menu for every loss: values against scipy or numpy, edge cases, gradient, half precision, compile."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import scipy.signal
import scipy.spatial.distance
import scipy.special
import torch

from haa import losses, metrics
from haa.losses import correlation, cosine, jensen_shannon, kl_divergence, mse, pyramid_mse, ranking, right_reasons
from haa.losses import similarity as similarity_loss

NAN = float("nan")
# on an image of 5 x 7: a cell that is looked at twice, a sample with a point outside, one with a single point
POINTS = torch.tensor(
    [[[1.2, 3.4], [0.9, 3.0], [6.4, 0.0]], [[2.0, 2.0], [70.0, 2.0], [NAN, NAN]], [[0.0, 4.0], [NAN, NAN], [NAN, NAN]]],
    dtype=torch.float64,
)


def numpy_points(points: torch.Tensor) -> list[tuple[int, int]]:
    """(row, column) of every point on 5 x 7."""
    cells = [(math.floor(y + 0.5), math.floor(x + 0.5)) for x, y in points.tolist() if x == x]
    return [(row, column) for row, column in cells if 0 <= row < 5 and 0 <= column < 7]


reverse_kl = partial(kl_divergence, reverse=True)
raw_mse = partial(mse, rescale=False)
mixture = losses.Weighted({"kl": kl_divergence, "cc": correlation}, {"kl": 10, "cc": 2})


def nss_loss(attention, human):
    return losses.nss(attention, POINTS.to(human.device)[: len(attention)])


def gain_loss(attention, human):
    return losses.information_gain(attention, POINTS[: len(attention)])


SCALELESS = [
    kl_divergence,
    reverse_kl,
    jensen_shannon,
    correlation,
    similarity_loss,
    mse,
    cosine,
    pyramid_mse,
    ranking,
    mixture,
    nss_loss,
    gain_loss,
]
LOSSES = [*SCALELESS, raw_mse, right_reasons]
EVERY = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: getattr(loss, "__name__", type(loss).__name__))


def maps(seed: int, dtype: torch.dtype = torch.float64, b: int = 3, h: int = 5, w: int = 7):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(b, h, w, generator=generator, dtype=torch.float64).to(dtype)


def scipy_kl(attention: np.ndarray, human: np.ndarray) -> float:
    p, q = human / human.sum(), attention / attention.sum()
    return float(scipy.special.rel_entr(p, q).sum())


def scipy_js(attention: np.ndarray, human: np.ndarray) -> float:
    return float(scipy.spatial.distance.jensenshannon(attention.ravel(), human.ravel()) ** 2)


def numpy_correlation(attention: np.ndarray, human: np.ndarray) -> float:
    return float(1 - np.corrcoef(attention.ravel(), human.ravel())[0, 1])


def half_l1(attention: np.ndarray, human: np.ndarray) -> float:
    return float(np.abs(attention / attention.sum() - human / human.sum()).sum() / 2)


def numpy_mse(attention: np.ndarray, human: np.ndarray) -> float:
    return float(((attention / attention.max() - human / human.max()) ** 2).mean())


def scipy_cosine(attention: np.ndarray, human: np.ndarray) -> float:
    return float(scipy.spatial.distance.cosine(attention.ravel(), human.ravel()))


def scipy_pyramid(attention: np.ndarray, human: np.ndarray, top: float | None = None) -> float:
    """The authors' steps in scipy: standardise, cut, bring to one maximum, filter with zeros around, keep every other.

    With a step of 2 and as little padding as leaves ceil(n / 2) cells, an even length keeps the odd places.
    """
    row = np.array([1, 4, 6, 4, 1]) / 16
    machine, people = (np.maximum((m - m.mean()) / m.std(), 0) for m in (attention, human))
    people = people / people.max() * (machine.max() if top is None else top)
    values = []
    for _ in range(5):
        values.append(((machine - people) ** 2).mean())
        start = [1 if n % 2 == 0 else 0 for n in machine.shape]
        machine, people = (
            scipy.signal.convolve2d(m, np.outer(row, row), mode="same")[start[0] :: 2, start[1] :: 2]
            for m in (machine, people)
        )
    return float(np.mean(values))


def looped_ranking(attention: np.ndarray, human: np.ndarray) -> float:
    a, h = attention.ravel() / np.abs(attention).mean(), human.ravel()
    wrong = [max(0.0, a[q] - a[p]) for p in range(len(h)) for q in range(len(h)) if h[p] - h[q] > 1e-3 * h.max()]
    return float(np.mean(wrong))


def looped_right_reasons(attention: np.ndarray, human: np.ndarray) -> float:
    pairs = zip(attention.ravel(), human.ravel(), strict=True)
    return sum(a * a for a, h in pairs if h < 0.1 * human.max())


def numpy_mixture(attention: np.ndarray, human: np.ndarray) -> float:
    return 10 * scipy_kl(attention, human) + 2 * numpy_correlation(attention, human)


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (kl_divergence, scipy_kl),
        (jensen_shannon, scipy_js),
        (correlation, numpy_correlation),
        (similarity_loss, half_l1),
        (mse, numpy_mse),
        (raw_mse, lambda a, h: ((a - h) ** 2).mean()),
        (cosine, scipy_cosine),
        (pyramid_mse, scipy_pyramid),
        (ranking, looped_ranking),
        (right_reasons, looped_right_reasons),
        (mixture, numpy_mixture),
    ],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 2e-5)])
def test_values(loss, reference, dtype, tolerance):
    attention, human = maps(0), maps(1) ** 4
    expected = [reference(a.numpy(), h.numpy()) for a, h in zip(attention, human, strict=True)]
    got = loss(attention.to(dtype), human.to(dtype))
    assert got.dtype == dtype
    np.testing.assert_allclose(got.numpy(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("reverse", [False, True])
def test_kl_without_its_floor_is_exact(reverse):
    attention, human = maps(0), maps(1)
    pairs = [(a.numpy(), h.numpy()) for a, h in zip(attention, human, strict=True)]
    expected = [scipy_kl(*(pair[::-1] if reverse else pair)) for pair in pairs]
    got = kl_divergence(attention, human, floor=0.0, reverse=reverse)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("h", "w"), [(4, 6), (5, 8), (14, 14), (1, 3), (1, 1)])
def test_the_pyramid_has_the_authors_geometry_at_every_size(h, w):
    attention, human = maps(0, h=h, w=w), maps(1, h=h, w=w)
    if h * w > 1:
        expected = [scipy_pyramid(a.numpy(), b.numpy()) for a, b in zip(attention, human, strict=True)]
    else:
        expected = [0.0] * 3
    np.testing.assert_allclose(pyramid_mse(attention, human).numpy(), expected, rtol=1e-5)


def test_nss_at_points():
    attention = maps(0)
    standard = (attention - attention.mean((1, 2), keepdim=True)) / attention.std((1, 2), keepdim=True, correction=0)
    expected = [-np.mean([s[c].item() for c in numpy_points(p)]) for s, p in zip(standard, POINTS, strict=True)]
    np.testing.assert_allclose(losses.nss(attention, POINTS).numpy(), expected, rtol=1e-6)
    torch.testing.assert_close(-losses.nss(attention, POINTS), metrics.functional.nss(attention, POINTS))


@pytest.mark.parametrize("baseline", [None, maps(5)[0]])
def test_information_gain_at_points(baseline):
    attention = maps(0)
    prior = np.ones((5, 7)) if baseline is None else baseline.numpy()
    density = attention / attention.sum((1, 2), keepdim=True)
    log = np.log2(density.numpy()) - np.log2(prior / prior.sum())
    expected = [-np.mean([s[c] for c in numpy_points(p)]) for s, p in zip(log, POINTS, strict=True)]
    got = losses.information_gain(attention, POINTS, baseline, floor=0.0)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("loss", [losses.nss, losses.information_gain])
def test_without_points_there_is_neither_value_nor_gradient(loss):
    attention = maps(0).requires_grad_()
    value = loss(attention, torch.full((3, 2, 2), NAN))
    value.sum().backward()
    assert (value == 0).all()
    assert (attention.grad == 0).all()


def test_ranking_of_a_large_map_is_that_of_its_averages():
    attention, human = maps(0, h=32, w=48), maps(1, h=32, w=48)
    pooled = [m.reshape(3, 16, 2, 16, 3).mean((2, 4)) for m in (attention, human)]
    torch.testing.assert_close(ranking(attention, human), ranking(*pooled))


def test_right_reasons_is_the_penalty_of_its_paper_for_a_linear_model():
    """For log softmax(W x), the gradient of the summed log probabilities is the sum of the rows of W - K p W."""
    weight, x = torch.randn(4, 35, generator=torch.Generator().manual_seed(0)).double(), maps(3)
    gradient = []
    for sample in x.reshape(3, 35):
        p = torch.softmax(weight @ sample, 0)
        gradient.append(weight.sum(0) - 4 * p @ weight)
    x = x.requires_grad_()
    summed = torch.log_softmax(x.reshape(3, 35) @ weight.T, 1).sum()
    (attention,) = torch.autograd.grad(summed, x)
    mask = maps(4) > 0.5
    expected = (torch.stack(gradient).reshape(3, 5, 7) * mask).square().sum((1, 2))
    torch.testing.assert_close(right_reasons(attention, (~mask).double()), expected)


@pytest.mark.parametrize("loss", SCALELESS)
def test_scale_does_not_matter(loss):
    attention, human = maps(0), maps(1)
    torch.testing.assert_close(loss(1e-3 * attention, 50 * human), loss(attention, human), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", [loss for loss in SCALELESS if loss not in (nss_loss, gain_loss)])
def test_a_map_costs_least_where_it_is_the_human_one(loss):
    human = maps(1) ** 2
    assert (loss(human, human) < loss(maps(0), human)).all()
    assert loss(human, human).abs().max() < 1e-5


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss is not pyramid_mse])
def test_gradient(loss):
    attention = maps(0).requires_grad_()
    assert torch.autograd.gradcheck(loss, (attention, maps(1)))


def test_gradient_of_the_pyramid_holds_the_human_maps_height_constant():
    attention, human = maps(0, b=1).requires_grad_(), maps(1, b=1)
    pyramid_mse(attention, human).sum().backward()
    a, h = attention.detach()[0].numpy(), human[0].numpy()
    top, step, expected = ((a - a.mean()) / a.std()).max(), 1e-6, np.zeros_like(a)
    for cell in np.ndindex(a.shape):
        shift = np.zeros_like(a)
        shift[cell] = step
        expected[cell] = (scipy_pyramid(a + shift, h, top) - scipy_pyramid(a - shift, h, top)) / (2 * step)
    np.testing.assert_allclose(attention.grad[0].numpy(), expected, atol=1e-6)


@EVERY
@pytest.mark.parametrize("attention", [torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.eye(4)[None]])
@pytest.mark.parametrize("human", [torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.eye(4)[None]])
def test_degenerate_maps_give_finite_values_and_gradients(loss, attention, human):
    attention = attention.clone().requires_grad_()
    value = loss(attention, human)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(attention.grad).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_kl_of_a_machine_that_looks_elsewhere_is_large_and_finite(reverse):
    attention, human = torch.zeros(1, 1, 2), torch.zeros(1, 1, 2)
    attention[..., 0], human[..., 1] = 1, 1
    assert 10 < kl_divergence(attention, human, reverse=reverse).item() < 20


@EVERY
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(loss, dtype):
    attention, human = maps(0).to(dtype), maps(1).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = loss(attention, human)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, loss(attention.float(), human.float()))


@EVERY
def test_compiles_without_a_break(loss):
    torch.compiler.reset()  # each test compiles the same lambda, and there is a limit to that
    compiled = torch.compile(lambda a, h: loss(a, h), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(maps(0), maps(1)), loss(maps(0), maps(1)))


def test_a_mixture_gives_each_loss_what_it_asks_for():
    mixed = losses.Weighted({"kl": kl_divergence, "nss": losses.nss}, {"nss": 0.1})
    assert losses.asks_for(mixed) == ("human", "fixations")
    attention, human = maps(0), maps(1)
    expected = kl_divergence(attention, human) + 0.1 * losses.nss(attention, POINTS)
    torch.testing.assert_close(mixed(attention, human, POINTS), expected)
    torch.testing.assert_close(mixed(attention, human=human, fixations=POINTS), expected)
    nested = losses.Weighted({"mixed": mixed, "cc": correlation}, {"mixed": 2})
    torch.testing.assert_close(nested(attention, human, POINTS), 2 * expected + correlation(attention, human))


def test_a_weight_without_a_loss_is_refused():
    with pytest.raises(ValueError, match="kld"):
        losses.Weighted({"kl": kl_divergence}, {"kld": 2.0})
    with pytest.raises(ValueError, match="losses are"):
        losses.Weighted({})


def test_asks_for_follows_names_through_partial():
    assert losses.asks_for(partial(losses.information_gain, floor=1e-3)) == ("fixations",)
    assert losses.asks_for(partial(kl_divergence, floor=1e-3)) == ("human",)
