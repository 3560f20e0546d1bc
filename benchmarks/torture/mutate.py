"""Damage, drawn from a seed: to bytes, to texts, and to what a JSON file is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

MAGIC = [
    *(bytes.fromhex(text) for text in ("ffffffff", "00000080", "ffffff7f", "00000000", "ffff", "0080", "ff7f", "00")),
    *(
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"RIFF",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"PK\x03\x04",
        b"PK\x05\x06",
    ),
    *(b"\x1f\x8b\x08", b"\x93NUMPY\x01\0", b"MATLAB 5.0", b"\x89HDF\r\n", b"ARROW1", b"PAR1", b"\x80\x02", b"\0" * 64),
]
"""Numbers at the borders of their types, and how files of other formats begin."""

NUMBERS = [
    b"1e999",
    b"-1",
    b"0",
    b"nan",
    b"inf",
    b"9" * 400,
    b"1e308",
    b"4294967296",
    b"-9223372036854775809",
    b"0x10",
    b"1,5",
]
TEXTS = [
    b"",
    b"\0",
    b"\xff\xfe",
    "\u202e".encode(),
    b'"',
    b"'",
    b",",
    b"\n",
    b"\r",
    b"../../x",
    b"$1$",
    b"{",
    b"[",
    b"x" * 3000,
]


def of_bytes(content: bytes, draw: Random) -> bytes:
    """One to three faults of storage and transfer: flips, losses, repetitions, a lost end."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        draw.choice(_BYTES)(data, draw)
    return bytes(data)


def of_text(content: bytes, draw: Random) -> bytes:
    """A fault of bytes, or another number or text in the place of a word."""
    if draw.random() < 0.5:
        return of_bytes(content, draw)
    begins = [i for i in range(1, len(content)) if content[i : i + 1].isalnum() and not content[i - 1 : i].isalnum()]
    if not begins:
        return draw.choice(TEXTS)
    begin = draw.choice(begins)
    end = begin
    while end < len(content) and (content[end : end + 1].isalnum() or content[end : end + 1] in b".-+_"):
        end += 1
    return content[:begin] + draw.choice(NUMBERS + TEXTS) + content[end:]


def of_lines(content: bytes, draw: Random, delimiter: bytes = b",") -> bytes:
    """A fault of a table: lines or fields lost, repeated, exchanged; or one of a text."""
    if draw.random() < 0.5:
        return of_text(content, draw)
    lines = content.split(b"\n")
    row = draw.randrange(len(lines))
    fields = lines[row].split(delimiter)
    column = draw.randrange(len(fields))
    kind = draw.randrange(6)
    if kind == 0:
        del lines[row]
    elif kind == 1:
        lines.insert(row, lines[draw.randrange(len(lines))])
    elif kind == 2:
        del fields[column]
    elif kind == 3:
        fields.insert(column, draw.choice(NUMBERS + TEXTS))
    elif kind == 4:
        fields[column] = draw.choice(NUMBERS + TEXTS)
    else:
        draw.shuffle(fields)
    if kind > 1:
        lines[row] = delimiter.join(fields)
    return b"\n".join(lines)


def of_json(content: bytes, draw: Random) -> bytes:
    """A fault of structure: a key lost, a value of another kind, null, huge, nested deeply; or one of a text."""
    if draw.random() < 0.35:
        return of_text(content, draw)
    tree = json.loads(content)
    places = list(_places(tree))
    if not places:
        return of_text(content, draw)
    holder, key = draw.choice(places)
    if draw.random() < 0.3:
        del holder[key]
        return json.dumps(tree).encode()
    value = draw.choice(_VALUES)(holder[key])
    holder[key] = value if not isinstance(value, bytes) else "\0here\0"
    text = json.dumps(tree).encode()
    return text.replace(b'"\\u0000here\\u0000"', value) if isinstance(value, bytes) else text


def _places(tree: Any) -> list[tuple[Any, Any]]:
    found, todo = [], [tree]
    while todo:
        node = todo.pop()
        for key in node if isinstance(node, dict) else range(len(node)):
            found.append((node, key))
            if isinstance(node[key], dict | list) and node[key]:
                todo.append(node[key])
    return found


def _flip(data: bytearray, draw: Random) -> None:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _set(data: bytearray, draw: Random) -> None:
    if data:
        at = draw.randrange(len(data))
        size = draw.choice((1, 1, 2, 4, 16))
        data[at : at + size] = draw.randbytes(min(size, len(data) - at))


def _delete(data: bytearray, draw: Random) -> None:
    if data:
        at = draw.randrange(len(data))
        del data[at : at + draw.choice((1, 1, 2, 8, 64, 512))]


def _insert(data: bytearray, draw: Random) -> None:
    at = draw.randrange(len(data) + 1)
    data[at:at] = draw.randbytes(draw.choice((1, 1, 2, 8, 64)))


def _truncate(data: bytearray, draw: Random) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _repeat(data: bytearray, draw: Random) -> None:
    if data:
        at = draw.randrange(len(data))
        data[at:at] = data[at : at + draw.choice((1, 8, 64, 512))] * draw.choice((1, 1, 3))


def _zero(data: bytearray, draw: Random) -> None:
    if data:
        at = draw.randrange(len(data))
        size = min(draw.choice((4, 64, 512, 4096)), len(data) - at)
        data[at : at + size] = bytes(size)


def _magic(data: bytearray, draw: Random) -> None:
    word = draw.choice(MAGIC)
    at = 0 if draw.random() < 0.2 else draw.randrange(max(1, len(data)))
    data[at : at + len(word)] = word


def _exchange(data: bytearray, draw: Random) -> None:
    size = draw.choice((1, 4, 16))
    if len(data) >= size:
        one, other = draw.randrange(len(data) - size + 1), draw.randrange(len(data) - size + 1)
        data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]


_BYTES: list[Callable[[bytearray, Random], None]] = [
    *(_flip, _flip, _flip, _set, _delete, _insert, _truncate, _repeat, _zero, _magic, _magic, _exchange)
]

_VALUES: list[Callable[[Any], Any]] = [
    lambda old: None,
    lambda old: -1,
    lambda old: 1e308,
    lambda old: 10**400,
    lambda old: 2**63,
    lambda old: 2**31,
    lambda old: True,
    lambda old: "",
    lambda old: "x\0y",
    lambda old: "\ud800",
    lambda old: "../../x",
    lambda old: "x" * 100_000,
    lambda old: [],
    lambda old: {},
    lambda old: [old],
    lambda old: [old] * 3,
    lambda old: {"x": old},
    lambda old: [[1, 2], [3]],
    lambda old: [None],
    lambda old: float("nan"),
    lambda old: float("-inf"),
    lambda old: str(old),
    lambda old: b"[" * 3000 + b"]" * 3000,
    lambda old: b'{"a":' * 2000 + b"1" + b"}" * 2000,
    lambda old: b"[" * 100_000,
    lambda old: b"1" * 5000,
]
