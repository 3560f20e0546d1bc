"""A batch from the cache is the batch without it, plus features; and nothing stale or half written is ever used."""

from __future__ import annotations

import copy
import pickle
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from haa.data.dataset import GazeDataset
from haa.data.loading import feature_cache as module
from haa.data.loading import inference
from haa.data.loading.datamodule import DataModule
from haa.data.loading.feature_cache import backbone_hash, cached_features
from haa.data.loading.inference import Inference
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.gaze import Gaze
from haa.models.backbone import Timm


class Questions(GazeDataset):
    """Eight questions about four pictures; counts how many are decoded."""

    decoded = 0
    version = "1"

    def __init__(self, split="train"):
        self.split = split

    def __len__(self):
        return 8

    def stimulus(self, index):
        return str(index % 4)

    def gaze(self, index):
        return None if index == 3 else Gaze(torch.tensor([[float(index), 4.0]]), (12, 16))

    def record(self, index):
        return {"id": str(index), "gaze": self.gaze(index), "question": f"{index}?"}

    def __getitem__(self, index):
        type(self).decoded += 1
        chance = torch.Generator().manual_seed(index % 4)
        image = torch.randint(0, 256, (3, 12, 16), dtype=torch.uint8, generator=chance)
        return {**self.record(index), "image": image}

    def fingerprint(self):
        return f"{self.split} {self.version}"


class Backbone(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.frozen = True
        self.scale = scale
        self.channels = 4
        self.convolution = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, image):
        assert not self.training
        assert image.max() <= 1
        return self.scale * self.norm(self.convolution(image))


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return Backbone().requires_grad_(False)


@pytest.fixture(autouse=True)
def _count(monkeypatch):
    monkeypatch.setattr(Questions, "decoded", 0)


def folders(directory):
    return [path for path in directory.iterdir() if path.is_dir()]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("flip", [False, True])
def test_batches_are_what_they_were_plus_features(tmp_path, backbone, dtype, flip):
    plain, cached = (DataModule(Questions, Transform((6, 8), flip=flip), batch_size=4) for _ in range(2))
    cached.cache_features(backbone, tmp_path, dtype=dtype)
    assert backbone.training
    for expected, batch in zip(
        [*plain.train_dataloader(), *plain.test_dataloader()],
        [*cached.train_dataloader(), *cached.test_dataloader()],
        strict=True,
    ):
        features = batch.pop("features")
        assert features.dtype == torch.float32
        assert features.is_contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            computed = backbone.eval()(expected["image"].float() / 255)
        backbone.train()
        tolerance = {"float32": 1e-5, "float16": 2e-3}[dtype]
        torch.testing.assert_close(features, computed, rtol=tolerance, atol=tolerance)
        assert batch.keys() == expected.keys()
        for key, value in batch.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(value, expected[key], rtol=0, atol=0, equal_nan=True)
            else:
                assert value == expected[key]


def test_training_from_the_cache_decodes_nothing(tmp_path, backbone):
    data = DataModule(Questions, Transform((6, 8)), batch_size=4)
    data.cache_features(backbone, tmp_path, splits=["train"])
    assert Questions.decoded == 4 + 1  # each picture once, one more to know the shape
    Questions.decoded = 0
    list(data.train_dataloader())
    assert Questions.decoded == 0


def test_found_again(tmp_path, backbone, monkeypatch):
    cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)
    monkeypatch.setattr(module, "_compute", None)
    cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)
    assert len(folders(tmp_path)) == 1


def test_anything_that_changes_makes_another_cache(tmp_path, backbone, monkeypatch):
    transform = Transform((6, 8))

    def make(dataset=None, network=backbone, transform=transform, **kwargs):
        return cached_features(dataset or Questions(), network, transform, tmp_path, **kwargs).folder

    seen = [make(), make(Questions("val")), make(transform=Transform((8, 8))), make(flip=True), make(dtype="float16")]
    monkeypatch.setattr(Questions, "version", "2")
    seen.append(make())
    other = Backbone(scale=2.0).requires_grad_(False)
    other.load_state_dict(backbone.state_dict())
    seen.append(make(network=other))
    backbone.norm.running_mean[0] = 1e-6
    seen.append(make())
    backbone.convolution.weight[0, 0, 0, 0] += 1e-6
    seen.append(make())
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    seen.append(make())
    assert len(set(seen)) == len(seen)
    assert make() == seen[-1]


@pytest.mark.parametrize("flip", [False, True])
def test_features_are_those_of_the_backbone_however_they_are_computed(tmp_path, flip, monkeypatch):
    ways = []
    call = Inference.__call__

    def noted(self, images, count=0):
        found = call(self, images, count)
        ways.append((self.way, count))
        return found

    monkeypatch.setattr(Inference, "__call__", noted)
    monkeypatch.setattr(inference, "FEW", 4)
    torch.manual_seed(0)
    network = Timm("resnet18", stages=(1, 2), stride=16, frozen=True)
    cache = cached_features(Questions(), network, Transform((48, 64)), tmp_path, flip=flip, batch_size=3)
    assert set(ways) == {("folded", 4 * (1 + flip))}
    exact = copy.deepcopy(network).double()
    for index in range(8):
        image = cache.image(index)[None].double() / 255
        for flipped, view in enumerate([image, image.flip(-1)][: 1 + flip]):
            torch.testing.assert_close(cache.features(index, bool(flipped)), exact(view)[0].float())


