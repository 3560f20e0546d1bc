"""Reader of TensorFlow's record files, of samples as ``tf.train.Example``, without TensorFlow.

A record is its length (8 bytes), a checksum of the length, the content, and a checksum of the content; checksums are
CRC-32C, masked, and both are compared. The content is a protocol buffer: a map from names to lists of byte strings, of
64-bit integers or of 32-bit floats. Whatever else it holds is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from haa.data.files.crc32c import masked_crc32c
from haa.errors import InputError, reading

RECORD = 64 << 20
"""Bytes of the largest record that is read."""

ENDINGS = (".tfrecord", ".tfrecords")
"""Endings of such files."""

Example = dict[str, list[Any]]
"""Values by their names: bytes, ints or floats."""

_CURE = "fetch it again"
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


def read_examples(path: Path) -> Iterator[Example]:
    """Yield the samples of a record file, one after the other; memory holds one.

    Args:
        path: The file, not compressed.

    Raises:
        InputError: If it is missing, damaged, or none; samples before the damage have been yielded then.
    """
    with reading(path, _CURE), path.open("rb") as file:
        number = 0
        while (content := _record(file)) is not None:
            try:
                yield parse_example(content)
            except (ValueError, struct.error, IndexError) as error:
                raise InputError(f"{path}, record {number}: it is no tf.train.Example ({error}): {_CURE}") from None
            number += 1


def _record(file: BinaryIO) -> bytes | None:
    """Return the next record, None at the end of the file."""
    head = file.read(12)
    if not head:
        return None
    if len(head) < 12:
        raise ValueError("it is cut off")
    length, checksum = struct.unpack("<QI", head)
    if masked_crc32c(head[:8]) != checksum:
        raise ValueError("a length does not fit its checksum: it is damaged, compressed or no TFRecord")
    if length > RECORD:
        raise ValueError(f"a record has more than {RECORD >> 20} MiB")
    content = file.read(length)
    tail = file.read(4)
    if len(tail) < 4:
        raise ValueError("it is cut off")
    if masked_crc32c(content) != struct.unpack("<I", tail)[0]:
        raise ValueError("a record does not fit its checksum")
    return content


def parse_example(content: bytes) -> Example:
    r"""Return the values of a serialised ``tf.train.Example``, by their names.

    Raises:
        ValueError: If it is none.

    Example:
        >>> parse_example(bytes.fromhex("0a120a100a056c6162656c12071a050a03ac0207"))
        {'label': [300, 7]}
    """
    found: Example = {}
    for features in _of(content, 1):
        for entry in _of(features, 1):
            names, values = _of(entry, 1), _of(entry, 2)
            name = names[-1].decode() if names else ""
            if name in found:
                raise ValueError(f"{name!r:.40} is there twice")
            found[name] = _values(values[-1]) if values else []
    return found


def _values(feature: bytes) -> list[Any]:
    values: list[Any] = []
    for kind, _, held in _fields(feature):
        for field, wire, value in _fields(held) if isinstance(held, bytes) else ():
            if field != 1:
                continue
            if kind == _BYTES and wire == _LENGTH:
                values.append(value)
            elif kind == _INTEGERS and wire == _VARINT:
                values.append(_signed(value))
            elif kind == _INTEGERS and wire == _LENGTH:
                values += _packed(value)
            elif kind == _FLOATS and wire in (_FOUR, _LENGTH):
                values += np.frombuffer(value, "<f4").tolist()
            else:
                raise ValueError(f"a list of kind {kind} holds values of wire type {wire}")
    return values


def _packed(content: bytes) -> list[int]:
    values, at = [], 0
    while at < len(content):
        value, at = _varint(content, at)
        values.append(_signed(value))
    return values


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _of(message: bytes, number: int) -> list[bytes]:
    """Return the fields of a message that have this number, and bytes."""
    return [value for field, wire, value in _fields(message) if field == number and wire == _LENGTH]


def _fields(message: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield number, wire type and value of each field of a protocol buffer."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield field, wire, value
            continue
        size = {_EIGHT: 8, _FOUR: 4}.get(wire)
        if wire == _LENGTH:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError("a field is cut off" if size is not None else f"a field has wire type {wire}")
        yield field, wire, message[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise ValueError("a number is cut off")
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at
    raise ValueError("a number has more than 64 bits")
