from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from haa.attention.image_grids import ImageInputs, pictures
from haa.attention.prompt import Prompt
from haa.errors import InputError

IMAGE, MARK = 9, 80


def prompt(*samples: list[int]) -> Prompt:
    ids = nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in samples], batch_first=True)
    return Prompt(ids, ids > 0, None, IMAGE)


def inputs(
    patches: tuple[int, int] | None = None, arguments: dict[str, Tensor] | None = None, **config: Any
) -> ImageInputs:
    return ImageInputs(arguments or {}, SimpleNamespace(**config), patches)


def listed(samples: list[list[list[Tensor]]]) -> list[list[list[list[list[int]]]]]:
    return [[[cells.tolist() for cells in picture] for picture in sample] for sample in samples]


def test_grids_that_are_given_are_merged_and_taken_in_order() -> None:
    grids = torch.tensor([[1, 2, 4], [1, 4, 2], [1, 2, 2]])
    vision = SimpleNamespace(spatial_merge_size=2)
    found = pictures(prompt([1, 9, 9, 5, 9, 9], [9, 5]), inputs(arguments={"grid_thw": grids}, vision_config=vision))
    assert listed(found) == [[[[[1, 2]]], [[[4], [5]]]], [[[[0]]]]]
    with pytest.raises(InputError, match="4 image tokens, but the grids of its images add up to 5"):
        pictures(prompt([1, 9, 9, 5, 9, 9]), inputs(arguments={"grid_thw": grids}, vision_config=vision))
    with pytest.raises(InputError, match="an image's tokens lie in two samples"):
        pictures(prompt([1, 9, 5], [9, 9, 9, 9]), inputs(arguments={"grid_thw": grids}, vision_config=vision))
    with pytest.raises(InputError, match="several frames"):
        pictures(prompt([9, 9]), inputs(arguments={"grid_thw": torch.tensor([[2, 1, 1]])}))


def test_rows_that_end_with_another_token() -> None:
    vision = SimpleNamespace(patch_size=4)
    sizes = {"image_sizes": torch.tensor([[16, 24]])}
    found = pictures(
        prompt([1, 9, 9, 9, 7, 9, 9, 9, 8]), inputs(arguments=sizes, vision_config=vision, spatial_merge_size=2)
    )
    assert listed(found) == [[[[[1, 2, 3], [5, 6, 7]]]]]


@pytest.mark.parametrize(
    ("patches", "config", "size"),
    [
        ((2, 3), {}, (2, 3)),
        ((4, 6), {"downsample_ratio": 0.5}, (2, 3)),
        ((4, 6), {"downsample_factor": 2}, (2, 3)),
        ((4, 4), {"mm_tokens_per_image": 4}, (2, 2)),
    ],
)
def test_patches_are_put_together_as_declared(
    patches: tuple[int, int], config: dict[str, Any], size: tuple[int, int]
) -> None:
    ids = [1, *[IMAGE] * (size[0] * size[1]), 5]
    (((cells,),),) = pictures(prompt(ids), inputs(patches, **config))
    assert cells.tolist() == torch.arange(1, 1 + cells.numel()).view(size).tolist()
    with pytest.raises(InputError, match=f"stand side by side, but its patches make a grid of {size[0]} x {size[1]}"):
        pictures(prompt([*ids[:-1], IMAGE]), inputs(patches, **config))


def test_what_is_not_declared_is_refused() -> None:
    with pytest.raises(InputError, match=r"no patch embedding .* was seen"):
        pictures(prompt([9, 9, 9, 9]), inputs())
    with pytest.raises(InputError, match="puts 3 x 3 patches together by 2: give grid"):
        pictures(prompt([9, 9, 9, 9]), inputs((3, 3), downsample_factor=2))
    with pytest.raises(InputError, match="cuts pictures into tiles"):
        pictures(prompt([9, 5, 9]), inputs((2, 2), downsample_ratio=0.5))
    mask = torch.tensor([[[True, False]]])
    with pytest.raises(InputError, match="fills a part of its pixels"):
        pictures(prompt([9, 9]), inputs((1, 2), {"patch_attention_mask": mask}))
    with pytest.raises(InputError, match="sample 1 has no image token"):
        pictures(prompt([9, 9], [5, 5]), inputs((1, 2)))


def test_a_grid_of_one_s_own() -> None:
    two = prompt([1, *[IMAGE] * 4, 5])
    assert listed(pictures(two, inputs(), (1, 2))) == [[[[[1, 2]]], [[[3, 4]]]]]
    assert listed(pictures(two, inputs(), (1, 2), prefix=1)) == [[[[[2, 3]]]]]
    with pytest.raises(InputError, match="4 image tokens stand side by side, which are no grids of 1 x 3"):
        pictures(two, inputs(), (1, 3))
    with pytest.raises(InputError, match="no grids of 2 x 2 after prefix=1"):
        pictures(two, inputs(), (2, 2), prefix=1)


