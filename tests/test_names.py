"""Other names for known things, and hints for unknown names."""

import inspect
import re
import warnings

import numpy as np
import pytest
from support.fits import classes, network, values

from ffnn_fast import Head, Network, NetworkSpec
from ffnn_fast._names import SYNONYMS, hint
from ffnn_fast.activations import ACTIVATIONS, OUTPUTS
from ffnn_fast.initializers import INITIALIZERS
from ffnn_fast.interchange import from_sklearn
from ffnn_fast.losses import LOSSES
from ffnn_fast.metrics import METRICS, as_metric
from ffnn_fast.optimizers import OPTIMIZERS, as_optimizer
from ffnn_fast.schedules import OneCycle
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

X, Y = classes(20)


@pytest.mark.parametrize(
    ("argument", "given", "standard"),
    [
        ("activation", "ReLU", "relu"),
        ("activation", "LeakyReLU", "leaky_relu"),
        ("activation", "leaky-relu", "leaky_relu"),
        ("activation", "swish", "silu"),
        ("activation", "Sigmoid", "logistic"),
        ("output", "Softmax", "softmax"),
        ("output", "soft_max", "softmax"),
        ("loss", "mse", "squared_error"),
        ("loss", "MSE", "squared_error"),
        ("loss", "mean_squared_error", "squared_error"),
        ("loss", "mae", "absolute"),
        ("loss", "CrossEntropy", "cross_entropy"),
        ("loss", "categorical_crossentropy", "cross_entropy"),
        ("loss", "pinball", "quantile"),
    ],
)
def test_other_names_in_a_network(argument, given, standard, tmp_path):
    """The network, its file and its copy have the standard name."""
    others = {"output": "identity"} if given == "pinball" else {}
    net = Network([3, 4, 2], seed=0, **{argument: given}, **others)
    same = Network([3, 4, 2], seed=0, **{argument: standard}, **others)
    assert net.spec == same.spec
    assert hash(net.spec) == hash(same.spec)
    assert getattr(net.spec, argument.replace("activation", "activations")) in (
        standard,
        (standard,),
    )
    net.save(tmp_path / "m")
    same.save(tmp_path / "n")
    assert (tmp_path / "m").read_bytes() == (tmp_path / "n").read_bytes()


def test_other_names_of_heads_and_of_two_classes():
    assert Head(2, "Softmax", "ce").loss == "cross_entropy"
    net = Network([3, 1], output="sigmoid", loss="BCE")
    assert net.spec.loss == "binary_cross_entropy"


@pytest.mark.parametrize(
    ("given", "standard"), [("xavier_uniform", "glorot_uniform"), ("He", "he_normal")]
)
def test_other_names_of_initializers(given, standard):
    nets = [Network([3, 4, 2], initializer=name, seed=0) for name in (given, standard)]
    assert np.array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize(
    ("given", "standard"),
    [("Adam", "adam"), ("RMSProp", "rmsprop"), ("nag", "nesterov"), ("gd", "sgd")],
)
def test_other_names_of_optimizers(given, standard):
    assert as_optimizer(given) == as_optimizer(standard)
    assert as_optimizer(given, 0.3) == as_optimizer(standard, 0.3)


@pytest.mark.parametrize("given", ["lbfgs", "L-BFGS", "L_BFGS_B"])
def test_other_names_of_a_minimizer(given):
    nets = [network(), network()]
    for net, method in zip(nets, (given, "l-bfgs-b"), strict=True):
        net.minimize(X, Y, method, max_iterations=3)
    assert np.array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize(
    ("kind", "given", "standard"),
    [
        (MLPClassifier, {"activation": "ReLU"}, {"activation": "relu"}),
        (MLPClassifier, {"solver": "RAdam"}, {"solver": "radam"}),
        (MLPClassifier, {"solver": "SGD"}, {"solver": "sgd"}),
        (MLPClassifier, {"solver": "L-BFGS"}, {"solver": "lbfgs"}),
        (MLPClassifier, {"loss": "MSE"}, {"loss": "squared_error"}),
        (MLPClassifier, {"loss": "cross_entropy"}, {"loss": "log_loss"}),
        (MLPRegressor, {"solver": "Adam"}, {"solver": "adam"}),
        (MLPRegressor, {"solver": "Levenberg-Marquardt"}, {"solver": "levenberg_marquardt"}),
        (MLPRegressor, {"loss": "mse"}, {"loss": "squared_error"}),
        (MLPRegressor, {"loss": "MAE"}, {"loss": "absolute_error"}),
        (MLPRegressor, {"loss": "Poisson"}, {"loss": "poisson"}),
        (MLPRegressor, {"loss": "GaussianNLLLoss"}, {"loss": "gaussian_nll"}),
        (MLPRegressor, {"loss": "Huber"}, {"loss": "huber"}),
    ],
)
def test_other_names_in_estimators(kind, given, standard):
    """They compute the same; the parameter stays as it was given, as scikit-learn requires."""
    rows, y = (X, Y) if kind is MLPClassifier else (values(20)[0], np.abs(values(20)[1]))
    models = [
        kind(hidden_layer_sizes=(4,), max_iter=3, tol=0, random_state=0, **one)
        for one in (given, standard)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in models:
            model.fit(rows, y)
    assert models[0].get_params() == models[1].get_params() | given
    assert all(map(np.array_equal, models[0].coefs_, models[1].coefs_))
    assert np.array_equal(models[0].predict(rows), models[1].predict(rows))
    assert models[0].out_activation_ == models[1].out_activation_
    nets = [from_sklearn(model) for model in models]
    assert nets[0].spec == nets[1].spec


@pytest.mark.parametrize(
    ("argument", "given", "meant"),
    [
        ("activation", "thanh", "tanh"),
        ("loss", "squared_eror", "squared_error"),
        ("initializer", "glorrot_uniform", "glorot_uniform"),
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
        ({"optimizer": "adamm"}, "adamm", "adam"),
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
        network().minimize(X, Y, "lbfsg")


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
    names |= {"l-bfgs-b", "lbfgs", "absolute_error"}
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
        ({"activation": "ReLUU"}, "Got 'ReLUU' instead.; did you mean 'relu'?"),
        ({"solver": "RAdamm"}, "did you mean 'radam'?"),
        ({"solver": "Levenberg-Marquart"}, "did you mean 'levenberg_marquardt'?"),
        ({"learning_rate": "invScaling"}, "did you mean 'invscaling'?"),
        ({"learning_rate": 0.1}, "; pass a number as learning_rate_init"),
        ({"learning_rate_init": OneCycle(0.1)}, "; pass a schedule as learning_rate"),
    ],
)
def test_parameters_of_estimators(kind, given, message):
    model = kind(**given)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.fit(X, Y)
    if kind is MLPClassifier and given.get("solver") != "Levenberg-Marquart":
        with pytest.raises(ValueError, match=re.escape(message)):
            model.partial_fit(X, Y, classes=[0, 1])
