"""The user's line that a warning names."""

from __future__ import annotations

import sys

LIBRARIES = ("ffnn_fast", "sklearn")  # scikit-learn wraps `fit`, and calls it in pipelines


def stacklevel() -> int:
    """The `stacklevel` by which a warning of the calling function names the user's line.

    That is the innermost line outside this package and scikit-learn; the outermost line if there is
    none.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_of_a_library(frame.f_globals.get("__name__")):
        level, frame = level + 1, frame.f_back
    return level


def _is_of_a_library(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in LIBRARIES
