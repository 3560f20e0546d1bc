"""What the disk refuses, and a kill at any moment, leave one clear line and nothing that looks complete."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from haa.disk import built_once, check_zip, locked, make_folder, remove_partial, reserve, write_whole
from haa.errors import InputError


def killed(act) -> None:
    """Run ``act`` in a process of its own, which has to end by a signal."""
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def build(folder: Path, content: str = "new", stale=lambda old: False) -> str:
    with built_once(folder, stale) as partial:
        if partial is not None:
            (partial / "rows").write_text(content)
    return (folder / "rows").read_text()


@pytest.mark.parametrize("at", ["flush", "rename", "body"])
def test_a_folder_whose_builder_is_killed_is_built_anew(tmp_path, monkeypatch, at):
    def act():
        if at == "body":
            with built_once(tmp_path / "index") as partial:
                (partial / "rows").write_text("half")
                kill()
        monkeypatch.setattr(*{"flush": (os, "fsync"), "rename": (Path, "rename")}[at], kill)
        build(tmp_path / "index", "half")

    killed(act)
    assert not (tmp_path / "index").exists()
    assert build(tmp_path / "index") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "index.lock"]


def test_a_folder_that_is_killed_while_it_is_deleted_is_built_anew(tmp_path):
    build(tmp_path / "index", "old")
    (tmp_path / "index" / "more").write_text("")

    def act():
        def half(folder, **_):
            (folder / "more").unlink()
            kill()

        shutil.rmtree = half
        build(tmp_path / "index", stale=lambda old: True)

    killed(act)
    assert build(tmp_path / "index") == "new"


def test_a_builder_that_fails_leaves_nothing(tmp_path):
    def fails(_):
        raise KeyError

    with pytest.raises(KeyError), built_once(tmp_path / "index") as partial:
        fails((partial / "rows").write_text("half"))
    assert [path.name for path in tmp_path.iterdir()] == ["index.lock"]
    assert build(tmp_path / "index") == "new"


def test_many_at_once_build_once(tmp_path):
    built = []

    def act(number):
        with built_once(tmp_path / "index") as partial:
            if partial is not None:
                built.append(number)
                (partial / "rows").write_text("")

    threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_what_the_disk_refuses_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for act in (build, make_folder, lambda path: write_whole(path / "a", "")):
        with pytest.raises(InputError, match=r"file\S* cannot be written \((Not a directory|File exists)\)"):
            act(tmp_path / "file" / "a")
    with pytest.raises(InputError, match=r"cannot be written \(Is a directory\)"), locked(tmp_path):
        pass
    (tmp_path / "a.partial").write_text("in the way")
    with pytest.raises(InputError, match=r"a cannot be written \(.*\): give another place, or make room"):
        build(tmp_path / "a")


@pytest.mark.parametrize("refused", ["fsync", "replace"])
def test_a_write_that_is_refused_leaves_what_was_there(tmp_path, monkeypatch, refused):
    write_whole(tmp_path / "a", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[refused], full)
    with pytest.raises(InputError, match=r"a cannot be written \(No space left on device\)"):
        write_whole(tmp_path / "a", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_what_killed_writers_left_is_removed(tmp_path):
    (tmp_path / ".hidden").write_text("mine")
    killed(lambda: write_whole(tmp_path / "a", kill))
    assert len(list(tmp_path.iterdir())) == 2
    remove_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


def test_space_is_reserved(tmp_path, monkeypatch):
    with (tmp_path / "a").open("wb") as file:
        reserve(file, 0)
        reserve(file, 100_000)
        assert os.fstat(file.fileno()).st_blocks * 512 >= 100_000

        def refuses(number):
            def posix_fallocate(*_):
                raise OSError(number, os.strerror(number))

            monkeypatch.setattr(os, "posix_fallocate", posix_fallocate)

        refuses(95)  # a file system that cannot
        reserve(file, 1)
        refuses(122)
        with pytest.raises(InputError, match=r"a cannot be written \(Disk quota exceeded\)"):
            reserve(file, 1)


def test_who_waits_for_a_lock_is_told(tmp_path):
    told = threading.Event()
    with locked(tmp_path / "lock", lambda: pytest.fail("nobody holds it")):
        waiter = threading.Thread(target=lambda: locked(tmp_path / "lock", told.set).__enter__())
        waiter.start()
        assert told.wait(5)
    waiter.join(5)
    assert not waiter.is_alive()


def test_a_zip_with_a_flipped_bit(tmp_path):
    import torch

    path = tmp_path / "a.ckpt"
    torch.save({"weight": torch.ones(100)}, path)
    check_zip(path)
    content = bytearray(path.read_bytes())
    at = content.find(torch.ones(100).numpy().tobytes())
    content[at + 7] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.ckpt cannot be read"):
        check_zip(path)


@pytest.mark.parametrize("name", ["a" * 250, "ä" * 125, "图" * 83])
def test_the_longest_names_are_written(tmp_path, name):
    write_whole(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"
