"""Which initial weights lead to the smallest validation loss?

A fit's result is the smallest loss of its validation rows after any epoch; test rows are not read.
A ratio is that of a fit to the fit with `BASE`, of the same case and seed.
"""

import warnings
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np

from benches import tables as data
from ffnn_fast import DivergedWarning, Network

CANDIDATES = [
    "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "fan_in_uniform",
]  # fmt: skip
BASE = "he_normal"  # the ratios are to its loss
ACTIVATIONS = ["relu", "leaky_relu", "gelu", "silu", "elu", "selu", "tanh"]
FEW = 6  # tables for every activation but relu
DEEP_TABLES = ["bike", "abalone", "airfoil", "pol", "elevators", "digits"]
ROWS, WIDTH, EPOCHS, SEEDS = 1600, 64, 40, 3
BATCH = 32
OPTIMIZERS = {"adam": 1e-3, "momentum": 1e-2}
WORST = 10.0  # a ratio is at most this; also that of a fit that diverges


@dataclass(frozen=True)
class Case:
    """A fit, but for its seed and its initial weights."""

    table: str
    activation: str
    depth: int
    dropout: float
    optimizer: str = "adam"
    width: int = WIDTH
    rows: int | None = ROWS
    epochs: int = EPOCHS


def cases(full):
    """All cases of a form."""
    if not full:
        chosen = product(["airfoil", "digits"], ["relu", "tanh"], [1, 3], [0.0, 0.2])
        return [Case(*case, epochs=10) for case in chosen]
    found = []
    for at, (activation, depth, dropout) in enumerate(
        product(ACTIVATIONS, [1, 2, 3, 4], [0.0, 0.2])
    ):
        n = len(data.NAMES)
        count = n if activation == "relu" else FEW
        names = [data.NAMES[(FEW * at + i) % n] for i in range(count)]
        found += [Case(name, activation, depth, dropout) for name in names]
        if dropout == 0:
            found += [
                Case(name, activation, depth, dropout, "momentum") for name in names[: FEW // 2]
            ]
    deep = product(DEEP_TABLES, ["relu"], [6, 10], [0.0], OPTIMIZERS)
    found += [Case(*case) for case in deep]
    wide = product(["bike", "california", "pol"], ["relu"], [3], [0.0, 0.2])
    return found + [Case(*case, width=256, rows=8000, epochs=20) for case in wide]


def least_loss(case, split, initializer, seed):
    """The smallest validation loss after any epoch; None if the fit diverges in the first one."""
    regression = split.n_outputs == 1
    net = Network(
        [split.X.shape[1], *[case.width] * case.depth, split.n_outputs],
        activation=case.activation, output="identity" if regression else "softmax",
        loss="half_squared_error" if regression else "cross_entropy",
        dropout=case.dropout and [0.0, *[case.dropout] * case.depth],
        seed=seed, initializer=initializer, n_threads=1,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergedWarning)
        history = net.fit(
            split.X, split.y, epochs=case.epochs, batch_size=BATCH, optimizer=case.optimizer,
            learning_rate=OPTIMIZERS[case.optimizer], metrics=False,
            validation_data=(split.X_val, split.y_val), rng=seed,
        )  # fmt: skip
    losses = history["val_loss"] if len(history) else []
    finite = [loss for loss in losses if np.isfinite(loss)]
    return float(f"{min(finite):.6g}") if finite else None


def run(runner):
    """A record per case: the losses of its seeds by initializer."""
    records, splits, chosen = [], {}, cases(runner.full)
    for at, case in enumerate(chosen):
        key = case.table, case.rows
        if at % 50 == 0:
            print(f"  case {at} of {len(chosen)}", flush=True)
        if key not in splits:
            splits[key] = _loaded(*key, runner.data)
        if splits[key] is not None:
            seeds = range(SEEDS if runner.full else 1)
            losses = {
                name: [least_loss(case, splits[key], name, seed) for seed in seeds]
                for name in CANDIDATES
            }
            records.append({**asdict(case), "losses": losses})
    return records


def _loaded(name, rows, folder):
    """The table, or None where it is missing."""
    try:
        return data.load(name, folder, rows)
    except (OSError, ImportError) as error:
        print(f"  skipped: {error}")
        return None


def compare_with_targets(records):
    """There are no targets."""
    return []


def _ratios(records):
    """Losses relative to those of `BASE`, (case, seed, initializer)."""
    losses = np.array([[r["losses"][name] for name in CANDIDATES] for r in records], float)
    losses = np.nan_to_num(losses, nan=np.inf).transpose(0, 2, 1)
    with np.errstate(invalid="ignore"):
        ratios = losses / losses[:, :, [CANDIDATES.index(BASE)]]
    return np.clip(np.nan_to_num(ratios, nan=1.0), 1 / WORST, WORST)  # ∞ / ∞ := 1


def _row(label, records):
    """The geometric mean of the ratios for each initializer; the smallest one in bold."""
    means = np.exp(np.log(_ratios(records)).mean(axis=(0, 1)))
    cells = [f"{mean:.3f}" for mean in means]
    cells[means.argmin()] = f"**{cells[means.argmin()]}**"
    return [*label, len(records), *cells]


def _best(records):
    """How many cases each initializer has the smallest loss in, the mean over seeds."""
    best = np.log(_ratios(records)).mean(axis=1).argmin(axis=1)
    return [int((best == i).sum()) for i in range(len(CANDIDATES))]


def _mean(losses):
    """The mean over seeds in four digits."""
    return "diverged" if None in losses else f"{np.mean(losses):.4f}"


def _grouped(records, *keys):
    """(values, records) for each combination of values of the keys, in order of occurrence."""
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[key] for key in keys), []).append(record)
    return groups.items()