def test_changed_code_is_noticed(tmp_path, backbone, monkeypatch):
    before = cached_features(Questions(), backbone, Transform((6, 8)), tmp_path).features(0)
    forward = Backbone.forward
    monkeypatch.setattr(Backbone, "forward", lambda self, image: forward(self, image) + 1)
    after = cached_features(Questions(), backbone, Transform((6, 8)), tmp_path).features(0)
    torch.testing.assert_close(after, before + 1)


def test_a_process_compares_once_until_code_or_files_are_others(tmp_path, backbone, monkeypatch):
    passes, forward = [], Backbone.forward

    def counted(self, image):
        passes.append(len(image))
        return forward(self, image)

    def again():
        passes.clear()
        return cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)

    cache = again()
    before = cache.features(0)
    monkeypatch.setattr(Backbone, "forward", counted)
    again()
    assert passes == [1]
    again()
    assert passes == []
    monkeypatch.setattr(Backbone, "forward", lambda self, image: counted(self, image))
    again()
    assert passes == [1]
    again()
    assert passes == []
    path = cache.folder / "features.npy"
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole)
    again()
    assert passes == [1]
    monkeypatch.setattr(Backbone, "forward", lambda self, image: counted(self, image) + 1)
    torch.testing.assert_close(again().features(0), before + 1)


def test_changed_pictures_are_noticed_behind_an_equal_fingerprint(tmp_path, backbone, monkeypatch):
    before = cached_features(Questions(), backbone, Transform((6, 8)), tmp_path).image(0)
    read = Questions.__getitem__
    monkeypatch.setattr(
        Questions, "__getitem__", lambda self, i: {**read(self, i), "image": 255 - read(self, i)["image"]}
    )
    after = cached_features(Questions(), backbone, Transform((6, 8)), tmp_path).image(0)
    assert not torch.equal(before, after)


def test_a_killed_run_leaves_nothing_that_looks_complete(tmp_path, backbone, monkeypatch):
    class Killed(BaseException):
        pass

    def interrupted(self, index):
        if Questions.decoded == 3:
            raise Killed
        return read(self, index)

    read = Questions.__getitem__
    with monkeypatch.context() as patch:
        patch.setattr(Questions, "__getitem__", interrupted)
        with pytest.raises(Killed):
            cached_features(Questions(), backbone, Transform((6, 8)), tmp_path, batch_size=1)
    assert folders(tmp_path) == []
    cache = cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)
    assert folders(tmp_path) == [cache.folder]
    assert all(cache.features(index).any() for index in range(8))


def everything(dataset, backbone, directory):
    """All that a cache gives, looked up as in a run."""
    cache = cached_features(dataset, backbone, Transform((6, 8)), directory, flip=True)
    values = [[cache.image(i), cache.features(i), cache.features(i, flip=True)] for i in range(8)]
    sizes = [cache.native_size(i) for i in range(8)]
    return cache.folder, torch.cat([one.flatten() for some in values for one in some]), sizes


def test_one_flipped_bit_anywhere_in_a_cache_is_an_error_that_names_the_file(tmp_path, backbone):
    folder, expected, size = everything(Questions(), backbone, tmp_path)
    chance = np.random.default_rng(0)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for at in {0, 7, 80, len(whole) - 1, *chance.integers(len(whole), size=15).tolist()}:
            damaged = bytearray(whole)
            damaged[min(at, len(whole) - 1)] ^= 1 << int(chance.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=rf"{path} .*delete the folder {folder}, it is made again"):
                everything(Questions(), backbone, tmp_path)
        path.write_bytes(whole)
    _, again, size_again = everything(Questions(), backbone, tmp_path)
    assert torch.equal(again, expected)
    assert size_again == size == [(12, 16)] * 8


@pytest.mark.parametrize("size", [0, 3, 50, -1])
@pytest.mark.parametrize("name", ["features.npy", "images.npy.crc", "sizes.npy"])
def test_a_file_that_lost_its_end_is_an_error_and_its_folder_deleted_the_cache_is_made_again(
    tmp_path, backbone, name, size
):
    folder, expected, _ = everything(Questions(), backbone, tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:size])
    with pytest.raises(InputError, match=f"{name} .*delete the folder"):
        everything(Questions(), backbone, tmp_path)
    shutil.rmtree(folder)
    assert torch.equal(everything(Questions(), backbone, tmp_path)[1], expected)


def test_maps_travel_to_workers_by_name(tmp_path, backbone):
    cache = cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)
    assert cache.features(5).equal(pickle.loads(pickle.dumps(cache)).features(5))
    assert len(pickle.dumps(cache)) < 1000
    assert "_features" not in cache.__getstate__()


