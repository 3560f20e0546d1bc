"""Citations: the entries of ``citations.bib``, and a text that cites them, as LaTeX, Markdown or plain.

Titles, authors, venues and years were each held against public bibliographies; what could not be found there is not in
the file, and authors that were not all found there end in 'and others'.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from haa.printing.plain import plain
from haa.reporting.paper.table import escaped

_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303"}


@dataclass(frozen=True)
class Cite:
    """A citation in a text."""

    keys: tuple[str, ...]


Text = Sequence[str | Cite]
"""A text in parts."""


@cache
def entries() -> Mapping[str, str]:
    """Return the entries of ``citations.bib`` by key."""
    text = files("haa.reporting.paper").joinpath("citations.bib").read_text(encoding="utf-8")
    found = (part.strip() + "\n" for part in re.split(r"\n(?=@)", text))
    return {part.split("{", 1)[1].split(",", 1)[0]: part for part in found}


def bib(keys: Iterable[str]) -> str:
    """Return a .bib file of some entries."""
    return "\n".join(entries()[key] for key in sorted(set(keys)))


def cited(texts: Iterable[Text]) -> list[str]:
    """Return the keys that texts cite, in the order in which they first do."""
    keys = [key for text in texts for part in text if isinstance(part, Cite) for key in part.keys]
    return [key for key in dict.fromkeys(keys) if key in entries()]


def latex(text: Text) -> str:
    r"""Return a text as LaTeX.

    Example:
        >>> print(latex(["A ResNet-50", Cite(("he2016",)), " & more."]))
        A ResNet-50~\cite{he2016} \& more.
    """
    return "".join(
        escaped(part) if isinstance(part, str) else f"~\\cite{{{','.join(_known(part))}}}" for part in _said(text)
    )


def markdown(text: Text) -> str:
    r"""Return a text as Markdown, with citations as Pandoc reads them.

    Example:
        >>> markdown(["A ResNet-50", Cite(("he2016",)), ", *wide*."])
        'A ResNet-50 [@he2016], \\*wide\\*.'
    """
    marks = re.compile(r"([\\`*_{}\[\]<>#|@$~^])")
    return "".join(
        marks.sub(r"\\\1", plain(part).replace("\n", " "))
        if isinstance(part, str)
        else f" [{'; '.join(f'@{key}' for key in _known(part))}]"
        for part in _said(text)
    )


def numbered(text: Text, keys: Sequence[str]) -> str:
    """Return a text as people read it, with the place of each citation in a list.

    Example:
        >>> numbered(["A ResNet-50", Cite(("he2016",)), "."], ["tan2019", "he2016"])
        'A ResNet-50 [2].'
    """
    return "".join(
        plain(part) if isinstance(part, str) else f" [{', '.join(str(keys.index(key) + 1) for key in _known(part))}]"
        for part in _said(text)
    )


def reference(key: str) -> str:
    """Return an entry as people read it.

    Example:
        >>> reference("abnar2020")[:70]
        'S. Abnar and W. Zuidema. Quantifying Attention Flow in Transformers. A'
    """
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entries()[key], re.M))
    venue = next(fields[name] for name in ("journal", "booktitle", "institution", "howpublished") if name in fields)
    return f"{_authors(fields['author'])}. {_read(fields['title']).rstrip('?')}. {_read(venue)}, {fields['year']}."


def _authors(text: str) -> str:
    people = []
    for one in re.split(r" and (?![^{]*\})", text):
        last, _, first = one.partition(", ")
        initials = " ".join(f"{word[0]}." for word in _read(first).split())
        people.append("others" if one == "others" else f"{initials} {_read(last)}".strip())
    if len(people) > 3:
        return f"{people[0]} et al."[:-1]
    return people[0] if len(people) == 1 else f"{', '.join(people[:-1])} and {people[-1]}"


def _read(text: str) -> str:
    """Return a field of an entry without LaTeX's braces and accents."""
    text = re.sub(r"\{\\(['`\"^~])(\w)\}", lambda m: unicodedata.normalize("NFC", m[2] + _ACCENTS[m[1]]), text)
    return text.replace("{", "").replace("}", "").replace("--", "–")


def _known(cite: Cite) -> list[str]:
    return [key for key in cite.keys if key in entries()]


def _said(text: Text) -> list[str | Cite]:
    return [part for part in text if isinstance(part, str) or _known(part)]
