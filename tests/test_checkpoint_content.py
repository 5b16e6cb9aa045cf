"""Checkpoints with a right checksum and strange content: CheckpointError, and nothing changed."""

import json
import os
import random
import warnings

import numpy as np
import pytest
from support import forged
from support.fits import StopAt, classes, network

from ffnn_fast import Averaging, Checkpoint, CheckpointError, DivergedWarning, EarlyStopping
from ffnn_fast.callbacks import Callback
from ffnn_fast.schedules import ReduceOnPlateau, Schedule, WarmUp

X, Y = classes(60)
COMMON = {"epochs": 4, "batch_size": 16}
FITS = {
    "adam": {
        "optimizer": "adam",
        "averaging": "ema",
        "learning_rate": WarmUp(ReduceOnPlateau(0.01, "loss", patience=1, cooldown=2), 5),
        "early_stopping": EarlyStopping("loss"),
    },
    "within an epoch": {
        "averaging": Averaging("swa", start=1),
        "tol": 1e-3,
        "validation_fraction": 0.2,
    },
}
KINDS = {"adam": np.random.MT19937, "within an epoch": np.random.Philox}


def generator(fit, seed=0):
    return np.random.Generator(KINDS[fit](seed))


@pytest.fixture(params=FITS)
def written(request, tmp_path):
    """The name of a fit, and the content of its checkpoint."""
    fit = request.param
    options = {"callbacks": [StopAt(7)], "on_interrupt": "return"} if " " in fit else {"epochs": 2}
    given = COMMON | FITS[fit] | options
    network(dropout=0.2).fit(X, Y, checkpoint=tmp_path / "fit", rng=generator(fit), **given)
    os.remove(tmp_path / "fit.previous")
    return fit, forged.read(tmp_path / "fit")


def outcome(tmp_path, fit, tensors, metadata):
    """How resuming from such a file ends: the message of a refusal, or None."""
    forged.write(tmp_path / "fit", tensors, metadata)
    net, rng = network(seed=5, dropout=0.2), generator(fit, 9)
    params, state, history = net.params.copy(), repr(rng.bit_generator.state), net.history
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DivergedWarning)
            net.fit(X, Y, resume=tmp_path / "fit", rng=rng, **COMMON, **FITS[fit])
    except CheckpointError as error:
        np.testing.assert_array_equal(net.params, params)
        assert repr(rng.bit_generator.state) == state
        assert net.history is history
        return str(error)
    assert np.isfinite(net.params).all()
    assert np.isfinite(net.forward(X)).all()
    assert repr(net.history)
    assert len(net.history) <= COMMON["epochs"]
    return None


def test_the_checkpoint_as_it_is_resumes(written, tmp_path):
    fit, content = written
    assert outcome(tmp_path, fit, *content) is None


# Numbers and texts that say nothing about the progress of the fit, or have a range.
FREE = {
    "total", "seconds", "seed", "stopped", "best", "rate", "bad", "rest", "mean_of", "array",
    "pos", "buffer_pos", "uinteger", "has_uint32", "loss", "accuracy", "val_loss", "val_accuracy",
    "gradient_norm", "learning_rate", "samples_per_second",
}  # fmt: skip


@pytest.mark.parametrize("n_values", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_any_entry_may_be_anything(written, tmp_path, n_values):
    """Every entry at every depth, missing or of another type or value."""
    fit, (tensors, metadata) = written
    parts = ("spec", "options", "progress", "history")
    others = {key: value for key, value in metadata.items() if key not in parts}
    parsed = {key: metadata[key] for key in parts}
    chance, refused, resumed = random.Random(3), 0, []
    for place in forged.places(parsed):
        for value in chance.sample(forged.VALUES, n_values):
            changed = others | forged.replaced(parsed, place, value)
            if changed == metadata:
                continue
            message = outcome(tmp_path, fit, tensors, changed)
            if message is None:
                resumed.append(place)
            else:
                refused += 1
                assert 20 < len(message) < 2000
    assert refused > 50 * n_values
    strange = {at for at in resumed if at[0] not in ("spec", "options") and not FREE & set(at)}
    assert strange <= {("progress", "schedule")}  # a constant rate has no state


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("epoch",), 10**400, r"epoch must be in \[1, 9.22337e\+18\], got 10{100}"),
        (("epoch",), "2", "epoch must be an integer, got '2'"),
        (("epoch",), 2, "t must be|history must have 1 records"),
        (("position",), 61, r"position must be in"),
        (("position",), 15, "position must be a multiple of 16"),
        (("t",), 10**30, "t must be"),
        (("total",), float("nan"), "total must be a finite number"),
        (("seconds",), -1.0, "seconds must be a finite number >= 0"),
        (("mean_of",), 5, "mean_of must be in"),
        (("n_rows",), 10**400, "other rows"),
        (("seed",), -1, "seed must be in"),
        (("schedule",), [], "schedule must be an object"),
        (("stopping",), {}, "stopping must have an entry for each of 1 rules"),
        (("stopping", 0, "bad"), 10**9, "bad must be in"),
        (("stopped",), None, "stopped must be a string"),
        (("rng", "bit_generator"), "PCG64", "bit_generator must be"),
        (("rng", "uinteger"), 2**80, "rng"),
        (("rng_at_start", "state"), None, "rng_at_start"),
    ],
    ids=lambda part: "-".join(map(str, part)) if isinstance(part, tuple) else "",
)
def test_the_message_names_what_is_wrong(written, tmp_path, place, value, message):
    fit, (tensors, metadata) = written
    if place == ("rng", "uinteger") and fit == "adam":
        place = ("rng", "state", "pos")
    progress = forged.replaced(metadata["progress"], place, value)
    found = outcome(tmp_path, fit, tensors, metadata | {"progress": progress})
    assert found is not None
    with pytest.raises(CheckpointError, match=message):
        raise CheckpointError(found)


