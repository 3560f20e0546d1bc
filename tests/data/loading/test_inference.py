"""A frozen network computes sooner what timm and torchvision compute, or runs as it is; and it is left as it was."""

from __future__ import annotations

import copy
import threading

import pytest
import timm
import torch
import torchvision
from torch import nn

from haa.data.loading import inference as module
from haa.data.loading.feature_cache import _ahead
from haa.data.loading.inference import Inference, agree, folded
from haa.models.backbone import Timm


def trained(network: nn.Module) -> nn.Module:
    """Statistics and weights that a training may have left, in place of zeros and ones."""
    chance = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor, least, most in (
                (part.running_mean, -0.5, 0.5),
                (part.running_var, 0.3, 3.0),
                (part.weight, 0.5, 1.5),
                (part.bias, -0.5, 0.5),
            ):
                if tensor is not None:
                    tensor.data.uniform_(least, most, generator=chance)
    return network.requires_grad_(False).eval()


IMAGES = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))


class Last(nn.Module):
    """The last features of a network of timm's."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.body = timm.create_model(name, features_only=True)

    def forward(self, images):
        return self.body(images)[-1]


NETWORKS = {
    "torchvision resnet18": lambda: nn.Sequential(*list(torchvision.models.resnet18().children())[:-2]),
    # of 121 normalisations, the first and the second of each of the 58 layers come behind a convolution
    "torchvision densenet": lambda: torchvision.models.densenet121().features,
    # with an activation in the normalisation, TensorFlow's paddings, squeeze and excitation
    "timm efficientnet": lambda: Last("tf_efficientnet_lite0"),
    "timm mobilenet": lambda: Last("mobilenetv3_small_050"),
    "timm resnet18": lambda: Last("resnet18"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_values_are_those_of_timm_and_torchvision(name):
    torch.manual_seed(0)
    network = trained(NETWORKS[name]())
    exact = copy.deepcopy(network).double()(IMAGES.double())
    inference = Inference(network)
    found = inference(IMAGES)
    assert inference.way == "folded"
    assert found.is_contiguous()
    assert found.dtype == torch.float32
    assert (found - exact).norm() <= 1e-5 * exact.norm()
    left = sum(isinstance(part, nn.BatchNorm2d) for part in folded(network, IMAGES[:1]).modules())
    assert left == (121 - 1 - 58 if "densenet" in name else 0)


@pytest.mark.slow
def test_a_graph_gives_the_same(monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(module, "GRAPH_PIXELS", 3 * 64 * 96)
    torch.manual_seed(0)
    backbone = trained(Timm("resnet18", stages=(1, 2), stride=16, frozen=True))
    exact = copy.deepcopy(backbone).double()(IMAGES.double())
    inference = Inference(backbone)
    found = inference(IMAGES, count=3)
    assert inference.way == "graph"
    assert (found - exact).norm() <= 1e-5 * exact.norm()
    monkeypatch.setattr(module, "FEW", 2)
    inference(IMAGES, count=2)  # too few to make one
    assert inference.way == "folded"
    inference(IMAGES, count=1)  # and to fold
    assert inference.way == "plain"
    inference(IMAGES[..., 1:], count=2)
    assert inference.way == "folded"


def test_without_onnxruntime_there_is_no_graph(monkeypatch):
    monkeypatch.setattr(module, "GRAPH_PIXELS", 0)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    inference = Inference(trained(NETWORKS["timm resnet18"]()))
    inference(IMAGES, count=99)
    assert inference.way == "folded"


def test_a_graph_of_other_values_is_not_taken(monkeypatch):
    monkeypatch.setattr(module, "GRAPH_PIXELS", 0)
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(module, "graph", lambda network, image: lambda images: network(images) * 1.001)
    inference = Inference(trained(NETWORKS["timm resnet18"]()))
    inference(IMAGES, count=99)
    assert inference.way == "folded"


def test_the_network_is_left_as_it_was():
    network = trained(NETWORKS["timm efficientnet"]())
    before, parts = copy.deepcopy(network.state_dict()), {name: id(part) for name, part in network.named_modules()}
    strides = {name: tensor.stride() for name, tensor in network.state_dict().items()}
    plain = network(IMAGES)
    assert not Inference(network)(IMAGES).equal(plain)  # computed otherwise
    assert network(IMAGES).equal(plain)
    assert {name: id(part) for name, part in network.named_modules()} == parts
    assert not any(part._forward_hooks for part in network.modules())
    for name, tensor in network.state_dict().items():
        assert tensor.equal(before[name])
        assert tensor.stride() == strides[name]


class Two(nn.Module):
    """Two convolutions and two normalisations, joined in a way that is not to be folded."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)


