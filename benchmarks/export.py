"""Exports a model of every task in every format, and prints the table of docs/export.md.

python -m benchmarks.export

Models are those of the tasks, trained for two batches of shapes of 64 x 64 pixels: what is compared is the export, and
not what was learned. The largest difference is over prediction and attention (`haa.export.graph.difference`); for
safetensors it is that of what the rebuilt module gives to what the checkpoint's gives.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from haa import checkpoint, exported
from haa.cli import main as cli
from haa.export.graph import Shape, difference

SMALL = (
    "trainer=debug",
    "data.train=64",
    "data.val=4",
    "data.test=4",
    "loader.batch_size=4",
    "callbacks.pictures=null",
)
SIZE = (64, 64)


class Case(NamedTuple):
    """A model: its name in the table, and the words that make it."""

    name: str
    words: tuple[str, ...]


CASES = (
    Case("saliency", ("task=saliency",)),
    Case("saliency, EfficientNet-Lite0", ("task=saliency", "backbone=efficientnet_lite0")),
    Case("sos, U-Net on ResNet-18", ("task=sos", "backbone=resnet18", "backbone.stages=[1,2,3,4]")),
    Case("finegrained", ("task=finegrained",)),
    Case("finegrained, class token of a ViT-Tiny", ("task=finegrained", "model=class_token", "backbone=vit_tiny")),
    Case("finegrained, ResNet-18, `attention=gradcam`", ("task=finegrained", "backbone=resnet18", "attention=gradcam")),
    Case("vqa, stacked attention", ("task=vqa",)),
    Case("vqa, cross-attention", ("task=vqa", "model=cross_attention_vqa")),
    Case("captioning", ("task=captioning",)),
    Case("action, two streams", ("task=action",)),
    Case("action, recurrent attention", ("task=action", "model=recurrent_attention")),
)


def main() -> None:
    """Print a row for each model as it is there."""
    print("| task | .ckpt | " + " | ".join(f"`{form}`" for form in exported.FILES) + " |")
    print("| --- " * (2 + len(exported.FILES)) + "|")
    for case in CASES:
        with TemporaryDirectory() as place:
            run(
                "train",
                *case.words,
                *SMALL,
                "cache=null",
                f"loader.transform.size={list(SIZE)}",
                f"hydra.run.dir={place}/run",
            )
            path = Path(place, "run", "checkpoints", "best.ckpt")
            cells = [cell(path, form, Path(place, form)) for form in exported.FILES]
            print(f"| {case.name} | {megabytes(path)} | {' | '.join(cells)} |", flush=True)


def cell(path: Path, form: str, folder: Path) -> str:
    """Export a checkpoint, and say how right it is and how large; or why it is refused."""
    frames = ["frames=8"] if "action" in checkpoint.load(path)[1].task.name else []
    try:
        run("export", f"checkpoint={path}", f"format={form}", f"output={folder}", *frames)
    except SystemExit as error:
        return "refused: " + str(error).removeprefix("haa: ").removeprefix(f"format={form}: ").partition(",")[0]
    export = exported.read(folder)
    found = export.note["graph"]["difference"] if form != "safetensors" else rebuilt(path, folder)
    return f"{found:.0e}, {megabytes(export.model)}"


def rebuilt(path: Path, folder: Path) -> float:
    """Return the largest difference of what the module of an export gives to what that of the checkpoint gives."""
    (before, _), (after, _) = checkpoint.load(path), checkpoint.load(folder)
    inputs = Shape(SIZE, 12, 8).example(before, 3)
    outputs = []
    for module in (after, before):
        batch = {"id": ["a"] * 3, **inputs}
        _, output = module.probe(batch)
        prediction = getattr(output.prediction, "tokens", output.prediction)
        outputs.append([prediction.float(), output.attention])
    return difference(*outputs)


def megabytes(path: Path) -> str:
    """Return the size of a file in words."""
    return f"{path.stat().st_size / 1e6:.2f} MB"


def run(*words: str) -> None:
    """Run a command of haa in silence."""
    sys.argv = ["haa"]
    silence = io.StringIO()
    with redirect_stdout(silence), redirect_stderr(silence):
        cli.main([*words])


if __name__ == "__main__":
    main()
