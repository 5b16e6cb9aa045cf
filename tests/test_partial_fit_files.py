"""partial_fit after save and load: the same optimizer goes on, with the state that the file has."""

import json
import pickle
import re
import warnings

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open
from support import forged, released
from support.fits import classes, network

from ffnn_fast import DivergedWarning, Network, schedules
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._training import streams
from ffnn_fast.optimizers import OPTIMIZERS, SGD, Adam, Optimizer, RMSprop
from ffnn_fast.schedules import (
    Constant,
    Cosine,
    CosLog,
    Custom,
    Exponential,
    FlatCosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
)  # fmt: skip

X, Y = classes()
RATES = [
    None, 0.02, StepDecay(0.05, 2), Exponential(0.05, 0.9, per="step"), InverseScaling(0.05),
    Cosine(0.05, 3, growth=2), OneCycle(0.05, 20), WarmUp(WarmUp(Cosine(0.05, 7), 9), 4),
    CosLog(0.05, 2, 30), FlatCosine(0.05, 0.3, 30),
    ReduceOnPlateau(0.05, "loss", patience=0, cooldown=1, threshold=0.5),
]  # fmt: skip


def trained(optimizer="adam", rate=None, **given):
    """A network after seven steps."""
    net = network(dropout=0.2, **given)
    net.partial_fit(X, Y, optimizer=optimizer, learning_rate=rate)
    return net


def reloaded(net, path, **given):
    net.save(path, **given)
    return Network.load(path, n_threads=1)


def continued(net):
    """θ after two more passes."""
    net.partial_fit(X, Y)
    net.partial_fit(X[:50], Y[:50])
    return net.params


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_with_the_state_it_goes_on_to_the_same_bits(tmp_path, optimizer):
    net = trained(optimizer)
    twin = reloaded(net, tmp_path / "net", with_state=True)
    again = reloaded(twin, tmp_path / "again", with_state=True)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "net").read_bytes()
    np.testing.assert_array_equal(continued(twin), continued(net))
    np.testing.assert_array_equal(again.params[:0], [])
    np.testing.assert_array_equal(continued(again), net.params)


@pytest.mark.parametrize("rate", RATES, ids=repr)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_schedule_goes_on(tmp_path, optimizer, rate):
    net = trained(optimizer, rate)
    twin = reloaded(net, tmp_path / "net", with_state=True)
    assert twin.stream.schedule == net.stream.schedule
    np.testing.assert_array_equal(continued(twin), continued(net))


@pytest.mark.parametrize("rate", RATES, ids=repr)
def test_an_optimizer_without_state_needs_none_in_the_file(tmp_path, rate):
    net = trained("sgd", rate)
    twin = reloaded(net, tmp_path / "net")
    np.testing.assert_array_equal(continued(twin), continued(net))


def test_without_the_state_the_same_optimizer_starts_anew(tmp_path):
    """Not gradient descent at 0.1, which is the default of a network that was never trained."""
    optimizer = Adam(learning_rate=0.003, beta_1=0.8)
    net = network()
    net.partial_fit(X, Y, optimizer=optimizer)
    twin, fresh = (reloaded(net, tmp_path / "net") for _ in range(2))
    assert twin.stream.rule.optimizer == optimizer
    assert twin.stream.optimizer_state is None
    fresh.stream = None
    fresh.partial_fit(X, Y, optimizer=optimizer)
    twin.partial_fit(X, Y)
    np.testing.assert_array_equal(twin.params, fresh.params)
    assert twin.stream.t == 7


def test_without_the_state_the_rate_does_not_start_anew(tmp_path):
    """A rate that has fallen does not jump back to where it began."""
    rate = InverseScaling(0.05, power=1)
    net = network()
    net.partial_fit(X, Y, optimizer=Adam(), learning_rate=rate)  # seven steps
    twin, fresh = (reloaded(net, tmp_path / "net") for _ in range(2))
    fresh.stream = None
    fresh.partial_fit(X, Y, optimizer="adam", learning_rate=lambda u: 0.05 / (1 + 7 + u))
    twin.partial_fit(X, Y)
    np.testing.assert_allclose(twin.params, fresh.params, rtol=1e-6)
    again = reloaded(twin, tmp_path / "net")
    assert (again.stream.t, again.stream.steps_before) == (0, 14)


