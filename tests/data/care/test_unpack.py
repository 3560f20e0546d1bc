"""Archives that are not to be trusted."""

from __future__ import annotations

import gzip
import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from haa.data.care.unpack import unpack
from haa.errors import InputError


def zipped(path, members: dict[str, bytes], **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path, members: dict[str, bytes | tarfile.TarInfo]):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(content, tarfile.TarInfo) else content
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize("make", [zipped, tarred])
def test_sound_archives(tmp_path, target, make):
    path = make(tmp_path / ("a.zip" if make is zipped else "a.tgz"), {"images/1.jpg": b"one", "list.txt": b"two"})
    unpack(path, target)
    assert (target / "images" / "1.jpg").read_bytes() == b"one"
    assert (target / "list.txt").read_bytes() == b"two"


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "a\\..\\..\\evil.txt", "C:/evil.txt"])
def test_paths_outside(tmp_path, target, make, name):
    path = make(tmp_path / ("a.zip" if make is zipped else "a.tgz"), {"good.txt": b"x", name: b"evil"})
    with pytest.raises(InputError, match="is not to be trusted"):
        unpack(path, target)
    assert list(target.iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


def test_links_in_a_zip(tmp_path, target):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match="holds 'link', a link"):
        unpack(tmp_path / "a.zip", target)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path, target, kind):
    info = tarfile.TarInfo("thing")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(InputError, match=r"holds 'thing', a (link|device)"):
        unpack(tarred(tmp_path / "a.tgz", {"thing": info}), target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("make", [zipped, tarred])
def test_bombs(tmp_path, target, make):
    path = make(tmp_path / ("a.zip" if make is zipped else "a.tgz"), {"good.txt": b"x", "zeros": bytes(5_000_000)})
    with pytest.raises(InputError, match="beyond belief or beyond the disk: nothing was unpacked"):
        unpack(path, target)
    assert list(target.iterdir()) == []


def test_a_link_that_is_already_there(tmp_path, target):
    (tmp_path / "elsewhere").mkdir()
    (target / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="images is in the way, or is a link out of"):
        unpack(zipped(tmp_path / "a.zip", {"images/1.jpg": b"x"}), target)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
def test_what_is_no_archive(tmp_path, target, name):
    (tmp_path / name).write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match="cannot be read"):
        unpack(tmp_path / name, target)


def test_a_damaged_archive(tmp_path, target):
    path = zipped(tmp_path / "a.zip", {"a": bytes(range(256)) * 40})
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        unpack(path, target)


def everything(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar"])
def test_every_flipped_bit_is_an_error_or_changes_nothing(tmp_path, target, name):
    """Of a plain tar, which has no checksum of contents: of its headers, and no file is lost."""
    content = {f"images/{n}.jpg": bytes(range(n, n + 100)) for n in range(3)}
    path = tmp_path / name
    (zipped if name == "a.zip" else tarred)(path, content)
    if name == "a.tar":
        path.write_bytes(gzip.decompress(path.read_bytes()))
    whole = path.read_bytes()
    unpack(path, target)
    assert everything(target) == content
    chance = np.random.default_rng(0)
    seen = []
    for at in sorted({*chance.integers(min(len(whole), 4000), size=150).tolist(), *range(len(whole) - 8, len(whole))}):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(chance.integers(8))
        path.write_bytes(damaged)
        shutil.rmtree(target)
        target.mkdir()
        try:
            unpack(path, target)
            error = None
        except InputError as found:
            error = found
        unpacked = everything(target)
        assert len(unpacked) == (0 if error else 3)
        assert error or unpacked == content or name == "a.tar"
        seen.append(error)
    refused = [str(error) for error in seen if error is not None]
    assert len(refused) > 40
    assert all(str(path) in message for message in refused)


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar"])
def test_an_archive_that_lost_its_end(tmp_path, target, name):
    path = tmp_path / name
    (zipped if name == "a.zip" else tarred)(path, {"1": bytes(700), "2": bytes(100)})
    if name == "a.tar":
        path.write_bytes(gzip.decompress(path.read_bytes())[:4096])
    whole = path.read_bytes()
    for size in (0, 1, 512, 1024, len(whole) // 2, 2560, len(whole) - 1, len(whole) - 1025):
        if 0 <= size < len(whole) and (name != "a.tar" or size <= 2560):
            path.write_bytes(whole[:size])
            with pytest.raises(InputError, match="cannot be read"):
                unpack(path, target)
            assert list(target.iterdir()) == []


@pytest.mark.parametrize("at", [28, 30, 32])  # lengths of the name, of what is extra, of the comment
def test_a_zip_whose_list_hides_a_member(tmp_path, target, at):
    path = zipped(tmp_path / "a.zip", {str(n): b"x" * 50 for n in range(4)})
    content = bytearray(path.read_bytes())
    second = content.find(b"PK\x01\x02", content.find(b"PK\x01\x02") + 1)
    content[second + at] += 47  # the length of the next entry
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        unpack(path, target)
    assert everything(target) == {}


def test_an_encrypted_zip(tmp_path, target):
    path = zipped(tmp_path / "a.zip", {"x": b"y" * 100})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="x is encrypted"):
        unpack(path, target)


def test_a_folder_through_a_link_that_is_already_there(tmp_path, target):
    (tmp_path / "elsewhere").mkdir()
    (target / "images").symlink_to(tmp_path / "elsewhere")
    info = tarfile.TarInfo("images/sub")
    info.type = tarfile.DIRTYPE
    with pytest.raises(InputError, match="images is in the way, or is a link out of"):
        unpack(tarred(tmp_path / "a.tgz", {"images/sub": info}), target)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("a", "a/b"), ("a/b", "a")])
