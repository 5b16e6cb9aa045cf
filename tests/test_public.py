"""The public surface: what is exported, documented, typed, and by which path it is pickled."""

import importlib
import inspect
import pickle
import pickletools
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import ffnn_fast
from ffnn_fast import Averaging, EarlyStopping, Network, NetworkSpec
from ffnn_fast.optimizers import Adam
from ffnn_fast.schedules import Cosine

PROGRAMS = {"cli", "engine"}  # without an underscore, but nothing to import from
INTEGRATIONS = {"sklearn": "sklearn", "tensorboard": "tensorboardX"}  # need that to be imported
MODULES = [
    "ffnn_fast",
    *(
        f"ffnn_fast.{module.name}"
        for module in pkgutil.iter_modules(ffnn_fast.__path__)
        if not module.name.startswith("_") and module.name not in PROGRAMS
    ),
]


def imported(name):
    if (unit := name.rpartition(".")[2]) in INTEGRATIONS:
        pytest.importorskip(INTEGRATIONS[unit])
    return importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_module_lists_its_names(name):
    module = imported(name)
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__) > 0
    for exported in module.__all__:
        assert exported in dir(module)
        value = getattr(module, exported)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert inspect.getdoc(value), exported


@pytest.mark.parametrize("name", MODULES)
def test_public_classes_have_public_paths(name):
    module = imported(name)
    for exported in module.__all__:
        value = getattr(module, exported)
        if inspect.isclass(value) and value.__module__.startswith("ffnn_fast"):
            assert_public(value.__module__, value.__qualname__, value)


def assert_public(module, name, value=None):
    assert not [part for part in module.split(".") if part.startswith("_")], (module, name)
    found = getattr(importlib.import_module(module), name)
    assert value is None or found is value


def test_methods_of_network_are_written_in_the_class():
    for name, member in vars(Network).items():
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if not inspect.isfunction(function):
            continue
        assert function.__module__ == Network.__module__
        if name != "__copy__":  # another name of copy
            assert function.__qualname__ == f"Network.{name}"
        first = next(iter(inspect.signature(function).parameters))
        assert first == ("cls" if isinstance(member, classmethod) else "self")
        assert function.__doc__ or name.startswith("_")
    assert Network.__bases__ == (object,)
    assert not hasattr(Network, "machine")


def globals_of(data):
    """(module, name) of every class or function that a pickle refers to."""
    strings = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            yield tuple(argument.split(" "))
        elif opcode.name == "STACK_GLOBAL":
            yield tuple(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)


def fitted():
    """A network with a history, an average, a schedule and the state of partial_fit."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)).astype(np.float32), rng.integers(0, 2, 40)
    net = Network([3, 4, 2], seed=0, n_threads=1, dropout=0.1)
    net.fit(
        X, y, epochs=3, validation_data=(X, y), early_stopping=EarlyStopping(), diagnostics=True,
        averaging=Averaging(use=False), optimizer=Adam(), learning_rate=Cosine(0.1, 20),
    )  # fmt: skip
    net.partial_fit(X, y, optimizer="adam", learning_rate=Cosine(0.1, 20))
    assert net.history.average is not None
    assert net.stream is not None
    return net, X, y


def test_a_pickle_of_a_network_names_public_paths_only():
    net, X, y = fitted()
    # Without memo look-ups between the strings of STACK_GLOBAL, so that they can be read off.
    data = pickletools.optimize(pickle.dumps(net, protocol=3))
    names = {pair for pair in globals_of(data) if pair[0].split(".")[0] == "ffnn_fast"}
    assert {name for _, name in names} >= {"Network", "NetworkSpec", "History", "Adam", "Cosine"}
    for module, name in names:
        assert_public(module, name)
    again = pickle.loads(data)
    assert again.history == net.history or again.history.records == net.history.records
    assert again.engine == net.engine
    assert again.n_threads == 1
    again.partial_fit(X, y)
    net.partial_fit(X, y)
    np.testing.assert_array_equal(again.params, net.params)
    assert again.stream.t == net.stream.t


def test_classes_of_results_are_pickled_by_public_paths():
    net, X, y = fitted()
    line = Network([3, 1], output="identity", dtype="float64", seed=0)
    values = [
        net.spec, net.find_learning_rate(X, y), net.trace(X, y), net.check_gradients(X[:4], y[:4]),
        net.minimize(X, y, max_iterations=2), line.levenberg_marquardt(X, X[:, 0]),
    ]  # fmt: skip
    for value in values:
        data = pickle.dumps(value, protocol=3)
        for module, name in globals_of(data):
            if module.split(".")[0] == "ffnn_fast":
                assert_public(module, name)
        assert type(pickle.loads(data)) is type(value)


def test_names_are_found_on_first_access():
    for name in ffnn_fast.LAZY:
        assert getattr(ffnn_fast, name).__name__ == name
        assert name in dir(ffnn_fast)
    with pytest.raises(AttributeError, match="no attribute 'from_nowhere'"):
        ffnn_fast.from_nowhere  # noqa: B018


def test_a_bare_import_loads_no_scipy():
    code = "import sys, ffnn_fast; dir(ffnn_fast); print([m for m in sys.modules if 'scipy' in m])"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_description_is_shown_by_its_public_name():
    assert f"{NetworkSpec.__module__}.{NetworkSpec.__qualname__}" == "ffnn_fast.NetworkSpec"


def test_mypy_strict_accepts_a_users_script(root):
    api = pytest.importorskip("mypy.api")
    script = str(root / "tests" / "support" / "user_script.py")
    out, errors, status = api.run(["--strict", "--config-file=", script])
    assert (status, errors) == (0, ""), out


def test_a_users_script_runs(tmp_path, capsys):
    from support.user_script import main

    assert main(str(tmp_path)) > 0.5


def test_dir_lists_what_users_may_use():
    public = {name for name in dir(ffnn_fast) if not name.startswith("_")}
    modules = {name for name in public if inspect.ismodule(getattr(ffnn_fast, name))}
    assert public - modules == {name for name in ffnn_fast.__all__ if not name.startswith("_")}
    assert {"optimizers", "schedules", "metrics"} <= modules
