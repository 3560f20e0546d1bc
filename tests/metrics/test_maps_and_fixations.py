"""Metrics of maps and fixations against pysaliency, scipy and cases by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr, wasserstein_distance_nd
from tests.metrics import reference

from haa.errors import InputError
from haa.metrics import functional as F
from haa.metrics.functional.sampled_auc import _draws

TABLE = json.loads(reference.FILE.read_text())
nan = math.nan


def ours(seed: int, dtype: torch.dtype) -> dict[str, float]:
    prediction, density, baseline, points, other = reference.case(seed)
    p, d, b = (torch.from_numpy(m)[None].to(dtype) for m in (prediction, density, baseline))
    f, o = (torch.from_numpy(x)[None].float() for x in (points, other))
    values = {
        "auc_judd": F.auc_judd(p, f),
        "auc_uniform": F.auc_uniform(p, f),
        "auc_shuffled": F.auc_shuffled(p, f, o),
        "nss": F.nss(p, f),
        "cc": F.cc(p, d),
        "similarity": F.similarity(p, d),
        "kl_divergence": F.kl_divergence(p, d),
        "kl_divergence_mit": F.kl_divergence_mit(p, d),
        "log_likelihood": F.log_likelihood(p, f),
        "information_gain": F.information_gain(p, b, f),
    }
    return {name: value.item() for name, value in values.items()}


@pytest.mark.parametrize("seed", range(reference.CASES))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-6)])
def test_values_of_pysaliency(seed, dtype, tolerance):
    mine = ours(seed, dtype)
    for name, theirs in TABLE[seed].items():
        assert mine[name] == pytest.approx(theirs, abs=tolerance, rel=tolerance, nan_ok=True), name


@pytest.mark.parametrize("seed", range(6))
def test_large_float32_maps_keep_six_digits(seed):
    # the same maps in float64 are the reference, which the test above ties to pysaliency
    generator = torch.Generator().manual_seed(seed)
    p, d = torch.rand(2, 2, 480, 640, generator=generator) ** 3
    p = p * 10.0 ** (seed - 3) + (0, 0, 5, 0, 0, -100)[seed]
    f = torch.rand(2, 60, 2, generator=generator) * torch.tensor([639.0, 479.0])
    for metric in (F.cc, F.similarity, F.kl_divergence, F.kl_divergence_mit):
        torch.testing.assert_close(metric(p, d).double(), metric(p.double(), d.double()), atol=1e-6, rtol=1e-6)
    for metric in (F.nss, F.auc_judd, F.auc_uniform, F.log_likelihood):
        torch.testing.assert_close(metric(p, f).double(), metric(p.double(), f), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("fixations", [5, 400])
def test_maps_that_fill_no_whole_chunk_or_row(fixations):
    # 143,323 pixels: an odd number, more than one chunk; numpy's and scipy's float64 are the reference
    generator = np.random.default_rng(fixations)
    p, d, b = (generator.random((3, 331, 433)) ** 2).astype(np.float32) + np.float32(1e-3)
    p = np.round(p, 3)  # ties
    x, y = generator.integers(0, 433, fixations), generator.integers(0, 331, fixations)
    f = torch.from_numpy(np.stack([x, y], 1)).float()[None]
    P, D, B = (torch.from_numpy(m)[None] for m in (p, d, b))
    p, d, b = (m.astype(np.float64) for m in (p, d, b))
    ours = F.auc_uniform(P, f), F.nss(P, f), F.cc(P, D), F.similarity(P, D), F.kl_divergence(P, D)
    q, g, c = p / p.sum(), d / d.sum(), b / b.sum()
    theirs = [
        np.mean([((p < v).sum() + (p == v).sum() / 2) / p.size for v in p[y, x]]),
        ((p[y, x] - p.mean()) / p.std()).mean(),
        np.corrcoef(p.ravel(), d.ravel())[0, 1],
        np.minimum(q, g).sum(),
        (g * np.log(g / q)).sum(),
    ]
    np.testing.assert_allclose([value.item() for value in ours], theirs, atol=1e-6, rtol=1e-6)
    gain = np.mean(np.log2(q[y, x] / c[y, x]))
    assert F.information_gain(P, B, f).item() == pytest.approx(gain, abs=1e-6, rel=1e-6)
    unseen = np.ones(p.shape, dtype=bool)
    unseen[y, x] = False
    points = [((p[y, x] >= v).mean(), (p[unseen] >= v).mean()) for v in np.unique(p[y, x])[::-1]]
    hits, alarms = np.array([(0.0, 0.0), *points, (1.0, 1.0)]).T
    assert F.auc_judd(P, f).item() == pytest.approx(np.trapezoid(hits, alarms), abs=1e-6)


def test_a_constant_prediction():
    p, f = torch.full((1, 5, 7), 0.1), torch.tensor([[[3.0, 2.0], [6.0, 4.0]]])
    g = torch.rand(1, 5, 7)
    for auc in (F.auc_judd, F.auc_uniform, F.auc_borji):
        assert auc(p, f).item() == 0.5
    assert F.auc_shuffled(p, f, f + 0.2).item() == 0.5
    assert F.nss(p, f).item() == 0
    assert F.cc(p, g).item() == 0
    assert F.spearman(p, g).item() == 0


def test_a_constant_ground_truth_has_no_correlation():
    assert F.cc(torch.rand(1, 5, 7), torch.full((1, 5, 7), 0.3)).isnan()
    assert F.cc(torch.ones(1, 5, 7), torch.full((1, 5, 7), 0.3)).isnan()
    assert F.spearman(torch.rand(1, 5, 7), torch.zeros(1, 5, 7)).isnan()


def test_an_all_zero_map_is_a_uniform_density():
    zero, uniform, g = torch.zeros(1, 4, 6), torch.ones(1, 4, 6), torch.rand(1, 4, 6)
    f = torch.tensor([[[1.0, 1.0]]])
    for metric in (F.similarity, F.kl_divergence, F.kl_divergence_mit):
        torch.testing.assert_close(metric(zero, g), metric(uniform, g))
        torch.testing.assert_close(metric(g, zero), metric(g, uniform))
    assert F.log_likelihood(zero, f).item() == pytest.approx(-math.log(24), abs=1e-6)
    assert F.similarity(-3 * uniform, uniform).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shift", [(0.2, 0.0), (0.0, 0.2), (0.2, 0.2), (0.0, 0.0)])
def test_a_map_with_some_negative_values_is_shifted_to_minimum_0(shift):
    # their sums stay positive, so nothing but a look at the values finds them
    maps = torch.rand(2, 1, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p, d = (m - s for m, s in zip(maps, shift, strict=True))
    if shift == (0.0, 0.0):  # the same pixel in both: their quotient is positive
        p[0, 4, 4] = d[0, 4, 4] = -0.3
    f = torch.tensor([[[1.0, 2.0], [7.0, 5.0]]])
    q, g = (m - m.min().clamp_max(0) for m in (p, d))
    q_min, g_min = ((m + 1e-20) / (m + 1e-20).sum() for m in (q, g))
    q, g = q / q.sum(), g / g.sum()
    assert F.similarity(p, d).item() == pytest.approx(torch.minimum(q, g).sum().item(), abs=1e-9)
    kl = (g_min * (g_min / q_min).log()).sum().item()
    assert F.kl_divergence(p, d).item() == pytest.approx(kl, abs=1e-9)
    for metric, at in ((F.log_likelihood(p, f), q_min), (F.log_likelihood(d, f), g_min)):
        assert metric.item() == pytest.approx(at[0, [2, 5], [1, 7]].log().mean().item(), abs=1e-9)
    gain = (q_min / g_min)[0, [2, 5], [1, 7]].log2().mean().item()
    assert F.information_gain(p, d, f).item() == pytest.approx(gain, abs=1e-9)


@pytest.mark.parametrize("auc", [F.auc_judd, F.auc_uniform, F.auc_borji])
def test_without_fixations_point_metrics_are_undefined(auc):
    p = torch.rand(3, 4, 6)
    f = torch.tensor([[[nan, nan], [2.0, 2.0]], [[nan, nan], [nan, nan]], [[-4.0, 0.0], [0.0, 99.0]]])
    for metric in (auc, F.nss, F.log_likelihood, lambda p, f: F.information_gain(p, p, f)):
        assert metric(p, f).isnan().tolist() == [False, True, True]
    assert auc(p, f[:, :0]).isnan().all()


def test_padding_outside_points_and_order_change_nothing():
    p = torch.rand(1, 9, 12)
    f = torch.tensor([[[3.0, 4.0], [11.0, 8.0], [0.0, 0.0], [3.0, 4.0]]])
    more = torch.tensor([[[nan, nan], [3.0, 4.0], [3.0, 4.0], [12.0, 3.0], [0.0, 0.0], [-0.6, 2.0], [11.0, 8.0]]])
    for metric in (F.auc_judd, F.auc_uniform, F.nss, F.log_likelihood):
        torch.testing.assert_close(metric(p, f), metric(p, more))


def test_a_fraction_lies_in_the_pixel_whose_centre_is_nearest():
    p = torch.arange(12.0).view(1, 3, 4)
    for x, y, column, row in ((0.49, -0.5, 0, 0), (0.5, 1.49, 1, 1), (3.49, 2.2, 3, 2)):
        one, other = (F.nss(p, torch.tensor([[[a, b]]], dtype=torch.float64)) for a, b in ((x, y), (column, row)))
        assert one.item() == other.item()


def test_uint8_maps_are_the_same_maps():
    p, d = torch.randint(0, 256, (2, 2, 20, 30), dtype=torch.uint8)
    f = torch.rand(2, 5, 2) * 19
    for metric in (F.nss, F.auc_judd, F.auc_uniform, F.auc_borji):
        torch.testing.assert_close(metric(p, f), metric(p.float(), f))
    for metric in (F.cc, F.similarity, F.kl_divergence, F.spearman, F.topk_iou):
        torch.testing.assert_close(metric(p, d), metric(p.float(), d.float()))
    torch.testing.assert_close(F.cc(p.half(), d.half()), F.cc(p.float(), d.float()))


def test_a_prediction_of_nan_is_undefined_and_not_a_number_that_travels():
    p, d, f = torch.rand(2, 6, 6), torch.rand(2, 6, 6), torch.tensor([[[1.0, 1.0]], [[2.0, 2.0]]])
    p[1, 3, 3] = nan
    for metric in (F.nss, F.auc_judd, F.auc_uniform, F.log_likelihood):
        assert metric(p, f).isnan().tolist() == [False, True]
    for metric in (F.cc, F.similarity, F.kl_divergence, F.spearman, F.earth_movers_distance, F.topk_iou):
        assert metric(p, d).isnan().tolist() == [False, True]


def test_no_map_at_all():
    p, f = torch.zeros(0, 4, 5), torch.zeros(0, 3, 2)
    for metric in (F.nss, F.auc_judd, F.auc_uniform, F.log_likelihood):
        assert metric(p, f).shape == (0,)
    for metric in (F.cc, F.similarity, F.kl_divergence, F.topk_iou):
        assert metric(p, p).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.nss(torch.rand(4, 5), torch.zeros(1, 1, 2)), r"give \(batch"),
        (lambda: F.nss(torch.rand(2, 4, 5), torch.zeros(1, 1, 2)), "for 2 maps"),
        (lambda: F.cc(torch.rand(1, 4, 5), torch.rand(1, 4, 6)), "resize"),
        (lambda: F.auc_borji(torch.rand(1, 4, 5), torch.zeros(1, 1, 2), splits=0), "splits=0"),
        (lambda: F.topk_iou(torch.rand(1, 4, 5), torch.rand(1, 4, 5), 0.0), "fraction=0.0"),
        (lambda: F.pointing_game(torch.rand(1, 4, 5), torch.ones(1, 4, 5), -1), "tolerance=-1"),
        (lambda: F.earth_movers_distance(torch.rand(1, 4, 5), torch.ones(1, 4, 5), 0), "reduction=0"),
    ],
)
def test_what_cannot_be_used_raises_one_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


maps = st.integers(0, 2**32 - 1).map(lambda seed: torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(maps, st.integers(2, 20), st.integers(2, 20), st.integers(1, 12))
def test_properties(generator, h, w, n):
    p, d = torch.rand(2, 3, h, w, generator=generator, dtype=torch.float64)
    f = torch.rand(3, n, 2, generator=generator) * torch.tensor([w, h]) - 0.5
    f[0, n // 2 :] = nan
    close = {"atol": 1e-9, "rtol": 1e-9, "equal_nan": True}
    for auc in (F.auc_judd, F.auc_uniform):
        value = auc(p, f)
        torch.testing.assert_close(auc(p.exp() * 3 - 1, f), value, **close)  # monotone maps
        assert ((value >= 0) & (value <= 1) | value.isnan()).all()
    torch.testing.assert_close(F.nss(2 * p - 7, f), F.nss(p, f), **close)  # affine maps
    torch.testing.assert_close(F.cc(0.5 * p + 3, 4 * d), F.cc(p, d), **close)
    torch.testing.assert_close(F.cc(p, d), F.cc(d, p), **close)
    torch.testing.assert_close(F.similarity(3 * p, d), F.similarity(p, d), **close)
    assert (F.kl_divergence(p, d) >= 0).all()
    assert (F.cc(p, d).abs() <= 1).all()
    assert ((F.similarity(p, d) >= 0) & (F.similarity(p, d) <= 1 + 1e-9)).all()
    order = torch.tensor([2, 0, 1])
    for metric in (F.nss, F.auc_judd, F.auc_uniform, F.log_likelihood, F.auc_borji):
        batch = metric(p, f)
        torch.testing.assert_close(metric(p[order], f[order]), batch[order], **close)
        torch.testing.assert_close(torch.cat([metric(p[i : i + 1], f[i : i + 1]) for i in range(3)]), batch, **close)
    for metric in (F.cc, F.similarity, F.kl_divergence, F.spearman, F.topk_iou):
        batch = metric(p, d)
        torch.testing.assert_close(metric(p[order], d[order]), batch[order], **close)
        torch.testing.assert_close(torch.cat([metric(p[i : i + 1], d[i : i + 1]) for i in range(3)]), batch, **close)


@pytest.mark.parametrize("seed", range(8))
def test_auc_borji_is_the_matlab_loop_on_the_same_draws(seed):
    prediction, _, _, points, _ = reference.case(seed)
    n, size = len(points), prediction.size
    drawn = _draws(20, n, size, 5, torch.device("cpu")).numpy()
    span = prediction.max() - prediction.min()
    stretched = (prediction - prediction.min()) / (span or 1)
    hits, areas = stretched[points[:, 1], points[:, 0]], []
    for row in stretched.ravel()[drawn]:
        tp, fp = [0.0], [0.0]
        for threshold in (np.arange(11) * 0.1)[::-1]:
            tp.append((hits >= threshold).mean())
            fp.append((row >= threshold).mean())
        areas.append(np.trapezoid([*tp, 1.0], [*fp, 1.0]))
    mine = F.auc_borji(torch.from_numpy(prediction)[None], torch.from_numpy(points)[None].float(), splits=20, seed=5)
    assert mine.item() == pytest.approx(np.mean(areas), abs=1e-9)
    exact = F.auc_borji(torch.from_numpy(prediction)[None], torch.from_numpy(points)[None].float(), 4000, step=None)
    uniform = F.auc_uniform(torch.from_numpy(prediction)[None], torch.from_numpy(points)[None].float())
    assert exact.item() == pytest.approx(uniform.item(), abs=0.02)


def test_draws_are_uniform():
    share = _draws(200, 500, 1000, 3, torch.device("cpu")).double().add(0.5) / 1000
    assert share.mean().item() == pytest.approx(0.5, abs=0.005)
    assert share.var().item() == pytest.approx(1 / 12, abs=0.002)
    assert torch.corrcoef(torch.stack([share[:-1].flatten(), share[1:].flatten()]))[0, 1].abs() < 0.02


@pytest.mark.parametrize("levels", [3, 10**6])
def test_spearman_is_scipys(levels):
    a, b = np.random.default_rng(levels).integers(0, levels, (2, 4, 14, 17)).astype(float)
    mine = F.spearman(torch.from_numpy(a), torch.from_numpy(b))
    theirs = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(mine, theirs, atol=1e-9)
    x, y = (m.reshape(4, 7, 2, 17).mean(2)[:, :, :] for m in (a, b))
    pooled = F.spearman(torch.from_numpy(a), torch.from_numpy(b), grid=(7, 17))
    theirs = [np.corrcoef(rankdata(i), rankdata(j))[0, 1] for i, j in zip(x, y, strict=True)]
    np.testing.assert_allclose(pooled, theirs, atol=1e-9)


def test_earth_movers_distance_is_scipys():
    a, b = np.random.default_rng(0).random((2, 3, 4, 5)) ** 3
    y, x = np.divmod(np.arange(20), 5)
    cells = np.stack([y, x], 1).astype(float)
    theirs = [wasserstein_distance_nd(cells, cells, i.ravel(), j.ravel()) for i, j in zip(a, b, strict=True)]
    mine = F.earth_movers_distance(torch.from_numpy(a), torch.from_numpy(b), reduction=1)
    np.testing.assert_allclose(mine, theirs, atol=1e-7)


def test_earth_movers_distance_by_hand():
    a, b = torch.zeros(1, 64, 96), torch.zeros(1, 64, 96)
    a[0, 40, 5], b[0, 3, 70] = 2.0, 9.0  # one cell down and two cells left of the other, in cells of 32 pixels
    assert F.earth_movers_distance(a, b).item() == pytest.approx(math.sqrt(5), abs=1e-6)
    assert F.earth_movers_distance(a, a).item() == 0


def test_pointing_game_is_the_disc_around_the_peak():
    generator = np.random.default_rng(0)
    for _ in range(40):
        h, w = generator.integers(2, 25, 2)
        tolerance = float(generator.choice([0, 1, 1.5, 3, 6, 40]))
        p = generator.integers(0, 6, (h, w)).astype(float)
        mask = generator.random((h, w)) < 0.05
        y, x = np.nonzero(mask)
        peaks = np.argwhere(p == p.max())
        near = [(((y - a) ** 2 + (x - b) ** 2) <= tolerance**2).any() for a, b in peaks] if len(y) else [nan]
        mine = F.pointing_game(torch.from_numpy(p)[None], torch.from_numpy(mask)[None], tolerance)
        assert mine.item() == pytest.approx(np.mean(near), abs=1e-9, nan_ok=True)


def test_gradients_are_those_of_the_formula():
    p, d = torch.rand(2, 2, 4, 5, dtype=torch.float64)
    f = torch.tensor([[[1.0, 2.0], [nan, nan]], [[3.2, 0.0], [3.2, 0.0]]], dtype=torch.float64)
    p.requires_grad_()
    for metric in (F.cc, F.similarity, F.kl_divergence, F.kl_divergence_mit):
        assert torch.autograd.gradcheck(lambda p, m=metric: m(p, d), p)
    for metric in (F.nss, F.log_likelihood):
        assert torch.autograd.gradcheck(lambda p, m=metric: m(p, f), p)
