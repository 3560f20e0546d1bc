"""Answer in words: one sentence for every claim, with its intervals, and what the controls did."""

from __future__ import annotations

from haa.reporting.arms import Arm, Study
from haa.reporting.compare import Comparison
from haa.reporting.verdict import LEVEL, Claim


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as the page prints it, with a real minus sign.

    Example:
        >>> number(-0.1234), number(None), number(1234.5)
        ('−0.123', '–', '1,234')
    """
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"
    return text.replace("-", "−")


def signed(value: float) -> str:
    """Return a number as `number` prints it, with a plus sign where it is not negative.

    Example:
        >>> signed(0.1), signed(-0.1)
        ('+0.100', '−0.100')
    """
    return number(value) if value < 0 else f"+{number(value)}"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval as the page prints it, such as ``−0.010 to 0.120``.

    Example:
        >>> interval(-0.01, 0.12)
        '−0.010 to 0.120'
    """
    return "no interval" if low is None or high is None else f"{number(low)} to {number(high)}"


def p_value(p: float | None) -> str:
    """Return a p-value as the page prints it, such as ``p = 0.012``.

    Example:
        >>> p_value(0.0123), p_value(1e-6), p_value(None)
        ('p = 0.012', 'p < 0.001', 'no p-value')
    """
    if p is None:
        return "no p-value"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def gaze(study: Study, arm: Arm) -> str:
    """Return a phrase that says whose gaze an arm was trained with, and whether it is real."""
    if arm.predicted:
        return "predicted gaze"
    return "simulated human gaze" if study.simulated else "human gaze"


def answer(study: Study, claims: list[Claim], studies: int = 1) -> tuple[str, list[str]]:
    """Return the answer in a few words, and the sentences that bear it out.

    Args:
        study: Study that was run.
        claims: Its claims, as `haa.reporting.verdict.claims` or `family` returns them.
        studies: Number of studies on the page, whose claims were corrected together.
    """
    if not claims:
        return "Nothing to answer yet", ["No run was aligned with human or predicted gaze."]
    first = claims[0]
    sentences = [_sentence(study, first)]
    sentences += _about_controls(study, first)
    sentences += _how_far(study, first)
    sentences += _lost(study, first)
    sentences += _chosen(study, first, studies)
    sentences += [_short(study, claim) for claim in claims[1:]]
    return _headline(study, first), sentences


def better(claim: Claim) -> int:
    """Return 1 where the treatment did better than the baseline, -1 where worse, 0 where there is none."""
    if claim.baseline is None:
        return 0
    gain = claim.baseline.difference.mean * claim.arm.sign(claim.baseline.metric)
    return int(gain > 0) - int(gain < 0)


def _headline(study: Study, claim: Claim) -> str:
    subject = gaze(study, claim.arm)
    does = "helps" if better(claim) >= 0 else "harms"
    texts = {
        "gaze helps": f"{subject} helps",
        "gaze harms": f"{subject} harms",
        "no difference above δ": f"no difference above {margin(claim)}: {subject} neither helps nor harms by more",
        "no control": f"not shown that {subject} {does}: there is no control with gaze at other pictures",
        "no baseline": f"not shown whether {subject} helps: there is no baseline to compare with",
        "inconclusive": "inconclusive: runs that were lost could overturn the answer"
        if claim.overturned
        else f"inconclusive: not shown whether {subject} helps",
    }
    text = texts.get(claim.word, claim.word)
    return text[0].upper() + text[1:]


def margin(claim: Claim) -> str:
    """Return δ as the page prints it: to two digits."""
    return "δ" if claim.margin is None else f"{claim.margin:.2g}"


def _sentence(study: Study, claim: Claim) -> str:
    arm, base = claim.arm, claim.baseline
    if base is None:
        return f"{_name(arm)} has no seed in common with a run of weight 0, which is what it would be compared with."
    gain = f"{signed(base.difference.mean)} {base.metric} against the baseline"
    sentence = f"{_name(arm)}: {gain} ({_interval(base)}, over {over(study, base)}; {p_value(base.difference.p)})."
    if study.sign(base.metric) < 0:
        sentence += f" Less {base.metric} is better."
    return sentence


def over(study: Study, comparison: Comparison) -> str:
    """Return what a difference is over, such as ``5 seeds and 200 pictures``."""
    n = comparison.difference.n
    seeds = f"{n} seeds" if n > 1 else "one seed"
    if comparison.stimuli is None:
        return seeds
    unit = "test samples" if study.stimuli is None else "videos" if _videos(study) else "pictures"
    return f"{seeds} and {comparison.stimuli} {unit}"


def _videos(study: Study) -> bool:
    return study.settings.get("task.name") == "action"


