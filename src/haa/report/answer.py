"""The answer in words: one sentence for every claim, with its intervals, and what the controls did."""

from __future__ import annotations

from haa.report.arms import Arm, Study, sign
from haa.report.compare import Comparison, compare
from haa.report.verdict import LEVEL, Claim


def number(value: float | None, digits: int = 3) -> str:
    """A number as the page prints it, with a real minus sign.

    Example:
        >>> number(-0.1234), number(None), number(1234.5)
        ('−0.123', '–', '1,234')
    """
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"
    return text.replace("-", "−")


def signed(value: float) -> str:
    """Likewise, with its sign.

    Example:
        >>> signed(0.1), signed(-0.1)
        ('+0.100', '−0.100')
    """
    return number(value) if value < 0 else f"+{number(value)}"


def interval(low: float | None, high: float | None) -> str:
    """``−0.010 to 0.120``.

    Example:
        >>> interval(-0.01, 0.12)
        '−0.010 to 0.120'
    """
    return "no interval" if low is None or high is None else f"{number(low)} to {number(high)}"


def p_value(p: float | None) -> str:
    """``p = 0.012``.

    Example:
        >>> p_value(0.0123), p_value(1e-6), p_value(None)
        ('p = 0.012', 'p < 0.001', 'no p-value')
    """
    if p is None:
        return "no p-value"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def gaze(study: Study, arm: Arm) -> str:
    """Whose gaze an arm was trained with, and whether it is real."""
    if arm.predicted:
        return "predicted gaze"
    return "simulated human gaze" if study.simulated else "human gaze"


def answer(study: Study, claims: list[Claim]) -> tuple[str, list[str]]:
    """The answer in a few words, and the sentences that bear it out.

    Args:
        study: what was run.
        claims: of `haa.report.verdict.claims`.
    """
    if not claims:
        return "Nothing to answer yet", ["No run was aligned with human or predicted gaze."]
    first = claims[0]
    subject = gaze(study, first.arm)
    subject = subject[0].upper() + subject[1:]
    metric = study.metric
    short = {
        "helps": f"{subject} helps",
        "unspecific": f"Not shown that {subject.lower()} helps: it is not told apart from a control",
        "uncontrolled": f"Not shown that {subject.lower()} helps: there is no control",
        "harms": f"{subject} harms",
        "inconclusive": f"Inconclusive: not shown whether {subject.lower()} helps",
        "no comparison": f"Not shown whether {subject.lower()} helps: there is no baseline to compare with",
    }[first.word]
    sentences = [_sentence(study, first, metric)]
    sentences += _about_controls(study, first)
    for claim in claims[1:]:
        sentences.append(_short(claim, metric))
    return short, sentences


def _sentence(study: Study, claim: Claim, metric: str) -> str:
    arm, base = claim.arm, claim.baseline
    if base is None:
        return f"{_name(arm)} has no seed in common with a run of weight 0, which is what it would be compared with."
    seeds = f"{base.difference.n} seeds" if base.difference.n > 1 else "one seed"
    by = f"{signed(base.difference.mean)} {metric} against the baseline"
    spread = f"{_interval(base)} over {seeds}"
    if base.samples is not None:
        spread += f", {interval(*base.samples)} over test samples"
    start = f"{_name(arm)}: {by} ({spread}; {'' if base.corrected is None else 'corrected '}{p_value(base.corrected)})."
    if sign(metric) < 0:
        start += f" Less {metric} is better."
    if claim.word != "inconclusive":
        return start
    return f"{start} {_why(base)} haa study-plan says how many seeds would show a given difference."


def _interval(comparison: Comparison) -> str:
    d = comparison.difference
    return "no interval" if d.low is None else f"95 % interval {interval(d.low, d.high)}"


def _why(base: Comparison) -> str:
    d = base.difference
    if d.low is None:
        return "So few outcomes give no interval: run more seeds."
    if d.sign == 0:
        return "The interval holds zero: neither a gain nor a loss is shown, and no absence of one either."
    if base.corrected is not None and base.corrected >= LEVEL:
        return "The interval excludes zero, but no longer once corrected for the number of comparisons."
    return "The seeds agree, but other test samples may not: the interval over samples holds zero."


def _about_controls(study: Study, claim: Claim) -> list[str]:
    if claim.word == "no comparison":
        return []
    if not study.controls(claim.arm):
        return ["No control was run at this weight: condition=shuffled would tell whether it matters whose gaze it is."]
    out = []
    for comparison in claim.controls:
        control, d = comparison.other, comparison.difference
        gain = None if study.baseline is None else compare(control, study.baseline, comparison.metric)
        alone = "" if gain is None else f"{signed(gain.difference.mean)} against the baseline, and "
        apart = {1: "beaten", -1: "better", 0: "not told apart"}[comparison.better]
        spread = f"difference {signed(d.mean)}, {_interval(comparison)}, {p_value(d.p)}"
        out.append(f"Control {control.condition}: {alone}{apart} ({spread}).")
    if claim.word == "unspecific":
        out.append("What was gained may therefore not be due to where people looked.")
    return out


def _short(claim: Claim, metric: str) -> str:
    if claim.baseline is None:
        return f"{_name(claim.arm)}: no comparison."
    d = claim.baseline.difference
    word = {"unspecific": "better than the baseline, not than every control", "uncontrolled": "better, without control"}
    said = word.get(claim.word, claim.word)
    return f"{_name(claim.arm)}: {said} ({signed(d.mean)} {metric}, {interval(d.low, d.high)})."


def _name(arm: Arm) -> str:
    return arm.label[0].upper() + arm.label[1:]
