"""Grad-CAM beside Captum's and pytorch-grad-cam's, step by step: where do they part?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import timm
import torch
from torch import Tensor

from haa.attention import GradCAM

BACKBONES = {"resnet18": "layer4", "convnext_atto": "stages.3", "efficientnet_lite0": "blocks.6"}


def differences(name: str, dtype: torch.dtype) -> Iterator[tuple[str, float]]:
    """The largest difference to a peer's map, as a share of the largest value, after each of the peer's steps."""
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM as Peer
    from pytorch_grad_cam.utils.image import scale_cam_image

    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=7).to(dtype).eval()
    image = torch.rand(2, 3, 96, 128, dtype=dtype)
    layer = model.get_submodule(BACKBONES[name])
    source = GradCAM(BACKBONES[name])
    source.attach(model)
    target = model(image).argmax(1)
    mine = source.read().detach()
    source.detach()

    def apart(ours: Tensor | np.ndarray, theirs: Tensor | np.ndarray) -> float:
        a, b = (torch.as_tensor(x).double() for x in (ours, theirs))
        return float((a - b).abs().max() / b.abs().max())

    captum = LayerGradCam(model, layer)
    for step, options in {
        "with `relu_attributions=True`": {"relu_attributions": True},
        "as it is by default": {},
    }.items():
        yield f"Captum, {step}", apart(mine, captum.attribute(image, target, **options)[:, 0].detach())
    with Peer(model, [layer]) as peer:
        final = peer(image, None)
        kept = peer.activations_and_grads
        sums = peer.get_cam_image(image, None, None, kept.activations[0].numpy(), kept.gradients[0].numpy())
    yield "pytorch-grad-cam, its sum over channels, rectified", apart(mine, sums.clip(0))
    resized = torch.nn.functional.interpolate(mine[:, None], image.shape[2:], mode="bilinear")[:, 0]
    yield "the whole of it, ours resized by torch", apart(resized / resized.amax((1, 2), keepdim=True), final)
    yield (
        "the whole of it, ours by its own `scale_cam_image`",
        apart(scale_cam_image(scale_cam_image(mine.numpy(), (128, 96))), final),
    )


def table() -> str:
    """The differences of three backbones in both precisions, as Markdown."""
    columns = {
        f"{name}, {str(dtype).removeprefix('torch.')}": dict(differences(name, dtype))
        for name in BACKBONES
        for dtype in (torch.float32, torch.float64)
    }
    head = f"| Grad-CAM against | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}"
    steps = next(iter(columns.values()))
    rows = [f"| {step} | {' | '.join(f'{column[step]:.0e}' for column in columns.values())} |" for step in steps]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    print(table())
