"""Names of a study's runs: what the study varies, so that a folder says what is in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence

LONGEST = 200
"""Bytes of a name. File systems end at 255, and something may be added."""

_LAST = ("condition", "align_weight", "seed")
_OTHER_TYPE = re.compile(r"[-+.\d].*|(true|false|null|none|nan|inf|)", re.IGNORECASE)


def name(overrides: Sequence[str], swept: Collection[str]) -> str:
    """Return the folder name of a run: what the study varies, and condition, weight and seed where they are given.

    Where a value is changed or cut off to make a name of it, a digest of the words follows, so that two runs never
    share one.

    Args:
        overrides: Words ``key=value`` of this run.
        swept: Keys that the study varies.

    Example:
        >>> name(["seed=1", "++model.hidden=64", "epochs=3", "align_weight=0.5"], swept={"seed", "model.hidden"})
        'model.hidden=64,align_weight=0.5,seed=1'
        >>> name(["data.root=/a/b", "seed=1"], swept={"data.root"})
        'data.root=_a_b,seed=1-cb661eb4'
    """
    values = _values(overrides, swept)
    text = ",".join(f"{key}={_unquoted(value)}" for key, value in values)
    plain = _plain(text)
    short = plain.encode()[:LONGEST].decode(errors="ignore")
    if short == text and not any(_ambiguous(value) for _, value in values):
        return text or "run"
    words = "\0".join(f"{key}={value}" for key, value in values)
    digest = hashlib.sha256(words.encode()).hexdigest()[:8]
    return f"{plain.encode()[: LONGEST - 9].decode(errors='ignore')}-{digest}"


def names_before(overrides: Sequence[str], swept: Collection[str]) -> list[str]:
    """Return the names that earlier versions gave a run; two runs could share one.

    Example:
        >>> names_before(["loss=kl", "data.root=/a"], swept={"loss", "data.root"})
        ['loss=kl,data.root=_a', 'alignment=kl,data.root=_a']
    """
    today = _plain(",".join(f"{key}={_unquoted(value)}" for key, value in _values(overrides, swept)))
    return [today[:LONGEST] or "run", re.sub(r"(^|,)loss=", r"\1alignment=", today)[:LONGEST] or "run"]


def _values(overrides: Sequence[str], swept: Collection[str]) -> list[tuple[str, str]]:
    values = {}
    for word in overrides:
        key, value = word.lstrip("+").split("=", 1)
        if key in _LAST or (key in swept and not key.startswith("hydra")):
            values[key] = value
    order = [*(key for key in values if key not in _LAST), *(key for key in _LAST if key in values)]
    return [(key, values[key]) for key in order]


def _plain(text: str) -> str:
    return re.sub(r"[^\w.,=+-]", "_", text)


def _unquoted(value: str) -> str:
    return value.strip("'\"")


def _ambiguous(value: str) -> bool:
    """Return whether another value could have the same name: one that ends elsewhere, or is no text where this is."""
    bare = _unquoted(value)
    return bool(re.search("[,=]", bare)) or (bare != value and bool(_OTHER_TYPE.fullmatch(bare)))
