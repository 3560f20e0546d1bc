"""Readable names of backbones, sources, losses, data sets, conditions and metrics.

A config names classes and functions; a page, a table and a figure say what readers of papers call them, and whom an
author cites (keys of ``paper/citations.bib``). What is in none of the tables keeps the name of its class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from haa.printing.plain import plain
from haa.run_folder import class_name


class Name(NamedTuple):
    """Readable name, and the keys of what an author cites for it."""

    text: str
    cite: tuple[str, ...] = ()
    known: bool = True
    """Whether a table has it; else it is the name of a class."""


TASKS: Mapping[str, str] = {
    "action": "action recognition",
    "captioning": "captioning",
    "finegrained": "fine-grained classification",
    "saliency": "saliency prediction",
    "sos": "salient object segmentation",
    "vqa": "VQA",
}

FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"alexnet", "AlexNet", ("krizhevsky2012",)),
    (r"resnet(\d+)", r"ResNet-\1", ("he2016",)),
    (r"vgg(\d+)(?:_bn)?", r"VGG-\1", ("simonyan2015",)),
    (r"convnext_tiny", "ConvNeXt-T", ("liu2022",)),
    (r"convnext_small", "ConvNeXt-S", ("liu2022",)),
    (r"convnext_base", "ConvNeXt-B", ("liu2022",)),
    (r"convnext_large", "ConvNeXt-L", ("liu2022",)),
    (r"(?:deit_|vit_)tiny_patch(\d+)_(\d+)", r"ViT-Ti/\1", ("dosovitskiy2021",)),
    (r"(?:deit_|vit_)small_patch(\d+)_(\d+)", r"ViT-S/\1", ("dosovitskiy2021",)),
    (r"(?:deit_|vit_)base_patch(\d+)_(\d+)", r"ViT-B/\1", ("dosovitskiy2021",)),
    (r"vit_large_patch(\d+)_(\d+)", r"ViT-L/\1", ("dosovitskiy2021",)),
    (r"(?:tf_)?efficientnet_b(\d)", r"EfficientNet-B\1", ("tan2019",)),
    (r"(?:tf_)?efficientnet_lite(\d)", r"EfficientNet-Lite\1", ("tan2019",)),
)
"""Names of timm's and torchvision's models, without their tag: a pattern, what it is called, whom to cite."""

ATTENTION: Mapping[str, Name] = {
    "CrossAttention": Name("cross-attention"),
    "FeatureNorm": Name("norm of the features"),
    "GradCAM": Name("Grad-CAM", ("selvaraju2017",)),
    "GradientTimesInput": Name("gradient × input", ("shrikumar2016",)),
    "InputGradient": Name("input gradient"),
    "Rollout": Name("attention rollout", ("abnar2020",)),
    "SelfAttention": Name("self-attention", ("caron2021",)),
    "TokenAttention": Name("token attention"),
}
NATIVE = Name("the model's own attention")

LOSSES: Mapping[str, Name] = {
    "correlation": Name("negative correlation (1 − CC)"),
    "cosine": Name("cosine distance"),
    "information_gain": Name("information gain", ("kuemmerer2015",)),
    "jensen_shannon": Name("Jensen–Shannon divergence"),
    "kl_divergence": Name("KL divergence"),
    "kl_divergence reverse": Name("reverse KL divergence"),
    "mse": Name("mean squared error"),
    "nss": Name("negative NSS"),
    "pyramid_mse": Name("harmonisation loss", ("fel2022",)),
    "ranking": Name("ranking loss of HINT", ("selvaraju2019",)),
    "right_reasons": Name("right-for-the-right-reasons loss", ("ross2017",)),
    "similarity": Name("negative similarity (1 − SIM)"),
    "Weighted": Name("weighted sum of losses"),
}

MODELS: Mapping[str, Name] = {
    "AttentionPooling": Name("attention pooling"),
    "CaptionTransformer": Name("a transformer decoder with cross-attention"),
    "ClassToken": Name("the transformer's class token", ("dosovitskiy2021",)),
    "Classifier": Name("a classifier on the model of the Hugging Face hub", ("wolf2020",)),
    "CrossAttentionVQA": Name("a transformer whose words attend to the image"),
    "RecurrentAttention": Name("recurrent attention", ("sharma2015",)),
    "SaliencyReadout": Name("a saliency readout"),
    "ShowAttendTell": Name("Show, Attend and Tell", ("xu2015",)),
    "StackedAttention": Name("stacked attention", ("yang2016",)),
    "TwoStream": Name("two streams", ("simonyan2014",)),
    "UNet": Name("a U-Net", ("ronneberger2015",)),
    "Writer": Name("a model of the Hugging Face hub that writes", ("wolf2020",)),
}

DATA: Mapping[str, Name] = {
    "ActionsInTheEye": Name("Hollywood-2", ("mathe2015",)),
    "AiRD": Name("AiR-D", ("chen2020",)),
    "CAT2000": Name("CAT2000", ("borji2015",)),
    "COCOCaptions": Name("COCO captions", ("chen2015",)),
    "COCOSearch18": Name("COCO-Search18", ("chen2021",)),
    "CUB": Name("CUB-200-2011", ("wah2011",)),
    "CXRP": Name("CXR-P", ("saab2021",)),
    "CapGaze": Name("capgaze1", ("he2019",)),
    "DAQUAR": Name("DAQUAR", ("malinowski2014",)),
    "DHF1K": Name("DHF1K", ("wang2018",)),
    "DUTOMRON": Name("DUT-OMRON", ("yang2013",)),
    "DUTS": Name("DUTS", ("wang2017",)),
    "ECSSD": Name("ECSSD", ("shi2016",)),
    "EGDCXR": Name("EGD-CXR", ("karargyris2021",)),
    "EGTEA": Name("EGTEA Gaze+", ("li2018",)),
    "Flickr": Name("Flickr8k or Flickr30k", ("hodosh2013", "young2014")),
    "Folder": Name("own images"),
    "GazeMedSeg": Name("GazeMedSeg", ("zhong2024",)),
    "GazeSearch": Name("GazeSearch", ("pham2025",)),
    "Hollywood2": Name("Hollywood-2", ("mathe2015",)),
    "HuggingFaceDataset": Name("own samples (Hugging Face dataset)"),
    "MIT1003": Name("MIT1003", ("judd2009",)),
    "OSIE": Name("OSIE", ("xu2014",)),
    "PASCALS": Name("PASCAL-S", ("li2014",)),
    "REFLACX": Name("REFLACX", ("bigolin2022",)),
    "SALICON": Name("SALICON", ("jiang2015",)),
    "Shapes": Name("shapes"),
    "UCFSports": Name("UCF Sports", ("mathe2015",)),
    "VQAHAT": Name("VQA-HAT", ("das2016",)),
    "VQAv2": Name("VQA v2", ("goyal2017",)),
    "VideoFolder": Name("own videos"),
    "WebDataset": Name("own samples (WebDataset)"),
}

NO_EYE_TRACKER: Mapping[str, str] = {
    "SALICON": "by the mouse, in the place of the eyes",
    "VQAHAT": "by people who uncovered blurred regions, in the place of the eyes",
}
"""How gaze was recorded of the data sets that had no eye tracker."""

CONDITIONS: Mapping[str, str] = {
    "baseline": "no alignment",
    "center": "centred gaze",
    "corrupted": "corrupted gaze",
    "human": "human gaze",
    "inverted": "inverted gaze",
    "oracle": "human map inserted",
    "predicted": "predicted gaze",
    "random": "displaced gaze",
    "shuffled": "another image's gaze",
    "subset": "less human gaze",
}
"""What conditions and the baseline are called, by the first word of their label."""

METRICS: Mapping[str, str] = {
    "accuracy": "accuracy",
    "auc_borji": "AUC-Borji",
    "auc_judd": "AUC-Judd",
    "auroc": "AUROC",
    "bleu1": "BLEU-1",
    "bleu2": "BLEU-2",
    "bleu3": "BLEU-3",
    "bleu4": "BLEU-4",
    "cc": "CC",
    "cider": "CIDEr-D",
    "class_accuracy": "mean class accuracy",
    "clip_accuracy": "clip accuracy",
    "comprehensiveness": "comprehensiveness",
    "deletion": "deletion",
    "dice": "Dice",
    "e_adaptive": "E-measure (adaptive)",
    "e_max": "E-measure (max)",
    "e_mean": "E-measure (mean)",
    "emd": "EMD",
    "f_adaptive": "F-measure (adaptive)",
    "f_max": "F-measure (max)",
    "f_mean": "F-measure (mean)",
    "f_weighted": "F-measure (weighted)",
    "information_gain": "information gain",
    "insertion": "insertion",
    "iou": "IoU",
    "kl": "KL divergence",
    "label_accuracy": "label accuracy",
    "loss": "loss",
    "mae": "MAE",
    "mean_ap": "mean AP",
    "nss": "NSS",
    "ranking_precision": "ranking precision",
    "rouge_l": "ROUGE-L",
    "s_measure": "S-measure",
    "sauc": "shuffled AUC",
    "scored_classes": "scored classes",
    "sim": "SIM",
    "spearman": "rank correlation",
    "sufficiency": "sufficiency",
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "video_accuracy": "video accuracy",
}

OPTIMIZERS: Mapping[str, Name] = {"AdamW": Name("AdamW", ("loshchilov2019",)), "SGD": Name("SGD")}
SCHEDULES: Mapping[str, Name] = {
    "constant": Name("a constant learning rate"),
    "warmup_cosine": Name("a linear warm-up and half a cosine", ("loshchilov2017",)),
}
WEIGHT_SCHEDULES: Mapping[str, Name] = {
    "GradientNorm": Name("scaled so that its gradient is as large as the task's"),
    "constant": Name("constant"),
    "cosine_decay": Name("falling along half a cosine"),
    "linear_warmup": Name("rising linearly at the start"),
}


def named(table: Mapping[str, Name], node: Mapping[str, Any]) -> Name:
    """Return what a node of a config is called by a table.

    Example:
        >>> named(LOSSES, {"_target_": "haa.losses.mse"}).text, named(LOSSES, {"_target_": "mine.Loss"})
        ('mean squared error', Name(text='Loss', cite=(), known=False))
    """
    own = class_name({"_target_": str(node.get("_target_", ""))})
    ours = str(node.get("_target_", "")).startswith(("haa.", "torch.optim."))
    return table[own] if ours and own in table else Name(plain(own), (), False)


def backbone(node: Mapping[str, Any]) -> Name:
    """Return what a backbone is called.

    Example:
        >>> backbone({"_target_": "haa.models.backbone.Timm", "name": "resnet50.a1_in1k"})
        Name(text='ResNet-50', cite=('he2016',), known=True)
        >>> backbone({"_target_": "haa.models.backbone.Tiny"}).text
        'small CNN'
    """
    kind = class_name({"_target_": str(node.get("_target_", ""))})
    if kind.startswith("EfficientNetLite"):
        return Name(f"EfficientNet-Lite{node.get('version', 0)}", ("tan2019",))
    if kind == "Tiny":
        stages = node.get("stages")
        return Name("small CNN (several stages)" if "," in str(stages) else "small CNN")
    if kind in ("Timm", "TorchVision"):
        name = plain(str(node.get("name", "")))
        for pattern, text, cite in FAMILIES:
            if found := re.fullmatch(pattern, name.split(".")[0]):
                return Name(found.expand(text), cite)
        return Name(f"{name or 'a network'} of {'timm' if kind == 'Timm' else 'torchvision'}")
    if kind == "HuggingFace":
        return Name(plain(str(node.get("name", "")).rstrip("/").rsplit("/", 1)[-1]), ("wolf2020",))
    return Name(plain(kind), (), False)


def attention(node: Mapping[str, Any] | None) -> Name:
    """Return what an attention source is called; None is the map that the model itself returns."""
    return named(ATTENTION, node) if node and "_target_" in node else NATIVE


def loss(node: Mapping[str, Any] | None) -> Name:
    """Return what an alignment loss is called; None is the default.

    Example:
        >>> loss(None).text, loss({"_target_": "haa.losses.kl_divergence", "reverse": True}).text
        ('KL divergence', 'reverse KL divergence')
    """
    if not node or "_target_" not in node:
        return LOSSES["kl_divergence"]
    own = named(LOSSES, node)
    return (
        LOSSES["kl_divergence reverse"]
        if own == LOSSES["kl_divergence"] and node.get("reverse") in (True, "True")
        else own
    )


def data(node: Mapping[str, Any]) -> Name:
    """Return what a data set is called.

    Example:
        >>> data({"_target_": "haa.data.shapes.Shapes", "world": "relevant"}).text
        'shapes (relevant world)'
    """
    own = named(DATA, node)
    if own == DATA["CUB"] and node.get("gha"):
        return Name("CUB-GHA", ("wah2011", "rong2021"))
    if "world" not in node:
        return own
    return own._replace(text=f"{own.text} ({plain(str(node['world']))} world)")


def recorded(node: Mapping[str, Any]) -> str:
    """Return how gaze of a data set was recorded, where not with an eye tracker; nothing else.

    Example:
        >>> recorded({"_target_": "haa.data.readers.salicon.SALICON"})
        ' by the mouse, in the place of the eyes'
    """
    how = NO_EYE_TRACKER.get(class_name({"_target_": str(node.get("_target_", ""))}))
    return f" {how}" if how else ""


def task(name: str) -> str:
    """Return what a task is called; one of your own keeps its name."""
    return TASKS.get(name, plain(name))


def metric(name: str) -> str:
    """Return what a metric is called; one of attention is told as such.

    Example:
        >>> metric("top1"), metric("attention_nss"), metric("mine")
        ('top-1 accuracy', 'attention NSS', 'mine')
    """
    own = name.removeprefix("attention_")
    text = METRICS.get(own, plain(own))
    return f"attention {text}" if own != name else text


def condition(label: str) -> str:
    """Return what an arm's condition is called.

    Args:
        label: What it calls itself: a name, or two of predicted gaze, with arguments that are not at their defaults.

    Example:
        >>> condition("shuffled"), condition("corrupted p=0.5"), condition("shuffled predicted points=9")
        ("another image's gaze", 'corrupted gaze (p=0.5)', "another image's predicted gaze (points=9)")
    """
    words = label.split(" ")
    bound = words[-2:] == ["(upper", "bound)"]
    words = words[:-2] if bound else words
    names, rest = [word for word in words if "=" not in word], [word for word in words if "=" in word]
    if not names or any(name not in CONDITIONS for name in names) or len(names) > 2:
        return plain(label)
    text = CONDITIONS[names[0]]
    if len(names) == 2:
        text = text.replace("gaze", CONDITIONS[names[1]]) if names[1] == "predicted" else f"{text} {names[1]}"
    rest += ["upper bound"] if bound else []
    return plain(f"{text} ({', '.join(rest)})" if rest else text)


def capital(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[:1].upper() + text[1:]


def joined(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Example:
        >>> joined(["a", "b", "c"])
        'a, b and c'
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