def test_without_the_state_dropout_draws_other_masks(tmp_path):
    net = trained()
    seeds = {reloaded(net, tmp_path / "net").stream.rule.seed for _ in range(3)}
    assert len(seeds | {net.stream.rule.seed}) == 4
    assert reloaded(net, tmp_path / "net", with_state=True).stream.rule.seed == net.stream.rule.seed


def test_a_rate_given_after_loading_keeps_the_optimizer(tmp_path):
    twin = reloaded(trained(Adam(beta_2=0.9)), tmp_path / "net")
    twin.partial_fit(X, Y, learning_rate=0.5)
    assert twin.stream.rule.optimizer == Adam(beta_2=0.9, learning_rate=0.5)
    assert twin.stream.schedule == Constant(0.5)


def test_another_optimizer_replaces_that_of_the_file(tmp_path):
    twin = reloaded(trained(), tmp_path / "net", with_state=True)
    twin.partial_fit(X, Y, optimizer="sgd")
    assert (twin.stream.rule.optimizer, twin.stream.t) == (SGD(), 7)


class Sign(Optimizer):
    """A user-defined optimizer."""

    name = "sign"

    def rule(self, hyper, params, grad, state, t):
        params -= hyper[0] * np.sign(grad)


class Renamed(Adam):
    """A subclass of one that the files know."""


class Steady(Schedule):
    """A user-defined schedule."""

    def at(self, u):
        return 0.01 + 0 * u


@pytest.mark.parametrize(
    ("optimizer", "rate", "what"),
    [
        (Sign(), None, "the optimizer Sign"),
        (Renamed(), None, "the optimizer Renamed"),
        ("adam", lambda u: 0.01, "a learning rate that is a function"),
        ("adam", WarmUp(Custom(lambda u: 0.01), 5), "a learning rate that is a function"),
        ("adam", Steady(), "the schedule Steady"),
        (Sign(), Steady(), "the optimizer Sign and the schedule Steady"),
    ],
)
def test_what_a_file_cannot_hold_is_asked_for(tmp_path, optimizer, rate, what):
    net = trained(optimizer, rate)
    twin = reloaded(reloaded(net, tmp_path / "net"), tmp_path / "net")  # also when saved again
    for loaded in (twin, twin.copy(), pickle.loads(pickle.dumps(twin))):
        before = loaded.params.copy()
        for given in ({}, {"learning_rate": 0.1}):
            with pytest.raises(ValueError, match=f"with {what}, which a file cannot hold; give"):
                loaded.partial_fit(X, Y, **given)
        np.testing.assert_array_equal(loaded.params, before)
        loaded.partial_fit(X, Y, optimizer="momentum")
        assert loaded.stream.rule.optimizer == OPTIMIZERS["momentum"]()
    old = (tmp_path / "net").read_bytes()
    with pytest.raises(ValueError, match=f"the state cannot be saved: it belongs to {what}"):
        net.save(tmp_path / "net", with_state=True)
    assert (tmp_path / "net").read_bytes() == old


@pytest.mark.parametrize("with_state", [False, True])
def test_copies_of_a_loaded_network_go_on_alike(tmp_path, with_state):
    twin = reloaded(trained(), tmp_path / "net", with_state=with_state)
    copies = [twin.copy(), pickle.loads(pickle.dumps(twin))]
    for copied in copies:
        copied.partial_fit(X, Y)
        copied.partial_fit(X, Y)
    twin.partial_fit(X, Y)
    twin.partial_fit(X, Y)
    for copied in copies:
        np.testing.assert_array_equal(copied.params, twin.params)


def test_a_network_without_a_stream_has_the_file_of_before(tmp_path):
    for net in (network(), network()):
        net.fit(X, Y, epochs=1, optimizer="adam")
        net.save(tmp_path / "net", with_state=True)
        with safe_open(tmp_path / "net", framework="numpy") as file:
            assert set(file.metadata()) == {
                "format", "format_version", "library_version", "spec", "extra",
            }  # fmt: skip
        assert Network.load(tmp_path / "net").stream is None


