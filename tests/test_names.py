"""Hints for unknown names: another spelling, another library's name, a misprint."""

import inspect
import re

import numpy as np
import pytest
from support.fits import classes, network, values

from ffnn_fast import Network, NetworkSpec
from ffnn_fast._names import SYNONYMS, hint
from ffnn_fast.activations import ACTIVATIONS, OUTPUTS
from ffnn_fast.initializers import INITIALIZERS
from ffnn_fast.losses import LOSSES
from ffnn_fast.metrics import METRICS, as_metric
from ffnn_fast.optimizers import OPTIMIZERS, as_optimizer
from ffnn_fast.schedules import OneCycle
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

X, Y = classes(20)


@pytest.mark.parametrize(
    ("argument", "given", "meant"),
    [
        ("activation", "ReLU", "relu"),
        ("activation", "LeakyReLU", "leaky_relu"),
        ("activation", "leaky-relu", "leaky_relu"),
        ("activation", "swish", "silu"),
        ("activation", "Sigmoid", "sigmoid"),
        ("activation", "thanh", "tanh"),
        ("output", "Softmax", "softmax"),
        ("output", "soft_max", "softmax"),
        ("loss", "mse", "squared_error"),
        ("loss", "MSE", "squared_error"),
        ("loss", "mean_squared_error", "squared_error"),
        ("loss", "mae", "absolute"),
        ("loss", "CrossEntropy", "cross_entropy"),
        ("loss", "categorical_crossentropy", "cross_entropy"),
        ("loss", "bce", "binary_cross_entropy"),
        ("loss", "pinball", "quantile"),
        ("initializer", "xavier_uniform", "glorot_uniform"),
        ("initializer", "He", "he_normal"),
        ("missing_targets", "Ignore", "ignore"),
        ("engine", "Reference", "reference"),
        ("matmul", "BLAS", "blas"),
    ],
)
def test_names_of_a_network(argument, given, meant):
    with pytest.raises(ValueError, match=f"got '{given}'; did you mean '{meant}'"):
        Network([3, 4, 2], **{argument: given})


@pytest.mark.parametrize(
    ("argument", "given", "meant"),
    [
        ({"optimizer": "Adam"}, "Adam", "adam"),
        ({"optimizer": "RMSProp"}, "RMSProp", "rmsprop"),
        ({"optimizer": "nag"}, "nag", "nesterov"),
        ({"metrics": ["acc"]}, "acc", "accuracy"),
        ({"metrics": ["F1"]}, "F1", "f1"),
        ({"averaging": "EMA"}, "EMA", "ema"),
        ({"on_interrupt": "Return"}, "Return", "return"),
    ],
)
def test_names_of_a_fit(argument, given, meant):
    with pytest.raises(ValueError, match=f"got '{given}'; did you mean '{meant}'"):
        network().fit(X, Y, **argument)


def test_names_of_a_minimizer():
    with pytest.raises(ValueError, match="did you mean 'l-bfgs-b'"):
        network().minimize(X, Y, "lbfgs")


@pytest.mark.parametrize(
    ("call", "given", "meant"),
    [
        (network().fit, "lr", "learning_rate"),
        (network().fit, "max_iter", "epochs"),
        (network().fit, "n_epochs", "epochs"),
        (network().fit, "batchsize", "batch_size"),
        (network().fit, "validation_split", "validation_fraction"),
        (network().fit, "sample_weights", "sample_weight"),
        (network().fit, "class_weights", "class_weight"),
        (network().fit, "optimiser", "optimizer"),
        (network().fit, "seed", "rng"),
        (network().fit, "verbose", "callbacks"),
        (network().partial_fit, "lr", "learning_rate"),
        (network().find_learning_rate, "lowst", "lowest"),
        (network().minimize, "maxiter", "max_iterations"),
        (network().levenberg_marquardt, "maxiter", "max_iterations"),
    ],
)
def test_keyword_arguments_of_methods(call, given, meant):
    message = rf"Network.\w+\(\) got an unexpected keyword .* '{given}'; did you mean '{meant}'"
    with pytest.raises(TypeError, match=message):
        call(X, Y, **{given: 1})


