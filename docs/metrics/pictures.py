"""Draws the pictures of docs/metrics.md: for each metric, what it rewards.

python docs/metrics/pictures.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from haa.gaze import density
from haa.metrics import functional as F

HERE = Path(__file__).parent
SIZE = (96, 128)
LOWER = ("kl_divergence", "kl_divergence_mit", "earth_movers_distance", "mae")


def save(figure: plt.Figure, name: str) -> None:
    figure.savefig(HERE / f"{name}.png", dpi=70, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def strip(
    name: str, maps: dict[str, Tensor], scores: list[float], points: Tensor | None, outline: Tensor | None
) -> None:
    """The maps in the order of their scores, the best first."""
    order = np.argsort(scores) if name in LOWER else np.argsort(scores)[::-1]
    figure, axes = plt.subplots(1, len(maps), figsize=(1.75 * len(maps), 1.9))
    titles = list(maps)
    for axis, k in zip(axes, order, strict=True):
        axis.imshow(maps[titles[k]].numpy(), cmap="gray")
        if points is not None:
            axis.plot(*points.T.numpy(), "o", color="tab:orange", markersize=2.5)
        if outline is not None:
            axis.contour(outline.numpy(), levels=[0.5], colors="tab:orange", linewidths=1)
        axis.set_title(f"{scores[k]:.3f}", fontsize=11)
        axis.set_xlabel(titles[k], fontsize=8)
        axis.set_xticks([])
        axis.set_yticks([])
    save(figure, name)


def saliency() -> None:
    """Metrics of maps and fixations, on two groups of fixations, the larger one off centre."""
    generator = torch.Generator().manual_seed(4)
    spread = torch.randn(24, 2, generator=generator) * torch.tensor([7.0, 6.0])
    points = spread + torch.where(
        torch.arange(24)[:, None] < 17, torch.tensor([38.0, 34.0]), torch.tensor([98.0, 66.0])
    )
    fixations = points[None]
    truth = density(fixations, SIZE, 6.0)[0]
    centre = density(torch.tensor([[[63.5, 47.5]]]), SIZE, 26.0)[0]
    maps = {
        "ground truth": truth,
        "too blurred": density(fixations, SIZE, 16.0)[0],
        "too sharp": density(fixations, SIZE, 2.0)[0],
        "one group of two": density(fixations[:, :17], SIZE, 6.0)[0],
        "12 pixels off": density(fixations + 12.0, SIZE, 6.0)[0],
        "centre": centre,
        "constant": torch.ones(SIZE),
        "inverted": truth.max() - truth,
    }
    stack = torch.stack(list(maps.values()))
    f, g = fixations.expand(len(stack), -1, -1), truth.expand_as(stack).contiguous()
    baseline = centre.expand_as(stack).contiguous()
    others = torch.randn(400, 2, generator=generator) * torch.tensor([26.0, 20.0]) + torch.tensor([63.5, 47.5])
    mask = density(fixations[:, :17], SIZE, 6.0).expand_as(stack) > 3e-4
    at_points = {
        "auc_judd": F.auc_judd(stack, f),
        "auc_uniform": F.auc_uniform(stack, f),
        "auc_borji": F.auc_borji(stack, f),
        "auc_shuffled": F.auc_shuffled(stack, f, others),
        "nss": F.nss(stack, f),
        "information_gain": F.information_gain(stack, baseline, f),
        "log_likelihood": F.log_likelihood(stack, f),
    }
    against_maps = {
        "cc": F.cc(stack, g),
        "similarity": F.similarity(stack, g),
        "kl_divergence": F.kl_divergence(stack, g),
        "kl_divergence_mit": F.kl_divergence_mit(stack, g),
        "earth_movers_distance": F.earth_movers_distance(stack, g, reduction=8),
        "spearman": F.spearman(stack, g, grid=(14, 14)),
        "topk_iou": F.topk_iou(stack, g),
    }
    for name, scores in at_points.items():
        strip(name, maps, scores.tolist(), points, None)
    for name, scores in against_maps.items():
        strip(name, maps, scores.tolist(), None, truth > 3e-4)
    strip("pointing_game", maps, F.pointing_game(stack, mask, tolerance=5).tolist(), None, mask[0])


def objects() -> None:
    """Measures of salient objects, on one disc."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    from_centre = ((y - 46) ** 2 + (x - 56) ** 2).sqrt()
    truth = from_centre < 26
    noise = torch.rand(SIZE, generator=torch.Generator().manual_seed(0))
    hole = truth & (((y - 46) ** 2 + (x - 56) ** 2).sqrt() > 11)
    maps = {
        "perfect": truth.float(),
        "soft edge": torch.sigmoid((26 - from_centre) / 5),
        "too large": (from_centre < 33).float(),
        "a hole": hole.float(),
        "half": (truth & (x > 56)).float(),
        "noise on it": (0.6 * truth + 0.4 * noise),
        "moved": (((y - 58) ** 2 + (x - 74) ** 2).sqrt() < 26).float(),
        "noise": noise,
    }
    stack = torch.stack(list(maps.values()))
    scores = F.salient_objects(stack, truth.expand_as(stack))
    for name in ("mae", "f_max", "f_mean", "f_adaptive", "f_weighted", "s_measure", "e_max", "e_mean", "e_adaptive"):
        strip(name, maps, scores[name].tolist(), None, truth)
    for name, measure in (("dice", F.dice), ("iou", F.iou)):
        strip(name, maps, measure(stack, truth.expand_as(stack)).tolist(), None, truth)


def bars(name: str, rows: list[str], scores: dict[str, list[float]], title: str) -> None:
    figure, axes = plt.subplots(1, len(scores), figsize=(4 + 1.8 * len(scores), 0.35 * len(rows) + 0.6), sharey=True)
    for axis, (label, values) in zip(np.atleast_1d(axes), scores.items(), strict=True):
        axis.barh(rows, values, color="tab:blue")
        axis.set_title(label, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.invert_yaxis() if label == next(iter(scores)) else None
    figure.suptitle(title, fontsize=9, x=0.5, y=1.12)
    save(figure, name)


def texts() -> None:
    """Captions of one image within a small set, and answers to one question."""
    references = [
        ["a man rides a brown horse on the beach", "a man riding a horse along the sea", "a horse on the sand"]
    ]
    others = [
        ["a bowl of fruit on a table"],
        ["two dogs play in a park"],
        ["a red bus on a street"],
        ["a man on a bike"],
    ]
    captions = [
        "a man rides a brown horse on the beach",
        "a man riding a horse on the beach",
        "a horse",
        "on the beach a man rides a horse",
        "a man on a bike on a beach",
        "a man a man a man a man",
        "two dogs play in a park",
    ]
    names = ("bleu1", "bleu4", "rouge_l", "cider")
    scores: dict[str, list[float]] = {name: [] for name in names}
    for caption in captions:
        found = F.caption_scores([caption, *(o[0] for o in others)], references + others, names)
        for name in names:
            scores[name].append(found[name][1][0].item())
    bars("captions", captions, scores, "references: " + "; ".join(references[0]))
    people = ["two"] * 3 + ["2"] * 3 + ["a couple"] * 2 + ["three", "many"]
    answers = ["2", "two", "Two.", "couple", "three", "4"]
    bars("vqa_accuracy", answers, {"accuracy": F.vqa_accuracy(answers, [people] * 6).tolist()}, ", ".join(people))


if __name__ == "__main__":
    saliency()
    objects()
    texts()
