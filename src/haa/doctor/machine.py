"""What the machine has: its system, the cores and the memory that a process may use, and torch's devices."""

from __future__ import annotations

import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux says what a container or a job may use."""

ENVIRONMENT = (
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"),
    *("HF_HUB_OFFLINE", "WANDB_MODE", "HYDRA_FULL_ERROR", "SLURM_JOB_ID", "WORLD_SIZE", "LOCAL_RANK"),
)
"""Variables that change what haa does and hold no secret and no path."""


def system() -> dict[str, str]:
    """Return Python, its kind, and the system that it runs on."""
    libc = " ".join(part for part in platform.libc_ver() if part)
    return {
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "executable": sys.executable,
        "system": " ".join(part for part in (platform.system(), platform.release(), platform.machine(), libc) if part),
    }


def cores() -> dict[str, Any]:
    """Return how many cores there are, how many this process may use, and the share of time that its group is given."""
    there = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    share = int(quota) / int(period) if quota.isdigit() and period.isdigit() else None
    return {"usable": usable, "there": there, "quota": share}


def memory() -> dict[str, int | None]:
    """Return the memory of the machine, how much of it is free, and the most that this process' group may have."""
    lines = dict(line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line)
    kib = {name: int(value.split()[0]) * 1024 for name, value in lines.items() if value.split()[0].isdigit()}
    limit = _read(CGROUP / "memory.max")
    most = int(limit) if limit.isdigit() else None
    return {"total": kib.get("MemTotal"), "free": kib.get("MemAvailable"), "limit": most}


def devices() -> dict[str, Any]:
    """Return what torch says of itself and of the devices that it can use; ``fault`` where it cannot be imported."""
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            import torch

            found = [_device(torch, index) for index in range(torch.accelerator.device_count())] if _any(torch) else []
            return {
                "torch": torch.__version__,
                "cuda": torch.version.cuda,
                "hip": torch.version.hip,
                "cudnn": torch.backends.cudnn.version(),
                "threads": torch.get_num_threads(),
                "devices": found,
                "warnings": sorted({" ".join(str(each.message).split()) for each in told}),
                "fault": None,
            }
    except Exception as error:  # a broken installation fails in many ways, and this is where it should be told
        return {"torch": None, "devices": [], "warnings": [], "fault": f"{type(error).__name__}: {error}"}


def environment() -> dict[str, str]:
    """Return those of the variables in `ENVIRONMENT` that are set."""
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


def _any(torch: Any) -> bool:
    return bool(torch.accelerator.is_available())


def _device(torch: Any, index: int) -> dict[str, Any]:
    kind = torch.accelerator.current_accelerator().type
    if kind != "cuda":
        return {"device": f"{kind}:{index}", "name": kind, "memory": None, "capability": None}
    properties = torch.cuda.get_device_properties(index)
    capability = f"{properties.major}.{properties.minor}"
    return {
        "device": f"{kind}:{index}",
        "name": properties.name,
        "memory": properties.total_memory,
        "capability": capability,
    }


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
