"""Answer in words: one sentence for every claim, with its intervals, and what the controls did."""

from __future__ import annotations

from haa.report.arms import Arm, Study
from haa.report.compare import Comparison, compare
from haa.report.verdict import LEVEL, Claim


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


def answer(study: Study, claims: list[Claim]) -> tuple[str, list[str]]:
    """Return the answer in a few words, and the sentences that bear it out.

    Args:
        study: Study that was run.
        claims: Claims that `haa.report.verdict.claims` returns.
    """
    if not claims:
        return "Nothing to answer yet", ["No run was aligned with human or predicted gaze."]
    first_claim = claims[0]
    subject = gaze(study, first_claim.arm)
    subject = subject[0].upper() + subject[1:]
    metric = study.metric
    headline = {
        "helps": f"{subject} helps",
        "unspecific": f"Not shown that {subject.lower()} helps: it is not told apart from a control",
        "uncontrolled": f"Not shown that {subject.lower()} helps: there is no control",
        "harms": f"{subject} harms",
        "inconclusive": f"Inconclusive: not shown whether {subject.lower()} helps",
        "no comparison": f"Not shown whether {subject.lower()} helps: there is no baseline to compare with",
    }[first_claim.word]
    sentences = [_sentence(study, first_claim, metric)]
    sentences += _about_controls(study, first_claim)
    for claim in claims[1:]:
        sentences.append(_short(claim, metric))
    return headline, sentences


def _sentence(study: Study, claim: Claim, metric: str) -> str:
    arm, base = claim.arm, claim.baseline
    if base is None:
        return f"{_name(arm)} has no seed in common with a run of weight 0, which is what it would be compared with."
    seeds = f"{base.difference.n} seeds" if base.difference.n > 1 else "one seed"
    gain_text = f"{signed(base.difference.mean)} {metric} against the baseline"
    spread = f"{_interval(base)} over {seeds}"
    if base.samples is not None:
        spread += f", {interval(*base.samples)} over test samples"
    p_text = f"{'' if base.corrected is None else 'corrected '}{p_value(base.corrected)}"
    sentence = f"{_name(arm)}: {gain_text} ({spread}; {p_text})."
    if study.sign(metric) < 0:
        sentence += f" Less {metric} is better."
    if claim.word != "inconclusive":
        return sentence
    return f"{sentence} {_why(base)} haa study-plan says how many seeds would show a given difference."


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
    sentences = []
    for comparison in claim.controls:
        control, d = comparison.other, comparison.difference
        to_baseline = None if study.baseline is None else compare(control, study.baseline, comparison.metric)
        gain_text = "" if to_baseline is None else f"{signed(to_baseline.difference.mean)} against the baseline, and "
        outcome = {1: "beaten", -1: "better", 0: "not told apart"}[comparison.better]
        spread = f"difference {signed(d.mean)}, {_interval(comparison)}, {p_value(d.p)}"
        sentences.append(f"Control {control.condition}: {gain_text}{outcome} ({spread}).")
    if claim.word == "unspecific":
        sentences.append("What was gained may therefore not be due to where people looked.")
    return sentences


def _short(claim: Claim, metric: str) -> str:
    if claim.baseline is None:
        return f"{_name(claim.arm)}: no comparison."
    d = claim.baseline.difference
    phrases = {
        "unspecific": "better than the baseline, not than every control",
        "uncontrolled": "better, without control",
    }
    verdict = phrases.get(claim.word, claim.word)
    return f"{_name(claim.arm)}: {verdict} ({signed(d.mean)} {metric}, {interval(d.low, d.high)})."


def _name(arm: Arm) -> str:
    return arm.label[0].upper() + arm.label[1:]
