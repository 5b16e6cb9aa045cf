"""Names in another spelling or of another library, and hints for those that are not known."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from ffnn_fast._text import quoted

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Class = TypeVar("Class", bound=type)
MOST_LETTERS = 80  # of a name that may be a misprint
# What other libraries and papers call a thing, in small letters and digits: the names here, of
# which the first that is known where the name is used is taken or suggested.
SYNONYMS: dict[str, tuple[str, ...]] = {
    # losses and metrics
    "mse": ("squared_error", "rmse"),
    "meansquarederror": ("squared_error", "rmse"),
    "mseloss": ("squared_error",),
    "rootmeansquarederror": ("rmse",),
    "mae": ("absolute", "absolute_error", "mae"),
    "meanabsoluteerror": ("absolute", "absolute_error", "mae"),
    "absoluteerror": ("absolute", "mae"),
    "l1loss": ("absolute", "absolute_error"),
    "smoothl1": ("huber",),
    "smoothl1loss": ("huber",),
    "pinball": ("quantile",),
    "pinballloss": ("quantile",),
    "ce": ("cross_entropy", "log_loss"),
    "crossentropyloss": ("cross_entropy",),
    "crossentropy": ("cross_entropy", "log_loss"),
    "categoricalcrossentropy": ("cross_entropy", "log_loss"),
    "sparsecategoricalcrossentropy": ("cross_entropy", "log_loss"),
    "logloss": ("cross_entropy", "log_loss"),
    "nll": ("cross_entropy", "log_loss"),
    "nllloss": ("cross_entropy",),
    "bce": ("binary_cross_entropy", "log_loss"),
    "bceloss": ("binary_cross_entropy",),
    "bcewithlogitsloss": ("binary_cross_entropy",),
    "binarycrossentropy": ("binary_cross_entropy", "log_loss"),
    "poissonnll": ("poisson",),
    "poissonnllloss": ("poisson",),
    "gaussiannllloss": ("gaussian_nll",),
    "categoricalhinge": ("hinge",),
    "multimarginloss": ("hinge",),
    "acc": ("accuracy",),
    "accuracyscore": ("accuracy",),
    "f1score": ("f1",),
    "r2score": ("r2",),
    # activations
    "swish": ("silu",),
    "lrelu": ("leaky_relu",),
    "hardsigm": ("hard_sigmoid",),
    "gelunew": ("gelu_tanh",),
    "sine": ("sin",),
    "none": ("identity",),
    # optimizers
    "gd": ("sgd",),
    "gradientdescent": ("sgd",),
    "heavyball": ("momentum",),
    "nag": ("nesterov",),
    "lbfgs": ("l-bfgs-b",),
    "lbfgsb": ("lbfgs",),
    # initializers
    "glorot": ("glorot_uniform",),
    "xavier": ("glorot_uniform",),
    "xavieruniform": ("glorot_uniform",),
    "xaviernormal": ("glorot_normal",),
    "he": ("he_normal",),
    "kaiming": ("he_normal",),
    "kaimingnormal": ("he_normal",),
    "kaiminguniform": ("he_uniform",),
    "lecun": ("lecun_normal",),
    "zero": ("zeros",),
    # arguments
    "lr": ("learning_rate_init", "learning_rate"),
    "eta": ("learning_rate_init", "learning_rate"),
    "learningrateinit": ("learning_rate",),
    "maxiter": ("max_iterations", "epochs"),
    "niter": ("max_iterations", "epochs"),
    "iterations": ("max_iterations", "epochs"),
    "epochs": ("max_iter",),
    "nepochs": ("epochs", "max_iter"),
    "numepochs": ("epochs",),
    "nbepoch": ("epochs",),
    "maxepochs": ("epochs",),
    "bs": ("batch_size",),
    "minibatchsize": ("batch_size",),
    "solver": ("optimizer", "method"),
    "optimizer": ("solver",),
    "eps": ("epsilon",),
    "betas": ("beta_1",),
    "alpha": ("l2", "rho"),
    "l2": ("alpha",),
    "l2reg": ("l2", "alpha"),
    "optim": ("optimizer",),
    "algorithm": ("optimizer", "method"),
    "validationsplit": ("validation_fraction",),
    "validation": ("validation_data",),
    "weights": ("sample_weight",),
    "weightdecay": ("l2",),
    "regularization": ("l2",),
    "gradientclip": ("clip_norm",),
    "gradclip": ("clip_norm",),
    "clipgradnorm": ("clip_norm",),
    "clipnorm": ("clip_norm",),
    "maxgradnorm": ("clip_norm",),
    "patience": ("early_stopping",),
    "timelimit": ("max_time",),
    "verbose": ("callbacks",),
    "freeze": ("frozen",),
    "ema": ("averaging",),
    "swa": ("averaging",),
    "randomstate": ("seed", "rng"),
    "seed": ("rng",),
    "rng": ("seed",),
    "generator": ("rng", "seed"),
    "hiddenlayersizes": ("layer_sizes",),
    "layers": ("layer_sizes", "hidden_layer_sizes"),
    "layersizes": ("hidden_layer_sizes",),
    "hiddenlayers": ("hidden_layer_sizes", "layer_sizes"),
    "sizes": ("layer_sizes",),
    "criterion": ("loss",),
    "outputactivation": ("output",),
    "outactivation": ("output",),
    "init": ("initializer",),
    "kernelinitializer": ("initializer",),
    "weightinit": ("initializer",),
    "njobs": ("n_threads",),
    "threads": ("n_threads",),
    "backend": ("engine",),
    "precision": ("dtype",),
}  # fmt: skip


def synonym(given: str, known: Iterable[str]) -> str | None:
    """The known name that is meant by another spelling of it, or by another library's name."""
    by_plain = {_plain(name): name for name in reversed(list(known))}
    plain = _plain(given)
    candidates = [plain, *map(_plain, SYNONYMS.get(plain, ()))]
    return next((by_plain[name] for name in candidates if name in by_plain), None)


