"""A report as one picture: its charts in a grid."""

from __future__ import annotations

import io

import numpy as np

from ffnn_fast.cli.evaluation.charts import chart_style, charts
from ffnn_fast.cli.evaluation.report import Report

COLUMNS = 3


def png_report(report: Report) -> bytes:
    """A PNG file of all charts under the title."""
    from matplotlib.figure import Figure

    drawn = charts(report)
    columns = min(COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    width, height = np.max([chart.size for chart in drawn], axis=0)
    content = io.BytesIO()
    with chart_style():
        figure = Figure(figsize=(columns * width, rows * height + 0.5), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for chart, ax in zip(drawn, grid, strict=False):
            chart.draw(ax)
            if chart.target or not ax.get_title():
                ax.set_title(chart.title, size=10, parse_math=False)
        for unused in grid[len(drawn) :]:
            unused.remove()
        figure.suptitle(report.title, parse_math=False)
        figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
