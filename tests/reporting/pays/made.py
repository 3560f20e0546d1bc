"""Studies of arms by seeds, and by samples, out of plain arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.reporting.simulated import Drawn, config

from haa.reporting.arms import Arm, Study
from haa.reporting.crossed import Contrast

X, Y = "attention_nss", "accuracy"


def study(x: np.ndarray, y: np.ndarray, missing: tuple[tuple[int, int], ...] = (), **changed: object) -> Study:
    """A study of arms by seeds: the first is the baseline, the last but one treatments, the last a matched control."""
    columns = {
        (a, s): {X: x[a, s], Y: y[a, s]} for a in range(len(x)) for s in range(len(x[a])) if (a, s) not in missing
    }
    return Study("a study", {}, arms(len(x), columns), **{"metric": Y, "repeated": [], **changed})  # type: ignore[arg-type]


def arms(count: int, values: dict[tuple[int, int], dict[str, np.ndarray]], of: np.ndarray | None = None) -> list[Arm]:
    roles = ["baseline", *["treatment"] * (count - 2), "control"]
    made = []
    for a, role in enumerate(roles):
        condition = {"baseline": "baseline", "treatment": "human", "control": "shuffled"}[role]
        weight = {0: 0.0, count - 1: 0.1}.get(a, 0.1 * a)
        runs = {}
        for (arm, seed), own in values.items():
            if arm == a:
                samples = {name: column for name, column in own.items() if np.ndim(column)}
                if samples:
                    samples["id"] = np.array([f"{k:06}" for k in range(len(own[X]))])
                    if of is not None:
                        samples["stimulus"] = np.array([f"{k:06}" for k in of])
                means = {name: float(np.nanmean(column)) for name, column in own.items()}
                better = {X: True, Y: True, "error": False}
                summary = {"metrics": means, "role": role, "matched": role == "control", "higher_is_better": better}
                runs[seed] = Drawn(Path(), config(weight, condition, seed), summary, samples)
        made.append(Arm(role, condition, weight, "", "", f"{condition}, weight {weight:g}", runs))
    return made


def sampled(x: np.ndarray, y: np.ndarray, of: np.ndarray | None = None) -> Study:
    """A study whose runs have samples: x and y are arms by seeds by samples."""
    values = {(a, s): {X: x[a, s], Y: y[a, s]} for a in range(len(x)) for s in range(x.shape[1])}
    return Study("a study", {}, arms(len(x), values, of), Y, [])


def drawn(seed: int = 0, shape: tuple[int, ...] = (5, 4)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, shape) + rng.normal(0, 2, (shape[0], 1)) + rng.normal(0, 2, (1, shape[1]))
    return x, 0.4 * x + rng.normal(0, 1, shape) + rng.normal(0, 2, (1, shape[1]))


def samples_of(
    rng: np.random.Generator, shape: tuple[int, int], pictures: int, questions: int, own: bool = True
) -> np.ndarray:
    """Values of arms by seeds by samples, that pictures, arms, seeds and runs move: as a model's are moved."""
    count, seeds = shape
    parts = [rng.normal(0, 1, (1, 1, pictures)), rng.normal(0, 1, (count, 1, 1)), rng.normal(0, 1, (1, seeds, 1))]
    if own:
        parts += [rng.normal(0, 1, (count, 1, pictures)), rng.normal(0, 0.5, (1, seeds, pictures))]
    return sum(parts).repeat(questions, -1) + rng.normal(0, 1, (*shape, pictures * questions))


def known(value: float, se: float, df: float) -> Contrast:
    return Contrast(*(np.array(part) for part in (value, se, df, 0.0)))