@pytest.mark.parametrize("position", [625, 10**6, -1])
@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox])
def test_a_generator_never_reads_beyond_its_state(tmp_path, kind, position):
    """NumPy takes any position and then reads outside of the array."""
    rng = np.random.Generator(kind(0))
    network().fit(X, Y, epochs=1, checkpoint=tmp_path / "fit", rng=rng)
    tensors, metadata = forged.read(tmp_path / "fit")
    place = ("state", "pos") if kind is np.random.MT19937 else ("buffer_pos",)
    for name in ("rng", "rng_at_start"):
        progress = forged.replaced(metadata["progress"], (name, *place), position)
        forged.write(tmp_path / "fit", tensors, metadata | {"progress": progress})
        with pytest.raises(CheckpointError, match=f"invalid {name}: {place[-1]} must be"):
            network().fit(X, Y, resume=tmp_path / "fit", rng=np.random.Generator(kind(1)))


def test_a_plateau_never_has_a_rate_beyond_its_own(tmp_path):
    given = {"learning_rate": ReduceOnPlateau(0.1, "loss"), "epochs": 2}
    network().fit(X, Y, checkpoint=tmp_path / "fit", **given)
    tensors, metadata = forged.read(tmp_path / "fit")
    for rate in (0.2, 1e300, float("inf"), float("nan"), -0.1):
        progress = forged.replaced(metadata["progress"], ("schedule", "rate"), rate)
        forged.write(tmp_path / "fit", tensors, metadata | {"progress": progress})
        with pytest.raises(CheckpointError, match="rate must be in"):
            network().fit(X, Y, resume=tmp_path / "fit", **given)


class Halving(Schedule):
    """A user-defined schedule with a memory of its own."""

    def new_memory(self):
        return {"epochs": 0}

    def rates(self, first, n, steps_per_epoch, memory):
        return np.array([0.1 / 2 ** memory["epochs"]])

    def observe(self, record, memory):
        memory["epochs"] += 1


@pytest.mark.parametrize("memory", [{}, {"epochs": "x"}, {"epochs": -5000}, {"epochs": []}, [], 7])
def test_the_memory_of_a_users_schedule_is_tried(tmp_path, memory):
    network().fit(X, Y, epochs=2, learning_rate=Halving(), checkpoint=tmp_path / "fit")
    tensors, metadata = forged.read(tmp_path / "fit")
    progress = metadata["progress"] | {"schedule": memory}
    forged.write(tmp_path / "fit", tensors, metadata | {"progress": progress})
    net = network()
    before = net.params.copy()
    with pytest.raises(CheckpointError, match="schedule"):
        net.fit(X, Y, epochs=3, learning_rate=Halving(), resume=tmp_path / "fit")
    np.testing.assert_array_equal(net.params, before)


