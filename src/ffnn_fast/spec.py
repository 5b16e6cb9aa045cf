"""What a network is: layer sizes, activations, loss; and where each W_k and b_k lies in θ."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from ffnn_fast.activations import activation_name, output_name
from ffnn_fast.losses import CANONICAL_LOSS, LOSSES

DTYPES = ("float32", "float64")
# Keys of the first file format; a description may lack those added later, which have defaults.
REQUIRED = {"layer_sizes", "activations", "output", "loss", "dtype", "l2"}


@dataclass(frozen=True)
class NetworkSpec:
    """Description of a feedforward network; holds no parameters.

    Parameters
    ----------
    layer_sizes : tuple of int
        n_0, n_1, ..., n_L: inputs, hidden units, outputs.
    activations : str or tuple of str
        g_1 .. g_{L-1}, one per hidden layer; a single name serves them all.
        ``linear`` and ``sigmoid`` are aliases of ``identity`` and ``logistic``.
    output : str, default "softmax"
        O, the activation of the output layer.
    loss : str, default "auto"
        ``auto`` (or None) is the canonical loss of the output (softmax: ``cross_entropy``,
        logistic: ``binary_cross_entropy``, else ``squared_error``).
    dtype : {"float32", "float64"}, default "float32"
    l2, l1 : float or tuple of float, default 0.0
        Coefficients of the penalty ``Σ_k l2_k/2 ‖W_k‖² + l1_k Σ|W_k|``, which is part of the
        objective: one for all layers, or one for each of the L layers.

    Raises
    ------
    TypeError, ValueError
        If anything given does not describe a network.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...] | str = "tanh"
    output: str = "softmax"
    loss: str = "auto"
    dtype: str = "float32"
    l2: float | tuple[float, ...] = 0.0
    l1: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__  # the dataclass is frozen for everyone else
        put(self, "layer_sizes", _checked_sizes(self.layer_sizes))
        put(self, "activations", _checked_activations(self.activations, self.n_layers - 1))
        put(self, "output", output_name(self.output))
        loss = self.loss
        if loss in (None, "auto"):
            loss = CANONICAL_LOSS.get(self.output, "squared_error")
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
        put(self, "loss", loss)
        put(self, "dtype", _checked_dtype(self.dtype))
        put(self, "l2", _checked_penalty(self.l2, "l2", self.n_layers))
        put(self, "l1", _checked_penalty(self.l1, "l1", self.n_layers))
        if self.output == "softmax" and self.n_outputs < 2:
            raise ValueError(
                "a softmax output needs at least 2 units, since one unit is always 1; "
                "for two classes with one unit use output='logistic'"
            )
        if self.loss == "cross_entropy" and self.n_outputs < 2:
            raise ValueError(
                "cross_entropy needs at least 2 outputs; for one use 'binary_cross_entropy'"
            )

    @property
    def n_layers(self) -> int:
        """L, the number of layers with parameters."""
        return len(self.layer_sizes) - 1

    @property
    def n_inputs(self) -> int:
        """n_0."""
        return self.layer_sizes[0]

    @property
    def n_outputs(self) -> int:
        """n_L."""
        return self.layer_sizes[-1]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(n_k, n_{k-1}) of every W_k."""
        return tuple((o, i) for i, o in pairwise(self.layer_sizes))

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """(start of W_k, start of b_k) in θ for every layer."""
        starts, at = [], 0
        for o, i in self.shapes:
            starts.append((at, at + o * i))
            at += o * i + o
        return tuple(starts)

    @property
    def n_params(self) -> int:
        """P, the length of θ."""
        return sum(o * i + o for o, i in self.shapes)

    @property
    def layer_activations(self) -> tuple[str, ...]:
        """g_1, ..., g_{L-1}, O: one name per layer."""
        return (*self.activations, self.output)

    @property
    def layer_l1(self) -> tuple[float, ...]:
        """l1 of every layer."""
        return self.l1 if isinstance(self.l1, tuple) else (self.l1,) * self.n_layers

    @property
    def layer_l2(self) -> tuple[float, ...]:
        """l2 of every layer."""
        return self.l2 if isinstance(self.l2, tuple) else (self.l2,) * self.n_layers

    @property
    def task(self) -> str:
        """``"classification"`` when outputs are probabilities of classes, else ``"regression"``."""
        classifies = self.output == "softmax" or LOSSES[self.loss].classifies
        return "classification" if classifies else "regression"

    @property
    def takes_labels(self) -> bool:
        """Whether a sample belongs to one class of n_L >= 2, so that targets may be labels."""
        return self.n_outputs > 1 and (self.output == "softmax" or self.loss == "cross_entropy")

    def weights(self, vector: np.ndarray) -> tuple[np.ndarray, ...]:
        """Views W_1, ..., W_L, each (n_k, n_{k-1}), of a vector laid out like θ, shape (P,)."""
        self._check_vector(vector)
        return tuple(
            vector[w:b].reshape(shape)
            for (w, b), shape in zip(self.offsets, self.shapes, strict=True)
        )

    def biases(self, vector: np.ndarray) -> tuple[np.ndarray, ...]:
        """Views b_1, ..., b_L, each (n_k,), of a vector laid out like θ, shape (P,)."""
        self._check_vector(vector)
        return tuple(
            vector[b : b + o] for (_, b), (o, _) in zip(self.offsets, self.shapes, strict=True)
        )

    def named(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The same views by the lecture's names: ``{"W_1": ..., "b_1": ..., "W_2": ...}``."""
        return dict(self._named_views(vector))

    def _named_views(self, vector: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        pairs = zip(self.weights(vector), self.biases(vector), strict=True)
        for k, (W, b) in enumerate(pairs, start=1):
            yield f"W_{k}", W
            yield f"b_{k}", b

    def _check_vector(self, vector: np.ndarray) -> None:
        if vector.shape != (self.n_params,):
            raise ValueError(
                f"expected a vector of {self.n_params} parameters, got shape {vector.shape}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The description as plain JSON values."""
        plain = asdict(self)
        plain["layer_sizes"] = list(self.layer_sizes)
        plain["activations"] = list(self.activations)
        for name in ("l1", "l2"):
            if isinstance(plain[name], tuple):
                plain[name] = list(plain[name])
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of `to_dict`; raises ValueError on missing, unknown or bad entries."""
        if not isinstance(plain, Mapping):
            raise ValueError(f"a network description must be a mapping, got {type(plain).__name__}")
        known, given = {f.name for f in fields(cls)}, set(plain)
        if not REQUIRED <= given <= known:
            raise ValueError(
                f"a network description has the keys {sorted(known)}; "
                f"missing {sorted(REQUIRED - given)}, unknown {sorted(given - known)}"
            )
        try:
            return cls(**plain)
        except TypeError as error:
            raise ValueError(f"bad network description: {error}") from error


def _checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, (Sequence, np.ndarray)):
        raise TypeError(f"layer_sizes must be a sequence of integers, got {sizes!r}")
    if len(sizes) < 2:
        raise ValueError(f"layer_sizes needs at least inputs and outputs, got {list(sizes)}")
    for size in sizes:
        if isinstance(size, (bool, np.bool_)) or not isinstance(size, (int, np.integer)):
            raise TypeError(f"layer_sizes must be integers, got {size!r} in {list(sizes)}")
        if size < 1 or size > 2**31 - 1:
            raise ValueError(f"a layer size must be in [1, 2**31), got {size} in {list(sizes)}")
    return tuple(int(size) for size in sizes)


def _checked_activations(names: Sequence[str] | str, n_hidden: int) -> tuple[str, ...]:
    if isinstance(names, str):
        names = (activation_name(names),) * n_hidden
    if not isinstance(names, Sequence):
        raise TypeError(f"activation must be a name or one name per hidden layer, got {names!r}")
    if len(names) != n_hidden:
        raise ValueError(
            f"expected one activation per hidden layer ({n_hidden}), "
            f"got {len(names)}: {list(names)}"
        )
    return tuple(activation_name(name) for name in names)


def _checked_dtype(dtype: Any) -> str:
    try:
        name = "None" if dtype is None else np.dtype(dtype).name
    except TypeError:
        name = repr(dtype)
    if name not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {name}")
    return name


def _checked_penalty(given: Any, name: str, n_layers: int) -> float | tuple[float, ...]:
    if isinstance(given, (tuple, list)):
        if len(given) != n_layers:
            raise ValueError(
                f"{name} must be one number or one per layer ({n_layers}), "
                f"got {len(given)}: {list(given)}"
            )
        return tuple(_checked_coefficient(one, name) for one in given)
    return _checked_coefficient(given, name)


def _checked_coefficient(value: Any, name: str) -> float:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= value <= sys.float_info.max:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return float(value)
