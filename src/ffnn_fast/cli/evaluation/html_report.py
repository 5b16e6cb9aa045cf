"""A report as one HTML page: styles and pictures inside, no script, nothing fetched."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from typing import Any

from ffnn_fast import __version__
from ffnn_fast._model.summary import layers
from ffnn_fast.cli.evaluation.charts import chart_style, charts
from ffnn_fast.cli.evaluation.report import SECTIONS, Chart, Report
from ffnn_fast.cli.evaluation.scoring import ScoredRows, coverage
from ffnn_fast.cli.evaluation.tables import Table, per_class, tables
from ffnn_fast.cli.evaluation.thresholds import threshold_table

Figures = dict[tuple[str, str], list[dict[str, Any]]]
TEMPLATE = "report.html"
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def html_report(report: Report) -> str:
    """The page, rendered from ``templates/report.html``; every value is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ffnn_fast.cli.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = _figures(report)
    return environment.get_template(TEMPLATE).render(
        title=report.title,
        rows=report.rows,
        results=report.results,
        remarks=report.remarks,
        cross_validation=report.cross_validation,
        parts=report.parts,
        columns=_columns(report),
        figures={section: figures[section, ""] for section in SECTIONS},
        targets=[_target(report, one, figures) for one in report.evaluations],
        layers=layers(report.network.spec),
        facts=report.facts,
        version=__version__,
    )


def _target(report: Report, evaluation: ScoredRows, figures: Figures) -> dict[str, Any]:
    """What the page shows of a target; its name, if there are several."""
    name = evaluation.target.name if len(report.evaluations) > 1 else ""
    return {
        "name": name,
        "predictions": figures["predictions", name],
        "calibration": figures["calibration", name],
        "per_class": per_class(evaluation) if evaluation.is_classification else None,
        "thresholds": threshold_table(evaluation),
        "tables": tables(evaluation),
        "coverage": _coverage(evaluation),
    }


def _figures(report: Report) -> Figures:
    """Section and target → charts: title, caption, data URI, and width in pixels of 1/96 inch."""
    figures: Figures = defaultdict(list)
    with chart_style():
        for chart in charts(report):
            figures[chart.section, chart.target].append(
                {
                    "title": chart.title,
                    "caption": chart.caption,
                    "uri": _data_uri(chart),
                    "width": round(96 * chart.size[0]),
                    "height": round(96 * chart.size[1]),
                }
            )
    return figures


def _data_uri(chart: Chart) -> str:
    """A chart as the ``data:`` address of an SVG picture."""
    content = io.BytesIO()
    chart.figure().savefig(content, format="svg", transparent=True, metadata=NO_METADATA)
    return f"data:image/svg+xml;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


def _columns(report: Report) -> Table:
    """The use of each column, with its importance where there is one."""
    if not report.importances:
        return report.columns
    head, *rows = report.columns or [("column",), *((name,) for name in report.importances)]
    shares = [report.importances.get(row[0]) for row in rows]
    cells = ["" if share is None else f"{share:.3f}" for share in shares]
    return [(*head, "importance"), *((*row, c) for row, c in zip(rows, cells, strict=True))]


def _coverage(evaluation: ScoredRows) -> Table | None:
    """The observed share of the rows below each quantile, or in an interval, beside the nominal."""
    rows = [
        (name, f"{nominal:g}", f"{share:.4f}")
        for name, (nominal, share) in coverage(evaluation).items()
    ]
    return [("actual value", "nominal share", "observed share"), *rows] if rows else None
