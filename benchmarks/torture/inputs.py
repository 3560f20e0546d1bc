"""A million damaged inputs: each is refused in one line, or read; nothing runs, dies, hangs or fills the memory."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.torture import crew, exports, stores
from benchmarks.torture.crew import Chunk, Plan
from benchmarks.torture.kinds import KINDS, Kind, Prepared
from benchmarks.torture.watch import Watch

ALL: dict[str, Kind] = {**KINDS, **exports.KINDS, **stores.KINDS}


@contextmanager
def plan(seed: int, count: int, place: Path, kinds: Sequence[str]) -> Iterator[Plan]:
    """Plan to damage ``count`` inputs, divided among the kinds by their shares.

    Args:
        seed: A case is drawn from it, its kind and its number alone.
        count: Number of cases.
        place: Folder to work in.
        kinds: Names of kinds; none is all.
    """
    made = _materials(kinds or list(ALL), place)
    yield Plan(chunks(count, kinds or list(ALL)), lambda kind, folder: cases(seed, kind, folder, made))


def _materials(kinds: Sequence[str], place: Path) -> Path:
    return stores.materials(place, list(stores.RUNS) if any(name in stores.FROM_RUNS for name in kinds) else [])


def named(words: Sequence[str]) -> list[str]:
    """Return the kinds that the words name; a ``*`` at the end of one stands for any rest."""
    return crew.chosen(words, list(ALL))


def repeat(seed: int, kind: str, number: int, place: Path) -> int:
    """Run one case in this process, and show what it does."""
    made = _materials([kind], place)
    (place / "own").mkdir()
    outcome, where, text = cases(seed, kind, place / "own", made, show=True)(number)
    print(outcome, where, text)
    return int(outcome in crew.FAULTS)


def chunks(count: int, kinds: Sequence[str]) -> Iterator[Chunk]:
    """Yield the cases of all kinds, in turns, so that every kind has had its part when time is up."""
    total = sum(ALL[kind].share for kind in kinds)
    wanted = {kind: max(1, round(count * ALL[kind].share / total)) for kind in kinds}
    turns = max(1, min(10, count // 2000))
    for turn in range(turns):
        for kind, number in wanted.items():
            start, stop = number * turn // turns, number * (turn + 1) // turns
            if start < stop:
                yield Chunk(kind, start, stop)


def cases(seed: int, name: str, folder: Path, made: Path, show: bool = False) -> crew.Case:
    """Return what runs one case of a kind, in this process; ``show`` raises what goes wrong."""
    warnings.simplefilter("ignore")
    kind = ALL[name]
    prepared = kind.prepare(folder, made)
    whole = prepared.read()
    assert same(prepared.read(), whole), f"{name}: two undamaged readings differ"
    prepared.reset()
    watch = Watch([folder.parent, made], allowed=_expected)

    def run_case(number: int) -> tuple[str, str, str]:
        draw = Random(f"{seed} {name} {number}")
        path = draw.choice(prepared.files)
        path.write_bytes(kind.damage(path, prepared.good[path], draw))
        watch.armed = True
        try:
            outcome = crew.attempt(lambda: _accepted(kind, same(prepared.read(), whole)))
            if show:
                _show(prepared, path)
        finally:
            watch.armed = False
            _put_back(prepared, path)
        if watch.seen:
            outcome = ("executed", watch.seen[0][:80], "; ".join(watch.seen[:3]))
            watch.seen.clear()
        where = f"{outcome[1]} <- {path.relative_to(folder)}" if outcome[0] in crew.FAULTS else ""
        return outcome[0], where if len(prepared.files) > 1 else outcome[1], outcome[2]

    return run_case


def _show(prepared: Prepared, path: Path) -> None:
    print(f"{path.name}: {path.read_bytes()[:3000]!r}")
    try:
        print(str(prepared.read())[:3000])
    except BaseException:
        traceback.print_exc()


def _accepted(kind: Kind, equal: bool) -> str:
    return "same" if equal else "wrong" if kind.checked else "changed"


def _put_back(prepared: Prepared, path: Path) -> None:
    path.write_bytes(prepared.good[path])
    prepared.reset()


def _expected(args: Any) -> bool:
    """Matlab's files are read in a process of their own; what is not recorded is fetched, where nothing listens."""
    return "haa.data.files" in str(args) or "127.0.0.1" in str(args)


def same(one: Any, other: Any) -> bool:
    """Return whether two readings are equal, to the last bit; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "numpy"):
        return one.dtype == other.dtype and same(one.detach().numpy(), other.detach().numpy())
    if isinstance(one, np.ndarray):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return one.tolist() == other.tolist() if one.dtype.hasobject else one.tobytes() == other.tobytes()
    if hasattr(one, "__dict__") and not isinstance(one, type) and type(one).__module__.startswith("haa."):
        return same(vars(one), vars(other))
    return bool(one == other) or one != one