@pytest.mark.parametrize("cured", [[MARK, 70], [MARK]])
def test_tiles_need_their_mark(cured: list[int]) -> None:
    tiled = inputs((2, 2), scale_factor=2)
    whole = [1, 6, *cured, IMAGE, MARK, 7]
    assert listed(pictures(prompt(whole), tiled)) == [[[[[len(whole) - 3]]]]]
    with pytest.raises(InputError, match="ends within its image"):
        pictures(prompt(whole[:-2]), tiled)
    with pytest.raises(InputError, match="tiles of sample 0 are not told apart"):
        pictures(prompt([1, 11, IMAGE, 12, IMAGE, *whole]), tiled)
    two_and_one = [MARK, 11, IMAGE, MARK, 12, IMAGE, 81, MARK, 13, IMAGE, 81]
    with pytest.raises(InputError, match="tiles of sample 0 are not told apart"):
        pictures(prompt([1, *two_and_one, MARK, 70, IMAGE, MARK]), tiled)


class Local(nn.Module):
    """Makes what a module gives zero, so that no token depends on another."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


@pytest.mark.parametrize("name", ["Qwen2-VL", "Qwen2.5-VL"])
def test_merged_patches_lie_where_the_processor_took_them_from(name: str) -> None:
    """A cell of the picture is changed; the token that changes is its own."""
    import transformers as hf
    from benchmarks.support_tokens import families

    model = next(family for family in families() if family.name == name).build("sdpa")
    for block in model.model.visual.blocks:
        block.attn.proj = Local()
    process = hf.Qwen2VLImageProcessor(patch_size=4, merge_size=2, min_pixels=1, max_pixels=10**6)
    picture = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)

    def tokens(picture: np.ndarray) -> tuple[Tensor, Tensor]:
        batch = process(picture, return_tensors="pt")
        output = model.model.get_image_features(batch["pixel_values"], batch["image_grid_thw"], return_dict=True)
        return output.pooler_output[0].detach(), batch["image_grid_thw"]

    plain, grids = tokens(picture)
    vision = SimpleNamespace(spatial_merge_size=2)
    (((cells,),),) = pictures(prompt([IMAGE] * len(plain)), inputs(arguments={"grid_thw": grids}, vision_config=vision))
    assert cells.shape == (3, 5)
    for row, column in ((0, 0), (1, 3), (2, 4)):
        changed = picture.copy()
        changed[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] ^= 255
        moved = (tokens(changed)[0] - plain).abs().sum(1).nonzero()[:, 0].tolist()
        assert moved == [int(cells[row, column])]


@pytest.mark.parametrize("size", [(24, 40), (40, 24), (40, 20), (16, 16)])
def test_tiles_lie_where_the_processor_took_them_from(size: tuple[int, int]) -> None:
    """A bright spot of a picture is in the tile, and in the part of the whole, that the grids say."""
    import tokenizers
    import transformers as hf

    names = [f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7)]
    special = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *names]
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0, "\n": 1, "\n\n": 2, "a": 3}, unk_token="?"))
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?", pad_token="?")
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    side = 16
    process = hf.Idefics3Processor(
        hf.Idefics3ImageProcessor(
            size={"longest_edge": 48}, max_image_size={"longest_edge": side}, do_normalize=False, do_rescale=False
        ),
        tokenizer,
        image_seq_len=4,
    )
    picture = np.zeros((*size, 3), dtype=np.uint8)
    picture[-4:, -4:] = 200
    batch = process(images=[[picture]], text=["a<image>a"], return_tensors="pt")
    ids = batch["input_ids"]
    found = pictures(
        Prompt(ids, torch.ones_like(ids, dtype=torch.bool), None, tokenizer.convert_tokens_to_ids("<image>")),
        inputs((4, 4), scale_factor=2),
    )
    ((grids,),) = found
    tiles = batch["pixel_values"][0]
    tokens = nn.functional.adaptive_avg_pool2d(tiles.float().mean(1), 2).flatten()
    brightness = torch.zeros(ids.shape[1])
    brightness[ids[0] == tokenizer.convert_tokens_to_ids("<image>")] = tokens
    assert len(grids) == (2 if len(tiles) > 1 else 1)
    for cells in grids:
        values = brightness[cells]
        assert int(values.argmax()) == values.numel() - 1, "the spot is in the lower right corner"
        assert values[0, 0] == 0
        aspect = cells.shape[0] / cells.shape[1]
        assert cells is grids[-1] or (aspect > 1) == (size[0] > size[1]) or aspect == 1
