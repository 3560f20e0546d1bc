"""Kinds of single files that are damaged, and how haa reads each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.torture import mutate, planted


@dataclass
class Prepared:
    """What a worker has of a kind: files to damage, and a way to read them.

    Args:
        files: The files, which are damaged one at a time.
        read: Returns what haa makes of them, to be compared.
        reset: Puts everything back that ``read`` may have changed, beside the files.
        same: Says of what was read, and of what was read undamaged, whether they are the same.
    """

    files: list[Path]
    read: Callable[[], Any]
    reset: Callable[[], None] = lambda: None
    good: dict[Path, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.good = {path: path.read_bytes() for path in self.files}


Mutate = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Args:
        share: How many of a million cases it gets: cheap ones more.
        prepare: Lays the files into an empty folder. Its second argument holds what is made once (`materials`).
        checked: Whether a checksum could know that the content is another one.
        mutate: How a file is damaged; None goes by its ending.
    """

    share: int
    prepare: Callable[[Path, Path], Prepared]
    checked: bool = False
    mutate: Mutate | None = None

    def damage(self, path: Path, content: bytes, draw: Random) -> bytes:
        """Return the content with a fault."""
        return (self.mutate or BY_ENDING.get(path.suffix.lower(), mutate.of_bytes))(content, draw)


BY_ENDING: dict[str, Mutate] = {
    ".json": mutate.of_json,
    ".csv": mutate.of_lines,
    ".txt": mutate.of_lines,
    ".yaml": mutate.of_text,
    ".token": mutate.of_lines,
}


def _picture(ending: str, mode: str, options: dict[str, Any], folder: Path, made: Path) -> Prepared:
    from haa.data.files.image import image_size, read_image, read_map, read_mask

    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 65535 if mode == "I;16" else 255, (12, 16) if mode != "RGB" else (12, 16, 3))
    image = Image.fromarray(pixels.astype(np.uint16 if mode == "I;16" else np.uint8))
    path = folder / f"a.{ending}"
    (image.convert("P") if mode == "P" else image).save(path, **options)

    def read() -> Any:
        colours = image_size(path), read_image(path).numpy()
        # noise in colours is neither a map nor a mask
        return colours if mode in ("RGB", "P") else (*colours, read_map(path).numpy(), read_mask(path).numpy())

    return Prepared([path], read)


def _map(name: str, folder: Path, made: Path) -> Prepared:
    from haa.data.files.density import read_density

    values = np.random.default_rng(0).random((12, 16))
    write: dict[str, Callable[[Path], None]] = {
        "a.npy": lambda path: np.save(path, values),
        "a.npz": lambda path: np.savez(path, image=np.zeros((12, 16, 3), np.uint8), heatmap=values, label=3),
        "b.npz": lambda path: np.savez_compressed(path, values.astype(np.float32)),
    }
    write[name](folder / name)
    return Prepared([folder / name], lambda: read_density(folder / name).numpy())


def _records(folder: Path, made: Path) -> Prepared:
    from haa.data.files.tfrecord import read_examples
    from haa.errors import InputError

    path = planted.record(folder / "a.tfrecords")

    def read() -> Any:
        if not (found := list(read_examples(path))):
            raise InputError(f"{path} holds no sample: name the files that do")
        return found

    return Prepared([path], read)


def _json(folder: Path, made: Path) -> Prepared:
    from haa.data.files.json_file import read_json

    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "é"}], "n": 1.5}
    path = planted.text(folder / "a.json", content)
    return Prepared([path], lambda: read_json(path, ["images"]))


def _table(folder: Path, made: Path) -> Prepared:
    from haa.data.files.table import number, read_table

    path = planted.text(folder / "a.csv", 'image,x,y,text\na.png,7,5,"one, two"\nb.png,0.25,3,é\nc.png,1,1,$5\n')
    return Prepared([path], lambda: [(row, number(row, "x", at)) for at, row in read_table(path, ["image", "x"])])


