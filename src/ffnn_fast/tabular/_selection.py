"""The epoch that a network keeps: the last of those with the least error on held-out rows."""

from __future__ import annotations

import math

import numpy as np

from ffnn_fast.callbacks import Callback, FitView
from ffnn_fast.history import Record
from ffnn_fast.network import Network
from ffnn_fast.tabular._members import Rows

Array = np.ndarray
Range = tuple[Array, Array]  # least and largest prediction, (n_L,) each


class LastBest(Callback):
    """Records ``val_error`` after each epoch, and ends the fit with the parameters of the last
    epoch in which it was least.

    The error is the share of wrong classes, or the root mean squared error of values. Where few
    rows judge, many epochs have the same share, and the last of them is kept.

    Parameters
    ----------
    net : Network
        The one that is fitted.
    fold : Rows
        The held-out rows.
    within : (low, high), optional
        Values are clipped to this range first.
    """

    def __init__(self, net: Network, fold: Rows, within: Range | None = None) -> None:
        self.net, self.fold, self.within = net, fold, within
        self.error, self.epoch = math.inf, 0
        self.params: Array | None = None

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Copy the parameters if no epoch before had a smaller error."""
        error = error_of(self.net, self.fold, self.within)
        record["val_error"] = error
        if error <= self.error:  # NaN is never better
            self.error, self.epoch, self.params = error, int(record["epoch"]), fit.params.copy()

    def on_train_end(self, fit: FitView, /) -> None:
        """Restore the parameters."""
        if self.params is not None:
            fit.params[:] = self.params
            fit.history.best_epoch = self.epoch


def error_of(net: Network, rows: Rows, within: Range | None = None) -> float:
    """The share of wrong classes, a mean over several columns, or the root mean squared error;
    weighted.
    """
    y_hat = net.forward(rows.X)
    if rows.y.dtype.kind == "i":
        labels = rows.y.reshape(len(rows.y), -1).T
        heads = zip(net.split_heads(y_hat), labels, strict=True)
        each = np.mean([part.argmax(axis=1) != own for part, own in heads], axis=0)
        return float(np.average(each, weights=rows.weight))
    values = y_hat if within is None else np.clip(y_hat, *within)
    each = ((values - rows.y).astype(np.float64) ** 2).mean(axis=1)
    return math.sqrt(float(np.average(each, weights=rows.weight)))
