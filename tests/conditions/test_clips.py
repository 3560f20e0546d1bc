"""Conditions act on a clip frame by frame."""

from __future__ import annotations

import pytest
import torch

from haa.conditions import Center, Corrupted, Human, Inverted, Random, Shuffled, Subset
from haa.data.dataset import GazeDataset
from haa.gaze import Gaze

SIZE = (40, 60)
CONDITIONS = [
    Human(),
    Shuffled(1),
    Random(1),
    Random(1, keep_shape=False),
    Center(1),
    Center(1, points=50),
    Inverted(1),
    Inverted(1, points=400),
    Corrupted(0.3, seed=1),
    Subset(observers=3, seed=1),
    Subset(share=0.5, seed=1),
]


class Clips(GazeDataset):
    """Two clips of each video; 4 people follow a thing from left to right in frames 1 to 5 and miss frame 3."""

    def __init__(self, length: int = 12, frames: tuple[int, ...] = (1, 2, 4, 5)) -> None:
        self.length, self.frames = length, frames

    def __len__(self) -> int:
        return self.length

    def gaze(self, index: int) -> Gaze | None:
        rng = torch.Generator().manual_seed(index)
        frame = torch.tensor([f for f in self.frames for _ in range(4)])
        points = torch.stack([10.0 * frame, 3.0 * index * torch.ones(len(frame))], 1)
        subject = torch.arange(4).repeat(len(self.frames))
        return Gaze(points + 0.1 * torch.rand(len(frame), 2, generator=rng), SIZE, subject, frame=frame)

    def stimulus(self, index: int) -> str:
        return f"video {index // 2}"


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: type(c).__name__)
def test_the_same_frames_have_gaze_as_under_human(condition):
    data = Clips()
    kept = [gaze for i in range(12) if (gaze := condition.gaze(data, i)) is not None]
    assert len(kept) == (6 if getattr(condition, "share", None) else 12)
    for gaze in kept:
        assert gaze.size == SIZE
        assert gaze.inside().frame.unique().tolist() == [1, 2, 4, 5]


def test_shuffled_gives_the_frames_of_another_video_in_order():
    data, condition = Clips(), Shuffled(3)
    for i in range(12):
        gaze = condition.gaze(data, i)
        (other,) = {round(y / 3) for y in gaze.points[:, 1].tolist()}
        assert other // 2 != i // 2
        for frame in (1, 2, 4, 5):
            torch.testing.assert_close(gaze.at(frame).points, data.gaze(other).at(frame).points)


def test_shuffled_stretches_a_shorter_partner():
    class Uneven(Clips):
        def gaze(self, index):
            return Clips(frames=(0, 3) if index else (1, 2, 4, 5)).gaze(index)

    data = Uneven(4)
    gaze = Shuffled(0).gaze(data, 0)
    assert gaze.frame.unique().tolist() == [1, 2, 4, 5]
    assert [round(gaze.at(f).points[0, 0].item() / 10) for f in (1, 2, 4, 5)] == [0, 0, 3, 3]


@pytest.mark.parametrize("condition", [Random(1), Center(1), Center(1, cluster=0), Inverted(1), Shuffled(1)])
def test_every_frame_has_as_many_fixations_as_its_own(condition):
    gaze = condition.gaze(Clips(), 3)
    assert [len(gaze.at(frame).points) for frame in (1, 2, 4, 5)] == [4, 4, 4, 4]


def test_a_cluster_of_a_frame_stays_together():
    for condition in (Center(1), Inverted(1)):
        for frame in (1, 2, 4, 5):
            points = condition.gaze(Clips(), 6).at(frame).points
            assert (points - points[0]).abs().max() < 0.1 + 1e-4


def test_center_is_the_same_pool_on_every_frame():
    gaze = Center(1, points=50).gaze(Clips(), 0)
    first = gaze.at(1).points
    assert len(first) == 50
    assert all(torch.equal(gaze.at(f).points, first) for f in (2, 4, 5))


def test_inverted_avoids_what_was_looked_at_on_that_frame_alone():
    gaze = Inverted(1, points=20_000).gaze(Clips(), 4)

    def near(frame: int, spot: int) -> int:
        """How many of a frame's points lie where people looked on frame ``spot``."""
        return int(((gaze.at(frame).points - torch.tensor([10.0 * spot, 12.0])).norm(dim=1) < 1.5).sum())

    for frame in (1, 2, 4, 5):
        assert 3 * near(frame, frame) < near(frame, 3)


def test_corrupted_keeps_the_frame_of_what_it_replaces():
    data = Clips()
    own, gaze = data.gaze(0), Corrupted(0.25, seed=1).gaze(data, 0)
    assert torch.equal(gaze.frame, own.frame)
    assert (gaze.points != own.points).any(1).sum() == 4
