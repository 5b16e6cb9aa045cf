"""Short fits of RealMLP by its authors' package; ``python tests/golden/realmlp.py`` makes the file.

It needs pytabkit 1.7.3 and PyTorch. The table is small, and has numbers, categories of 2, 3 and 11
levels, and rows with unknown and missing levels. θ is a vector of the views in `views`, in the form
that ffnn_fast has: W_k of the NTK parametrisation divided by √n_{k−1}.
"""

import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
N, JUDGED, NEW = 150, 5, 12  # training rows, every fifth of which is judged, and new rows
SEED = 20_240_701  # of the dropout masks
SIZES = {"hidden": 8, "batch_size": 32, "epochs": 4}
# name: pytabkit's class, the preset here, the rate of dropout
CASES = {
    "td classes": ("RealMLP_TD_Classifier", "realmlp", 0.0),
    "td values": ("RealMLP_TD_Regressor", "realmlp", 0.0),
    "td classes, dropout": ("RealMLP_TD_Classifier", "realmlp", 0.15),
    "td values, dropout": ("RealMLP_TD_Regressor", "realmlp", 0.15),
    "s classes": ("RealMLP_TD_S_Classifier", "realmlp-s", 0.0),
    "s values": ("RealMLP_TD_S_Regressor", "realmlp-s", 0.0),
}


def table():
    """The columns of N + NEW rows, and targets of both kinds."""
    i = np.arange(N + NEW)
    columns = {
        "x": np.sin(0.7 * i**2) * 3, "y": np.exp(2 * np.cos(1.3 * i)),
        "steps": np.floor(3 * np.sin(0.37 * i)), "rare": (i % 10 == 3) * (1.0 + i % 4),
    }  # fmt: skip
    columns = {name: values.astype(np.float32).astype(float) for name, values in columns.items()}
    for name, step, levels in (("two", 5, 2), ("three", 7, 3), ("many", 13, 11)):
        codes = (step * i**2 + i // 3) % 17 % levels
        columns[name] = np.array([f"{name} {code:02}" for code in codes], dtype=object)
    columns["two"][[4, N]] = columns["three"][[8, N + 1]] = columns["many"][[12, N + 2]] = None
    columns["two"][N + 3] = columns["three"][N + 3] = columns["many"][N + 4] = "unknown"
    score = columns["x"] + np.log(columns["y"]) * (codes - 4) / 3 + (i % 7) / 3
    classes = np.array(["low", "middle", "high"], dtype=object)[np.digitize(score, [-0.7, 2.2])]
    return columns, classes, score.astype(np.float32).astype(float)


def split():
    """Rows that are trained on, and rows that are judged on."""
    judged = np.arange(N) % JUDGED == JUDGED - 1
    return np.flatnonzero(~judged), np.flatnonzero(judged)


def views(net):
    """The parameters of a network of ours in the order of θ: of inputs, then W_k, b_k and α_k."""
    found = list(net.input_params.values())
    alphas = [*net.alphas, None] if net.alphas else [None] * len(net.weights)
    for part in zip(net.weights, net.biases, alphas, strict=True):
        found += [values for values in part if values is not None]
    return found


def fit(case, hidden, batch_size, epochs):
    """A fit by pytabkit.

    Returns
    -------
    dict of str to ndarray
        ``encoded``, the inputs that do not change, (N + NEW, ...); ``orders`` of the training rows,
        (epochs, n); ``errors`` of the judged rows, (epochs,); θ at the start, ``first``, and after
        each epoch, ``epochs``, (epochs, P); ``predicted``, probabilities or values for all rows.
    """
    import pandas as pd
    import pytabkit

    kind, preset, dropout = CASES[case]
    columns, classes, values = table()
    frame = pd.DataFrame(columns)
    y = (classes if kind.endswith("Classifier") else values)[:N]
    model = getattr(pytabkit, kind)(
        hidden_sizes=[hidden] * 3, batch_size=batch_size, n_epochs=epochs, random_state=0,
        p_drop=dropout, device="cpu", n_threads=1,
    )  # fmt: skip
    with _recorded() as record, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame[:N], y, val_idxs=split()[1])
        predict = model.predict_proba if kind.endswith("Classifier") else model.predict
        predicted = predict(frame)
    n_numbers = 4 if preset == "realmlp" else 0  # with embeddings
    encoded = record["units"][-1][0]
    binary = 1 + 3
    inputs = encoded[:, 3 * n_numbers : 4 * n_numbers + binary] if n_numbers else encoded
    theta = [_as_ours(one, n_numbers) for one in record["params"]]
    return {
        "encoded": inputs, "orders": np.array(record["orders"]),
        "errors": np.array(record["errors"]), "first": theta[0], "epochs": np.array(theta[1:]),
        "predicted": np.asarray(predicted),
    }  # fmt: skip


