"""The model card: what a model is, how it was trained, and how it scored, as the Hugging Face hub reads it."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from haa.errors import InputError
from haa.exported import FILES
from haa.printing.plain import plain
from haa.reporting.collect import Run, collect
from haa.reporting.statistics import over_pictures
from haa.roles import locate
from haa.run_folder import RunFolder, class_name

PIPELINES = {
    "captioning": "image-to-text",
    "vqa": "visual-question-answering",
    "sos": "image-segmentation",
    "finegrained": "image-classification",
    "action": "video-classification",
}
"""What the hub calls a task; it has no word for saliency."""


class Score(NamedTuple):
    """Score of a model on a test split, and its 95 % interval over pictures, where it has one."""

    metric: str
    value: float
    low: float | None
    high: float | None
    better: bool | None

    @property
    def interval(self) -> str:
        """The interval in words; a dash where there is none."""
        return "–" if self.low is None or self.high is None else f"{self.low:.4g} to {self.high:.4g}"


def results(checkpoint: Path, folder: str | None, config: Mapping[str, Any]) -> Run | None:
    """Return the run whose scores are those of a checkpoint; None where nothing has scored it.

    Args:
        checkpoint: The checkpoint. The best one of a run was scored at the run's end.
        folder: Run folder that was named, of a training or an evaluation; None looks around the checkpoint.
        config: The checkpoint's config.

    Raises:
        InputError: If the folder that was named holds no finished run, or one of another model.
    """
    home = checkpoint.absolute().parent.parent if folder is None else Path(folder).expanduser()
    if folder is None and (not RunFolder(home).metrics.is_file() or checkpoint.absolute() != RunFolder(home).best):
        return None
    runs = [run for run in collect([home]) if run.folder.resolve() == home.resolve()]
    if not runs:
        raise InputError(f"results={folder}: it is no run's folder itself: give one that holds a metrics.json")
    for key in ("seed", "align_weight"):
        if runs[0].config.get(key) != config.get(key) or runs[0].config["task"]["name"] != config["task"]["name"]:
            raise InputError(f"results={home} are of another model: give the folder of the run, or of its haa evaluate")
    return runs[0]


def scores(run: Run) -> list[Score]:
    """Return every score of a run but the loss; one that is no mean of its samples' values has no interval."""
    found = []
    for metric, value in run.summary["metrics"].items():
        if value is None or metric == "loss":
            continue
        low = high = None
        if metric in run.samples:
            pictures = run.samples.get("stimulus", run.samples["id"])
            estimate = over_pictures(run.samples[metric], pictures)
            if math.isclose(estimate.mean, value, rel_tol=1e-4, abs_tol=1e-5):
                low, high = estimate.low, estimate.high
        found.append(Score(metric, float(value), low, high, run.higher_is_better(metric)))
    return found


def card(name: str, own: Mapping[str, Any], form: str, size: int, run: Run | None, note: Mapping[str, Any]) -> str:
    """Return the model card of an export: YAML that the hub reads, and a page.

    Args:
        name: Name of the model.
        own: What the export says of itself, ``haa`` in its note.
        form: Its format.
        size: Bytes of its file.
        run: The run that scored it; None where there is none.
        note: What its note says beside.
    """
    config = own["config"]
    scored = [] if run is None else scores(run)
    front = yaml.safe_dump(_front(name, config, run, scored), sort_keys=False, allow_unicode=True)
    return "\n".join(
        [
            "---",
            front.rstrip(),
            "# license: choose one; the data that the model was trained on may ask for some",
            "---",
            "",
            f"# {_text(name)}",
            "",
            f"A model of haa (human-attention alignment) for task={_text(str(config['task']['name']))}.",
            "",
            *_table(("", ""), _facts(own, form, size, run, note)),
            "",
            "## Scores",
            "",
            *_scores(run, scored),
            "",
            "## Use",
            "",
            *_use(form, config),
            "",
            "## Licence",
            "",
            "None is given here: whoever publishes the model chooses one, and says so in the lines above.",
            "",
        ]
    )


def _front(name: str, config: Mapping[str, Any], run: Run | None, scored: Sequence[Score]) -> dict[str, Any]:
    task = str(config["task"]["name"])
    pipeline = {"pipeline_tag": PIPELINES[task]} if task in PIPELINES else {}
    front = {"library_name": "haa", **pipeline, "tags": ["human-attention", "eye-tracking", "haa", plain(task)]}
    if run is None or not scored:
        return front
    metrics = []
    for score in scored:
        told = "" if score.low is None else f", 95 % interval {score.interval}"
        metrics.append({"type": score.metric, "value": score.value, "name": f"{score.metric}{told}"})
    data = plain(class_name(run.config["data"]))
    about = {"name": data, "type": data.lower(), "split": plain(str(run.summary["split"]))}
    result = {
        "task": {"type": PIPELINES.get(task, plain(task)), "name": plain(task)},
        "dataset": about,
        "metrics": metrics,
    }
    return {**front, "model-index": [{"name": plain(name), "results": [result]}]}