def test_the_parameters_alone_have_torchs_names_unless_the_state_is_wanted(tmp_path):
    net = trained()
    net.save(tmp_path / "net")
    names = {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert set(safetensors.numpy.load_file(tmp_path / "net")) == names
    net.save(tmp_path / "net", with_state=True)
    tensors = safetensors.numpy.load_file(tmp_path / "net")
    assert set(tensors) == {*names, "training.state"}
    np.testing.assert_array_equal(tensors["training.state"], net.stream.optimizer_state)
    trained("sgd").save(tmp_path / "net", with_state=True)
    assert set(safetensors.numpy.load_file(tmp_path / "net")) == names


def test_every_schedule_of_the_library_can_be_stored():
    public = {getattr(schedules, name) for name in schedules.__all__}
    kinds = {k for k in public if isinstance(k, type) and issubclass(k, Schedule)}
    assert set(streams.SCHEDULES.values()) == kinds - {Schedule, Custom}
    assert {type(rate) for rate in RATES if isinstance(rate, Schedule)} | {Constant} == (
        kinds - {Schedule, Custom}
    )


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_the_flag_is_a_bool(tmp_path, value):
    with pytest.raises(TypeError, match="with_state must be True or False"):
        network().save(tmp_path / "net", with_state=value)


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    net = trained()
    net.stream.optimizer_state[0, 0] = np.nan
    with pytest.raises(ValueError, match="state of the optimizer that is not finite"):
        net.save(tmp_path / "net", with_state=True)
    assert not (tmp_path / "net").exists()


def contents(path):
    """The header and the tensors of a file."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    return metadata, safetensors.numpy.load_file(path)


SCHEDULES = [WarmUp(ReduceOnPlateau(0.01, "loss"), 5), *RATES[2:]]
EACH_SCHEDULE = [  # the default run has every fourth
    pytest.param(rate, marks=[pytest.mark.slow] * (i % 4 > 0)) for i, rate in enumerate(SCHEDULES)
]


@pytest.mark.parametrize("rate", EACH_SCHEDULE, ids=repr)
def test_any_entry_of_the_description_may_be_anything(tmp_path, rate):
    """Either the file is refused, or training goes on to finite parameters."""
    path, refused, loaded = tmp_path / "net", 0, 0
    trained(RMSprop(momentum=0.5), rate).save(path, with_state=True)
    metadata, tensors = contents(path)
    plain = {"training": json.loads(metadata["training"])}
    for place in forged.places(plain):
        for value in forged.VALUES:
            changed = forged.replaced(plain, place, value)
            if "training" not in changed:
                continue
            changed = metadata | {"training": json.dumps(changed["training"])}
            safetensors.numpy.save_file(tensors, path, metadata=changed)
            try:
                net = Network.load(path)
            except ModelFileError as error:
                refused += 1
                assert len(str(error)) < 2000  # noqa: PT017
                continue
            loaded += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DivergedWarning)  # a rate of 1e308 may be meant
                try:
                    net.partial_fit(X, Y)
                except ValueError as error:  # the monitored figure may be another one
                    assert re.search("is not recorded|needs mode", str(error))  # noqa: PT017
            assert np.isfinite(net.params).all()
    assert refused > 200
    assert loaded > 5


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (np.zeros((3, 66), np.float32), "adam has 2 state vectors, got 3"),
        (np.zeros((2, 65), np.float32), r"'training.state' of shape \[2, 65\]"),
        (np.zeros(132, np.float32), r"of shape \[132\]"),
        (np.zeros((2, 66)), "type F64"),
        (np.full((2, 66), np.nan, np.float32), "state of the optimizer that is NaN"),
    ],
)
def test_a_state_that_does_not_fit(tmp_path, state, message):
    trained().save(tmp_path / "net", with_state=True)
    metadata, tensors = contents(tmp_path / "net")
    changed = tensors | {"training.state": state}
    safetensors.numpy.save_file(changed, tmp_path / "net", metadata=metadata)
    with pytest.raises(ModelFileError, match=message):
        Network.load(tmp_path / "net")


def test_a_state_without_a_description(tmp_path):
    trained().save(tmp_path / "net", with_state=True)
    metadata, tensors = contents(tmp_path / "net")
    del metadata["training"]
    safetensors.numpy.save_file(tensors, tmp_path / "net", metadata=metadata)
    with pytest.raises(ModelFileError, match=r"differ from its description: \['training.state'"):
        Network.load(tmp_path / "net")


def test_a_released_file_goes_on(root):
    """Written in the first layout that holds a stream: names and entries must not change."""
    folder = root / "tests" / "fixtures"
    net = Network.load(folder / "stream-v2.safetensors", n_threads=1)
    np.testing.assert_allclose(net.params, released.streamed().params, rtol=1e-3)
    net.partial_fit(*released.rows(), batch_size=7)
    np.testing.assert_allclose(net.params, np.load(folder / "stream-v2.npy"), rtol=1e-3)
