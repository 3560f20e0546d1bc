"""Disk: files that are there whole or not at all, stored with checksums, and read within bounds."""

from haa.disk.whole import (
    PARTIAL,
    built_new,
    built_once,
    check_new,
    check_zip,
    locked,
    make_folder,
    remove_partial,
    reserve,
    write_whole,
)

__all__ = [
    "PARTIAL",
    "built_new",
    "built_once",
    "check_new",
    "check_zip",
    "locked",
    "make_folder",
    "remove_partial",
    "reserve",
    "write_whole",
]
