"""summary: a network's description as a table."""

from __future__ import annotations

import math

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import activation_of
from ffnn_fast.losses import loss_of


def summary(spec: NetworkSpec) -> str:
    """Dtype, loss, a line per layer with the shapes of W_k and b_k, and the parameter count."""
    loss = "" if spec.mixed else f", loss {loss_of(spec.loss).name}"
    title = f"Network  {spec.dtype}{loss}"
    title += "".join(f", {name} {value}" for name, value in _settings(spec).items())
    rows = layers(spec)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([title, *lines, *_heads(spec), f"total {spec.n_params:,}"])


def _heads(spec: NetworkSpec) -> list[str]:
    """A line for each head with its own output function and loss."""
    rows = []
    for place, (head, weight) in enumerate(zip(spec.head_specs, spec.head_weights, strict=True)):
        parts = [f"head {place}: {head.n_outputs} {activation_of(head.output).name}"]
        parts += [f"loss {loss_of(head.loss).name}"]
        parts += [f"{name} {value}" for name, value in _options(head).items()]
        rows.append(", ".join([*parts, *([f"weight {weight:g}"] if weight != 1 else [])]))
    return rows if spec.mixed else []


def _options(spec: NetworkSpec) -> dict[str, str]:
    """Options of the loss that differ from their defaults."""
    options = {} if spec.mixed else loss_of(spec.loss).options
    return {
        name: f"{value}"
        for name, value in spec.loss_options.items()
        if value != options[name].default
    }


def layers(spec: NetworkSpec) -> list[tuple[str, ...]]:
    """A header, then a row for each layer: activation, shapes of W_k and b_k, parameters."""
    header = ("layer", "activation", "W", "b", "parameters")
    rows: list[tuple[str, ...]] = [header, ("0 (input)", "", "", f"({spec.n_inputs},)", "")]
    if spec.inputs is not None:
        block = spec.inputs.shapes(spec.n_inputs).values()
        size = sum(map(math.prod, block))
        rows.append(("0 (block)", spec.inputs.embedding, "", f"({spec.n_units},)", f"{size:,}"))
    for k, (g, (o, i)) in enumerate(zip(spec.layer_activations, spec.shapes, strict=True), start=1):
        place = "output" if k == spec.n_layers else "hidden"
        name, size = activation_of(g).name, o * i + o
        if spec.parametric and k < spec.n_layers:
            name, size = f"{name} (parametric)", size + o
        rows.append((f"{k} ({place})", name, f"({o}, {i})", f"({o},)", f"{size:,}"))
    return rows


def _settings(spec: NetworkSpec) -> dict[str, str]:
    """Settings other than the layers that differ from their defaults."""
    chosen = _options(spec)
    for name, given in (("l2", spec.l2), ("l1", spec.l1), ("dropout", spec.dropout)):
        each = given if isinstance(given, tuple) else (given,)
        if any(each):
            chosen[name] = " ".join(f"{one:g}" for one in each)
    if spec.heads:
        chosen["heads"] = " ".join(map(str, spec.head_widths))
    if spec.missing_targets != "refuse":
        chosen["missing targets"] = spec.missing_targets
    return chosen
