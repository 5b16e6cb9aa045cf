"""A network's description as a table for people."""

from __future__ import annotations

from ffnn_fast.spec import NetworkSpec


def summary(spec: NetworkSpec) -> str:
    """Dtype, loss, a line per layer with the shapes of W_k and b_k, and the parameter count."""
    title = f"Network  {spec.dtype}, loss {spec.loss}"
    title += _penalty("l2", spec.l2) + _penalty("l1", spec.l1)
    head = ("layer", "activation", "W", "b", "parameters")
    rows = [head, ("0 (input)", "", "", f"({spec.n_inputs},)", "")]
    layers = zip(spec.layer_activations, spec.shapes, strict=True)
    for k, (g, (o, i)) in enumerate(layers, start=1):
        place = "output" if k == spec.n_layers else "hidden"
        rows.append((f"{k} ({place})", g, f"({o}, {i})", f"({o},)", f"{o * i + o:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([title, *lines, f"total {spec.n_params:,}"])


def _penalty(name: str, given: float | tuple[float, ...]) -> str:
    """``", l2 0.1"``, or a number for each layer; nothing where there is no penalty."""
    each = given if isinstance(given, tuple) else (given,)
    return f", {name} {' '.join(f'{one:g}' for one in each)}" if any(each) else ""
