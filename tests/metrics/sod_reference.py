"""Makes sod_reference.json: what PySODMetrics gives for predictions and masks made from seeds.

python tests/metrics/sod_reference.py        (in the environment of the benchmarks)
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

CASES = 30
FILE = Path(__file__).with_name("sod_reference.json")


def case(seed: int) -> tuple[NDArray, NDArray]:
    """A uint8 prediction and a mask {0, 255}; blobs, specks, an empty and a full mask, a constant prediction."""
    generator = np.random.default_rng(seed)
    h, w = (int(n) for n in generator.integers(8, 60, 2))
    blob = gaussian_filter(generator.random((h, w)), max(h / 12, 1))
    mask = blob > np.quantile(blob, generator.choice([0.5, 0.7, 0.95]))
    kind = seed % 6
    if kind == 1:
        mask = generator.random((h, w)) > 0.9
    if kind in (2, 3):
        mask[:] = kind == 3
    soft = mask + generator.random((h, w)) * 0.8
    prediction = (255 * (soft - soft.min()) / np.ptp(soft)).astype(np.uint8)
    if kind == 4:
        prediction[:] = 255 * (seed % 4 == 0)  # any other constant is decided by rounding in the reference
    if kind == 5:
        prediction = prediction // 8 + 20
    return prediction.astype(np.uint8), mask.astype(np.uint8) * 255


def scores(seeds: range) -> dict[str, object]:
    """PySODMetrics' values over a set of cases."""
    from py_sod_metrics import MAE, Emeasure, Fmeasure, Smeasure, WeightedFmeasure

    five = MAE(), Fmeasure(), WeightedFmeasure(), Smeasure(), Emeasure()
    for seed in seeds:
        for metric in five:
            metric.step(*case(seed))
    mae, f, weighted, s, e = (metric.get_results() for metric in five)
    return {
        "mae": float(mae["mae"]),
        "f_adaptive": float(f["fm"]["adp"]),
        "f_mean": float(f["fm"]["curve"].mean()),
        "f_max": float(f["fm"]["curve"].max()),
        "f_weighted": float(weighted["wfm"]),
        "s_measure": float(s["sm"]),
        "e_adaptive": float(e["em"]["adp"]),
        "e_mean": float(e["em"]["curve"].mean()),
        "e_max": float(e["em"]["curve"].max()),
    }


if __name__ == "__main__":
    each = [scores(range(seed, seed + 1)) for seed in range(CASES)]
    FILE.write_text(json.dumps({"each": each, "together": scores(range(CASES))}, indent=1) + "\n")
