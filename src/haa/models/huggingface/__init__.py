"""Models of the Hugging Face hub's, from its names or local folders: classifiers, and what writes about pictures."""

from haa.models.huggingface.classifier import Classifier
from haa.models.huggingface.writer import Writer, Written

__all__ = ["Classifier", "Writer", "Written"]
