"""Fitted estimators and pipelines: their network, the transformers before it and of the target.

scikit-learn is not imported: objects are recognised by the attributes that fitting gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.target_units import layer_in_units


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator.

    Attributes
    ----------
    estimator : object
        That with the weights.
    spec : NetworkSpec
    params : ndarray of shape (P,)
        θ, with the scaling of the targets in the last layer.
    steps : list
        The transformers before it.
    target : list
        Transformers of the target, whose inverse gives the predictions.
    """

    estimator: Any
    spec: NetworkSpec
    params: np.ndarray
    steps: list[Any]
    target: list[Any]


def is_tabular(model: Any, function: str) -> bool:
    """Whether it is one of `ffnn_fast.tabular`; ValueError if it is one that is not fitted."""
    if not hasattr(type(model), "columns_") or not hasattr(type(model), "explain"):
        return False
    if not hasattr(model, "networks_"):
        raise ValueError(f"{type(model).__name__} is not fitted; call fit before {function}")
    return True


def as_fitted(model: Any, function: str) -> Fitted:
    """An estimator, a pipeline that ends with one, or a search or target transformation around it.

    Parameters
    ----------
    model : object
    function : str
        The name of the function that takes it, for messages.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is not fitted.
    """
    steps: list[Any] = []
    target: list[Any] = []
    given = model
    while not hasattr(model, "coefs_"):
        if hasattr(model, "steps"):
            steps += [step for _, step in model.steps[:-1]]
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "regressor_"):
            target.append(model.transformer_)
            model = model.regressor_
        elif any(hasattr(model, name) for name in ("hidden_layer_sizes", "estimator", "regressor")):
            raise ValueError(f"{type(given).__name__} is not fitted; call fit before {function}")
        else:
            raise TypeError(
                f"{function} takes a Network, an estimator of ffnn_fast.sklearn or a pipeline that "
                f"ends with one, got {type(given).__name__}"
            )
    return Fitted(model, *_network(model), steps, target[::-1])


def _network(estimator: Any) -> tuple[NetworkSpec, np.ndarray]:
    """The network with an estimator's weights."""
    coefs, classes = estimator.coefs_, getattr(estimator, "classes_", None)
    sizes = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
    hidden = estimator.activation
    spec = NetworkSpec(
        sizes,
        hidden if isinstance(hidden, str) or not np.iterable(hidden) else tuple(hidden),
        estimator.out_activation_,
        dtype="float32" if coefs[0].dtype == np.float32 else "float64",
        heads=tuple(len(known) for known in classes) if isinstance(classes, list) else (),
    )
    theta = np.empty(spec.n_params, spec.dtype)
    for W, given in zip(spec.weights(theta), coefs, strict=True):
        W[:] = given.T
    for b, given in zip(spec.biases(theta), estimator.intercepts_, strict=True):
        b[:] = given
    if hasattr(estimator, "target_mean_"):
        W, b = spec.weights(theta)[-1], spec.biases(theta)[-1]
        scaling = estimator.target_mean_, estimator.target_scale_
        W[:], b[:] = layer_in_units(W, b, *scaling, estimator.loss == "gaussian_nll")
    return spec, theta
