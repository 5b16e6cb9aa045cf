"""The networks of a bag: those whose mean predicts best out of fold.

Every member has parameters from the ends of the last two cycles of the rate, and its fold a linear
model. One epoch chosen by one fold would be chosen by few rows; the choice here is made once for
all members, by all rows: the networks of one end or of both, with linear models as 0 to 8 in 8
members, or linear models alone. Linear models of values stay alone unless the error out of fold is
smaller by half of its standard error: L. Breiman et al., "Classification and Regression Trees",
1984, take the simplest model within a whole one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from ffnn_fast._model.predictions import LEAST_PROBABILITY
from ffnn_fast.callbacks import Callback, FitView
from ffnn_fast.history import Record
from ffnn_fast.network import Network
from ffnn_fast.tabular._calibration import temperature_of
from ffnn_fast.tabular._members import Member, Rows, out_of_fold

Array = np.ndarray
SHARES = (0, 1, 2, 4, 8)  # linear models for each 8 members
CLEAR = 0.5  # standard errors by which networks must improve on linear models of values


class Ends(Callback):
    """Copies of the parameters at the end of an epoch and at the end of the fit.

    Parameters
    ----------
    net : Network
        The one that is fitted.
    epoch : int
    """

    def __init__(self, net: Network, epoch: int) -> None:
        self.net, self.epoch = net, epoch
        self.networks: list[Network] = []

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Copy the parameters after the epoch."""
        if int(record["epoch"]) == self.epoch:
            self.networks.append(_copy(self.net, fit.params))

    def on_train_end(self, fit: FitView, /) -> None:
        """Copy the last parameters."""
        self.networks.append(_copy(self.net, fit.params))


@dataclass(frozen=True)
class Choice:
    """A bag.

    Attributes
    ----------
    members : list of Member
        Networks of one end of all folds, perhaps those of the other, perhaps linear models.
    y_hat : ndarray of shape (n, n_L)
        Mean predictions out of fold, NaN for rows that none is judged on.
    n_folds, n_ends : int
        The first ``n_folds * n_ends`` members are no linear models.
    """

    members: list[Member]
    y_hat: Array
    n_folds: int
    n_ends: int

    def by_fold(self, values: Array) -> Array:
        """Predictions as those out of fold are made, (n_folds, ...), of those of all members."""
        first = self.n_folds * self.n_ends
        if first in (0, len(values)):
            return values.reshape(-1, self.n_folds, *values.shape[1:]).mean(axis=0)
        trained = values[:first].reshape(self.n_ends, self.n_folds, *values.shape[1:]).mean(axis=0)
        share = first / len(values)
        return share * trained + (1 - share) * values[first:].mean(axis=0)


@dataclass(frozen=True)
class _Group:
    """A network for each fold, and what they predict out of fold, (n, n_L)."""

    members: list[Member]
    y_hat: Array


def chosen(members: Sequence[Member], rows: Rows, widths: tuple[int, ...]) -> Choice:
    """The bag with the least loss out of fold, of equal ones the first; linear models of values
    unless it is clearly less than theirs.

    Parameters
    ----------
    members : sequence of Member
        Each with its candidates.
    rows : Rows
    widths : tuple of int
        Outputs of each head, or of the only one.
    """
    n_kinds = min(len(member.candidates) for member in members)
    groups = [
        _group([replace(m, net=m.candidates[kind]) for m in members], rows, widths)
        for kind in range(-n_kinds, 0)
    ]
    linear = [replace(m, net=m.linear) for m in members if m.linear is not None]
    n = len(members)
    parts = [groups[-1:], groups[:-1], groups[:]] if len(groups) > 1 else [groups[:]]
    options: list[tuple[list[_Group], int]] = [(part, 0) for part in parts]
    if len(linear) == n:
        groups.append(_group(linear, rows, widths))
        counts = sorted({-(-share * n // 8) for share in SHARES} - {0})
        options += [(part, count) for count in counts for part in parts] + [([], n)]
    judged = ~np.isnan(groups[0].y_hat[:, 0])
    part = rows.part(judged)
    means = [_mean(some, groups[-1], count) for some, count in options]
    each = [_losses(mean[judged], part, widths) for mean in means]
    best = int(np.argmin([np.average(losses, weights=part.weight) for losses in each]))
    if part.y.dtype.kind != "i" and len(linear) == n and not _clear(each[-1] - each[best], part):
        best = len(options) - 1
    some, count = options[best]
    found = [member for group in some for member in group.members]
    return Choice(found + groups[-1].members[:count], means[best], n, len(some))


def _mean(groups: list[_Group], linear: _Group, count: int) -> Array:
    """Predictions out of fold of groups and of `count` linear models."""
    n = len(linear.members)
    total = count * linear.y_hat
    for group in groups:
        total = total + n * group.y_hat
    return np.asarray(total / (count + n * len(groups)))


def _group(members: list[Member], rows: Rows, widths: tuple[int, ...]) -> _Group:
    """Members with what they predict; the last layers of classifiers are divided by the
    temperatures that minimise the loss.
    """
    members = [replace(m, y_hat=m.net.forward(rows.X[m.fold])) for m in members]
    y_hat = out_of_fold(members, len(rows.X))
    if members[0].net.spec.output != "softmax":
        return _Group(members, y_hat)
    known = ~np.isnan(y_hat[:, 0])
    part, logits = rows.part(known), np.log(np.maximum(y_hat, LEAST_PROBABILITY), dtype=np.float64)
    T = np.ones(sum(widths))
    for own, labels in _heads(part.y, widths):
        T[own] = temperature_of(logits[known, own], labels, part.weight)
        y_hat[:, own] = softmax(logits[:, own] / T[own], axis=1)
    for member in members:
        member.net.weights[-1][:] /= T[:, None]
        member.net.biases[-1][:] /= T
    return _Group(members, y_hat)


def _heads(y: Array, widths: tuple[int, ...]) -> list[tuple[slice, Array]]:
    """The outputs of each head and its labels, (n,)."""
    ends = np.cumsum(widths)
    own = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
    return list(zip(own, y.reshape(len(y), -1).T, strict=True))


def _losses(y_hat: Array, rows: Rows, widths: tuple[int, ...]) -> Array:
    """For each row the cross-entropy of probabilities, summed over the heads, or the mean squared
    error, (n,).
    """
    if rows.y.dtype.kind != "i":
        squared: Array = ((y_hat - rows.y).astype(np.float64) ** 2).mean(axis=1)
        return squared
    each = np.zeros(len(y_hat))
    for own, labels in _heads(rows.y, widths):
        true = y_hat[:, own][np.arange(len(labels)), labels]
        each -= np.log(np.maximum(true, LEAST_PROBABILITY), dtype=np.float64)
    return each


def _clear(gains: Array, rows: Rows) -> bool:
    """Whether the weighted mean of gains, (n,), is at least CLEAR of its standard errors,
    √(Σ p_i² (g_i − mean)²) with the shares p_i of the weights.
    """
    share = np.ones(len(gains)) if rows.weight is None else np.asarray(rows.weight)
    share = share / share.sum()
    mean = float(share @ gains)
    error = math.sqrt(float((share * (gains - mean)) @ (share * (gains - mean))))
    return mean >= CLEAR * error


def _copy(net: Network, params: Array) -> Network:
    return Network.from_params(net.spec, params, n_threads=1)
