"""Whether ``haa study-plan`` keeps its promises: the power that it names, beside what the verdict says of studies.

    python -m benchmarks.plan [--studies 2000] [--out outputs/plan.csv]

For each design, pilots of many seeds are pooled, so that nothing but the plan's own model can fail. The difference is
the one to which the plan gives a power of 0.7. Then that many studies are drawn as runs, and judged by
`haa.reporting.verdict.claims`; where the two differ by chance or more, ten times as many.
"""

from __future__ import annotations

import argparse
import csv
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.reporting.simulated import Drawn, study_runs

from benchmarks import calibration
from haa.printing.progress import progress
from haa.reporting import power
from haa.reporting.arms import studies
from haa.reporting.plan import pilot
from haa.reporting.verdict import claims

PILOTS, PILOT_SEEDS = 30, 100
AIM = 0.7
FAR, AGAIN = 0.02, 10
"""Promised and found that are this far apart are so by chance, or not: ten times as many studies are drawn anew."""


@dataclass(frozen=True)
class Case:
    """A design of studies, and what is to be found in them."""

    name: str
    seeds: int
    controls: int = 2
    weights: int = 1
    pictures: float | None = None
    """Variance of a mean over pictures, as a share of that over seeds; None where the score is no mean over samples."""
    noise: str = "normal"
    answers: int | None = None
    """Where set, answers are right or wrong, and this is the number of pictures, of 200 questions."""
    sd_run: float = 0.03
    """Luck of a run whose answers are right or wrong."""
    word: str = power.HELPS

    def runs(self, rng: np.random.Generator, gain: float, margin: float = 0.0, seeds: int | None = None) -> list[Drawn]:
        """Return the runs of one study in which human gaze gains, and no control does."""
        n = seeds or self.seeds
        if self.answers is not None:
            names = ["shuffled", "center", "inverted"][: self.controls]
            effects = {(w, c): gain * (c == "human") for w in (0.5, 2.0)[: self.weights] for c in ("human", *names)}
            runs = study_runs(rng, effects, n, 200, sd_arm=self.sd_run, pictures=self.answers)
            return [replace(run, config={**run.config, "difference": margin or None}) for run in runs]
        # the spread over pictures is given as a share, which must not change with the seeds
        share = None if self.pictures is None else self.pictures * n / self.seeds
        design = calibration.Design(n, self.weights, self.controls, self.noise, pictures=share)
        outcomes = calibration.draw(design, 1, rng)
        # validation chooses a weight by chance: luck that it shares with the test split is not in the plan
        outcomes = outcomes._replace(validation=rng.normal(size=outcomes.validation.shape))
        return calibration.as_runs(design, outcomes, calibration.Truth(gain, 0, 0, (), margin))


CASES = [
    *[Case("no samples", s, c) for s in (3, 5, 15) for c in (1, 2)],
    *[Case("pictures alike", s, pictures=0.0) for s in (3, 8)],
    *[Case("pictures on", s, c, pictures=1.0) for s in (3, 5, 15) for c in (1, 2)],
    Case("pictures ×4", 5, pictures=4.0),
    Case("two weights", 5, 1, weights=2, pictures=1.0),
    *[
        Case("right or wrong", s, c, answers=200, sd_run=sd)
        for s, c, sd in ((3, 1, 0.03), (5, 2, 0.03), (10, 1, 0.015))
    ],
    Case("10 questions a picture", 5, 1, answers=20),
    Case("skewed luck", 5, noise="skewed"),
    Case("no samples", 5, word=power.SAME),
    Case("pictures on", 8, pictures=1.0, word=power.SAME),
    Case("right or wrong", 5, 1, answers=200, word=power.SAME),
]


def pooled(designs: Sequence[power.Design]) -> power.Design:
    """Return the mean of what several pilots say."""
    over_seeds = np.mean([design.over_seeds for design in designs], axis=0)
    splits = [design.split for design in designs if design.split is not None]
    if not splits:
        return replace(designs[0], over_seeds=over_seeds)
    shared = np.mean([split.shared for split in splits], axis=0)
    sampling = np.mean([split.sampling for split in splits], axis=0)
    return replace(designs[0], over_seeds=over_seeds, split=replace(splits[0], shared=shared, sampling=sampling))


def perfect(case: Case, rng: np.random.Generator, gain: float = 0.0) -> power.Design:
    """Return what so many pilots of so many seeds say that their uncertainty does not count."""
    designs = []
    for _ in range(PILOTS):
        (study,) = studies(case.runs(rng, gain, seeds=PILOT_SEEDS))
        designs.append(pilot(study, study.of("treatment")[0]).design)
    return pooled(designs)


def difference_for(case: Case, design: power.Design, aim: float = AIM) -> float:
    """Return the difference to which the plan gives this power."""
    low, high = 0.0, 1.0
    while power.joint_power(high, design, case.seeds)[case.word] < aim:
        low, high = high, 2 * high
    for _ in range(10):
        middle = (low + high) / 2
        enough = power.joint_power(middle, design, case.seeds)[case.word] >= aim
        low, high = (low, middle) if enough else (middle, high)
    return high


def found(case: Case, difference: float, n: int, rng: np.random.Generator) -> float:
    """Return the share of n studies of which the verdict says the word."""
    gain, margin = (difference, 0.0) if case.word == power.HELPS else (0.0, difference)
    return float(np.mean([claims(studies(case.runs(rng, gain, margin))[0])[0].word == case.word for _ in range(n)]))


def kept(case: Case, n: int, again: int = AGAIN) -> tuple[float, float, float, int]:
    """Return a difference, the power that the plan promises to it, the share of studies that find it, and how many."""
    rng = np.random.default_rng(zlib.crc32(repr(case).encode()))
    design = perfect(case, rng)
    difference = difference_for(case, design)
    promised = power.joint_power(difference, design, case.seeds, draws=20_000)[case.word]
    share = found(case, difference, n, rng)
    if again == 1 or abs(promised - share) < FAR:
        return difference, promised, share, n
    return difference, promised, found(case, difference, again * n, rng), again * n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("outputs/plan.csv"))
    given = parser.parse_args()
    head = ("design", "seeds", "controls", "word", "difference", "promised", "found", "standard error", "studies")
    lines = []
    with progress() as bar:
        for case in bar.track(CASES, description=f"{given.studies} studies each"):
            difference, promised, share, studies_drawn = kept(case, given.studies)
            row = (
                case.name,
                case.seeds,
                case.controls,
                case.word,
                f"{difference:.3g}",
                f"{promised:.3f}",
                f"{share:.3f}",
                f"{np.sqrt(share * (1 - share) / studies_drawn):.3f}",
                studies_drawn,
            )
            lines.append([str(value) for value in row])
            given.out.parent.mkdir(parents=True, exist_ok=True)
            with given.out.open("w", newline="") as file:
                csv.writer(file).writerows([head, *lines])
    table = Table(*head, title="power: promised, and found")
    for line in lines:
        table.add_row(*line)
    Console().print(table)


if __name__ == "__main__":
    main()
