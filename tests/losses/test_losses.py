"""The same menu for every loss: shape, values against scipy or numpy, edge cases, gradient, half precision, compile."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch

from haa.losses import correlation, kl_divergence

LOSSES = [kl_divergence, correlation]


def maps(seed: int, dtype: torch.dtype = torch.float64, b: int = 3, h: int = 5, w: int = 7):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(b, h, w, generator=generator, dtype=torch.float64).to(dtype)


def scipy_kl(attention: np.ndarray, human: np.ndarray) -> float:
    p, q = human / human.sum(), attention / attention.sum()
    return float(scipy.special.rel_entr(p, q).sum())


def numpy_correlation(attention: np.ndarray, human: np.ndarray) -> float:
    return float(1 - np.corrcoef(attention.ravel(), human.ravel())[0, 1])


@pytest.mark.parametrize(("loss", "reference"), [(kl_divergence, scipy_kl), (correlation, numpy_correlation)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 2e-5)])
def test_values(loss, reference, dtype, tolerance):
    attention, human = maps(0), maps(1) ** 4
    expected = [reference(a.numpy(), h.numpy()) for a, h in zip(attention, human, strict=True)]
    got = loss(attention.to(dtype), human.to(dtype))
    assert got.dtype == dtype
    np.testing.assert_allclose(got.numpy(), expected, atol=tolerance)


def test_kl_without_its_floor_is_exact():
    attention, human = maps(0), maps(1)
    expected = [scipy_kl(a.numpy(), h.numpy()) for a, h in zip(attention, human, strict=True)]
    np.testing.assert_allclose(kl_divergence(attention, human, floor=0.0).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_scale_does_not_matter(loss):
    attention, human = maps(0), maps(1)
    torch.testing.assert_close(loss(1e-3 * attention, 50 * human), loss(attention, human), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient(loss):
    attention = maps(0).requires_grad_()
    assert torch.autograd.gradcheck(loss, (attention, maps(1)))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attention", [torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.eye(4)[None]])
@pytest.mark.parametrize("human", [torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.eye(4)[None]])
def test_degenerate_maps_give_finite_values_and_gradients(loss, attention, human):
    attention = attention.clone().requires_grad_()
    value = loss(attention, human)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(attention.grad).all()


def test_kl_of_a_machine_that_looks_elsewhere_is_large_and_finite():
    attention, human = torch.zeros(1, 1, 2), torch.zeros(1, 1, 2)
    attention[..., 0], human[..., 1] = 1, 1
    assert 10 < kl_divergence(attention, human).item() < 20


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(loss, dtype):
    attention, human = maps(0).to(dtype), maps(1).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = loss(attention, human)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, loss(attention.float(), human.float()))


@pytest.mark.parametrize("loss", LOSSES)
def test_compiles_without_a_break(loss):
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(maps(0), maps(1)), loss(maps(0), maps(1)))
