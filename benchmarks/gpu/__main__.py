"""What haa does on an accelerator, in one run of less than ten minutes.

    python -m benchmarks.gpu                            everything, on CUDA
    python -m benchmarks.gpu --only correctness         one part
    python -m benchmarks.gpu --device cpu --quick       the whole program without an accelerator, in small

Parts: correctness (every metric, loss and density beside the processor's values), metrics (each update beside the
processor and beside one read of the maps at the measured speed of memory), losses, tasks (training steps of the six
tasks with and without alignment, in float32 and bf16), sources (Grad-CAM, self-attention, token attention and others),
compiled (torch.compile of models and losses).

On the processor, correctness compares what it computes there with what it would compute on an accelerator: it has
shortcuts that accelerators have not.

The exit status is 1 where a value differs by more than 1e-5 from the processor's, relative to the greatest of its kind,
or where the host waits for the device in an update or a loss that need not.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import scores, steps
from haa import build
from haa.errors import InputError

Row = dict[str, Any]
Rows = Callable[[torch.device, bool], Iterator[Row]]

PARTS: dict[str, Rows] = {
    "correctness": lambda device, quick: scores.correctness(device, scores.QUICK if quick else scores.Sizes()),
    "metrics": lambda device, quick: scores.metrics(device, scores.QUICK if quick else scores.Sizes()),
    "losses": lambda device, quick: scores.loss_rows(device, scores.QUICK if quick else scores.Sizes()),
    "tasks": lambda device, quick: steps.tasks(device, steps.QUICK if quick else steps.Sizes()),
    "sources": lambda device, quick: steps.sources(device, steps.QUICK if quick else steps.Sizes()),
    "compiled": lambda device, quick: steps.compiled(device, steps.QUICK if quick else steps.Sizes()),
}


def milliseconds(value: Any) -> str:
    return "" if value is None else f"{value * 1e3:.3g}"


def ratio(above: str, below: str) -> Callable[[Row], str]:
    return lambda row: f"{row[above] / row[below]:.3g}" if row.get(below) and above in row else ""


def megabytes(row: Row) -> str:
    return "?" if row.get("peak") is None else f"{row['peak'] / 2**20:,.0f}"


def told(row: Row) -> str:
    """How often the host waited, and why where it has to."""
    number = "?" if row.get("waits") is None else str(row["waits"])
    return f"{number} ({row['may wait']})" if row.get("may wait") else number


TIMES: dict[str, Callable[[Row], str]] = {
    "ms": lambda row: milliseconds(row.get("seconds")),
    "processor ms": lambda row: milliseconds(row.get("seconds on the processor")),
    "processor / device": ratio("seconds on the processor", "seconds"),
}
ENDS: dict[str, Callable[[Row], str]] = {"waits": told, "peak MB": megabytes}
STEP: dict[str, Callable[[Row], str]] = {
    "ms": lambda row: milliseconds(row.get("seconds")),
    "/ first": lambda row: f"{row['ratio']:.3f}" if "ratio" in row else "",
    **ENDS,
}
COLUMNS: dict[str, dict[str, Callable[[Row], str]]] = {
    "correctness": {"kind": lambda row: row["kind"], "largest difference": lambda row: f"{row['difference']:.1e}"},
    "metrics": {
        **TIMES,
        "one read ms": lambda row: milliseconds(row.get("seconds of one read")),
        "device / one read": ratio("seconds", "seconds of one read"),
        **ENDS,
    },
    "losses": {**TIMES, **ENDS},
    "tasks": STEP,
    "sources": STEP,
    "compiled": STEP,
}


def line(part: str, row: Row) -> str:
    return f"| {' | '.join([row['name'], *(column(row) for column in COLUMNS[part].values())])} |"


def head(part: str) -> str:
    return f"| {part} | {' | '.join(COLUMNS[part])} |\n|{' --- |' * (len(COLUMNS[part]) + 1)}"


def faults(found: dict[str, list[Row]]) -> list[str]:
    """Say what the exit status is about."""
    wrong = [
        f"{row['name']} ({row['kind']}) differs by {row['difference']:.1e} from the processor's"
        for row in found.get("correctness", [])
        if not row["difference"] <= scores.TOLERANCE
    ]
    waiting = [
        f"{row['name']}: the host waits {row['waits']} times for the device"
        for part in ("metrics", "losses")
        for row in found.get(part, [])
        if row.get("waits") and not row.get("may wait")
    ]
    return wrong + waiting


def machine(device: torch.device) -> dict[str, str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    cuda = {"cuda": str(torch.version.cuda)} if device.type == "cuda" else {}
    threads = f"{torch.get_num_threads()} threads"
    return {"device": f"{device.type}, {name}", "torch": torch.__version__, **cuda, "processor": threads}


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda (default), cpu, or what else PyTorch knows here")
    parser.add_argument("--quick", action="store_true", help="small maps and models: does it run at all?")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts; all where none is named")
    parser.add_argument("--out", type=Path, help="file of all figures, in JSON")
    parser.add_argument("--table", type=Path, help="file of the tables, in Markdown")
    given = parser.parse_args(words)
    try:
        device = build.device(given.device)
    except InputError as error:
        parser.error(f"{error}; --device cpu --quick runs all of it without an accelerator")
    made = machine(device)
    told_first = ", ".join(f"{key} {value}" for key, value in made.items())
    lines, found = [told_first], {}
    print(told_first)
    if device.type != "cuda":
        print("How often the host waits, and memory at its peak, cannot be told here: they are '?'.")
    for part in given.only:
        lines += ["", head(part)]
        print(f"\n{head(part)}", flush=True)
        found[part] = []
        for row in PARTS[part](device, given.quick):
            found[part].append(row)
            if row["name"] == "copy":
                speed = f"memory is copied at {row['bytes a second'] / 1e9:.0f} GB a second, read and written"
                lines.insert(1, speed)
                print(speed, flush=True)
            elif row.get("missing"):
                print(row["name"])
            else:
                lines.append(line(part, row))
                print(lines[-1], flush=True)
    if given.out:
        given.out.write_text(json.dumps({"machine": made, "quick": given.quick, **found}, indent=1) + "\n")
    if given.table:
        given.table.write_text("\n".join(lines) + "\n")
    wrong = faults(found)
    if "correctness" in found:
        worst = max(found["correctness"], key=lambda row: row["difference"])
        print(f"\nlargest difference: {worst['difference']:.1e} ({worst['name']}), at most {scores.TOLERANCE:.0e}")
    for each in wrong:
        print(f"fault: {each}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
