"""Tables as a paper prints them, over all studies of a report; the figures are in `haa.reporting.across`.

The questions are those of Lai et al. (Understanding more about human and machine attention in deep neural networks,
arXiv 1906.08764): how close is machine attention to human attention, is the better network the one that looks more as
people do, what does alignment add, and does it make the map more faithful to the model?
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from haa.disk.bounded import read_object
from haa.errors import reading
from haa.printing.plain import plain
from haa.reporting import names, statistics
from haa.reporting.answer import number, p_value
from haa.reporting.arms import FAITHFULNESS, Arm, Study
from haa.reporting.compare import Comparison, compare, rows
from haa.reporting.paper import captions
from haa.reporting.paper.table import Number, Table
from haa.reporting.pays.standard import Effect, Standardised
from haa.reporting.verdict import Claim
from haa.run_folder import PROBE

CONSISTENCY = ("attention_nss", "attention_cc", "attention_kl", "attention_auc_judd")
"""Metrics of attention against human gaze that papers print; those that no run has are left out."""
WORDS = {
    "alignment helps, whosever gaze it is": "alignment helps",
    "alignment costs, whosever gaze it is": "alignment costs",
}
"""Verdicts in fewer words."""


def tables(
    studies: Sequence[Study],
    claims: Sequence[Sequence[Claim]],
    standard: Sequence[Standardised],
    folders: Sequence[Path],
) -> list[Table]:
    """Return all tables that have rows.

    Args:
        studies: All studies of the report.
        claims: The claims of each, as `haa.reporting.verdict.family` returns them.
        standard: What `haa.reporting.pays.standard.standardise` returns for them.
        folders: Where runs were looked for; what ``haa probe`` wrote there makes the table of layers.
    """
    firsts = [each[0] if each else None for each in claims]
    count = sum(map(len, claims))
    found = [_results(study, f"study{k + 1}_" if len(studies) > 1 else "") for k, study in enumerate(studies)]
    if studies:
        found += [
            _consistency(studies),
            _alignment(studies, firsts, count),
            _explainability(studies, firsts),
            _standard(standard),
        ]
    return [table for table in (*found, layers(folders)) if table.rows]


def _results(study: Study, prefix: str) -> Table:
    """Return every condition's score, its difference to no alignment, and how human its attention is."""
    look = study.attention if study.attention != study.metric else None
    lines: list[list[str | Number]] = []
    for row in rows(study, study.metric):
        mean = Number(None) if row.estimate is None else Number(row.estimate.mean, row.estimate.low, row.estimate.high)
        c = row.comparison
        less: str | Number = "" if c is None and row.arm is study.baseline else _difference(c)
        p = "" if c is None or c.corrected is None else p_value(c.corrected).removeprefix("p = ").removeprefix("p ")
        lines.append([row.arm.name, str(len(row.arm.runs)), mean, less, p, *([_mean(row.arm, look)] if look else [])])
    told = [
        f"{study.title}, {captions.gaze(study)} gaze: every condition's {names.metric(study.metric)}"
        + (f" and {names.metric(look)}" if look else "")
        + ".",
        f"{captions.MEAN}; {captions.paired([study])}; {captions.holm(study)}.",
        f"{names.capital(captions.weight(study))}. {captions.n([study])}.{captions.direction(study, [study.metric])}",
    ]
    heads = ["condition", "seeds", names.metric(study.metric), "less no alignment", "p"]
    return Table(f"{prefix}results", " ".join(told), [*heads, *([names.metric(look)] if look else [])], lines)


def _mean(arm: Arm, metric: str) -> Number:
    values = list(arm.values(metric).values())
    if not values:
        return Number(None)
    estimate = statistics.mean(values)
    return Number(estimate.mean, estimate.low, estimate.high)


def _difference(found: Comparison | None) -> Number:
    if found is None:
        return Number(None)
    return Number(found.difference.mean, found.difference.low, found.difference.high)


def _consistency(studies: Sequence[Study]) -> Table:
    """Return how close machine attention is to human attention."""
    metrics = [name for name in CONSISTENCY if any(name in study.metrics for study in studies)]
    lines: list[list[str | Number]] = []
    scored = [study for study in studies if set(metrics) & set(study.metrics)]
    for study in scored:
        about = [study.title, captions.gaze(study)]
        lines += [[*about, arm.name, str(len(arm.runs)), *(_mean(arm, name) for name in metrics)] for arm in study.arms]
        lines += [
            [*about, name, "", *(Number(row.get(metric)) for metric in metrics)]
            for name, row in study.references.items()
        ]
    told = ""
    if scored:
        told = f"{captions.MEAN}; rows without seeds need no model. {captions.n(scored)}."
        told += captions.direction(scored[0], metrics)
    return Table(
        "consistency",
        f"Attention against human gaze on the test split. {told}",
        [
            "study",
            "gaze",
            "attention of",
            "seeds",
            *(names.metric(name).removeprefix("attention ") for name in metrics),
        ],
        lines,
    )


