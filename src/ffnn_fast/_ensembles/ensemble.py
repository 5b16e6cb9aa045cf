"""Ensemble: networks of the same inputs and outputs that predict together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffnn_fast._ensembles import ensemble_files, mixtures, resampling
from ffnn_fast._ensembles.fit_many import fit_many
from ffnn_fast._model import predictions
from ffnn_fast._model.arrays import as_rows
from ffnn_fast._model.samples import as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._runtime.threads import resolve
from ffnn_fast._runtime.worker_threads import run_each
from ffnn_fast._scalars import as_choice, as_float, as_generator
from ffnn_fast._training.many import ProgressCallback
from ffnn_fast._training.types import PathLike
from ffnn_fast.history import History
from ffnn_fast.network import Network

Array = NDArray[Any]
SAME = ("output", "loss", "loss_options", "dtype", "heads", "missing_targets")


@public()
class Ensemble:
    """Networks of the same inputs and outputs that predict together.

    Parameters
    ----------
    networks : sequence of Network
        At least one; their hidden layers, penalties and input blocks may differ, their numbers of
        inputs and outputs, their output, loss, dtype and heads may not. Heads of `Head` are not
        supported.

    Attributes
    ----------
    networks : tuple of Network
    histories : list of History
        Of the last `fit`; empty before.
    trained_rows : list of ndarray or None
        The rows that each network was trained on in the last `fit`; None before, and if each was
        trained on all rows.

    Raises
    ------
    TypeError, ValueError
        If the networks do not fit together.

    Notes
    -----
    With ``loss="gaussian_nll"`` the networks are a deep ensemble: ŷ of the ensemble are the mean
    and the logarithm of the variance of the mixture of their normal distributions,
    ``μ = Σ μ_m / M`` and ``σ² = Σ (σ_m² + μ_m²) / M − μ²``.

    References
    ----------
    B. Lakshminarayanan, A. Pritzel, C. Blundell, *Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles*, NeurIPS 2017. L. Breiman, *Bagging Predictors*, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast import Ensemble, Network
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2))
    >>> y = X[:, 0] * X[:, 1]
    >>> bag = Ensemble([Network([2, 16, 1], output="identity", seed=i) for i in range(5)])
    >>> histories = bag.fit(X, y, resample="folds", seed=0, epochs=3, optimizer="adam")
    >>> bag.predict(X).shape, bag.spread(X).shape, bag.out_of_sample(X).shape
    ((300,), (300, 1), (300, 1))
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        given = _checked(networks)
        self.networks = tuple(given)
        self.histories: list[History] = []
        self.trained_rows: list[Array] | None = None

    @property
    def spec(self) -> NetworkSpec:
        """The description of the first network, whose outputs all have."""
        return self.networks[0].spec

    def __len__(self) -> int:
        return len(self.networks)

    def __iter__(self) -> Iterator[Network]:
        return iter(self.networks)

    def __getitem__(self, i: int) -> Network:
        return self.networks[i]

    def fit(
        self, X: ArrayLike, y: ArrayLike, *, resample: str = "none",
        seed: int | np.random.Generator | None = None,
        each: Sequence[Mapping[str, Any]] | None = None, n_threads: int | None = None,
        progress: ProgressCallback | None = None, **options: Any,
    ) -> list[History]:  # fmt: skip
        """Fit all networks by `fit_many`.

        Parameters
        ----------
        X, y : array-like
            As in `Network.fit`; shared, never copied.
        resample : {"none", "bootstrap", "folds"}, default "none"
            ``none``: each network is trained on all rows. ``bootstrap``: on n rows drawn with
            replacement. ``folds``: on all but one of as many folds as there are networks, at least
            two, stratified by class; the fold is its ``validation_rows``, on which
            `early_stopping` may watch it.
        seed : int, Generator or None, optional
            Of the resampling; None: a random one.
        each, n_threads, progress, **options
            As in `fit_many`.

        Returns
        -------
        list of History

        Raises
        ------
        TypeError, ValueError
            As `fit_many`; also for folds of one network, or with fewer rows than networks.
        """
        kind = as_choice(resample, "resample", resampling.KINDS)
        rng = as_generator(seed, "seed")
        rows = None
        if kind != "none":
            samples = as_samples(self.spec, X, y)
            strata = samples.Y if samples.Y.ndim == 1 else None
            splits = resampling.splits(kind, len(samples.X), len(self), rng, strata)
            rows = [kept for kept, _ in splits]
            if kind == "folds":
                given = [{}] * len(self) if each is None else each
                folds = [{"validation_rows": held} for _, held in splits]
                each = [{**fold, **one} for fold, one in zip(folds, given, strict=False)]
        self.histories = fit_many(
            self.networks, X, y, rows=rows, each=each, n_threads=n_threads, progress=progress,
            **options,
        )  # fmt: skip
        self.trained_rows = rows
        return self.histories

    def outputs(self, X: ArrayLike, *, n_threads: int | None = None) -> Array:
        """ŷ of every network, by `Network.forward`.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
        n_threads : int, optional
            Networks at a time; as in `fit_many`.

        Returns
        -------
        ndarray of shape (M, n, n_L)

        Raises
        ------
        TypeError, ValueError
            As `Network.forward`.
        """
        rows, _ = as_rows(X, self.spec)
        networks = self.networks
        found = run_each(
            lambda i: networks[i].forward(rows), range(len(networks)), resolve(n_threads)
        )
        return np.stack(found)

    def forward(self, X: ArrayLike) -> Array:
        """ŷ of the ensemble: the mean of the networks', or the mixture of ``gaussian_nll``.

        Parameters
        ----------
        X : array-like of shape (n, n_0)

        Returns
        -------
        ndarray of shape (n, n_L)
            Of the networks' dtype.
        """
        outputs = self.outputs(X)
        if self.spec.loss == "gaussian_nll":
            return mixtures.as_outputs(outputs)
        return outputs.mean(axis=0)

    def predict(self, X: ArrayLike) -> Any:
        """What `Network.predict` makes of ŷ of the ensemble: the most probable class by mean
        probability, or the mean.

        Parameters
        ----------
        X : array-like of shape (n, n_0)

        Returns
        -------
        ndarray
            As `Network.predict`.
        """
        return predictions.predict(self.spec, self.forward(X))

    def predict_proba(self, X: ArrayLike) -> Any:
        """Mean probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n, n_0)

        Returns
        -------
        ndarray
            As `Network.predict_proba`.

        Raises
        ------
        ValueError
            As `Network.predict_proba`.
        """
        predictions.check_probabilities(self.spec)
        return predictions.probabilities(self.spec, self.forward(X))

    def vote(self, X: ArrayLike) -> Array:
        """The class that most networks predict; of equal numbers the smallest.

        Parameters
        ----------
        X : array-like of shape (n, n_0)

        Returns
        -------
        ndarray
            As `Network.predict`.

        Raises
        ------
        ValueError
            If the networks are no classifiers.
        """
        spec = self.spec
        if spec.task != "classification":
            raise ValueError("vote needs classifiers; use predict, or quantiles for a median")
        votes = np.stack([predictions.predict_one(spec, y_hat) for y_hat in self.outputs(X)])
        classes = np.arange(int(votes.max()) + 1)
        counts = (votes[..., None] == classes).sum(axis=0)
        return counts.argmax(axis=-1)

    def spread(self, X: ArrayLike) -> Array:
        """The standard deviation over the networks, with M − 1; of ``gaussian_nll`` σ of the
        mixture, which also holds the noise of the targets.

        Parameters
        ----------
        X : array-like of shape (n, n_0)

        Returns
        -------
        ndarray of shape (n, n_L), or (n, T) for gaussian_nll
            0 for one network.
        """
        return np.sqrt(self.mean_and_variance(X)[1])

    def mean_and_variance(self, X: ArrayLike) -> tuple[Array, Array]:
        """Mean and variance of the prediction: of the mixture for ``gaussian_nll``, else over the
        networks.

        Parameters
        ----------
        X : array-like of shape (n, n_0)

        Returns
        -------
        mean, variance : ndarray of shape (n, T)
            float64.
        """
        outputs = self.outputs(X).astype(np.float64)
        if self.spec.loss == "gaussian_nll":
            return mixtures.moments(outputs)
        return outputs.mean(axis=0), outputs.var(axis=0, ddof=min(1, len(outputs) - 1))

    def quantiles(self, X: ArrayLike, q: ArrayLike) -> Array:
        """Quantiles over the networks' outputs; of ``gaussian_nll`` those of the mixture.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
        q : array-like of shape (k,) or float
            In [0, 1], or in (0, 1) for gaussian_nll.

        Returns
        -------
        ndarray of shape (k, n, n_L), or (k, n, T) for gaussian_nll
            Without the first axis for a float; float64.

        Raises
        ------
        TypeError, ValueError
            If `q` is not as described.
        """
        gaussian = self.spec.loss == "gaussian_nll"
        closed = "neither" if gaussian else "both"
        values = [as_float(one, "q", 0, 1, closed) for one in np.ravel(np.asarray(q)).tolist()]
        outputs = self.outputs(X).astype(np.float64)
        found = (
            mixtures.quantiles(outputs, values) if gaussian
            else np.quantile(outputs, values, axis=0)
        )  # fmt: skip
        return found[0] if np.ndim(q) == 0 else found

    def out_of_sample(self, X: ArrayLike) -> Array:
        """ŷ of each row by the networks that were not trained on it: out of fold, or out of bag.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
            The rows of the last `fit`.

        Returns
        -------
        ndarray of shape (n, n_L)
            The mean over these networks, or their mixture; NaN where there is none. float64.

        Raises
        ------
        ValueError
            If the networks were trained on all rows, or X has fewer rows than `fit` had.
        """
        if self.trained_rows is None:
            raise ValueError('out_of_sample needs a fit with resample="folds" or "bootstrap"')
        rows, _ = as_rows(X, self.spec)
        most = max(int(trained.max()) for trained in self.trained_rows)
        if most >= len(rows):
            raise ValueError(f"X must have the rows of fit, at least {most + 1}; got {len(rows)}")
        unseen = np.ones((len(self), len(rows)), dtype=bool)
        for own, trained in zip(unseen, self.trained_rows, strict=True):
            own[trained] = False
        outputs = self.outputs(rows).astype(np.float64)
        return mixtures.over_some(outputs, unseen, self.spec.loss == "gaussian_nll")

    def save(self, path: PathLike) -> None:
        """Write all networks to one safetensors file, atomically.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced.

        Raises
        ------
        OSError, TypeError, ValueError
            As `Network.save`.
        """
        ensemble_files.save(path, self.networks)

    @classmethod
    def load(cls, path: PathLike, *, n_threads: int | None = None) -> Ensemble:
        """Read an ensemble from a file that `save` wrote; no code of the file is run.

        Parameters
        ----------
        path : str or path-like
        n_threads : int, optional
            Of each network, as in `Network`.

        Returns
        -------
        Ensemble
            It has no histories and no ``trained_rows``.

        Raises
        ------
        FileNotFoundError, ModelFileError
            As `Network.load`.
        """
        return cls(ensemble_files.load(path, n_threads))

    def export_c(
        self, path: PathLike, *, name: str | None = None, dtype: str | None = None
    ) -> tuple[Path, ...]:
        """Write the ensemble as C: ``<name>_forward`` gives ŷ of `forward`.

        The networks are the blocks of one wide network, so that they must have the same depth and
        activations.

        Parameters
        ----------
        path, name, dtype
            As in `Network.export_c`.

        Returns
        -------
        tuple of Path

        Raises
        ------
        TypeError, ValueError, OSError
            As `Network.export_c`; ValueError also for networks of different depths or activations,
            with several heads, or with ``gaussian_nll``.
        """
        return ensemble_files.export_c(self.networks, path, name, dtype)

    def __repr__(self) -> str:
        return f"Ensemble of {len(self)} networks; the first:\n{self.networks[0]!r}"


def _checked(networks: Any) -> list[Network]:
    if isinstance(networks, Network) or not isinstance(networks, Sequence) or not networks:
        raise TypeError("networks must be a sequence of at least one Network")
    for i, net in enumerate(networks):
        if not isinstance(net, Network):
            raise TypeError(f"networks[{i}] must be a Network, got {type(net).__name__}")
    first = networks[0].spec
    if first.mixed:
        raise ValueError("an Ensemble has no heads of Head; combine the outputs of the networks")
    for i, net in enumerate(networks):
        spec = net.spec
        ends = spec.n_inputs, spec.n_outputs
        if ends != (first.n_inputs, first.n_outputs):
            raise ValueError(
                f"networks[{i}] has {ends[0]} inputs and {ends[1]} outputs, networks[0] has "
                f"{first.n_inputs} and {first.n_outputs}"
            )
        for part in SAME:
            if getattr(spec, part) != getattr(first, part):
                raise ValueError(
                    f"networks[{i}] has {part} {getattr(spec, part)!r}, networks[0] has "
                    f"{getattr(first, part)!r}"
                )
    return list(networks)
