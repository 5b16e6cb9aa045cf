"""The contents of a report on a trained network, without their rendering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli.evaluation.scoring import ScoredRows
from ffnn_fast.cli.evaluation.tables import Table, Titled
from ffnn_fast.history import History
from ffnn_fast.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECTIONS = (
    "learning",
    "predictions",
    "calibration",
    "columns",
    "network",
)  # of a report, with charts


@dataclass(frozen=True)
class Report:
    """The contents of a report.

    Attributes
    ----------
    title : str
    facts : list of (str, str)
        What was trained, on which data, with which options.
    network : Network
    results : list of (str, table)
        Of each target, and of their mean, a table: its head, then the scores of the network and of
        the baselines. The title of a single one is empty.
    evaluations : tuple of ScoredRows
        Of each target.
    history : History or None
        None for a report that `evaluate` writes.
    rows : str
        The rows of the evaluations, such as "the 400 held-out rows".
    columns : list of tuple of str
        A table of how each column is used; may be empty.
    importances : dict of str to float
        The share of each column; may be empty.
    remarks : list of str
        Sentences below the results.
    cross_validation : list of (str, table)
        Tables of scores over folds; may be empty.
    parts : str
        What the folds hold, if they are not random.
    """

    title: str
    facts: list[tuple[str, str]]
    network: Network
    results: Titled
    evaluations: tuple[ScoredRows, ...]
    history: History | None
    rows: str
    columns: Table = field(default_factory=list)
    importances: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    cross_validation: Titled = field(default_factory=list)
    parts: str = ""


@dataclass(frozen=True)
class Chart:
    """A picture of a report.

    Attributes
    ----------
    section : str
        One of `SECTIONS`.
    title, caption : str
    draw : callable
        Called with the axes to draw on.
    size : (float, float)
        Width and height in inches.
    target : str
        Which of several targets it shows; else empty.
    """

    section: str
    title: str
    caption: str
    draw: Callable[[Axes], Any]
    size: tuple[float, float] = (5.0, 4.2)
    target: str = ""

    def figure(self) -> Figure:
        """The chart on a figure of its own."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=self.size, layout="constrained")
        self.draw(figure.subplots())
        return figure
