"""Where the tokens of a prompt's images lie: on one grid each, or on several where a picture is also seen in tiles.

The number of an image's tokens says nothing of their shape. It has to be what the model is called with and declares:
``grid_thw`` with its spatial merge, or the grid of the vision tower's patches with the factor by which they are
put together. Where the tokens do not add up to that, it raises and asks for ``grid``, and never guesses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haa.attention.prompt import Prompt
from haa.errors import InputError
from haa.geometry.extent import Size, shares_of_cells

Cells = Int[Tensor, "i j"]
Picture = list[Cells]
"""Grids of one picture, each stretched over it: for each cell the place of its token in the prompt."""

_CURE = "give grid, as (rows, columns) of an image's tokens"


@dataclass(frozen=True)
class ImageInputs:
    """What is known of a model's images.

    Args:
        arguments: What its vision tower was called with, by name: ``grid_thw`` (frames, rows and columns of patches),
            ``image_sizes`` (h, w), ``patch_attention_mask``.
        config: Its config; None where it has none.
        patches: Rows and columns of the patches that its vision tower made; None where none were seen.
    """

    arguments: Mapping[str, Any]
    config: Any = None
    patches: Size | None = None


def pictures(
    prompt: Prompt, inputs: ImageInputs, grid: Size | None = None, prefix: int | None = None
) -> list[list[Picture]]:
    """Return the pictures of each sample, in order.

    Args:
        prompt: Tokens that the model was called with.
        inputs: What else it was called with.
        grid: Rows and columns of an image's tokens; None takes what the model is called with.
        prefix: Number of image tokens before the grid's in each run of them; None is 0, and then the grids have to fill
            the run.

    Raises:
        InputError: If the tokens do not add up to a grid that is known, or a sample has no image.

    Example:
        >>> ids = torch.tensor([[1, 9, 9, 9, 9, 9, 9, 5]])
        >>> prompt = Prompt(ids, ids > 0, None, image_token=9)
        >>> pictures(prompt, ImageInputs({"grid_thw": torch.tensor([[1, 2, 3]])}))
        [[[tensor([[1, 2, 3],
                [4, 5, 6]])]]]
    """
    places = [sample.nonzero()[:, 0] for sample in prompt.of_image]
    for sample, place in enumerate(places):
        if not len(place):
            raise InputError(
                f"sample {sample} has no image token (id {prompt.image_token}) in its input_ids: leave it out, give "
                "image_token, or read a generation within recording()"
            )
    sizes = None if grid is not None else _sizes_of_each(inputs)
    if sizes is not None:
        return _consumed(places, sizes)
    runs = [_runs(place) for place in places]
    if grid is not None:
        return [[[cells] for run in of_sample for cells in _pieces(run, grid, prefix)] for of_sample in runs]
    size = _size_of_all(inputs)
    for of_sample in runs:
        for run in of_sample:
            _check_run(len(run), size, prefix, inputs)
    cut = [[run[prefix or 0 :][: size[0] * size[1]].view(size) for run in of_sample] for of_sample in runs]
    _refuse_padded(inputs)
    if _declared(inputs.config, "scale_factor"):
        return [_of_tiles(prompt, sample, cells) for sample, cells in enumerate(cut)]
    if _declared(inputs.config, "downsample_ratio", "downsample_factor") and any(len(cells) > 1 for cells in cut):
        raise InputError(
            f"{_kind(inputs)} cuts pictures into tiles, and their layout is not in its call: process them without "
            f"tiles (crop_to_patches=False), or, if these are separate pictures, {_CURE}"
        )
    return [[[cells] for cells in of_sample] for of_sample in cut]


def on_picture(weights: Float[Tensor, "*b n"], picture: Picture) -> Float[Tensor, "*b i j"]:
    """Return the weights of a picture's tokens as a map; those of its tiles and of the whole of it are added up.

    Example:
        >>> weights = torch.tensor([1.0, 2.0, 4.0])
        >>> on_picture(weights, [torch.tensor([[0, 1]]), torch.tensor([[2]])])
        tensor([[3., 4.]])
    """
    grids = [weights[..., cells] for cells in picture]
    finest = max((grid.shape[-2], grid.shape[-1]) for grid in grids)
    return torch.stack([shares_of_cells(grid, finest) for grid in grids]).sum(0)


def on_one_grid(maps: Sequence[Float[Tensor, "*b _ _"]], size: Size | None = None) -> Float[Tensor, "m *b i j"]:
    """Return maps of different grids on one: of that size, or of the most rows and the most columns that they have.

    Each cell is divided by area, so that the sum of each map stays.

    Example:
        >>> on_one_grid([torch.ones(1, 1), torch.ones(2, 1)])[:, :, 0]
        tensor([[0.5000, 0.5000],
                [1.0000, 1.0000]])
    """
    if size is None:
        size = max(one.shape[-2] for one in maps), max(one.shape[-1] for one in maps)
    return torch.stack([shares_of_cells(one, size) for one in maps])


def _sizes_of_each(inputs: ImageInputs) -> list[Size] | None:
    """Return the grid of each image, where the model is called with it."""
    vision = getattr(inputs.config, "vision_config", None)
    merge = _declared(vision, "spatial_merge_size") or _declared(inputs.config, "spatial_merge_size") or 1
    grids, sizes = inputs.arguments.get("grid_thw"), inputs.arguments.get("image_sizes")
    if grids is not None:
        frames = torch.as_tensor(grids).tolist()
        if any(t != 1 for t, _, _ in frames):
            raise InputError("grid_thw has images of several frames: haa reads pictures, not videos")
        return [(h // merge, w // merge) for _, h, w in frames]
    if sizes is not None and not _declared(inputs.config, "image_grid_pinpoints"):
        patch = _declared(vision, "patch_size")
        if isinstance(patch, int):
            return [(h // patch // merge, w // patch // merge) for h, w in torch.as_tensor(sizes).tolist()]
    return None


def _size_of_all(inputs: ImageInputs) -> Size:
    """Return the grid that all images have: the vision tower's, with its patches put together as declared."""
    if inputs.patches is None:
        raise InputError(f"no patch embedding of {_kind(inputs)} was seen, which says how its tokens lie: {_CURE}")
    rows, columns = inputs.patches
    merge = 1.0
    factor = _declared(inputs.config, "scale_factor", "downsample_factor", "spatial_merge_size")
    if isinstance(ratio := _declared(inputs.config, "downsample_ratio"), float) and 0 < ratio < 1:
        merge = 1 / ratio
    elif isinstance(tokens := _declared(inputs.config, "mm_tokens_per_image"), int):
        merge = rows / isqrt(tokens)
    elif isinstance(factor, int):
        merge = factor
    size = round(rows / merge), round(columns / merge)
    if size[0] * merge != rows or size[1] * merge != columns:
        raise InputError(f"{_kind(inputs)} puts {rows} x {columns} patches together by {merge:g}: {_CURE}")
    return size