def _interval(comparison: Comparison) -> str:
    d = comparison.difference
    return "no interval" if d.low is None else f"95 % interval {interval(d.low, d.high)}"


def _about_controls(study: Study, claim: Claim) -> list[str]:
    if claim.word == "no baseline":
        return []
    sentences = []
    for own, gain in zip(claim.controls, claim.gains, strict=True):
        outcome = {1: "beaten", -1: "better", 0: "not told apart"}[own.sign]
        spread = f"difference {signed(own.difference.mean)}, {_interval(own)}, {p_value(own.difference.p)}"
        to_baseline = f"{signed(gain.difference.mean)} against the baseline"
        sentences.append(f"Control {own.other.condition}: {to_baseline}, and {outcome} ({spread}).")
    if not any(own.other.matched for own in claim.controls):
        told = (
            "None of these controls has gaze at other pictures, with the centre bias that all gaze has: "
            if claim.controls
            else "No control was run at this weight: "
        )
        sentences.append(f"{told}condition=shuffled would tell whether it matters whose gaze it is.")
    elif claim.word.startswith("alignment"):
        sentences.append("What alignment does here, gaze at other pictures does, too: no claim about people.")
    elif claim.word == "inconclusive" and claim.baseline is not None and claim.baseline.sign:
        does = "better" if claim.baseline.sign > 0 else "worse"
        sentences.append(f"It is {does} than the baseline; whether that is due to whose gaze it is, is not shown.")
    return sentences


def _how_far(study: Study, claim: Claim) -> list[str]:
    """Return which differences are excluded."""
    base = claim.baseline
    if base is None:
        return []
    if base.difference.low is None:
        return ["So few outcomes give no interval: run more seeds."]
    if claim.word not in ("inconclusive", "no difference above δ"):
        small = claim.margin is not None and claim.p_values.get("no difference above δ", 1.0) <= LEVEL
        why = "" if study.difference is not None else ", 2 % of the baseline's score"
        return [f"It is small: a difference above {margin(claim)}{why}, is excluded."] if small else []
    low, high = (float(end) for end in base.contrast.interval(0.9))
    most = f"{max(abs(low), abs(high)):.2g}"
    sentences = [f"Differences to the baseline above {most} are excluded, by two one-sided tests."]
    if claim.margin is not None:
        why = "" if study.difference is not None else ": 2 % of the baseline's score, as the study names no difference="
        sentences.append(f"δ, the smallest difference worth having, is {margin(claim)}{why}.")
    if claim.word == "inconclusive":
        sentences.append("haa study-plan says how many seeds, or test pictures, would decide.")
    return sentences


def _lost(study: Study, claim: Claim) -> list[str]:
    arms = [claim.arm, *(own.other for own in claim.controls)]
    arms += [claim.baseline.other] if claim.baseline else []
    metric = claim.baseline.metric if claim.baseline else None
    gone = {arm.label: arm.missing(metric) for arm in arms if metric}
    names = [f"{label} (seed {', '.join(map(str, seeds))})" for label, seeds in gone.items() if seeds]
    if study.astray:
        names.append(f"{len(study.astray)} damaged, of any condition")
    if not names:
        return []
    could = "could overturn" if claim.overturned else "were counted at their worst, and do not change"
    return [f"Runs that failed, did not finish or are damaged {could} the answer: {'; '.join(names)}."]


def _chosen(study: Study, claim: Claim, studies: int) -> list[str]:
    sentences = []
    if len(claim.rivals) > 1:
        names = ", ".join(arm.label.removeprefix(f"{arm.condition}, ") for arm in claim.rivals)
        sentences.append(
            f"The validation split chose {claim.arm.label.removeprefix(f'{claim.arm.condition}, ')} among {names}; "
            "the test split was asked about this one alone."
            if claim.chosen
            else f"There are several ways to align ({names}) and no validation scores to choose one by: an answer is "
            "given where all of them agree."
        )
    if claim.p is not None and claim.word not in ("inconclusive", "no baseline"):
        reasons = [f"{len(study.of('treatment'))} treatments"] if len(study.of("treatment")) > 1 else []
        reasons += [f"{studies} studies on this page"] if studies > 1 else []
        corrected = f", corrected for {' and '.join(reasons)}" if reasons else ""
        sentences.append(f"The answer as a whole: {p_value(claim.p)}{corrected}.")
    return sentences


def _short(study: Study, claim: Claim) -> str:
    if claim.baseline is None:
        return f"{_name(claim.arm)}: no comparison."
    d = claim.baseline.difference
    word = claim.word.replace("δ", margin(claim))
    return f"{_name(claim.arm)}: {word} ({signed(d.mean)} {claim.baseline.metric}, {interval(d.low, d.high)})."


def _name(arm: Arm) -> str:
    return arm.label[0].upper() + arm.label[1:]
