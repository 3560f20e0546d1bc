"""Batch and Output, the two types that flow through everything, and what is made of a batch: pictures, human maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from haa.errors import InputError
from haa.gaze import Size, density, in_full, valid
from haa.geometry.extent import WHOLE, Extent, mean_of_cells
from haa.memory.held import HELD, content, holds


class Batch(TypedDict):
    """What a loader yields: a plain dict, so that collating, pinning, transfer and DDP need nothing special.

    Gaze is ``fixations`` (points) or ``density`` (a published map); neither ever stands in for the other. Points are
    (x, y), 0-based float pixels of ``image``, where an integer is a pixel's centre; NaN pads.

    A batch of clips has ``clip`` in the place of ``image``, and everything that is said of gaze is said for each of its
    t frames: ``fixations (b, t, n, 2)``, ``has_human (b, t)``, ``density (b, t, h, w)``. `stills` takes it apart.
    """

    image: NotRequired[Float[Tensor, "b 3 h w"]]
    """RGB in [0, 1] (uint8 while it travels; `in_unit_range` scales it on the device). Backbones normalise."""
    clip: NotRequired[Float[Tensor, "b t 3 h w"]]
    """Frames in order, as ``image``."""
    id: list[str]

    fixations: NotRequired[Float[Tensor, "b *t n 2"]]
    weights: NotRequired[Float[Tensor, "b *t n"]]
    """Weight of each of ``fixations`` in their density, 0 pads; absent where all weigh alike. ``own_weights`` and
    ``native_weights`` are the same for the fixations of those names."""
    own_fixations: NotRequired[Float[Tensor, "b *t m 2"]]
    """What was recorded for the sample itself; only in training, and only where the condition exchanges gaze, so that
    ``fixations`` are others. Saliency learns to predict these, whatever its attention is aligned with."""
    density: NotRequired[Float[Tensor, "b *t h w"]]
    """Sums to 1; only from datasets that publish maps and no points."""
    own_density: NotRequired[Float[Tensor, "b *t h w"]]
    """What was published for the sample itself, where the condition exchanges maps: see ``own_fixations``."""
    has_human: NotRequired[Bool[Tensor, " b *t"]]
    """False where nobody looked or nothing was recorded; such samples are masked, counted and reported."""

    native_size: NotRequired[list[tuple[int, int]]]
    """(height, width) of each stimulus before any resize; evaluation splits only."""
    own_weights: NotRequired[Float[Tensor, "b *t m"]]
    native_weights: NotRequired[Float[Tensor, "b *t n"]]
    native_fixations: NotRequired[Float[Tensor, "b *t n 2"]]
    """``fixations`` in pixels of the stimulus; evaluation splits only."""

    features: NotRequired[Float[Tensor, "b *t c i j"]]
    """A frozen backbone's features of ``image``, or of each frame of ``clip``, read from the feature cache."""

    question: NotRequired[list[str]]
    tokens: NotRequired[Int[Tensor, "b t"]]
    """``question`` as numbers of the words of the model's vocabulary, 0 pads; only in an exported graph."""
    answers: NotRequired[list[list[str]]]
    """One or more ground-truth answers per question."""
    captions: NotRequired[list[list[str]]]
    """One or more reference captions per image."""
    mask: NotRequired[UInt8[Tensor, "b h w"]]
    """255 on the salient objects of ``image``, 0 elsewhere."""
    native_mask: NotRequired[list[UInt8[Tensor, "h w"]]]
    """``mask`` in pixels of each stimulus; evaluation splits only."""
    label: NotRequired[Int[Tensor, " b"]]
    """An index into the dataset's ``classes``."""
    labels: NotRequired[Int[Tensor, "b n"]]
    """For each of the dataset's ``classes`` 1 (present), 0 (absent), -1 (unknown), where a sample may have several."""
    video: NotRequired[list[str]]
    """The video that each clip was cut from."""


@dataclass
class Output:
    """What a task's `step` and `predict` return.

    Args:
        loss: Task loss, a scalar; None from `predict`, which needs no target.
        prediction: Whatever the task's metrics need.
        attention: Where the model looked, ``(b, i, j)``, non-negative, at any resolution, differentiable. For clips
            ``(b, t, i, j)``, a map for each frame.
        count: Number of samples (of labels, where a sample has several) over which the loss is a mean, where some take
            no part in it; None is all samples.
        score: What an attribution (`haa.attention.GradCAM`, say) explains, one value per sample, differentiable: in
            training that of the right answer, in evaluation that of the answer given.
        words: Which of the queries of a cross-attention count; padding does not.
        extent: Where the cells of ``attention`` lie in the picture.
    """

    loss: Float[Tensor, ""] | None
    prediction: Any
    attention: Float[Tensor, "b *t i j"] | None = None
    count: Int[Tensor, ""] | None = None
    score: Float[Tensor, " b"] | None = None
    words: Bool[Tensor, "b t"] | None = None
    extent: Extent = WHOLE


