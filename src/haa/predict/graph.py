"""An exported ONNX graph, run by onnxruntime; nothing but the graph itself is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from haa import build, checkpoint, exported, text
from haa.data.loading.transforms import Transform
from haa.errors import InputError, needs, reading
from haa.exported import Export
from haa.geometry.extent import Extent
from haa.text import Vocabulary

OWN = ("", "ai.onnx")
"""Names of the set of operators that every ONNX runtime has."""

MOST_SIDE = 16_384
"""Pixels of the longest side that a graph's pictures may have."""


@dataclass(frozen=True)
class OnnxModel:
    """Model of an export of ``format=onnx``, which takes pictures of one size.

    Args:
        folder: The export's folder.
        session: Session of onnxruntime's, on the processor.
        outputs: Names of what it gives.
        transform: Transform that brings pictures to the size that it takes.
        extent: Where the cells of its attention lie.
        tokens: Words of the question, as numbers, padded to the graph's length; None where none is asked.
        task: Name of the task.
        predicts_gaze: Whether its prediction is a log-density of fixations.
    """

    folder: Path
    session: Any
    outputs: list[str]
    transform: Transform
    extent: Extent
    tokens: Tensor | None
    task: str
    predicts_gaze: bool

    def __call__(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, Float[Tensor, "b i j"] | None]:
        """Return the prediction and, where the model has one, the attention.

        Raises:
            InputError: If the graph fails.
        """
        inputs = {"image": images.numpy()}
        if self.tokens is not None:
            inputs["tokens"] = self.tokens.expand(len(images), -1).numpy()
        with reading(f"checkpoint={self.folder}", exported.CURE):
            found = dict(zip(self.outputs, map(torch.from_numpy, self.session.run(self.outputs, inputs)), strict=True))
            prediction, attention = found["prediction"], found.get("attention")
            if any(len(values) != len(images) for values in found.values()):
                raise ValueError("the graph gives other than one output for each picture")
            if attention is not None and attention.ndim != 3:
                raise ValueError(f"the graph's attention has {attention.ndim} dimensions")
            if self.predicts_gaze and prediction.ndim != 3:
                raise ValueError(f"the graph's log-density has {prediction.ndim} dimensions")
        return prediction, attention


def load(
    export: Export, question: str | None = None, device: str | None = None, trust: Sequence[str] = ()
) -> OnnxModel:
    """Return the model of an export of ``format=onnx``; its file is the one that was exported, and has its own data.

    Args:
        export: The export.
        question: Question that is asked of every picture, where the task asks one.
        device: ``cpu`` or None: the graph runs on the processor.
        trust: Packages of the user's whose classes its config may name.

    Raises:
        InputError: If it is damaged or changed, names other files or operators of others', looks at clips, or the
            question does not fit.
    """
    if device not in (None, "cpu"):
        raise InputError(
            f"device={device}: an onnx export runs on the processor here: give device=cpu, or format=safetensors"
        )
    try:
        with reading("it", exported.CURE):
            cfg, about = checkpoint.config_of(export.note["haa"], trust), export.note["graph"]
            task, inputs = build.task_class(cfg), about["inputs"]
            if "clip" in inputs:
                raise InputError(f"task={cfg.task.name} looks at clips, and haa predict at pictures")
            size = _size(inputs["image"])
            top, left, bottom, right = map(float, about["extent"])
            extent = Extent(top, left, bottom, right)
            if not (all(map(math.isfinite, extent)) and extent.top < extent.bottom and extent.left < extent.right):
                raise ValueError("its extent is no rectangle")
            outputs = [name for name in ("prediction", "attention") if name in about["outputs"]]
            tokens = _tokens(export.note["haa"], question, inputs["tokens"][1]) if task.asks else None
            session = _session(export.model)
    except InputError as error:
        raise InputError(f"checkpoint={export.folder}: {error}") from error
    name, gaze = str(cfg.task.name), task.predicts_gaze
    return OnnxModel(export.folder, session, outputs, Transform(size), extent, tokens, name, gaze)


def _size(shape: Sequence[Any]) -> tuple[int, int]:
    _, channels, height, width = shape
    if channels != 3 or not all(type(side) is int and 1 <= side <= MOST_SIDE for side in (height, width)):
        raise ValueError(f"its pictures have shape {shape}")
    return height, width


def _tokens(own: dict[str, Any], question: str | None, words: Any) -> Tensor:
    if not question:
        raise InputError("it answers questions and looks where the question is about: give question='what ...?'")
    vocabulary = text.unpack(own["vocabularies"])["question"]
    if not isinstance(vocabulary, Vocabulary) or type(words) is not int:
        raise ValueError("its questions are no words")
    tokens, _ = vocabulary.encode([question])
    if tokens.shape[1] > words:
        raise InputError(
            f"the question has {tokens.shape[1]} words, and the graph takes {words}: ask a shorter one, or export with "
            f"words={tokens.shape[1]}"
        )
    return pad(tokens, (0, words - tokens.shape[1]))


def _session(path: Path) -> Any:
    needs("an onnx export", "haa[export]", "onnx", "onnxruntime")
    import onnx
    import onnxruntime

    content = path.read_bytes()
    check(onnx.load_model_from_string(content))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def check(model: Any) -> None:
    """Refuse a graph that names other files, or operators that are not ONNX' own, which a library would bring.

    Args:
        model: A ModelProto of the onnx package.

    Raises:
        InputError: If it does.
    """
    for message in _messages(model):
        kind = message.DESCRIPTOR.name
        if kind == "TensorProto" and (message.external_data or message.data_location):
            raise InputError(f"{message.name} of its graph lies in another file, which is not read: {exported.CURE}")
        if kind in ("NodeProto", "FunctionProto") and message.domain not in OWN:
            raise InputError(
                f"its graph has the operator {message.domain}, which haa export does not write: {exported.CURE}"
            )


def _messages(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and all that lie in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "DESCRIPTOR") else value:
                yield from _messages(inner)
