"""What `haa train` takes before its first optimiser step and after its last one, in seconds of the processor.

    python -m benchmarks.start [--before SRC] [--repeats N] [overrides ...]

The floor is torch: its import and one step of AdamW, which imports torch's compiler. ``--before`` is the ``src`` of
another checkout; the two take turns. A training of one epoch on the embedded data, whose gaze is simulated.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = ["train", "task=vqa", "align_weight=0.5", "trainer=cpu", "epochs=1"]
WORDS += ["data.train=64", "data.val=16", "data.test=16"]
SOURCE = Path(__file__).parents[1] / "src"
PARTS = ("to the first step", "steps", "from the last step to the end", "in all")

FLOOR = """
import json, time, torch
layer = torch.nn.Linear(2, 2)
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()
print(json.dumps([time.process_time()] * 3))
"""
HAA = """
import atexit, json, sys, time
marks = []
def watched():
    import pytorch_lightning as pl
    class Watch(pl.Callback):
        def on_train_batch_end(self, *rest):
            marks.append(time.process_time())
    fit = pl.Trainer.fit
    def watch(trainer, *rest, **options):
        trainer.callbacks.append(Watch())
        return fit(trainer, *rest, **options)
    pl.Trainer.fit = watch
from haa.cli.main import main
import haa.cli.commands
import haa.metrics
watched()
atexit.register(lambda: print("\\n" + json.dumps([marks[0], marks[-1], time.process_time()])))
main(sys.argv[1:])
"""


def main() -> None:
    """Measure, and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="SRC", type=Path, help="src of another checkout, to compare with")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; the median is printed")
    options, words = parser.parse_known_args()
    sides = {"torch, one step": (FLOOR, SOURCE), "haa train": (HAA, SOURCE)}
    if options.before:
        sides["haa train, before"] = (HAA, options.before.resolve())
    found: dict[str, list[list[float]]] = {name: [] for name in sides}
    for _ in range(options.repeats):
        for name, (code, source) in sides.items():
            found[name].append(measured(code, source, words))
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    print(f"{'processor seconds':32}" + "".join(f"{name:>20}" for name in medians))
    for number, part in enumerate(PARTS):
        print(f"{part:32}" + "".join(f"{values[number]:>20.2f}" for values in medians.values()))


def measured(code: str, source: Path, words: list[str]) -> list[float]:
    """Run it in an empty folder, and return the seconds of each part."""
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", code, *WORDS, *words, "hydra.run.dir=run"]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
    first, last, end = json.loads(done.stdout.strip().splitlines()[-1])
    return [first, last - first, end - last, end]


if __name__ == "__main__":
    main()
