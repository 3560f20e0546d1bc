"""Attacks by files from elsewhere, each through a command that reads such a file: none may get through.

An attack got through when it started a program, opened a connection, had a pickle name code, opened, changed or made a
file among somebody else's (`Traps.outside`), or when a variable of the environment is in anything that the command
wrote or printed. That a config builds a harmless class of the right role is no breach.
"""

from __future__ import annotations

import copy
import csv
import itertools
import json
import resource
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.torture import archives, command, crew, planted, stores
from benchmarks.torture.crew import Chunk, Plan
from benchmarks.torture.payloads import (
    CALLS,
    PLACES,
    SECRET,
    SHAPES,
    TEXTS,
    VARIABLE,
    Touch,
    Traps,
    put,
    words_of_overrides,
)
from benchmarks.torture.watch import Watch

LIMIT_S = 180.0

Make = Callable[[Random, int, Traps, Path, Path], tuple[str, Callable[[], Any]]]
"""From a draw, the case's number, the traps, an empty folder and the materials to a name, and what runs the attack."""


def _from_checkpoint(draw: Random, folder: Path, path: Path) -> list[str]:
    """Return the words of a command that takes a checkpoint."""
    small = ["trainer=cpu", "callbacks.progress=null"]
    commands = {
        "evaluate": ["evaluate", f"checkpoint={path}", "trainer=cpu", "+trainer.limit_test_batches=1"],
        "predict": [
            "predict",
            f"checkpoint={path}",
            f"images={folder}/images",
            f"output={folder}/maps",
            "question=what?",
        ],
        "show": ["show", f"checkpoint={path}", "index=0"],
        "condition": [
            "train",
            "task=vqa",
            "condition=predicted",
            f"condition.checkpoint={path}",
            "data.train=8",
            *small,
        ],
    }
    words = commands[draw.choice(["evaluate", "evaluate", "predict", "show", "condition"])]
    name = [] if words[0] == "predict" else [f"hydra.run.dir={folder}/out"]
    return [*words, *name]


def _save(content: Any, path: Path) -> None:
    """Write a checkpoint, however deep what it holds is nested."""
    import torch

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        torch.save(content, path)
    finally:
        sys.setrecursionlimit(limit)


def _config(draw: Random, number: int, traps: Traps, folder: Path, made: Path) -> tuple[str, Callable[[], Any]]:
    import torch

    content = torch.load(made / "study/one/checkpoints/best.ckpt", weights_only=True)
    config = content["haa"]["config"]
    everything: list[tuple[str, Any]] = [
        *((f"call {name}", node(traps)) for name, node in CALLS.items()),
        *((f"text {name}", text) for name, text in TEXTS.items()),
        *((f"shape {name}", None) for name in SHAPES),
    ]
    # every payload has its turn; its place is drawn
    name, value = everything[number % len(everything)]
    place = draw.choice(PLACES)
    if name.startswith("shape"):
        value = SHAPES[name.removeprefix("shape ")]()
        if name == "shape processes":
            place = "loader.num_workers"
        if name == "shape much":
            place = draw.choice(("data.test", "model.hidden", "loader.batch_size", "loader.transform.size"))
    elif isinstance(value, str):
        value = value.replace("CANARY", traps.canary).replace("OUTSIDE", str(traps.outside))
    put(config, place, copy.deepcopy(value) if not name.startswith("shape") else value)
    if draw.random() < 0.25:
        config["trust"] = ["os", "distutils", "builtins", "shutil", "haa_torture_canary", "torch", "hydra"]
    path = folder / "evil.ckpt"
    _save(content, path)
    planted.picture(folder / "images/a.png", size=(32, 32))
    return f"config: {name} at {place}", command.haa(_from_checkpoint(draw, folder, path))


