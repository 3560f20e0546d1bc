"""What a loader yields, that it can be repeated exactly, and that every share of the work is done once."""

from __future__ import annotations

import sys

import pytest
import pytorch_lightning as pl
import torch
import torch.multiprocessing as mp
from lightning_fabric.utilities.data import _set_sampler_epoch
from torch import distributed, nn
from torchvision import tv_tensors

from haa.conditions import Condition
from haa.data.dataset import SIGMA, GazeDataset
from haa.data.loading.collate import collate
from haa.data.loading.datamodule import DataModule
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.gaze import Gaze

LENGTHS = {"train": 11, "val": 5, "test": 7}


class Pictures(GazeDataset):
    """Random pictures; every third has no gaze, every sample has texts."""

    def __init__(self, split="train", sizes=((12, 16), (24, 20))):
        self.split = split
        self.sizes = sizes

    def __len__(self):
        return LENGTHS[self.split]

    def size(self, index):
        return self.sizes[index % len(self.sizes)]

    def gaze(self, index):
        if index % 3 == 2:
            return None
        h, w = self.size(index)
        return Gaze(torch.tensor([[float(index % w), 2.0]] * (index + 1)), (h, w))

    def __getitem__(self, index):
        chance = torch.Generator().manual_seed(index)
        return {
            "id": f"{self.split}{index}",
            "image": torch.randint(0, 256, (3, *self.size(index)), dtype=torch.uint8, generator=chance),
            "gaze": self.gaze(index),
            "question": f"what is {index}?",
            "answers": [str(index)] * (1 + index % 2),
            "label": index,
        }

    def fingerprint(self):
        return self.split


class Broken(Pictures):
    def __getitem__(self, index):
        raise InputError("stimuli/7.jpg cannot be decoded (truncated): fetch the file again")


def epoch(data, number):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)
    return list(loader)


def equal(a, b):
    assert a.keys() == b.keys()
    for key, value in a.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, b[key], rtol=0, atol=0, equal_nan=True)
        else:
            assert value == b[key]


def test_training_batch():
    data = DataModule(Pictures, Transform((6, 8)), batch_size=11)
    (batch,) = epoch(data, 0)
    order = [int(name.removeprefix("train")) for name in batch["id"]]
    assert sorted(order) == list(range(11))
    assert set(batch) == {"id", "image", "fixations", "has_human", "question", "answers", "label"}
    assert batch["image"].shape == (11, 3, 6, 8)
    assert batch["image"].dtype == torch.uint8
    assert batch["has_human"].tolist() == [i % 3 != 2 for i in order]
    assert batch["question"] == [f"what is {i}?" for i in order]
    assert batch["answers"] == [[str(i)] * (1 + i % 2) for i in order]
    assert batch["label"].tolist() == order
    assert batch["fixations"].shape == (11, 11, 2)  # index 10 has the most points
    row = order.index(4)  # 12 x 16: both halved
    torch.testing.assert_close(batch["fixations"][row, :5], torch.tensor([[4.5 / 2 - 0.5, 2.5 / 2 - 0.5]] * 5))
    assert batch["fixations"][row, 5:].isnan().all()
    assert batch["fixations"][order.index(2)].isnan().all()


def test_evaluation_batch_keeps_native_gaze():
    data = DataModule(Pictures, Transform((6, 8), flip=True, crop=0.5), batch_size=4)
    batches = list(data.test_dataloader())
    assert [name for batch in batches for name in batch["id"]] == [f"test{i}" for i in range(7)]
    first = batches[0]
    assert first["native_size"] == [(12, 16), (24, 20), (12, 16), (24, 20)]
    torch.testing.assert_close(first["native_fixations"][3, :4], torch.tensor([[3.0, 2.0]] * 4))
    assert first["native_fixations"][2].isnan().all()
    expected = Transform((6, 8))(Pictures("test")[3])
    assert torch.equal(first["image"][3], expected["image"])


def test_epoch_depends_on_seed_and_epoch_alone():
    def make(seed=0, workers=0):
        return DataModule(
            Pictures, Transform((6, 8), flip=True, crop=0.5), batch_size=4, seed=seed, num_workers=workers
        )

    first, again = make(), make()
    list(epoch(first, 0))  # a run that has gone before
    torch.rand(5)
    for a, b in zip(epoch(first, 3), epoch(again, 3), strict=True):
        equal(a, b)
    for a, b in zip(epoch(first, 3), epoch(make(workers=2), 3), strict=True):
        equal(a, b)
    assert not torch.equal(epoch(first, 3)[0]["image"], epoch(make(seed=1), 3)[0]["image"])


