"""Pictures of where people and the machine looked."""

from __future__ import annotations

import textwrap

from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import interpolate

from haa.batch import Batch


def side_by_side(
    batch: Batch,
    human: Float[Tensor, "b h w"],
    has_human: Bool[Tensor, " b"],
    machine: Float[Tensor, "b i j"],
    rows: int = 6,
    simulated: bool = False,
) -> Figure:
    """One row per sample: the image with its fixations, the human map and the machine's map laid over it.

    Args:
        batch: images in [0, 1], and the texts that go with them.
        human: at the image's size.
        has_human: where False, the row says that no gaze was recorded.
        machine: at any resolution.
        rows: how many samples are drawn.
        simulated: the gaze comes from a simulated observer; said in the heading.
    """
    rows = min(rows, len(batch["image"]))
    images = batch["image"][:rows].permute(0, 2, 3, 1).float().cpu().clamp(0, 1)
    height, width = images.shape[1:3]
    machine = interpolate(machine[:rows, None].float().cpu(), (height, width), mode="bilinear")[:, 0]
    figure = Figure(figsize=(7.5, 1.95 * rows * height / width + 0.4), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    headings = ("image, fixations", "simulated human map" if simulated else "human map", "machine map")
    for i, line in enumerate(axes):
        for axis in line:
            axis.imshow(images[i].numpy(), interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
        if has_human[i]:
            overlay(line[1], human[i].cpu())
            if "fixations" in batch:
                x, y = batch["fixations"][i].cpu().unbind(-1)
                line[0].scatter(x, y, s=9, facecolors="none", edgecolors="white", linewidths=0.8)
                line[0].set_xlim(-0.5, width - 0.5)
                line[0].set_ylim(height - 0.5, -0.5)
        else:
            line[1].set_xlabel("no gaze recorded", fontsize=7)
        overlay(line[2], machine[i])
        line[0].set_ylabel(textwrap.fill(caption(batch, i), 34), fontsize=7, rotation=0, ha="right", va="center")
    for axis, heading in zip(axes[0], headings, strict=True):
        axis.set_title(heading, fontsize=9)
    return figure


def overlay(axis: object, values: Float[Tensor, "h w"]) -> None:
    """Lay a map over the image of an axis, its largest value being the brightest."""
    peak = values.amax().clamp_min(1e-30)
    share = (values / peak).numpy()
    axis.imshow(share, cmap="inferno", alpha=0.25 + 0.6 * share, vmin=0, vmax=1)  # type: ignore[attr-defined]


def caption(batch: Batch, i: int) -> str:
    """What sample ``i`` of a batch asks or says, or its id."""
    if "question" in batch:
        return f"{batch['question'][i]} {batch['answers'][i][0]}"
    if "captions" in batch:
        return batch["captions"][i][0]
    return batch["id"][i]
