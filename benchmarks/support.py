"""Runs every attention source on small random-weight models of many families and writes docs/support.md.

python -m benchmarks.support
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import support_gradcam, support_tokens
from benchmarks.support_families import Family, call, hugging_face_families, timm_families
from haa.attention import (
    CrossAttention,
    FeatureNorm,
    GradCAM,
    GradientTimesInput,
    InputGradient,
    Rollout,
    SelfAttention,
    Source,
)
from haa.errors import InputError

PAGE = Path(__file__).parent.parent / "docs" / "support.md"
TOLERANCE = 1e-5
SOURCES = (
    *("self_attention", "rollout", "cross_attention", "gradcam"),
    *("input_gradient", "gradient_times_input", "feature_norm"),
)


class NothingToCompare(RuntimeError):
    """A map is zero or flat."""


def results(family: Family) -> dict[str, str | float]:
    """Each source's largest relative difference to the independent computation, or why it refuses.

    With random weights a Grad-CAM is zero now and then, which compares nothing: then other weights are drawn.
    """
    for seed in range(20):
        try:
            return dict(compare(family, seed))
        except NothingToCompare as error:
            last = error
    raise last


def compare(family: Family, seed: int) -> Iterator[tuple[str, str | float]]:
    torch.manual_seed(seed)
    model = lively(family.build("fused").eval())
    for name, options in family.options.items():
        source = make(name, options, family)
        try:
            mine = read(source, model, family.inputs)
        except InputError as error:
            yield name, str(error)
            continue
        reference = independent(name, model, family, options)
        spread = 0.05 * reference.mean() if name.endswith(("attention", "rollout")) else 0.0
        if not (reference.max() > 0 and reference.std() >= spread):
            raise NothingToCompare(f"{family.name}, {name}: the map is zero or flat, which compares nothing")
        yield name, float((mine - reference).abs().max() / reference.abs().max())


def lively(model: nn.Module) -> nn.Module:
    """The model with noise on its weights: as libraries initialise them, attention is all but uniform."""
    for parameter in model.parameters():
        if parameter.ndim != 4:  # not the convolutions
            size = 2 * parameter.shape[-1] ** -0.5 if parameter.ndim == 2 else 0.3
            parameter.data += size * torch.randn_like(parameter)
    return model


def make(name: str, options: dict[str, Any], family: Family) -> Source:
    classes: dict[str, Any] = {
        **{"self_attention": SelfAttention, "rollout": Rollout, "cross_attention": CrossAttention},
        **{"gradcam": GradCAM, "feature_norm": FeatureNorm},
        **{"input_gradient": InputGradient, "gradient_times_input": GradientTimesInput},
    }
    if name in ("gradcam", "input_gradient", "gradient_times_input"):
        options = {"target": family.target, **options}
    if name in ("self_attention", "rollout"):
        options = {"query": family.query, **options}
    return classes[name](**options)


def read(source: Source, model: nn.Module, inputs: dict[str, Any]) -> Tensor:
    source.attach(model)
    try:
        torch.manual_seed(1)
        call(model, inputs)
        return source.read().detach()
    finally:
        source.detach()


def independent(name: str, model: nn.Module, family: Family, options: dict[str, Any]) -> Tensor:
    """The same map by another way: unfused softmax, peers, or plain autograd."""
    rows, columns = family.grid

    def on_grid(x: Tensor) -> Tensor:
        return x[:, family.prefix :].unflatten(-1, (rows, columns))

    if name in ("self_attention", "rollout", "cross_attention"):
        assert family.eager is not None
        weights = [w.detach().mean(1) for w in family.eager(model, family.inputs)]
        if name == "cross_attention":
            return on_grid(torch.stack(weights).mean(0).mean(1))
        if name == "rollout":
            product = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype)
            for w in weights:
                mixed = w + torch.eye(w.shape[-1], dtype=w.dtype)
                product = mixed / mixed.sum(-1, keepdim=True) @ product
        else:
            product = weights[-1]
        return on_grid(product[:, 0] if family.query == "class" else product[:, family.prefix :].mean(1))
    if name == "gradcam":
        return peer_gradcam(model, family, options["layer"])
    if name == "feature_norm":
        return channels_first(activation(model, family, options["layer"]), family).square().sum(1).sqrt()
    key = next(k for k in ("x", "pixel_values") if k in family.inputs)
    image = family.inputs[key].clone().requires_grad_()
    torch.manual_seed(1)
    score = family.target(call(model, {**family.inputs, key: image}))
    (gradient,) = torch.autograd.grad(score.sum(), image)
    if name == "input_gradient":
        return gradient.abs().amax(1)
    return (gradient * image).sum(1).abs().detach()


def peer_gradcam(model: nn.Module, family: Family, layer: str) -> Tensor:
    """pytorch-grad-cam's weighted sum, before it scales and resizes."""
    from pytorch_grad_cam import GradCAM as Peer

    class Raw(Peer):  # type: ignore[misc]
        def compute_cam_per_layer(self, input_tensor: Tensor, targets: Any, eigen_smooth: bool) -> list[Any]:
            taken, gradients = self.activations_and_grads.activations[0], self.activations_and_grads.gradients[0]
            found = self.get_cam_image(input_tensor, None, targets, taken.numpy(), gradients.numpy(), eigen_smooth)
            return [found.clip(0)[:, None]]

        def aggregate_multi_layers(self, per_layer: list[Any]) -> Any:
            return per_layer[0][:, 0]

    class Called(nn.Module):
        """The peer calls a model with the image alone."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: Tensor) -> Tensor:
            key = next(k for k in ("x", "pixel_values") if k in family.inputs)
            return family.target(call(self.model, {**family.inputs, key: image}))[:, None]

    image = next(family.inputs[k] for k in ("x", "pixel_values") if k in family.inputs)
    with Raw(Called(), [model.get_submodule(layer)], reshape_transform=lambda x: channels_first(x, family)) as cam:
        return torch.from_numpy(cam(image, targets=[lambda out: out.sum()] * len(image)))


def activation(model: nn.Module, family: Family, layer: str) -> Tensor:
    kept = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        kept.append((output[0] if isinstance(output, tuple) else output).detach().clone())

    handle = model.get_submodule(layer).register_forward_hook(keep)
    call(model, family.inputs)
    handle.remove()
    return kept[0]


def channels_first(x: Any, family: Family) -> Tensor:
    x = x[0] if isinstance(x, tuple) else x
    if x.ndim == 3:
        return x[:, x.shape[1] - family.grid[0] * family.grid[1] :].transpose(1, 2).unflatten(-1, family.grid)
    return x.permute(0, 3, 1, 2) if "Swin" in family.name else x


def main() -> None:
    import timm
    import transformers

    transformers.logging.set_verbosity_error()
    lines = []
    for family in [*timm_families(), *hugging_face_families()]:
        found = results(family)
        cells = [cell(found.get(name)) for name in SOURCES]
        print(family.name, found, flush=True)
        lines.append(f"| {family.name} | {family.library} | {' | '.join(cells)} |")
    named = " | ".join(f"`{name}`" for name in SOURCES)
    head = f"| family (model) | library | {named} |\n|{' --- |' * (len(SOURCES) + 2)}"
    packages = (torch, timm, transformers)
    versions = ", ".join(f"{package.__name__} {package.__version__.split('+')[0]}" for package in packages)
    table = head + "\n" + "\n".join(lines)
    PAGE.write_text(
        f"{INTRODUCTION.format(versions=versions)}\n{table}\n{TOKENS}\n{support_tokens.table()}\n{GRADCAM}\n{support_gradcam.table()}\n"
    )


def cell(result: str | float | None) -> str:
    """A cell of the table: the difference, that it is refused, or that it was not tried."""
    if result is None:
        return "–"
    if isinstance(result, str):
        return "refused"
    return f"{result:.0e}" if result <= TOLERANCE else f"**{result:.0e}**"


INTRODUCTION = """# Which source reads which family