def test_augmentation_varies_from_epoch_to_epoch_also_in_lasting_workers():
    data = DataModule(Pictures, Transform((6, 8), crop=0.5), batch_size=11, num_workers=1)
    loader = data.train_dataloader()
    seen = []
    for number in range(2):
        loader.sampler.set_epoch(number)
        (batch,) = loader
        seen.append(batch["image"][batch["label"].argsort()])
    assert not torch.equal(*seen)


def test_loaders_leave_the_global_generator_alone():
    data = DataModule(Pictures, Transform((6, 8), flip=True), batch_size=4)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    epoch(data, 0), list(data.val_dataloader())
    assert torch.rand(1) == expected


class Centre(Condition):
    role = "control"

    def gaze(self, dataset, index):
        h, w = dataset.size(index)
        return Gaze(torch.tensor([[(w - 1) / 2, (h - 1) / 2]]), (h, w))


def test_condition_acts_on_training_alone():
    data = DataModule(Pictures, Transform((6, 8)), Centre(), batch_size=11)
    (batch,) = epoch(data, 0)
    torch.testing.assert_close(batch["fixations"], torch.tensor([3.5, 2.5]).expand(11, 1, 2))
    assert batch["has_human"].all()
    (own,) = epoch(DataModule(Pictures, Transform((6, 8)), batch_size=11), 0)
    assert "own_fixations" not in own  # what is exchanged by nobody travels once
    torch.testing.assert_close(batch["own_fixations"], own["fixations"], equal_nan=True)
    (batch,) = data.val_dataloader()
    assert batch["has_human"].tolist() == [True, True, False, True, True]


def test_gaze_in_other_pixels_is_an_error():
    class Wrong:
        exchanges = True

        def gaze(self, dataset, index):
            return Gaze(torch.zeros(1, 2), (3, 3))

    with pytest.raises(ValueError, match="gaze of sample"):
        epoch(DataModule(Pictures, Transform((6, 8)), Wrong()), 0)


def test_missing_gaze_is_counted_without_images():
    data = DataModule(Broken)
    assert data.missing_gaze("train") == (3, 11)
    assert data.missing_gaze("test") == (2, 7)


def test_gaze_beside_the_image_is_no_gaze():
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    batch = collate([{"id": "a", "image": image, "gaze": Gaze(torch.tensor([[9.0, 1.0]]), (4, 4))}])
    assert batch["has_human"].tolist() == [False]


def test_published_densities_are_not_fixations():
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    mask = tv_tensors.Mask(torch.ones(4, 4))
    samples = [{"id": "a", "image": image, "density": torch.full((4, 4), mass), "mask": mask} for mass in (1 / 16, 0.0)]
    batch = collate(samples)
    assert batch["has_human"].tolist() == [True, False]
    assert "fixations" not in batch
    assert batch["mask"].shape == (2, 4, 4)


def test_a_control_of_published_densities_is_refused():
    class Maps(Pictures):
        def __getitem__(self, index):
            return {**super().__getitem__(index), "density": torch.ones(*self.size(index))}

    with pytest.raises(InputError, match="publishes maps only"):
        epoch(DataModule(Maps, Transform((6, 8)), Centre()), 0)


@pytest.mark.parametrize("transform", [None, Transform(16, keep_aspect=True, multiple=4)], ids=["own size", "shape"])
def test_pictures_of_many_sizes_are_batched_by_size(transform):
    data = DataModule(Pictures, transform, batch_size=2)
    size_for = (lambda size: size) if transform is None else transform.size_for
    for split, loader in (("val", data.val_dataloader()), ("train", data.train_dataloader())):
        batches = list(loader)
        assert len(batches) == len(loader)
        assert sorted(name for batch in batches for name in batch["id"]) == sorted(
            f"{split}{i}" for i in range(LENGTHS[split])
        )
        for batch in batches:
            natives = {Pictures().size(int(name.removeprefix(split))) for name in batch["id"]}
            assert {size_for(size) for size in natives} == {tuple(batch["image"].shape[2:])}
    assert size_for((12, 16)) != size_for((24, 20))
    assert data.places("val") == [0, 2, 1, 3, 4]
    assert [len(batch["id"]) for batch in data.some("val", [0, 2, 4, 1])] == [2, 1, 1]


def test_an_order_by_size_follows_the_epoch_as_lightning_sets_it():
    data = DataModule(Pictures, batch_size=2, seed=3)
    loader = data.train_dataloader()

    def read(number):
        _set_sampler_epoch(loader, number)
        return [batch["id"] for batch in loader]

    assert read(0) == read(0) != read(1)
    other = DataModule(Pictures, batch_size=2, seed=4).train_dataloader()
    assert [batch["id"] for batch in other] != read(0)


