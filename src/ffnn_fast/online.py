"""Online learning: one sample at a time, with inputs that are standardised as they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ffnn_fast._conversion import as_numbers
from ffnn_fast._errstate import ignoring
from ffnn_fast._model.arrays import as_finite, as_targets
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._model.model_files import load as load_model
from ffnn_fast._scalars import as_bool, as_int
from ffnn_fast._text import quoted
from ffnn_fast._training.types import OptimizerLike, PathLike, RateLike
from ffnn_fast.network import Network

__all__ = ["OnlineLearner"]

Array = np.ndarray
Sample = ArrayLike | Mapping[str, float]
Moments = tuple[int, Array, Array]  # count, mean, sum of squared deviations
ENTRY = "online"  # of the header's extra


class OnlineLearner:
    """A network that learns from one sample at a time, and may predict before each.

    Inputs are standardised by their running mean and standard deviation, which each learned sample
    updates (Welford, 1962), so that they may have any unit.

    Parameters
    ----------
    net : Network
        Trained in place, by its `Network.stepper`.
    optimizer, learning_rate, clip_value, clip_norm, max_norm, frozen : optional
        As in `Network.stepper`.
    standardize : bool, default True
        False: inputs are taken as they are.

    Attributes
    ----------
    net : Network
    stepper : Stepper
        Takes the steps. ``learner.stepper.learning_rate = 0.001`` changes the rate, and
        ``learner.stepper = learner.net.stepper(frozen=[1])`` freezes a layer; the optimizer's state
        goes on.
    features : tuple of str or None
        Names of the inputs, in the order of the first sample that was a mapping; None before.
    count : int
        The number of samples learned.
    mean, variance : ndarray of shape (n_0,)
        Of the inputs learned, float64; the variance is that of the samples, divided by `count`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    References
    ----------
    B. P. Welford, *Note on a method for calculating corrected sums of squares and products*,
    Technometrics 4 (1962).

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast import Network
    >>> from ffnn_fast.online import OnlineLearner
    >>> learner = OnlineLearner(Network([2, 8, 2], seed=0), optimizer="adam", learning_rate=0.01)
    >>> rng = np.random.default_rng(0)
    >>> correct = 0
    >>> for _ in range(2000):
    ...     x = {"temperature": rng.normal(20, 5), "pressure": rng.normal(1e5, 1e3)}
    ...     y = int(x["temperature"] > 20)
    ...     correct += learner.predict_one(x) == y
    ...     loss = learner.learn_one(x, y)
    >>> correct > 1800
    True
    """

    def __init__(
        self,
        net: Network,
        *,
        optimizer: OptimizerLike | None = None,
        learning_rate: RateLike = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        max_norm: float | None = None,
        frozen: Iterable[int] | None = None,
        standardize: bool = True,
    ) -> None:
        if not isinstance(net, Network):
            raise TypeError(f"net must be a Network, got {net!r}")
        net.spec.require_plain(type(self).__name__)
        self.net = net
        self.features: tuple[str, ...] | None = None
        self._standardize = as_bool(standardize, "standardize")
        zero = np.zeros(net.spec.n_inputs)
        self._moments: Moments = (0, zero, zero)
        self.stepper = net.stepper(
            optimizer=optimizer, learning_rate=learning_rate, batch_size=1, clip_value=clip_value,
            clip_norm=clip_norm, max_norm=max_norm, frozen=frozen,
        )  # fmt: skip

    @property
    def count(self) -> int:
        """The number of samples learned."""
        return self._moments[0]

    @property
    def mean(self) -> Array:
        """The mean of each input, (n_0,)."""
        return self._moments[1].copy()

    @property
    def variance(self) -> Array:
        """The variance of each input, (n_0,); 0 before the second sample."""
        return self._moments[2] / max(1, self._moments[0])

    def learn_one(self, x: Sample, y: Any) -> float:
        """Take one step of the optimizer on one sample.

        Parameters
        ----------
        x : array-like of shape (n_0,), or mapping of names to numbers
            All mappings have the same names, which are strings.
        y : int, float, array-like or tuple of these
            The target of one sample, as in `Network.loss`.

        Returns
        -------
        float
            The objective before the step.

        Warns
        -----
        DivergedWarning
            As `Stepper.step`.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or `x` is so far from the mean that float64 cannot
            hold the variance; nothing has been changed then.
        """
        row, features = self._row(x)
        moments = ignoring("over invalid", _with_row, self._moments, row)
        loss = self.stepper.step(self._input(row, moments), self._target(y))
        self._moments, self.features = moments, features
        return loss

    def predict_one(self, x: Sample) -> Any:
        """Predict the class or the target of one sample.

        Parameters
        ----------
        x
            As in `learn_one`.

        Returns
        -------
        int, float, ndarray or tuple of these
            As `Network.predict` for one sample; a number as an int or a float.

        Raises
        ------
        TypeError, ValueError
            If `x` is not as described.
        """
        predicted = self.net.predict(self._input(self._row(x)[0], self._moments)[0])
        if isinstance(predicted, tuple):
            return tuple(_as_number(part) for part in predicted)
        return _as_number(predicted)

    def predict_proba_one(self, x: Sample) -> Any:
        """Predict the class probabilities of one sample, (n_L,); of one logistic output (2,).

        With heads of `Head` a tuple, as from `Network.predict_proba`.

        Parameters
        ----------
        x
            As in `learn_one`.

        Returns
        -------
        ndarray

        Raises
        ------
        TypeError, ValueError
            If `x` is not as described, or as `Network.predict_proba`.
        """
        return self.net.predict_proba(self._input(self._row(x)[0], self._moments)[0])

    def save(self, path: PathLike) -> None:
        """Write network, optimizer state and the statistics of the inputs to one file.

        Parameters
        ----------
        path : str or path-like
            A model file; `Network.load` reads the network alone.

        Raises
        ------
        OSError, TypeError, ValueError
            As `Network.save` with ``with_state=True``.
        """
        count, mean, squares = self._moments
        state = {
            "count": count, "mean": mean.tolist(), "squares": squares.tolist(),
            "features": self.features, "standardize": self._standardize,
        }  # fmt: skip
        self.net.save(path, {ENTRY: json.dumps(state)}, with_state=True)

    @classmethod
    def load(
        cls, path: PathLike, *, engine: str | None = None, n_threads: int | None = None
    ) -> OnlineLearner:
        """Read a file that `save` wrote; learning goes on to the same bits.

        Parameters
        ----------
        path : str or path-like
        engine, n_threads
            As in `Network`.

        Returns
        -------
        OnlineLearner

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If it was not written by `save`, or is damaged.
        """
        _, _, extra = load_model(path)
        if ENTRY not in extra:
            raise ModelFileError(
                f"{str(path)!r} is no file of an OnlineLearner but of a network alone, which "
                "Network.load reads"
            )
        net = Network.load(path, engine=engine, n_threads=n_threads)
        try:
            state = json.loads(extra[ENTRY])
            learner = cls(net, standardize=state["standardize"])
            learner._moments = _as_moments(state, net.spec.n_inputs)
            learner.features = _as_features(state["features"], net.spec.n_inputs)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{str(path)!r} is no file of an OnlineLearner: {error!r}"
            raise ModelFileError(message) from error
        return learner

    def _row(self, x: Sample) -> tuple[Array, tuple[str, ...] | None]:
        """One row, (n_0,) float64, and the names of its entries."""
        features, n = self.features, self.net.spec.n_inputs
        if isinstance(x, Mapping):
            features = _as_names(x) if features is None else features
            if x.keys() != set(features):
                expected = ", ".join(map(str, features))
                raise ValueError(f"x must have the features {expected}; got {quoted(list(x))}")
            x = [x[name] for name in features]
        row = as_numbers(x, "x")
        if row.shape != (n,):
            raise ValueError(f"x must have shape ({n},), got {row.shape}")
        if not np.isfinite(row).all():
            j = int(np.argmin(np.isfinite(row)))
            where = f"entry {j}" if features is None else f"feature {features[j]!r}"
            raise ValueError(f"x must be finite, got {row[j]} in {where}")
        return row.astype(np.float64, copy=False), features

    def _input(self, row: Array, moments: Moments) -> Array:
        """The standardised row, (1, n_0); an input that has been constant is 0."""
        count, mean, squares = moments
        if self._standardize:
            scale = np.sqrt(squares / max(1, count))
            row = (row - mean) / np.where(scale > 0, scale, 1.0)
        return as_finite(row[None], self.net.spec.dtype, "x")

    def _target(self, y: Any) -> Array:
        """The target as that of one row."""
        return as_targets(y, self.net.spec, 1)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "stepper"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.stepper = self.net.stepper(batch_size=1)  # goes on with the state of the network


def _as_number(predicted: Any) -> Any:
    return predicted.item() if np.ndim(predicted) == 0 else predicted


def _with_row(moments: Moments, row: Array) -> Moments:
    """Count, mean and sum of squared deviations with one row more.

    Raises
    ------
    ValueError
        If the sum is not finite.
    """
    count, mean, squares = moments
    count += 1
    deviation = row - mean
    mean = mean + deviation / count
    squares = squares + deviation * (row - mean)
    bad = ~np.isfinite(squares)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"x[{i}] is {row[i]}, too far from the mean for a variance in float64")
    return count, mean, squares


def _as_names(x: Mapping[str, float]) -> tuple[str, ...]:
    """The names of a mapping; TypeError unless they are strings, as a file needs."""
    if not all(isinstance(name, str) for name in x):
        raise TypeError(f"the names of the features must be strings, got {quoted(list(x))}")
    return tuple(x)


def _as_moments(state: Mapping[str, Any], n: int) -> Moments:
    mean, squares = (np.array(state[name], np.float64) for name in ("mean", "squares"))
    for values in (mean, squares):
        if values.shape != (n,) or not np.isfinite(values).all():
            raise ValueError(f"expected {n} finite numbers")
    if (squares < 0).any():
        raise ValueError("sums of squares must be >= 0")
    return as_int(state["count"], "count", 0), mean, squares


def _as_features(names: Sequence[str] | None, n: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    features = tuple(names)
    if len(set(features)) != n or not all(isinstance(name, str) for name in features):
        raise ValueError(f"expected {n} different names")
    return features