def test_two_members_of_one_place(tmp_path, target, names):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(InputError, match=r"holds .* twice: it is not to be trusted"):
        unpack(tmp_path / "a.tar", target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(("there", "member"), [("a/b", "a"), ("a", "a/b")])
def test_what_is_in_the_way(tmp_path, target, there, member):
    (target / there).parent.mkdir(exist_ok=True)
    (target / there).write_text("mine")
    with pytest.raises(InputError, match="a is in the way"):
        unpack(zipped(tmp_path / "a.zip", {"0": b"new", member: b"x"}), target)
    assert everything(target) == {there: b"mine"}


def test_what_was_there_stays_or_is_replaced(tmp_path, target):
    (target / "images").mkdir()
    (target / "images" / "0.jpg").write_bytes(b"zero")
    (target / "images" / "1.jpg").write_bytes(b"old")
    (target / ".a.zip.unpacked").mkdir()  # of a call that was killed
    (target / ".a.zip.unpacked" / "rest").write_bytes(b"rest")
    unpack(zipped(tmp_path / "a.zip", {"images/1.jpg": b"one", "images/sub/2.jpg": b"two"}), target)
    assert everything(target) == {"images/0.jpg": b"zero", "images/1.jpg": b"one", "images/sub/2.jpg": b"two"}


def test_a_header_that_asks_for_much_memory(tmp_path, target):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 50_000_000
    with gzip.open(tmp_path / "a.tgz", "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(info.size))
    with pytest.raises(InputError, match="a header is longer than any"):
        unpack(tmp_path / "a.tgz", target)


def test_zeros_without_end_behind_the_last_member(tmp_path, target):
    path = tarred(tmp_path / "a.tgz", {"a": b"x"})
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(bytes(50_000_000))
    with pytest.raises(InputError, match="beyond belief"):
        unpack(path, target)


def test_too_many_members(tmp_path, target, monkeypatch):
    monkeypatch.setattr("haa.data.care.unpack.MEMBERS", 3)
    unpack(zipped(tmp_path / "a.zip", {str(n): b"x" for n in range(3)}), target)
    with pytest.raises(InputError, match="or 3 files, beyond belief"):
        unpack(zipped(tmp_path / "a.zip", {str(n): b"x" for n in range(4)}), target)


def test_a_full_disk(tmp_path, target, monkeypatch):
    opened = type(tmp_path).open
    monkeypatch.setattr(
        type(tmp_path),
        "open",
        lambda self, mode="r", *rest: opened(
            Path("/dev/full") if mode == "xb" else self, mode.replace("x", "w"), *rest
        ),
    )
    with pytest.raises(InputError, match=r"1\.jpg cannot be written \(No space left on device\)"):
        unpack(zipped(tmp_path / "a.zip", {"1.jpg": bytes(100)}), target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar"])
def test_an_archive_that_holds_nothing_is_damaged(tmp_path, target, name):
    """Zeros are a tar without members; a zip whose list was set to nothing has none."""
    path = tmp_path / name
    if name == "a.zip":
        content = bytearray(zipped(path, {"a.txt": b"a"}).read_bytes())
        content[-14:-10] = bytes(4)  # number of members, and the lower half of the length of their list
        content[-10:-8] = bytes(2)
        path.write_bytes(content)
    else:
        path.write_bytes(bytes(10240))
    with pytest.raises(InputError, match=f"{name} cannot be read .*fetch it again"):
        unpack(path, target)
    assert not list(target.iterdir())


def test_a_file_that_the_list_makes_a_folder(tmp_path, target):
    path = zipped(tmp_path / "a.zip", {"a.txt": b"a", "b.txt": b"b"})
    listed, _, end = path.read_bytes().rpartition(b"b.txt")
    path.write_bytes(listed + b"b.tx/" + end)
    with pytest.raises(InputError, match=r"b\.tx/ is a folder that holds 1 bytes itself"):
        unpack(path, target)
