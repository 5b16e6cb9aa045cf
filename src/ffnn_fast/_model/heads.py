"""Head: some outputs of a network, with an output function, targets and a loss of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ffnn_fast._names import known_name
from ffnn_fast._public import public
from ffnn_fast._scalars import as_choice, as_float, as_int
from ffnn_fast._text import MOST, quoted, shortened
from ffnn_fast.activations import Activation, output_name
from ffnn_fast.losses import CANONICAL_LOSS, LOSSES, Loss, loss_of

HeadsLike = Sequence["int | Head | Mapping[str, Any]"]


@public()
@dataclass(frozen=True)
class Head:
    """One of several heads on a shared body, for the argument `heads` of a network.

    The outputs of the heads lie side by side in ŷ. The loss of a sample is Σ_h weight_h ℓ_h.

    Parameters
    ----------
    width : int
        Outputs of this head.
    output : str or Activation, default "softmax"
        O of these outputs; names as in `NetworkSpec`.
    loss : str or Loss, default "auto"
        ℓ_h, by default the canonical loss of `output`; names as in `NetworkSpec`.
    loss_options : mapping, optional
        Options of this loss, as in `NetworkSpec`.
    weight : float, default 1.0
        Finite and >= 0. The head of a weight 0 is not trained.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or output, loss and width do not fit one another.
    """

    width: int
    output: str | Activation = "softmax"
    loss: str | Loss = "auto"
    loss_options: Mapping[str, Any] | None = field(default=None, hash=False)
    weight: float = 1.0

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass has no other way
        put(self, "width", as_int(self.width, "the width of a head"))
        options = {} if self.loss_options is None else self.loss_options
        checked = checked_outputs(self.width, self.output, self.loss, options)
        for name, value in zip(("output", "loss", "loss_options"), checked, strict=True):
            put(self, name, value)
        put(self, "weight", as_float(self.weight, "the weight of a head", closed="left"))

    def to_dict(self) -> dict[str, Any]:
        """The arguments by name."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


def checked_outputs(
    width: int, output: Any, loss: Any, options: Any
) -> tuple[str | Activation, str | Loss, dict[str, Any]]:
    """Output function, loss and all its options in standard form.

    Raises
    ------
    TypeError, ValueError
        If they are unknown, or do not fit one another or so many outputs.
    """
    output = output_name(output)
    if loss in (None, "auto"):
        loss = CANONICAL_LOSS.get(str(output), "squared_error")
    if not isinstance(loss, Loss):
        loss = as_choice(known_name(loss, LOSSES), "loss", LOSSES)
    options = as_options(loss_of(loss), options)
    if output == "softmax" and width < 2:
        raise ValueError(
            "a softmax output needs at least 2 units, since one unit is always 1; "
            "for two classes with one unit use output='logistic'"
        )
    if loss in ("cross_entropy", "hinge") and width < 2:
        raise ValueError(f"{loss} needs at least 2 outputs; for one use 'binary_cross_entropy'")
    each = loss_of(loss).heads(**options)
    if each > 1 and output == "softmax":
        raise ValueError(f"{loss} needs an elementwise output, not softmax")
    if width % each:
        raise ValueError(f"{loss} needs {each} outputs for each target, got {width} outputs")
    return output, loss, options


def as_options(loss: Loss, given: Any) -> dict[str, Any]:
    """Every option of the loss, checked."""
    if not isinstance(given, Mapping):
        raise TypeError(f"loss_options must be a mapping, got {quoted(given)}")
    unknown = sorted(set(map(str, given)) - set(loss.options))
    if unknown:
        known, others = ", ".join(loss.options) or "none", shortened(", ".join(unknown), MOST)
        raise ValueError(f"loss_options of {loss.name}: expected {known}; got {others}")
    checked = {}
    for name, option in loss.options.items():
        value = given.get(name, option.default)
        try:
            checked[name] = option.check(value)
        except ValueError as error:
            raise ValueError(f"{name} of {loss.name} {error}, got {quoted(value)}") from error
    return checked


def as_heads(heads: Any, n_outputs: int) -> tuple[int, ...] | tuple[Head, ...]:
    """Widths of softmax heads or, where one is a `Head` or a mapping, a `Head` each.

    Raises
    ------
    TypeError, ValueError
        If they are not two or more whose widths have the sum n_outputs.
    """
    if isinstance(heads, (str, bytes)) or not isinstance(heads, (Sequence, np.ndarray)):
        raise TypeError(f"heads must be a sequence of integers or of Head, got {quoted(heads)}")
    if not any(isinstance(head, (Head, Mapping)) for head in heads):
        return _as_widths(heads, n_outputs)
    several = tuple(_as_head(head, place) for place, head in enumerate(heads))
    if len(several) == 1:
        raise ValueError(
            "heads must be two or more, got 1; give output, loss and loss_options of the network "
            "for one head over all outputs"
        )
    widths = [head.width for head in several]
    if sum(widths) != n_outputs:
        raise ValueError(
            f"the widths of heads must have the sum {n_outputs}, the number of outputs, got "
            f"{quoted(widths)} with sum {sum(widths)}"
        )
    return several


def _as_widths(heads: Any, n_outputs: int) -> tuple[int, ...]:
    widths = tuple(as_int(width, "a width in heads") for width in heads)
    if widths and (len(widths) == 1 or min(widths) < 2 or sum(widths) != n_outputs):
        raise ValueError(
            f"heads must be two or more widths of at least 2 with sum {n_outputs}, the number of "
            f"outputs, got {quoted(list(widths))}; leave them out for one softmax over all"
        )
    return widths


def _as_head(given: Any, place: int) -> Head:
    """A `Head` from one, from its arguments by name, or from the width of a softmax."""
    if isinstance(given, Head):
        return given
    names = [part.name for part in fields(Head)]
    try:
        if not isinstance(given, Mapping):
            return Head(given)
        if "width" not in given or not set(given) <= set(names):
            raise ValueError(
                f"expected width and possibly {', '.join(names[1:])}, got "
                f"{quoted(list(map(str, given)))}"
            )
        return Head(**given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"heads[{place}]: {error}") from error
