"""The peak of this process' memory."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path


def peak() -> float:
    """The peak of this process's memory so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # a child's ru_maxrss begins with its parent's on Linux
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def forget_peak() -> None:
    """Let the peak begin anew, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