def _facts(
    own: Mapping[str, Any], form: str, size: int, run: Run | None, note: Mapping[str, Any]
) -> list[tuple[str, str]]:
    config = own["config"]
    model, weights = class_name(config["model"]), own.get("backbone_weights")
    backbone = class_name(config["model"]["backbone"]) if config["model"].get("backbone") else "none"
    named = (config["model"].get("backbone") or {}).get("name")
    epoch, steps = note.get("epoch"), note.get("global_step")
    graph = note.get("graph")
    facts = [
        ("task", config["task"]["name"]),
        ("model", model),
        ("backbone", f"{backbone} {named or ''}".strip() + (f", weights {weights}" if weights else "")),
        ("attention", class_name(config["attention"]) if config.get("attention") else "the model's own"),
        ("trained on", f"{class_name(config['data'])}, training split"),
        ("gaze", gaze(own, run)),
        ("condition", " of ".join(class_name(node) for node in _conditions(config["condition"]))),
        ("align_weight", config.get("align_weight")),
        ("alignment loss", class_name(config["alignment"]["loss"]) if _has_loss(config) else "the default"),
        ("seed", config.get("seed")),
        ("trained for", "not recorded" if epoch is None else f"{epoch + 1} epochs, {steps} steps"),
        ("geometry", config.get("geometry", "stretched")),
        ("haa", own.get("version")),
        ("format", f"{form}: {FILES[form]}, {size / 2**20:.2f} MiB"),
        *([("graph", _graph(graph))] if graph else []),
    ]
    return [(key, _text(str(value))) for key, value in facts]


def gaze(own: Mapping[str, Any], run: Run | None) -> str:
    """Return in words whether the gaze that a model was trained with was recorded, predicted or simulated."""
    config = own["config"]
    data, task = locate(config["data"]["_target_"]), locate(config["task"]["module"]["_target_"])
    simulated = getattr(data, "simulated", False) if run is None else run.summary.get("simulated_gaze")
    kind = "simulated, by an observer that haa models" if simulated else "recorded"
    by = own.get("gaze_by_digest")
    predicted = f"predicted by a saliency model{f' (SHA-256 {by})' if by else ''}"
    aligned = predicted if class_name(config["condition"]) == "Predicted" else kind
    if not config.get("align_weight"):
        aligned = f"none in training, since align_weight is 0; the data's is {kind}"
    if not task.predicts_gaze:
        return aligned
    return f"{kind}, which it learns to predict" + (
        f"; its attention is aligned with gaze {predicted}" if aligned == predicted else ""
    )


def _conditions(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a condition's control, where it has one, and the condition."""
    control = node.get("control")
    return [*_conditions(control), node] if isinstance(control, dict) else [node]


def _has_loss(config: Mapping[str, Any]) -> bool:
    loss = (config.get("alignment") or {}).get("loss")
    return isinstance(loss, dict) and "_target_" in loss


def _graph(graph: Mapping[str, Any]) -> str:
    shapes = {
        name: " x ".join("n" if side is None else str(side) for side in shape)
        for name, shape in graph["inputs"].items()
    }
    told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    return f"{told} to {' and '.join(graph['outputs'])}; largest difference to the model {graph['difference']:.1e}"


def _scores(run: Run | None, scored: Sequence[Score]) -> list[str]:
    if run is None:
        return [
            "Nothing has scored this checkpoint: `haa evaluate checkpoint=...` does, and `results=` names its folder."
        ]
    better = {True: "more", False: "less", None: ""}
    rows = [(_text(s.metric), f"{s.value:.4g}", s.interval, better[s.better]) for s in scored]
    pictures = run.samples.get("stimulus", run.samples.get("id", ()))
    data, split = class_name(run.config["data"]), run.summary["split"]
    return [
        f"On the {_text(str(split))} split of {_text(data)}: {run.summary['samples']} samples of {len(set(pictures))} "
        "pictures. Intervals are over pictures, of this one run: they do not say how another seed would do. A score "
        "that is no mean over samples has none.",
        "",
        *_table(("metric", "score", "95 % interval", "better"), rows),
    ]


def _use(form: str, config: Mapping[str, Any]) -> list[str]:
    if form == "torch_export":
        return [
            "`torch.export.load` unpickles what is in `model.pt2`, which could run code: load it only where you know",
            "who wrote it. `haa predict` refuses it.",
        ]
    if config["task"]["name"] == "action":
        return (
            ["`haa evaluate checkpoint=THIS_FOLDER data.root=DIR` scores it on clips."]
            if form == "safetensors"
            else ["An ONNX runtime runs `model.onnx` on clips of the size above, RGB in [0, 1]."]
        )
    asked = " question='what ...?'" if config["task"]["name"] == "vqa" else ""
    return [
        "```",
        "pip install 'haa[export]'" if form == "onnx" else "pip install haa",
        f"haa predict checkpoint=THIS_FOLDER images=DIR output=DIR{asked}",
        "```",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _text(text: str) -> str:
    r"""Return a text as Markdown shows it: nothing in it is markup.

    Example:
        >>> print(_text("a|b <i>*c* align_weight _d_"))
        a\|b &lt;i&gt;\*c\* align_weight \_d\_
    """
    flat = html.escape(" ".join(plain(text).split()), quote=False)
    return re.sub(r"[\\`*\[\]|#!~]|(?<!\w)_|_(?!\w)", lambda found: "\\" + found.group(), flat)