Written by `python -m benchmarks.support` ({versions}): small models with
random weights, float32, without downloads; the tests run it again and compare. A number is the largest difference to an
independent computation, as a share of the largest value; *refused* means an `InputError` that names the layer and the
reason; – means that it was not tried, for want of what the source reads.

- `self_attention`, `rollout`, `cross_attention`: against the softmax of the same model with fused attention off (timm's
  `fused_attn=False`, Hugging Face's `attn_implementation="eager"`).
- `gradcam`: against pytorch-grad-cam, before it scales and resizes.
- `input_gradient`, `gradient_times_input`, `feature_norm`: against plain autograd and the layer's output.

What is refused, and why:
- Swin attends within windows, each with weights of its own that sum to 1: side by side they say nothing about where in
  the image the model looks, and there is no class token. Grad-CAM, the gradients and feature norm work.
- CaiT mixes heads after the softmax, and differential attention subtracts two: no single softmax weighs the values.
- ViLT draws its patches in random order in every forward pass, so that nothing that lies on tokens lies on the image:
  only the gradients by the image itself are left.
- Convolutional models have no attention: `attach` says so. Those cells are –.

Patch grids of any shape, class, distillation and register tokens are found from the model; a model where they do not
add up is refused until `grid` and `prefix` are given. [compile.md](compile.md) says what works with
`torch.compile`. Attention in kernels other than torch's `scaled_dot_product_attention` (flash-attn, flex attention) is
refused. Maps through a derivative, in training, need attention that can be differentiated twice: the layers after the
place of the derivative run on torch's math kernel (`second_order=False` leaves them as they are).
"""

TOKENS = """
## Vision-language models

`TokenAttention` against the models' own `output_attentions` with `attn_implementation="eager"`: the mean over layers
and heads for the tokens that predict the answer, its rollout, and the mean for an answer that is generated with a
cache. Two samples of different lengths, padded on the left, and of different grids where the model has them. What is
refused, and why, stands in [token-attention.md](token-attention.md).
"""

GRADCAM = """
## Grad-CAM beside its peers

Three timm backbones, two images of 96 x 128, last stage, largest difference as a share of the largest value. The map is
the same in both precisions; what differs comes after it:
- Captum rectifies only with `relu_attributions=True`; without, the difference is the negative part of the map.
- pytorch-grad-cam subtracts each map's minimum and divides by its maximum plus 1e-7, goes to float32, resizes with
  OpenCV, and scales again. On a map whose values are themselves as small as that (an untrained resnet18's) the 1e-7
  counts, and the minimum wherever no cell is zero. haa leaves the map as the paper defines it: losses normalise.
"""

if __name__ == "__main__":
    main()
