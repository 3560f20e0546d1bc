"""Penn Treebank tokenisation of the COCO caption evaluation, without Java."""

from __future__ import annotations

import re
from collections.abc import Sequence

# tokens that the evaluation leaves out; its list has the brackets in capitals, but the text is in lower case, so
# brackets are kept
_DROPPED = frozenset(("''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"))

_LETTER = r"[^\W\d_]"
_ALNUM = r"[^\W_]"
_APOS = r"['\u2019]"
_AUX = rf"{_APOS}(?:[msdMSD]|re|ve|ll|RE|VE|LL)(?!{_ALNUM})"
_NOT = rf"[nN]{_APOS}[tT](?!{_ALNUM})"
# abbreviations that keep their period; an initial keeps it if something follows
_ABBREVIATION = (
    r"[A-HJ-Za-z](?=\.\s*\S)|[Mm]r|[Mm]rs|[Mm]s|[Mm]essrs|[Dd]r|[Dd]rs|[Pp]rof|[Ss]t|[Aa]ve|[Bb]lvd|[Rr]d|[Mm]t|[Ff]t|[Jj]r|[Ss]r"
    r"|[Vv]s|[Ee]tc|[Ii]nc|[Ll]td|[Cc]o|[Cc]orp|[Bb]ros|[Ee]sq|[Gg]en|[Cc]ol|[Cc]apt|[Cc]pl|[Ll]t|[Ss]gt|[Rr]ev|[Rr]ep"
    r"|[Gg]ov|[Ss]en|[Hh]on|[Mm]aj|[Cc]mdr|[Pp]vt|[Pp]h\.?[Dd]|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec"
    r"|[Kk][Yy]|[Aa]la|[Aa]riz|[Cc]alif|[Cc]olo|[Cc]onn|[Ff]la|[Ii]ll|[Ii]nd|[Kk]an|[Mm]ich|[Mm]inn|[Mm]iss|[Mm]o|[Mm]ont"
    r"|[Nn]eb|[Nn]ev|[Oo]kla|[Pp]enn|[Tt]enn|[Vv]a|Wash|[Ww]is|[Ww]yo"
)
_TOKEN = re.compile(
    "|".join(
        (
            r"&(?:amp|AMP);",
            r"https?://[^\s]+|www\.[^\s]+",
            rf"{_ALNUM}[\w.-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|@[A-Za-z_]\w+",
            r"</?[A-Za-z!?][^<>]*>",
            r"[:;=8][-o]?[()DPp](?!\w)|[:;]-?[\[\]]|\^_\^",
            # two words in one
            r"[cC]an(?=not\b)|(?<=[cC]an)not\b|[gG]on(?=na\b)|[gG]ot(?=ta\b)|[lL]em(?=me\b)|[gG]im(?=me\b)"
            r"|[wW]an(?=na\b)",
            rf"{_APOS}[tT](?=(?:is|was)\b)",
            # a word that is followed by n't; then n't, 's, 'd ... themselves
            rf"{_ALNUM}+(?={_NOT})|{_NOT}|{_AUX}",
            # letters with periods, abbreviations
            rf"(?:{_LETTER}\.){{2,}}(?:-{_ALNUM}+)+|(?:[A-Za-z]\.){{2,}}(?!{_LETTER})",
            rf"(?:{_ABBREVIATION})\.(?![A-Za-z])",
            # numbers: fractions, dates, times, thousands
            r"[0-9]+[ \u00a0][0-9]+/[0-9]+|[0-9]+/[0-9]+(?:-[A-Za-z]+)*(?![A-Za-z0-9/])",
            r"[-+]?[0-9]*(?:[.,:][0-9]+)+(?![0-9])|[0-9]+(?:-[0-9]+)+(?![A-Za-z0-9])|[-+][0-9]+(?![A-Za-z0-9-])",
            # apostrophes that belong to the word
            rf"[yY]{_APOS}(?=all|know)|[dDlLoO]{_APOS}{_ALNUM}+(?:-{_ALNUM}+)*|[cC]{_APOS}mon|[oO]l{_APOS}|[dD]unkin{_APOS}"
            rf"|{_APOS}(?:n{_APOS}|em\b|til\b|till\b|cause\b|[2-9]0s|n\b)|{_LETTER}+{_APOS}[aeiouAEIOU]{_LETTER}*",
            rf"{_ALNUM}+(?:-{_LETTER}+){{0,2}}(?:/{_ALNUM}+(?:-{_LETTER}+){{0,2}}){{1,2}}|w/(?!{_ALNUM})",
            r"[A-Z]+(?:&[A-Z]+)+",
            # sentences that ran together, then all other words and marks
            rf"{_LETTER}{_ALNUM}*(?:[.!?]{_LETTER}{_ALNUM}*)+",
            rf"{_ALNUM}+(?:_{_ALNUM}+)*(?:-(?:[dDoOlL]{_APOS})?{_ALNUM}+)*",
            r"\.\.+|--+|_+|[?!]+|``|''|\S",
        )
    )
)
_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"})


def ptb_tokenize(captions: Sequence[str]) -> list[str]:
    """Return captions as the COCO evaluation compares them: Penn Treebank tokens, lower case, without punctuation.

    Agrees with ``PTBTokenizer -preserveLines -lowerCase`` of Stanford CoreNLP 3.4.1, which the evaluation calls, on
    every kind of token that captions have (contractions, hyphens, slashes, abbreviations, numbers, quotes). Like the
    evaluation it leaves out quotes and ``. ? ! , : - -- ... ;`` and keeps brackets as ``-lrb-``.

    Returns:
        One string per caption, the tokens joined by single spaces.

    Example:
        >>> ptb_tokenize(["A dog's half-eaten frisbee, isn't it?", "St. Mary's (10:30 a.m.)"])
        ["a dog 's half-eaten frisbee is n't it", "st. mary 's -lrb- 10:30 a.m. -rrb-"]
    """
    return [_tokenize(caption) for caption in captions]


def _tokenize(caption: str) -> str:
    tokens = []
    for token in _TOKEN.findall(caption):
        if len(token) > 1 or token.isalnum():
            token = "&" if token in ("&amp;", "&AMP;") else token.replace("\u2019", "'")
            if token[0] == "." and set(token) == {"."}:
                continue
            if not token[-1].isalnum() and "http" not in token and token[0] in ":;=8":
                token = token.translate(_BRACKETS)
            elif "/" in token and " " in token:
                token = token.replace(" ", "\u00a0")
            tokens.append(token.lower())
        else:
            tokens.append(_SINGLE.get(token, token))
    return " ".join(token for token in tokens if token not in _DROPPED and not (token[:2] == "--" and token[-1] == "-"))


_SINGLE = {
    '"': "''", "\u201c": "``", "\u201d": "''", "\u2018": "`", "\u2019": "'", "\u2013": "--", "\u2014": "--",
    "\u2026": "...", "\u00bd": "1/2", "\u20ac": "$", "\u00a3": "#",
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
}  # fmt: skip
