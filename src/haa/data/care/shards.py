"""Command `haa data unpack`: from files that hold image, map and label of samples to plain files, for data=folder."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from haa.data.files.listing import files_below
from haa.data.files.tfrecord import ENDINGS, read_examples
from haa.data.splits import pool_called, published
from haa.disk import built_new, check_new, make_folder, write_whole
from haa.disk.bounded import read_arrays
from haa.errors import InputError, writing
from haa.printing.console import Console
from haa.printing.progress import progress

NAMES = {"image": "image", "map": "heatmap", "label": "label"}
"""What ClickMe's files call the parts of a sample."""

_PICTURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
_CURE = "fetch it again"


def unpack_samples(shards: Sequence[Path], output: Path, names: Mapping[str, str] = NAMES) -> None:
    """Write the samples of record files and ``.npz`` files as ``images``, ``maps``, ``labels.csv`` and ``splits.csv``.

    A TFRecord (``train-0.tfrecords``) holds many samples, ``image`` and ``heatmap`` as JPEG or PNG, which are written
    as they are. An ``.npz`` file holds one: arrays ``image`` (h, w, 3) of whole numbers from 0 to 255, written as PNG,
    and ``heatmap`` (h, w), written as ``.npy``. ``label`` is a whole number. A sample without a map stays without one.

    The word of a split in the name of a shard, or else of its folder, is its split. Where the test part is not
    published, validation is the test split, and train is divided (`haa.data.splits.published`).

    The layout of ClickMe's files is that of its publishers' loaders; it was not tried on the published files.

    Args:
        shards: The files, or folders of them.
        output: New folder.
        names: What the files call ``image``, ``map`` and ``label``.

    Raises:
        InputError: If a file is damaged or holds no such samples, or the output is there already.

    Reference:
        D. Linsley, D. Shiebler, S. Eberhardt, T. Serre. Learning what and where to attend. ICLR 2019; T. Fel et al.
        Harmonizing the object recognition strategies of deep neural networks with humans. NeurIPS 2022.
    """
    files = _files(shards)
    check_new(output)
    labels, splits = [["image", "label"]], [["image", "split"]]
    pools = published(pool for file in files if (pool := _pool(file)))
    counts: Counter[str] = Counter()
    with built_new(output) as folder, progress() as bar:
        for file in bar.track(files, description="unpacking"):
            pool = _pool(file)
            for name, sample in _samples(file, names):
                image = _write(folder / "images" / name, sample[names["image"]], f"{file}: {names['image']}")
                counts["samples"] += 1
                if sample.get(names["map"]) is None:
                    counts["without a map"] += 1
                else:
                    _write(folder / "maps" / name, sample[names["map"]], f"{file}: {names['map']}", is_map=True)
                path = image.relative_to(folder / "images").as_posix()
                if sample.get(names["label"]) is None:
                    counts["without a label"] += 1
                else:
                    labels.append([path, str(sample[names["label"]])])
                if pool is not None and pools[pool] is not None:
                    splits.append([path, str(pools[pool])])
        if not counts:
            raise InputError(f"{files[0]} holds no sample: name the files that do")
        for table, rows in (("labels.csv", labels), ("splits.csv", splits)):
            if len(rows) > 1:
                write_whole(folder / table, _csv(rows))
    said = ", ".join(f"{number} {what}" for what, number in counts.items())
    Console().print(f"{said}; of {len(files)} files", soft_wrap=True)
    Console().print(f"next: haa data check data=folder data.root={output}", soft_wrap=True)


def _files(shards: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in shards:
        below = files_below(path, (*ENDINGS, ".npz")) if path.is_dir() else [path]
        if not below:
            raise InputError(f"{path} holds no {', '.join(ENDINGS)} or .npz: name the files")
        found += below
    names = Counter(map(_called, found))
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"two of the files are called {twice[0]}: unpack them into folders of their own")
    return found


def _samples(file: Path, names: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the samples of a file, each with the path that its files get, without their endings."""
    if file.suffix.lower() == ".npz":
        held = read_arrays(file, _CURE)
        _check(held, names, str(file))
        yield _called(file), _labelled({**held}, names, str(file))
        return
    if file.suffix.lower() not in ENDINGS:
        raise InputError(f"{file} is none of {', '.join(ENDINGS)}, .npz: these are unpacked")
    for number, example in enumerate(read_examples(file)):
        where = f"{file}, record {number}"
        _check(example, names, where)
        values = {key: found[0] for key, found in example.items() if len(found) == 1 and found[0] != b""}
        yield f"{_called(file)}_records/{number:05}", _labelled(values, names, where)


def _check(held: Mapping[str, Any], names: Mapping[str, str], where: str) -> None:
    if names["image"] not in held:
        raise InputError(f"{where} has no {names['image']}, but {', '.join(held) or 'nothing'}: name it by image=...")


def _labelled(sample: dict[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    key = names["label"]
    if names["image"] not in sample:
        raise InputError(f"{where}: its {names['image']} is empty: {_CURE}")
    if key in sample:
        value = np.asarray(sample[key])
        if value.size != 1 or value.dtype.kind not in "iuf" or not 0 <= value.item() == value.item() // 1 < 1 << 53:
            raise InputError(f"{where}: its {key} is no whole number from 0: name it by label=..., or {_CURE}")
        sample[key] = int(value.item())
    return sample


def _write(path: Path, value: Any, where: str, is_map: bool = False) -> Path:
    """Write an image or a map, and return its path with the ending; the folder as a whole is there or not at all."""
    file = io.BytesIO()
    if isinstance(value, np.ndarray) and is_map:
        np.save(file, value, allow_pickle=False)
        ending: str | None = ".npy"
    elif isinstance(value, np.ndarray):
        Image.fromarray(_pixels(value, where)).save(file, "PNG")
        ending = ".png"
    else:
        content = value if isinstance(value, bytes) else b""
        file.write(content)
        ending = next((ending for start, ending in _PICTURES.items() if content.startswith(start)), None)
    if ending is None:
        raise InputError(f"{where} is no JPEG or PNG: write its values into .npz files, an image and its map in each")
    path = path.with_name(path.name + ending)
    make_folder(path.parent)
    with writing(path):
        path.write_bytes(file.getbuffer())
    return path


def _pixels(values: np.ndarray, where: str) -> np.ndarray:
    values = values.squeeze() if values.ndim > 3 else values
    shape = values.shape
    if values.dtype.kind not in "iuf" or not values.size or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise InputError(f"{where} holds {values.dtype} of shape {shape}: an image is (height, width, 3) numbers")
    if values.dtype != np.uint8:
        # shares from 0 to 1, and what was normalised, are not told from nearly black
        known = np.isfinite(values).all() and values.min() >= 0 and 1 < values.max() <= 255
        if not known or (values != np.round(values)).any():
            raise InputError(f"{where} holds numbers whose range nothing says ({values.dtype}): save it as uint8")
    return values.astype(np.uint8)


def _group(file: Path) -> str:
    return file.resolve().parent.name


def _called(file: Path) -> str:
    return f"{_group(file)}_{file.stem}"


def _pool(file: Path) -> str | None:
    """Return the split of which a file is, by a word of its own name, else of its folder's."""
    for name in (file.stem, _group(file)):
        pools = {pool for word in re.split(r"[^A-Za-z]+", name) if (pool := pool_called(word))}
        if len(pools) == 1:
            return pools.pop()
    return None


def _csv(rows: Sequence[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
