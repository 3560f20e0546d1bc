"""Weights & Biases workspace with the panels of the report."""

from __future__ import annotations

from typing import Any

from haa.errors import InputError, needs, reason
from haa.printing.plain import plain


def save(built: Any) -> str:
    """Save a workspace, and return its address.

    Raises:
        InputError: If Weights & Biases refuses it, or cannot be reached.
    """
    try:
        return plain(str(built.save().url))
    except Exception as error:  # of its client, of the network, of what answers
        raise InputError(f"the workspace was not saved ({reason(error)}): see wandb login, and the project") from error


def workspace(entity: str, project: str, metric: str, attention: str = "attention_nss", name: str = "haa") -> Any:
    """Build the workspace, without saving it.

    It shows results by arm and weight, performance against attention, curves and pictures. Its bars and bands are over
    runs; they are not the intervals of ``haa report``.

    Args:
        entity: Entity of W&B: a user or a team.
        project: Project of W&B.
        metric: Metric of the task, such as accuracy.
        attention: Metric of attention to set beside it.
        name: Name of the workspace.

    Raises:
        InputError: If wandb-workspaces is not installed.
    """
    needs("haa wandb-dashboard", "haa[dashboard]", "wandb_workspaces")
    import wandb_workspaces.reports.v2 as panel
    import wandb_workspaces.workspaces as ws

    task_key, attention_key = f"test/{metric}", f"test/{attention}"
    weight = panel.Config("align_weight")
    by_arm: Any = {"groupby": "config.arm", "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    answer_panels: list[Any] = [
        panel.BarPlot(title=f"{task_key}: mean over seeds, by arm", metrics=[panel.SummaryMetric(task_key)], **by_arm),
        panel.ScatterPlot(title=f"{task_key} against weight", x=weight, y=panel.SummaryMetric(task_key)),
        panel.ScatterPlot(
            title=f"{task_key} against attention",
            x=panel.SummaryMetric(attention_key),
            y=panel.SummaryMetric(task_key),
            regression=True,
        ),
        panel.BarPlot(
            title=f"{attention_key}: mean over seeds, by arm", metrics=[panel.SummaryMetric(attention_key)], **by_arm
        ),
    ]
    curve_keys = (
        f"val/{metric}",
        f"val/{attention}",
        "train/task_loss",
        "train/align_loss",
        "train/align_weight",
        "val/loss",
    )
    curve_panels: list[Any] = [panel.LinePlot(title=curve, x="epoch", y=[curve], **by_arm) for curve in curve_keys]
    sample_panels: list[Any] = [
        panel.MediaBrowser(title="image, human map, machine map", media_keys=["pictures/val"], num_columns=1),
        panel.WeavePanelSummaryTable(table_name="test/samples"),
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(name="Did it help?", panels=answer_panels, is_open=True),
            ws.Section(name="Learning curves", panels=curve_panels, is_open=True),
            ws.Section(name="Where they looked", panels=sample_panels, is_open=True),
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch"),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config("arm")]),
    )