def _mat(folder: Path, made: Path) -> Prepared:
    from haa.data.files.matlab import read_mat

    entries = [
        {"img": f"{n}.jpg", "x": np.arange(4.0), "subjects": planted.cell([{"t": [1, 2]}] * 2)} for n in range(3)
    ]
    path = planted.mat(folder / "a.mat", fixations=planted.cell(entries))
    return Prepared([path], lambda: read_mat(path, "fixations", "OSIE's"))


def _mat_compressed(folder: Path, made: Path) -> Prepared:
    import scipy.io

    from haa.data.files.matlab import read_mat

    path = folder / "a.mat"
    scipy.io.savemat(path, {"s": np.arange(60).reshape(20, 3), "t": ["one", "two"]}, do_compression=True)
    return Prepared([path], lambda: read_mat(path, "s", "OMRON's"))


def _pickle(folder: Path, made: Path) -> Prepared:
    from haa.data.readers.capgaze import read_pickle

    planted.capgaze(folder)
    path = folder / "gaze/ann/a.npy"
    return Prepared([path], lambda: read_pickle(path))


def _video(ending: str, codec: str, folder: Path, made: Path) -> Prepared:
    from haa.data.files.video import Video

    path = planted.video(folder / f"a.{ending}", codec=codec)

    def read() -> Any:
        video = Video(path)
        return video.size, video.times, video.frames([0, len(video) - 1]).numpy()

    return Prepared([path], read)


def _reader(name: str, folder: Path, made: Path) -> Prepared:
    import shutil

    root, cache = folder / "data", folder / "cache"
    root.mkdir()
    reader = planted.READERS[name](root)

    def read() -> Any:
        found = []
        for split in ("train", "val", "test"):
            data = reader(root, split=split, cache=cache)
            found.append([data[index] for index in range(min(2, len(data)))])
        return found

    files = sorted(path for path in root.rglob("*") if path.is_file())
    # pictures have a kind of their own: annotations come first here
    annotations = [path for path in files if path.suffix not in (".jpg", ".jpeg", ".png")]
    return Prepared(annotations * 3 + files, read, lambda: shutil.rmtree(cache, ignore_errors=True))


PICTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "png": ("png", "RGB", {}),
    "png grey": ("png", "L", {}),
    "png palette": ("png", "P", {}),
    "png 16 bit": ("png", "I;16", {}),
    "jpeg": ("jpg", "RGB", {}),
    "jpeg progressive": ("jpg", "RGB", {"progressive": True}),
    "gif": ("gif", "P", {}),
    "bmp": ("bmp", "RGB", {}),
    "ppm": ("ppm", "RGB", {}),
    "tiff": ("tif", "RGB", {}),
    "tiff 16 bit": ("tif", "I;16", {}),
    "tiff lzw": ("tif", "RGB", {"compression": "tiff_lzw"}),
    "tiff deflate": ("tif", "L", {"compression": "tiff_adobe_deflate"}),
    "webp": ("webp", "RGB", {"quality": 80}),
    "webp lossless": ("webp", "RGB", {"lossless": True}),
}

KINDS: dict[str, Kind] = {
    # a PNG carries checksums, which Pillow verifies; other pictures carry none
    **{
        name: Kind(36_000, partial(_picture, *picture), checked=name.startswith("png"))
        for name, picture in PICTURES.items()
    },
    "map npy": Kind(20_000, partial(_map, "a.npy")),
    # every member of a zip has a checksum, and every record; an .npy has none
    "map npz": Kind(20_000, partial(_map, "a.npz"), checked=True),
    "map npz compressed": Kind(20_000, partial(_map, "b.npz"), checked=True),
    "tfrecord": Kind(20_000, _records, checked=True),
    "json": Kind(150_000, _json),
    "table": Kind(150_000, _table),
    "mat": Kind(8_000, _mat),
    "mat compressed": Kind(4_000, _mat_compressed),
    "pickle": Kind(60_000, _pickle),
    "video mp4": Kind(4_000, partial(_video, "mp4", "mpeg4")),
    "video avi": Kind(4_000, partial(_video, "avi", "mpeg4")),
    "video h264": Kind(2_000, partial(_video, "mp4", "libx264")),
    "video webm": Kind(1_000, partial(_video, "webm", "libvpx")),
    **{f"reader {name}": Kind(600, partial(_reader, name)) for name in planted.READERS},
}
