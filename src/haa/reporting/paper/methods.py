"""A paragraph of methods that says what the configs of a study's runs say, and names what it does not cover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from haa.printing.plain import plain, short
from haa.reporting import names
from haa.reporting.arms import FAITHFULNESS, Study
from haa.reporting.collect import Run
from haa.reporting.paper import captions
from haa.reporting.paper.asked import MOST, SEEDED, Asked, listed, shown
from haa.reporting.paper.citations import Cite, Text
from haa.reporting.settings import handed_on
from haa.reporting.verdict import LEVEL, Claim
from haa.reporting.whole import number

PARAGRAPHS = {
    "model": ("data", "model", "backbone", "attention"),
    "training": ("alignment", "conditions", "training"),
    "evaluation": ("scores", "statistics", "margin", "software"),
}
"""Sentences that make a paragraph together; others make one each."""


def methods(studies: Sequence[Study], claims: Sequence[Sequence[Claim]]) -> list[Text]:
    """Return the paragraphs of methods: what holds for all studies first, then what holds for some.

    Args:
        studies: All studies of the report.
        claims: The claims of each, as `haa.reporting.verdict.family` returns them.
    """
    count = sum(map(len, claims))
    slots = [sentences(study, own, count) for study, own in zip(studies, claims, strict=True)]
    shared: dict[str, list[str | Cite]] = {}
    apart: list[Text] = []
    for key in dict.fromkeys(key for one in slots for key in one):
        groups: dict[tuple[str | Cite, ...], list[str]] = {}
        for study, one in zip(studies, slots, strict=True):
            if key in one:
                groups.setdefault(tuple(one[key]), []).append(study.title)
        if len(groups) == 1 and all(key in one for one in slots):
            shared.setdefault(next((k for k in PARAGRAPHS if key in PARAGRAPHS[k]), key), []).extend(
                [*next(iter(groups)), " "]
            )
        else:
            apart += [[f"{'; '.join(titles)}: ", *text] for text, titles in groups.items()]
    return [*(text[:-1] for text in shared.values()), *apart]


def sentences(study: Study, claims: Sequence[Claim], count: int = 1) -> dict[str, Text]:
    """Return the sentences about one study by what they are about.

    Args:
        study: The study.
        claims: Its claims.
        count: Number of claims on the page, which are corrected together.
    """
    run = _example(study, claims)
    asked = Asked(run.config, handed_on(run.config for run in study.runs))
    made: dict[str, Callable[[], Text]] = {
        "data": lambda: _data(study, run, asked),
        "model": lambda: _model(run, asked),
        "backbone": lambda: _backbone(run, asked),
        "attention": lambda: _attention(asked),
        "alignment": lambda: _alignment(study, asked),
        "conditions": lambda: _conditions(study, asked),
        "training": lambda: _training(study, run, asked),
        "scores": lambda: _scores(study, run, asked),
        "statistics": lambda: _statistics(study, claims, count),
        "margin": lambda: _margin(claims),
        "software": lambda: _software(study, asked),
        "not covered": lambda: _not_covered(asked),
    }
    return {key: text for key, make in made.items() if (text := make())}


def _example(study: Study, claims: Sequence[Claim]) -> Run:
    """Return a run of the treatment that the answer is about; else of an arm that was aligned; else any."""
    arms = [claims[0].arm] if claims else []
    arms += [arm for arm in study.arms if arm.weight] + study.arms
    return next(run for arm in arms for run in arm.runs.values())


def _data(study: Study, run: Run, asked: Asked) -> Text:
    data = names.data(run.config["data"])
    for key in ("world", "gha", "sigma"):
        asked(f"data.{key}")
    sizes = {split: of.get("samples") for split, of in (run.summary.get("data") or {}).items()}
    for split in sizes:
        asked(f"data.{split}")
    splits = [
        f"{sizes[split]:,} samples for {word}" for split, word in _SPLITS.items() if isinstance(sizes.get(split), int)
    ]
    unit, images, samples = captions.units(study), captions.images(study), captions.samples(study)
    told = f": {names.joined(splits)}" if splits else ""
    several = f" The test samples show {images:,} {unit}." if images is not None and images < samples else ""
    few, draw = asked("loader.per_class"), asked("loader.per_class_seed", 0)
    drawn = (
        "which each seed draws anew, the same in all conditions"
        if draw == SEEDED
        else f"the same in every run (per_class_seed = {shown(draw)})"
    )
    how = names.recorded(run.config["data"])
    where = {
        "simulated": "Gaze is that of a simulated observer, and says nothing about people.",
        "recorded": f"Gaze was recorded{how} ({captions.people(study)} for each test {unit[:-1]}).",
        "predicted": "Gaze was predicted by a saliency model.",
    }[captions.gaze(study)]
    return [
        f"The task is {names.task(plain(str(asked('task.name'))))} on {data.text}",
        Cite(data.cite),
        f"{asked.told('data')}{told}.{several}",
        f" Training uses {shown(few)} samples of each class, {drawn}." if few is not None else "",
        f" {where}",
    ]


_SPLITS = {"train": "training", "val": "validation", "test": "testing"}


def _model(run: Run, asked: Asked) -> Text:
    if asked.own:
        return ["The model, where its attention is read, and its training are the authors' own: to be told by hand."]
    model = names.named(names.MODELS, asked.node("model"))
    asked("model._target_")
    text: list[str | Cite] = [f"The model is {model.text}", Cite(model.cite), f"{asked.told('model')}."]
    weights = run.summary.get("backbone_weights")
    if "_target_" not in asked.node("backbone") and isinstance(weights, str):
        text += [f" Its weights before training: {short(weights, 120)}."]
    if rank := asked("lora.rank"):
        text += [
            f" It is trained by low-rank adapters of rank {shown(rank)}",
            Cite(("hu2022",)),
            f"{asked.told('lora')}.",
        ]
    return text


def _backbone(run: Run, asked: Asked) -> Text:
    node = asked.node("backbone")
    if "_target_" not in node:
        return []
    own = names.backbone(node)
    tag = str(node.get("name", "")).partition(".")[2]
    for key in ("_target_", "name", "version", "pretrained", "weights", "frozen"):
        asked(f"backbone.{key}")
    text: list[str | Cite] = [f"The backbone is {_article(own.text)}", Cite(own.cite)]
    text += [f" (weights {plain(tag)})" if tag else "", asked.told("backbone")]
    if any(kind in str(node["_target_"]) for kind in ("Timm", "EfficientNet")):
        text += [" from timm", Cite(("wightman2019",))]
    weights = run.summary.get("backbone_weights")
    return [*text, f"; its weights before training: {short(weights, 120)}." if isinstance(weights, str) else "."]


def _attention(asked: Asked) -> Text:
    if asked.own:
        return []
    node = asked.node("attention")
    asked("attention")
    asked("attention._target_")
    own = names.attention(node)
    lies = {
        "receptive_field": "the cells of the map lie where their receptive fields are",
        "stretched": "the map is stretched over the image",
    }
    geometry = str(asked("geometry", "stretched"))
    told = lies.get(geometry, f"geometry = {short(geometry, 40)}")
    return [f"Its attention is {_article(own.text, named=True)}", Cite(own.cite), f"{asked.told('attention')}; {told}."]


def _alignment(study: Study, asked: Asked) -> Text:
    arms = [arm for arm in study.arms if arm.weight and arm.runs]
    if not arms:
        return ["Nothing is aligned with gaze."]
    text: list[str | Cite] = ["The alignment loss between the attention and the human map is "]
    losses = {arm.loss: arm for arm in arms}
    for place, arm in enumerate(losses.values()):
        own = Asked(next(iter(arm.runs.values())).config)
        node = own.function("alignment.loss", "haa.losses")
        loss = names.loss(node) if node or not own.own else names.Name("loss that is to be told by hand")
        rest = {key: value for key, value in own.left("alignment.loss").items() if key not in ("_target_", "reverse")}
        values = listed(rest)
        text += [", or " if place else "", f"the {loss.text}", Cite(loss.cite), f" ({values})" if values else ""]
    asked("alignment.loss")
    asked.left("alignment.loss")
    schedule = asked.function("alignment.schedule", "haa.alignment.schedule")
    kind = names.named(names.WEIGHT_SCHEDULES, schedule) if schedule else names.WEIGHT_SCHEDULES["constant"]
    asked("alignment.schedule._target_")
    weights = sorted({arm.weight for arm in study.arms})
    tried = ", ".join(f"{weight:g}" for weight in weights)
    asked("align_weight")
    asked("alignment.weight")
    sigma = asked("alignment.sigma", 0.03)
    text += [
        f"; it is multiplied by a weight λ ({tried}"
        + (f"; {kind.text}{asked.told('alignment.schedule')}" if kind.text != "constant" else "")
        + f") and added to the task's loss. Human maps are fixations under a Gaussian whose standard deviation is "
        f"{_share(sigma)} of the image's longer side{asked.told('alignment')}."
    ]
    return text


def _conditions(study: Study, asked: Asked) -> Text:
    asked("condition._target_")
    asked("condition.control._target_")
    asked.left("condition")  # an arm's name has what is not at its default
    text = ["λ = 0 is the condition without alignment. "] if study.baseline is not None else []
    parts = {"treatment": "Trained with", "control": "Controls", "less gaze": "With less gaze", "oracle": "Upper bound"}
    for role, begin in parts.items():
        labels = dict.fromkeys(names.condition(arm.condition) for arm in study.of(role) if arm.runs)
        if labels:
            explained = [f"{label}{_explained(label)}" for label in labels]
            text += [f"{begin}{':' if role != 'treatment' else ''} {names.joined(explained)}. "]
    return ["".join(text).rstrip()] if text else []


_WHAT = {
    "another image's gaze": "the gaze at another image of the training split, always the same one",
    "centred gaze": "each cluster of the image's own fixations moved to where people looked at other images",
    "displaced gaze": "the image's own fixations, all moved by one random distance",
    "inverted gaze": "each cluster of the image's own fixations moved to where nobody looked",
    "human map inserted": "the human map takes the place of the attention, at test time too",
}


def _explained(label: str) -> str:
    return f" ({_WHAT[label]})" if label in _WHAT else ""


def _training(study: Study, run: Run, asked: Asked) -> Text:
    seeds = sorted({seed for arm in study.arms for seed in arm.runs})
    asked("seed")
    if asked.own:
        return [f"Every condition is trained from {_number(len(seeds))} ({_seeds(seeds)})."]
    asked("lr")
    optimizer, schedule = asked.node("optimizer"), asked.node("scheduler")
    asked("optimizer._target_")
    asked("scheduler._target_")
    by, with_ = names.named(names.OPTIMIZERS, optimizer), names.named(names.SCHEDULES, schedule)
    size = asked("loader.transform.size")
    of_size = f", on images of {_size(size)} pixels" if size else ""
    steps = asked("loader.batch_size")
    patience = asked("callbacks.early_stopping.patience")
    text: list[str | Cite] = [
        f"Every condition is trained from {_number(len(seeds))} ({_seeds(seeds)}; a seed sets weights, order and "
        f"augmentation) for {shown(asked('epochs'))} epochs",
        f", or until {shown(patience)} epochs bring no improvement on the validation split" if patience else "",
        f", by {by.text}",
        Cite(by.cite),
        f" with a learning rate of {shown(optimizer.get('lr', asked('lr')))}",
    ]
    asked("optimizer.lr")
    text += [f"{asked.told('optimizer')}, {with_.text}" if schedule else asked.told("optimizer"), Cite(with_.cite)]
    text += [f"{asked.told('scheduler')}, and batches of {shown(steps)}" if steps else asked.told("scheduler"), of_size]
    text += [asked.told("loader.transform"), asked.told("loader"), "."]
    devices = asked("trainer.devices")
    rest = asked.left("trainer") | ({"devices": devices} if devices not in (1, "auto", None) else {})
    text += [f" Trainer: {listed(rest)}." if rest else ""]
    rest = asked.left("task.module")
    text += [f" Task: {listed(rest)}." if rest else ""]
    metric = plain(str(run.config["task"]["monitor"])).removeprefix("val/")
    return [*text, f" The checkpoint with the best {names.metric(metric)} on the validation split is tested."]


def _scores(study: Study, run: Run, asked: Asked) -> Text:
    vqa = study.metric == "accuracy" and asked("task.name") == "vqa"
    text: list[str | Cite] = [f"The score is {'VQA accuracy' if vqa else names.metric(study.metric)}."]
    looks = [name for name in study.metrics if name.startswith("attention_")]
    human = [names.metric(name).removeprefix("attention ") for name in looks if name not in FAITHFULNESS]
    if human:
        sigma = run.summary.get("sigma")
        blur = f", blurred by {_share(sigma)} of its longer side" if sigma is not None else ""
        text += [f" Attention is scored by {names.joined(human)}", Cite(("bylinskii2019",))]
        text += (
            [f", at the image's own size, against the gaze recorded at the test images{blur}."]
            if not (study.simulated)
            else [f", at the image's own size, against the simulated gaze at the test images{blur}."]
        )
    count = asked("faithfulness")
    if any(name in FAITHFULNESS for name in looks):
        text += [" Faithfulness is measured by deletion, insertion", Cite(("petsiuk2018",)), ", comprehensiveness and "]
        on = f" on {shown(count)} test samples" if count else ""
        text += [f"sufficiency{on}, less that of random maps of the same model."]
    return text


def _statistics(study: Study, claims: Sequence[Claim], count: int) -> Text:
    text: list[str | Cite] = ["Conditions are compared seed by seed."]
    if "seeds and test" in captions.paired([study]):
        text += [
            f" Intervals (95 %) are over seeds and test {captions.units(study)} together, which are crossed",
            Cite(("clark1973",)),
            ": variance components with Satterthwaite's degrees of freedom",
            Cite(("satterthwaite1946",)),
            ", the variance over seeds moderated by that of the study's other conditions",
            Cite(("smyth2004",)),
            ".",
        ]
    else:
        text += [" Intervals (95 %) are Student's, over seeds."]
    text += [
        f" Gaze helps where it beats no alignment and every control of the same weight at a level of {LEVEL:g}, "
        f"{captions.family(count)}",
        Cite(("holm1979",)) if count > 1 else "",
        ".",
    ]
    if claims and len(claims[0].rivals) > 1:
        text += [" Of several weights the validation split chooses one, and p-values are multiplied by their number."]
    return text


def _margin(claims: Sequence[Claim]) -> Text:
    if not claims or claims[0].margin is None:
        return []
    told = f"Differences in the score above {claims[0].margin:.2g} count as worth having; that there is none"
    return [told, " is shown by two one-sided tests", Cite(("schuirmann1987",)), "."]


def _software(study: Study, asked: Asked) -> Text:
    versions: dict[str, Any] = next(
        (run.summary["versions"] for run in study.runs if isinstance(run.summary.get("versions"), dict)), {}
    )
    said = {plain(str(name)): short(str(version), 40) for name, version in versions.items()}
    haa = study.settings.get("haa", "")
    text: list[str | Cite] = [f"haa {haa} was used" if haa[:1].isdigit() else "The version of haa was not recorded"]
    if "torch" in said:
        text += [f", with PyTorch {said.pop('torch')}", Cite(("paszke2019",))]
    if "pytorch_lightning" in said:
        text += [f", PyTorch Lightning {said.pop('pytorch_lightning')}", Cite(("falcon2019",))]
    rest = ", ".join(f"{name} {version}" for name, version in list(said.items())[:MOST])
    return [*text, f", {rest}." if rest else "."]


def _not_covered(asked: Asked) -> Text:
    left = asked.left()
    return [f"Not covered by this paragraph, and to be told by hand: {listed(left)}."] if left else []


def _share(value: Any) -> str:
    """Return a share as a percentage; what is no number is told as it is."""
    return f"{100 * value:g} %" if number(value) else shown(value)


def _size(size: Any) -> str:
    return (
        f"{size} × {size}"
        if isinstance(size, int)
        else " × ".join(map(shown, size))
        if isinstance(size, list)
        else shown(size)
    )


def _seeds(seeds: Sequence[int]) -> str:
    whole = len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _number(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def _article(text: str, named: bool = False) -> str:
    """Return a name with its article, where it has one or needs one."""
    if text.startswith(("a ", "an ", "the ")) or named:
        return text
    return f"{'an' if text[:1] in 'AEIOaeio' else 'a'} {text}"
