"""NetworkSpec: layer sizes, activations and loss of a network, and the layout of θ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

import numpy as np

from ffnn_fast._model.further_parameters import FurtherParameters
from ffnn_fast._model.heads import Head, as_heads, checked_outputs
from ffnn_fast._public import public
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int
from ffnn_fast._text import quoted
from ffnn_fast.activations import HEADS, Activation, activation_name
from ffnn_fast.inputs import InputBlock
from ffnn_fast.losses import Loss, loss_of

DTYPES = ("float32", "float64")
# Keys of the first file format; a description may lack those added later, which have defaults.
REQUIRED = {"layer_sizes", "activations", "output", "loss", "dtype", "l2"}
LATER = ("heads", "inputs", "parametric")  # which a description has only where they are used
MISSING = ("refuse", "ignore")
MAX_SIZE = 2**31 - 1
MAX_DTYPE = 16  # characters of the name of a dtype


@public()
@dataclass(frozen=True)
class NetworkSpec(FurtherParameters):
    """Description of a feedforward network; holds no parameters.

    Parameters
    ----------
    layer_sizes : tuple of int
        n_0, n_1, ..., n_L: inputs, hidden units, outputs.
    activations : str, Activation or tuple of them
        g_1 .. g_{L-1}, one per hidden layer; a single name serves them all. Names:
        ``identity`` (or ``linear``), ``logistic`` (or ``sigmoid``), ``tanh``, ``relu``,
        ``leaky_relu`` (0.01 a for a < 0), ``elu``, ``selu``, ``softplus``, ``softsign``,
        ``hard_sigmoid`` (a/6 + 1/2, cut off at 0 and 1), ``exp``, ``gelu`` (with erf),
        ``gelu_tanh``, ``silu``, ``mish``, ``sin`` (for |a| < 2²⁸; beyond it 0, but in an
        ONNX file sin a).
    output : str or Activation, default "softmax"
        O, the activation of the output layer: ``softmax`` or any of these.
    loss : str or Loss, default "auto"
        ``auto`` (or None) is the canonical loss of the output (softmax: ``cross_entropy``,
        logistic: ``binary_cross_entropy``, else ``squared_error``). With d = ŷ − y, per output:
        ``squared_error`` d², ``half_squared_error`` d²/2, ``absolute`` |d|, ``huber`` (d²/2,
        linear from `delta` on), ``log_cosh``; ``poisson`` ŷ − y log ŷ for y >= 0, ŷ > 0 (its
        canonical output is ``exp``; ŷ < 2⁻⁶⁴ counts as 2⁻⁶⁴); ``cross_entropy``,
        ``binary_cross_entropy``; ``hinge``, per sample of class c: max(0, 1 + max_{j≠c} ŷ_j − ŷ_c)
        (Crammer and Singer); ``linear`` y ŷ, whose targets are coefficients of either sign, and so
        are sample weights, taken as they are. Two have several outputs a target: ``quantile``,
        whose outputs are the quantiles of target 1, then those of target 2, ...;
        ``gaussian_nll``, whose outputs are all means μ, then all logarithms s of variances:
        (s + (y − μ)² e^−s)/2.
    dtype : {"float32", "float64"}, default "float32"
    l2, l1 : float or tuple of float, default 0.0
        Coefficients of the penalty ``Σ_k l2_k/2 ‖W_k‖² + l1_k Σ|W_k|``, which is part of the
        objective: one for all layers, or one for each of the L layers.
    loss_options : mapping, optional
        ``delta`` of huber (1.0), ``quantiles`` of quantile ((0.5,), rising, in (0, 1)),
        ``label_smoothing`` of cross_entropy and binary_cross_entropy (0.0; in [0, 1)).
    dropout : float or tuple of L floats, default 0.0
        Rate of h_1 .. h_{L-1}, or rates of h_0, h_1 .. h_{L-1}: the share of units that a training
        step drops; the others are scaled by 1 / (1 − rate).
    missing_targets : {"refuse", "ignore"}, default "refuse"
        ``ignore``: a target that is NaN adds nothing to the loss or the gradient; the loss is still
        a mean over all samples. A distribution or one-hot row is missing as a whole.
    heads : tuple of int or of Head, default ()
        Several heads side by side in the outputs, whose widths have the sum n_L. Each predicts one
        property of a sample and has its own loss; the loss of a sample is their sum. Missing
        targets are ignored by each head for itself. Integers are the widths of softmax heads, each
        at least 2, with `loss` and `loss_options` for all. Heads of `Head`, mappings of its
        arguments, or integers for softmax heads beside these, have their own `output`, `loss` and
        `loss_options`; those of the network are left out, and read ``"heads"`` then. (): one head.
    inputs : InputBlock, optional
        Makes h_0 of the columns of X, of which ``layer_sizes[0]`` is the number then: numbers and
        categories with their trained embeddings. W_1 has the units of the block as its inputs.
    parametric : bool, default False
        Whether hidden layers have h_k = a_k + (g(a_k) − a_k) ⊙ α_k, with α_k, (n_k,), trained, from
        1. g(a_k) is h_k at α = 1, a_k at α = 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str | Activation, ...] | str | Activation = "tanh"
    output: str | Activation = "softmax"
    loss: str | Loss = "auto"
    dtype: str = "float32"
    l2: float | tuple[float, ...] = 0.0
    l1: float | tuple[float, ...] = 0.0
    loss_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    dropout: float | tuple[float, ...] = 0.0
    missing_targets: str = "refuse"
    heads: tuple[int, ...] | tuple[Head, ...] = ()
    inputs: InputBlock | None = None
    parametric: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass has no other way
        put(self, "layer_sizes", _as_sizes(self.layer_sizes))
        put(self, "activations", _as_activations(self.activations, self.n_layers - 1))
        put(self, "dropout", _as_dropout(self.dropout, self.n_layers))
        put(self, "missing_targets", as_choice(self.missing_targets, "missing_targets", MISSING))
        put(self, "dtype", _as_dtype(self.dtype))
        put(self, "l2", _as_penalty(self.l2, "l2", self.n_layers))
        put(self, "l1", _as_penalty(self.l1, "l1", self.n_layers))
        put(self, "heads", as_heads(self.heads, self.n_outputs))
        self._set_outputs()

    def _set_outputs(self) -> None:
        """Output function, loss and its options in standard form."""
        put = object.__setattr__
        given = self.output, self.loss, self.loss_options
        if self.mixed:
            defaults: tuple[Any, ...] = ("softmax", HEADS), (None, "auto", HEADS), ({}, None)
            if any(part not in known for part, known in zip(given, defaults, strict=True)):
                raise ValueError(
                    "with heads of Head, output, loss and loss_options are given for each Head; "
                    f"leave out those of the network, got output={_name(self.output)}, "
                    f"loss={_name(self.loss)}, loss_options={quoted(self.loss_options)}"
                )
            checked: tuple[Any, Any, Any] = HEADS, HEADS, {}
        else:
            checked = checked_outputs(self.n_outputs, *given)
        for name, value in zip(("output", "loss", "loss_options"), checked, strict=True):
            put(self, name, value)
        several = self.heads and not self.mixed
        if several and (self.output != "softmax" or self.loss == "quantile"):
            raise ValueError(
                "heads given as widths are those of a softmax output with a loss other than "
                f"quantile, got {_name(self.output)} and {_name(self.loss)}; give a Head for each"
            )
        put(self, "parametric", as_bool(self.parametric, "parametric"))
        put(self, "inputs", _as_inputs(self.inputs, self.n_inputs))

    @property
    def n_layers(self) -> int:
        """L, the number of layers with parameters."""
        return len(self.layer_sizes) - 1

    @property
    def n_inputs(self) -> int:
        """Columns of X: n_0, but where the network has an input block."""
        return self.layer_sizes[0]

    @property
    def n_units(self) -> int:
        """n_0, the inputs of the first layer: columns of X, or units of the input block."""
        return self.n_inputs if self.inputs is None else self.inputs.n_units(self.n_inputs)

    @property
    def n_outputs(self) -> int:
        """n_L."""
        return self.layer_sizes[-1]

    @cached_property
    def n_targets(self) -> int:
        """Columns of dense targets: n_L, but where a loss has several outputs for each."""
        return sum(self.target_widths)

    @cached_property
    def mixed(self) -> bool:
        """Whether heads have output functions and losses of their own."""
        return any(isinstance(head, Head) for head in self.heads)

    @cached_property
    def head_widths(self) -> tuple[int, ...]:
        """Outputs of each head; all of them where there is one."""
        widths = tuple(head.width if isinstance(head, Head) else head for head in self.heads)
        return widths or (self.n_outputs,)

    @cached_property
    def target_widths(self) -> tuple[int, ...]:
        """Columns of dense targets of each head."""
        return tuple(
            head.n_outputs // loss_of(head.loss).heads(**head.loss_options)
            for head in self.head_specs
        )

    @cached_property
    def head_specs(self) -> tuple[NetworkSpec, ...]:
        """Each head as a network of one layer, without penalty; this one where there is one."""
        if not self.heads:
            return (self,)
        alone: dict[str, Any] = {"activations": (), "l2": 0.0, "l1": 0.0, "dropout": 0.0}
        alone |= {"inputs": None, "parametric": False}
        return tuple(
            replace(self, layer_sizes=(self.layer_sizes[-2], width), heads=(), **alone, **own)
            for width, own in zip(self.head_widths, self._own_outputs(), strict=True)
        )

    def _own_outputs(self) -> list[dict[str, Any]]:
        """Output function, loss and options of each head by name, where they are its own."""
        names = ("output", "loss", "loss_options") if self.mixed else ()
        return [{name: getattr(head, name) for name in names} for head in self.heads]

    @cached_property
    def head_weights(self) -> tuple[float, ...]:
        """The weight of the loss of each head."""
        weights = tuple(head.weight if isinstance(head, Head) else 1.0 for head in self.heads)
        return weights or (1.0,)

    @cached_property
    def dropout_rates(self) -> tuple[float, ...]:
        """The rates of h_0, ..., h_{L-1}."""
        rates = self.dropout
        if isinstance(rates, tuple):
            return rates
        return tuple(0.0 if k == 0 else rates for k in range(self.n_layers))

    @property
    def own_functions(self) -> tuple[str, ...]:
        """Names of the activations and the loss that are user-defined."""
        outputs = [part for head in self.head_specs for part in (head.output, head.loss)]
        parts = (*self.layer_activations[:-1], *outputs)
        return tuple(dict.fromkeys(p.name for p in parts if not isinstance(p, str)))

    @property
    def unit_sizes(self) -> tuple[int, ...]:
        """n_0, n_1, ..., n_L."""
        return (self.n_units, *self.layer_sizes[1:])

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(n_k, n_{k-1}) of every W_k."""
        return tuple((o, i) for i, o in pairwise(self.unit_sizes))

    @cached_property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """(start of W_k, start of b_k) in θ for every layer."""
        starts, at = [], 0
        for o, i in self.shapes:
            starts.append((at, at + o * i))
            at += o * i + o
        return tuple(starts)

    @cached_property
    def n_params(self) -> int:
        """P, the length of θ."""
        return self.n_layer_params + sum(map(math.prod, self.further_shapes.values()))

    @cached_property
    def layer_activations(self) -> tuple[str | Activation, ...]:
        """g_1, ..., g_{L-1}, O: one per layer."""
        return (*cast(tuple, self.activations), self.output)

    @cached_property
    def layer_l1(self) -> tuple[float, ...]:
        """l1 of every layer."""
        return self.l1 if isinstance(self.l1, tuple) else (self.l1,) * self.n_layers

    @cached_property
    def layer_l2(self) -> tuple[float, ...]:
        """l2 of every layer."""
        return self.l2 if isinstance(self.l2, tuple) else (self.l2,) * self.n_layers

    @cached_property
    def task(self) -> str:
        """``"classification"`` when outputs are probabilities of classes, else ``"regression"``;
        ``"mixed"`` for heads of `Head`.
        """
        if self.mixed:
            return "mixed"
        classifies = self.output == "softmax" or loss_of(self.loss).classifies
        return "classification" if classifies else "regression"

    @cached_property
    def gives_probabilities(self) -> bool:
        """Whether ŷ, or those of a head, are probabilities of classes; scores (hinge) are not."""
        if self.mixed:
            return any(head.gives_probabilities for head in self.head_specs)
        scores = self.output != "softmax" and loss_of(self.loss).targets.row == "one-hot"
        return self.task == "classification" and not scores

    @property
    def signed_weights(self) -> bool:
        """Whether sample weights may be negative, and are taken as they are."""
        return all(loss_of(head.loss).signed_weights for head in self.head_specs)

    @property
    def target_domains(self) -> tuple[tuple[int, float, float, str], ...]:
        """Number of targets, bounds and kind of row (see `Domain`) of each head."""
        domains = [loss_of(head.loss).targets for head in self.head_specs]
        return tuple(
            (width, domain.low, domain.high, domain.row)
            for width, domain in zip(self.target_widths, domains, strict=True)
        )

    @cached_property
    def takes_labels(self) -> bool:
        """Whether a sample belongs to one class of n_L >= 2: targets may be labels, (n,)."""
        one_of = self.output == "softmax" or self.loss in ("cross_entropy", "hinge")
        return self.n_outputs > 1 and one_of and not self.heads

    def weights(self, vector: np.ndarray) -> tuple[np.ndarray, ...]:
        """Views W_1, ..., W_L, each (n_k, n_{k-1}), of a vector laid out like θ, shape (P,)."""
        self.check_vector(vector)
        return tuple(
            vector[w:b].reshape(shape)
            for (w, b), shape in zip(self.offsets, self.shapes, strict=True)
        )

    def biases(self, vector: np.ndarray) -> tuple[np.ndarray, ...]:
        """Views b_1, ..., b_L, each (n_k,), of a vector laid out like θ, shape (P,)."""
        self.check_vector(vector)
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
        for name, view in self.further(vector).items():
            if name == "inputs.embedding":
                parts = cast(InputBlock, self.inputs).split(view)
                yield from ((f"inputs.{part}", values) for part, values in parts.items())
            else:
                yield name, view

    def __getstate__(self) -> dict[str, Any]:
        # Without the cached properties, which follow from the fields.
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def to_dict(self) -> dict[str, Any]:
        """The description as plain JSON values; without heads, an input block or parametric
        activations their entries are left out.

        Raises
        ------
        ValueError
            If an activation or the loss is user-defined: a function is no plain value.
        """
        if self.own_functions:
            raise ValueError(
                "a network with user-defined functions cannot be saved, since files hold no code: "
                f"{', '.join(map(repr, self.own_functions))}"
            )
        plain = {name: _plain(value) for name, value in self.__getstate__().items()}
        if self.mixed:
            heads = [_plain(head.to_dict()) for head in self.heads if isinstance(head, Head)]
            plain["heads"] = heads
        return {n: value for n, value in plain.items() if n not in LATER or getattr(self, n)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of `to_dict`; an entry that is missing has its default.

        Raises
        ------
        ValueError
            If an entry is unknown, invalid or missing without a default.
        """
        if not isinstance(plain, Mapping):
            raise ValueError(f"a network description must be a mapping, got {type(plain).__name__}")
        known, given = {f.name for f in fields(cls)}, set(plain)
        if not REQUIRED <= given <= known:
            raise ValueError(
                f"a network description has the keys {sorted(known)}; "
                f"missing {sorted(REQUIRED - given)}, unknown {quoted(sorted(given - known))}"
            )
        try:
            return cls(**plain)
        except TypeError as error:
            raise ValueError(f"invalid network description: {error}") from error


