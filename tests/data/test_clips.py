"""Clips and masks on their way from a dataset to a batch."""

from __future__ import annotations

import pytest
import torch
from torchvision import tv_tensors

from haa.data.datamodule import DataModule, collate
from haa.data.dataset import GazeDataset
from haa.data.transforms import Draw, Transform
from haa.errors import InputError
from haa.gaze import Gaze


class Clips(GazeDataset):
    """In frame f of clip i one pixel is white, at (x, y) = (2 f + i, 5), and looked at; not in frame 2."""

    classes = ("still", "moving")

    def __init__(self, split="train", frames=4):
        self.frames = frames

    def __len__(self):
        return 3

    def gaze(self, index):
        frame = torch.tensor([f for f in range(self.frames) if f != 2])
        return Gaze(torch.stack([2.0 * frame + index, torch.full((len(frame),), 5.0)], 1), (10, 20), frame=frame)

    def __getitem__(self, index):
        clip = torch.zeros(self.frames, 3, 10, 20, dtype=torch.uint8)
        for frame in range(self.frames):
            clip[frame, :, 5, 2 * frame + index] = 255
        return {"id": str(index), "clip": clip, "gaze": self.gaze(index), "label": 1, "video": f"v{index}"}


@pytest.mark.parametrize("draw", [Draw(), Draw(flip=True), Draw(0.6, 0.9, 0.1), Draw(0.6, 0.9, 0.1, flip=True)])
def test_gaze_stays_on_its_pixel_in_its_frame(draw):
    sample = Transform((20, 40)).apply(Clips()[1], draw)
    assert sample["clip"].shape == (4, 3, 20, 40)
    seen = 0
    for frame in (0, 1, 3):
        for x, y in sample["gaze"].at(frame).points.tolist():
            weight = sample["clip"][frame, 0].float()
            column = (weight.sum(0) * torch.arange(40.0)).sum() / weight.sum()
            row = (weight.sum(1) * torch.arange(20.0)).sum() / weight.sum()
            assert (x, y) == pytest.approx((column.item(), row.item()), abs=0.05)
            seen += 1
    assert seen >= 2


def test_a_batch_of_clips_has_gaze_for_every_frame():
    batch = next(iter(DataModule(Clips, Transform((20, 40)), batch_size=3).test_dataloader()))
    assert batch["clip"].shape == (3, 4, 3, 20, 40)
    assert batch["fixations"].shape == batch["native_fixations"].shape == (3, 4, 1, 2)
    assert batch["has_human"].tolist() == [[True, True, False, True]] * 3
    assert batch["native_fixations"][1, :, 0, 0].tolist()[:2] == [1, 3]
    torch.testing.assert_close(batch["fixations"][1, 3, 0], torch.tensor([2 * 7.5 - 0.5, 2 * 5.5 - 0.5]))
    assert batch["label"].tolist() == [1, 1, 1]
    assert batch["video"] == ["v0", "v1", "v2"]
    assert "image" not in batch


def test_a_density_per_frame_is_normalised_and_counted():
    density = torch.rand(4, 10, 20)
    density[1] = 0
    sample = {"id": "a", "clip": torch.zeros(4, 3, 10, 20, dtype=torch.uint8), "density": density}
    batch = collate([Transform((5, 10))(sample)])
    torch.testing.assert_close(batch["density"].sum((2, 3)), torch.tensor([[1.0, 0, 1, 1]]))
    assert batch["has_human"].tolist() == [[True, False, True, True]]


def test_clips_of_different_lengths_are_refused():
    with pytest.raises(InputError, match="clips of a batch have 2 sizes"):
        collate([Clips()[0], Clips(frames=5)[0]])


@pytest.mark.parametrize("frame", [None, torch.tensor([4])])
def test_gaze_that_names_no_frame_of_the_clip_is_refused(frame):
    class Wrong(Clips):
        def gaze(self, index):
            return Gaze(torch.ones(1, 2), (10, 20), frame=frame)

    with pytest.raises(ValueError, match="must name a frame below 4"):
        next(iter(DataModule(Wrong).test_dataloader()))


class Masked(GazeDataset):
    """Pictures of two sizes whose white half is the salient object."""

    def __init__(self, split="train"):
        pass

    def __len__(self):
        return 2

    def gaze(self, index):
        return None

    def __getitem__(self, index):
        image = torch.zeros(3, 8, 8 + 8 * index, dtype=torch.uint8)
        image[:, :, :4] = 255
        return {"id": str(index), "image": image, "gaze": None, "mask": tv_tensors.Mask(image[0].clone())}


def test_masks_move_with_the_image_and_evaluation_keeps_the_native_ones():
    data = DataModule(Masked, Transform((16, 16)), batch_size=2)
    batch = next(iter(data.test_dataloader()))
    assert batch["mask"].shape == (2, 16, 16)
    assert type(batch["mask"]) is torch.Tensor
    assert batch["mask"].unique().tolist() == [0, 255]
    assert (batch["mask"][1] == 255).sum() == 16 * 4
    assert [tuple(mask.shape) for mask in batch["native_mask"]] == [(8, 8), (8, 16)]
    assert "native_mask" not in next(iter(data.train_dataloader()))
    flipped = Transform().apply(Masked()[1], Draw(flip=True))
    assert torch.equal(flipped["mask"].as_subclass(torch.Tensor), flipped["image"][0])
