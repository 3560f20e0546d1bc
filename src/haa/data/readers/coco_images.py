"""Finder of COCO's image files, in any of the usual folders and under either of their two names."""

from __future__ import annotations

import re
from pathlib import Path

from haa.errors import InputError

_NAME = re.compile(r"(?:COCO_(?:train|val|test)\d{4}_)?(\d{12})\.jpg")


def coco_folders(root: Path) -> list[Path]:
    """Return the folders that may hold images: the root, ``images``, and ``train2014``, ``val2017``, ... in either."""
    parents = [folder for folder in (root, root / "images") if folder.is_dir()]
    return parents + sorted(
        child
        for parent in parents
        for child in parent.iterdir()
        if re.fullmatch(r"(train|val|test)(\d{4})?", child.name) and child.is_dir()
    )


def coco_number(name: str) -> int:
    """Return COCO's number of an image, from its file's name.

    Raises:
        InputError: If the name is not as COCO's are.

    Example:
        >>> coco_number("COCO_val2014_000000000042.jpg")
        42
    """
    match = _NAME.fullmatch(Path(name).name)
    if match is None:
        raise InputError(f"{name} is not named as COCO's images are, 000000000042.jpg: give COCO's own files")
    return int(match[1])


def coco_images(root: Path) -> dict[int, str]:
    """Return each image's path relative to ``root``, by COCO's number.

    A file may be named ``COCO_val2014_000000000042.jpg`` or ``000000000042.jpg``: COCO's releases of 2014 and 2017 hold
    the same pictures under the same numbers.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "val2017").mkdir()
        >>> (root / "val2017" / "000000000042.jpg").touch()
        >>> coco_images(root)
        {42: 'val2017/000000000042.jpg'}
    """
    paths_by_number: dict[int, str] = {}
    for folder in coco_folders(root):
        for path in sorted(folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match:
                paths_by_number.setdefault(int(match[1]), path.relative_to(root).as_posix())
    return paths_by_number
