"""Backbones: images in, a grid of features out."""

from haa.models.backbone.base import IMAGENET, Backbone
from haa.models.backbone.huggingface import HuggingFace
from haa.models.backbone.timm import EfficientNetLite, EfficientNetLite0, Timm
from haa.models.backbone.tiny import Tiny
from haa.models.backbone.torchvision import TorchVision

__all__ = [
    "IMAGENET",
    "Backbone",
    "EfficientNetLite",
    "EfficientNetLite0",
    "HuggingFace",
    "Timm",
    "Tiny",
    "TorchVision",
]