def _as_ours(named, n_numbers):
    """θ from pytabkit's parameters: (scope, values) in its order."""
    of = {}
    for scope, values in named:
        of.setdefault("/".join(scope.split("/")[-2:]), []).append(values[0])
    scale = of["layer-0/scale"][0][0]
    m, units = n_numbers, np.arange(len(scale))
    # pytabkit has (z of all numbers, all numbers), here each number has (z, x).
    units[: 4 * m] = [unit for j in range(m) for unit in (3 * j, 3 * j + 1, 3 * j + 2, 3 * m + j)]
    parts = []
    if m:
        w, b, W, c = (of[f"plr/{name}"][0] for name in ("weight_1", "bias_1", "weight_2", "bias_2"))
        parts += [w, b, W.transpose(0, 2, 1), c]
    parts += [*of.get("tfms/emb", []), scale[units]]
    for k in range(4):
        W = of[f"layer-{k}/weight"][0].T
        W = W[:, units] if k == 0 else W
        parts += [W / np.sqrt(W.shape[1]), of[f"layer-{k}/bias"][0]]
        parts += of.get(f"layer-{k}/act", [])
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


@contextmanager
def _recorded():
    """Records what pytabkit does, and has it drop the units that ffnn_fast drops."""
    import pytabkit.models.data.data as data
    import torch.nn.functional as F
    from pytabkit.models.nn_models.base import ScaleLayer
    from pytabkit.models.training.lightning_modules import Metrics, TabNNModule
    from pytabkit.models.training.nn_creator import NNCreator

    record = {"orders": [], "errors": [], "params": [], "units": []}

    def params(model):
        found = [(str(p.context.scope), p.detach().numpy().copy()) for p in model.parameters()]
        record["params"].append(found)

    def create_model(before, self, *args, **kwargs):
        model = before(self, *args, **kwargs)
        params(model)
        return model

    def randperm(before, *args, **kwargs):
        order = before(*args, **kwargs)
        record["orders"].append(order[0].numpy().copy())
        return order

    def epoch_end(before, self):
        before(self)
        params(self.model)

    def apply(before, *args, **kwargs):
        error = before(*args, **kwargs)
        record["errors"].append(float(error))
        return error

    def scale(before, self, x):
        record["units"].append(x.detach().numpy().copy())
        return before(self, x)

    places = [
        (NNCreator, "create_model", create_model), (data, "batch_randperm", randperm),
        (TabNNModule, "on_validation_epoch_end", epoch_end), (Metrics, "apply", apply),
        (ScaleLayer, "forward_cont", scale), (F, "dropout", _our_dropout()),
    ]  # fmt: skip
    before = [vars(owner)[name] for owner, name, _ in places]
    try:
        for owner, name, function in places:
            _wrap(owner, name, function)
        yield record
    finally:
        for (owner, name, _), function in zip(places, before, strict=True):
            setattr(owner, name, function)


def _wrap(owner, name, function):
    """Put ``function(before, ...)`` in the place of ``before(...)``."""
    before, static = getattr(owner, name), isinstance(vars(owner)[name], staticmethod)

    def wrapped(*args, **kwargs):
        return function(before, *args, **kwargs)

    setattr(owner, name, staticmethod(wrapped) if static else wrapped)


def _our_dropout():
    """A function for `F.dropout` that drops what ffnn_fast drops, in three layers a step."""
    from ffnn_fast._model.dropout_masks import kept

    calls = [0]

    def dropout(before, x, p, training=True, inplace=False):
        if not training:
            return x
        step, layer = divmod(calls[0], 3)
        calls[0] += 1
        mask = kept((SEED, step + 1), layer + 1, x.shape[-2], x.shape[-1], p)
        return x * x.new_tensor(mask / (1 - p))

    return dropout


if __name__ == "__main__":
    found = {case: fit(case, **SIZES) for case in CASES}
    arrays = {f"{case}: {name}": a for case, part in found.items() for name, a in part.items()}
    np.savez_compressed(FILE, **arrays)
