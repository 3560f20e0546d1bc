"""What haa stores: checkpoints, run folders, caches, records of downloads, archives; damaged and read again."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.torture import command, mutate, planted
from benchmarks.torture.kinds import Kind, Prepared

_SMALL = ["epochs=1", "data.train=16", "data.val=8", "data.test=8"]
RUNS: dict[str, list[str]] = {
    "study/one": [*command.SMALL, *_SMALL],
    "study/two": [*command.SMALL, *_SMALL, "align_weight=0.5"],
    "saliency": [
        *(word for word in command.SMALL if not word.startswith(("task=", "model."))),
        *(*_SMALL, "task=saliency", "loader.transform.size=32"),
    ],
}
"""What is trained once, and damaged then: two runs of a study, and a saliency model."""


def materials(place: Path, names: Sequence[str] = tuple(RUNS)) -> Path:
    """Train some of `RUNS` in a folder; return it."""
    made = place / "made"
    made.mkdir(exist_ok=True)
    for name in names:
        words = [*RUNS[name], f"cache={made}/cache", f"hydra.run.dir={made}/{name}"]
        child = command.start(command.haa(["train", *words]), place / f"{Path(name).name}.out", place)
        if child.wait():
            raise RuntimeError(child.said()[-3000:])
    return made


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def _restorer(folder: Path) -> Callable[[], None]:
    """Return what puts a small folder back as it is now, where it has changed."""
    whole = {path: path.read_bytes() for path in _files(folder)}

    def restore() -> None:
        if {path: path.read_bytes() for path in _files(folder)} == whole:
            return
        shutil.rmtree(folder)
        for path, content in whole.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return restore


def _checkpoint(folder: Path, made: Path) -> Prepared:
    from haa import checkpoint

    path = Path(shutil.copy(made / "study/one/checkpoints/best.ckpt", folder / "a.ckpt"))
    return Prepared([path], lambda: checkpoint.read(path))


def _loaded(folder: Path, made: Path) -> Prepared:
    import torch

    from haa import checkpoint

    path = Path(shutil.copy(made / "study/one/checkpoints/best.ckpt", folder / "a.ckpt"))

    def read() -> Any:
        torch.manual_seed(0)
        module, config = checkpoint.load(path)
        return dict(module.state_dict()), str(config)

    return Prepared([path], read)


def _run_folder(folder: Path, made: Path) -> Prepared:
    from haa.reporting import collect
    from haa.reporting.arms import studies
    from haa.reporting.compare import rows

    root = folder / "study"
    shutil.copytree(made / "study", root, ignore=shutil.ignore_patterns("checkpoints", "pictures", ".hydra"))

    def read() -> Any:
        runs = collect.collect([root])
        found = [(run.summary, run.config, run.history, run.samples, run.settings, run.validation) for run in runs]
        told = [str(run.error) for run in collect.unfinished([root])]
        compared = [str(rows(study, study.metric)) for study in studies(runs, None, collect.unfinished([root]))]
        return found, told, compared

    return Prepared(_files(root / "one"), read)


def _page(folder: Path, made: Path) -> Prepared:
    from haa.reporting.page import write

    root = folder / "study"
    shutil.copytree(made / "study", root, ignore=shutil.ignore_patterns("checkpoints", "pictures", ".hydra"))

    def read() -> str:
        write([root], folder / "page")
        return (folder / "page/summary.csv").read_text()

    return Prepared(_files(root / "one"), read, lambda: shutil.rmtree(folder / "page", ignore_errors=True))


def _maps(folder: Path, made: Path) -> Prepared:
    from haa.run_folder import Maps

    path = Path(shutil.copy(made / "study/one/maps.npz", folder / "maps.npz"))
    return Prepared([path], lambda: vars(Maps.load(path)))


def _config(folder: Path, made: Path) -> Prepared:
    from haa.run_folder import read_config

    path = folder / "config.yaml"
    lines = (made / "study/one/config.yaml").read_text().splitlines()
    path.write_text("\n".join(lines[:40]) + "\n")
    return Prepared([path], lambda: read_config(path))


def _index(folder: Path, made: Path) -> Prepared:
    root, cache = folder / "data", folder / "cache"
    reader = planted.folder(root)

    def read() -> Any:
        opened = [reader(root, split=split, cache=cache) for split in ("train", "val", "test")]
        return [([data.record(i) for i in range(len(data))], dict(data.identity()), data.classes) for data in opened]

    read()
    return Prepared(_files(cache), read, _restorer(cache))


def _features(folder: Path, made: Path) -> Prepared:
    import torch

    from haa.data.loading.feature_cache import cached_features
    from haa.data.loading.transforms import Transform

    reader = planted.ecssd(folder / "data")
    dataset, transform = reader(folder / "data", split="train", cache=folder / "index"), Transform(size=(8, 8))
    torch.manual_seed(0)
    backbone = torch.nn.Conv2d(3, 2, 3, padding=1)
    backbone.frozen = True  # type: ignore[assignment]

    def read() -> Any:
        cache = cached_features(dataset, backbone, transform, folder / "cache", flip=True)
        count = range(len(dataset))
        values = [(cache.features(i), cache.features(i, flip=True), cache.image(i)) for i in count]
        return values, [cache.native_size(i) for i in count]

    read()
    return Prepared(_files(folder / "cache"), read, _restorer(folder / "cache"))


def _predicted(folder: Path, made: Path) -> Prepared:
    from haa.predict.cache import predicted_maps

    reader = planted.ecssd(folder / "data")
    dataset = reader(folder / "data", split="train", cache=folder / "index")
    path = made / "saliency/checkpoints/best.ckpt"

    def read() -> Any:
        maps = predicted_maps(path, dataset, folder / "cache")
        return [(maps.map(i), maps.size(i)) for i in range(len(dataset))]

    read()
    return Prepared(_files(folder / "cache"), read, _restorer(folder / "cache"))


def _archive(name: str, folder: Path, made: Path) -> Prepared:
    from haa.data.care.unpack import unpack

    content = {f"images/{n}.txt": np.random.default_rng(n).bytes(300) for n in range(3)}
    path, target = folder / name, folder / "target"
    target.mkdir()
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in content.items():
                archive.writestr(member, data)
    else:
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as tar:
            for member, data in content.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    def read() -> Any:
        unpack(path, target)
        return {str(found.relative_to(target)): found.read_bytes() for found in _files(target)}

    def reset() -> None:
        shutil.rmtree(target)
        target.mkdir()

    return Prepared([path], read, reset)


def _record(folder: Path, made: Path) -> Prepared:
    import hashlib

    from haa.data.care.get import RECORD, get
    from haa.data.care.sources import File

    address = "http://127.0.0.1:9"  # where nothing listens: what has to be fetched anew is refused
    sources = {"x": [File(f"{address}/{name}", 100) for name in ("a.jpg", "b.jpg")]}
    record = {}
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(name.encode() * 20)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        record[f"{address}/{name}"] = {"sha256": digest, "bytes": 100}
    planted.text(folder / RECORD, record)

    def read() -> Any:
        get("x", folder, sources)
        return [(folder / name).read_bytes() for name in ("a.jpg", "b.jpg")]

    return Prepared([folder / RECORD], read)


KINDS: dict[str, Kind] = {
    "checkpoint": Kind(15_000, _checkpoint, checked=True),
    "checkpoint loaded": Kind(500, _loaded, checked=True),
    "run folder": Kind(10_000, _run_folder),
    "page of a report": Kind(200, _page),
    "maps of a run": Kind(20_000, _maps, checked=True),
    "config of a run": Kind(20_000, _config, mutate=mutate.of_text),
    "index": Kind(3_000, _index, checked=True),
    "features": Kind(5_000, _features, checked=True),
    "predicted gaze": Kind(2_000, _predicted, checked=True),
    "archive zip": Kind(20_000, partial(_archive, "a.zip"), checked=True),
    "archive tgz": Kind(20_000, partial(_archive, "a.tgz"), checked=True),
    "archive tar": Kind(10_000, partial(_archive, "a.tar")),
    "record of downloads": Kind(3_000, _record),
}

FROM_RUNS = [name for name in KINDS if not name.startswith(("archive", "record", "index", "features"))]
"""Kinds for which something has to be trained first."""
