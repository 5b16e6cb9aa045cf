"""Network: a feedforward network as an object; validates, then delegates."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ffnn_fast._model import model_files, predictions
from ffnn_fast._model.arrays import as_params, as_rows, positive_int
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.summary import summary
from ffnn_fast._runtime import inspection
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._solvers import minimizers
from ffnn_fast._training import fit as fitting
from ffnn_fast._training import loop, rate_finder
from ffnn_fast._training import partial_fit as streaming
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.fit_request import (
    FitRequest,
    PartialFitRequest,
    Rate,
    RateFinderRequest,
)
from ffnn_fast._training.rate_finder import RateCurve
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.activations import Activation
from ffnn_fast.history import History, RecordCallback
from ffnn_fast.initializers import initialize
from ffnn_fast.losses import Loss
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import Optimizer

if TYPE_CHECKING:  # loads SciPy
    from ffnn_fast._solvers.levenberg_marquardt import LeastSquaresFit

Array = np.ndarray
Initializer = str | Callable[[int, int, np.random.Generator], Any]


class Network:
    """A feedforward network with L layers: a_k = b_k + W_k h_{k-1}, h_k = g(a_k), ŷ = O(a_L).

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0, n_1, ..., n_L: inputs, hidden units, outputs.
    activation : str, Activation or sequence of them, default "tanh"
        g of the hidden layers, one for all or one per layer.
    output, loss, loss_options, dropout, missing_targets, heads
        See `NetworkSpec`, also for all names of activations and losses.
    dtype : {"float32", "float64"}, default "float32"
    seed : int, Generator or None
        Seeds the generator that draws the weights and then shuffles the rows.
    initializer : str or callable, default "auto"
        See `ffnn_fast.initializers.initialize`; biases start at zero.
    l2, l1 : float or sequence of float, default 0.0
        Coefficients of the penalty ``Σ_k l2_k/2 ‖W_k‖² + l1_k Σ|W_k|``, one for all layers or one
        for each.
    engine : {"compiled", "reference"}, optional
        Default: the environment variable ``FFNN_FAST_ENGINE``, else ``compiled``.
    n_threads : int, optional
        The most threads a call may use; -1: all there are. Default: the environment variable
        ``FFNN_FAST_NUM_THREADS``, else all. Results have the same bits for any number.
    matmul : {"auto", "own", "blas"}, default "auto"
        Whose matrix products the compiled engine uses; ``blas`` runs on one thread.

    Raises
    ------
    TypeError, ValueError
        If an argument does not describe a network.

    Attributes
    ----------
    params : ndarray of shape (P,)
        θ, layer by layer: W_1, b_1, W_2, b_2, ...
    weights, biases : tuple of ndarray
        Writable views of θ: ``weights[k-1]`` is W_k, (n_k, n_{k-1}); ``biases[k-1]`` is b_k,
        (n_k,).
    spec : NetworkSpec
    rng : numpy.random.Generator

    References
    ----------
    M. M. Khapra, CS7015 (Deep Learning), Lecture 4, modules 4.1 to 4.9.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast import Network
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    >>> y = np.array([0, 1, 1, 0])
    >>> net = Network([2, 8, 2], seed=0)
    >>> history = net.fit(X, y, epochs=2000, batch_size=4, learning_rate=0.5)
    >>> net.predict(X)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        *,
        activation: str | Activation | Sequence[str | Activation] = "tanh",
        output: str | Activation = "softmax",
        loss: str | Loss = "auto",
        loss_options: Mapping[str, Any] | None = None,
        dropout: float | Sequence[float] = 0.0,
        missing_targets: str = "refuse",
        heads: Sequence[int] = (),
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
        initializer: Initializer = "auto",
        l2: float | Sequence[float] = 0.0,
        l1: float | Sequence[float] = 0.0,
        engine: str | None = None,
        n_threads: int | None = None,
        matmul: str = "auto",
    ) -> None:
        spec = NetworkSpec(
            layer_sizes, activation, output, loss, dtype, l2, l1,  # type: ignore[arg-type]
            loss_options=loss_options or {},
            dropout=dropout,  # type: ignore[arg-type]
            missing_targets=missing_targets,
            heads=heads,  # type: ignore[arg-type]
        )  # fmt: skip
        rng = np.random.default_rng(seed)
        run = Settings(engine, n_threads, matmul)
        self._assemble(spec, initialize(spec, initializer, rng), rng, run)

    @classmethod
    def from_params(cls, spec: NetworkSpec, params: Any, **execution: Any) -> Network:
        """A network of this description with a copy of these parameters, shape (P,).

        `engine`, `n_threads` and `matmul` are as for `Network`.
        """
        net = cls.__new__(cls)
        run = Settings(**execution)
        net._assemble(spec, as_params(params, spec), np.random.default_rng(), run)
        return net

    def _assemble(
        self, spec: NetworkSpec, params: Array, rng: np.random.Generator, run: Settings
    ) -> None:
        theta = aligned_empty(spec.n_params, spec.dtype)
        theta[:] = params
        self.rng = rng
        self.history = History()
        self.stream: streaming.Stream | None = None
        self._settings = run
        self._bound = run.bind(spec, theta)

    @property
    def spec(self) -> NetworkSpec:
        """The description of the network."""
        return self._bound.spec

    @property
    def params(self) -> Array:
        """θ, (P,): the vector that all views share; assign with ``net.params[:] = ...``."""
        return self._bound.params

    @property
    def weights(self) -> tuple[Array, ...]:
        """W_1, ..., W_L as writable views of θ."""
        return self.spec.weights(self.params)

    @property
    def biases(self) -> tuple[Array, ...]:
        """b_1, ..., b_L as writable views of θ."""
        return self.spec.biases(self.params)

    @property
    def engine(self) -> str:
        """``"compiled"`` or ``"reference"``, which also runs functions of your own."""
        return "reference" if self.spec.own_functions else self._settings.engine_name

    @property
    def n_threads(self) -> int:
        """The most threads a call may use."""
        return self._settings.threads

    def forward(self, X: npt.ArrayLike) -> Array:
        """ŷ = O(a_L) for rows X, (n, n_0): (n, n_L); for one sample (n_0,): (n_L,)."""
        rows, single = as_rows(X, self.spec)
        y_hat = self._bound.forward(rows)
        return y_hat[0] if single else y_hat

    def predict(self, X: npt.ArrayLike) -> Array:
        """What the network says of each row of X, (n, n_0), or of one sample, (n_0,).

        Returns
        -------
        ndarray
            One class per sample: labels, (n,) int64; several softmax heads: a column of labels for
            each, (n, number of heads). One output with binary cross-entropy: 0 or 1, (n,); several:
            0 or 1 each, (n, n_L). Regression: ŷ with all heads of a target, (n,) for one output,
            else (n, n_L). For one sample the first axis is gone.
        """
        rows, single = as_rows(X, self.spec)
        predicted = predictions.predict(self.spec, self._bound.forward(rows))
        return predicted[0] if single else predicted

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """Class probabilities, (n, n_L), heads side by side; for one logistic output (n, 2), those
        of 0 and 1.

        Raises
        ------
        ValueError
            If the network is a regressor, or its outputs are scores (hinge).
        """
        if not self.spec.gives_probabilities:
            raise ValueError(
                f"predict_proba needs a classifier with probabilities; {self.spec.output!r} with "
                f"loss {self.spec.loss!r} gives none, use predict or forward"
            )
        y_hat = self.forward(X)
        if self.spec.n_outputs == 1:
            return np.concatenate([1 - y_hat, y_hat], axis=-1)
        return y_hat

    def loss(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """The objective: weighted mean of the losses of the rows, plus ``l2/2 · Σ‖W_k‖²``.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)
        y : array-like
            Labels (n,) of integers 0..n_L-1, for several heads a column for each; one-hot or soft
            targets (n, n_L), or values (n,) or (n, T), T = ``spec.n_targets``.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0; only their ratios count.
        """
        return self._bound.loss(self._samples(X, y, sample_weight))

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """Accuracy, the mean over heads if there are several; or R² (of μ or the middle quantile).
        Missing targets do not count.
        """
        samples = self._samples(X, y)
        return predictions.score(self.spec, self._bound.forward(samples.X), samples)

    def gradient(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        by_name: bool = False,
    ) -> Array | dict[str, Array]:
        """∇θ of the objective: (P,), or ``{"W_1": ..., "b_1": ...}`` when `by_name`."""
        _, grad = self._bound.loss_gradient(self._samples(X, y, sample_weight))
        return self.spec.named(grad) if by_name else grad

    def step(self, X: npt.ArrayLike, y: npt.ArrayLike, learning_rate: float) -> float:
        """One step of gradient descent on these rows; returns the objective before it."""
        return streaming.step(self._bound, self.rng, self._samples(X, y), learning_rate)

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        epochs: int = 10,
        batch_size: int | None = 32,
        optimizer: str | Optimizer | type[Optimizer] = "sgd",
        learning_rate: Rate = None,
        validation_data: tuple[Any, ...] | None = None,
        validation_fraction: float = 0.0,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: str | Mapping[int, float] | None = None,
        shuffle: bool = True,
        rng: int | np.random.Generator | None = None,
        metrics: bool | Iterable[str | Metric | Callable[[Any, Any], float]] = True,
        diagnostics: bool = False,
        callbacks: Iterable[Any] = (),
        early_stopping: EarlyStopping | bool | None = None,
        tol: float | None = None,
        max_time: float | None = None,
        averaging: str | Averaging | None = None,
        clip_value: float = math.inf,
        clip_norm: float = math.inf,
        max_norm: float = math.inf,
        frozen: Iterable[int] = (),
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        resume: str | os.PathLike[str] | bool = False,
        on_interrupt: str = "raise",
    ) -> History:
        """Train on minibatches, epoch after epoch.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
            Not copied when it is C-contiguous and of the network's dtype, as a memory-mapped file
            may be.
        y : array-like
            As in `loss`.
        epochs : int, default 10
        batch_size : int or None, default 32
            Rows per step; 1 is online learning, None all rows at once.
        optimizer : str or Optimizer, default "sgd"
            A name, or an object of `ffnn_fast.optimizers`; or of a subclass of your own.
        learning_rate : float, Schedule or callable, optional
            η; a schedule of `ffnn_fast.schedules`, or a function from the steps done to η. Default:
            the optimizer's.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Rows on which ``val_loss`` and the metrics are taken after each epoch.
        validation_fraction : float, default 0.0
            Share of the rows to hold out for that instead, class by class where there are classes,
            chosen by the generator; copies the rows.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0, scaled to mean 1; a batch's loss is the mean of weight times loss.
        class_weight : "balanced" or mapping of label to weight, optional
            Balanced: inverse to how often the class occurs. Multiplies `sample_weight`.
        shuffle : bool, default True
            Draw a new order of the rows for each epoch.
        rng : int or Generator, optional
            For shuffling, holding out and dropout; default: the network's own, ``net.rng``.
        metrics : bool or sequence of str, callable or Metric, default True
            What to record after each epoch, at the cost of a forward pass over the rows: names of
            `ffnn_fast.metrics.METRICS`, ``top_<k>``, or functions of (truth, prediction). True:
            accuracy or R². With any, the norm of the gradient is recorded too. Of several heads
            ``accuracy``, ``f1`` and ``top_<k>`` are means.
        diagnostics : bool, default False
            Record for each layer the gradient's norm, the size of updates and the share of dead
            units; see `ffnn_fast._training.diagnostics`.
        callbacks : sequence of callable or Callback
            A callable is called with the record of each epoch; see `ffnn_fast.callbacks`. A
            schedule, an `EarlyStopping` or a `Checkpoint` may stand here as well.
        early_stopping : EarlyStopping or bool, optional
            Stop when a figure does not become better; True: the validation loss, 10 epochs.
        tol : float, optional
            Stop when the training loss falls by no more than this for 10 epochs in a row.
        max_time : float, optional
            Seconds after which to stop, within an epoch too.
        averaging : {"ema", "swa"} or Averaging, optional
            Average the parameters on the way, and end with the average.
        clip_value, clip_norm, max_norm : float, default inf
            Bounds of each entry of ∇θ, of ‖∇θ‖, and of the norm of the weights into each unit.
        frozen : sequence of int, default ()
            Layers k = 1..L that stay as they are.
        checkpoint : path or Checkpoint, optional
            Where to write the fit after each epoch, so that it can be resumed.
        resume : path or bool, default False
            Go on from that checkpoint, with the same rows and options (`epochs` may differ), to the
            same bits as without a break; the network's parameters and the generator's state are
            replaced. True: from `checkpoint` if it exists, else from the start.
        on_interrupt : {"raise", "return"}, default "raise"
            After Ctrl-C the parameters are those of the last whole step; then raise
            KeyboardInterrupt (``net.history`` has the history), or return.

        Returns
        -------
        History
            A record per epoch: ``epoch``, ``loss`` (mean over the epoch's steps, before each,
            dropout and penalties included), the metrics, ``val_loss``, ``val_<metric>``,
            ``gradient_norm`` (on at most 1024 rows of the last batch, after it), ``learning_rate``
            (of the last step), ``seconds`` (of the steps alone), ``samples_per_second``.

        Warns
        -----
        DivergedWarning
            When the loss or a parameter is not finite any more: the fit stops and the parameters
            are those before that step.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; nothing has been changed then.
        """
        request = FitRequest(
            epochs=epochs, batch_size=batch_size, optimizer=optimizer,
            learning_rate=learning_rate, validation_data=validation_data,
            validation_fraction=validation_fraction, sample_weight=sample_weight,
            class_weight=class_weight, shuffle=shuffle, rng=rng, metrics=metrics,
            diagnostics=diagnostics, callbacks=callbacks, early_stopping=early_stopping,
            tol=tol, max_time=max_time, averaging=averaging, clip_value=clip_value,
            clip_norm=clip_norm, max_norm=max_norm, frozen=frozen, checkpoint=checkpoint,
            resume=resume, on_interrupt=on_interrupt,
        )  # fmt: skip
        run = fitting.prepare(self._bound, self.rng, X, y, request)
        self.history = run.history
        loop.fit(run)
        return run.history

    def partial_fit(
        self,
        X: Any,
        y: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        *,
        batch_size: int = 32,
        optimizer: str | Optimizer | type[Optimizer] | None = None,
        learning_rate: Rate = None,
    ) -> float:
        """Train on these rows once, in the order given, from the optimizer's last state.

        Parameters
        ----------
        X : array-like of shape (n, n_0), or iterable of chunks
            Arrays, memory-mapped ones too, are read and converted piece by piece, never as a whole.
            Without `y`: chunks (X, y) or (X, y, sample_weight), as from a generator.
        y : array-like, optional
            As in `loss`.
        sample_weight : array-like of shape (n,), optional
            Scaled to mean 1 over each piece.
        batch_size : int, default 32
            Batches do not reach over the end of a chunk of one's own.
        optimizer, learning_rate : optional
            As in `fit`. Default: those of the call before, or stochastic gradient descent. Another
            optimizer starts afresh; another learning rate does not.

        Returns
        -------
        float
            Mean loss over the rows, each before its step; NaN if there were none.

        Warns
        -----
        DivergedWarning
            As `fit`; the rest of the rows is left out.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described. Chunks before a bad one have been learnt then.
        """
        request = PartialFitRequest(
            batch_size=batch_size, optimizer=optimizer, learning_rate=learning_rate
        )
        data = (X, y, sample_weight)
        mean, self.stream = streaming.partial_fit(self._bound, self.rng, self.stream, data, request)
        return mean

    def find_learning_rate(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 100,
        batch_size: int | None = 32,
        optimizer: str | Optimizer | type[Optimizer] = "sgd",
        sample_weight: npt.ArrayLike | None = None,
        frozen: Iterable[int] = (),
        rng: int | np.random.Generator | None = None,
    ) -> RateCurve:
        """Try learning rates from low to high, one step each, and leave the network as it was.

        The rate grows by the same factor from step to step; the trial ends early when the smoothed
        loss is 4 times its smallest value or is not finite. After L. N. Smith, *Cyclical Learning
        Rates for Training Neural Networks* (2017), section 3.3.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        lowest, highest : float, default 1e-6 and 10.0
            The first and the last rate.
        steps : int, default 100
        batch_size : int or None, default 32
            None: all rows at once.
        optimizer : str or Optimizer, default "sgd"
            Its own learning rate is not used.
        frozen : sequence of int, default ()
            Layers that stay as they are.
        rng : int or Generator, optional
            For the order of the rows; default: a copy of the network's own, which stays as it is.

        Returns
        -------
        RateCurve

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or not even the lowest rate can be tried.
        """
        request = RateFinderRequest(
            lowest=lowest, highest=highest, steps=steps, batch_size=batch_size,
            optimizer=optimizer, sample_weight=sample_weight, frozen=frozen, rng=rng,
        )  # fmt: skip
        return rate_finder.find_learning_rate(self._bound, self.rng, X, y, request)

    def gradient_descent(
        self, X: npt.ArrayLike, y: npt.ArrayLike, learning_rate: float, max_iterations: int = 1000
    ) -> History:
        """The lecture's algorithm: while t++ < max_iterations, θ := θ − η ∇θ over all rows."""
        return minimizers.gradient_descent(
            self._bound, self._samples(X, y), learning_rate, max_iterations
        )

    def minimize(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        method: str = "L-BFGS-B",
        sample_weight: npt.ArrayLike | None = None,
        *,
        max_iterations: int = 1000,
        tol: float | None = None,
        options: Mapping[str, Any] | None = None,
        callback: RecordCallback | None = None,
    ) -> minimizers.SolverHistory:
        """Minimise the objective over all rows by a method of `scipy.optimize.minimize`.

        Everything is computed in float64, whatever the network's dtype, and without dropout. The
        parameters become the best that were seen, also when the method fails or is interrupted.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        method : str, default "L-BFGS-B"
            Any of SciPy's minimisers by name, in upper or lower case. Those that want second
            derivatives get differences of gradients: 2 for a product with ∇²ℒ, 2 P for ∇²ℒ itself
            (``dogleg``, ``trust-exact``). Those that want no gradient (``Nelder-Mead``, ``Powell``,
            ``COBYLA``, ``COBYQA``) suit a handful of parameters.
        max_iterations : int, default 1000
            For ``TNC`` and ``COBYLA`` of evaluations of the objective.
        tol : float, optional
            SciPy's ``tol``; default: that of the method.
        options : mapping, optional
            Further options of the method, which take precedence.
        callback : callable, optional
            Called with the record of each iteration; may raise StopIteration to end there.

        Returns
        -------
        History
            A record per iteration: ``epoch`` (the iteration, from 1), ``loss`` after it,
            ``gradient_norm`` where gradients are used, ``seconds``. Its attributes ``converged``,
            ``message`` and ``result`` (SciPy's) say how it ended.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or the objective is not finite at the start;
            nothing has been changed then.
        """
        given = minimizers.MinimizeOptions(
            method, max_iterations, tol, {} if options is None else options, callback
        )
        bound, samples = self._in_double(X, y, sample_weight)
        return minimizers.minimize(bound, samples, self.params, given)

    def objective(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> minimizers.Objective:
        """The pair ``fun, jac`` of the objective over these rows, for a solver of your own.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.optimize import minimize
        >>> from ffnn_fast import Network
        >>> net = Network([1, 3, 1], output="identity", seed=0)
        >>> X = np.linspace(-1, 1, 20)[:, None]
        >>> fun, jac = net.objective(X, X[:, 0] ** 2)
        >>> found = minimize(fun, net.params.astype(float), jac=jac, method="CG")
        >>> net.params[:] = found.x
        >>> bool(found.fun < 1e-2)
        True
        """
        return minimizers.Objective(*self._in_double(X, y, sample_weight))

    def levenberg_marquardt(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        max_iterations: int = 200,
        tol: float = 1e-8,
        damping: float = 1e-3,
        memory_limit: float = 2e9,
        callback: RecordCallback | None = None,
    ) -> LeastSquaresFit:
        """Fit a regression network by damped Gauss-Newton steps: the method for small networks.

        For squared errors and up to a few thousand parameters P, since a step takes n · n_L · P²
        operations and P² memory. The objective is the network's own, with its penalty, in float64
        whatever the network's dtype, and never rises.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        max_iterations : int, default 200
        tol : float, default 1e-8
            Ends when the cosine between the residuals and every column of their Jacobian, the
            relative change of the objective (found and foretold), or that of θ is below it.
        damping : float, default 1e-3
            The first damping, relative to the largest diagonal entry of JᵀJ.
        memory_limit : float, default 2e9
            Bytes that the two (P, P) matrices may take.
        callback : callable, optional
            As in `minimize`.

        Returns
        -------
        LeastSquaresFit
            A `History` as from `minimize`, with ``damping`` in each record, ``converged``,
            ``message``, ``covariance()`` and ``interval(X, level)``.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, the loss is no squared error, P is too large, or
            the objective is not finite at the start; nothing has been changed then.
        """
        from ffnn_fast._solvers.levenberg_marquardt import (
            LevenbergMarquardtOptions,
            check_least_squares,
            levenberg_marquardt,
        )

        check_least_squares(self.spec, memory_limit)
        options = LevenbergMarquardtOptions(max_iterations, tol, damping, callback)
        bound, samples = self._in_double(X, y, sample_weight)
        return levenberg_marquardt(bound, samples, self.params, options)

    def predictor(self, n_rows: int = 1) -> Any:
        """A callable for the lowest latency: ŷ of `n_rows` rows, without a check or an allocation.

        Returns
        -------
        callable
            ``predictor(x, out=None)`` for an array `x` of n_rows · n_0 elements, C-contiguous and
            of the network's dtype, writes ŷ to `out`, n_rows · n_L elements, and returns it;
            without `out`, to an array of its own, which the next call overwrites. It sees later
            changes of ``params``. It runs on the calling thread; make one for each thread.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> predict = Network([3, 4, 2], seed=0).predictor()
        >>> predict(np.ones(3, dtype=np.float32)).shape
        (1, 2)
        """
        return self._bound.predictor(positive_int(n_rows, "n_rows"))

    def trace(self, X: npt.ArrayLike, y: npt.ArrayLike) -> inspection.Trace:
        """Every a_k, h_k, ŷ, ∇a_k, ∇h_k, ∇W_k, ∇b_k of one forward and backward pass, by name."""
        return inspection.trace(self.spec, self.params, self._samples(X, y))

    def check_gradients(self, X: npt.ArrayLike, y: npt.ArrayLike) -> inspection.GradientCheck:
        """Backpropagation beside central differences, in float64: 2 P evaluations of the loss."""
        return inspection.check_gradients(self._bound, self._samples(X, y))

    def save(self, path: str | os.PathLike[str], extra: Mapping[str, str] | None = None) -> None:
        """Write the network to a safetensors file, atomically; `extra` goes into its header."""
        model_files.save(path, self.spec, self.params, extra)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **execution: Any) -> Network:
        """The network of a file that `save` wrote; `execution` as for `from_params`.

        Raises
        ------
        FileNotFoundError
        ffnn_fast._model.model_files.ModelFileError
            If the file is not such a file, is damaged, or is of another format version.
        """
        spec, params, _ = model_files.load(path)
        return cls.from_params(spec, params, **execution)

    def copy(self) -> Network:
        """An independent network with the same parameters and state of the generator."""
        twin = type(self).__new__(type(self))
        twin.__setstate__(self.__getstate__())
        return twin

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "spec": self.spec,
            "params": self.params.copy(),
            "rng": self.rng.bit_generator.state,
            "execution": self._settings,
            "history": self.history,
            "stream": self.stream and self.stream.copy(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        bit_generator = getattr(np.random, state["rng"]["bit_generator"])()
        bit_generator.state = state["rng"]
        rng = np.random.Generator(bit_generator)
        self._assemble(state["spec"], state["params"], rng, state["execution"])
        self.history, self.stream = state["history"], state["stream"]

    def __repr__(self) -> str:
        return summary(self.spec)

    def _samples(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Samples:
        return as_samples(self.spec, X, y, sample_weight)

    def _in_double(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None
    ) -> tuple[BoundNetwork, Samples]:
        """The network on a copy of θ, and the rows: both in float64."""
        spec = replace(self.spec, dtype="float64")
        samples = as_samples(spec, X, y, sample_weight)
        theta = aligned_empty(spec.n_params, spec.dtype)
        theta[:] = self.params
        return self._settings.bind(spec, theta), samples
