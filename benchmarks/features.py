"""What the features of a frozen backbone cost: ways of computing them side by side, as ratios within one run.

OMP_WAIT_POLICY=passive python -m benchmarks.features [--threads 1 2] [--osie OSIE/data] [--compile]

A way is given as many pictures at a time as is best for it (in brackets). Processor time, so that a busy machine counts
less; threads that wait without spinning leave processor times that mean something. openvino is timed where it is
installed. The floor is the network's floating point operations at the rate of a product of two matrices of 1024 x 1024.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from haa.data.loading.inference import Forward, channels_last, folded, graph, quietly
from haa.models.backbone import EfficientNetLite0, Timm

BATCH, ROUNDS = 8, 5

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "EfficientNet-Lite0, 384 x 512": (EfficientNetLite0, (384, 512)),
    "EfficientNet-Lite0, 224 x 224": (EfficientNetLite0, (224, 224)),
    "ResNet-50, 224 x 224": (lambda: Timm("resnet50", stages=(2, 3), stride=16, frozen=True), (224, 224)),
    "ViT-small, 224 x 224": (lambda: Timm("vit_small_patch16_224", frozen=True), (224, 224)),
}


def timed(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ordered(network: nn.Module) -> Forward:
    copied: Any = copy.deepcopy(network)
    copied.to(memory_format=torch.channels_last)
    return lambda images: copied(images.contiguous(memory_format=torch.channels_last))


def half(network: nn.Module, image: Tensor) -> Forward:
    quick = ordered(folded(network, image))

    def forward(images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return quick(images).float()

    return forward


def frozen(network: nn.Module) -> Forward:
    """By torch's inductor, which needs a C++ compiler, with weights as constants."""
    compiled: Any = torch.compile(copy.deepcopy(network), options={"freezing": True}, dynamic=False)

    def forward(images: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return compiled(images)

    return forward


def scripted(network: nn.Module, image: Tensor) -> Forward:
    with torch.inference_mode(False), torch.no_grad(), quietly():
        traced = torch.jit.trace(copy.deepcopy(network), image.clone(), check_trace=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))


def openvino(network: nn.Module, image: Tensor) -> Forward:
    import openvino

    with torch.inference_mode(False), torch.no_grad(), quietly():
        model = openvino.convert_model(copy.deepcopy(network), example_input=image.clone())
    model.reshape(list(image.shape))
    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return lambda images: torch.from_numpy(compiled(images.numpy())[0].copy())


def ways(network: nn.Module, image: Tensor, compiles: bool) -> dict[str, tuple[int, Callable[[], Forward | None]]]:
    """Pictures at a time, and what makes the way; None where it does not apply."""
    few = max(1, 200_000 // image[0, 0].numel())
    found: dict[str, tuple[int, Callable[[], Forward | None]]] = {
        "plain": (BATCH, lambda: network),
        "plain, few at a time": (few, lambda: network),
        "channels last": (few, lambda: ordered(network)),
        "folded": (few, lambda: folded(network, image)),
        "folded, channels last": (few, lambda: channels_last(network, image)),
        "the same at once": (BATCH, lambda: channels_last(network, image)),
        "the same in bfloat16": (few, lambda: half(network, image)),
        "torch.jit, frozen": (few, lambda: scripted(network, image)),
        "onnxruntime": (1, lambda: graph(folded(network, image), image)),
    }
    if find_spec("openvino"):
        found["openvino"] = (1, lambda: openvino(network, image))
    if compiles:
        found["inductor, frozen"] = (1, lambda: frozen(network))
    return found


def rate() -> float:
    """Floating point operations a second of one core, in a product of matrices."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a = torch.rand(1024, 1024)
    taken = [timed(lambda: a @ a) for _ in range(9)]
    torch.set_num_threads(threads)
    return 2 * 1024**3 / statistics.median(taken[2:])


@torch.inference_mode()
def table(name: str, compiles: bool) -> None:
    make, size = NETWORKS[name]
    torch.manual_seed(0)
    network: Any = make()
    images = torch.randint(0, 256, (BATCH, 3, *size)).float() / 255
    plain = network(images)
    scale = plain.square().mean().sqrt()
    forwards: dict[str, Callable[[], Tensor]] = {}
    built: dict[str, float] = {}
    for way, (count, builder) in ways(network, images[:1], compiles).items():
        try:
            began = time.process_time()
            forward = builder()
            if forward is None:
                continue
            forward(images[:count])
            built[way] = time.process_time() - began
        except Exception as error:  # a way that cannot be gone is a line of the table
            print(f"    {way}: {type(error).__name__}: {str(error).splitlines()[0][:90]}")
            continue
        forwards[way] = lambda forward=forward, count=count: torch.cat([forward(x) for x in images.split(count)])
    taken: dict[str, list[float]] = {way: [] for way in forwards}
    for _ in range(ROUNDS):
        for way, work in forwards.items():
            taken[way].append(timed(work) / BATCH)
    with FlopCounterMode(display=False) as counter:
        network(images)
    floor = counter.get_total_flops() / BATCH / rate()
    print(f"\n{name}, {torch.get_num_threads()} threads, floor {1e3 * floor:.1f} ms")
    print("| way | ms of a core | / plain | norm of the error | largest, of the RMS | made in |")
    print("|---|---|---|---|---|---|")
    for way, work in forwards.items():
        error = work() - plain
        ratio = statistics.median(a / b for a, b in zip(taken[way], taken["plain"], strict=True))
        print(
            f"| {way} ({ways(network, images[:1], compiles)[way][0]}) | {1e3 * statistics.median(taken[way]):.1f} "
            f"| {ratio:.2f} | {float(error.norm() / plain.norm()):.1e} | {float(error.abs().max() / scale):.1e} "
            f"| {built[way]:.1f} s |",
            flush=True,
        )


def stages(root: Path, count: int = 40) -> None:
    """What else a picture costs on its way into the cache."""
    import tempfile

    import numpy as np

    from haa.data.loading.transforms import Transform
    from haa.data.readers.osie import OSIE
    from haa.disk.stored import RowWriter

    data = OSIE(root, split="train")
    samples = [data[i] for i in range(count)]
    features = np.random.default_rng(0).standard_normal((1, 472, 24, 32)).astype(np.float32)
    print("\nstages of OSIE's pictures (800 x 600), ms of a core a picture")
    with (
        tempfile.TemporaryDirectory() as folder,
        RowWriter(Path(folder) / "features.npy", count, features.shape[1:], features.dtype) as rows,
    ):
        work: dict[str, Callable[[int], Any]] = {
            "decode": lambda i: data[i],
            "resize to 384 x 512": lambda i: Transform((384, 512))({"image": samples[i]["image"]}),
            "resize to 224 x 224": lambda i: Transform((224, 224))({"image": samples[i]["image"]}),
            "write 472 x 24 x 32 float32": lambda i: rows.append(features),
        }
        for name, stage in work.items():
            taken = [timed(lambda i=i, stage=stage: stage(i)) for i in range(count)]
            print(f"  {name:30s} {1e3 * statistics.median(taken):6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--osie", type=Path)
    parser.add_argument("--compile", action="store_true", help="inductor, too: a minute for each network")
    arguments = parser.parse_args()
    if arguments.osie:
        torch.set_num_threads(1)
        stages(arguments.osie)
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for name in arguments.networks:
            table(name, arguments.compile)


if __name__ == "__main__":
    main()
