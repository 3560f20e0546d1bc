"""Words of the commands that compose no config: paths, and ``key=value`` as everywhere else.

``--key value`` and ``--key=value``, which version 0.1 asked for, say the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from haa.errors import InputError, suggest

Keys = Mapping[str, str]
"""The keys that a command takes, each with the sentence that its help says."""


def wants_help(argv: Sequence[str]) -> bool:
    """Return whether a command is asked what it does."""
    return "--help" in argv or "-h" in argv


def split(argv: Sequence[str], keys: Keys) -> tuple[list[str], dict[str, str]]:
    """Take a command's own ``key=value`` out of its words.

    Args:
        argv: Words of the command line.
        keys: Keys of the command.

    Returns:
        The other words, in their order, and the values by key. A word that names a file or folder is not taken.

    Raises:
        InputError: If a key has no value.

    Example:
        >>> split(["runs/a", "metric=cider", "--output", "page"], {"metric": "", "output": ""})
        (['runs/a'], {'metric': 'cider', 'output': 'page'})
    """
    others: list[str] = []
    values: dict[str, str] = {}
    rest = iter(argv)
    for word in rest:
        dashed = word.startswith("--")
        key, equals, value = word.removeprefix("--").partition("=")
        if key not in keys or not (equals or dashed) or (not dashed and os.path.exists(word)):
            others.append(word)
            continue
        value = value if equals else next(rest, "")
        if not value or (dashed and value.startswith("--")):
            raise InputError(f"{key} has no value: give {key}=...")
        values[key] = value
    return others, values


def parse(command: str, argv: Sequence[str], keys: Keys) -> tuple[list[str], dict[str, str]]:
    """Split words as `split` does, and refuse keys that the command does not have.

    Args:
        command: The command's name, for the message.
        argv: Words of the command line.
        keys: Keys of the command.

    Raises:
        InputError: If the command has no such key; a word that is a path may hold ``=``.

    Example:
        >>> parse("report", ["runs/seed=1", "--metrc=cider"], {"metric": "", "output": ""})
        Traceback (most recent call last):
        haa.errors.InputError: report has no key metrc: did you mean metric? There are: metric, output
    """
    others, values = split(argv, keys)
    for word in others:
        match = re.match(r"--?(?P<dashed>[\w-]*)|(?P<key>[\w.-]+)=", word)
        if match and not os.path.exists(word):
            key = match["key"] or match["dashed"]
            no_path = f", nor is there a folder {word}" if match["key"] else ""
            raise InputError(f"{command} has no key {key}{no_path}: {suggest(key, list(keys))}")
    return others, values


def usage(line: str, summary: str, keys: Keys, example: str) -> str:
    """Return the help of a command.

    Args:
        line: How the command is called.
        summary: What it does.
        keys: Its keys, each with a sentence.
        example: A command that somebody would give.

    Example:
        >>> keys = {"metric": "Metric that the answer is about."}
        >>> print(usage("haa report RUNS... [metric=NAME]", "Compares runs.", keys, "haa report a"))
        haa report RUNS... [metric=NAME]
        <BLANKLINE>
        Compares runs.
        <BLANKLINE>
          metric=  Metric that the answer is about.
        <BLANKLINE>
        Example: haa report a
    """
    width = max(map(len, keys), default=0) + 1
    sentences = "\n".join(f"  {f'{key}=':<{width}}  {sentence}" for key, sentence in keys.items())
    return "\n\n".join(part for part in (line, summary, sentences, f"Example: {example}") if part)
