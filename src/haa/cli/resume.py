"""Words of ``haa train resume=RUN``: those that the run was started with, as far as a folder from elsewhere may say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haa.cli.overrides import modern
from haa.errors import InputError, reading
from haa.printing.plain import plain

if TYPE_CHECKING:  # it loads numpy, which --help does without
    from haa.run_folder import RunFolder

MOST_BYTES, MOST_WORDS, LONGEST = 65_536, 256, 4_096
"""Bounds of the words that a folder keeps."""

_WORD = re.compile(r"(\+\+?)?(?P<key>[A-Za-z_][\w./@-]*)=(?P<value>(?s:.*))|~(?P<gone>[A-Za-z_][\w./@-]*)")
_OF_ITS_FOLDER = ("resume", "output_dir", "study", "cache")
_WRITES = ("callbacks", "trainer", "logger")


def resumed(overrides: Sequence[str]) -> list[str]:
    """Return the words of ``haa train``; ``resume=RUN`` adds those that the run was started with, and its folder.

    A word that is given replaces the one that was kept. What may not come from a folder has to be given.

    Args:
        overrides: Words of the command line.

    Raises:
        InputError: If there is nothing to go on with, or what the folder keeps is not taken from it.
    """
    words = modern(list(overrides))
    values = {_key(word): word.partition("=")[2] for word in words if "=" in word}
    if values.get("resume") in (None, "", "null"):
        return words
    from haa.run_folder import RunFolder, quoted, unquoted

    path = Path(unquoted(values["resume"])).expanduser()
    checkpoint = (RunFolder(path).resumable or RunFolder(path).last) if path.is_dir() else path
    run = RunFolder(path if path.is_dir() else path.absolute().parent.parent)
    if run.finished:
        print(f"haa: {path} is finished: haa report {run.path} shows it; to train again, give another folder")
        raise SystemExit(0)
    if not checkpoint.is_file():
        raise InputError(
            f"resume={path}: no {checkpoint.name} there: give a run folder, or a checkpoint that haa train wrote"
        )
    if not run.config.is_file():
        raise InputError(f"resume={path}: no {run.config} there: give the folder of a run, whole")
    elsewhere = Path(unquoted(values.get("output_dir", str(run.path))))
    if elsewhere.resolve() != run.path.resolve():
        raise InputError(
            f"output_dir={elsewhere}: a run that is taken up stays in its folder, {run.path}: leave it out"
        )
    given = [word for word in words if _key(word) not in ("resume", "output_dir")]
    first = _kept(run, {*values, *(word.lstrip("~") for word in words if word.startswith("~"))})
    folder = run.path.resolve()
    place = [f"resume={quoted(checkpoint.resolve())}", f"hydra.run.dir={quoted(folder)}", "hydra.mode=RUN"]
    return [*first, *given, *place]


def _kept(run: RunFolder, given: set[str]) -> list[str]:
    """Return the words that a run's folder keeps, without those that are given now."""
    if not run.overrides.is_file():
        return []
    return [word for word in modern(_read(run.overrides)) if _taken(run, word, given)]


def _read(path: Path) -> list[str]:
    import yaml

    cure = "give the words that the run was started with, and take that file away"
    with reading(path, cure):
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is larger than a command line: {cure}")
        words = yaml.safe_load(path.read_bytes()) or []
    if not isinstance(words, list) or len(words) > MOST_WORDS:
        raise InputError(f"{path} holds no list of words: {cure}")
    for word in words:
        if not isinstance(word, str) or len(word) > LONGEST or not _harmless(word):
            raise InputError(f"{path} holds {str(word)[:80]!r}, which is no word key=value: {cure}")
    return words


def _harmless(word: str) -> bool:
    """Return whether a word is one, of characters that do nothing; a line may end within a path that is quoted."""
    match = _WORD.fullmatch(word)
    if match is None or plain(word) != word:
        return False
    value = match["value"] or ""
    return not re.search(r"[\t\n]", word) or (len(value) > 1 and value[0] == value[-1] == "'")


def _taken(run: RunFolder, word: str, given: set[str]) -> bool:
    """Return whether a word is taken from a folder: not where another is given, nor where it says a place."""
    from haa.run_folder import unquoted

    match = _WORD.fullmatch(word)
    assert match is not None
    key, value = match["key"] or match["gone"], unquoted(match["value"] or "")
    group = re.split("[./@]", key)[0]
    if key in given or key in _OF_ITS_FOLDER:
        return False
    told = group == "logger" and not (key == "logger" and value in ("csv", "tensorboard", "null"))
    runs = group in ("hydra", "trust") or "${" in word or "_target_" in word
    elsewhere = group in _WRITES and not key.endswith(".monitor") and bool(re.search(r"[/\\{]|\.\.", value))
    if told or runs or elsewhere or (key.endswith("checkpoint") and group == "condition"):
        raise InputError(
            f"{run.overrides} holds {word}, which is not taken from a folder: give it on the command line if you want "
            f"it, or another {key}=..."
        )
    return True


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+")