def in_unit_range(batch: Batch, dtype: torch.dtype = torch.float32) -> Batch:
    """Return the batch with its images or clips in [0, 1], as numbers of the model's type.

    They travel to the device as uint8, a quarter of the bytes. Gaze stays as it is.
    """
    key: Literal["clip", "image"] = "clip" if "clip" in batch else "image"
    if batch[key].dtype == torch.uint8:
        # a product, as torchvision's to_dtype has it: a quotient differs in the last bit
        batch = {**batch, key: batch[key].to(torch.float32).mul_(1 / 255)}  # type: ignore[misc]
    if dtype == torch.float32:
        return batch
    inputs = {name: batch[name].to(dtype) for name in (key, "features") if name in batch}  # type: ignore[literal-required]
    return {**batch, **inputs}  # type: ignore[typeddict-item]


def ready(batch: Batch, device: torch.device) -> Batch:
    """Return a batch of a loader as a model takes it: on the device, images or clips in [0, 1].

    Example:
        >>> batch = ready({"id": ["a"], "image": torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)}, torch.device("cpu"))
        >>> batch["image"].max()
        tensor(1.)
    """
    moved: Any = {key: value.to(device) if torch.is_tensor(value) else value for key, value in batch.items()}
    return in_unit_range(moved)


_OF_FRAMES = (
    *("fixations", "own_fixations", "native_fixations", "weights", "own_weights", "native_weights"),
    *("density", "own_density", "has_human", "features"),
)


def stills(batch: Batch) -> Batch:
    """Return a batch of b clips of t frames as one of b * t still pictures with their gaze; one of stills as it is.

    Example:
        >>> clips = {"id": ["a"], "clip": torch.zeros(1, 8, 3, 4, 4), "fixations": torch.zeros(1, 8, 5, 2)}
        >>> pictures = stills(clips)
        >>> pictures["image"].shape, pictures["fixations"].shape, len(pictures["id"])
        (torch.Size([8, 3, 4, 4]), torch.Size([8, 5, 2]), 8)
    """
    if "clip" not in batch:
        return batch
    length = batch["clip"].shape[1]
    out: dict[str, Any] = {"image": batch["clip"].flatten(0, 1)}
    for key, value in batch.items():
        if key in _OF_FRAMES:
            out[key] = value.flatten(0, 1)  # type: ignore[attr-defined]
        elif key in ("id", "native_size"):
            out[key] = [entry for entry in value for _ in range(length)]  # type: ignore[attr-defined]
    return out  # type: ignore[return-value]


def maps_of_stills(maps: Float[Tensor, "b *t i j"], batch: Batch) -> Float[Tensor, "n i j"]:
    """Return a map for each of a batch's `stills`.

    Raises:
        InputError: If there are not as many maps as pictures.
    """
    leading = batch["clip"].shape[:2] if "clip" in batch else batch["image"].shape[:1]
    if maps.shape[:-2] != leading:
        raise InputError(
            f"attention has shape {tuple(maps.shape)}, and the batch has pictures of shape {tuple(leading)}: "
            "give one map (i, j) for each picture, or for each frame of each clip"
        )
    return maps.reshape(-1, *maps.shape[-2:])


