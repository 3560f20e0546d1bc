"""Draws the pictures of docs/science: all of them of the embedded data set, whose gaze is simulated.

python docs/science/pictures.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import Tensor

import haa
from haa import losses
from haa.data.shapes import Shapes
from haa.gaze import density

HERE = Path(__file__).parent
GRID = (8, 8)
SCENE = 7
Scenes = list[dict[str, Tensor]]


def save(figure: plt.Figure, name: str) -> None:
    figure.savefig(HERE / f"{name}.png", dpi=80, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def show(axis: plt.Axes, image: Tensor, title: str, points: Tensor | None = None) -> None:
    axis.imshow(image.permute(1, 2, 0).numpy() if image.ndim == 3 else image.numpy(), cmap="inferno", vmin=0)
    if points is not None:
        axis.plot(*points.T.numpy(), "o", color="white", markeredgecolor="black", markersize=5, linestyle="none")
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def loop(data: Scenes) -> None:
    """What alignment compares: points become a density on the attention's own grid."""
    sample = data[SCENE]
    image, points = sample["image"], sample["fixations"]
    size = tuple(image.shape[-2:])
    human = density(points[None], size, 0.05 * size[0], grid=GRID)
    untrained = density(torch.tensor([[[0.15, 0.85], [0.8, 0.2]]]) * size[0], size, 0.2 * size[0], grid=GRID)
    aligned = density(points[None] + 3, size, 0.09 * size[0], grid=GRID)
    figure, axes = plt.subplots(1, 5, figsize=(12, 2.7))
    show(axes[0], image, "1. a picture")
    show(axes[1], image, "2. where people looked\n(simulated fixations)", points)
    show(axes[2], human[0], "3. the human map: their density\non the attention's grid")
    for axis, name, attention in ((axes[3], "4. an attention", untrained), (axes[4], "5. a closer one", aligned)):
        kl, nss = (loss(attention, human).item() for loss in (losses.kl_divergence, losses.correlation))
        show(axis, attention[0], f"{name}:\nKL {kl:.2f}, 1 - CC {nss:.2f}")
    save(figure, "loop")


def controls(data: Scenes) -> None:
    """The same scene under the conditions that exchange its gaze."""
    names = {
        "human": "human:\nits own",
        "shuffled": "shuffled:\nanother picture's",
        "random": "random:\nits own, moved",
        "center": "center:\nwhere people mostly look",
        "inverted": "inverted:\nwhere nobody looked",
        "corrupted": "corrupted:\nhalf of it replaced",
    }
    figure, axes = plt.subplots(1, len(names), figsize=(2.05 * len(names), 2.6))
    for axis, (name, title) in zip(axes, names.items(), strict=True):
        sample = haa.Exchanged(data, name)[SCENE]
        show(axis, sample["image"], title, sample["fixations"])
    save(figure, "conditions")


def compared(data: Scenes) -> None:
    """Four attentions against one human map, and each loss of them, as a share of the worst."""
    image, points = data[SCENE]["image"], data[SCENE]["fixations"]
    side = image.shape[-1]
    size, sigma = (side, side), 0.05 * side
    human = density(points[None], size, sigma, grid=GRID)
    other = haa.Exchanged(data, "shuffled")[SCENE]["fixations"]
    maps = {
        "as people look": density(points[None], size, 1.6 * sigma, grid=GRID),
        "half of them": density(points[None, : len(points) // 2], size, sigma, grid=GRID),
        "the middle": density(torch.full((1, 1, 2), side / 2), size, 3 * sigma, grid=GRID),
        "another picture's": density(other[None], size, sigma, grid=GRID),
    }
    names = ("kl_divergence", "jensen_shannon", "correlation", "cosine", "similarity", "mse", "pyramid_mse")
    figure = plt.figure(figsize=(10, 5), layout="constrained")
    grid = figure.add_gridspec(2, 5, height_ratios=(1, 1.5))
    show(figure.add_subplot(grid[0, 0]), human[0], "human map (simulated)")
    for n, (title, attention) in enumerate(maps.items()):
        show(figure.add_subplot(grid[0, n + 1]), attention[0], title)
    axis = figure.add_subplot(grid[1, :])
    for n, (title, attention) in enumerate(maps.items()):
        values = []
        for name in names:
            loss = getattr(losses, name)
            worst = max(loss(one, human).item() for one in maps.values())
            values.append(loss(attention, human).item() / worst)
        axis.bar([k + 0.2 * (n - 1.5) for k in range(len(names))], values, 0.18, label=title)
    axis.set_xticks(range(len(names)), names, fontsize=9)
    axis.set_ylabel("loss, as a share of the worst", fontsize=9)
    axis.legend(fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.16), frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, "losses")


def reading() -> None:
    """Five answers: two intervals each, and the words that the report says. The numbers are made up."""
    cases = [
        ("gaze helps", (0.05, 0.02), (0.04, 0.02)),
        ("alignment helps,\nwhosever gaze it is", (0.05, 0.02), (0.00, 0.015)),
        ("gaze harms", (-0.05, 0.02), (-0.04, 0.02)),
        ("no difference\nabove 0.02", (0.002, 0.012), (0.0, 0.012)),
        ("inconclusive", (0.03, 0.045), (0.01, 0.04)),
    ]
    figure, axis = plt.subplots(figsize=(8, 3.4))
    for n, (_, base, control) in enumerate(cases):
        for shift, (mean, half), colour, mark in ((-0.12, base, "#0b5fa5", "o"), (0.12, control, "#a34a00", "s")):
            label = {"o": "human - baseline", "s": "human - control"}[mark] if n == 0 else None
            axis.errorbar(mean, n + shift, xerr=half, fmt=mark, color=colour, capsize=3, label=label)
    axis.axvline(0, color="black", linewidth=1)
    axis.axvspan(-0.02, 0.02, color="0.9", zorder=0)
    axis.set_yticks(range(len(cases)), [case[0] for case in cases], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlabel(
        "difference in the task's score (made-up numbers); grey: too small to matter, difference=0.02", fontsize=9
    )
    axis.legend(fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, "reading")


def main() -> None:
    torch.manual_seed(0)
    shapes = Shapes("train", task="finegrained", train=60)
    data = [{"image": sample["image"], "fixations": sample["gaze"].points} for sample in shapes]
    loop(data)
    controls(data)
    compared(data)
    reading()


if __name__ == "__main__":
    main()
