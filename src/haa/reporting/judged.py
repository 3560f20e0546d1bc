"""What is claimed of the runs in some folders: their studies, and the claims of each, corrected together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from haa.reporting.answer import answer
from haa.reporting.arms import Study, studies
from haa.reporting.collect import Found, Unfinished
from haa.reporting.verdict import Claim, family


@dataclass(frozen=True)
class Judged:
    """Studies and their claims.

    Args:
        studies: Runs that differ in condition, weight and seed, and in nothing else.
        claims: Claims of each study, the first being its answer.
        lost: Runs that were begun and not finished, or whose files are damaged.
    """

    studies: list[Study]
    claims: list[list[Claim]]
    lost: list[Unfinished]

    @cached_property
    def answers(self) -> list[tuple[str, list[str]]]:
        """Answer of each study in a few words, and the sentences that bear it out."""
        pairs = zip(self.studies, self.claims, strict=True)
        return [answer(study, claims, len(self.studies)) for study, claims in pairs]


def judge(found: Found, metric: str | None = None, difference: float | None = None) -> Judged:
    """Return what is claimed of runs.

    Args:
        found: What `haa.reporting.collect.read` found.
        metric: Metric that the verdict is about; None is the one by which each task selects its checkpoint.
        difference: Smallest difference worth having, in units of the metric; None is what the runs were given.

    Raises:
        InputError: If none has the metric.
    """
    runs, lost = found
    compared = studies(runs, metric, lost)
    if difference is not None:
        compared = [replace(study, difference=difference) for study in compared]
    return Judged(compared, family(compared), lost)
