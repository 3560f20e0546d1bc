"""A model as one graph of tensors, written as ONNX or by torch.export, and held against the model itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from haa.data.loading.inference import quietly
from haa.disk import write_whole
from haa.errors import InputError, needs, reason
from haa.gaze import Size
from haa.geometry.extent import Extent
from haa.tasks.aligned_module import AlignedModule
from haa.text import UNK, Vocabulary

LARGEST = 1e-4
"""Largest difference of a graph's output from the model's, as a share of its largest value where that is above 1."""

OUTPUTS = ("prediction", "attention")
"""Names of a graph's outputs; a model without attention has the first alone."""

MOST_BYTES = 2**31 - 2**24
"""Bytes of the weights that one ONNX file can hold: protobuf's 2 GiB, with some room for the graph."""

Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""Function of a graph's inputs, in order, that returns its outputs."""


@dataclass(frozen=True)
class Shape:
    """What a graph takes, apart from the number of pictures, which is free.

    Args:
        size: Height and width of the pictures.
        words: Number of words of a question, for a task that is asked one; the graph has padding behind shorter ones.
        frames: Number of frames of a clip, for a task that looks at clips.
    """

    size: Size
    words: int
    frames: int | None = None

    def example(self, module: AlignedModule, count: int, seed: int = 0) -> dict[str, Tensor]:
        """Return random inputs of ``count`` samples; their questions differ in length."""
        generator = torch.Generator().manual_seed(seed)
        length = (self.frames,) if "clip" in module.needs else ()
        picture = torch.rand(count, *length, 3, *self.size, generator=generator)
        inputs = {"clip" if length else "image": picture}
        if module.asks and "question" in module.vocabularies:  # else it has a tokenizer of its own, and no graph
            vocabulary = module.vocabularies["question"]
            assert isinstance(vocabulary, Vocabulary)
            tokens = torch.randint(UNK, len(vocabulary), (count, self.words), generator=generator)
            lengths = torch.randint(1, self.words + 1, (count, 1), generator=generator)
            inputs["tokens"] = torch.where(torch.arange(self.words) < lengths, tokens, 0)
        return inputs


class Graph(nn.Module):
    """A module's `AlignedModule.graph`, with the map of its attention source where it has one.

    Args:
        module: The module, in evaluation mode.
        names: Names of the tensors that `forward` takes, in order.
    """

    def __init__(self, module: AlignedModule, names: Sequence[str]) -> None:
        super().__init__()
        self.module, self.names = module, list(names)
        self.extent: Extent | None = None
        """Where the cells of the attention lie in pictures of the last pass' size."""

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the prediction and, where the model has one, the attention."""
        batch: Any = dict(zip(self.names, tensors, strict=True))
        output = self.module.look({"id": [], **batch}, self.module.graph)
        self.extent = output.extent
        return (output.prediction,) if output.attention is None else (output.prediction, output.attention)


def check(module: AlignedModule, form: str) -> None:
    """Refuse a model that is no graph, and a format whose libraries are not installed.

    Raises:
        InputError: If it is; the message says what would work.
    """
    if form == "onnx":
        needs("format=onnx", "haa[export]", "onnx", "onnxscript", "onnxruntime")
    cure = "give format=safetensors"
    if module.oracle:
        raise InputError(f"format={form}: an oracle is told where people look, which is no input of a graph: {cure}")
    if getattr(module.attention, "needs_graph", False):
        name = type(module.attention).__name__
        raise InputError(f"format={form}: {name} takes gradients of the model, which a graph does not have: {cure}")
    weights = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if form == "onnx" and weights > MOST_BYTES:
        raise InputError(f"format=onnx: the weights have {weights >> 20} MiB, and one file holds 2048: {cure}")


def export(module: AlignedModule, form: str, shape: Shape, path: Path, step: Callable[[str], object]) -> dict[str, Any]:
    """Write a model as a graph, and hold what the file gives against what the model gives.

    Args:
        module: The module, on the processor.
        form: ``onnx`` or ``torch_export``.
        shape: What the graph takes.
        path: File that is written.
        step: Function that is told what is done now.

    Returns:
        What the export's note says of the graph; ``difference`` is the largest to the model's outputs, see `LARGEST`.

    Raises:
        InputError: If the model is no graph (`check`), cannot be traced, or the file gives something else.
    """
    check(module, form)
    inputs = shape.example(module, 2)
    graph = Graph(module, list(inputs)).eval()
    with module.evaluation(), quietly():
        step("tracing")
        # first as it is, which finds where cells look; it notes that on its tensors, and the graph's own stay plain
        outputs = graph(*(tensor.clone() for tensor in inputs.values()))
        extent = graph.extent
        batch = torch.export.Dim("batch", min=1, max=2**16)
        free = (tuple({0: batch} for _ in inputs),)
        try:
            traced = torch.export.export(graph, tuple(inputs.values()), dynamic_shapes=free, strict=False)
            _forget_places(traced)
            step("writing")
            names = OUTPUTS[: len(outputs)]
            run = (_write_onnx if form == "onnx" else _write_traced)(traced, path, list(inputs), names)
        except InputError:
            raise
        except Exception as error:  # torch's own, of a dozen kinds
            name = type(module.model).__name__
            raise InputError(
                f"format={form}: {name} cannot be traced as a graph ({reason(error)}): give format=safetensors"
            ) from error
        step("comparing")
        found = [
            difference(run(list(some.values())), graph(*some.values()))
            for some in (shape.example(module, count, seed=count) for count in (1, 3))
        ]
    largest = float(torch.tensor(found).max())
    if not largest <= LARGEST:  # nor is NaN
        raise InputError(
            f"format={form}: the graph's outputs differ from the model's by {largest:.1e}, more than {LARGEST:.0e}: "
            "give format=safetensors"
        )
    assert extent is not None
    return {
        "inputs": {name: [None, *tensor.shape[1:]] for name, tensor in inputs.items()},
        "outputs": {name: [None, *tensor.shape[1:]] for name, tensor in zip(names, outputs, strict=True)},
        "extent": list(extent),
        "difference": largest,
    }


def difference(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Return the largest difference of outputs, as a share of an output's largest value where that is above 1.

    Example:
        >>> round(difference([torch.tensor([10.0, 4.0])], [torch.tensor([10.0, 5.0])]), 3)
        0.1
    """
    pairs = zip(found, wanted, strict=True)
    return float(torch.stack([(a - b).abs().max() / b.abs().max().clamp_min(1) for a, b in pairs]).max())


def _forget_places(traced: Any) -> None:
    """Take out where in which file each operation stands, which names folders of this machine."""
    for part in traced.graph_module.modules():
        for node in getattr(getattr(part, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)


def _write_onnx(traced: Any, path: Path, inputs: list[str], outputs: Sequence[str]) -> Run:
    import onnxruntime

    named: dict[str, Any] = {"input_names": inputs, "output_names": list(outputs)}
    program: Any = torch.onnx.export(traced, (), dynamo=True, verbose=False, **named)
    model = program.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")  # a third of a small file: names of modules, for each operation
    content = model.SerializeToString()
    write_whole(path, content)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(tensors: Sequence[Tensor]) -> list[Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(inputs, tensors, strict=True)}
        return [torch.from_numpy(values) for values in session.run(list(outputs), given)]

    return run


def _write_traced(traced: Any, path: Path, inputs: list[str], outputs: Sequence[str]) -> Run:
    torch.export.save(traced, path)
    module = torch.export.load(path).module()  # written a moment ago, by this process
    return lambda tensors: module(*tensors)
