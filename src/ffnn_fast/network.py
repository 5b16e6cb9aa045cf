"""Network: a feedforward network; each method converts its arguments, then delegates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffnn_fast._c_code import CExportOptions, EncodersLike, export_c
from ffnn_fast._conversion import as_numbers
from ffnn_fast._model import predictions
from ffnn_fast._model.arrays import as_output_weight, as_params, as_rows, as_thetas
from ffnn_fast._model.derivative_targets import with_derivatives
from ffnn_fast._model.directions import as_vector
from ffnn_fast._model.heads import HeadsLike
from ffnn_fast._model.samples import as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.summary import summary
from ffnn_fast._names import hints_keywords
from ffnn_fast._runtime import (
    differentiation,
    inspection,
    many_parameters,
    outputs_of_rows,
    taylor_calls,
)
from ffnn_fast._runtime.bound_network import aligned_copy
from ffnn_fast._runtime.c_function import CFunction, c_function, low_level_callable
from ffnn_fast._runtime.predict_functions import JacobianFunction, PredictFunction
from ffnn_fast._runtime.row_initialization import BIASES, initial_params
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._scalars import as_bool, as_choice, as_generator, as_int, generator_from
from ffnn_fast._solvers import minimizers
from ffnn_fast._training import block_fit, loop, option_arguments, rate_finder, streams
from ffnn_fast._training import partial_fit as streaming
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.fit_request import FitRequest, RateFinderRequest
from ffnn_fast._training.many import Job
from ffnn_fast._training.ranks import ending_all
from ffnn_fast._training.stepper import Stepper
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast._training.types import (
    CallbackLike,
    MetricsLike,
    OptimizerLike,
    PathLike,
    RateLike,
    SchedulesLike,
)
from ffnn_fast.activations import Activation
from ffnn_fast.blocks import RowBlocks
from ffnn_fast.history import History, RecordCallback
from ffnn_fast.initializers import Initializer, initialize
from ffnn_fast.inputs import InputBlock
from ffnn_fast.losses import Loss
from ffnn_fast.optimizers import Factors

if TYPE_CHECKING:  # loads SciPy
    from scipy import LowLevelCallable

    from ffnn_fast._solvers.levenberg_marquardt import LeastSquaresFit

__all__ = ["Network"]

Array = NDArray[Any]


@hints_keywords
class Network:
    """A feedforward network with L layers: a_k = b_k + W_k h_{k-1}, h_k = g(a_k), ŷ = O(a_L).

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0, n_1, ..., n_L: inputs, hidden units, outputs.
    activation : str, Activation or sequence of them, default "tanh"
        g of the hidden layers, one for all or one per layer.
    output, loss, loss_options, dropout, missing_targets, heads
        As in `NetworkSpec`, which lists the names of activations and losses, and `Head`.
    inputs : InputBlock, optional
        Makes h_0 of the columns of X, of which ``layer_sizes[0]`` is the number then; see
        `ffnn_fast.inputs`.
    parametric : bool, default False
        Whether hidden units have h = a + (g(a) − a) α with α trained for each unit, from 1.
    dtype : {"float32", "float64"}, default "float32"
        Of the parameters, of the computation and of ŷ.
    seed : int, Generator or None, default None
        Seed of the generator that draws the weights, shuffles rows, holds rows out and seeds
        dropout; None: a random one.
    initializer : str or callable, default "auto"
        See `ffnn_fast.initializers.initialize`; biases start at zero. It also draws further starts
        of `levenberg_marquardt`; a network that was loaded, or pickled with a function, has
        ``"auto"`` for these.
    l2, l1 : float or sequence of float, default 0.0
        Coefficients of the penalty ``Σ_k l2_k/2 ‖W_k‖² + l1_k Σ|W_k|``, one for all layers or one
        for each.
    engine : {"compiled", "reference"}, optional
        Default: the environment variable ``FFNN_FAST_ENGINE``, else ``compiled``.
    n_threads : int, optional
        The most threads that a call may use; -1: as many as the process may use, -2: one less.
        Default: the environment variable ``FFNN_FAST_NUM_THREADS``, else -1, at most
        ``OMP_NUM_THREADS`` and the limit that `threadpoolctl.threadpool_limits` has set for OpenMP.
        Results have the same bits for any number.
    matmul : {"auto", "own", "blas"}, default "auto"
        Matrix products of the compiled engine: its own or those of BLAS, which run on one thread.
        ``auto``: its own where it is compiled with vector instructions. A network with an input
        block or parametric activations has its own in any case.

    Raises
    ------
    TypeError, ValueError
        If an argument does not describe a network.

    Attributes
    ----------
    params : ndarray of shape (P,)
        θ, layer by layer: W_1, b_1, W_2, b_2, ...; then the parameters of the input block and the
        α_k, if there are any.
    weights, biases : tuple of ndarray
        Writable views of θ: ``weights[k-1]`` is W_k, (n_k, n_{k-1}); ``biases[k-1]`` is b_k,
        (n_k,).
    input_params : dict of str to ndarray
        Writable views of the input block's parameters: ``frequencies`` and ``phases``, (m, F),
        ``weights``, (m, M, F), and ``biases``, (m, M), of the m embedded numbers in the order of
        their columns, without the first two and with bins for F where they are piecewise;
        ``table_<column>``, (K + 1, width); ``scale``, (n_0,).
    alphas : tuple of ndarray
        Writable views of α_1, ..., α_{L-1}, each (n_k,); () unless the network is parametric.
    spec : NetworkSpec
        The description of the network.
    rng : numpy.random.Generator
        The generator that `seed` seeded.
    history : History
        Of the last call of `fit`, also of one that was interrupted.
    stream : object or None
        State of the optimizer that the next `partial_fit` or `stepper` continues from; None before
        the first.
    engine : str
    n_threads : int

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
        self, layer_sizes: Sequence[int], *,
        activation: str | Activation | Sequence[str | Activation] = "tanh",
        output: str | Activation = "softmax", loss: str | Loss = "auto",
        loss_options: Mapping[str, Any] | None = None, dropout: float | Sequence[float] = 0.0,
        missing_targets: str = "refuse", heads: HeadsLike = (),
        inputs: InputBlock | None = None, parametric: bool = False, dtype: str = "float32",
        seed: int | np.random.Generator | None = None, initializer: str | Initializer = "auto",
        l2: float | Sequence[float] = 0.0, l1: float | Sequence[float] = 0.0,
        engine: str | None = None, n_threads: int | None = None, matmul: str = "auto",
    ) -> None:  # fmt: skip
        spec = NetworkSpec(
            layer_sizes, activation, output, loss, dtype, l2, l1,  # type: ignore[arg-type]
            loss_options or {}, dropout, missing_targets, heads,  # type: ignore[arg-type]
            inputs, parametric,
        )  # fmt: skip
        rng = as_generator(seed, "seed")
        settings = Settings(engine, n_threads, matmul)
        self._assemble(spec, initialize(spec, initializer, rng), rng, settings, initializer)

    @classmethod
    def from_params(
        cls, spec: NetworkSpec, params: ArrayLike, *, engine: str | None = None,
        n_threads: int | None = None, matmul: str = "auto",
    ) -> Network:  # fmt: skip
        """A network with a copy of given parameters.

        Parameters
        ----------
        spec : NetworkSpec
        params : array-like of shape (P,)
            θ, laid out as the attribute `params`; finite in the dtype of `spec`.
        engine, n_threads, matmul
            As in `Network`.

        Returns
        -------
        Network
            Its generator has a random seed.

        Raises
        ------
        TypeError, ValueError
            If `params` do not fit `spec`, or a setting is unknown.
        """
        net = cls.__new__(cls)
        settings = Settings(engine, n_threads, matmul)
        net._assemble(spec, as_params(params, spec), as_generator(None, "rng"), settings)
        return net

    @classmethod
    def from_spec(
        cls, spec: NetworkSpec, *, seed: int | np.random.Generator | None = None,
        initializer: str | Initializer = "auto", engine: str | None = None,
        n_threads: int | None = None, matmul: str = "auto",
    ) -> Network:  # fmt: skip
        """A network of a description, with parameters that are drawn.

        Parameters
        ----------
        spec : NetworkSpec
        seed, initializer, engine, n_threads, matmul
            As in `Network`.

        Returns
        -------
        Network

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.
        """
        net, rng = cls.__new__(cls), as_generator(seed, "seed")
        settings = Settings(engine, n_threads, matmul)
        net._assemble(spec, initialize(spec, initializer, rng), rng, settings, initializer)
        return net

    def _assemble(
        self, spec: NetworkSpec, params: Array, rng: np.random.Generator, settings: Settings,
        initializer: str | Initializer = "auto",
    ) -> None:  # fmt: skip
        self.rng = rng
        self.history = History()
        self.stream: streams.AnyStream | None = None
        self._initializer = initializer  # of further starts
        self._settings = settings
        self._bound = settings.bind(spec, aligned_copy(params, spec.dtype))

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
    def input_params(self) -> dict[str, Array]:
        """The input block's parameters by name, as writable views of θ."""
        named, start = self.spec.named(self.params), "inputs."
        return {n.removeprefix(start): v for n, v in named.items() if n.startswith(start)}

    @property
    def alphas(self) -> tuple[Array, ...]:
        """α_1, ..., α_{L-1} as writable views of θ; () unless the network is parametric."""
        return self.spec.alphas(self.params)

    @property
    def engine(self) -> str:
        """``"compiled"``, or ``"reference"``, which also runs user-defined functions."""
        return "reference" if self.spec.own_functions else self._settings.engine_name

    @property
    def n_threads(self) -> int:
        """The most threads that a call may use now."""
        return self._settings.threads

    def forward(self, X: ArrayLike) -> Array:
        """ŷ = O(a_L) of the rows of X.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,), or sparse matrix (n, n_0)

        Returns
        -------
        ndarray of shape (n, n_L), or (n_L,) for one sample
            Of the network's dtype.

        Raises
        ------
        TypeError, ValueError
            If X does not hold finite real numbers in one of these shapes.
        """
        bound = self._bound
        y_hat, single = outputs_of_rows.forward(bound, X)
        return y_hat[0] if single else y_hat

    def split_heads(self, y_hat: ArrayLike) -> tuple[Array, ...]:
        """The outputs of each head, or anything else that has an entry for each output.

        Parameters
        ----------
        y_hat : array-like of shape (..., n_L)
            Such as ŷ from `forward`.

        Returns
        -------
        tuple of ndarray
            For each head its columns, (..., width): views of `y_hat` if it is an array. One entry
            for a network of one head.

        Raises
        ------
        TypeError, ValueError
            If `y_hat` does not hold real numbers, or has another last axis.
        """
        given, n_L = as_numbers(y_hat, "y_hat"), self.spec.n_outputs
        if given.ndim == 0 or given.shape[-1] != n_L:
            raise ValueError(f"y_hat must have shape (..., {n_L}), got {given.shape}")
        return predictions.split_heads(self.spec, given)

    def predict(self, X: ArrayLike) -> Any:
        """Predict the class or the target of each row of X.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,), or sparse matrix (n, n_0)

        Returns
        -------
        ndarray
            One class per sample: labels, (n,) int64; several softmax heads: a column of labels for
            each, (n, number of heads). One output with binary cross-entropy: 0 or 1, (n,); several:
            0 or 1 each, (n, n_L). Regression: ŷ with all heads of a target, (n,) for one output,
            else (n, n_L). For one sample without the first axis. With heads of `Head` a tuple of
            these, the predictions of each head.

        Raises
        ------
        TypeError, ValueError
            As `forward`.
        """
        bound = self._bound
        y_hat, single = outputs_of_rows.forward(bound, X)
        return _of_rows(predictions.predict(bound.spec, y_hat), single)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,), or sparse matrix (n, n_0)

        Returns
        -------
        ndarray of shape (n, n_L), or (n, 2) for one logistic output
            Several softmax heads side by side; of one logistic output the probabilities of 0 and
            of 1. For one sample without the first axis. With heads of `Head` a tuple of these, with
            None for a head that gives no probabilities.

        Raises
        ------
        TypeError, ValueError
            As `forward`; ValueError if the network is a regressor or its outputs are scores
            (hinge), or, with heads of `Head`, if that is so for all of them.
        """
        predictions.check_probabilities(self.spec)
        return predictions.probabilities(self.spec, self.forward(X))

    def predict_log_proba(self, X: ArrayLike) -> Any:
        """Predict logarithms of class probabilities, from the pre-activations a_L.

        They are finite where the probability itself rounds to 0.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,), or sparse matrix (n, n_0)

        Returns
        -------
        ndarray of shape (n, n_L), or (n, 2) for one logistic output
            As `predict_proba`.

        Raises
        ------
        TypeError, ValueError
            As `predict_proba`.
        """
        predictions.check_probabilities(self.spec, "predict_log_proba")
        rows, single = as_rows(X, self.spec, sparse=True)
        return _of_rows(self._bound.log_proba(rows), single)

    def loss(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The objective: weighted mean of ℓ(ŷ, y) over the rows + Σ_k l2_k/2 ‖W_k‖² + l1_k Σ|W_k|.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,), or sparse matrix (n, n_0)
        y : array-like
            Labels (n,) of integers 0..n_L-1, for several softmax heads a column for each; one-hot
            or soft targets (n, n_L), or values (n,) or (n, T), T = ``spec.n_targets``. For heads of
            `Head` a tuple (or a list of arrays) of such targets of each, or their columns side by
            side, (n, T), labels as one-hot rows.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0; only their ratios count. Those of the loss ``linear`` may be negative
            and are taken as they are.

        Returns
        -------
        float
            Without dropout.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or a target lies outside the domain of the loss.
        """
        return self._bound.loss(as_samples(self.spec, X, y, sample_weight, sparse=True))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Accuracy of a classifier, the mean over heads; R² of a regressor, the mean over targets;
        with heads of `Head` the mean over heads of the one or the other.

        Parameters
        ----------
        X, y
            As in `loss`. Missing targets do not count.

        Returns
        -------
        float
            R² is that of μ (``gaussian_nll``) or of the quantile nearest to the median.

        Raises
        ------
        TypeError, ValueError
            As `loss`.
        """
        samples = as_samples(self.spec, X, y, sparse=True)
        return predictions.score(self.spec, self._bound.forward(samples.X), samples)

    @overload
    def gradient(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *,
        by_name: Literal[False] = False,
    ) -> Array: ...  # fmt: skip
    @overload
    def gradient(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *,
        by_name: Literal[True],
    ) -> dict[str, Array]: ...  # fmt: skip
    def gradient(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *,
        by_name: bool = False,
    ) -> Array | dict[str, Array]:  # fmt: skip
        """∇θ of the objective.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        by_name : bool, default False
            Return views of ∇θ under the names ``W_1``, ``b_1``, ..., ``W_L``, ``b_L``, then
            ``inputs.<name>`` and ``alpha_k``, if there are any.

        Returns
        -------
        ndarray of shape (P,), or dict of str to ndarray

        Raises
        ------
        TypeError, ValueError
            As `loss`.
        """
        _, grad = self._bound.loss_gradient(as_samples(self.spec, X, y, sample_weight, sparse=True))
        return self.spec.named(grad) if as_bool(by_name, "by_name") else grad

    def loss_gradient(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """The objective and ∇θ in one pass, without dropout.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.

        Returns
        -------
        float
            As from `loss`.
        ndarray of shape (P,)
            As from `gradient`.

        Raises
        ------
        TypeError, ValueError
            As `loss`.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> net = Network([2, 3, 2], seed=0)
        >>> value, grad = net.loss_gradient(np.eye(2), [0, 1])
        >>> grad.shape == net.params.shape
        True
        """
        return self._bound.loss_gradient(as_samples(self.spec, X, y, sample_weight, sparse=True))

    def vjp(self, X: ArrayLike, grad_y_hat: ArrayLike) -> differentiation.VJP:
        """Vector-Jacobian products: from ∂ℒ/∂ŷ of any objective ℒ to ∂ℒ/∂θ and ∂ℒ/∂X.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)
        grad_y_hat : array-like of shape (n, n_L), or (n_L,) for one sample
            u_i = ∂ℒ/∂ŷ_i for each row.

        Returns
        -------
        VJP
            ``y_hat``; ``grad_params`` = Σ_i (∂ŷ_i/∂θ)ᵀ u_i, (P,), a sum over rows and without the
            penalty; ``grad_X`` = (∂ŷ_i/∂x_i)ᵀ u_i, in the shape of X. Without dropout.

        Raises
        ------
        TypeError, ValueError
            If an argument does not hold finite real numbers in one of these shapes.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> net = Network([2, 3, 1], output="identity", seed=0)
        >>> X, y = np.eye(2), np.array([[1.0], [2.0]])
        >>> y_hat, grad, grad_X = net.vjp(X, 2 * (net.forward(X) - y) / len(X))
        >>> np.allclose(grad, net.gradient(X, y))
        True
        """
        return differentiation.vjp(self._bound, X, grad_y_hat)

    def input_gradient(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        """∂(w_i ℓ_i)/∂x_i of the loss of each row by itself, not divided by the number of rows.

        Parameters
        ----------
        X, y
            As in `loss`.
        sample_weight : array-like of shape (n,), optional
            w_i of either sign, taken as they are; default: 1.

        Returns
        -------
        ndarray of shape (n, n_0), or (n_0,) for one sample
            Without dropout.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or a target lies outside the domain of the loss.
        """
        return differentiation.input_gradient(self._bound, X, y, sample_weight)

    def jacobian(self, X: ArrayLike) -> Array:
        """∂ŷ/∂x of each row: entry [i, j, d] is the derivative of ŷ_j with respect to x_d there.

        In reverse mode, or in forward mode where that takes less work.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)

        Returns
        -------
        ndarray of shape (n, n_L, n_0), or (n_L, n_0) for one sample

        Raises
        ------
        TypeError, ValueError
            As `forward`.
        """
        return differentiation.jacobian(self._bound, X)

    def jvp(self, X: ArrayLike, V: ArrayLike) -> tuple[Array, Array]:
        """Jacobian-vector products: ŷ and the derivative of ŷ in the direction v_i at each row x_i.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)
        V : array-like
            v_i, in the shape of X.

        Returns
        -------
        y_hat, derivative : ndarray of shape (n, n_L), or (n_L,) for one sample
            ŷ and (∂ŷ_i/∂x_i) v_i.

        Raises
        ------
        TypeError, ValueError
            If an argument does not hold finite real numbers in one of these shapes.
        """
        return differentiation.jvp(self._bound, X, V)

    def parameter_jacobian(self, X: ArrayLike) -> Array:
        """∂ŷ/∂θ of each row: entry [i, j, m] is the derivative of ŷ_j with respect to θ_m there.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)

        Returns
        -------
        ndarray of shape (n, n_L, P), or (n_L, P) for one sample
            Laid out along its last axis like ``params``.

        Raises
        ------
        TypeError, ValueError
            As `forward`.
        MemoryError
            If there is no memory for n · n_L · P numbers.
        """
        return differentiation.parameter_jacobian(self._bound, X)

    def taylor(self, X: ArrayLike, V: ArrayLike) -> taylor_calls.Taylor:
        """ŷ with its first and second derivatives along directions v in the inputs.

        ``ŷ(x + t v) = ŷ + t J v + t²/2 vᵀ H v + O(t³)``, J = ∂ŷ/∂x, and H = ∂²ŷ_j/∂x² for each
        output j. Carried forward through the layers: ȧ_k = W_k ḣ_{k-1}, ä_k = W_k ḧ_{k-1},
        ḣ = g' ȧ, ḧ = g'' ȧ² + g' ä.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)
        V : array-like of shape (n_0,), (n, n_0) or (n, m, n_0)
            One direction for all rows, one for each, or m for each. For one sample (n_0,) or
            (m, n_0).

        Returns
        -------
        Taylor
            ``y_hat`` (n, n_L), ``first`` = J v and ``second`` = vᵀ H v, (n, n_L) or (n, m, n_L), of
            the network's dtype; for one sample without the first axis. Without dropout. The second
            derivative of relu, leaky_relu and hard_sigmoid is 0, at their kinks too.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or a user-defined activation has no
            `second_derivative`.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> net = Network([2, 8, 1], output="identity", seed=0)
        >>> y_hat, first, second = net.taylor(np.zeros((5, 2)), [1.0, 0.0])
        >>> second.shape
        (5, 1)
        """
        return taylor_calls.taylor_of(self._bound, X, V)

    def taylor_gradient(
        self, X: ArrayLike, V: ArrayLike, grad_y_hat: ArrayLike | None = None,
        grad_first: ArrayLike | None = None, grad_second: ArrayLike | None = None,
    ) -> Array:  # fmt: skip
        """∇θ of any objective of ŷ, J v and vᵀ H v, from its gradients by these.

        The reverse pass of `taylor`: for residuals of differential equations, or derivatives to be
        fitted. It takes about three times as long as `taylor`.

        Parameters
        ----------
        X, V
            As in `taylor`.
        grad_y_hat : array-like of shape (n, n_L), optional
            ∂ℒ/∂ŷ; None: 0.
        grad_first, grad_second : array-like, optional
            ∂ℒ/∂(J v) and ∂ℒ/∂(vᵀ H v), of the shape of ``first`` and ``second`` of `taylor`;
            None: 0, which saves time.

        Returns
        -------
        ndarray of shape (P,)
            Laid out like `params`; without the penalties.

        Raises
        ------
        TypeError, ValueError
            As `taylor`; with `grad_second` also if a user-defined activation has no
            `third_derivative`.
        """
        return taylor_calls.taylor_gradient_of(
            self._bound, X, V, (grad_y_hat, grad_first, grad_second)
        )

    def input_hessian_diagonal(self, X: ArrayLike) -> Array:
        """∂²ŷ_j/∂x_d² of every output and input.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)

        Returns
        -------
        ndarray of shape (n, n_L, n_0), or (n_L, n_0) for one sample
            By a pass of `taylor` along each of the n_0 unit vectors.

        Raises
        ------
        TypeError, ValueError
            As `taylor`.
        """
        return taylor_calls.hessian_diagonal(self._bound, X)

    def laplacian(self, X: ArrayLike) -> Array:
        """Δŷ_j = Σ_d ∂²ŷ_j/∂x_d² of every output.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)

        Returns
        -------
        ndarray of shape (n, n_L), or (n_L,) for one sample
            Its gradient in θ: `taylor_gradient` with ``V = np.broadcast_to(np.eye(n_0), (n, n_0,
            n_0))`` and ∂ℒ/∂Δŷ repeated for each of the n_0 directions as `grad_second`.

        Raises
        ------
        TypeError, ValueError
            As `taylor`.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> net = Network([2, 8, 1], output="identity", seed=0)
        >>> net.laplacian(np.ones((5, 2))).shape
        (5, 1)
        """
        return taylor_calls.hessian_diagonal(self._bound, X).sum(axis=-1)

    def hvp(
        self, X: ArrayLike, y: ArrayLike, v: ArrayLike, sample_weight: ArrayLike | None = None,
    ) -> Array:  # fmt: skip
        """∇²ℒ v: the Hessian of the objective in θ times a vector, exact, without the matrix.

        Forward over reverse (B. A. Pearlmutter, *Fast Exact Multiplication by the Hessian*, Neural
        Computation 6, 1994); it takes as long as some three gradients. Kinks of activations and
        losses, and l1, have the second derivative 0.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        v : array-like of shape (P,)
            Laid out like `params`.

        Returns
        -------
        ndarray of shape (P,)
            Of the network's dtype, without dropout, with the l2 penalty.

        Raises
        ------
        TypeError, ValueError
            As `loss`; if `v` is not a finite vector of that shape; if the loss is user-defined, or
            a user-defined activation has no `second_derivative`.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> net = Network([2, 3, 2], seed=0)
        >>> net.hvp(np.eye(2), [0, 1], np.ones_like(net.params)).shape
        (17,)
        """
        samples = as_samples(self.spec, X, y, sample_weight)
        return taylor_calls.hessian_product(self._bound, samples, as_vector(v, self.spec))

    def forward_many(self, thetas: ArrayLike, X: ArrayLike) -> Array:
        """ŷ of the same rows at each of K parameter vectors, as evolution strategies need them.

        Parameters
        ----------
        thetas : array-like of shape (K, P)
            Each laid out as `params`, which this does not use or change.
        X : array-like of shape (n, n_0) or (n_0,)

        Returns
        -------
        ndarray of shape (K, n, n_L), or (K, n_L) for one sample
            Of the network's dtype; ``[j]`` has the bits of `forward` with θ_j as `params`.

        Raises
        ------
        TypeError, ValueError
            As `forward`; also if `thetas` are not finite vectors of P numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> net = Network([2, 3, 1], output="identity", seed=0)
        >>> thetas = np.random.default_rng(0).normal(size=(100, len(net.params)))
        >>> net.forward_many(thetas, [0.5, -0.5]).shape
        (100, 1)
        """
        rows, single = as_rows(X, self.spec)
        y_hat = many_parameters.forward_many(self._bound, as_thetas(thetas, self.spec), rows)
        return y_hat[:, 0] if single else y_hat

    def loss_many(
        self, thetas: ArrayLike, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """The objective at each of K parameter vectors.

        Parameters
        ----------
        thetas : array-like of shape (K, P)
            As in `forward_many`.
        X, y, sample_weight
            As in `loss`.

        Returns
        -------
        ndarray of shape (K,)
            ``[j]`` has the bits of `loss` with θ_j as `params`.

        Raises
        ------
        TypeError, ValueError
            As `loss` and `forward_many`.
        """
        samples = as_samples(self.spec, X, y, sample_weight)
        return many_parameters.loss_many(self._bound, as_thetas(thetas, self.spec), samples)

    def step(
        self, X: ArrayLike, y: ArrayLike, learning_rate: float, *,
        clip_value: float | None = None, clip_norm: float | None = None,
        max_norm: float | None = None, frozen: Iterable[int] | None = None,
    ) -> float:  # fmt: skip
        """Take one step of gradient descent, θ := θ − η ∇θ, on these rows.

        Parameters
        ----------
        X, y
            As in `loss`.
        learning_rate : float
            η, finite and > 0.
        clip_value, clip_norm, max_norm, frozen : optional
            As in `fit`.

        Returns
        -------
        float
            The objective before the step, with the dropout of this step.

        Warns
        -----
        DivergedWarning
            If the objective or a parameter is not finite any more; θ is then that before the step.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; nothing has been changed then.
        """
        bounds = streaming.Bounds(clip_value, clip_norm, max_norm, frozen).given(self.spec)
        return streaming.step(self._bound, self.rng, (X, y), learning_rate, bounds)

    def initialize(
        self, X: ArrayLike, *, biases: str = "rows", rng: int | np.random.Generator | None = None,
        most_rows: int = 1000,
    ) -> None:  # fmt: skip
        """Draw all W_k and b_k anew, so that each unit has pre-activations of deviation 1 on rows.

        From the first layer to the last, W_k is drawn from N(0, 1/n_{k-1}), and each of its rows is
        divided by the deviation of the unit's pre-activations without bias. The bias is minus a
        convex combination of these at 5 random rows, whose weights are exponential variates divided
        by their sum: the unit's zero lies among the rows. The parameters of an input block and the
        α_k stay as they are. `partial_fit` and `stepper` begin anew.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
            Rows to train on. A unit whose pre-activations are constant on them keeps the weights
            that were drawn.
        biases : {"rows", "zeros"}, default "rows"
            ``zeros``: all b_k are 0.
        rng : int or Generator, optional
            Default: the network's own.
        most_rows : int, default 1000
            At most so many of the rows are drawn, and the others not used.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or the deviation of pre-activations is not finite;
            nothing has been changed then.

        References
        ----------
        D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default" (NeurIPS 2024), appendix
        A, where the biases are "he+5".

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> X = np.random.default_rng(0).uniform(900, 1100, (500, 3))
        >>> net = Network([3, 16, 1], output="identity", seed=0)
        >>> net.initialize(X)
        >>> net.trace(X)["a_1"].std(axis=0).round(4).tolist() == [1.0] * 16
        True
        """
        as_choice(biases, "biases", BIASES)
        rows, generator = as_rows(X, self.spec)[0], self.rng
        if rng is not None:
            generator = as_generator(rng, "rng")
        most_rows = as_int(most_rows, "most_rows")
        self.params[:] = initial_params(self.spec, self.params, rows, biases, generator, most_rows)
        self.stream = None

    def fit(
        self, X: ArrayLike | RowBlocks, y: ArrayLike | None = None, *, epochs: int = 10,
        batch_size: int | None = 32, optimizer: OptimizerLike = "sgd",
        learning_rate: RateLike = None, schedules: SchedulesLike = None,
        rows: ArrayLike | None = None, validation_rows: ArrayLike | None = None,
        validation_data: Sequence[ArrayLike | None] | RowBlocks | None = None,
        validation_fraction: float = 0.0, sample_weight: ArrayLike | None = None,
        derivatives: tuple[ArrayLike, float] | None = None, missing_derivatives: str = "refuse",
        class_weight: str | Mapping[int, float] | None = None,
        shuffle: bool = True, drop_last: bool = False,
        rng: int | np.random.Generator | None = None,
        metrics: MetricsLike = True, diagnostics: bool = False,
        callbacks: Iterable[CallbackLike] = (), early_stopping: EarlyStopping | bool | None = None,
        tol: float | None = None, max_time: float | None = None,
        averaging: str | Averaging | None = None, clip_value: float | None = math.inf,
        clip_norm: float | None = math.inf, max_norm: float | None = math.inf,
        frozen: Iterable[int] | None = (),
        rate_factors: Factors | None = None, decay_factors: Factors | None = None,
        epsilon_factors: Factors | None = None,
        checkpoint: PathLike | Checkpoint | None = None, resume: PathLike | bool = False,
        on_interrupt: str = "raise", comm: Any = None,
    ) -> History:  # fmt: skip
        """Train on minibatches for a number of epochs.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_0), or RowBlocks
            Not copied if it is C-contiguous and of the network's dtype; a memory-mapped file may
            be. Files larger than memory are `ffnn_fast.blocks.RowBlocks`: each epoch is a pass over
            them, whose order is that of their `seed`, and batches are cut from it also where a
            block ends. Not with `rows`, `validation_rows`, `validation_fraction` and
            `derivatives`.
        y : array-like
            As in `loss`. Not with RowBlocks, which hold the targets.
        epochs : int, default 10
        batch_size : int or None, default 32
            Rows per step; 1 is online learning, None all rows at once.
        optimizer : str or Optimizer, default "sgd"
            A name, or an instance or subclass of `ffnn_fast.optimizers.Optimizer`.
        learning_rate : float, Schedule or callable, optional
            η; a schedule of `ffnn_fast.schedules`, or a function of the number of steps done.
            Default: the optimizer's. ``OneCycle(0.1)``, ``Cosine(0.1)`` and schedules with
            ``per="fit"`` cover all `epochs`.
        schedules : mapping of str to Schedule or callable, optional
            Schedules of other hyperparameters by name, such as
            ``{"weight_decay": FlatCosine(0.02), "dropout": FlatCosine(0.15)}``: those of the
            optimizer, and ``"dropout"``, the rate of every layer that drops units. The network must
            have one rate of dropout, for which the schedule stands in this fit; layers without
            dropout stay without. Not `ReduceOnPlateau`.
        rows : array-like of shape (m,), optional
            Indices of the rows to train on, each any number of times, or a mask (n,) of bools;
            default: all. The result has the bits of a fit on ``X[rows]``, of which no copy is made.
        validation_rows : array-like of shape (m,), optional
            Indices of the rows that stand in place of `validation_data`, with their weights.
        validation_data : (X, y) or (X, y, sample_weight), or RowBlocks, optional
            Rows on which ``val_loss`` and the metrics are computed after each epoch. RowBlocks, for
            a fit on such, are read each time; for metrics the predictions of all are in memory.
        validation_fraction : float, default 0.0
            Share of the rows, in [0, 1), to hold out for that instead: drawn by the generator,
            stratified by class for classifiers.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0, scaled to mean 1; a batch's loss is the mean of weight times loss.
            RowBlocks hold their own.
        derivatives : (dY_dX, weight), optional
            Fit ∂ŷ/∂x to dY_dX too, (n, n_L, n_0), or (n, n_0) for one output. To the objective is
            added ``weight · Σ_jd (∂ŷ_j/∂x_d − dY_dX_jd)² / 2``, weighted by `sample_weight`, as a
            mean over the rows: the squared error of Sobolev training (W. M. Czarnecki et al.,
            2017). The rows are copied if only some of them count.
            Not for networks with dropout. Steps are computed one by one, each with n_0 tangents.
        missing_derivatives : {"refuse", "ignore"}, default "refuse"
            Whether NaN in dY_dX is an error, or leaves that derivative out.
        class_weight : "balanced" or mapping of label to weight, optional
            Balanced: inverse to how often the class occurs. Multiplies `sample_weight`. The targets
            and weights of RowBlocks are read once before the first step.
        shuffle : bool, default True
            Draw a new order of the rows for each epoch. RowBlocks have an option of their own.
        drop_last : bool, default False
            Leave out the last batch of an epoch if it is short: no row beyond the last whole batch
            is trained on in that epoch. Fewer rows than one batch make one batch.
        rng : int or Generator, optional
            For shuffling, holding out and dropout; default: the network's own, ``net.rng``. The
            orders of RowBlocks are drawn from theirs.
        metrics : bool or sequence of str, callable or Metric, default True
            Metrics to record after each epoch, at the cost of a forward pass over the rows, of
            RowBlocks over each block after its steps, whose mean by rows is recorded: names
            of `ffnn_fast.metrics.METRICS`, ``top_<k>``, or functions of (truth, prediction). True:
            accuracy or R². With any metric, the norm of the gradient is recorded too. For several
            heads ``accuracy``, ``f1`` and ``top_<k>`` are means over the heads. With heads of
            `Head` True is ``score``, as from `score`, a metric by name is the mean over the heads
            that it fits, and a function gets tuples of an entry for each head.
        diagnostics : bool, default False
            Record for each layer the gradient's norm, the size of updates and the share of dead
            units, under the names given in the reference.
        callbacks : sequence of callable or Callback
            A callable is called with the record of each epoch; see `ffnn_fast.callbacks`. A
            schedule, an `EarlyStopping` or a `Checkpoint` may be given here as well.
        early_stopping : EarlyStopping or bool, optional
            Stop when a metric has not improved; True: the validation loss, for 10 epochs.
        tol : float, optional
            Stop when the training loss falls by no more than this for 10 epochs in a row.
        max_time : float, optional
            Seconds after which to stop, within an epoch too.
        averaging : {"ema", "swa"} or Averaging, optional
            Average the parameters during training, and end with the average.
        clip_value, clip_norm, max_norm : float, default inf
            Bounds of each entry of ∇θ, of ‖∇θ‖, and of the norm of the weights into each unit;
            inf or None: none.
        frozen : sequence of int, default ()
            Layers k = 1..L that stay as they are; 0: the input block.
        rate_factors, decay_factors, epsilon_factors : Factors, optional
            Of the learning rate, of the decay of `AdamW`, and of the optimizer's ε, for groups of
            parameters; see `ffnn_fast.optimizers.Factors`.
        checkpoint : path or Checkpoint, optional
            Where to write the fit after each epoch, so that it can be resumed.
        resume : path or bool, default False
            Continue from that checkpoint, with the same rows and options (`epochs` may differ), to
            the same bits as without a break; the network's parameters and the generator's state
            are replaced. True: from `checkpoint` if it exists, else from the start.
        on_interrupt : {"raise", "return"}, default "raise"
            After Ctrl-C the parameters are those of the last whole step; then raise
            KeyboardInterrupt (``net.history`` holds the history), or return.
        comm : mpi4py.MPI.Intracomm or Distributed, optional
            Train on several machines: every rank of this communicator calls `fit` with rows of its
            own and the same options, and all end with the same parameters. It is the fit of all
            rows, those of rank 0 first, with the same batches of `batch_size` rows; a rank computes
            the gradient of those rows of a batch that it has. The start, the generator,
            `validation_data`, `checkpoint` and `resume` are those of rank 0, which also decides
            when to stop. All pass the same RowBlocks, of which rank r of R reads the blocks r,
            R + r, ...; a batch has rows of a block of each rank, and a rank that has no block left
            takes part in the steps without rows. Metrics gather the predictions for all rows in
            rank 0, of RowBlocks for those of R blocks; there is no ``gradient_norm``. Dropout draws
            other masks for another number of ranks, unless the reduction is ordered. An exception
            on one rank is printed and ends all. Not with `validation_fraction`, `derivatives`,
            `diagnostics` and ``on_interrupt="return"``.

        Returns
        -------
        History
            A record per epoch: ``epoch``, ``loss`` (mean over the epoch's steps, before each,
            dropout and penalties included), the metrics, ``val_loss``, ``val_<metric>``,
            ``gradient_norm`` (on at most 1024 rows of the last batch, after it), ``learning_rate``
            (of the last step), the hyperparameters in `schedules` (likewise), ``seconds`` (of the
            steps alone), ``samples_per_second``.

        Warns
        -----
        DivergedWarning
            If the loss or a parameter is not finite any more: the fit stops, and the parameters
            are those before that step.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; nothing has been changed then.
        CheckpointError
            If the checkpoint to resume from is damaged, or is not one of this fit; nothing has
            been changed then.
        OSError
            If the folder of `checkpoint` does not exist or cannot be written, before any work; if
            a checkpoint cannot be written or read.
        """
        request = FitRequest(
            epochs=epochs, batch_size=batch_size, optimizer=optimizer, learning_rate=learning_rate,
            schedules=schedules, rows=rows, validation_rows=validation_rows,
            validation_data=validation_data, validation_fraction=validation_fraction,
            sample_weight=sample_weight, derivatives=derivatives,
            missing_derivatives=missing_derivatives, class_weight=class_weight, shuffle=shuffle,
            drop_last=drop_last, rng=rng, metrics=metrics, diagnostics=diagnostics,
            callbacks=callbacks, early_stopping=early_stopping, tol=tol, max_time=max_time,
            averaging=averaging, clip_value=clip_value, clip_norm=clip_norm, max_norm=max_norm,
            frozen=frozen, rate_factors=rate_factors, decay_factors=decay_factors,
            epsilon_factors=epsilon_factors, checkpoint=checkpoint, resume=resume,
            on_interrupt=on_interrupt, comm=comm,
        )  # fmt: skip
        with ending_all(comm):
            state = block_fit.prepare(self._bound, self.rng, X, y, request)
            self.history = state.history
            loop.fit(state)
        return state.history

    def partial_fit(
        self, X: ArrayLike | Iterable[Sequence[ArrayLike]], y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None, *, batch_size: int = 32,
        optimizer: OptimizerLike | None = None, learning_rate: RateLike = None,
        clip_value: float | None = None, clip_norm: float | None = None,
        max_norm: float | None = None, frozen: Iterable[int] | None = None,
        rate_factors: Factors | None = None, decay_factors: Factors | None = None,
        epsilon_factors: Factors | None = None,
    ) -> float:  # fmt: skip
        """Train on these rows once, in the order given, from the optimizer's last state.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_0), or iterable of chunks
            An array, which may be memory-mapped, is read and converted in pieces, never as a
            whole. Without `y`: chunks (X, y) or (X, y, sample_weight), from a generator for
            instance.
        y : array-like, optional
            As in `loss`.
        sample_weight : array-like of shape (n,), optional
            Scaled to mean 1 over each piece.
        batch_size : int, default 32
            Rows per step; no batch spans two chunks.
        optimizer, learning_rate : optional
            As in `fit`. Default: those of the last call, also if the network was saved and loaded
            since, or stochastic gradient descent. Another learning rate keeps the optimizer's
            state; another optimizer, or one with other options, starts with new state. If only
            `optimizer` is given, the rate is the optimizer's own. A schedule that counts epochs
            takes each chunk for one.
        clip_value, clip_norm, max_norm, frozen, rate_factors, decay_factors, \