def _alignment(studies: Sequence[Study], claims: Sequence[Claim | None], count: int) -> Table:
    """Return what alignment adds."""
    lines: list[list[str | Number]] = []
    for study, claim in zip(studies, claims, strict=True):
        if claim is None:
            continue
        lines.append(
            [
                study.title,
                captions.gaze(study),
                names.metric(study.metric),
                Number(None) if study.baseline is None else _mean(study.baseline, study.metric),
                claim.arm.name,
                _mean(claim.arm, study.metric),
                _difference(claim.baseline),
                ", ".join(c.other.name for c in claim.controls) or "none",
                _difference(_hardest(study, claim)),
                _word(claim),
                "" if claim.p is None else p_value(claim.p).removeprefix("p = ").removeprefix("p "),
            ]
        )
    told = [study for study, claim in zip(studies, claims, strict=True) if claim is not None]
    caption = "What alignment adds to the score."
    if told:
        caption += (
            f" {captions.MEAN}; {captions.paired(told)}; of several controls of the same weight, the one that did best "
            f"is compared. p: of the verdict, {captions.family(count)}. {captions.n(told)}."
        )
    heads = ["study", "gaze", "metric", "no alignment", "aligned", "score", "less no alignment", "controls"]
    return Table("alignment", caption, [*heads, "less the control", "verdict", "p"], lines)


def _word(claim: Claim) -> str:
    word = WORDS.get(claim.word, claim.word)
    return word.replace("δ", "δ" if claim.margin is None else number(claim.margin))


def _hardest(study: Study, claim: Claim) -> Comparison | None:
    return min(claim.controls, key=lambda c: study.sign(study.metric) * c.difference.mean, default=None)


def _explainability(studies: Sequence[Study], claims: Sequence[Claim | None]) -> Table:
    """Return whether alignment makes the map more faithful to its model."""
    lines: list[list[str | Number]] = []
    told: list[Study] = []
    for study, claim in zip(studies, claims, strict=True):
        baseline = study.baseline
        if claim is None or baseline is None:
            continue
        for metric in FAITHFULNESS:
            if metric in study.metrics:
                found = compare(study, claim.arm, baseline, metric)
                better = "less" if study.sign(metric) < 0 else "more"
                about = [study.title, names.metric(metric).removeprefix("attention "), better]
                before, after = _mean(baseline, metric), _mean(claim.arm, metric)
                lines.append([*about, before, claim.arm.name, after, _difference(found)])
                told += [] if study in told else [study]
    counts = sorted({run.summary.get("faithfulness", 0) for study in told for run in study.runs} - {0})
    measured = f" Measured on {' or '.join(map(str, counts))} test samples of each run." if counts else ""
    caption = "Faithfulness of the map to its model, less that of random maps, before and after alignment."
    if told:
        caption += f" {captions.MEAN}; {captions.paired(told)}.{measured} {captions.n(told)}."
    heads = ["study", "faithfulness", "better is", "no alignment", "aligned", "with alignment", "difference"]
    return Table("explainability", caption, heads, lines)


def _standard(found: Sequence[Standardised]) -> Table:
    """Return every study in one unit, in which tasks and backbones can be compared."""

    def effect(known: Effect | None) -> Number:
        return Number(None) if known is None else Number(known.value, known.low, known.high)

    lines: list[list[str | Number]] = []
    for row in found:
        effects = (row.to_baseline, row.to_control, row.attention_to_baseline, row.attention_to_control)
        lines.append([row.study.title, captions.gaze(row.study), str(row.seeds), *map(effect, effects)])
    caption = (
        "Human gaze against no alignment, and against the control that is another image's gaze, in standard deviations "
        "of a run (how far another seed moves it; Hedges' correction), more being better. In brackets: 95 % intervals "
        "(Monte Carlo), which are not corrected for the number of studies."
    )
    heads = ["score less no alignment", "score less control", "attention less no alignment", "attention less control"]
    told = f" {captions.n([row.study for row in found])}." if found else ""
    return Table("standard", caption + told, ["study", "gaze", "seeds", *heads], lines)


def layers(folders: Sequence[Path]) -> Table:
    """Return how close every stage of the networks is to human attention that ``haa probe`` looked at in some folders.

    Raises:
        InputError: If a probe.json is none that haa writes.
    """
    again = "probe again, or take the folder away"
    lines: list[list[str | Number]] = []
    metrics: dict[str, None] = {}
    found = dict.fromkeys(path for folder in folders for path in sorted(folder.glob(f"**/{PROBE}")))
    probes = {path: read_object(path, again) for path in found}
    for path, probe in probes.items():
        with reading(path, again):
            metrics |= dict.fromkeys(map(plain, probe["higher_is_better"]))
    for path, probe in probes.items():
        with reading(path, again):
            gaze = "simulated" if probe["simulated_gaze"] else "recorded"
            about = [plain(str(probe[key])) for key in ("network", "weights", "data")]
            for row in probe["rows"]:
                values = [row["metrics"].get(name) or {} for name in metrics]
                numbers = [Number(*(_number(value.get(key)) for key in ("mean", "low", "high"))) for value in values]
                words = [plain(str(row["name"])), plain(str(row["of"])), str(row["stride"] or "")]
                lines.append([*about, gaze, *words, str(int(probe["stimuli"])), *numbers])
    return Table(
        "layers",
        "Consistency of every stage of a network with human gaze, as it is: mean over images with Student's 95 % "
        "interval over them, not corrected for the number of stages.",
        ["network", "weights", "data", "gaze", "stage", "of", "stride", "stimuli", *map(names.metric, metrics)],
        lines,
    )


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)