def _consumed(places: list[Tensor], sizes: list[Size]) -> list[list[Picture]]:
    """Return pictures whose grids are known, which take the image tokens in order."""
    total, expected = sum(map(len, places)), sum(rows * columns for rows, columns in sizes)
    if total != expected:
        raise InputError(
            f"the prompt has {total} image tokens, but the grids of its images add up to {expected}: {_CURE}"
        )
    left = iter(sizes)
    samples: list[list[Picture]] = []
    for place in places:
        samples.append([])
        while len(place):
            rows, columns = next(left)
            if len(place) < rows * columns:
                raise InputError("an image's tokens lie in two samples: give the images in the order of their samples")
            samples[-1].append([place[: rows * columns].view(rows, columns)])
            place = place[rows * columns :]
    return samples


def _runs(place: Tensor) -> list[Tensor]:
    """Return image tokens that stand side by side together."""
    ends = (place.diff() != 1).nonzero()[:, 0] + 1
    return list(place.tensor_split(ends))


def _pieces(run: Tensor, grid: Size, prefix: int | None) -> Sequence[Tensor]:
    count = grid[0] * grid[1]
    if prefix is not None and len(run) >= prefix + count:
        return [run[prefix : prefix + count].view(grid)]
    if prefix is not None or len(run) % count:
        raise InputError(
            f"{len(run)} image tokens stand side by side, which are no grids of {grid[0]} x {grid[1]}"
            f"{'' if prefix is None else f' after prefix={prefix}'}: give the grid of an image's tokens, and prefix "
            "where others come before them"
        )
    return [cells.view(grid) for cells in run.split(count)]