def _matrix(records, *keys):
    """The rows of a table with a row for each combination of the keys."""
    return [_row(values, group) for values, group in _grouped(records, *keys)]


def tables(records):
    """Summaries by activation, dropout, depth and table; then the mean loss in every case."""
    small = [r for r in records if r["width"] == WIDTH and r["depth"] <= 4]
    deep = [r for r in records if r["depth"] > 4]
    wide = [r for r in records if r["width"] != WIDTH]
    by_optimizer = dict(_grouped(small, "optimizer"))
    adam = by_optimizer.get(("adam",), [])
    columns = ["cases", *CANDIDATES]
    about = f"geometric mean of the ratios to {BASE}"
    found = [
        (f"Activation and dropout, Adam: {about}", ["activation", "dropout", *columns],
         _matrix(adam, "activation", "dropout")),
        (f"Activation and optimizer, without dropout: {about}",
         ["activation", "optimizer", *columns],
         _matrix([r for r in small if r["dropout"] == 0], "activation", "optimizer")),
        (f"Activation and hidden layers, Adam: {about}",
         ["activation", "hidden layers", *columns], _matrix(adam, "activation", "depth")),
        (f"Table, Adam: {about}", ["table", *columns], _matrix(adam, "table")),
    ]  # fmt: skip
    if deep:
        found.append(
            (f"Deep networks, relu: {about}", ["hidden layers", "optimizer", *columns],
             _matrix(deep, "depth", "optimizer"))
        )  # fmt: skip
    if wide:
        found.append(
            (f"Wide networks, relu: {about}",
             ["table", "hidden layers", "width", "dropout", *columns],
             _matrix(wide, "table", "depth", "width", "dropout"))
        )  # fmt: skip
    best = [[*values, len(group), *_best(group)]
            for values, group in _grouped(small, "activation")]  # fmt: skip
    found.append(("Number of cases with the smallest mean loss", ["activation", *columns], best))
    keys = ["table", "activation", "depth", "width", "dropout", "optimizer", "rows", "epochs"]
    runs = [
        [*[r[key] for key in keys], *[_mean(r["losses"][name]) for name in CANDIDATES]]
        for r in records
    ]
    return [*found, ("All cases: mean over the seeds of the smallest validation loss",
                     [*keys, *CANDIDATES], runs)]  # fmt: skip


def plots(records):
    """There are no plots."""
    return {}