def test_samples_of_one_picture_share_a_row(tmp_path, backbone):
    cache = cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)
    assert np.load(cache.folder / "features.npy").shape == (4, 3, 4, 4)
    assert cache.features(1).equal(cache.features(5))
    assert cache.native_size(5) == (12, 16)


def test_hash_ignores_where_and_how_it_runs(backbone):
    before = backbone_hash(backbone)
    assert backbone_hash(backbone.eval()) == before
    assert backbone_hash(pickle.loads(pickle.dumps(backbone))) == before


def test_trained_backbone_is_refused(tmp_path, backbone):
    backbone.frozen = False
    with pytest.raises(InputError, match=r"set backbone\.frozen=true"):
        cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)


def test_random_crops_are_refused(tmp_path, backbone):
    with pytest.raises(InputError, match=r"transform\.crop=0\.5 .* set transform\.crop=1"):
        DataModule(Questions, Transform((6, 8), crop=0.5)).cache_features(backbone, tmp_path)


def test_float16_is_checked(tmp_path):
    network = Backbone(scale=1e6).requires_grad_(False)
    with pytest.raises(InputError, match="is not finite in float16: set dtype=float32"):
        cached_features(Questions(), network, Transform((6, 8)), tmp_path, dtype="float16")
    assert not [path for path in folders(tmp_path) if not path.suffix]


def test_nan_is_refused(tmp_path):
    network = Backbone(scale=float("nan")).requires_grad_(False)
    with pytest.raises(InputError, match="weights are not sound"):
        cached_features(Questions(), network, Transform((6, 8)), tmp_path)


def test_small_disk(tmp_path, backbone, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"has 0\.0 GB left"):
        cached_features(Questions(), backbone, Transform((6, 8)), tmp_path)


def test_unknown_dtype(tmp_path, backbone):
    with pytest.raises(InputError, match="choose float32 or float16"):
        cached_features(Questions(), backbone, Transform((6, 8)), tmp_path, dtype="int8")


class Clips(Questions):
    """Two videos of two clips of three frames each."""

    def __init__(self, split="train"):
        self.split = split

    def __len__(self):
        return 4

    def stimulus(self, index):
        return str(index // 2)

    def record(self, index):
        gaze = Gaze(torch.tensor([[float(index), 4.0]]), (12, 16), frame=torch.tensor([index % 3]))
        return {"id": str(index), "gaze": gaze, "video": self.stimulus(index)}

    def __getitem__(self, index):
        chance = torch.Generator().manual_seed(index)
        clip = torch.randint(0, 256, (3, 3, 12, 16), dtype=torch.uint8, generator=chance)
        return {**self.record(index), "clip": clip}


def test_clips_of_a_video_have_rows_of_their_own_and_features_of_each_frame(tmp_path, backbone):
    plain, cached = (DataModule(Clips, Transform((6, 8), flip=True), batch_size=2) for _ in range(2))
    cached.cache_features(backbone, tmp_path, splits=["train", "test"])
    for split in ("train", "test"):
        loader = f"{split}_dataloader"
        for expected, batch in zip(getattr(plain, loader)(), getattr(cached, loader)(), strict=True):
            assert torch.equal(batch["clip"], expected["clip"])
            torch.testing.assert_close(batch["fixations"], expected["fixations"], equal_nan=True)
            assert batch["video"] == expected["video"]
            with torch.no_grad():
                features = backbone.eval()(batch["clip"].flatten(0, 1).float() / 255).unflatten(0, (2, 3))
            torch.testing.assert_close(batch["features"], features)


class Shapes(Questions):
    """Questions about pictures of two shapes."""

    def size(self, index):
        return (12, 16) if index % 4 < 3 else (16, 12)

    def gaze(self, index):
        return None if index == 3 else Gaze(torch.tensor([[float(index), 4.0]]), self.size(index))

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return sample if index % 4 < 3 else {**sample, "image": sample["image"].mT.contiguous()}


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_that_keep_their_shape_have_caches_by_size(tmp_path, backbone, workers):
    transform = Transform(8, flip=True, keep_aspect=True, multiple=2)
    plain, cached = (DataModule(Shapes, transform, batch_size=3, num_workers=workers) for _ in range(2))
    cached.cache_features(backbone, tmp_path, ("train", "test"))
    assert len(folders(tmp_path)) == 4
    for split in ("train", "test"):
        loaders = [getattr(data, f"{split}_dataloader")() for data in (plain, cached)]
        for expected, batch in zip(*loaders, strict=True):
            features = batch.pop("features")
            assert batch["id"] == expected["id"]
            assert batch.get("native_size") == expected.get("native_size")
            assert torch.equal(batch["image"], expected["image"])
            torch.testing.assert_close(features, backbone.eval()(expected["image"].float() / 255))
    again = Shapes.decoded
    DataModule(Shapes, transform, batch_size=3).cache_features(backbone, tmp_path, ("train", "test"))
    assert Shapes.decoded - again <= 6  # the first of a split, and one of each size to compare with
