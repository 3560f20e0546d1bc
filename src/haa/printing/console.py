"""Console that prints texts as they are."""

from __future__ import annotations

from typing import Any

import rich.console
from rich.text import Text

from haa.printing.plain import plain


class Console(rich.console.Console):
    r"""Rich's console, to which no text is markup, a name of an emoji, or a command to the terminal.

    In a notebook it prints to the standard output as everywhere, so that a log gets what is printed.

    Args:
        **kwargs: Arguments of rich's.

    Example:
        >>> Console().print("[bold]", ":star:", chr(27) + "[2J")
        [bold] :star: \x1b[2J
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, "force_jupyter": False, **kwargs})

    def render_str(self, text: str, **kwargs: Any) -> Text:
        """Return a text as rich renders it."""
        return super().render_str(plain(text), **kwargs)
