"""Reports as files, rendered by the ending of their name: .html or .png."""

from __future__ import annotations

import importlib.util
import os

from ffnn_fast.cli.evaluation.html_report import html_report
from ffnn_fast.cli.evaluation.png_report import png_report
from ffnn_fast.cli.evaluation.report import Report
from ffnn_fast.cli.output import CommandError, check_output, write_file

SUFFIXES = (".html", ".png")


def missing_packages(path: str) -> list[str]:
    """The packages that a report with this file name needs and that are not installed."""
    needed = ("matplotlib",) if _suffix(path) == ".png" else ("matplotlib", "jinja2")
    return [name for name in needed if importlib.util.find_spec(name) is None]


def check_report(path: str, *inputs: str) -> None:
    """Refuse a report that cannot be written, before the work starts.

    Parameters
    ----------
    path : str
        The report's file.
    *inputs : str
        Files that it must not overwrite.

    Raises
    ------
    CommandError
        If the name of the file does not end in .html or .png, a package is not installed, or the
        path cannot be written.
    """
    if _suffix(path) not in SUFFIXES:
        raise CommandError(f"the name of a report must end in .html or .png, got {path}")
    missing = missing_packages(path)
    if missing:
        needed = " and ".join(missing)
        raise CommandError(f'a report needs {needed}: pip install "ffnn_fast[cli]"')
    check_output(path, *inputs)


def write_report(report: Report, path: str) -> None:
    """Write a page (.html) or a picture (.png), whole or not at all; raises as `check_report`."""
    check_report(path)
    is_png = _suffix(path) == ".png"
    write_file(path, png_report(report) if is_png else html_report(report).encode("utf-8"))


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
