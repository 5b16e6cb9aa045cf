"""How long the calls of a backend take, estimated without a clock and rather too long.

The estimates decide how much work runs between two checks of signals. They hold for one thread; the
constants are above what each backend was measured to need, so that a call takes less as a rule.
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

from ffnn_fast._model.spec import NetworkSpec

LONG_CALL = 0.1  # seconds; a longer call runs in another thread, so that this one handles signals
TRANSPOSED = 1e-9  # seconds to transpose an entry of W_1 for sparse rows, in float32
WORTH_A_CALL = 16  # times as long as transposing W_1 and its state should the steps of a call take
DOUBLE = 2  # times as long in float64


class Speed(NamedTuple):
    """Speeds of a backend in float32.

    Attributes
    ----------
    products : float
        Operations a second in matrix products.
    unit : float
        Seconds per unit of a_k and h_k in one pass over a row: activation, loss, dropout.
    entry : float
        Seconds for each entry of θ and of each vector of optimizer state in a step.
    layer, layer_alone : float
        Seconds per layer and call, on several rows and on one.
    made_up : float
        Of `entry`, the part that a step on sparse rows takes.
    """

    products: float
    unit: float
    entry: float
    layer: float
    layer_alone: float
    made_up: float = 0.25


SPEEDS = {
    "engine_v4": Speed(60e9, 4e-9, 2e-9, 1e-6, 1e-7),
    "engine_v3": Speed(30e9, 5e-9, 2e-9, 1e-6, 1e-7),
    "reference": Speed(10e9, 200e-9, 8e-9, 200e-6, 200e-6),
}
OTHER_SPEED = Speed(6e9, 15e-9, 3e-9, 2e-6, 2e-7)
BLAS_LAYER = 3e-6  # seconds per layer and call on several rows, for calls of BLAS


class Durations:
    """Estimates for a network and a backend, in seconds.

    Parameters
    ----------
    spec : NetworkSpec
    backend : module
    calls_blas : bool
        Whether the backend, compiled, leaves its products to BLAS.
    entries : float, optional
        Stored entries of a row, of sparse rows.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        backend: ModuleType,
        calls_blas: bool = False,
        entries: float | None = None,
    ) -> None:
        speed = SPEEDS.get(backend.__name__.rpartition(".")[2], OTHER_SPEED)
        self._factor = DOUBLE if spec.dtype == "float64" else 1
        self._speed = speed._replace(layer=speed.layer + BLAS_LAYER * calls_blas)
        self._n_params, self._layers = spec.n_params, spec.n_layers
        self._units = sum(spec.layer_sizes[1:])
        self._per_row, self._per_call, self._made_up = float(spec.n_params), 0.0, 1.0
        if entries is not None:  # which take some ten times as long as those of dense products
            first = spec.layer_sizes[0] * spec.layer_sizes[1]
            self._per_row += 10 * entries * spec.layer_sizes[1] - first
            self._per_call = self._factor * TRANSPOSED * first
            self._made_up = speed.made_up
        if spec.inputs is not None:  # a cosine takes about as long as an activation
            waves = spec.inputs.n_waves * spec.inputs.n_embedded(spec.n_inputs)
            self._units += spec.n_units + waves
        self._last_step = (0, 0, 0.0)  # batch_size, slots and seconds of the last call of `step`

    def operations(self, count: float) -> float:
        """So many operations in matrix products."""
        return self._factor * count / self._speed.products

    def passes(self, n: int, passes: int) -> float:
        """Passes over n rows through all layers: 1 for ŷ or the loss, 3 with ∇θ."""
        products = self._per_call + self.operations(2 * n * passes * self._per_row)
        units = self._factor * n * passes * self._units * self._speed.unit
        layer = self._speed.layer if n > 1 else self._speed.layer_alone
        return self._layers * layer + products + units

    def step(self, batch_size: int, slots: int) -> float:
        """A step on so many rows by a rule with so many vectors of state."""
        n, vectors, seconds = self._last_step
        if n != batch_size or vectors != slots:
            update = self._factor * (1 + slots) * self._n_params * self._speed.entry
            seconds = self.passes(batch_size, 3) - self._per_call + self._made_up * update
            self._last_step = batch_size, slots, seconds
        return seconds

    def steps_within(self, seconds: float, batch_size: int, slots: int) -> int:
        """The number of such steps, at least 1; more of sparse rows, whose calls transpose W_1."""
        seconds += WORTH_A_CALL * (1 + slots) * self._per_call
        return max(1, int(seconds / self.step(batch_size, slots)))
