"""What lies in a folder: nothing hidden, nothing of the system's, whatever the form of a name, links followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from haa.data.files.listing import entries, files_below, folders_to, matching
from haa.errors import InputError

SYSTEM = (".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", "__MACOSX/a.png", ".git/a.png", "@eaDir/a.png/b.png")


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_what_systems_leave_is_not_listed(tmp_path):
    root = tmp_path / ".own"
    touch(root, "b/c.PNG", "a.png", "a.txt", *SYSTEM)
    assert names(files_below(root, [".png"]), root) == ["a.png", "b/c.PNG"]
    assert names(matching(root, "**/*"), root) == ["a.png", "a.txt", "b", "b/c.PNG"]
    assert names(folders_to(root, [".png"]), root) == [".", "b"]


def test_linked_folders_are_followed_and_circles_end(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(root, "a.png")
    touch(elsewhere, "x/b.png")
    (root / "linked").symlink_to(elsewhere)
    (elsewhere / "x" / "back").symlink_to(root)
    (root / "self").symlink_to(root)
    assert names(files_below(root, [".png"]), root) == ["a.png", "linked/x/b.png"]
    assert names(folders_to(root, [".png"]), root) == [".", "linked", "linked/x"]
    (root / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="nowhere is a link that leads nowhere"):
        files_below(root, [".png"])


def test_a_folder_that_is_left_aside(tmp_path):
    touch(tmp_path, "a.png", "maps/a.png")
    assert names(files_below(tmp_path, [".png"], [tmp_path / "maps"]), tmp_path) == ["a.png"]


def test_names_have_one_form_and_one_case(tmp_path):
    touch(tmp_path, "cafe\u0301.csv", "Labels.csv", "maps/a.png")
    found = entries(tmp_path, ["caf\u00e9.csv", "maps", "splits.csv"])
    assert found == {"caf\u00e9.csv": tmp_path / "cafe\u0301.csv", "maps": tmp_path / "maps", "splits.csv": None}
    with pytest.raises(InputError, match=r"Labels\.csv: is labels\.csv meant\? Names differ in case"):
        entries(tmp_path, ["labels.csv"])