class Reused(Two):
    def forward(self, x):
        return self.second(self.one(self.first(self.one(x))))


class Forked(Two):
    def forward(self, x):
        x = self.one(x)
        return self.second(self.two(self.first(x))) + x


class Reads(Two):
    def forward(self, x):
        return self.first(self.one(x)) * self.first.weight.sum() + self.two(x)


class Uncopied(Two):
    def __deepcopy__(self, memo):
        raise TypeError("not to be copied")

    def forward(self, x):
        return self.second(self.two(self.first(self.one(x))))


class InPlace(Two):
    def forward(self, x):
        return self.second(self.two(self.first(self.one(x).mul_(3))))


class Standardised(Two):
    """A convolution of timm's whose weights are normalised when it runs."""

    def __init__(self):
        super().__init__()
        self.one = timm.layers.StdConv2d(3, 3, 3)

    def forward(self, x):
        return self.two(self.first(self.one(x)))


class Untracked(Two):
    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm2d(3, track_running_stats=False)

    def forward(self, x):
        return self.two(self.first(self.one(x)))


@pytest.mark.parametrize("kind", [Forked, Reads, Uncopied, Standardised, Untracked])
def test_what_cannot_be_folded_runs_as_it_is(kind):
    torch.manual_seed(0)
    network = trained(kind())
    inference = Inference(network)
    assert inference(IMAGES).equal(network(IMAGES))
    assert inference.way == "plain"


@pytest.mark.parametrize(("kind", "kept"), [(InPlace, [True, False]), (Reused, [True, True])])
def test_what_is_changed_in_between_or_runs_twice_is_not_folded(kind, kept):
    torch.manual_seed(0)
    network = trained(kind())
    parts = folded(network, IMAGES[:1])
    assert [isinstance(norm, nn.BatchNorm2d) for norm in (parts.first, parts.second)] == kept
    torch.testing.assert_close(Inference(network)(IMAGES), network(IMAGES))


def test_a_normalisation_without_weights_is_folded():
    chain = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 2, 1))
    inference = Inference(trained(chain))
    torch.testing.assert_close(inference(IMAGES), chain(IMAGES))
    assert inference.way == "folded"


def test_a_network_that_trains_runs_as_it_is():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)).requires_grad_(False)
    inference = Inference(network)
    expected = copy.deepcopy(network)(IMAGES)
    assert inference(IMAGES).equal(expected)
    assert inference.way == "plain"


def test_a_transformer_runs_as_it_is():
    network = trained(Timm("vit_tiny_patch16_224", frozen=True))
    inference = Inference(network)
    assert inference(IMAGES).equal(network(IMAGES))
    assert inference.way == "plain"


def test_agreement_by_hand():
    plain = torch.ones(1, 1, 100, 100)
    one_off = plain.clone()
    one_off[..., 0, 0] += 2e-4  # the norm of the difference is 2e-6 of the whole
    assert agree(plain + 8e-6, plain)
    assert not agree(plain + 2e-5, plain)
    assert not agree(one_off, plain)
    assert not agree(plain * float("nan"), plain)
    assert not agree(plain[:, :, 1:], plain)
    assert not agree(plain.half(), plain)


def test_a_processor_is_given_few_pictures_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "PIXELS", 2 * 64 * 96)
    given = []
    network = nn.Conv2d(3, 2, 1).eval()
    network.register_forward_hook(lambda part, args, output: given.append(len(args[0])))
    assert Inference(network)(IMAGES).equal(network(IMAGES))
    assert given == [2, 1, 3]


def test_batches_are_read_ahead_in_order_and_a_fault_arrives():
    def reader():
        for number in range(3):
            where.append(threading.current_thread())
            yield number
        raise OSError("no disk")

    where: list[threading.Thread] = []
    batches = _ahead(reader())
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="no disk"):
        next(batches)
    assert threading.main_thread() not in where
    assert not any(thread.is_alive() for thread in where)


def test_reading_ahead_stops_with_its_reader():
    stopped = _ahead(iter(range(9)))
    next(stopped)
    before = threading.active_count()
    stopped.close()
    assert threading.active_count() == before - 1
