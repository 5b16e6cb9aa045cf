"""Networks from scikit-learn's multilayer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast.interchange.layers import Layer, network_of
from ffnn_fast.network import Network

LOSSES = {
    "log_loss": "auto",
    "squared_error": "half_squared_error",
    "poisson": "poisson",
}


def from_sklearn(estimator: Any, **execution: Any) -> Network:
    """A network that predicts what a fitted `MLPClassifier` or `MLPRegressor` does.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Or anything with the fitted attributes ``coefs_``, ``intercepts_``, ``out_activation_`` and
        the parameters ``activation`` and ``loss``.
    **execution
        ``engine``, ``n_threads`` and ``matmul``, as for `Network`.

    Returns
    -------
    Network
        Of the dtype of the coefficients. A classifier of two classes has one logistic output; its
        labels count from 0, so that ``estimator.classes_[net.predict(X)]`` are the estimator's.
        `ffnn_fast.sklearn.MLPClassifier` of several columns gives a network of several heads. The
        penalty ``alpha`` is left behind: scikit-learn divides it by the rows of a batch.

    Raises
    ------
    TypeError
        If `estimator` has not those attributes, for instance because it is not fitted.
    ValueError
        If its coefficients are not those of a network.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(  # as scikit-learn leaves it
    ...     coefs_=[np.ones((3, 4)), np.ones((4, 2))], intercepts_=[np.zeros(4), np.zeros(2)],
    ...     activation="relu", out_activation_="identity", loss="squared_error")
    >>> from_sklearn(fitted).spec.layer_sizes
    (3, 4, 2)
    """
    needed = ("coefs_", "intercepts_", "out_activation_", "activation")
    absent = [name for name in needed if not hasattr(estimator, name)]
    if absent:
        raise TypeError(
            "from_sklearn takes a fitted MLPClassifier or MLPRegressor; this "
            f"{type(estimator).__name__} has no {', '.join(absent)}"
        )
    loss = LOSSES.get(getattr(estimator, "loss", "auto"), "auto")
    layers: list[Layer] = [
        (np.asarray(W).T, np.asarray(b))
        for W, b in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    names = (*(estimator.activation,) * (len(layers) - 1), estimator.out_activation_)
    classes = getattr(estimator, "classes_", None)
    heads = tuple(map(len, classes)) if isinstance(classes, list) else ()
    return network_of(layers, names, loss, execution, heads=heads)
