"""Words of the command line, as Markdown: what the help of a command says, and what stands in conf/."""

from __future__ import annotations

import importlib
import inspect
import io
import re
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

from docs.builder.public import CONF


def help_of(command: str) -> str:
    """Return what ``haa COMMAND --help`` prints, as a block.

    Args:
        command: A command, or ``haa`` for the list of them.
    """
    from hydra.core.global_hydra import GlobalHydra

    from haa.cli.main import main

    printed, argv = io.StringIO(), sys.argv
    words = [] if command == "haa" else command.split()
    try:
        with redirect_stdout(printed), suppress(SystemExit):
            main([*words, "--help"])
    finally:
        sys.argv = argv
        GlobalHydra.instance().clear()
    return f"```text\n{printed.getvalue().strip()}\n```\n"


def keys_of(config: str) -> str:
    """Return the keys at the top of a command's config, with defaults and comments, as a table."""
    rows = []
    for line in (CONF / f"{config}.yaml").read_text().splitlines():
        match = re.fullmatch(r"(\w+): *([^#]*?) *(?:# *(.*))?", line)
        if match and match[1] not in ("defaults", "hydra") and (match[2] or match[3]):
            default = "none: must be given" if match[2] == "???" else f"`{match[2]}`"
            rows.append(f"| `{match[1]}` | {default} | {(match[3] or '').replace('|', chr(92) + '|')} |")
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"


def choices_of(group: str) -> str:
    """Return every choice of a config group: what it makes, and its file."""
    text = []
    for path in sorted((CONF / group).glob("*.yaml")):
        content = path.read_text()
        targets = re.findall(r"_target_: *([\w.]+)", content)
        target = next((target for target in targets if target.startswith("haa.")), targets[0] if targets else "")
        text.append(f"### `{group}={path.stem}`\n")
        if target:
            text.append(f"{first_sentence(target)} {{py:obj}}`{target}`\n")
        text.append(f"```yaml\n{content.strip()}\n```\n")
    return "\n".join(text)


def first_sentence(dotted: str) -> str:
    """Return the first sentence of a class's or function's docstring, as Markdown."""
    module, _, name = dotted.rpartition(".")
    try:
        text = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    except ModuleNotFoundError:  # of an extra
        return ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.sub(r"`+", "`", paragraph) if dotted.startswith("haa.") else ""


def groups() -> list[str]:
    """Return the config groups that a user chooses from."""
    folders = {path.parent.relative_to(CONF) for path in CONF.rglob("*.yaml")}
    return sorted(str(folder) for folder in folders if folder != Path() and folder.parts[0] != "hydra")
