"""Archives that are not to be trusted."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile

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
    with pytest.raises(InputError, match="holds link, a link"):
        unpack(tmp_path / "a.zip", target)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path, target, kind):
    info = tarfile.TarInfo("thing")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(InputError, match=r"holds thing, a (link|device)"):
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
    with pytest.raises(InputError, match="leads through, a link out of"):
        unpack(zipped(tmp_path / "a.zip", {"images/1.jpg": b"x"}), target)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
def test_what_is_no_archive(tmp_path, target, name):
    (tmp_path / name).write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(tmp_path / name, target)


def test_a_damaged_archive(tmp_path, target):
    path = zipped(tmp_path / "a.zip", {"a": bytes(range(256)) * 40})
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(path, target)
