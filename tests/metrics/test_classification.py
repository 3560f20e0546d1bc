"""Accuracies against counts by hand, over any split into batches and processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from haa.metrics import ClassAccuracy, TopAccuracy, VideoAccuracy

N, C = 60, 7
SCORES = torch.randn(N, C, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, C - 1, (N,), generator=torch.Generator().manual_seed(1))  # the last class never occurs
VIDEOS = [f"video {i // 3}" for i in range(N)]
LABEL_OF_VIDEO = LABELS[::3].repeat_interleave(3)


@pytest.mark.parametrize("k", [1, 5])
def test_top_k_is_counted(k):
    metric, values = TopAccuracy(C, k), []
    for rows in range(0, N, 16):
        metric.update(SCORES[rows : rows + 16], LABELS[rows : rows + 16])
        values += metric.values.tolist()
    order = np.argsort(-SCORES.numpy(), axis=1)[:, :k]
    expected = [float(label in guesses) for label, guesses in zip(LABELS.tolist(), order.tolist(), strict=True)]
    assert values == expected
    assert metric.compute().item() == pytest.approx(np.mean(expected))
    assert metric.values_after == "update"
    metric.reset()
    assert metric.values is None


def test_class_accuracy_is_the_mean_over_classes_that_occur():
    metric = ClassAccuracy(C)
    metric.update(SCORES[:25], LABELS[:25])
    metric.update(SCORES[25:], LABELS[25:])
    guess, label = SCORES.argmax(1).numpy(), LABELS.numpy()
    assert (guess == C - 1).any()
    expected = np.mean([(guess[label == c] == c).mean() for c in np.unique(label)])
    assert metric.compute().item() == pytest.approx(expected, abs=1e-6)


def test_video_accuracy_is_by_the_mean_probability_of_its_clips():
    order = torch.randperm(N, generator=torch.Generator().manual_seed(2))
    metric = VideoAccuracy()
    for rows in order.split(16):
        metric.update(SCORES[rows], LABEL_OF_VIDEO[rows], [VIDEOS[i] for i in rows])
    e = np.exp(SCORES.double().numpy())
    p = (e / e.sum(1, keepdims=True)).reshape(N // 3, 3, C).mean(1)
    assert metric.compute().item() == pytest.approx((p.argmax(1) == LABELS[::3].numpy()).mean())


def test_metrics_of_two_processes_join():
    whole, parts = VideoAccuracy(), [VideoAccuracy(), VideoAccuracy()]
    whole.update(SCORES, LABEL_OF_VIDEO, VIDEOS)
    for rank, part in enumerate(parts):
        part.update(SCORES[rank::2], LABEL_OF_VIDEO[rank::2], VIDEOS[rank::2])
    parts[0].probabilities += parts[1].probabilities
    parts[0].labels += parts[1].labels
    parts[0].videos += parts[1].videos
    assert parts[0].compute() == whole.compute()