def test_a_batch_of_two_sizes_is_refused():
    samples = [
        {"id": name, "image": torch.zeros(3, *size), "gaze": None} for name, size in (("a", (2, 3)), ("b", (3, 2)))
    ]
    with pytest.raises(InputError, match=r"2 sizes.*set transform\.size=\[height,width\]") as error:
        collate(samples)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_worker_stays_one_line(workers):
    data = DataModule(Broken, Transform(8), num_workers=workers)
    with pytest.raises(InputError, match=r"^stimuli/7\.jpg cannot be decoded \(truncated\): fetch the file again$"):
        next(iter(data.val_dataloader()))


def test_empty_split(monkeypatch):
    monkeypatch.setitem(LENGTHS, "val", 0)
    with pytest.raises(InputError, match="the val split of Pictures is empty"):
        DataModule(Pictures).setup("fit")


def test_batch_size_must_be_positive():
    with pytest.raises(InputError, match=r"loader\.batch_size=0"):
        DataModule(Pictures, batch_size=0)


class Recorder(pl.LightningModule):
    """Learns a mean and writes down what it was shown."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen = {}

    def training_step(self, batch):
        shown = zip(batch["id"], batch["image"].sum((1, 2, 3)).tolist(), strict=True)
        self.seen.setdefault(self.current_epoch, []).extend(shown)
        return (self.weight - batch["image"].float().mean() / 255) ** 2

    def validation_step(self, batch):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder, epochs, resume=None, **callback):
    callback = pl.callbacks.ModelCheckpoint(folder, save_last=True, **callback)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=epochs, callbacks=[callback], logger=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    model = Recorder()
    trainer.fit(model, DataModule(Pictures, Transform((6, 8), flip=True, crop=0.5), batch_size=4), ckpt_path=resume)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("when", [{}, {"save_on_train_epoch_end": True}], ids=["after validation", "after training"])
def test_a_resumed_run_sees_what_the_undisturbed_one_sees(tmp_path, when):
    whole = fit(tmp_path / "whole", 4, **when)
    fit(tmp_path / "first", 2, **when)
    rest = fit(tmp_path / "second", 4, resume=tmp_path / "first" / "last.ckpt", **when)
    assert list(whole.seen) == [0, 1, 2, 3]
    assert rest.seen == {number: whole.seen[number] for number in (2, 3)}
    assert whole.seen[2] != whole.seen[3]
    assert torch.equal(rest.weight, whole.weight)


def share(rank, folder):
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    data = DataModule(Pictures, Transform((6, 8)), batch_size=2)
    train = [name for batch in data.train_dataloader() for name in batch["id"]]
    test = [batch["id"] for batch in data.test_dataloader()]
    torch.save({"train": train, "test": test}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="gloo meets in a file")
def test_two_processes_share_the_work(tmp_path):
    mp.start_processes(share, args=(tmp_path,), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert sorted(n for s in (first, second) for b in s["test"] for n in b) == [f"test{i}" for i in range(7)]
    assert len(first["test"]) == len(second["test"]) == 2
    assert len(first["train"]) == len(second["train"]) == 6
    assert set(first["train"]) | set(second["train"]) == {f"train{i}" for i in range(11)}


def test_a_whole_batch_is_shared_or_refused():
    whole = DataModule(Pictures, batch_size=6, batch_size_is="whole")
    assert [whole.batch_sizes(n) for n in (1, 2, 3)] == [(6, 6), (6, 3), (6, 2)]
    assert DataModule(Pictures, batch_size=6).batch_sizes(4) == (24, 6)
    with pytest.raises(InputError, match=r"loader\.batch_size=6 is not shared evenly by 4 processes"):
        whole.batch_sizes(4)


def test_the_blur_that_maps_are_scored_with_and_where_it_comes_from():
    class Measured(Pictures):
        sigma = 0.02

    class Maps(Pictures):
        def gaze(self, index):
            return None

        def looked(self, index):
            return index > 1

    assert DataModule(Measured).human_sigma("test") == (0.02, "data set")
    assert DataModule(Pictures).human_sigma("test") == (SIGMA, "default")
    assert DataModule(Measured, sigma=0.1).human_sigma("train") == (0.1, "given")
    assert DataModule(Maps, sigma=0.1).human_sigma("train") == (SIGMA, "published maps")
    with pytest.raises(InputError, match=r"data\.sigma=0"):
        DataModule(Pictures, sigma=0)