def _check_run(length: int, size: Size, prefix: int | None, inputs: ImageInputs) -> None:
    count = size[0] * size[1]
    if length == count + (prefix or 0) or (prefix is not None and length > count + prefix):
        return
    raise InputError(
        f"{length} image tokens of {_kind(inputs)} stand side by side, but its patches make a grid of "
        f"{size[0]} x {size[1]} (tiles, a class token, queries in the place of patches, several images?): "
        f"{_CURE}, and prefix where others come before them"
    )


def _refuse_padded(inputs: ImageInputs) -> None:
    mask = inputs.arguments.get("patch_attention_mask")
    if isinstance(mask, Tensor) and not mask.all():
        raise InputError(
            "patch_attention_mask says that a picture fills a part of its pixels, so that its tokens do not lie on the "
            "picture alone: process pictures to one size"
        )


def _of_tiles(prompt: Prompt, sample: int, blocks: list[Tensor]) -> list[Picture]:
    """Return the pictures whose tiles, and the whole of each, stand in a sample as blocks with words between them.

    A block begins with a mark and the name of its tile, and the mark ends the picture. What stands between a block and
    the mark of the next ends a row of tiles. The whole of a picture comes last, and has the same name for all.
    """
    ids = prompt.ids[sample].tolist()
    bounds = [(int(block.flatten()[0]), int(block.flatten()[-1]) + 1) for block in blocks]
    end = bounds[-1][1]
    if end >= len(ids) or not prompt.real[sample, end]:
        raise InputError(f"sample {sample} ends within its image: what follows the last tile says how they lie")
    mark = ids[end]
    gaps = [ids[before:start] for (_, before), (start, _) in zip([(0, 0), *bounds], bounds, strict=False)]
    if not all(mark in gap for gap in gaps):
        raise _unknown_tiles(sample)
    # from behind: words may hold the mark, too
    marks = [len(gap) - 1 - gap[::-1].index(mark) for gap in gaps]
    names = [gap[at + 1 :] for gap, at in zip(gaps, marks, strict=True)]
    out: list[Picture] = []
    rows: list[list[Tensor]] = []
    for block, name, at in zip(blocks, names, marks, strict=True):
        if at > 0 or not rows:
            rows.append([])
        rows[-1].append(block)
        if name == names[-1]:
            *tiles, whole = rows
            if len(whole) != 1 or len({len(row) for row in tiles}) > 1:
                raise _unknown_tiles(sample)
            in_tiles = [torch.cat([torch.cat(row, 1) for row in tiles])] if tiles else []
            out.append([*in_tiles, *whole])
            rows = []
    return out


def _unknown_tiles(sample: int) -> InputError:
    return InputError(
        f"the tiles of sample {sample} are not told apart as haa knows it (a mark before each, a line after each row, "
        "the whole picture last): process pictures without tiles"
    )


def _declared(config: Any, *names: str) -> Any:
    for name in names:
        value = getattr(config, name, None)
        if value is not None:
            return value
    return None


def _kind(inputs: ImageInputs) -> str:
    return "the model" if inputs.config is None else type(inputs.config).__name__.removesuffix("Config")