def bad_arrays(tensors):
    """Tensors that do not fit, by what is wrong."""
    for name, array in tensors.items():
        yield f"no {name}", {k: v for k, v in tensors.items() if k != name}
        yield f"{name} flat", tensors | {name: array.reshape(-1)[:-1].copy()}
        yield f"{name} deeper", tensors | {name: array[None].copy()}
        yield f"{name} wide", tensors | {name: array.astype(np.float64)}
        yield f"{name} half", tensors | {name: array.astype(np.float16)}
        yield f"{name} whole", tensors | {name: array.astype(np.int32)}
        yield f"{name} empty", tensors | {name: array[:0].copy()}
        if array.size:
            broken = array.copy()
            broken.flat[-1] = np.nan
            yield f"{name} NaN", tensors | {name: broken}
            broken = array.copy()
            broken.flat[-1] = -np.inf
            yield f"{name} infinite", tensors | {name: broken}
    yield "another", tensors | {"other": np.zeros(3, np.float32)}
    yield "a mean", tensors | {"mean": tensors["params"][:3].copy()}


def test_arrays_that_do_not_fit(written, tmp_path):
    fit, (tensors, metadata) = written
    for what, changed in bad_arrays(tensors):
        if what == "state empty" and not len(tensors["state"]):
            continue  # plain gradient descent has none
        assert outcome(tmp_path, fit, changed, metadata) is not None, what


@pytest.mark.parametrize("key", ["spec", "options", "progress", "history"])
@pytest.mark.parametrize(
    "text", [forged.MISSING, "", "{", "[]", "7", '"x"', "[" * 50_000, "\ufeff{}", "NaN", "9" * 5000]
)
def test_entries_that_are_no_json_object(written, tmp_path, key, text):
    fit, (tensors, metadata) = written
    message = outcome(tmp_path, fit, tensors, metadata | {key: text})
    assert message is not None
    assert key in message or "history" in message or "t must be" in message


def test_a_history_that_is_no_text(written, tmp_path):
    fit, (tensors, metadata) = written
    tensors = tensors | {"history": np.frombuffer(b'[{"a\xff": 1}]', np.uint8)}
    without = {key: value for key, value in metadata.items() if key != "history"}
    assert "history" in outcome(tmp_path, fit, tensors, without)


@pytest.mark.parametrize("key", ["format", "format_version", "library_version"])
def test_other_entries(written, tmp_path, key):
    fit, (tensors, metadata) = written
    for text in (forged.MISSING, "", "x" * 100_000, "\0"):
        message = outcome(tmp_path, fit, tensors, metadata | {key: text})
        assert (message is None) == (key == "library_version")


def test_the_checkpoint_before_a_strange_one_is_used(tmp_path):
    network().fit(X, Y, epochs=3, checkpoint=tmp_path / "fit")
    tensors, metadata = forged.read(tmp_path / "fit")
    forged.write(tmp_path / "fit", tensors, metadata | {"progress": "[]"})
    whole, net = network(), network()
    whole.fit(X, Y, epochs=4)
    with pytest.warns(UserWarning, match="'progress' that is a list, not a dict; resuming from"):
        net.fit(X, Y, epochs=4, resume=tmp_path / "fit")
    np.testing.assert_array_equal(net.params, whole.params)


def test_figures_of_a_callback_may_be_anything(tmp_path):
    class Notes(Callback):
        def on_epoch_end(self, fit, record):
            record["note"] = [1, "two", None]

    given = {"epochs": 1, "callbacks": [Notes()]}
    network().fit(X, Y, checkpoint=tmp_path / "fit", **given)
    history = network().fit(X, Y, resume=tmp_path / "fit", **given)
    assert json.loads(json.dumps(history[0]["note"])) == [1, "two", None]


def refused(path, error, message):
    """A fit with a checkpoint there is refused before any step."""
    steps = []
    net = network()
    params, state, history = net.params.copy(), repr(net.rng.bit_generator.state), net.history
    with pytest.raises(error, match=message):
        net.fit(X, Y, checkpoint=path, callbacks=[steps.append])
    assert steps == []
    np.testing.assert_array_equal(net.params, params)
    assert repr(net.rng.bit_generator.state) == state
    assert net.history is history


def test_a_folder_that_does_not_exist_is_found_before_the_first_step(tmp_path):
    for path in (tmp_path / "none" / "fit", Checkpoint(tmp_path / "none" / "fit")):
        refused(path, FileNotFoundError, "the folder of the checkpoint does not exist")
    os.symlink(tmp_path / "none" / "fit", tmp_path / "link")
    refused(tmp_path / "link", FileNotFoundError, "does not exist")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "fit", FileNotFoundError, "does not exist")


def test_a_name_that_cannot_be_written_is_found_before_the_first_step(tmp_path, monkeypatch):
    refused(tmp_path, ValueError, "not a regular file")
    (tmp_path / "fit.previous").mkdir()
    refused(tmp_path / "fit", ValueError, "'.*fit.previous' is not a regular file")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refused(tmp_path / "other", PermissionError, "read-only")