def _as_sizes(sizes: Any) -> tuple[int, ...]:
    given = _as_integers(sizes, "layer_sizes", "a layer size")
    if len(given) < 2:
        raise ValueError(
            f"layer_sizes needs at least inputs and outputs, got {quoted(list(given))}"
        )
    if max(given) > MAX_SIZE:
        raise ValueError(f"a layer size must be in [1, 2**31), got {quoted(max(given))}")
    return given


def _as_integers(values: Any, name: str, each: str) -> tuple[int, ...]:
    """Positive integers."""
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)):
        raise TypeError(f"{name} must be a sequence of integers, got {quoted(values)}")
    return tuple(as_int(value, each) for value in values)


def _name(part: Any) -> str:
    """An output function or a loss in messages."""
    return quoted(part if isinstance(part, str) else getattr(part, "name", part))


def _plain(value: Any) -> Any:
    """Tuples as lists, mappings as dictionaries."""
    if isinstance(value, InputBlock):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _as_activations(
    names: Sequence[str | Activation] | str | Activation, n_hidden: int
) -> tuple[str | Activation, ...]:
    if isinstance(names, (str, Activation)):
        names = (activation_name(names),) * n_hidden
    if not isinstance(names, Sequence):
        raise TypeError(
            f"activation must be a name or one name per hidden layer, got {quoted(names)}"
        )
    if len(names) != n_hidden:
        raise ValueError(
            f"expected one activation per hidden layer ({n_hidden}), "
            f"got {len(names)}: {quoted(list(names))}"
        )
    return tuple(activation_name(name) for name in names)