def known_name(given: T, known: Iterable[str]) -> T | str:
    """The known name that `synonym` finds; `given` itself if there is none, or it is no string."""
    choices = list(known)
    if not isinstance(given, str) or given in choices:
        return given
    return synonym(given, choices) or given


def hint(given: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the known name that is meant by a name, or an empty string."""
    if len(given) > MOST_LETTERS:
        return ""
    names = list(known)
    meant = synonym(given, names)
    if meant is None:
        import difflib  # only where something is wrong: it takes time to import

        by_plain = {_plain(name): name for name in reversed(names)}
        similar = difflib.get_close_matches(_plain(given), list(by_plain), 1, cutoff=0.7)
        meant = by_plain[similar[0]] if similar else None
    return "" if meant is None else f"; did you mean {meant!r}?"


def unknown(what: str, given: object, known: Iterable[str], others: str = "") -> str:
    """The message about a name that is none of the known ones; `others` describes further ones."""
    listed = list(known)
    text = given if isinstance(given, str) else ""
    choices = f"{', '.join(listed)}{others}"
    return f"{what} must be one of {choices}; got {quoted(given)}{hint(text, listed)}"


def hints_keywords(cls: Class) -> Class:
    """Decorator: methods with keyword arguments suggest the one that is meant by an unknown one."""
    for name, method in list(vars(cls).items()):
        function = method.__func__ if isinstance(method, classmethod) else method
        if inspect.isfunction(function) and function.__kwdefaults__:
            checked = _checks_keywords(function)
            setattr(cls, name, classmethod(checked) if function is not method else checked)
    return cls


def _checks_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """A function that raises TypeError with a hint for a keyword argument that it does not have."""
    known = {name: None for name in inspect.signature(function).parameters if name != "self"}

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if not kwargs.keys() <= known.keys():
            name = next(name for name in kwargs if name not in known)
            raise TypeError(
                f"{function.__qualname__}() got an unexpected keyword argument {name!r}"
                f"{hint(name, known)}"
            )
        return function(*args, **kwargs)

    return checked


def _plain(name: str) -> str:
    """Small letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