epsilon_factors : optional
            As in `fit`. Default: those of the last call, or none; ``inf``, ``()`` and
            ``Factors()`` end them.

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
            If an argument is not as described, or the learning rate counts in shares of a fit. The
            network has then been trained on the chunks before an invalid one.
        """
        bounds = streaming.Bounds(
            clip_value, clip_norm, max_norm, frozen, rate_factors, decay_factors, epsilon_factors
        ).given(self.spec)
        request = streaming.StreamRequest(optimizer, learning_rate, bounds)
        data = (X, y, sample_weight)
        mean, self.stream = streaming.partial_fit(
            self._bound, self.rng, self.stream, data, batch_size, request
        )
        return mean

    def stepper(
        self, *, optimizer: OptimizerLike | None = None, learning_rate: RateLike = None,
        batch_size: int = 32, clip_value: float | None = None, clip_norm: float | None = None,
        max_norm: float | None = None, frozen: Iterable[int] | None = None,
        rate_factors: Factors | None = None, decay_factors: Factors | None = None,
        epsilon_factors: Factors | None = None, rollback: bool = True,
    ) -> Stepper:  # fmt: skip
        """An object that trains one step per call, for training loops of your own.

        It takes about a microsecond more than the step itself, and the same rows in the same
        batches give the same bits as `fit`; but of one sample each by ``sgd``, ``momentum`` and
        ``nesterov``, which `fit` takes together where W_1 is large, they are equal within rounding.
        It shares θ and `stream` with the network: `save` with ``with_state=True`` stores its state,
        and the stepper of the loaded network goes on to the same bits, as `partial_fit` does.

        Parameters
        ----------
        optimizer, learning_rate, clip_value, clip_norm, max_norm, frozen, rate_factors, \
