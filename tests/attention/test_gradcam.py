from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn

from haa.attention import GradCAM, top_class
from haa.errors import InputError

BACKBONES = {"resnet18": "layer4", "convnext_atto": "stages.3", "efficientnet_lite0": "blocks.6"}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def network(name: str, dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=7).to(dtype).eval(), torch.rand(2, 3, 96, 128, dtype=dtype)


def mine(model: nn.Module, layer: str, image: Tensor) -> Tensor:
    source = GradCAM(layer)
    source.attach(model)
    model(image)
    found = source.read()
    source.detach()
    return found.detach()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", BACKBONES)
def test_captum(name: str, dtype: torch.dtype) -> None:
    import captum.attr as captum

    model, image = network(name, dtype)
    layer = BACKBONES[name]
    target = model(image).argmax(1)
    theirs = captum.LayerGradCam(model, model.get_submodule(layer)).attribute(image, target, relu_attributions=True)
    assert theirs.max() > 0
    torch.testing.assert_close(mine(model, layer, image), theirs.detach()[:, 0], atol=TOLERANCE[dtype], rtol=1e-5)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", BACKBONES)
def test_pytorch_grad_cam(name: str, dtype: torch.dtype) -> None:
    import pytorch_grad_cam as peer
    from pytorch_grad_cam.utils.image import scale_cam_image

    model, image = network(name, dtype)
    layer = BACKBONES[name]
    with peer.GradCAM(model, [model.get_submodule(layer)]) as cam:
        theirs = cam(image, None)
        kept = cam.activations_and_grads
        sums = cam.get_cam_image(image, None, None, kept.activations[0].numpy(), kept.gradients[0].numpy())
    # the peer scales every map to [0, 1], resizes it, and scales it again; its own function does so to ours
    raw = mine(model, layer, image).numpy()
    ours = scale_cam_image(scale_cam_image(raw, (128, 96)))
    torch.testing.assert_close(torch.from_numpy(ours), torch.from_numpy(theirs), atol=1e-5, rtol=0)
    # before that it is the same map, to the last digits of the type
    assert sums.max() > 0
    torch.testing.assert_close(torch.from_numpy(raw), torch.from_numpy(sums.clip(0)), atol=TOLERANCE[dtype], rtol=1e-5)


def test_hand_computed() -> None:
    # y = sum over cells of w.F: the gradient is w everywhere, the map ReLU(w.F)
    model = nn.Sequential(nn.Identity(), nn.Conv2d(2, 1, (2, 2), bias=False), nn.Flatten())
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2))
    features = torch.tensor([[[[3.0, 1.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 0.5]]]])
    assert torch.equal(mine(model, "0", features), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))


def test_in_place_activation_after_the_layer() -> None:
    torch.manual_seed(0)
    conv, head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def model(inplace: bool) -> nn.Module:
        return nn.Sequential(conv, nn.ReLU(inplace=inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)

    image = torch.rand(2, 3, 8, 8)
    assert torch.equal(mine(model(True), "0", image), mine(model(False), "0", image))


def test_frozen_backbone() -> None:
    model, image = network("resnet18", torch.float32)
    expected = mine(model, "layer4", image)
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    assert torch.equal(mine(model, "layer4", image), expected)


def test_score_instead_of_target() -> None:
    model, image = network("resnet18", torch.float32)
    source = GradCAM("layer4", target=lambda logits: logits[:, 3])
    source.attach(model)
    logits = model(image)
    torch.testing.assert_close(source.read(), source.read(logits[:, 3]))
    assert not torch.allclose(source.read(), source.read(logits[:, 0]))


def test_vision_transformer_trains_through_fused_attention() -> None:
    torch.manual_seed(0)
    options = {"depth": 3, "embed_dim": 32, "num_heads": 2, "img_size": (32, 48), "num_classes": 4}
    model = timm.create_model("vit_tiny_patch16_224", **options)
    image = torch.rand(2, 3, 32, 48)
    gradients = []
    for fused in (True, False):
        for block in model.blocks:
            block.attn.fused_attn = fused
        source = GradCAM("blocks.0")
        source.attach(model)
        model.zero_grad()
        loss = model(image).square().mean() + source.read().sum()
        assert source.read().shape == (2, 2, 3)
        loss.backward()
        source.detach()
        gradients.append(model.blocks[0].attn.qkv.weight.grad.clone())
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_gradcheck() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.Softplus(), nn.Conv2d(3, 3, 2), nn.Softplus(), nn.Flatten(), nn.Linear(12, 3)
    ).double()
    source = GradCAM("1", target=lambda logits: logits.square().sum(1))
    source.attach(model)

    def read(image: Tensor) -> Tensor:
        model(image)
        return source.read()

    image = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert read(image).max() > 0
    assert torch.autograd.gradcheck(read, image)


def test_parameters_get_no_gradient_from_reading() -> None:
    model, image = network("resnet18", torch.float32)
    mine(model, "layer4", image)
    assert all(p.grad is None for p in model.parameters())


def test_errors() -> None:
    model, image = network("resnet18", torch.float32)
    with pytest.raises(InputError, match="several layers"):
        GradCAM("layer4.*").attach(model)
    source = GradCAM("layer4")
    source.attach(model)
    with pytest.raises(InputError, match="saw nothing of layer layer4"):
        source.read()
    with torch.no_grad():
        model(image)
    with pytest.raises(InputError, match="without gradients"):
        source.read()
    logits = model(image)
    with pytest.raises(InputError, match="does not depend"):
        source.read(torch.ones(2, requires_grad=True))
    with pytest.raises(InputError, match="does not depend"):
        source.read(logits.detach())
    with pytest.raises(InputError, match="target"):
        top_class(torch.zeros(2, 3, 4))