def _content(draw: Random, number: int, traps: Traps, folder: Path, made: Path) -> tuple[str, Callable[[], Any]]:
    """A checkpoint whose rest is not what it should be: pickles, weights, states that name files."""
    import torch

    content = torch.load(made / "study/one/checkpoints/best.ckpt", weights_only=True)
    weights = content["state_dict"]
    first = next(iter(weights))
    victim = f"{traps.outside}/run/checkpoints/best.ckpt"
    states = {"dirpath": str(traps.outside), "best_model_path": victim, "last_model_path": victim}
    states |= {"best_k_models": {victim: torch.tensor(0.0)}, "kth_best_model_path": victim}
    changes: dict[str, Callable[[], Any]] = {
        "pickle": lambda: content.update(x=Touch(traps.canary)),
        "pickle in config": lambda: content["haa"]["config"].update(x=Touch(traps.canary)),
        "pickle in weights": lambda: weights.update(x=Touch(traps.canary)),
        "nan": lambda: weights[first].fill_(float("nan")),
        "claims": lambda: weights.update({first: torch.zeros(1).expand(10**11)}),
        "no tensor": lambda: weights.update({first: "x"}),
        "no weights": lambda: content.pop("state_dict"),
        "no config": lambda: content["haa"].pop("config"),
        "config is a list": lambda: content["haa"].update(config=[1]),
        "vocabularies": lambda: content["haa"].update(vocabularies={"question": {"_target_": "os.system"}}),
        "no vocabularies": lambda: content["haa"].pop("vocabularies", None),
        "version": lambda: content["haa"].update(version={"a": SECRET * 1000}),
        "callbacks": lambda: [state.update(states) for state in content["callbacks"].values()],
        "callbacks are text": lambda: content.update(callbacks="x"),
        "hyperparameters": lambda: content.update(hyper_parameters={"_target_": "os.system"}, hparams_name="x"),
        "epoch": lambda: content.update(epoch="x", global_step=None),
        "loops": lambda: content.update(loops={"fit_loop": {"state_dict": {"x": 1}}}),
        "optimizer": lambda: content.update(optimizer_states=[{"x": 1}]),
        "rng": lambda: content.update(rng="x"),
        "sigma": lambda: content["haa"].update(score_sigma="x", sigma=10**400),
    }
    name = list(changes)[number % len(changes)]
    changes[name]()
    words: list[str]
    if name in ("callbacks", "callbacks are text", "loops", "optimizer", "rng", "epoch", "hyperparameters"):
        run = _unfinished(folder, made)
        _save(content, run / "checkpoints/last.ckpt")
        words = ["train", f"resume={run}"]
    else:
        _save(content, folder / "evil.ckpt")
        planted.picture(folder / "images/a.png", size=(32, 32))
        words = _from_checkpoint(draw, folder, folder / "evil.ckpt")
    return f"checkpoint: {name}", command.haa(words)


def _unfinished(folder: Path, made: Path) -> Path:
    run = folder / "run"
    shutil.copytree(made / "study/one", run)
    (run / "metrics.json").unlink()
    return run


def _resume(draw: Random, number: int, traps: Traps, folder: Path, made: Path) -> tuple[str, Callable[[], Any]]:
    import yaml

    run = _unfinished(folder, made)
    path = run / ".hydra/overrides.yaml"
    every = words_of_overrides(traps)
    name = list(every)[number % len(every)]
    path.write_text(yaml.safe_dump([*yaml.safe_load(path.read_text()), *every[name]]))
    return f"overrides: {name}", command.haa(["train", f"resume={run}"])


