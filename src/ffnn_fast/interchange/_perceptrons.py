"""Networks from scikit-learn's multilayer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast._model.target_units import layer_in_units
from ffnn_fast._names import known_name
from ffnn_fast.interchange._layers import Layer, spec_and_params
from ffnn_fast.network import Network

LOSSES = {  # a regressor's loss, and this library's
    "squared_error": "half_squared_error",
    "absolute_error": "absolute",
    **{name: name for name in ("poisson", "huber", "log_cosh", "quantile", "gaussian_nll")},
}


def from_sklearn(
    estimator: Any,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
    matmul: str = "auto",
) -> Network:
    """A network with the weights of a fitted `MLPClassifier` or `MLPRegressor`.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Or any object with the fitted attributes ``coefs_``, (n_{k-1}, n_k) per layer,
        ``intercepts_``, (n_k,) per layer, and ``out_activation_``, and the parameters
        ``activation`` and ``loss``; also the estimators of `ffnn_fast.sklearn`, with any of their
        losses, ``loss_options`` and activations.
    engine, n_threads, matmul
        As for `ffnn_fast.Network`.

    Returns
    -------
    Network
        Its dtype is that of the coefficients. A binary classifier has one logistic output. Labels
        are indices into ``classes_``: ``estimator.classes_[net.predict(X)]`` equals
        ``estimator.predict(X)``. A `ffnn_fast.sklearn.MLPClassifier` fitted to several columns of
        labels becomes a network with one softmax head per column. The penalty ``alpha`` is not
        converted, because scikit-learn divides it by the number of rows in a batch: `l2` is 0. A
        classifier with logistic outputs gets binary cross-entropy, whatever its loss: with squared
        error such a network would be a regressor. With loss ``gaussian_nll`` the network predicts
        mean and logarithm of the variance, where ``estimator.predict`` returns the mean. The
        scale of a regressor with ``scale_target=True`` becomes part of the last layer.

    Raises
    ------
    TypeError
        If `estimator` lacks one of those attributes, for example because it is not fitted.
    ValueError
        If the shapes of its coefficients do not match one another, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from ffnn_fast.interchange import from_sklearn
    >>> fitted = SimpleNamespace(  # the attributes of a fitted MLPRegressor
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
    coefs, intercepts = estimator.coefs_, estimator.intercepts_
    if len(coefs) != len(intercepts):
        raise ValueError(
            f"the estimator has {len(coefs)} weight matrices and {len(intercepts)} bias vectors"
        )
    pairs = zip(coefs, intercepts, strict=True)
    layers: list[Layer] = [(np.asarray(W).T, np.asarray(b)) for W, b in pairs]
    if hasattr(estimator, "target_mean_"):
        W, b = layers[-1][0], np.asarray(layers[-1][1])
        scaling = estimator.target_mean_, estimator.target_scale_
        layers[-1] = layer_in_units(W, b, *scaling, _loss(estimator) == "gaussian_nll")
    activation, classes = estimator.activation, getattr(estimator, "classes_", None)
    hidden = (activation,) * (len(layers) - 1)
    if isinstance(activation, (list, tuple)):
        hidden = tuple(activation)
    spec, params = spec_and_params(
        layers,
        (*hidden, estimator.out_activation_),
        _loss(estimator),
        loss_options=getattr(estimator, "loss_options", None),
        heads=tuple(map(len, classes)) if isinstance(classes, list) else (),
    )
    return Network.from_params(spec, params, engine=engine, n_threads=n_threads, matmul=matmul)


def _loss(estimator: Any) -> str:
    """The loss with which the network has the estimator's task."""
    loss = getattr(estimator, "loss", "auto")
    if not hasattr(estimator, "classes_"):
        return LOSSES.get(known_name(loss, LOSSES), "auto")
    # A classifier's squared error is not halved; with logistic outputs it would be a regressor's.
    softmax = estimator.out_activation_ == "softmax"
    squared = known_name(loss, ("log_loss", "squared_error")) == "squared_error"
    return "squared_error" if squared and softmax else "auto"
