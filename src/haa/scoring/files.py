"""Maps as they lie in a folder or in an HDF5 file, by name; read, checked, and brought to their stimulus' size.

What a file means is decided as everywhere (`haa.data.files.picture`, `haa.data.files.density`): a grey picture of 8 or
16 bits or of floats, ``.npy``, ``.npz``, ``.mat`` of any version, HDF5. A map of another size than its stimulus is
resized as pysaliency's ``ResizingSaliencyMapModel`` does: bilinear, the outermost pixels of both lying on each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from haa.data.files import hdf5
from haa.data.files.density import ARRAYS, as_map, chosen, read_numbers
from haa.data.files.listing import composed, files_below
from haa.errors import InputError
from haa.gaze import Size

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm")
SUFFIXES = (*PICTURES, *ARRAYS, ".mat", *hdf5.SUFFIXES)
"""Endings of files that hold a map."""


@dataclass(frozen=True)
class MapFile:
    """Where one map lies: a file, or one of the maps of an HDF5 file.

    Args:
        path: The file.
        member: Name of the map within it; None where the file holds one map.
    """

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    def numbers(self) -> NDArray[np.generic]:
        """Return the map's numbers ``(h, w)`` as the file has them.

        Raises:
            InputError: If it cannot be read, or is no map.
        """
        suffix = self.path.suffix.lower()
        if self.member is not None:
            return as_map(hdf5.read_array_named(self.path, self.member), self)
        if suffix in hdf5.SUFFIXES:
            name = chosen(hdf5.array_names(self.path), self)
            return as_map(hdf5.read_array_named(self.path, name), self)
        if suffix == ".mat":
            return as_map(hdf5.read_matrix_named(self.path, chosen(hdf5.matrix_names(self.path), self)), self)
        return read_numbers(self.path)


def maps_in(place: Path) -> dict[str, MapFile]:
    """Return the maps in a folder, at any depth, or in an HDF5 file, by their path below it without the ending.

    Raises:
        InputError: If there is no such folder or file, it holds no map, or two of one name.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> np.save(folder / "1001.npy", np.ones((2, 2)))
        >>> list(maps_in(folder))
        ['1001']
    """
    if place.is_file() and place.suffix.lower() in hdf5.SUFFIXES:
        found = [(plain_stem(name), MapFile(place, name)) for name in hdf5.array_names(place)]
    elif place.is_dir():
        files = files_below(place, SUFFIXES)
        found = [(plain_stem(path.relative_to(place).as_posix()), MapFile(path)) for path in files]
    else:
        raise InputError(f"maps={place} is no folder, nor an HDF5 file: give one that holds a map for each image")
    by_stem: dict[str, MapFile] = {}
    for stem, file in found:
        if stem in by_stem:
            raise InputError(f"{by_stem[stem]} and {file} are both there, of one image: take one of them away")
        by_stem[stem] = file
    if not by_stem:
        raise InputError(f"maps={place} holds no map ({', '.join(SUFFIXES)}): give the folder that does")
    return by_stem


def plain_stem(name: str) -> str:
    """Return a path without the endings of files that hold maps, in Unicode's composed form.

    Example:
        >>> plain_stem("a/1001.jpg.png"), plain_stem("v1.5")
        ('a/1001', 'v1.5')
    """
    name = composed(name)
    for _ in range(2):
        stem, dot, ending = name.rpartition(".")
        if dot and stem and f".{ending.lower()}" in SUFFIXES:
            name = stem
    return name


def read_saliency(file: MapFile, size: Size) -> tuple[Float[Tensor, "1 h w"], bool]:
    """Return a map in float64 at the size (h, w) of its stimulus, and whether it had another.

    Raises:
        InputError: If it cannot be read, holds NaN, infinity or negative numbers, is the same everywhere, or has
            another shape than its stimulus, as that of another stimulus, or one on its side, has.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "1001.npy"
        >>> np.save(path, np.array([[0, 4]]))
        >>> read_saliency(MapFile(path), (2, 4))[0][0, 0].tolist()
        [0.0, 1.3333333333333333, 2.6666666666666665, 4.0]
    """
    values = file.numbers().astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{file} has values that are not finite: save numbers")
    if values.min() < 0:
        raise InputError(f"{file} has negative values: a map has none (of a log-density, save exp of it)")
    if values.min() == values.max():
        raise InputError(f"{file} is {values.max():g} everywhere: it says nothing of where people look")
    return resized(values, file, size), values.shape != size


def resized(values: NDArray[np.float64], file: object, size: Size) -> Float[Tensor, "1 h w"]:
    """Return a map at the size of its stimulus, as pysaliency resizes it.

    Raises:
        InputError: If it has another shape than its stimulus.
    """
    h, w = values.shape
    if (h, w) == size:
        return torch.from_numpy(np.ascontiguousarray(values))[None]
    # a map's sides are whole numbers: a coarse one of the right shape may be off by nearly a cell
    if abs(h / w - size[0] / size[1]) > (0.05 + 1 / min(h, w)) * size[0] / size[1]:
        raise InputError(f"{file} is {h} x {w} and its image {size[0]} x {size[1]}: it is the map of another image")
    grid = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    return interpolate(grid, size, mode="bilinear", align_corners=True)[0]