def _as_inputs(inputs: Any, n_columns: int) -> InputBlock | None:
    if isinstance(inputs, Mapping):
        inputs = InputBlock.from_dict(inputs)
    if inputs is not None and not isinstance(inputs, InputBlock):
        raise TypeError(f"inputs must be an InputBlock, got {quoted(inputs)}")
    if inputs is not None:
        inputs.check(n_columns)
    return inputs


def _as_dropout(dropout: Any, n_layers: int) -> float | tuple[float, ...]:
    several = isinstance(dropout, Sequence) and not isinstance(dropout, (str, bytes))
    if not several and not (isinstance(dropout, np.ndarray) and dropout.ndim > 0):
        return as_float(dropout, "a dropout rate", 0.0, 1.0, "left")
    if len(dropout) != n_layers:
        raise ValueError(
            f"expected one dropout rate for each of h_0 to h_{n_layers - 1} ({n_layers}), "
            f"got {len(dropout)}"
        )
    return tuple(as_float(rate, "a dropout rate", 0.0, 1.0, "left") for rate in dropout)


def _as_dtype(dtype: Any) -> str:
    # A long text or a list would be built as a structured dtype of that many fields.
    short = isinstance(dtype, str) and len(dtype) <= MAX_DTYPE and "," not in dtype
    try:
        plain = short or isinstance(dtype, (type, np.dtype))
        name = np.dtype(dtype).name if plain else quoted(dtype)
    except (TypeError, ValueError):
        name = quoted(dtype)
    if name not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {name}")
    return name


def _as_penalty(given: Any, name: str, n_layers: int) -> float | tuple[float, ...]:
    if not isinstance(given, (tuple, list)):
        return as_float(given, name, closed="left")
    if len(given) != n_layers:
        raise ValueError(
            f"{name} must be one number or one per layer ({n_layers}), "
            f"got {len(given)}: {quoted(list(given))}"
        )
    return tuple(as_float(one, name, closed="left") for one in given)