decay_factors, epsilon_factors : optional
            As in `partial_fit`: by default those of the last stepper or `partial_fit`, whose state
            goes on, or stochastic gradient descent. A schedule must count steps. With another
            optimizer the network has the state of the new stepper from then on; an older one goes
            on with its own, which `save` does not store.
        batch_size : int, default 32
            The most rows of a call.
        rollback : bool, default True
            Copy θ and the optimizer's state before each step, and restore them if the step
            diverges. False saves the time of the copy, which counts for large networks on few rows.

        Returns
        -------
        Stepper

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or the parameters are not finite.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> net = Network([2, 8, 1], output="identity", seed=0)
        >>> stepper = net.stepper(optimizer="adam", learning_rate=0.01)
        >>> X = np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)
        >>> losses = [stepper.step(X, X[:, :1] * X[:, 1:]) for _ in range(500)]
        >>> losses[-1] < 0.1 * losses[0]
        True
        """
        bounds = streaming.Bounds(
            clip_value, clip_norm, max_norm, frozen, rate_factors, decay_factors, epsilon_factors
        ).given(self.spec)
        request = streaming.StreamRequest(optimizer, learning_rate, bounds, "a stepper")
        stream = streaming.stream_for(self.spec, self.rng, self.stream, request)
        made, self.stream = Stepper(self._bound, stream, batch_size, rollback), stream
        return made

    def find_learning_rate(
        self, X: ArrayLike, y: ArrayLike, *, lowest: float = 1e-6, highest: float = 10.0,
        steps: int = 100, batch_size: int | None = 32, optimizer: OptimizerLike = "sgd",
        sample_weight: ArrayLike | None = None, frozen: Iterable[int] | None = (),
        rng: int | np.random.Generator | None = None,
    ) -> rate_finder.RateCurve:  # fmt: skip
        """Try learning rates from low to high, one step each; the network does not change.

        The rate grows by the same factor from step to step. The trial ends early when the smoothed
        loss is 4 times its smallest value, compared with the loss of the same batches without
        training, or is not finite. After L. N. Smith, *Cyclical Learning Rates for Training Neural
        Networks* (2017), section 3.3.

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
            For the order of the rows; default: a copy of the network's own.

        Returns
        -------
        RateCurve
            Rates, losses, and a suggestion.

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
        self, X: ArrayLike, y: ArrayLike, learning_rate: float, max_iterations: int = 1000
    ) -> History:
        """The lecture's algorithm: while t++ < max_iterations, θ := θ − η ∇θ over all rows.

        Parameters
        ----------
        X, y
            As in `loss`.
        learning_rate : float
            η, finite and > 0.
        max_iterations : int, default 1000

        Returns
        -------
        History
            ``epoch`` (the iteration, from 1), ``loss`` before it and ``seconds``.

        Warns
        -----
        DivergedWarning
            If the loss or a parameter is no longer finite; that iteration is undone, and is the
            last.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; nothing has been changed then.
        """
        samples = as_samples(self.spec, X, y)
        return minimizers.gradient_descent(self._bound, samples, learning_rate, max_iterations)

    def minimize(
        self, X: ArrayLike, y: ArrayLike, method: str = "L-BFGS-B",
        sample_weight: ArrayLike | None = None, *,
        derivatives: tuple[ArrayLike, float] | None = None, missing_derivatives: str = "refuse",
        max_iterations: int = 1000, tol: float | None = None,
        options: Mapping[str, Any] | None = None,
        callback: RecordCallback | None = None,
    ) -> minimizers.SolverHistory:  # fmt: skip
        """Minimise the objective over all rows by a method of `scipy.optimize.minimize`.

        Everything is computed in float64, whatever the network's dtype, and without dropout. The
        parameters become the best that were evaluated, also if the method fails or is interrupted.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        method : str, default "L-BFGS-B"
            Any of SciPy's minimisers by name, in upper or lower case. Second derivatives are exact,
            by `hvp`: a product for ``Newton-CG``, ``trust-ncg`` and ``trust-krylov``, P for ∇²ℒ
            (``dogleg``, ``trust-exact``); differences of two gradients with a user-defined loss, an
            activation without `second_derivative`, or `derivatives`. Methods without gradients
            (``Nelder-Mead``, ``Powell``, ``COBYLA``, ``COBYQA``) suit a handful of parameters.
        derivatives, missing_derivatives
            As in `fit`.
        max_iterations : int, default 1000
            For ``TNC`` and ``COBYLA``: evaluations of the objective.
        tol : float, optional
            SciPy's ``tol``; default: that of the method.
        options : mapping, optional
            Further options of the method, which take precedence.
        callback : callable, optional
            Called with the record of each iteration; may raise StopIteration to end there.

        Returns
        -------
        SolverHistory
            A record per iteration: ``epoch`` (the iteration, from 1), ``loss`` after it,
            ``gradient_norm`` where gradients are used, ``seconds``; and the attributes
            ``converged``, ``message`` and ``result`` (SciPy's).

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or the objective is not finite at the start;
            nothing has been changed then.
        """
        given = minimizers.MinimizeOptions(method, max_iterations, tol, options, callback)
        bound = self._settings.bind_double(self._bound)
        samples = as_samples(bound.spec, X, y, sample_weight)
        samples = with_derivatives(bound.spec, samples, derivatives, missing_derivatives)
        return minimizers.minimize(bound, samples, self.params, given)

    def objective(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> minimizers.Objective:
        """The functions ``fun, jac`` of θ over these rows, for other solvers.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.

        Returns
        -------
        Objective
            Unpacks to ``fun(theta) -> float`` and ``jac(theta) -> ndarray (P,)``, in float64.

        Raises
        ------
        TypeError, ValueError
            As `loss`.

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
        bound = self._settings.bind_double(self._bound)
        return minimizers.Objective(bound, as_samples(bound.spec, X, y, sample_weight))

    def levenberg_marquardt(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *,
        max_iterations: int = 200, tol: float = 1e-8, damping: float = 1e-3,
        derivatives: tuple[ArrayLike, float] | None = None, missing_derivatives: str = "refuse",
        output_weight: ArrayLike | None = None, frozen: Iterable[int] | None = (),
        n_starts: int = 1,
        quasi_newton_steps: int | None = None, memory_limit: float = 2e9,
        callback: RecordCallback | None = None,
    ) -> LeastSquaresFit:  # fmt: skip
        """Fit a regression network by damped Gauss-Newton steps: the method for small networks.

        For squared errors and up to a few thousand parameters P, since a step takes n · n_L · P²
        operations and P² memory. The objective is the network's own, with its penalty, in float64
        whatever the network's dtype, and never rises. Missing targets (NaN) have no residual if the
        network ignores them.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        max_iterations : int, default 200
            Of each start.
        tol : float, default 1e-8
            Stop when the cosine between the residuals and every column of their Jacobian, the
            relative change of the objective (actual and predicted), or that of θ is below it.
        damping : float, default 1e-3
            The initial damping, relative to the largest diagonal entry of JᵀJ.
        derivatives, missing_derivatives
            As in `fit`: the errors of ∂ŷ/∂x are further residuals, n · n_L · n_0 of them.
        output_weight : array-like of shape (n_L,), optional
            Weights v_j >= 0 of the outputs: the objective is the mean of Σ_j v_j ℓ_j, with the
            penalty; derivatives of an output have its weight as well. Default: 1 each.
        frozen : sequence of int, default ()
            Layers k = 1..L that stay as they are. An iteration takes as long as without.
        n_starts : int, default 1
            The first start is the network's θ; ``net.rng`` draws the others by the network's
            `initializer`, but for frozen layers. The lowest objective is kept. Starts run on
            several threads, one each, with the same result for any number.
        quasi_newton_steps : int, optional
            The most L-BFGS steps, in the metric of H, after each Gauss-Newton step; 0: none.
            Default: as many as take about the time of a Gauss-Newton step, at most 20. Where the
            residuals stay large, Gauss-Newton steps alone converge slowly.
        memory_limit : float, default 2e9
            Bytes that the two (P, P) matrices of each start that runs may take, one more with
            frozen layers and with `derivatives`; fewer starts run at a time if they need more.
        callback : callable, optional
            As in `minimize`. With several starts the records of those that run together come from
            several threads, one at a time; StopIteration ends the start of the record.

        Returns
        -------
        LeastSquaresFit
            A `History` as from `minimize`, with ``damping`` in each record, ``converged``,
            ``message``, ``covariance()`` and ``interval(X, level)``. With several starts it is that
            of the best one, whose number is in each record and in the attribute ``start``;
            ``objectives`` holds where each ended.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, the loss is not a squared error, P is too large, the
            objective is not finite at the start, or, with `derivatives`, an activation has no
            second derivative; nothing has been changed then.
        """
        from ffnn_fast._solvers import levenberg_marquardt as solver
        from ffnn_fast._solvers.least_squares import LeastSquares

        layers = option_arguments.as_frozen_layers(frozen, self.spec)
        solver.check_least_squares(self.spec, memory_limit, layers, derivatives is not None)
        options = solver.LevenbergMarquardtOptions(
            max_iterations, tol, damping, quasi_newton_steps, memory_limit, callback
        )
        n_starts, bound = as_int(n_starts, "n_starts"), self._settings.bind_double(self._bound)
        samples = as_samples(bound.spec, X, y, sample_weight)
        samples = with_derivatives(bound.spec, samples, derivatives, missing_derivatives)
        weight = as_output_weight(output_weight, bound.spec)
        problem = LeastSquares(samples, weight, layers)
        further = problem.further_starts(bound, n_starts - 1, self._initializer, self.rng)
        return solver.levenberg_marquardt(bound, problem, self.params, options, further)

    @overload
    def predictor(
        self, n_rows: int = 1, *, jacobian: Literal[False] = False
    ) -> PredictFunction: ...
    @overload
    def predictor(self, n_rows: int = 1, *, jacobian: Literal[True]) -> JacobianFunction: ...
    def predictor(
        self, n_rows: int = 1, *, jacobian: bool = False
    ) -> PredictFunction | JacobianFunction:
        """A function for the lowest latency: ŷ of `n_rows` rows, with `out` without an allocation.

        A call checks the dtype, the number of elements and the memory layout of its arrays, but not
        whether `x` is finite.

        Parameters
        ----------
        n_rows : int, default 1
            Rows per call.
        jacobian : bool, default False
            Compute ∂ŷ/∂x as well.

        Returns
        -------
        PredictFunction, or JacobianFunction with `jacobian`
            ``predict(x, out=None)`` for an array `x` of n_rows · n_0 elements, C-contiguous and of
            the network's dtype, writes ŷ to `out`, n_rows · n_L elements, and returns `out`;
            without `out` it returns a new array, (n_rows, n_L), at each call. It raises ValueError
            for an array of another dtype, size or layout. Later changes of ``params`` take effect.
            It runs on the calling thread; make one for each thread. With `jacobian`,
            ``predict(x, out=None, jacobian_out=None)`` returns ŷ and ∂ŷ/∂x, (n_rows, n_L, n_0).

        Raises
        ------
        TypeError, ValueError
            If `n_rows` is not an integer >= 1, or so large that no array can hold the result, or
            `jacobian` not a bool.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast import Network
        >>> predict = Network([3, 4, 2], seed=0).predictor()
        >>> predict(np.ones(3, dtype=np.float32)).shape
        (1, 2)
        """
        n_rows = as_int(n_rows, "n_rows")
        if as_bool(jacobian, "jacobian"):
            return self._bound.jacobian_predictor(n_rows)
        return self._bound.predictor(n_rows)

    def c_function(self, dtype: str | None = None) -> CFunction:
        """The network as C functions of one sample: for ctypes, cffi, Numba and Cython.

        Parameters
        ----------
        dtype : {"float32", "float64"}, optional
            Of the arrays that the functions take and give; default: the network's dtype. Values of
            another dtype are converted at each call.

        Returns
        -------
        CFunction
            Addresses and signatures of ŷ and of ŷ with its Jacobian. Later changes of ``params``
            take effect. For one thread at a time; make one for each thread.

        Raises
        ------
        TypeError, ValueError
            If `dtype` is another one, or the network runs on the reference engine.

        Examples
        --------
        >>> import ctypes
        >>> from ffnn_fast import Network
        >>> net = Network([2, 3, 1], output="identity", dtype="float64", seed=0)
        >>> f = net.c_function()
        >>> f.signature
        'void (const double *x, double *y, void *data)'
        >>> x, y = (ctypes.c_double * 2)(0.5, -0.5), (ctypes.c_double * 1)()
        >>> f.ctypes(x, y, f.data)
        >>> bool(abs(y[0] - net.forward([0.5, -0.5])[0]) < 1e-12)
        True
        """
        return c_function(self._bound, dtype)

    def low_level_callable(self, output: int = 0, kind: str = "integrand") -> LowLevelCallable:
        """One output as a function that SciPy calls without Python.

        Parameters
        ----------
        output : int, default 0
            ŷ_j for j in 0..n_L-1.
        kind : {"integrand", "filter"}, default "integrand"
            ``integrand``: ``double (int, double *, void *)`` for `scipy.integrate.quad`, ``nquad``
            and so on: the variable and then ``args`` are the n_0 inputs; with another number of
            them the value is NaN. ``filter``: ``int (double *, npy_intp, double *, void *)`` for
            `scipy.ndimage.generic_filter`: the footprint has n_0 elements, else SciPy raises
            RuntimeError.

        Returns
        -------
        scipy.LowLevelCallable
            Later changes of ``params`` take effect. It takes float64; a float32 network converts
            each call. For one thread at a time; make one for each thread.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or the network runs on the reference engine.

        Examples
        --------
        >>> from scipy.integrate import quad
        >>> from ffnn_fast import Network
        >>> net = Network([1, 8, 1], output="identity", dtype="float64", seed=0)
        >>> area, error = quad(net.low_level_callable(), 0, 1)
        >>> bool(abs(area - quad(lambda x: net.forward([x])[0], 0, 1)[0]) < 1e-12)
        True
        """
        return low_level_callable(self._bound, output, kind)

    def export_c(
        self, path: PathLike, *, name: str | None = None, dtype: str | None = None,
        jacobian: bool = False, fortran: bool = False, preprocessing: EncodersLike = None,
    ) -> tuple[Path, ...]:  # fmt: skip
        """Write the network as C: one source file of C99, its header, an interface for Fortran.

        The code calls no mathematical library, allocates nothing and may run on any number of
        threads. The order of its sums is fixed and stated in the file. Compiled with
        ``-D<NAME>_MAIN`` it is a program that compares itself with reference vectors; its exit code
        is 0 if they agree. The values of all units are on the stack, with the Jacobian four numbers
        for each.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.c``; the header lies beside it. Existing files are replaced. The name of the
            file is ASCII, and no header of C has it.
        name : str, optional
            The prefix of ``<name>_forward``, ``<name>_batch`` and ``<name>_jacobian``; default:
            made of the name of the file.
        dtype : {"float32", "float64"}, optional
            ``float`` or ``double`` in the code; default: the network's dtype.
        jacobian : bool, default False
            Write ``<name>_jacobian`` too, which takes about as long as n_0 values.
        fortran : bool, default False
            Write a module with ``bind(c)`` interfaces, suffix ``.f90``.
        preprocessing : TableEncoder or (TableEncoder, TargetEncoder), optional
            The code then takes raw columns: numbers, NaN where one is missing, and for a
            categorical column the number of its level, which the header lists. With a target
            encoder a regression gives the target in its own units; for several targets give a
            tuple of encoders, (TableEncoder, (TargetEncoder, ...)).

        Returns
        -------
        tuple of Path
            The files written: source, header and, with `fortran`, the interface.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, the network has user-defined activations, the
            preprocessing does not fit it, or `dtype` cannot hold the parameters.
        OSError
            If a file cannot be written.
        """
        options = CExportOptions(name, dtype, jacobian, fortran, preprocessing)
        return export_c(self.spec, self.params, path, options)

    def trace(self, X: ArrayLike, y: ArrayLike | None = None) -> inspection.Trace:
        """Every a_k, h_k, ŷ, ∇ŷ, ∇a_k, ∇h_k, ∇W_k, ∇b_k of one forward and backward pass, by name.

        Parameters
        ----------
        X, y
            As in `loss`. Without `y` the forward pass only: ``h_0`` to ``y_hat``.

        Returns
        -------
        Trace
            Of the mean loss over the rows, without penalty and dropout. One sample, a vector, is
            a batch of n = 1 row here: ``a_k`` is (1, n_k).

        Raises
        ------
        TypeError, ValueError
            As `loss`.
        """
        if y is None:
            return inspection.trace(self.spec, self.params, as_rows(X, self.spec)[0], None)
        samples = as_samples(self.spec, X, y)
        return inspection.trace(self.spec, self.params, samples.X, samples.Y)

    def check_gradients(self, X: ArrayLike, y: ArrayLike) -> inspection.GradientCheck:
        """Compare backpropagation with central differences, in float64.

        Takes 2 P evaluations of the loss.

        Parameters
        ----------
        X, y
            As in `loss`.

        Returns
        -------
        GradientCheck

        Raises
        ------
        TypeError, ValueError
            As `loss`.
        """
        return inspection.check_gradients(self._bound, as_samples(self.spec, X, y))

    def save(
        self, path: PathLike, extra: Mapping[str, str] | None = None, *, with_state: bool = False
    ) -> None:
        """Write description and parameters to a safetensors file, atomically.

        After `partial_fit` the header also holds the optimizer and the schedule, so that
        `partial_fit` goes on with them when the file is loaded.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced.
        extra : mapping of str to str, optional
            Stored in the header.
        with_state : bool, default False
            Store the state vectors of the optimizer too, as the tensor ``training.state``:
            `partial_fit` then goes on to the same bits. It makes the file up to four times as
            large, and PyTorch's ``load_state_dict`` refuses the tensor unless ``strict=False``.

        Raises
        ------
        OSError, TypeError, ValueError
            If the file cannot be written, the parameters are not finite, the network has
            user-defined functions, or `with_state` is that of a user-defined optimizer or
            schedule; an existing file is unchanged then.
        MemoryError
            If there is not enough memory; an existing file is unchanged then.
        """
        streams.save(path, self.spec, self.params, extra, self.stream, with_state)

    @classmethod
    def load(
        cls, path: PathLike, *, engine: str | None = None, n_threads: int | None = None,
        matmul: str = "auto",
    ) -> Network:  # fmt: skip
        """Read the network from a file that `save` wrote.

        Parameters
        ----------
        path : str or path-like
        engine, n_threads, matmul
            As in `Network`.

        Returns
        -------
        Network
            Its generator has a random seed. If it was saved after `partial_fit`, the next
            `partial_fit` goes on with the optimizer and the schedule of the last one: to the same
            bits if the file holds the optimizer's state (see `save`) or the optimizer has none,
            else with new state, as in its first step.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If it is no model file, is damaged, or has an unknown format version.
        MemoryError
            If the network does not fit into memory.
        """
        spec, params, stream = streams.load(path)
        net = cls.from_params(spec, params, engine=engine, n_threads=n_threads, matmul=matmul)
        net.stream = stream
        return net

    def copy(self) -> Network:
        """An independent network with the same parameters, settings and generator state."""
        other = type(self).__new__(type(self))
        other.__setstate__(self.__getstate__())
        other._initializer = self._initializer
        return other

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        return self.copy()

    def _fit_job(self, request: FitRequest) -> Job:
        """A fit of this network, for `ffnn_fast.fit_many`."""
        put = partial(setattr, self, "history")
        return Job(self._bound, self._settings, self.rng, request, put)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "spec": self.spec,
            "params": self.params.copy(),
            "rng": self.rng.bit_generator.state,
            "settings": vars(self._settings).copy(),
            "history": self.history,
            "stream": None if self.stream is None else self.stream.plain(),
            # A function may not be one that can be pickled.
            "initializer": self._initializer if isinstance(self._initializer, str) else "auto",
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        rng, settings = generator_from(state["rng"]), Settings(**state["settings"])
        initializer = state.get("initializer", "auto")
        self._assemble(state["spec"], state["params"], rng, settings, initializer)
        self.history, self.stream = state["history"], streams.stream_from(state["stream"])

    def __repr__(self) -> str:
        return summary(self.spec)


def _of_rows(predicted: Any, single: bool) -> Any:
    """Predictions of rows, or of the first; those of each head where there is a tuple."""
    if isinstance(predicted, tuple):
        return tuple(_of_rows(part, single) for part in predicted)
    return predicted[0] if single and predicted is not None else predicted
