"""The layers of a network in C: products, activations, tangents."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ffnn_fast._activation_derivatives import SELU_ALPHA, SELU_SCALE
from ffnn_fast._c_code.c_maths import SUFFIXES, has_maths
from ffnn_fast._c_code.c_text import array, lines, literal
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import SLOPE

BLOCK_BYTES = 64  # of the outputs that are summed side by side
CHAINS = 4  # partial sums of one output

# h = g(a), and g' of a or h
VALUES = {
    "identity": "a",
    "relu": "a < 0 ? 0 : a",
    "leaky_relu": "a > 0 ? a : {slope} * a",
}
SLOPES = {
    "identity": "1",
    "logistic": "h * (1 - h)",
    "tanh": "1 - h * h",
    "relu": "h > 0 ? 1 : 0",
    "leaky_relu": "h > 0 ? 1 : {slope}",
    "elu": "h > 0 ? 1 : h + 1",
    "selu": "h > 0 ? {selu_scale} : h + {selu_floor}",
    "softplus": "-vm_expm1_{s}(-h)",
    "softsign": "(1 - vm_abs_{s}(h)) * (1 - vm_abs_{s}(h))",
    "hard_sigmoid": "h > 0 && h < 1 ? {sixth} : 0",
    "exp": "h",
}
LESS_EXACT = {"elu", "selu", "softsign"}  # in h; a function of the headers takes precedence
USED = {"softplus": "expm1", "softsign": "abs"}


@dataclass
class Network:
    """What the templates are filled with.

    Attributes
    ----------
    spec : NetworkSpec
    params : ndarray of shape (P,)
        θ, in the dtype of the C code.
    real : {"float", "double"}
    maths : set of str
        Functions of the engine's headers that are used, filled by those below.
    """

    spec: NetworkSpec
    params: np.ndarray
    real: str
    maths: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """g_1, ..., g_{L-1}, O, all by name; O is `HEADS` where heads differ."""
        return [str(g) for g in self.spec.layer_activations]

    @property
    def used(self) -> list[str]:
        """All activations and output functions, sorted."""
        return sorted({*self.names[:-1], *(str(head.output) for head in self.spec.head_specs)})

    def padded(self, width: int) -> int:
        """A multiple of 16 bytes, where a loop would leave a remainder."""
        lanes = 16 // (4 if self.real == "float" else 8)
        return -(-width // lanes) * lanes

    def widths(self) -> list[int]:
        """n_0, then the padded n_1, ..., n_L."""
        sizes = self.spec.unit_sizes
        return [sizes[0], *(self.padded(n) for n in sizes[1:])]


def check_activations(spec: NetworkSpec) -> None:
    """ValueError for a network with user-defined activations."""
    outputs = [(spec.n_layers, head.output) for head in spec.head_specs]
    for k, g in [*enumerate(spec.layer_activations[:-1], start=1), *outputs]:
        if not isinstance(g, str):
            raise ValueError(
                f"C code cannot express the user-defined activation {g.name!r} of layer {k}; "
                "use activations of ffnn_fast.activations.ACTIVATIONS"
            )


def parameters(net: Network) -> str:
    """W_k, transposed, a row per input, b_k and α_k, all padded with zeros."""
    texts = []
    for k, (W, b) in enumerate(
        zip(net.spec.weights(net.params), net.spec.biases(net.params), strict=True), start=1
    ):
        width = net.widths()[k]
        rows = np.zeros((W.shape[1], width), W.dtype)
        rows[:, : len(b)] = W.T
        start = np.zeros(width, b.dtype)
        start[: len(b)] = b
        texts += [array(net.real, f"W_{k}", rows, net.real)]
        texts += [array(net.real, f"b_{k}", start, net.real)]
    for k, alpha in enumerate(net.spec.alphas(net.params), start=1):
        padded = np.zeros(net.widths()[k], alpha.dtype)
        padded[: len(alpha)] = alpha
        texts += [array(net.real, f"alpha_{k}", padded, net.real)]
    return "\n".join(texts)


def layer(net: Network, k: int) -> str:
    """a := start + W_k h, the function layer_k."""
    n, m = net.spec.unit_sizes[k - 1], net.widths()[k]
    block = min(BLOCK_BYTES // (4 if net.real == "float" else 8), m)
    parts = [(0, m // block, block)]
    if rest := m % block:
        parts.append((m - rest, 1, rest))
    body = "".join(_block(net, k, n, *part) for part in parts)
    return (
        f"/* a := start + W_{k} h */\n"
        f"static void layer_{k}(const {net.real} *restrict h, const {net.real} *restrict start, "
        f"{net.real} *restrict a)\n{{\n{body}}}\n"
    )


def _block(net: Network, k: int, n: int, start: int, count: int, width: int) -> str:
    """`count` blocks of `width` outputs from `start` on."""
    fma, real = f"vm_fma_{SUFFIXES[net.real]}", net.real
    chains = min(CHAINS, n)
    sums = [f"s{c}" for c in range(chains)]
    step = f"for (l = 0; l < {width}; ++l)"
    add = [
        f"{step} s{c}[l] = {fma}(W_{k}[j + {c}][i + l], h[j + {c}], s{c}[l]);"
        for c in range(chains)
    ]
    total = " + ".join(f"{s}[l]" for s in sums)
    if chains == CHAINS:
        total = "(s0[l] + s1[l]) + (s2[l] + s3[l])"
    text = [
        f"for (i = {start}; i < {start + count * width}; i += {width}) {{",
        f"    {real} {', '.join(f'{s}[{width}]' for s in sums)};",
        "    int j, l;",
        f"    {step} {{",
        "        s0[l] = start[i + l];",
        *(f"        {s}[l] = 0;" for s in sums[1:]),
        "    }",
        f"    for (j = 0; j < {n - n % chains}; j += {chains}) {{",
        *(f"        {one}" for one in add),
        "    }",
        *(f"    {one}" for one in add[: n % chains]),
        f"    {step} a[i + l] = {total};",
        "}",
    ]
    return ("    int i;\n" if start == 0 else "") + lines(text)


def value(net: Network, g: str) -> str:
    """The function value_<g>: h = g(a), elementwise."""
    if g in VALUES:
        h = VALUES[g].format(**_numbers(net.real))
    else:
        h = f"vm_{g}_{SUFFIXES[net.real]}(a)"
        net.maths.add(g)
    return f"static inline {net.real} value_{g}({net.real} a) {{ return {h}; }}\n"


def slope(net: Network, g: str) -> str:
    """The function slope_<g>: g'(a), of a and h = g(a)."""
    suffix = SUFFIXES[net.real]
    if g not in SLOPES or (g in LESS_EXACT and has_maths(f"{g}_slope")):
        net.maths.add(f"{g}_slope")
        body = f"(void)h; return vm_{g}_slope_{suffix}(a);"
    else:
        net.maths |= {USED[g]} if g in USED else set()
        body = f"(void)a; (void)h; return {SLOPES[g].format(**_numbers(net.real))};"
    return f"static inline {net.real} slope_{g}({net.real} a, {net.real} h) {{ {body} }}\n"


def _numbers(real: str) -> dict[str, str]:
    """What the formulas are filled with."""
    values = {
        "slope": SLOPE,
        "selu_scale": SELU_SCALE,
        "selu_floor": SELU_SCALE * SELU_ALPHA,
        "sixth": 1 / 6,
    }
    return {"s": SUFFIXES[real]} | {k: literal(_rounded(v, real), real) for k, v in values.items()}


def _rounded(value: float, real: str) -> float:
    return float(np.float32(value)) if real == "float" else value