def middle(batch: Batch, attention: Tensor | None) -> tuple[Batch, Tensor | None]:
    """Return the middle frame of every clip with its gaze and its map; stills as they are."""
    if "clip" not in batch:
        return batch, attention
    length = batch["clip"].shape[1]
    rows = slice(length // 2, None, length)
    pictures: Any = {key: value[rows] for key, value in stills(batch).items()}  # type: ignore[index]
    return pictures, None if attention is None else attention[:, length // 2]


def text_of(batch: Batch, i: int) -> str:
    """Return what sample ``i`` of a batch asks, with an answer, or says; nothing where it has no text.

    Example:
        >>> text_of({"id": ["a"], "question": ["what colour?"], "answers": [["red", "crimson"]]}, 0)
        'what colour? red'
    """
    if "question" in batch:
        return f"{batch['question'][i]} {batch['answers'][i][0]}"
    return batch["captions"][i][0] if "captions" in batch else ""


def image_size(batch: Batch) -> Size:
    """Return (height, width) of a batch's images."""
    return batch["image"].shape[-2], batch["image"].shape[-1]


def shape(batch: Batch, i: int) -> float:
    """Return the height of a picture over its width, as it was shown, before any resize.

    Example:
        >>> shape({"id": ["a"], "image": torch.zeros(1, 3, 64, 64), "native_size": [(480, 640)]}, 0)
        0.75
    """
    height, width = batch["native_size"][i] if "native_size" in batch else batch["image"][i].shape[-2:]
    return height / width


def human_maps(
    batch: Batch, grid: Size | None, sigma: float, extent: Extent = WHOLE
) -> tuple[Float[Tensor, "b h w"], Bool[Tensor, " b"]]:
    """Return the human maps of a batch of pictures on a grid (h, w), and which pictures have one.

    Fixations become their density (`haa.gaze.density`), each cell of a grid holding its share. A published map is
    averaged over the cells, or interpolated where the grid is finer than the map. The map of a picture without gaze is
    zero everywhere: this is the one place where it is decided who has a human map, for the loss, for the scores and for
    pictures.

    Args:
        batch: Stills with ``fixations`` in pixels of ``image``, or with ``density``.
        grid: Height and width of the maps; None is the image's own size, at which the density is evaluated at the
            pixels' centres, as a fixation map is blurred.
        sigma: Standard deviation of the Gaussian around a fixation, as a share of the image's longer side.
        extent: Where the cells of the grid lie.

    Example:
        >>> batch = {"image": torch.zeros(2, 3, 8, 8), "fixations": torch.tensor([[[1.0, 1.0]], [[torch.nan] * 2]])}
        >>> maps, has_human = human_maps(batch, (2, 2), sigma=0.1)
        >>> maps[0].argmax(), has_human
        (tensor(0), tensor([ True, False]))
    """
    given = [batch.get(key) for key in ("fixations", "weights", "density", "has_human")]
    if grid is not None or not holds(*given) or not ("fixations" in batch or "density" in batch):  # type: ignore[arg-type]
        return _human_maps(batch, grid, sigma, extent)
    # maps at a picture's own size are those that are scored against: the same batches in every epoch and run
    key = ("human maps", content(*given), image_size(batch), len(batch["image"]), sigma)  # type: ignore[arg-type]
    return HELD(key, lambda: _human_maps(batch, None, sigma, extent))  # type: ignore[return-value]


def _human_maps(
    batch: Batch, grid: Size | None, sigma: float, extent: Extent
) -> tuple[Float[Tensor, "b h w"], Bool[Tensor, " b"]]:
    image = batch["image"]
    size = image_size(batch)
    if "fixations" in batch:
        has_human = valid(batch["fixations"], size).any(1)
        maps = density(
            batch["fixations"], size, sigma * max(size), grid=grid, weights=batch.get("weights"), extent=extent
        )
    elif "density" in batch:
        published = in_full(batch["density"])
        grid = size if grid is None else grid
        has_human = torch.ones_like(published[:, 0, 0], dtype=torch.bool)
        if extent == WHOLE and (grid[0] > published.shape[1] or grid[1] > published.shape[2]):
            maps = interpolate(published[:, None], grid, mode="bilinear", align_corners=False)[:, 0]
        else:
            maps = mean_of_cells(published, grid, extent)
    else:
        has_human = torch.zeros(len(image), dtype=torch.bool, device=image.device)
        return torch.zeros(len(image), *(grid or size), device=image.device, dtype=torch.float32), has_human
    if "has_human" in batch:
        has_human = has_human & batch["has_human"]
    return where_human(has_human, maps, 0.0), has_human


def where_human(has_human: Bool[Tensor, " b"], x: Float[Tensor, "b ..."], other: float) -> Float[Tensor, "b ..."]:
    """Return what belongs to pictures with gaze, and another value for the others; ``x`` itself where all have gaze.

    Whether all have is asked of a processor only: an accelerator would have to be waited for.

    Example:
        >>> where_human(torch.tensor([True, False]), torch.ones(2, 1, 2), torch.nan)
        tensor([[[1., 1.]],
        <BLANKLINE>
                [[nan, nan]]])
    """
    if not torch.compiler.is_compiling() and has_human.device.type == "cpu" and has_human.all():
        return x
    return torch.where(has_human.view(-1, *[1] * (x.ndim - 1)), x, other)
