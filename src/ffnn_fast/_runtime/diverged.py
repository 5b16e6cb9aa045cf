"""The warning that a fit has diverged."""

from __future__ import annotations

from ffnn_fast._public import public


@public()
class DivergedWarning(UserWarning):
    """A fit has stopped because its loss or a parameter is not a finite number."""
