"""Network: a feedforward network as an object; validates, then delegates."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ffnn_fast._model import model_files, predictions
from ffnn_fast._model.arrays import as_params, as_rows, positive_float, positive_int
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.summary import summary
from ffnn_fast._runtime import inspection
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._training import fit as fitting
from ffnn_fast._training import partial_fit as streaming
from ffnn_fast._training import rate_finder
from ffnn_fast.activations import Activation
from ffnn_fast.full_batch import FullBatch
from ffnn_fast.history import History
from ffnn_fast.initializers import initialize
from ffnn_fast.losses import Loss

Array = np.ndarray
Initializer = str | Callable[[int, int, np.random.Generator], Any]


class Network(FullBatch):
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
        self._execution = run
        self._machine = run.machine(spec, theta)

    @property
    def spec(self) -> NetworkSpec:
        """The description of the network."""
        return self._machine.spec

    @property
    def machine(self) -> BoundNetwork:
        """The network made ready to run; what training works on."""
        return self._machine

    @property
    def params(self) -> Array:
        """θ, (P,): the vector that all views share; assign with ``net.params[:] = ...``."""
        return self._machine.params

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
        return "reference" if self.spec.own_functions else self._execution.engine_name

    @property
    def n_threads(self) -> int:
        """The most threads a call may use."""
        return self._execution.threads

    def forward(self, X: Any) -> Array:
        """ŷ = O(a_L) for rows X, (n, n_0): (n, n_L); for one sample (n_0,): (n_L,)."""
        rows, single = as_rows(X, self.spec)
        y_hat = self._machine.forward(rows)
        return y_hat[0] if single else y_hat

    def predict(self, X: Any) -> Array:
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
        predicted = predictions.predict(self.spec, self._machine.forward(rows))
        return predicted[0] if single else predicted

    def predict_proba(self, X: Any) -> Array:
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

    def loss(self, X: Any, y: Any, sample_weight: Any = None) -> float:
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
        return self._machine.loss(self._problem(X, y, sample_weight))

    def score(self, X: Any, y: Any) -> float:
        """Accuracy, the mean over heads if there are several; or R² (of μ or the middle quantile).
        Missing targets do not count.
        """
        problem = self._problem(X, y)
        return predictions.score(self.spec, self._machine.forward(problem.X), problem)

    def gradient(
        self, X: Any, y: Any, sample_weight: Any = None, *, by_name: bool = False
    ) -> Array | dict[str, Array]:
        """∇θ of the objective: (P,), or ``{"W_1": ..., "b_1": ...}`` when `by_name`."""
        _, grad = self._machine.loss_gradient(self._problem(X, y, sample_weight))
        return self.spec.named(grad) if by_name else grad

    def step(self, X: Any, y: Any, learning_rate: float) -> float:
        """One step of gradient descent on these rows; returns the objective before it."""
        rate = positive_float(learning_rate, "learning_rate")
        return streaming.step(self._machine, self._problem(X, y), rate, self.rng)

    fit = fitting.fit
    partial_fit = streaming.partial_fit
    find_learning_rate = rate_finder.find_learning_rate

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
        return self._machine.predictor(positive_int(n_rows, "n_rows"))

    def trace(self, X: Any, y: Any) -> inspection.Trace:
        """Every a_k, h_k, ŷ, ∇a_k, ∇h_k, ∇W_k, ∇b_k of one forward and backward pass, by name."""
        return inspection.trace(self.spec, self.params, self._problem(X, y))

    def check_gradients(self, X: Any, y: Any) -> inspection.GradientCheck:
        """Backpropagation beside central differences, in float64: 2 P evaluations of the loss."""
        return inspection.check_gradients(self._machine, self._problem(X, y))

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
            "execution": self._execution,
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

    def _problem(self, X: Any, y: Any, sample_weight: Any = None) -> Samples:
        return as_samples(self.spec, X, y, sample_weight)
