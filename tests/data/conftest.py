from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from haa.data.dataset import GazeDataset, Split


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a noisy picture of its own; indices go into the test's folder."""
    monkeypatch.setenv("HAA_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)

    def write(path: Path, width: int, height: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        noise.resize((width, height), Image.Resampling.NEAREST).save(path)
        return path

    return write


@pytest.fixture
def everything() -> Callable[..., dict[str, Any]]:
    """All samples of a reader by id, each with the split in which it is."""

    def read(reader: type[GazeDataset], *arguments: Any, **named: Any) -> dict[str, Any]:
        samples: dict[str, Any] = {}
        for split in get_args(Split):
            data = reader(*arguments, split=split, **named)
            samples |= {sample["id"]: {**sample, "split": split} for sample in data}
        return samples

    return read
