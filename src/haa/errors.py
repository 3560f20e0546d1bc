"""Exception that a user is meant to read, and the sentence in it that names the choices."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class InputError(ValueError):
    """Error of input that cannot be used.

    The message is one line: it names the file, key or value, says what is wrong with it, and what to do. The command
    line prints it without a traceback.

    Example:
        >>> raise InputError("data.root=/data/osie does not exist: give the folder that holds eye/ and stimuli/")
        Traceback (most recent call last):
        haa.errors.InputError: data.root=/data/osie does not exist: give the folder that holds eye/ and stimuli/
    """


def suggest(word: str, choices: Sequence[str]) -> str:
    """Return a sentence that lists the choices, after the one close to ``word``: ``did you mean a? There are: a, b``.

    Example:
        >>> suggest("hiden", ["hidden", "layers"])
        'did you mean hidden? There are: hidden, layers'
    """
    closest = difflib.get_close_matches(word, choices, n=1)
    start = f"did you mean {closest[0]}? There are: " if closest else "there are: "
    return start + ", ".join(choices)