def _report(draw: Random, number: int, traps: Traps, folder: Path, made: Path) -> tuple[str, Callable[[], Any]]:
    """A run folder whose texts are markup, formulas, paths or programs."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import yaml

    root = folder / "study"
    shutil.copytree(made / "study", root, ignore=shutil.ignore_patterns("checkpoints", "pictures", ".hydra"))
    run = root / "one"
    metrics = json.loads((run / "metrics.json").read_text())
    config = yaml.safe_load((run / "config.yaml").read_text())
    markup = f"<script>alert({number})</script>"
    escape = f"../../../outside/{'PWNED'}"
    letters = "abcdefghijklm"
    laughs = "a: &a [x, x]\n" + "".join(
        f"{other}: &{other} [{f'*{one}, ' * 9}]\n" for one, other in itertools.pairwise(letters)
    )
    strange = np.empty((), dtype=object)
    strange[()] = Touch(traps.canary)
    changes: dict[str, Callable[[], Any]] = {
        "python in yaml": lambda: (run / "config.yaml").write_text(
            f'x: !!python/object/apply:os.system ["touch {traps.canary}"]'
        ),
        "laughs": lambda: (run / "config.yaml").write_text(laughs + (run / "config.yaml").read_text()),
        "markup in label": lambda: metrics.update(label=markup),
        "markup in metric": lambda: metrics["metrics"].update({markup: 0.5}),
        "markup in config": lambda: config.update(seed=markup, note=markup),
        "markup in data": lambda: config["data"].update(world=markup),
        "path in label": lambda: metrics.update(label=escape),
        "path in metric": lambda: metrics["metrics"].update({escape: 0.5}),
        "path in task": lambda: config["task"].update(name=escape, monitor=f"val/{escape}"),
        "formula": lambda: metrics["metrics"].update({'=HYPERLINK("http://x")': 0.5}),
        "interpolation": lambda: config.update(note="${oc.env:" + VARIABLE + "}", study="${oc.env:" + VARIABLE + "}"),
        "template": lambda: metrics.update(label="{{ 7*7 }}{{ self.__init__.__globals__ }}"),
        "dollars": lambda: metrics.update(label=r"$\input{/etc/passwd}$ \(x\)"),
        "pickle in maps": lambda: np.savez(run / "maps.npz", id=strange, image=strange),
        "link to a file": lambda: (
            (run / "metrics.json").unlink(),
            (run / "metrics.json").symlink_to(traps.outside / "run/metrics.json"),
        ),
        "samples": lambda: pq.write_table(
            pa.table({"id": [markup], "stimulus": [escape], escape: [0.5]}), run / "samples.parquet"
        ),
        "error": lambda: (
            (run / "metrics.json").unlink(),
            (run / "error.json").write_text(json.dumps({"error": markup})),
        ),
        "null everywhere": lambda: metrics.update(dict.fromkeys(metrics)),
        "huge": lambda: metrics["metrics"].update(accuracy=1e308, loss=-1e308),
        "curves": lambda: (run / "metrics.csv").write_text("epoch,val/accuracy\n" + "1e99,1\n" * 1000),
    }
    name = list(changes)[number % len(changes)]
    changes[name]()
    if (run / "metrics.json").is_file() and not (run / "metrics.json").is_symlink():
        (run / "metrics.json").write_text(json.dumps(metrics))
    if name not in ("python in yaml", "laughs"):
        (run / "config.yaml").write_text(yaml.safe_dump(config))

    def work() -> None:
        command.haa(["report", str(root), f"output={folder}/page"])()
        page, table = (folder / "page/index.html").read_text(), (folder / "page/summary.csv").read_text()
        if markup in page or any(cell[:1] in ("=", "+", "@") for row in csv.reader(table.splitlines()) for cell in row):
            print("IN THE PAGE")

    return f"run folder: {name}", work


def _archive(draw: Random, number: int, traps: Traps, folder: Path, made: Path) -> tuple[str, Callable[[], Any]]:
    from haa.data.care.unpack import unpack
    from haa.errors import InputError

    target = folder / "target"
    target.mkdir()
    name = list(archives.EVIL)[number % len(archives.EVIL)]
    path = archives.EVIL[name](folder, traps, target)

    def work() -> None:
        try:
            unpack(path, target)
        except InputError as error:
            raise SystemExit(f"haa: {error}") from None

    return f"archive: {name}", work


GROUPS: dict[str, tuple[int, Make]] = {
    "config": (50, _config),
    "checkpoint": (12, _content),
    "overrides": (14, _resume),
    "run folder": (12, _report),
    "archive": (12, _archive),
}
"""How many of a hundred attacks are of each kind."""


@contextmanager
def plan(seed: int, count: int, place: Path, kinds: Sequence[str]) -> Iterator[Plan]:
    """Plan ``count`` attacks, divided among the groups; see `benchmarks.torture.inputs.plan`."""
    names = list(kinds) or list(GROUPS)
    made = stores.materials(place, ["study/one", "study/two"] if "run folder" in names else ["study/one"])
    total = sum(GROUPS[name][0] for name in names)
    jobs = []
    for name in names:
        number = max(1, round(count * GROUPS[name][0] / total))
        jobs += [Chunk(name, start, min(start + 4, number)) for start in range(0, number, 4)]
    yield Plan(jobs, lambda kind, folder: cases(seed, kind, folder, made), LIMIT_S + 20)


def named(words: Sequence[str]) -> list[str]:
    """Return the groups that the words name."""
    return crew.chosen(words, list(GROUPS))


def repeat(seed: int, kind: str, number: int, place: Path) -> int:
    """Run one attack, and show what it does."""
    made = stores.materials(place, ["study/one", "study/two"])
    (place / "own").mkdir()
    outcome, where, text = cases(seed, kind, place / "own", made, show=True)(number)
    print(outcome, where, text)
    return int(outcome in crew.FAULTS)


def cases(seed: int, kind: str, place: Path, made: Path, show: bool = False) -> crew.Case:
    """Return what runs one attack of a group."""

    def run_case(number: int) -> tuple[str, str, str]:
        draw = Random(f"{seed} attack {kind} {number}")
        shutil.rmtree(place / "case", ignore_errors=True)
        own = place / "case/own"
        own.mkdir(parents=True)
        traps = Traps(place / "case/outside")
        before = traps.lay()
        name, work = GROUPS[kind][1](draw, number, traps, own, made)
        env = {VARIABLE: SECRET, "HAA_CACHE": str(own / "cache"), "TMPDIR": str(own)}
        watch = lambda: Watch([own], secret=[traps.outside])  # noqa: E731
        child = command.start(work, place / "out", own, env, watch)
        try:
            status = child.wait(LIMIT_S)
        except TimeoutError:
            return "hang", name, f"more than {LIMIT_S:.0f} s"
        outcome = _judge(child, status, own, before, traps)
        if show:
            print(name, child.said()[-4000:], sep="\n")
        return outcome[0], f"{name}: {outcome[1]}" if outcome[0] in crew.FAULTS else "", outcome[1]

    return run_case


def _judge(child: command.Child, status: int, own: Path, before: dict[str, bytes], traps: Traps) -> tuple[str, str]:
    said = child.said()
    after = traps.now()
    seen = child.out.with_suffix(".seen")
    noticed = seen.read_text().splitlines() if seen.exists() else ["it ended before it could say what it did"]
    if after != before:
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return "executed", f"changed: {', '.join(changed)}"
    if status < 0:
        return "death", f"signal {-status}"
    if noticed:
        return "executed", "; ".join(noticed[:3])
    if "IN THE PAGE" in said:
        return "executed", "its text is markup or a formula in the page"
    written = [path for path in own.rglob("*") if path.is_file() and path.name != "evil.ckpt"]
    leaks = [path for path in written if "study" not in path.parts and SECRET.encode() in path.read_bytes()]
    if leaks or SECRET in said:
        return "executed", f"the environment is in {leaks[0].relative_to(own) if leaks else 'what it says'}"
    if resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10 > crew.peak() + crew.LIMIT_BYTES:
        return "memory", "more than 2 GB"
    if "Traceback (most recent call last)" in said or "HYDRA_FULL_ERROR" in said:
        lines = [line for line in said.splitlines() if "Error" in line]
        return "raw", (lines or said.splitlines() or [""])[-1][:200]
    if "MemoryError" in said or "can't allocate memory" in said:
        return "memory", said.strip().splitlines()[-1][:200]
    return ("refused" if status else "changed"), said.strip().splitlines()[-1][:200] if said.strip() else ""
