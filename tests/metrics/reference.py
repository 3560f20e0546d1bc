"""Makes reference.json: what pysaliency gives for maps made from seeds. Run it in the environment of the benchmarks.

python tests/metrics/reference.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CASES = 24
FILE = Path(__file__).with_name("reference.json")


def case(seed: int) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    """Two maps, a baseline, integer fixations (n, 2) and other images' fixations, of the kinds that make trouble."""
    generator = np.random.default_rng(seed)
    h, w = (int(n) for n in generator.integers(4, 40, 2))
    prediction, density, baseline = generator.random((3, h, w)) ** 3
    if seed % 6 == 1:
        prediction = np.floor(4 * prediction)  # many equal values
    if seed % 6 == 2:
        prediction = prediction - 0.5  # negative values
    if seed % 6 == 3:
        prediction, baseline = prediction * (prediction > 0.2), baseline * (baseline > 0.1)  # impossible pixels
    if seed % 6 == 4:
        prediction = np.zeros((h, w)) if seed % 4 else np.full((h, w), 7.0)  # constant
    if seed % 6 == 5:
        density = np.zeros((h, w))
        density[h // 2, w // 2] = 1.0
    # values that float32 holds too, so that both precisions have the same reference
    prediction, density, baseline = (m.astype(np.float32).astype(float) for m in (prediction, density, baseline))
    n = int(generator.integers(1, 30))
    points = np.stack([generator.integers(0, w, n), generator.integers(0, h, n)], 1)
    points[: n // 3] = points[-1]  # duplicates
    other = np.stack([generator.integers(0, w, 50), generator.integers(0, h, 50)], 1)
    return prediction, density, baseline, points, other


def scores(seed: int) -> dict[str, float]:
    """pysaliency's values of a case."""
    from pysaliency import metrics
    from pysaliency.roc import general_roc
    from pysaliency.saliency_map_models import _get_unfixated_values

    prediction, density, baseline, points, other = case(seed)
    x, y = points.T
    hits = prediction[y, x]
    logs = [np.log(metrics.convert_saliency_map_to_density(m, 1e-20)[y, x]) for m in (prediction, baseline)]
    return {
        "auc_judd": general_roc(hits, _get_unfixated_values(prediction, y, x), judd=1)[0],
        "auc_uniform": general_roc(hits, prediction.flatten(), judd=0)[0],
        "auc_shuffled": general_roc(hits, prediction[other[:, 1], other[:, 0]], judd=0)[0],
        "nss": metrics.NSS(prediction, x, y).mean(),
        "cc": metrics.CC(prediction, density),
        "similarity": metrics.SIM(prediction, density),
        "kl_divergence": metrics.image_based_kl_divergence(prediction, density),
        "kl_divergence_mit": metrics.MIT_KLDiv(prediction, density),
        "log_likelihood": logs[0].mean(),
        "information_gain": (logs[0] - logs[1]).mean() / np.log(2),
    }


if __name__ == "__main__":
    np.seterr(all="ignore")
    table = [{name: float(value) for name, value in scores(seed).items()} for seed in range(CASES)]
    FILE.write_text(json.dumps(table, indent=1) + "\n")
