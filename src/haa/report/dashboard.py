"""A saved Weights & Biases workspace with the panels of the report."""

from __future__ import annotations

from typing import Any

from haa.errors import InputError


def workspace(entity: str, project: str, metric: str, attention: str = "attention_nss", name: str = "haa") -> Any:
    """The workspace, not yet saved: results by arm and weight, performance against attention, curves, pictures.

    Args:
        entity: of W&B: a user or a team.
        project: of W&B.
        metric: of the task, such as accuracy.
        attention: the attention metric to set beside it.
        name: of the workspace.

    Its bars and bands are over runs; they are not the intervals of ``haa report``.

    Raises:
        InputError: if wandb-workspaces is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as panel
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise InputError("haa wandb-dashboard needs wandb-workspaces: pip install 'haa[dashboard]'") from error
    test, seen = f"test/{metric}", f"test/{attention}"
    weight = panel.Config("align_weight")
    by_arm: Any = {"groupby": "config.arm", "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    answer: list[Any] = [
        panel.BarPlot(title=f"{test}: mean over seeds, by arm", metrics=[panel.SummaryMetric(test)], **by_arm),
        panel.ScatterPlot(title=f"{test} against weight", x=weight, y=panel.SummaryMetric(test)),
        panel.ScatterPlot(
            title=f"{test} against attention", x=panel.SummaryMetric(seen), y=panel.SummaryMetric(test), regression=True
        ),
        panel.BarPlot(title=f"{seen}: mean over seeds, by arm", metrics=[panel.SummaryMetric(seen)], **by_arm),
    ]
    shown = (
        f"val/{metric}",
        f"val/{attention}",
        "train/task_loss",
        "train/align_loss",
        "train/align_weight",
        "val/loss",
    )
    curves: list[Any] = [panel.LinePlot(title=curve, x="epoch", y=[curve], **by_arm) for curve in shown]
    samples: list[Any] = [
        panel.MediaBrowser(title="image, human map, machine map", media_keys=["pictures/val"], num_columns=1),
        panel.WeavePanelSummaryTable(table_name="test/samples"),
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(name="Did it help?", panels=answer, is_open=True),
            ws.Section(name="Learning curves", panels=curves, is_open=True),
            ws.Section(name="Where they looked", panels=samples, is_open=True),
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch"),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config("arm")]),
    )
