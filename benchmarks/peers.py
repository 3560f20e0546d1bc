"""The peers' own implementations, called as their users call them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from py_sod_metrics import MAE, Emeasure, Fmeasure, Smeasure, WeightedFmeasure
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pysaliency import metrics
from pysaliency.roc import general_roc
from pysaliency.saliency_map_models import _get_unfixated_values
from scipy.ndimage import gaussian_filter

Images = list[tuple[NDArray, NDArray, NDArray, NDArray]]


def auc_judd(images: Images) -> list[float]:
    """pysaliency's AUC_Judd of each image, without jitter: negatives never fixated, thresholds at the fixations."""
    out = []
    for prediction, _, _, points in images:
        x, y = points.T
        positives = prediction[y, x].astype(float)
        negatives = _get_unfixated_values(prediction, y, x).astype(float)
        out.append(general_roc(positives, negatives, judd=1)[0])
    return out


def auc_uniform(images: Images) -> list[float]:
    """pysaliency's AUC of each image with all pixels as negatives."""
    out = []
    for prediction, _, _, points in images:
        x, y = points.T
        out.append(general_roc(prediction[y, x].astype(float), prediction.flatten().astype(float), judd=0)[0])
    return out


def nss(images: Images) -> list[float]:
    return [metrics.NSS(p, f[:, 0], f[:, 1]).mean() for p, _, _, f in images]


def cc(images: Images) -> list[float]:
    return [metrics.CC(p, d) for p, d, _, _ in images]


def similarity(images: Images) -> list[float]:
    return [metrics.SIM(p, d) for p, d, _, _ in images]


def kl_divergence(images: Images) -> list[float]:
    return [metrics.image_based_kl_divergence(p, d) for p, d, _, _ in images]


def information_gain(images: Images) -> list[float]:
    """From pysaliency's densities of both maps, as its models' information_gain does."""
    out = []
    for prediction, _, baseline, points in images:
        x, y = points.T
        logs = [np.log(metrics.convert_saliency_map_to_density(m, 1e-20)[y, x]) for m in (prediction, baseline)]
        out.append((logs[0] - logs[1]).mean() / np.log(2))
    return out


def density(images: Images, sigma: float) -> list[NDArray]:
    """scipy's filter of the fixation map, zeros beyond the border."""
    out = []
    for prediction, _, _, points in images:
        counts = np.zeros(prediction.shape)
        np.add.at(counts, (points[:, 1], points[:, 0]), 1)
        blurred = gaussian_filter(counts, sigma, mode="constant")
        out.append(blurred / blurred.sum())
    return out


def salient_objects(pairs: list[tuple[NDArray, NDArray]]) -> dict[str, float | NDArray]:
    """PySODMetrics' five classes over a set of images."""
    five = MAE(), Fmeasure(), WeightedFmeasure(), Smeasure(), Emeasure()
    for prediction, mask in pairs:
        for metric in five:
            metric.step(prediction, mask)
    mae, f, weighted, s, e = (metric.get_results() for metric in five)
    return {
        "mae": mae["mae"],
        "f_adaptive": f["fm"]["adp"],
        "f_curve": f["fm"]["curve"][::-1],
        "f_weighted": weighted["wfm"],
        "s_measure": s["sm"],
        "e_adaptive": e["em"]["adp"],
        "e_curve": e["em"]["curve"][::-1],
    }


def captions(name: str, said: list[str], meant: list[list[str]]) -> tuple[object, object]:
    """pycocoevalcap's scorer of that name."""
    scorer = {"CIDEr": Cider, "BLEU": lambda: Bleu(4), "ROUGE-L": Rouge}[name]()
    truths, results = dict(enumerate(meant)), {i: [c] for i, c in enumerate(said)}
    return scorer.compute_score(truths, results, **({"verbose": 0} if name == "BLEU" else {}))


_MARKS = [";", "/", "[", "]", '"', "{", "}", "(", ")", "=", "+", "\\", "_", "-", ">", "<", "@", "`", ",", "?", "!"]


def _process(text: str) -> str:
    out = text
    for p in _MARKS:
        gone = (p + " " in text or " " + p in text) or re.search(r"(\d)(\,)(\d)", text) is not None
        out = out.replace(p, "" if gone else " ")
    out = re.sub(r"(?!<=\d)(\.)(?!\d)", "", out, count=32)
    words = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
    return " ".join(words.get(w, w) for w in out.lower().split() if w not in ("a", "an", "the"))


def vqa(answers: list[str], truths: list[list[str]]) -> float:
    """The official evaluation's loop in the order of its steps; it is not on any package index, and this is its work.

    The table of contractions, which costs one look-up per word, is left out, in the peer's favour.
    """
    scores = []
    for answer, people in zip(answers, truths, strict=True):
        said = answer.replace("\n", " ").replace("\t", " ").strip()
        records = [{"answer": a.replace("\n", " ").replace("\t", " ").strip(), "id": i} for i, a in enumerate(people)]
        if len({r["answer"] for r in records}) > 1:
            for record in records:
                record["answer"] = _process(str(record["answer"]))
            said = _process(said)
        each = []
        for record in records:
            others = [item for item in records if item != record]
            each.append(min(1.0, len([item for item in others if item["answer"] == said]) / 3))
        scores.append(sum(each) / len(each))
    return sum(scores) / len(scores)
