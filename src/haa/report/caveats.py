"""Caveats: what a reader has to know before believing a number, as the program reads it from the run folders."""

from __future__ import annotations

from collections.abc import Sequence

from haa.report.arms import Study
from haa.report.collect import Unfinished

FEW = 5
"""Number of seeds below which an interval rests more on the assumption of normal differences than on the data."""


def caveats(study: Study) -> list[str]:
    """Return the caveats of one study; the most weighty come first."""
    out = []
    if study.simulated:
        out.append("The gaze is simulated: it says how well the method works, and nothing about people.")
    if any(arm.predicted for arm in study.arms):
        out.append(
            "Predicted gaze comes from a saliency model, not from people; attention is scored against the data's own."
        )
    if any(arm.oracle for arm in study.arms):
        out.append(
            "Oracle runs are given human gaze at test time, which no model has in use: they bound what can be gained, "
            "and take no part in the answer."
        )
    out += _seeds(study)
    if study.baseline is None:
        out.append("There is no baseline (align_weight=0): differences are not shown.")
    treated = study.of("treatment")
    uncontrolled = [arm.label for arm in treated if not study.controls(arm)]
    if uncontrolled:
        out.append(f"No control at the same weight: {', '.join(uncontrolled)}. Help cannot be claimed there.")
    others = [arm.label for arm in study.of("less gaze")]
    if others:
        out.append(f"Shown, and no part of the answer: {', '.join(others)}.")
    out += _undefined(study)
    out += _faithfulness(study)
    if study.repeated:
        runs = "1 run repeats" if study.repeated == 1 else f"{study.repeated} runs repeat"
        out.append(f"{runs} the condition, weight and seed of another; the last one counts.")
    sizes = sorted({run.summary["samples"] for run in study.runs})
    if len(sizes) > 1:
        out.append(f"Runs were scored on different numbers of samples: {', '.join(map(str, sizes))}.")
    if study.metric.split("_")[0] in ("nss", "cc", "kl", "sim", "auc"):
        out.append(
            "The task itself is to predict gaze, and all runs learn from it; the conditions exchange only the gaze "
            "that attention is aligned with."
        )
    return out


def overall(studies: Sequence[Study], unfinished: Sequence[Unfinished]) -> list[str]:
    """Return the caveats of all studies together."""
    out = []
    if len(studies) > 1:
        keys = sorted({key for study in studies for key in study.settings})
        differing = [key for key in keys if len({study.settings.get(key) for study in studies}) > 1]
        out.append(
            f"{len(studies)} studies, which differ in {', '.join(differing)}: only runs whose settings are all "
            "the same are compared."
        )
    out += [f"Failed: {_place(run)}: {run.error}" for run in unfinished if run.error]
    cut_off = [_place(run) for run in unfinished if not run.error]
    if cut_off:
        out.append(f"Without metrics, still running or cut off: {_some(cut_off)}.")
    return out


def _place(run: Unfinished) -> str:
    return "/".join(run.folder.parts[-2:])


def _seeds(study: Study) -> list[str]:
    counts = {arm.label: len(arm.runs) for arm in study.arms}
    out = []
    fewest = min(counts.values())
    if fewest < FEW:
        fewest_text = "1 run" if fewest == 1 else f"{fewest} runs"
        out.append(
            f"Few seeds: some conditions have {fewest_text}. With fewer than {FEW} an interval rests on the assumption "
            "that differences are normally distributed."
        )
    seeds = {tuple(sorted(arm.runs)) for arm in study.arms}
    if len(seeds) > 1:
        listed = ", ".join(f"{label} {count}" for label, count in counts.items())
        out.append(f"Unequal seeds ({listed}): differences are over the seeds that both sides have.")
    return out


def _undefined(study: Study) -> list[str]:
    counts: dict[str, int] = {}
    for run in study.runs:
        for name, count in run.summary.get("undefined", {}).items():
            counts[name] = max(counts.get(name, 0), count)
    names = [name for name, count in counts.items() if count]
    if not names:
        return []
    samples = max(run.summary["samples"] for run in study.runs)
    most = max(counts.values())
    return [f"Undefined for up to {most} of {samples} test samples, mostly for want of gaze: {', '.join(names)}."]


def _faithfulness(study: Study) -> list[str]:
    counts = sorted({run.summary.get("faithfulness", 0) for run in study.runs})
    if counts == [0]:
        return []
    agreement = "the same in all runs" if len(counts) == 1 else "depending on the run: their means cannot be compared"
    count_text = " or ".join(map(str, counts))
    return [f"Deletion, insertion, comprehensiveness and sufficiency are of {count_text} test samples, {agreement}."]


def _some(names: list[str], most: int = 8) -> str:
    left_out = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + left_out
