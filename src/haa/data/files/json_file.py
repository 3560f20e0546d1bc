"""Reader of a publisher's JSON file; an error says in one line what is wrong with the file."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

from haa.disk.bounded import once
from haa.errors import InputError, reading

BYTES = 2 << 30
"""Largest file that is read whole: in memory it takes many times its size."""

ELEMENT = 1 << 25
"""Largest element, in characters, of an array that is read element by element."""

T = TypeVar("T", int, str, list)

_FETCH = "fetch it again"
_SPACE = re.compile(r"[ \t\n\r]*")
_KINDS = {int: "a whole number from 0", str: "a text", list: "a list"}


def read_json(path: Path, keys: Sequence[str] = ()) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        keys: Keys that the file's object must have.

    Raises:
        InputError: If the file is missing, is no JSON, has a key twice, is nested as no data set is, has more than
            `BYTES`, or is no object with these keys.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> _ = path.write_text('{"images": []}')
        >>> read_json(path, keys=["images"])
        {'images': []}
    """
    with _decoding(path):
        if path.stat().st_size > BYTES:
            raise InputError(f"{path} has more than {BYTES >> 30} GiB: it is not the file that its name says")
        content = json.loads(path.read_bytes(), object_pairs_hook=once)
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise InputError(f"{path} has no {missing[0]!r}: it is not the file that its name says, fetch it again")
    return content


def read_items(path: Path, key: str) -> Iterator[Any]:
    """Yield the elements of the array that a JSON file's object has under a key, one by one.

    Memory holds one element: read whole, the largest official files need 10 GB.

    Args:
        path: The file.
        key: Key of the array.

    Raises:
        InputError: If the file is missing, is no JSON, has an element of more than `ELEMENT` characters, or has no such
            array.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> _ = path.write_text('{"info": {"year": 2014}, "images": [{"id": 1}, {"id": 2}]}')
        >>> list(read_items(path, "images"))
        [{'id': 1}, {'id': 2}]
    """
    found = False
    with _decoding(path), path.open(encoding="utf-8-sig") as file:
        for name, item in _members(_Scanner(file)):
            if name == key:
                found = True
                yield from item
    if not found:
        raise InputError(f"{path} has no {key!r}: it is not the file that its name says, fetch it again")


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Raise what fails within as an error of a JSON file: a missing one, one that is none, or one that is damaged."""
    with reading(path, _FETCH):
        try:
            yield
        except FileNotFoundError:
            raise InputError(f"{path} is missing: fetch it, or correct data.root") from None
        except InputError:
            raise
        except (ValueError, RecursionError) as error:
            why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise InputError(f"{path} is no JSON file ({why}): fetch it again") from None


def _members(scanner: _Scanner) -> Iterator[tuple[str, Iterator[Any]]]:
    """Yield the members of an object: each name with the elements of its array; of another value, nothing."""
    names: set[str] = set()
    for _ in scanner.separated("{", "}"):
        name = scanner.value()
        if not isinstance(name, str) or name in names:
            raise ValueError("it has a key twice" if isinstance(name, str) else "a key is no text")
        names.add(name)
        scanner.take(":")
        if scanner.peek() == "[":
            elements = (scanner.value() for _ in scanner.separated("[", "]"))
            yield name, elements
            for _ in elements:  # those that were not asked for
                pass
        else:
            scanner.value()
    if scanner.peek():
        raise ValueError("more follows where it should end")


class _Scanner:
    """Text of a JSON file, of which memory holds the value that is read."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at = file, "", 0
        self._decoder = json.JSONDecoder(object_pairs_hook=once)

    def separated(self, start: str, end: str) -> Iterator[None]:
        """Step over brackets and commas; what is between them is read by whoever iterates."""
        self.take(start)
        if self.peek() != end:
            yield
            while self.peek() == ",":
                self.take(",")
                yield
        self.take(end)

    def peek(self) -> str:
        """Return the next character that is no white space; an empty text at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, character: str) -> None:
        if self.peek() != character:
            raise ValueError(f"{self.peek()!r} stands where {character!r} should")
        self._at += 1

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                if end + 2 < len(self._text) or not self._more():  # a number might go on, by e-9
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if not self._more():
                    raise

    def _more(self) -> bool:
        """Read as much again as is not yet read of, so that a value is tried but a few times."""
        rest = self._text[self._at :]
        if len(rest) > ELEMENT:
            raise ValueError(f"an element has more than {ELEMENT} characters")
        chunk = self._file.read(max(1 << 20, len(rest)))
        if chunk:
            self._text, self._at = rest + chunk, 0
        return bool(chunk)


def field(record: Any, key: str, kind: type[T], path: Path) -> T:
    """Return one value of a record of a JSON file, which has to be of one kind.

    Args:
        record: What should be an object with that key.
        key: The key.
        kind: Type of the value, exactly; whole numbers are not negative.
        path: The file, for the error.

    Raises:
        InputError: If the record is no object or lacks the key, or the value is of another kind.

    Example:
        >>> field({"image_id": 42}, "image_id", int, Path("a.json"))
        42
        >>> field({"id": None}, "id", int, Path("a.json"))
        Traceback (most recent call last):
        haa.errors.InputError: a.json: 'id' is None, not a whole number from 0, in {'id': None}: fetch it again
    """
    value: Any = record.get(key, _ABSENT) if type(record) is dict else _ABSENT
    if type(value) is kind and (type(value) is not int or value >= 0):
        return value
    record = reprlib.repr(record)
    if value is _ABSENT:
        raise InputError(f"{path}: {record} has no {key!r}: fetch it again")
    raise InputError(f"{path}: {key!r} is {reprlib.repr(value)}, not {_KINDS[kind]}, in {record}: fetch it again")


_ABSENT = object()


def by_number(records: Iterable[Any], key: str, path: Path) -> dict[int, Any]:
    """Return the records of a JSON file by their number.

    Args:
        records: The records.
        key: Key under which each has its number.
        path: The file, for the error.

    Raises:
        InputError: If one has no number, or two have the same.

    Example:
        >>> by_number([{"id": 7}], "id", Path("a.json"))
        {7: {'id': 7}}
    """
    found: dict[int, Any] = {}
    for record in records:
        number = field(record, key, int, path)
        if number in found:
            raise InputError(f"{path} has two records whose {key!r} is {number}: fetch it again")
        found[number] = record
    return found
