"""Kills at random moments: the same work goes on afterwards, and its results equal those of an undisturbed one.

Four of five are SIGKILL, which nothing can catch; the others are SIGTERM and SIGINT, after which the exit status must
not be 0 where the work is not done.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.torture import command, crew, planted, server, stores
from benchmarks.torture.crew import Chunk, Plan
from benchmarks.torture.inputs import same

LIMIT_S = 240.0
SIGNALS = [signal.SIGKILL] * 8 + [signal.SIGTERM, signal.SIGINT]


@dataclass(frozen=True)
class Work:
    """Something that is killed.

    Args:
        share: How many of a hundred kills it gets.
        begin: From a folder and the materials, what runs it.
        go_on: What goes on with it where it was cut off.
        result: What came of it, to be compared.
        done: Whether it was over.
    """

    share: int
    begin: Callable[[Path, Path], Callable[[], None]]
    go_on: Callable[[Path, Path], Callable[[], None]]
    result: Callable[[Path, Path], Any]
    done: Callable[[Path], bool]


def _train(folder: Path, made: Path) -> Callable[[], None]:
    words = [*command.SMALL, "align_weight=0.5", f"cache={made}/cache", f"hydra.run.dir={folder}/run"]
    return command.haa(["train", *words])


def _resume(folder: Path, made: Path) -> Callable[[], None]:
    from haa.run_folder import RunFolder

    if RunFolder(folder / "run").resumable and not (folder / "run/metrics.json").is_file():
        return command.haa(["train", f"resume={folder}/run"])
    return _train(folder, made)


def _results(root: Path) -> dict[str, Any]:
    """Return metrics and values per sample of every run below a folder."""
    import pyarrow.parquet as pq

    return {
        str(path.parent.relative_to(root)): (
            json.loads(path.read_text())["metrics"],
            pq.read_table(path.parent / "samples.parquet").to_pydict(),
        )
        for path in sorted(root.rglob("metrics.json"))
    }


def _study(folder: Path, made: Path) -> Callable[[], None]:
    words = [*command.SMALL, "epochs=1", "seed=0,1", f"cache={made}/cache", f"hydra.sweep.dir={folder}/study"]
    return command.haa(["train", "-m", *words])


def _predict(folder: Path, made: Path) -> Callable[[], None]:
    for number in range(12):
        if not (made / f"images/{number}.png").is_file():
            planted.picture(made / f"images/{number}.png", size=(160, 120))
    words = [f"checkpoint={made}/study/one/checkpoints/best.ckpt", f"images={made}/images", "question=what?"]
    return command.haa(["predict", *words, f"output={folder}/maps", "batch_size=1"])


def _tree(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder but for those that begin with a dot: what a kill leaves is named so."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    parts = {path: path.relative_to(folder).parts for path in files}
    kept = [path for path in files if not any(part.startswith(".") or part.endswith(".lock") for part in parts[path])]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def _pictures(made: Path) -> Path:
    root = made / "pictures"
    if not root.is_dir():
        partial_root = made / f"pictures.{os.getpid()}"
        for number in range(60):
            planted.picture(partial_root / f"images/{number}.png", size=(64, 48))
        rows = "".join(f"{number}.png,{number % 64},5\n" for number in range(60))
        planted.text(partial_root / "fixations.csv", f"image,x,y\n{rows}")
        partial_root.rename(root)
    return root


def _opened(folder: Path, made: Path) -> list[Any]:
    from haa.data.readers.folder import Folder

    return [Folder(_pictures(made), split, cache=folder / "index") for split in ("train", "val", "test")]


def _index(folder: Path, made: Path) -> Callable[[], None]:
    _pictures(made)
    return lambda: (_opened(folder, made), None)[1]


def _rows(folder: Path, made: Path) -> Any:
    return [([data.record(i) for i in range(len(data))], dict(data.identity())) for data in _opened(folder, made)]


def _cached(folder: Path, made: Path) -> Any:
    import torch

    from haa.data.loading.feature_cache import cached_features
    from haa.data.loading.transforms import Transform

    torch.manual_seed(0)
    backbone = torch.nn.Conv2d(3, 4, 3, padding=1)
    backbone.frozen = True  # type: ignore[assignment]
    dataset = _opened(folder, made)[0]
    return cached_features(dataset, backbone, Transform(size=(32, 32)), folder / "features", batch_size=1), len(dataset)


def _features(folder: Path, made: Path) -> Callable[[], None]:
    _opened(folder, made)
    return lambda: (_cached(folder, made), None)[1]


def _feature_rows(folder: Path, made: Path) -> Any:
    cache, count = _cached(folder, made)
    return [(cache.features(i), cache.image(i), cache.native_size(i)) for i in range(count)]


def _download(folder: Path, made: Path) -> Callable[[], None]:
    from haa.data.care.get import get
    from haa.data.care.sources import File

    address = (made / "address").read_text()
    sources = {"x": [File(f"{address}/{name}", len(content), to="in") for name, content in server.files().items()]}
    return lambda: get("x", folder / "root", sources)


def _never(folder: Path) -> bool:
    return False


WORK: dict[str, Work] = {
    "train": Work(34, _train, _resume, lambda f, m: _results(f / "run"), lambda f: (f / "run/metrics.json").is_file()),
    "study": Work(14, _study, _study, lambda f, m: _results(f / "study"), lambda f: len(_results(f / "study")) == 2),
    "predict": Work(14, _predict, _predict, lambda f, m: _tree(f / "maps"), lambda f: len(_tree(f / "maps")) == 13),
    "index": Work(12, _index, _index, _rows, _never),
    "features": Work(12, _features, _features, _feature_rows, _never),
    "download": Work(14, _download, _download, lambda f, m: _tree(f / "root"), _never),
}


@contextmanager
def plan(seed: int, count: int, place: Path, kinds: Sequence[str]) -> Iterator[Plan]:
    """Plan ``count`` kills, divided among the kinds of work; see `benchmarks.torture.inputs.plan`."""
    names = list(kinds) or list(WORK)
    made = stores.materials(place, ["study/one"] if "predict" in names else [])
    with server.serving(made / "address"):
        for name in names:
            undisturbed(name, place, made)
        total = sum(WORK[name].share for name in names)
        jobs = []
        for name in names:
            number = max(1, round(count * WORK[name].share / total))
            jobs += [Chunk(name, start, min(start + 2, number)) for start in range(0, number, 2)]
        jobs.sort(key=lambda chunk: chunk.start)
        yield Plan(jobs, lambda kind, folder: cases(seed, kind, folder, made), LIMIT_S)


def named(words: Sequence[str]) -> list[str]:
    """Return the kinds of work that the words name."""
    return crew.chosen(words, list(WORK))


def repeat(seed: int, kind: str, number: int, place: Path) -> int:
    """Kill once, and show what it does; the moment is the same as far as the machine is as fast."""
    made = stores.materials(place, ["study/one"] if kind == "predict" else [])
    with server.serving(made / "address"):
        undisturbed(kind, place, made)
        (place / "own").mkdir()
        outcome, where, text = cases(seed, kind, place / "own", made, show=True)(number)
    print(outcome, where, text)
    return int(outcome in crew.FAULTS)


@dataclass(frozen=True)
class Undisturbed:
    """What the work gives when nothing disturbs it.

    Args:
        seconds: How long it takes.
        size: Bytes of all files that it writes.
        largest: Bytes of the largest of them.
        result: See `Work`.
    """

    seconds: float
    size: int
    largest: int
    result: Any


def undisturbed(name: str, place: Path, made: Path) -> None:
    """Do the work once, and keep what came of it for `expected`."""
    folder = place / f"undisturbed {name}"
    folder.mkdir()
    began = time.monotonic()
    _finish(command.start(lambda: WORK[name].begin(folder, made)(), place / f"{name}.out", folder), name)
    seconds = time.monotonic() - began
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]

    def keep() -> None:
        content = Undisturbed(seconds, sum(sizes), max(sizes), WORK[name].result(folder, made))
        (made / f"{name}.result").write_bytes(pickle.dumps(content))

    _finish(command.start(keep, place / f"{name}.out", place), name)


def expected(name: str, made: Path) -> Undisturbed:
    """Return what `undisturbed` kept."""
    return pickle.loads((made / f"{name}.result").read_bytes())


def _finish(child: command.Child, name: str) -> None:
    if child.wait(LIMIT_S):
        raise RuntimeError(f"{name}, undisturbed:\n{child.said()[-3000:]}")


def _told(work: Callable[[Path, Path], Callable[[], None]], folder: Path, made: Path) -> Callable[[], None]:
    return lambda: command.told(lambda: work(folder, made)())


def cases(seed: int, name: str, place: Path, made: Path, show: bool = False) -> crew.Case:
    """Return what kills once."""
    work = WORK[name]
    whole = expected(name, made)
    took = whole.seconds

    def run_case(number: int) -> tuple[str, str, str]:
        draw = Random(f"{seed} kill {name} {number}")
        kind = draw.choice(SIGNALS)
        for attempt in range(6):
            shutil.rmtree(place / "work", ignore_errors=True)
            folder = place / "work"
            folder.mkdir()
            moment = draw.uniform(0, 0.9**attempt) * took
            child = command.start(_told(work.begin, folder, made), place / "killed.out", folder)
            time.sleep(moment)
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                continue  # it was over: sooner, next time
            os.kill(child.pid, kind)
            status = child.wait(60)
            if kind == signal.SIGKILL or status:
                break
            if not work.done(folder) and work.done is not _never:
                return "wrong", f"{kind.name}: exit status 0", f"after {moment:.2f} s: {child.said()[-300:]}"
        if show:
            print(f"{kind.name} after {moment:.3f} s: status {status}", child.said()[-2000:], sep="\n")
        again = command.start(_told(work.go_on, folder, made), place / "again.out", folder)
        status = again.wait(LIMIT_S / 2)
        if show:
            print(f"again: status {status}", again.said()[-3000:], sep="\n")
        how = f"{kind.name} after {moment:.2f} s of {took:.2f}"
        if status and not (work.done(folder) and "finished" in again.said()):
            return "raw", f"cannot go on after {kind.name}", f"{how}: {again.said()[-400:]}"
        equal = same(work.result(folder, made), whole.result)
        return ("same", "", "") if equal else ("wrong", f"other results after {kind.name}", how)

    return run_case
