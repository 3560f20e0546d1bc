"""Where an export goes besides: a folder on this machine, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from haa.disk import built_new, check_new
from haa.errors import InputError, reason, writing

_LOG_IN = "run `hf auth login`, or set HF_TOKEN; or give a folder, ./NAME"
_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Target:
    """Where to push to, which has been looked at before any work begins.

    Args:
        folder: A new folder on this machine; None where it is the hub.
        repository: Name of a repository of the hub, ``owner/name``.
    """

    folder: Path | None = None
    repository: str = ""

    def push(self, source: Path) -> str:
        """Copy the files of an export there, and return in words where they are.

        Raises:
            InputError: If the disk refuses them, or the hub cannot be reached or does not let this user in.
        """
        if self.folder is not None:
            with built_new(self.folder) as folder, writing(self.folder):
                shutil.copytree(source, folder, dirs_exist_ok=True)
            return str(self.folder)
        from huggingface_hub import HfApi

        hub = HfApi()
        try:
            hub.create_repo(self.repository, private=True, exist_ok=True)
            hub.upload_folder(folder_path=source, repo_id=self.repository, commit_message="haa export")
        except Exception as error:  # of the hub, and of half a dozen libraries on the way to it
            raise InputError(
                f"push_to={self.repository}: {_problem(error)}; the export is in {source} as it is"
            ) from error
        return f"{hub.endpoint}/{self.repository}, which is private until you open it"


def target(push_to: str) -> Target:
    """Return where to push to: a path as it begins with ``.``, ``/`` or ``~`` or is there, else a name of the hub's.

    Raises:
        InputError: If it is neither, the folder is there already, or nobody is logged in to the hub.

    Example:
        >>> target("./shared/vqa").folder.as_posix()
        'shared/vqa'
        >>> target("vqa")
        Traceback (most recent call last):
        haa.errors.InputError: push_to=vqa: give a folder, ./vqa say, or a name of the Hugging Face hub, owner/vqa
    """
    path = Path(push_to).expanduser()
    if push_to.startswith((".", "/", "~")) or path.exists() or path.is_absolute():
        check_new(path, "push_to")
        return Target(path)
    if not _NAME.fullmatch(push_to):
        raise InputError(
            f"push_to={push_to}: give a folder, ./{push_to} say, or a name of the Hugging Face hub, owner/{path.name}"
        )
    from huggingface_hub import get_token

    if get_token() is None:
        raise InputError(f"push_to={push_to}: nobody is logged in to the Hugging Face hub: {_LOG_IN}")
    return Target(repository=push_to)


def _problem(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"the Hugging Face hub does not let you write there ({status}): {_LOG_IN}"
    if status is not None:
        return f"the Hugging Face hub refuses it ({reason(error)}): try again later, or give a folder, ./NAME"
    return f"the Hugging Face hub cannot be reached ({reason(error)}): try again later, or give a folder, ./NAME"
