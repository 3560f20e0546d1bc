"""The Penn Treebank tokenisation of the COCO caption evaluation, without Java."""

from __future__ import annotations

import re
from collections.abc import Sequence

# what the evaluation leaves out; its list has brackets in capitals, which the lower-cased text never has, so they stay
_DROPPED = frozenset(("''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"))


def ptb_tokenize(captions: Sequence[str]) -> list[str]:
    raise NotImplementedError