@pytest.mark.parametrize(
    ("given", "meant"),
    [("random_state", "seed"), ("activations", "activation"), ("n_jobs", "n_threads")],
)
def test_keyword_arguments_of_a_network(given, meant):
    with pytest.raises(TypeError, match=f"did you mean '{meant}'"):
        Network([3, 2], **{given: 1})
    with pytest.raises(TypeError, match="did you mean 'n_threads'"):
        Network.from_params(NetworkSpec((3, 2)), np.zeros(8), n_jobs=1)
    with pytest.raises(TypeError, match="did you mean 'n_threads'"):
        Network.load("no such file", n_jobs=1)


@pytest.mark.parametrize("given", ["xyzzy", "", "é", "momentums_of_history"])
def test_no_hint_where_nothing_is_similar(given):
    with pytest.raises(ValueError, match=r"got '[^']*'$"):
        as_optimizer(given)
    with pytest.raises(TypeError, match=r"'qqq'$"):
        network().fit(X, Y, qqq=1)


@pytest.mark.parametrize("loss", [["mse"], 3, {}])
def test_a_loss_that_is_no_name(loss):
    with pytest.raises(TypeError, match="loss must be one of"):
        Network([3, 2], loss=loss)


def test_methods_keep_their_signatures_and_classes_their_methods():
    assert Network.fit.__qualname__ == "Network.fit"
    assert next(iter(inspect.signature(Network.fit).parameters)) == "self"
    assert "learning_rate" in inspect.signature(Network.fit).parameters
    rows, targets = values(20)

    class Own(Network):
        pass

    net = Own([3, 1], output="identity", seed=0)
    net.fit(rows, targets, epochs=1)
    assert type(Own.from_params(net.spec, net.params, n_threads=1)) is Own


def test_every_synonym_leads_to_a_name():
    """And is itself none: then nothing would be wrong with it."""
    arguments = {
        name
        for method in (Network, *vars(Network).values(), *OPTIMIZERS.values(), MLPRegressor)
        if callable(method)
        for name in inspect.signature(method).parameters
    }
    names = {*OUTPUTS, *LOSSES, *OPTIMIZERS, *METRICS, *INITIALIZERS, *arguments}
    names |= {"l-bfgs-b", "lbfgs"}
    for synonym, meant in SYNONYMS.items():
        assert set(meant) <= names, synonym
        for known in (OUTPUTS, LOSSES, OPTIMIZERS, INITIALIZERS):
            assert synonym not in known
        for name in meant:
            assert hint(synonym, [name]) == f"; did you mean {name!r}?"


def test_known_names_need_no_hint():
    for name in METRICS:
        assert as_metric(name) is METRICS[name]
    assert hint("relu", ACTIVATIONS) == "; did you mean 'relu'?"


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        ("amsgrad", "lr", "learning_rate"),
        ("sgd", "eta", "learning_rate"),
        ("adadelta", "eps", "epsilon"),
        ("radam", "betas", "beta_1"),
        ("adam", "beta1", "beta_1"),
        ("adamw", "weightDecay", "weight_decay"),
    ],
)
def test_keywords_of_optimizers(kind, given, meant):
    with pytest.raises(TypeError, match=f"argument '{given}'; did you mean '{meant}'"):
        OPTIMIZERS[kind](**{given: 0.5})


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lr", "learning_rate_init"),
        ("optimizer", "solver"),
        ("epochs", "max_iter"),
        ("l2", "alpha"),
        ("layers", "hidden_layer_sizes"),
    ],
)
def test_keywords_of_estimators(kind, given, meant):
    with pytest.raises(TypeError, match=f"argument '{given}'; did you mean '{meant}'"):
        kind(**{given: 1})


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"activation": "ReLU"}, "Got 'ReLU' instead.; did you mean 'relu'?"),
        ({"solver": "RAdam"}, "did you mean 'radam'?"),
        ({"solver": "Levenberg-Marquardt"}, "did you mean 'levenberg_marquardt'?"),
        ({"learning_rate": "invScaling"}, "did you mean 'invscaling'?"),
        ({"learning_rate": 0.1}, "; pass a number as learning_rate_init"),
        ({"learning_rate_init": OneCycle(0.1)}, "; pass a schedule as learning_rate"),
    ],
)
def test_parameters_of_estimators(kind, given, message):
    model = kind(**given)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.fit(X, Y)
    if kind is MLPClassifier and given.get("solver") != "Levenberg-Marquardt":
        with pytest.raises(ValueError, match=re.escape(message)):
            model.partial_fit(X, Y, classes=[0, 1])
