"""How far haa's metrics are from the field's reference implementations: one markdown table, made by comparing them.

Run in the environment of benchmarks/requirements.txt:

    python -m benchmarks.exactness

A difference is absolute where the reference's value is below 1, relative above. Maps are compared in float64 and again
in float32 with the same references, which are all float64.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr, wasserstein_distance_nd

from benchmarks import inputs, peers
from haa import gaze
from haa.metrics import functional as haa

Row = tuple[str, str, str, float, float | None]
"""metric, reference, cases, largest difference, the same in float32"""

SMALL, LARGE = 240, 20


def cases(name: str) -> ModuleType:
    """The makers of the tests' troublesome cases: constant maps, ties, impossible pixels, duplicates, empty masks."""
    path = Path(__file__).parents[1] / "tests/metrics" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def apart(mine: object, theirs: object) -> float:
    """The largest difference; two NaN agree, a NaN and a number are infinitely apart."""
    a, b = np.asarray(mine, dtype=float).ravel(), np.asarray(theirs, dtype=float).ravel()
    off = np.abs(a - b) / np.maximum(np.abs(b), 1.0)
    return float(np.where(np.isnan(a) & np.isnan(b), 0.0, np.where(np.isnan(off), math.inf, off)).max())


def maps_and_fixations() -> Iterator[Row]:
    """pysaliency's metrics on small troublesome maps and on large smooth ones."""
    from pysaliency import metrics
    from pysaliency.roc import general_roc

    reference = cases("reference")
    worst: dict[str, list[float]] = {}

    def compare(each: tuple[NDArray, NDArray, NDArray, NDArray, NDArray]) -> None:
        prediction, density, baseline, points, other = each
        image = [(prediction, density, baseline, points)]
        theirs = {
            "auc_judd": peers.auc_judd(image)[0],
            "auc_uniform": peers.auc_uniform(image)[0],
            "auc_shuffled": general_roc(
                prediction[points[:, 1], points[:, 0]], prediction[other[:, 1], other[:, 0]], judd=0
            )[0],
            "nss": peers.nss(image)[0],
            "information_gain": peers.information_gain(image)[0],
            "cc": peers.cc(image)[0],
            "similarity": peers.similarity(image)[0],
            "kl_divergence": peers.kl_divergence(image)[0],
            "kl_divergence_mit": metrics.MIT_KLDiv(prediction, density),
        }
        f, o = (torch.from_numpy(x)[None].float() for x in (points, other))
        for k, dtype in enumerate((torch.float64, torch.float32)):
            p, d, b = (torch.from_numpy(m)[None].to(dtype) for m in (prediction, density, baseline))
            for name, value in theirs.items():
                given = {"auc_shuffled": (p, f, o), "information_gain": (p, b, f)}.get(name)
                if given is None:
                    given = (p, f) if name in ("auc_judd", "auc_uniform", "nss") else (p, d)
                mine = getattr(haa, name)(*given).item()
                worst.setdefault(name, [0.0, 0.0])[k] = max(worst.setdefault(name, [0.0, 0.0])[k], apart(mine, value))

    for seed in range(SMALL):
        compare(reference.case(seed))
    large = inputs.maps(LARGE, 480, 640, 60)
    others = large.fixations.long().numpy()
    for i, (p, d, b, f) in enumerate(large.in_numpy()):
        compare((p.astype(float), d.astype(float), b.astype(float), f, others[i - 1]))
    for name, (double, single) in worst.items():
        yield name, "pysaliency 0.2.22", f"{SMALL} small, {LARGE} of 480 x 640", double, single


def other_maps() -> Iterator[Row]:
    """scipy's filter, rank correlation and Wasserstein distance."""
    points = inputs.maps(5, 480, 640, 60).fixations
    found = []
    for dtype in (torch.float64, torch.float32):
        mine = gaze.density(points.to(dtype), (480, 640), 24.0).numpy()
        off = 0.0
        for each, xy in zip(mine, points.long().numpy(), strict=True):
            counts = np.zeros((480, 640))
            np.add.at(counts, (xy[:, 1], xy[:, 0]), 1)
            blurred = gaussian_filter(counts, 24.0, mode="constant", truncate=14)
            off = max(off, float(np.abs(each - blurred / blurred.sum()).max() / (blurred / blurred.sum()).max()))
        found.append(off)
    yield "density, as a share of its peak", "scipy's gaussian_filter, 14 sigma", "5 of 480 x 640", found[0], found[1]

    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 50, (2, 50, 14, 14)).astype(float)
    theirs = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    yield "spearman", "scipy", "50 with ties", apart(haa.spearman(*map(torch.from_numpy, (a, b))), theirs), None
    a, b = generator.random((2, 5, 4, 6)) ** 3
    cells = np.stack(np.divmod(np.arange(24), 6), 1).astype(float)
    theirs = [wasserstein_distance_nd(cells, cells, x.ravel(), y.ravel()) for x, y in zip(a, b, strict=True)]
    mine = haa.earth_movers_distance(*map(torch.from_numpy, (a, b)), reduction=1)
    yield "earth_movers_distance", "scipy", "5 of 4 x 6 cells", apart(mine, theirs), None


def objects() -> Iterator[Row]:
    """PySODMetrics on small troublesome cases and on pictures."""
    reference = cases("sod_reference")
    prediction, mask = inputs.objects(LARGE, 352, 352)
    pairs = [reference.case(seed) for seed in range(SMALL)]
    pairs += list(zip(prediction.numpy(), mask.numpy(), strict=True))
    worst: dict[str, float] = {}
    for pair in pairs:
        mine = haa.salient_objects(*(torch.from_numpy(m)[None] for m in pair))
        for name, value in peers.salient_objects([pair]).items():
            worst[name] = max(worst.get(name, 0.0), apart(mine[name], value))
    for name, value in worst.items():
        yield name, "PySODMetrics 1.6", f"{SMALL} small, {LARGE} of 352 x 352", value, None


def texts() -> Iterator[Row]:
    """pycocoevalcap's scorers, and the steps of the official VQA evaluation."""
    said, meant = inputs.captions(5000, 5)
    mine = haa.caption_scores(said, meant)
    for name, keys in (("BLEU", ["bleu1", "bleu2", "bleu3", "bleu4"]), ("ROUGE-L", ["rouge_l"]), ("CIDEr", ["cider"])):
        with contextlib.redirect_stdout(io.StringIO()):
            whole, each = peers.captions(name, said, meant)
        wholes, eachs = (whole, each) if name == "BLEU" else ([whole], [each])
        for key, value, values in zip(keys, wholes, eachs, strict=True):
            off = max(apart(mine[key][0], value), apart(mine[key][1], values))
            yield key, "pycocoevalcap 1.2", "5,000 captions, 5 references, and the set", off, None
    answers, truths = inputs.answers(20_000)
    theirs = [peers.vqa([answer], [people]) for answer, people in zip(answers, truths, strict=True)]
    yield (
        "vqa_accuracy",
        "the official steps",
        "20,000 questions",
        apart(haa.vqa_accuracy(answers, truths), theirs),
        None,
    )


def main() -> None:
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    print("| metric | compared with | cases | largest difference | in float32 |\n| --- | --- | --- | --- | --- |")
    for part in (maps_and_fixations, other_maps, objects, texts):
        for name, whom, many, double, single in part():
            print(
                f"| {name} | {whom} | {many} | {double:.1e} | {'' if single is None else f'{single:.1e}'} |", flush=True
            )


if __name__ == "__main__":
    main()
