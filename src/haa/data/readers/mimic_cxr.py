"""Finder of MIMIC-CXR's pictures, on which gaze of radiologists is published that comes without them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path, PurePosixPath

from haa.data.files.listing import files_below
from haa.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png")


class Radiographs:
    """Finds a picture by its DICOM identifier, wherever it lies in a data set's ``images``.

    That may be the folder of MIMIC-CXR-JPG (``files/p10/p10000032/s50414267/<identifier>.jpg``, or a link to it), or
    one that holds the files alone. ``files`` may also lie in the root itself.

    Args:
        root: Folder of the data set, to which paths are relative.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("images/files/p10/p1/s2/a.jpg", "images/b.png"):
        ...     (root / name).parent.mkdir(parents=True, exist_ok=True)
        ...     (root / name).touch()
        >>> pictures = Radiographs(root)
        >>> pictures.path("a", "files/p10/p1/s2/a.dcm"), pictures.path("b"), pictures.path("c")
        ('images/files/p10/p1/s2/a.jpg', 'images/b.png', 'images/c.jpg')
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, identifier: str, published: str = "") -> str:
        """Return the path of a picture; where there is none, one where it should be.

        Args:
            identifier: The DICOM identifier.
            published: Path of the DICOM file as the publisher writes it, if known.

        Raises:
            InputError: If there is only the DICOM file.
        """
        tree = PurePosixPath(published.rsplit("files/", 1)[-1]).parent
        folders = ["images", *(f"{top}/{tree}" for top in ("images/files", "images", "files") if tree.parts)]
        found = [
            f"{folder}/{identifier}{suffix}"
            for folder in folders
            for suffix in SUFFIXES
            if (self.root / folder / f"{identifier}{suffix}").is_file()
        ]
        if found:
            return found[0]
        path = self._below.get(identifier)
        if path is None:
            return f"images/{identifier}.jpg"
        if path.suffix.lower() == ".dcm":
            raise InputError(
                f"{path} is a DICOM file, which haa does not read: put the picture of MIMIC-CXR-JPG in its place, or "
                "save it as PNG with as many pixels"
            )
        return path.relative_to(self.root).as_posix()

    @cached_property
    def _below(self) -> dict[str, Path]:
        """Return the files at any depth, a picture before the DICOM file of its name."""
        paths = files_below(self.root / "images", (*SUFFIXES, ".dcm"))
        return {path.stem: path for path in sorted(paths, key=lambda path: path.suffix.lower() != ".dcm")}
