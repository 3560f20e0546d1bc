"""Caveats: what a reader has to know before believing a number, as the program reads it from the run folders."""

from __future__ import annotations

from collections.abc import Sequence

from haa.printing.plain import plain
from haa.reporting.answer import number
from haa.reporting.arms import Study
from haa.reporting.collect import Unfinished
from haa.reporting.settings import NOT_RECORDED, TEST_SAMPLES, differing

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
    uncontrolled = [arm.label for arm in treated if not any(other.matched for other in study.controls(arm))]
    if uncontrolled:
        out.append(
            f"No shuffled control at the same weight: {', '.join(uncontrolled)}. That gaze helps, or harms, cannot be "
            "claimed there: inverted and random gaze lack the centre bias that all gaze has."
        )
    others = [arm.label for arm in study.of("less gaze")]
    if others:
        out.append(f"Shown, and no part of the answer: {', '.join(others)}.")
    out += _undefined(study)
    out += _faithfulness(study)
    out += _lost(study)
    out += _repeated(study)
    out += _pull(study)
    out += _unrecorded(study)
    out += _weights(study)
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
        out.append(
            f"{len(studies)} studies: only runs that are equal in all but condition, weight and seed are compared. "
            "All answers are corrected together (Holm), so that any false one is said on 5 % of such pages."
        )
        out += _apart(studies)
    out += damaged(unfinished)
    out += [f"Failed: {_place(run)}: {run.error}" for run in unfinished if run.error and not run.damaged]
    cut_off = [_place(run) for run in unfinished if not run.error]
    if cut_off:
        out.append(f"Without metrics, still running or cut off: {_some(cut_off)}.")
    return out


def damaged(unfinished: Sequence[Unfinished]) -> list[str]:
    """Return a line for each damaged run: what is wrong with it, and what to do."""
    return [f"Damaged, and not compared: {_place(run)}: {run.error}" for run in unfinished if run.damaged]


def _apart(studies: Sequence[Study]) -> list[str]:
    """Return, for each study, in what it differs from the one before it that it resembles most."""
    out = []
    for k, study in enumerate(studies[1:], start=1):
        keys = {n: differing([study.settings, studies[n].settings]) for n in range(k)}
        nearest = min(keys, key=lambda n: (len(keys[n]), n))
        values = [
            f"{key} ({_said(studies[nearest].settings.get(key))}, here {_said(study.settings.get(key))})"
            for key in keys[nearest]
        ]
        data = any(key.startswith("data ") or key == TEST_SAMPLES for key in keys[nearest])
        more = " It is of other data." if data else ""
        out.append(f"Study {k + 1} differs from study {nearest + 1} in {_some(values)}.{more}")
    return out


def _said(value: str | None) -> str:
    if value is None:
        return "not set"
    return f"{value[:6]}…" if len(value) > 24 and value.isalnum() else value if len(value) <= 60 else f"…{value[-58:]}"


def _place(run: Unfinished) -> str:
    return "/".join(run.folder.parts[-2:])


def _seeds(study: Study) -> list[str]:
    counts = {arm.label: len(arm.runs) for arm in study.arms if arm.runs}
    out = []
    fewest = min(counts.values())
    if fewest < FEW:
        fewest_text = "1 run" if fewest == 1 else f"{fewest} runs"
        out.append(
            f"Few seeds: some conditions have {fewest_text}. With fewer than {FEW} an interval rests on the assumption "
            "that differences are normally distributed."
        )
    seeds = {tuple(sorted(arm.runs)) for arm in study.arms if arm.runs}
    if len(seeds) > 1:
        listed = ", ".join(f"{label} {count}" for label, count in counts.items())
        out.append(f"Unequal seeds ({listed}): differences are over the seeds that both sides have.")
    return out


def _lost(study: Study) -> list[str]:
    gone = [
        f"{arm.label}, seed {seed} ({why.splitlines()[0]})"
        for arm in study.arms
        for seed, why in sorted(arm.missing(study.metric).items())
    ]
    out = [f"Failed, diverged or unfinished, and counted in the answer at their worst: {_some(gone)}."] if gone else []
    if study.astray:
        out.append(
            f"Damaged, and nothing says of which condition: {_some(study.astray)}. They count in the answer as if they "
            "were of any, at their worst."
        )
    return out


def _repeated(study: Study) -> list[str]:
    out, same = [], 0
    for left_out, kept in study.repeated:
        a, b = (run.summary["metrics"].get(study.metric) for run in (left_out, kept))
        if a == b:
            same += 1
        else:
            out.append(
                f"{kept.condition}, weight {kept.weight:g}, seed {kept.seed} was run twice and came out differently: "
                f"{study.metric} {number(a)} in {left_out.folder}, {number(b)} in {kept.folder}. The later one counts."
            )
    if same:
        out.append(f"{same} {'run repeats' if same == 1 else 'runs repeat'} another one with the same result.")
    return out


def _pull(study: Study) -> list[str]:
    """Return how hard each condition pulls, where that is known, and which control pulls less."""
    losses = {arm.label: arm.align_loss_at_start for arm in study.arms if arm.role in ("treatment", "control")}
    known = {label: loss for label, loss in losses.items() if loss is not None}
    if not known:
        return []
    told = "; ".join(f"{label}: {number(loss)}" for label, loss in known.items())
    out = [f"How hard each condition pulls, as its alignment loss before training: {told}."]
    for arm in study.of("treatment"):
        own = known.get(arm.label)
        weaker = [
            other.condition
            for other in study.controls(arm)
            if own is not None and (theirs := known.get(other.label)) is not None and theirs < 0.9 * own
        ]
        if weaker:
            out.append(f"{', '.join(weaker)}: pulls less than {arm.label}, and is the easier to beat.")
    return out


def _unrecorded(study: Study) -> list[str]:
    out = []
    absent = {
        "the version that made them": study.settings["haa"] == NOT_RECORDED,
        "a fingerprint of their data": not any("data" in run.summary for run in study.runs),
        "which samples were tested": study.settings[TEST_SAMPLES] == NOT_RECORDED,
    }
    lacking = [name for name, lacks in absent.items() if lacks]
    if lacking:
        out.append(f"These runs do not say {', '.join(lacking)}: that they belong together rests on their settings.")
    if study.ids is not None and study.stimuli is None:
        out.append(
            "These runs do not say which test samples share a picture or video: each counts as one of its own, and "
            "where several share one, intervals are too narrow. haa evaluate on their checkpoints records it."
        )
    return out


def _weights(study: Study) -> list[str]:
    """Return what the backbones' weights were before training, where runs say it."""
    found = {said for run in study.runs if isinstance(said := run.summary.get("backbone_weights"), str)}
    if found == {"random, frozen"}:
        return ["The backbone's weights are random and fixed: nothing in it was learned from anything."]
    return [f"The backbone's weights before training: {'; or '.join(map(plain, sorted(found)))}."] if found else []


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
    out = [f"Deletion, insertion, comprehensiveness and sufficiency are of {count_text} test samples, {agreement}."]
    if any(run.summary.get("faithfulness") and "faithfulness_is" not in run.summary for run in study.runs):
        out.append(
            "These four are plain values, as version 0.1 measured them: a more confident model scores higher with any "
            "map. haa evaluate on the checkpoints takes those of random maps off."
        )
    return out


def _some(names: list[str], most: int = 8) -> str:
    left_out = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + left_out
