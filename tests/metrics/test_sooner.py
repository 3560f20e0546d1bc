"""What importing the metrics imports, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest


def said(code: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_the_metrics_import_none_of_what_torchmetrics_would():
    code = """
import sys, torch
before = set(sys.modules)
import haa.metrics, haa.losses, haa.gaze
print(*{name.split(".")[0] for name in set(sys.modules) - before} | ({"torch._dynamo"} & set(sys.modules)))
"""
    heavy = {"torchvision", "scipy", "matplotlib", "transformers", "pandas", "PIL", "mahotas", "torch._dynamo"}
    assert "torchmetrics" in (found := set(said(code)))
    assert not found & heavy


@pytest.mark.parametrize("first", ["import haa.metrics", "import torchmetrics, haa.metrics"])
def test_all_of_torchmetrics_is_there_when_it_is_asked_for(first):
    code = f"""
{first}
import torchmetrics
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy
print(issubclass(torchmetrics.MeanMetric, Metric), issubclass(MulticlassAccuracy, Metric))
print(issubclass(haa.metrics.NSS, torchmetrics.Metric), torchmetrics.MetricCollection is MetricCollection)
print(torchmetrics.__version__, len(torchmetrics.__all__) > 100, hasattr(torchmetrics, "none_such"))
mean = torchmetrics.MeanMetric()
mean.update(2.0)
figure, axes = mean.plot()
print(axes.lines[0].get_ydata()[0], torchmetrics.utilities.plot.plot_curve.__name__)
"""
    from importlib.metadata import version

    expected = ["True"] * 4 + [version("torchmetrics"), "True", "False", "2.0", "plot_curve"]
    assert said(code) == expected
